//! The desks of the console in a real browser.

use serde_json::{Value, json};

use super::{Browser, DESK, PHONE, complaints, enter, look_at_all};
use crate::console::{desks, planted};
use crate::harness::World;

#[tokio::test]
async fn nothing_to_complain_about_on_any_desk_in_either_theme_at_any_width() {
    let Some(mut browser) = Browser::start().await else {
        return;
    };
    let mut world = World::sqlite().await;
    world.settings.seal_key = Some(pugmark::config::SealKey::of([7; 32]));
    world.settings.maxio = Some(crate::onboarding::jobs_api::maxio());
    let running = planted::api_alone(&world).await;
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
    look_at_all(&mut browser, &address, &pages).await;
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
