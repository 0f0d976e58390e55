//! The page for everybody: with the keyboard alone, on a phone, in the dark; labels, contrast, sizes.

use serde_json::{Value, json};

use super::browser::Scene;
use super::chromium::{DESK, PHONE};
use crate::harness::eventually;

#[tokio::test]
async fn the_keyboard_reaches_everything_in_order_and_the_focus_is_seen() {
    let Some(mut scene) = Scene::set().await else {
        return;
    };
    scene.open(DESK).await;
    let expected = scene
        .browser
        .value(
            "[...document.querySelectorAll('a[href], input:not([type=hidden]), select, textarea, button')]
                .filter((part) => part.getClientRects().length).length",
        )
        .await
        .as_u64()
        .expect("a number");
    let mut tops = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..expected + 40 {
        scene.browser.press("Tab").await;
        let here = scene
            .browser
            .value(
                "(() => { const part = document.activeElement; if (part === document.body) return null;
                   const style = getComputedStyle(part), box = part.getBoundingClientRect();
                   part.dataset.reached ??= String(Math.random());
                   return { key: part.dataset.reached, name: part.id || part.textContent, outline: parseFloat(style.outlineWidth),
                     style: style.outlineStyle, top: box.top + scrollY, form: Boolean(part.closest('form')) }; })()",
            )
            .await;
        if here.is_null() || !seen.insert(here["key"].to_string()) {
            // A date has three parts of its own; the end of the page is the end.
            if here.is_null() {
                break;
            }
            continue;
        }
        let outline = here["outline"].as_f64().unwrap_or(0.0);
        assert!(
            outline >= 2.0 && here["style"] != "none",
            "no focus is seen: {here}"
        );
        if here["form"] == true {
            tops.push(here["top"].as_f64().unwrap_or(0.0));
        }
    }
    assert!(
        seen.len() as u64 >= expected,
        "{} of {expected}",
        seen.len()
    );
    let jumps = tops
        .windows(2)
        .filter(|pair| pair[1] + 1.0 < pair[0])
        .count();
    assert_eq!(jumps, 0, "the focus goes down the page: {tops:?}");
    scene.running.shutdown().await;
}

/// Everything that a machine can say about accessibility, as a list of complaints.
pub(crate) const COMPLAINTS: &str = r#"(() => {
  const complaints = [];
  const numbers = (text) => (text.match(/[\d.]+%?/g) || []).map(Number);
  const colour = (text) => {
    const [r, g, b, a = 1] = numbers(text);
    return text.startsWith("color(") ? [r * 255, g * 255, b * 255, a] : [r, g, b, a];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const ground = (part) => {
    const layers = [];
    for (let here = part; here; here = here.parentElement) {
      const layer = colour(getComputedStyle(here).backgroundColor);
      layers.push(layer);
      if (layer[3] === 1) break;
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255, 1]);
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const contrast = (one, other) => {
    const [a, b] = [light(one), light(other)].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  };
  const shown = (part) => part.getClientRects().length && getComputedStyle(part).visibility === "visible";
  let texts = 0;
  for (const part of document.querySelectorAll("body *")) {
    if (!shown(part)) continue;
    const style = getComputedStyle(part), below = ground(part);
    const has = [...part.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()) || part.matches("input, textarea, select");
    if (has && !part.matches(".skip, option")) {
      texts += 1;
      const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700);
      const found = contrast(over(colour(style.color), below), below);
      if (found < (large ? 3 : 4.5)) complaints.push(`contrast ${found.toFixed(2)}: ${part.tagName} ${part.id} ${part.textContent.slice(0, 30)}`);
    }
    if (part.matches("input:not([type=hidden]), textarea, select")) {
      const edge = contrast(over(colour(style.borderTopColor), below), ground(part.parentElement));
      if (edge < 3) complaints.push(`edge ${edge.toFixed(2)}: ${part.id}`);
      if (part.getBoundingClientRect().height < 44) complaints.push(`too small: ${part.id}`);
      if (!part.labels.length || !part.labels[0].textContent.trim()) complaints.push(`no label: ${part.id}`);
      for (const id of (part.getAttribute("aria-describedby") || "").split(" ")) {
        if (!document.getElementById(id)) complaints.push(`describes nothing: ${id}`);
      }
      if (!part.hasAttribute("aria-describedby")) complaints.push(`no description: ${part.id}`);
    }
  }
  if (texts < 10) complaints.push(`only ${texts} texts were looked at`);
  if (document.documentElement.scrollWidth > innerWidth) complaints.push(`wider than the window: ${document.documentElement.scrollWidth}`);
  const ids = [...document.querySelectorAll("[id]")].map((part) => part.id);
  for (const id of ids) if (ids.filter((other) => other === id).length > 1) complaints.push(`twice: ${id}`);
  if (document.querySelectorAll("h1").length !== 1) complaints.push("not one h1");
  let level = 1;
  for (const head of document.querySelectorAll("h1, h2, h3")) {
    if (!shown(head)) continue;
    const now = Number(head.tagName[1]);
    if (now > level + 1) complaints.push(`heading leaps to ${head.tagName}: ${head.textContent}`);
    level = now;
  }
  for (const set of document.querySelectorAll("fieldset")) if (!set.querySelector("legend")) complaints.push("fieldset without legend");
  if (!document.documentElement.lang || !document.title) complaints.push("no language or title");
  for (const part of document.querySelectorAll("main, nav, header, footer")) if (!shown(part) && part.tagName === "MAIN") complaints.push("no main");
  return complaints;
})()"#;

#[tokio::test]
async fn nothing_to_complain_about_on_any_screen_in_either_light() {
    let Some(mut scene) = Scene::set().await else {
        return;
    };
    let looks = [
        ("phone", PHONE),
        ("phone-dark", PHONE.dark()),
        ("desk", DESK),
        ("desk-dark", DESK.dark()),
    ];
    let forged = format!("{}/onboarding/forged", scene.api.address());
    for (name, look) in looks {
        scene.open(look).await;
        if name == "desk" {
            scene.fill().await;
            scene
                .browser
                .until("document.getElementById('save').dataset.is === 'saved'")
                .await;
        }
        let complaints = scene.browser.value(COMPLAINTS).await;
        assert_eq!(complaints, json!([]), "{name}");
        scene.browser.picture(&format!("form-{name}")).await;
        // Somebody would be told if there were anything.
        let planted = "{ const text = document.querySelector('.lead'); text.style.color = 'rgb(128, 128, 128)'; \
                       document.querySelector('label').remove(); }";
        scene.browser.value(planted).await;
        let complaints = scene.browser.value(COMPLAINTS).await.to_string();
        assert!(
            complaints.contains("contrast") && complaints.contains("no label"),
            "{complaints}"
        );
        scene.open(look).await;
        // With mistakes, too.
        scene
            .browser
            .value("document.getElementById('f-contactEmail').value = 'mary'")
            .await;
        scene
            .browser
            .value("document.getElementById('send').click()")
            .await;
        scene
            .browser
            .until("document.activeElement.id === 'problems'")
            .await;
        let complaints = scene.browser.value(COMPLAINTS).await;
        assert_eq!(complaints, json!([]), "{name}, mistakes");
        scene.browser.picture(&format!("mistakes-{name}")).await;
        scene.browser.open(&forged, look).await;
        let complaints = scene.browser.value(COMPLAINTS).await;
        let complaints: Vec<&Value> = complaints
            .as_array()
            .into_iter()
            .flatten()
            .filter(|one| !one.as_str().is_some_and(|text| text.starts_with("only")))
            .collect();
        assert!(complaints.is_empty(), "{name}, forged: {complaints:?}");
        scene.browser.picture(&format!("forged-{name}")).await;
    }
    let api = &scene.api;
    eventually("the drafts are kept", || async {
        let page = super::get_page(api, &scene.path).await;
        page.text.contains("mary").then_some(())
    })
    .await;
    scene.running.shutdown().await;
}
