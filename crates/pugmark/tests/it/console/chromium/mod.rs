//! The console in a real browser: with the keyboard, on a phone, in the dark, and while the server is away.

mod customers;
mod desks;

use std::time::Duration;

use pugmark::app::Running;
use pugmark::http::console::first::{LINK, demo_link, founding_link};
use serde_json::{Value, json};

use crate::harness::World;
use crate::onboarding_form::accessibility::COMPLAINTS;
use crate::onboarding_form::chromium::{Browser, DESK, Look, PHONE};

const DAY: Duration = Duration::from_secs(86_400);
const TABLET: Look = Look {
    width: 768,
    dark: false,
};

/// What else there is to complain about on a page of the console.
const MORE: &str = r#"(() => {
  const complaints = [];
  const shown = (part) => part.getClientRects().length && getComputedStyle(part).visibility === "visible";
  for (const part of document.querySelectorAll("a[href], button, summary, input:not([type=hidden]), select, textarea")) {
    if (!shown(part)) continue;
    const name = part.labels?.[0]?.textContent.trim() || part.textContent.trim() || part.getAttribute("aria-label");
    if (!name) complaints.push(`no name: ${part.outerHTML.slice(0, 60)}`);
    // What stands in its label is as large as that.
    const box = (part.closest("label") ?? part).getBoundingClientRect();
    const inText = part.matches("p a, td a, li a, dd a");
    if (!inText && !part.matches(".skip") && (box.height < 24 || box.width < 24)) complaints.push(`too small: ${name} ${box.width}x${box.height}`);
  }
  if (document.querySelectorAll("main").length !== 1) complaints.push("not one main");
  for (const table of document.querySelectorAll("table")) {
    if (!table.querySelector("th")) complaints.push("a table without headers");
  }
  for (const part of document.querySelectorAll("[role=alert], [role=status]")) if (part.closest("[aria-live]")) complaints.push("spoken twice");
  return complaints;
})()"#;

async fn complaints(browser: &mut Browser) -> Vec<Value> {
    let mut found = Vec::new();
    for check in [COMPLAINTS, MORE] {
        let list = browser.value(check).await;
        found.extend(list.as_array().cloned().unwrap_or_default());
    }
    // The form for clients is held to more: large fields, and a hint for each.
    found.retain(|one| {
        let text = one.as_str().unwrap_or_default();
        // What that check makes of a field without a description.
        if text == "describes nothing: " {
            return false;
        }
        let stricter = ["no description", "only "];
        // That form's fields are larger; those of the console are measured above, and named with their size.
        let small = text.starts_with("too small: ") && !ends_with_size(text);
        !small && !stricter.iter().any(|start| text.starts_with(start))
    });
    found
}

/// Ends like `120x24`.
fn ends_with_size(text: &str) -> bool {
    let last = text.rsplit(' ').next().unwrap_or_default();
    let number = |text: &str| text.parse::<f64>().is_ok();
    last.split_once('x')
        .is_some_and(|(width, height)| number(width) && number(height))
}

async fn enter(browser: &mut Browser, running: &Running, look: Look) -> String {
    let address = running.address.expect("the API role runs");
    let token = demo_link(&running.db, DAY)
        .await
        .expect("the store answers");
    let link = format!("http://{address}{LINK}/{}", token.reveal());
    browser.open(&link, look).await;
    browser
        .value("document.querySelector('main button').click()")
        .await;
    browser
        .until("location.pathname === '/' && document.readyState === 'complete'")
        .await;
    format!("http://{address}")
}

#[tokio::test]
async fn home_is_live_and_says_when_it_is_not() {
    let Some(mut browser) = Browser::start().await else {
        return;
    };
    let world = World::sqlite().await;
    let running = world.start().await;
    enter(&mut browser, &running, PHONE).await;
    browser
        .until("document.querySelector('h1').textContent === 'Fine'")
        .await;
    // The script was allowed to load, and to fetch.
    browser
        .until("Boolean(document.querySelector('[data-refresh]').dataset.last)")
        .await;
    let program = world.other_program().await;
    program.insert_customer("Were").await;
    browser
        .until("document.body.innerText.includes('1 of 1')")
        .await;

    running.shutdown().await;

    let said = "/^Not current since \\d\\d:\\d\\d:\\d\\d; trying again\\.$/.test(document.querySelector('.stale-line').textContent)";
    browser.until(said).await;
    browser.picture_of("console", "home-stale-phone").await;
}

#[tokio::test]
async fn with_the_keyboard_alone_somebody_makes_an_account_signs_out_and_in_on_a_phone() {
    let Some(mut browser) = Browser::start().await else {
        return;
    };
    let world = World::sqlite().await;
    let running = world.start().await;
    let address = running.address.expect("the API role runs");
    let token = founding_link(&running.db, DAY)
        .await
        .expect("the store answers");
    let token = token.expect("nobody has an account");
    browser
        .open(&format!("http://{address}{LINK}/{}", token.reveal()), PHONE)
        .await;
    browser.until("document.activeElement.id === 'name'").await;
    for text in [
        "Asha Otieno",
        "asha@example.org",
        "four plain words here",
        "four plain words here",
    ] {
        browser.type_text(text).await;
        browser.press("Tab").await;
    }
    browser.press("Enter").await;
    browser
        .until("location.pathname === '/' && document.querySelector('h1')?.textContent === 'Fine'")
        .await;
    // The menu is folded on a phone; a key opens it.
    browser
        .value("document.querySelector('.menu > summary').focus()")
        .await;
    browser.press("Enter").await;
    browser.until("document.querySelector('.menu').open").await;
    browser.picture_of("console", "menu-phone").await;
    browser
        .value("[...document.querySelectorAll('.who button')].at(-1).focus()")
        .await;
    browser.press("Enter").await;
    browser.until("location.pathname === '/sign-in' && document.body.innerText.includes('You are signed out.')").await;
    browser.until("document.activeElement.id === 'email'").await;
    browser.type_text("asha@example.org").await;
    browser.press("Tab").await;
    browser.type_text("not the right words").await;
    browser.press("Enter").await;
    browser
        .until("document.body.innerText.includes('PUG-6801')")
        .await;
    assert_eq!(complaints(&mut browser).await, Vec::<Value>::new());
    browser
        .until("document.activeElement.id === 'password'")
        .await;
    browser.type_text("four plain words here").await;
    browser.press("Enter").await;
    browser.until("location.pathname === '/'").await;
    running.shutdown().await;
}

#[tokio::test]
async fn nothing_to_complain_about_on_any_screen_in_either_theme_at_any_width() {
    let Some(mut browser) = Browser::start().await else {
        return;
    };
    let world = World::sqlite().await;
    let running = world.start().await;
    for role in pugmark::people::Role::ALL {
        super::Browser::signed_in(&running, role).await;
    }
    let program = world.other_program().await;
    for name in ["Were", "Otieno", "Wanjiru"] {
        program.insert_customer(name).await;
    }
    program.wait_until_idle().await;
    let dead = super::planted::note("c1", 1);
    super::planted::plant_dead(&running, &program, dead, "PUG-2006", "no last name").await;
    let looks = [
        ("phone", PHONE),
        ("phone-dark", PHONE.dark()),
        ("tablet", TABLET),
        ("tablet-dark", TABLET.dark()),
        ("desk", DESK),
        ("desk-dark", DESK.dark()),
    ];
    let address = running.address.expect("the API role runs");
    for (name, look) in looks {
        browser
            .open(&format!("http://{address}/sign-in"), look)
            .await;
        assert_eq!(
            complaints(&mut browser).await,
            Vec::<Value>::new(),
            "sign-in {name}"
        );
        browser
            .picture_of("console", &format!("sign-in-{name}"))
            .await;
    }
    let base = enter(&mut browser, &running, DESK).await;
    let pages = [
        ("home", "/"),
        ("people", "/people"),
        ("system", "/system"),
        ("settings-in-force", "/system/settings"),
        ("checkup", "/system/checkup"),
        ("schedules", "/settings"),
        ("mapping", "/mapping"),
        ("mapping-new", "/mapping/new"),
        ("mapping-history", "/mapping/history"),
        ("alerts", "/alerts"),
        ("problems", "/problems"),
        ("problem-code", "/problems/codes/PUG-2006"),
        ("operations", "/operations"),
        ("operations-dead", "/operations?q=status:dead"),
        ("logs", "/logs"),
        ("audit", "/audit"),
    ]
    .map(|(name, path)| (name, path.to_owned()));
    look_at_all(&mut browser, &base, &pages).await;
    // Whoever chose a theme has it whatever the system says.
    browser
        .call(
            "Emulation.setScriptExecutionDisabled",
            json!({ "value": true }),
        )
        .await;
    browser.open(&format!("http://{address}/"), DESK).await;
    browser
        .value("document.querySelector('[name=theme][value=dark]').click()")
        .await;
    browser
        .until("document.documentElement.dataset.theme === 'dark'")
        .await;
    let ground = browser
        .value("getComputedStyle(document.body).backgroundColor")
        .await;
    assert_eq!(ground, "rgb(21, 19, 17)");
    running.shutdown().await;
}

/// Looks at pages in both themes and at every width, folded and unfolded.
async fn look_at_all(browser: &mut Browser, base: &str, pages: &[(&str, String)]) {
    let looks = [
        ("phone", PHONE),
        ("phone-dark", PHONE.dark()),
        ("tablet", TABLET),
        ("desk", DESK),
        ("desk-dark", DESK.dark()),
    ];
    let mut all = Vec::new();
    for (name, look) in looks {
        for (page, path) in pages {
            browser.open(&format!("{base}{path}"), look).await;
            let as_it_comes = complaints(browser).await;
            // What is folded is looked at, too.
            browser
                .value("for (const part of document.querySelectorAll('main details')) part.open = true")
                .await;
            let unfolded = complaints(browser).await;
            let found = as_it_comes.iter().chain(&unfolded);
            all.extend(found.map(|one| format!("{page} {name}: {one}")));
            browser
                .picture_of("console", &format!("{page}-{name}"))
                .await;
        }
    }
    assert!(all.is_empty(), "{all:#?}");
}
