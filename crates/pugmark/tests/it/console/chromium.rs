//! The console in a real browser: with the keyboard, on a phone, in the dark, and while the server is away.

use std::time::Duration;

use pugmark::app::Running;
use pugmark::http::console::first::{LINK, demo_link, founding_link};
use serde_json::{Value, json};

use crate::accounts::Staffed;
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
  for (const part of document.querySelectorAll("a[href], button, summary")) {
    if (!shown(part)) continue;
    const name = part.textContent.trim() || part.getAttribute("aria-label");
    if (!name) complaints.push(`no name: ${part.outerHTML.slice(0, 60)}`);
    const box = part.getBoundingClientRect();
    const inText = part.matches("p a, td a, li a, dd a");
    if (!inText && !part.matches(".skip") && (box.height < 24 || box.width < 24)) complaints.push(`too small: ${name} ${box.width}x${box.height}`);
  }
  // What stands in its label is as large as that.
  for (const part of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    const box = (part.closest("label") ?? part).getBoundingClientRect();
    if (shown(part) && box.height < 24) complaints.push(`too small: ${part.name} ${box.width}x${box.height}`);
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
        // Of the size of fields `MORE` judges, which says how large they are.
        let stricter = ["no description", "only "];
        let size = text
            .rsplit(' ')
            .next()
            .and_then(|word| word.split_once('x'));
        let sized = size.is_some_and(|(width, height)| {
            width.parse::<f64>().is_ok() && height.parse::<f64>().is_ok()
        });
        !(text.starts_with("too small: ") && !sized)
            && !stricter.iter().any(|start| text.starts_with(start))
    });
    found
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
    enter(&mut browser, &running, DESK).await;
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
        ("operations", "/operations?q=status:dead"),
    ];
    for (name, look) in looks {
        for (page, path) in pages {
            browser.open(&format!("http://{address}{path}"), look).await;
            let found = complaints(&mut browser).await;
            assert_eq!(found, Vec::<Value>::new(), "{page} {name}");
            browser
                .picture_of("console", &format!("{page}-{name}"))
                .await;
        }
        browser
            .open(&format!("http://{address}/people"), look)
            .await;
        // What is folded is looked at, too.
        browser
            .value("for (const part of document.querySelectorAll('main details')) part.open = true")
            .await;
        let found = complaints(&mut browser).await;
        assert_eq!(found, Vec::<Value>::new(), "people unfolded {name}");
        browser
            .picture_of("console", &format!("people-open-{name}"))
            .await;
    }
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

#[tokio::test]
async fn nothing_to_complain_about_on_any_desk_in_either_theme_at_any_width() {
    use super::desks;
    let Some(mut browser) = Browser::start().await else {
        return;
    };
    let mut world = World::sqlite().await;
    world.settings.seal_key = Some(pugmark::config::SealKey::of([7; 32]));
    world.settings.maxio = Some(crate::onboarding::jobs_api::maxio());
    let running = super::planted::api_alone(&world).await;
    let program = world.other_program().await;
    let address = enter(&mut browser, &running, DESK).await;
    let lists = [
        "/jobs",
        "/forms",
        "/conflicts",
        "/conversions",
        "/inbox",
        "/inbox/refused",
    ];
    for path in lists {
        browser.open(&format!("{address}{path}"), PHONE).await;
        let found = complaints(&mut browser).await;
        assert_eq!(found, Vec::<Value>::new(), "{path} with nothing");
    }
    let customer = program.insert_customer("Wanjiru").await;
    let stuck = desks::job(&running, "10x41").await;
    desks::reach(&running, stuck, pugmark::store::sync_jobs::Step::Customer).await;
    desks::fail(&running, stuck).await;
    desks::job(&running, "10x42").await;
    desks::form(&running, "10x41", false).await;
    desks::form(&running, "10x42", true).await;
    let kind = pugmark::store::conflicts::Kind::BothChanged;
    let conflict = desks::conflict(&running, &customer, kind).await.id;
    desks::conversion(&running, "12x5", None).await;
    desks::conversion(&running, "12x6", Some(&customer)).await;
    let body = json!({ "id": "12x5", "lastname": "Otieno" }).to_string();
    let delivery = desks::delivery(&running, "12x5", &body, None).await;
    let pages = [
        ("jobs", "/jobs".to_owned()),
        ("job", format!("/jobs/{stuck}")),
        ("job-edit", format!("/jobs/{stuck}/edit")),
        ("job-cancel", format!("/jobs/{stuck}/cancel")),
        ("forms", "/forms".to_owned()),
        ("conflicts", "/conflicts".to_owned()),
        ("conflict", format!("/conflicts/{conflict}")),
        ("conversions", "/conversions".to_owned()),
        ("conversion", "/conversions/12x5".to_owned()),
        ("conversion-same", "/conversions/12x6".to_owned()),
        ("inbox", "/inbox".to_owned()),
        ("delivery", format!("/inbox/{delivery}")),
    ];
    for (name, look) in [
        ("phone", PHONE),
        ("phone-dark", PHONE.dark()),
        ("desk", DESK),
        ("desk-dark", DESK.dark()),
    ] {
        for (page, path) in &pages {
            browser.open(&format!("{address}{path}"), look).await;
            browser
                .value("for (const part of document.querySelectorAll('main details')) part.open = true")
                .await;
            let found = complaints(&mut browser).await;
            assert_eq!(found, Vec::<Value>::new(), "{page} {name}");
async fn nothing_to_complain_about_on_the_pages_of_customers() {
    let Some(mut browser) = Browser::start().await else {
        return;
    };
    let world = World::sqlite().await;
    let running = world.start().await;
    let program = world.other_program().await;
    let (customer, contact) = crate::two_way::linked(&world, &program, "Wanjiru-Otieno").await;
    program.insert_customer("Were").await;
    program.add_dependant(&customer, "Zuri", "Otieno").await;
    program.set(&customer, "middleName", "'Nyambura'").await;
    program.wait_until_idle().await;
    assert!(world.crm.edit(&contact, &[("mobile", "0799000111")]));
    let base = enter(&mut browser, &running, DESK).await;
    let pages = [
        ("customers", "/customers".to_owned()),
        ("customers-nobody", "/customers?q=nobody".to_owned()),
        ("customer", format!("/customers/{customer}")),
        ("customer-compare", format!("/customers/{customer}/compare")),
        ("customer-journey", format!("/customers/{customer}/journey")),
    ];
    look_at_all(&mut browser, &base, &pages).await;

    // The badge tells more to those who use the keyboard, and Escape puts that away.
    browser
        .open(&format!("{base}/customers/{customer}"), DESK)
        .await;
    let shown = "getComputedStyle(document.querySelector('.tip-text')).display";
    assert_eq!(browser.value(shown).await, "none");
    browser
        .value("document.querySelector('.row a.button').focus()")
        .await;
    for _ in 0..30 {
        if browser
            .value("document.activeElement.matches('.tip')")
            .await
            == true
        {
            break;
        }
        browser.press("Tab").await;
    }
    assert_eq!(browser.value(shown).await, "block");
    browser.press("Escape").await;
    assert_eq!(browser.value(shown).await, "none");
    running.shutdown().await;
}

#[tokio::test]
async fn nothing_to_complain_about_on_the_pages_of_agents() {
    let Some(mut browser) = Browser::start().await else {
        return;
    };
    let staffed = Staffed::extended(World::sqlite().await).await;
    let (running, _) = staffed.start().await;
    let user = staffed.ambassador("Amina Wanjiru").await;
    staffed.ambassador("Brian Kamau").await;
    let base = enter(&mut browser, &running, DESK).await;
    let pages = [
        ("agents", "/agents".to_owned()),
        ("agent", format!("/agents/{user}")),
        ("agent-new", "/agents/new".to_owned()),
    ];
    look_at_all(&mut browser, &base, &pages).await;
    // Without script, and with what is wrong said at the field.
    browser
        .call(
            "Emulation.setScriptExecutionDisabled",
            json!({ "value": true }),
        )
        .await;
    browser.open(&format!("{base}/agents/{user}"), PHONE).await;
    browser
        .value(
            "for (const id of ['new-sync', 'new-sync-again']) document.getElementById(id).value = 'First-Pass-1'; \
             document.getElementById('why-sync').value = 'new staff'; \
             document.getElementById('why-sync').form.requestSubmit()",
        )
        .await;
    browser
        .until("document.body.innerText.includes('Account synced.')")
        .await;
    assert_eq!(complaints(&mut browser).await, Vec::<Value>::new());
    browser.picture_of("console", "agent-synced-phone").await;
    running.shutdown().await;
}

/// Looks at pages in both themes and at every width, folded and unfolded.
async fn look_at_all(browser: &mut Browser, base: &str, pages: &[(&str, String)]) {
    let looks = [
        ("phone", PHONE),
        ("tablet-dark", TABLET.dark()),
        ("desk", DESK),
        ("desk-dark", DESK.dark()),
    ];
    for (name, look) in looks {
        for (page, path) in pages {
            browser.open(&format!("{base}{path}"), look).await;
            for unfolded in [false, true] {
                if unfolded {
                    browser
                        .value("for (const part of document.querySelectorAll('main details')) part.open = true")
                        .await;
                }
                let found = complaints(browser).await;
                assert_eq!(found, Vec::<Value>::new(), "{page} {name} {unfolded}");
            }
            browser
                .picture_of("console", &format!("{page}-{name}"))
                .await;
        }
    }
    // A link is made, and the page on which it stands is looked at, too.
    browser
        .open(&format!("{address}/forms?client=10x41"), PHONE)
        .await;
    browser
        .value("document.querySelector('form[action=\"/forms/link\"] button').click()")
        .await;
    browser
        .until("Boolean(document.querySelector('.secret'))")
        .await;
    assert_eq!(complaints(&mut browser).await, Vec::<Value>::new());
    // What is decided with the keyboard is decided.
    browser
        .open(&format!("{address}/conflicts/{conflict}"), DESK)
        .await;
    browser
        .value("document.querySelector('[name=choice][value=microbima]').click()")
        .await;
    browser
        .value("document.querySelector('#reason').focus()")
        .await;
    browser.type_text("asked the customer").await;
    browser.press("Enter").await;
    browser
        .until("document.body.innerText.includes('Decided, being carried out')")
        .await;
    running.shutdown().await;
}
