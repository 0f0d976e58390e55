//! Properties that must hold for every input.

use proptest::prelude::*;
use serde_json::json;
use vtiger::{
    Condition, Edition, Element, Envelope, Filter, Module, Purpose, Query, RecordId, Value, quote,
};

use crate::contract::recording_named;

/// Where VTQL's lexer ends the literal a text begins with: at the first `'` that is not doubled.
fn end_for_the_lexer(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut position = 1;
    while position < bytes.len() {
        match (bytes[position], bytes.get(position + 1)) {
            (b'\'', Some(b'\'')) => position += 2,
            (b'\'', _) => return Some(position + 1),
            _ => position += 1,
        }
    }
    None
}

/// What the database makes of the literal a text begins with, and where it ends for it: `\` escapes the next character,
/// `''` is one quote.
fn read_by_the_database(text: &str) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((index, character)) = characters.next() {
        match character {
            '\\' => value.push(characters.next()?.1),
            '\'' if characters.peek().is_some_and(|(_, next)| *next == '\'') => {
                value.push(characters.next()?.1)
            }
            '\'' => return Some((value, index + 1)),
            other => value.push(other),
        }
    }
    None
}

/// Text rich in what could break out of a literal.
fn hostile_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        proptest::collection::vec(
            prop_oneof![
                Just("'"),
                Just("\\"),
                Just("''"),
                Just("\\'"),
                Just(";"),
                Just(" or 1=1 -- "),
                Just("x"),
                Just("\""),
                Just("12x0"),
                Just("é"),
                Just("\0"),
                Just("%"),
                Just(")"),
                Just("😀")
            ],
            0..12
        )
        .prop_map(|parts| parts.concat()),
    ]
}

proptest! {
    #[test]
    fn no_text_breaks_out_of_its_literal(text in hostile_text(), tail in hostile_text()) {
        let quoted = quote(&text);
        let (value, end) = read_by_the_database(&quoted).unwrap();
        prop_assert_eq!(end, quoted.len());
        prop_assert_eq!(end_for_the_lexer(&quoted), Some(quoted.len()));
        let expected = if text.is_empty() { " " } else { &text };
        prop_assert_eq!(value.as_str(), expected);
        // Whatever follows in the query does not move the end.
        let followed = format!("{quoted} and firstname={}", quote(&tail));
        prop_assert_eq!(end_for_the_lexer(&followed), Some(quoted.len()));
        prop_assert_eq!(read_by_the_database(&followed).map(|(_, end)| end), Some(quoted.len()));
    }

    #[test]
    fn a_whole_query_holds_exactly_the_literals_it_was_given(one in hostile_text(), two in hostile_text()) {
        let filter = Filter::all([Condition::eq("lastname", one.as_str()), Condition::like("firstname", two.as_str())]);
        let query = Query::select("Contacts").fields(["id"]).filter(filter).limit(1).to_vtql().unwrap();
        let rest = query.strip_prefix("select id from Contacts where lastname=").unwrap();
        let rest = &rest[end_for_the_lexer(rest).unwrap()..];
        let rest = rest.strip_prefix(" and firstname like ").unwrap();
        prop_assert_eq!(&rest[end_for_the_lexer(rest).unwrap()..], " limit 1;");
    }

    #[test]
    fn an_escaped_pattern_matches_its_text_literally(text in hostile_text()) {
        // What reaches LIKE is the pattern as the database reads the literal; there `\` escapes again.
        let Some((pattern, _)) = read_by_the_database(&quote(&Condition::like_escaped(&text))) else { panic!() };
        let mut matched = String::new();
        let mut characters = pattern.chars();
        while let Some(character) = characters.next() {
            match character {
                '\\' => matched.push(characters.next().unwrap()),
                '%' | '_' => prop_assert!(false, "an unescaped wildcard"),
                other => matched.push(other),
            }
        }
        prop_assert_eq!(matched, if text.is_empty() { " ".to_owned() } else { text });
    }

    #[test]
    fn what_a_field_shall_contain_is_meant_literally(text in hostile_text()) {
        for (condition, anything_before) in [
            (Condition::contains("firstname", &text), true),
            (Condition::starts_with("firstname", &text), false),
        ] {
            let query = Query::select("Contacts").filter(condition).to_vtql().unwrap();
            let literal = query.strip_prefix("select * from Contacts where firstname like ").unwrap();
            prop_assert_eq!(&literal[end_for_the_lexer(literal).unwrap()..], ";");
            let (pattern, _) = read_by_the_database(literal).unwrap();
            let pattern = pattern.strip_prefix(if anything_before { "%" } else { "" }).unwrap();
            let pattern = pattern.strip_suffix('%').unwrap();
            prop_assert_eq!(pattern, Condition::like_escaped(&text));
        }
    }

    #[test]
    fn names_that_are_no_names_are_refused(name in "[ -~]{0,12}") {
        let is_name = !name.is_empty()
            && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
            && !name.starts_with(|first: char| first.is_ascii_digit());
        prop_assert_eq!(Query::select("Contacts").fields([name.clone()]).to_vtql().is_ok(), is_name);
        prop_assert_eq!(Query::select(name.clone()).to_vtql().is_ok(), is_name);
        prop_assert_eq!(Query::select("Contacts").order_by([name.clone()]).to_vtql().is_ok(), is_name);
        prop_assert_eq!(Query::select("Contacts").filter(Condition::eq(name, 1)).to_vtql().is_ok(), is_name);
    }

    #[test]
    fn only_digits_x_digits_is_a_record_id(text in prop_oneof![any::<String>(), "[0-9x ]{0,8}", "[0-9]{1,30}x[0-9]{1,30}"]) {
        let wanted = text.split_once('x').is_some_and(|(prefix, number)| {
            [prefix, number].iter().all(|part| !part.is_empty() && part.chars().all(|digit| digit.is_ascii_digit()))
        });
        match text.parse::<RecordId>() {
            Ok(id) => {
                prop_assert!(wanted);
                prop_assert_eq!(id.to_string(), text.clone());
                prop_assert_eq!(format!("{}x{}", id.prefix(), id.number()), text);
                let json = serde_json::to_string(&id).unwrap();
                prop_assert_eq!(serde_json::from_str::<RecordId>(&json).unwrap(), id);
            }
            Err(_) => {
                prop_assert!(!wanted);
                prop_assert!(serde_json::from_value::<RecordId>(json!(text)).is_err());
            }
        }
    }

    #[test]
    fn no_bytes_upset_the_answer_parser(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Envelope::find(&bytes);
        let _ = Envelope::find(&[br#"{"success":"#.as_slice(), &bytes].concat());
        let _ = Envelope::find(&[br#"{"success":true,"result":"#.as_slice(), &bytes].concat());
    }

    #[test]
    fn an_answer_is_found_behind_any_noise(noise in any::<String>(), text in any::<String>(), after in "[ \n<>a-z]{0,20}") {
        prop_assume!(!noise.contains(r#"{"success":"#) && !noise.trim_start().starts_with('{'));
        let answer = json!({"success": true, "result": {"id": "12x1", "lastname": text}});
        let found = Envelope::find(format!("{noise}{answer}{after}").as_bytes());
        prop_assert_eq!(found, Some(Envelope::Success(answer["result"].clone())));
    }

    #[test]
    fn half_an_answer_is_no_answer(text in any::<String>(), part in 0.0..1.0f64) {
        let inner = json!({"success": true, "result": null});
        let answer = json!({"success": true, "result": {"id": "12x1", "lastname": text, "sub": inner, "n": 7}}).to_string();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let end = (answer.len() as f64 * part) as usize;
        prop_assert_eq!(Envelope::find(&answer.as_bytes()[..end]), None);
    }

    #[test]
    fn filters_mean_the_same_with_and_without_parentheses(tree in tree(), truth in any::<[bool; 4]>()) {
        let text = Query::select("Contacts").filter(tree.filter()).to_vtql().unwrap();
        let shown = text.strip_prefix("select * from Contacts where ").unwrap().trim_end_matches(';');
        // SQL's precedence: `and` before `or`.
        let read = shown.split(" or ").any(|all| {
            all.split(" and ").all(|one| truth[one.strip_prefix("f=").unwrap().parse::<usize>().unwrap()])
        });
        prop_assert_eq!(read, tree.holds(&truth), "{}", shown);
    }

    #[test]
    fn adapting_is_final_and_keeps_within_the_columns(text in any::<String>(), field in 0..FIELDS.len(), purpose in purposes()) {
        let contacts = contacts();
        let name = FIELDS[field];
        let adapted = contacts.adapt(&Element::new().with(name, text.as_str()), Purpose::Create);
        let again = contacts.adapt(&adapted.element, Purpose::Create);
        prop_assert_eq!(&again.element, &adapted.element);
        prop_assert_eq!(&again.stored, &adapted.stored);
        prop_assert_eq!(adapted.element.is_empty(), adapted.warnings.iter().any(|warning| warning.leaves_field_out()));
        for stored in adapted.stored.values() {
            prop_assert!(stored.chars().all(|character| character.len_utf8() < 4));
            if let Some(length) = contacts.field(name).unwrap().length {
                prop_assert!(stored.chars().count() <= usize::try_from(length).unwrap());
            }
        }
        // The same value is stored whichever call carries it.
        let otherwise = contacts.adapt(&Element::new().with(name, text.as_str()), purpose);
        prop_assert_eq!(otherwise.stored, adapted.stored);
    }

    #[test]
    fn decimals_keep_their_value(units in -10_000_000_000_i64..10_000_000_000, scale in 0_u32..6) {
        let text = decimal(units, scale);
        let contacts = contacts();
        let amount = contacts.field("cf_855").unwrap();
        let adapted = contacts.adapt(&Element::new().with("cf_855", Value::Number(text.clone())), Purpose::Create);
        // Half away from zero at two decimals, in integer arithmetic.
        let hundredths = if scale <= 2 {
            units * 10_i64.pow(2 - scale)
        } else {
            let step = 10_i64.pow(scale - 2);
            (units.abs() + step / 2) / step * units.signum()
        };
        prop_assert_eq!(&adapted.stored["cf_855"], &decimal(hundredths, 2));
        prop_assert!(amount.same_value(&text, &adapted.stored["cf_855"]) || scale < 2);
    }
}

fn decimal(units: i64, scale: u32) -> String {
    let sign = if units < 0 { "-" } else { "" };
    let step = 10_i64.pow(scale);
    let (whole, part) = (units.abs() / step, units.abs() % step);
    match usize::try_from(scale).unwrap() {
        0 => format!("{sign}{whole}"),
        digits => format!("{sign}{whole}.{part:0digits$}"),
    }
}

const FIELDS: [&str; 12] = [
    "lastname",
    "firstname",
    "email",
    "description",
    "cf_855",
    "cf_857",
    "cf_859",
    "cf_861",
    "cf_863",
    "cf_865",
    "cf_875",
    "account_id",
];

fn contacts() -> Module {
    let recorded = recording_named("057-meta-describe-Contacts")
        .result()
        .unwrap();
    Module::from_json(Edition::OpenSource, recorded, |_, _| None).unwrap()
}

fn purposes() -> impl Strategy<Value = Purpose> {
    prop_oneof![
        Just(Purpose::Create),
        Just(Purpose::Revise),
        Just(Purpose::Update)
    ]
}

/// A condition tree over four statements `f=0` to `f=3`.
#[derive(Debug, Clone)]
enum Tree {
    Leaf(usize),
    And(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
}

impl Tree {
    fn filter(&self) -> Filter {
        match self {
            Self::Leaf(number) => Condition::eq("f", i64::try_from(*number).unwrap()).into(),
            Self::And(one, two) => one.filter().and(two.filter()),
            Self::Or(one, two) => one.filter().or(two.filter()),
        }
    }

    fn holds(&self, truth: &[bool; 4]) -> bool {
        match self {
            Self::Leaf(number) => truth[*number],
            Self::And(one, two) => one.holds(truth) && two.holds(truth),
            Self::Or(one, two) => one.holds(truth) || two.holds(truth),
        }
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    (0_usize..4)
        .prop_map(Tree::Leaf)
        .prop_recursive(4, 12, 2, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone())
                    .prop_map(|(one, two)| Tree::And(Box::new(one), Box::new(two))),
                (inner.clone(), inner)
                    .prop_map(|(one, two)| Tree::Or(Box::new(one), Box::new(two))),
            ]
        })
}
