//! The colours of the stylesheet, by computation: enough contrast in both themes.

/// What is written on what, and how far apart they must be (WCAG 2.2: 4.5 for text, 3 for edges and signs).
const PAIRS: [(&str, &[&str], f64); 11] = [
    (
        "ink",
        &[
            "ground",
            "card",
            "raised",
            "brand-tint",
            "good-tint",
            "wait-tint",
            "bad-tint",
        ],
        4.5,
    ),
    ("quiet", &["ground", "card", "raised"], 4.5),
    ("brand", &["card", "ground", "brand-tint"], 4.5),
    ("on-brand", &["brand"], 4.5),
    ("good", &["card", "good-tint"], 4.5),
    ("wait", &["card", "wait-tint"], 4.5),
    ("bad", &["card", "ground", "bad-tint"], 4.5),
    ("edge", &["card", "ground", "raised"], 3.0),
    ("quiet", &["brand-tint", "wait-tint", "bad-tint"], 4.5),
    ("good", &["ground"], 3.0),
    ("wait", &["ground"], 3.0),
];

/// Both colours of a name.
fn colours(sheet: &str, name: &str) -> [[f64; 3]; 2] {
    let marker = format!("--{name}: light-dark(");
    let (_, rest) = sheet
        .split_once(&marker)
        .unwrap_or_else(|| panic!("no {name}"));
    let (pair, _) = rest.split_once(')').expect("an end");
    let (light, dark) = pair.split_once(',').expect("two colours");
    [light, dark].map(|text| {
        let digits = text.trim().trim_start_matches('#');
        [0, 2, 4].map(|at| f64::from(u8::from_str_radix(&digits[at..at + 2], 16).expect("hex")))
    })
}

fn light([red, green, blue]: [f64; 3]) -> f64 {
    let [red, green, blue] = [red, green, blue].map(|part| {
        let part = part / 255.0;
        if part <= 0.04045 {
            part / 12.92
        } else {
            ((part + 0.055) / 1.055).powf(2.4)
        }
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let (one, other) = (light(one), light(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn every_colour_is_far_enough_from_what_it_stands_on_in_both_themes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/console.css");
    let sheet = std::fs::read_to_string(path).expect("the stylesheet is there");
    for (text, grounds, least) in PAIRS {
        for ground in grounds {
            let (above, below) = (colours(&sheet, text), colours(&sheet, ground));
            for (theme, at) in [("light", 0), ("dark", 1)] {
                let found = contrast(above[at], below[at]);
                assert!(found >= least, "{text} on {ground}, {theme}: {found:.2}");
            }
        }
    }
    assert_eq!(contrast([0.0; 3], [255.0; 3]).round(), 21.0);
}
