//! The page in a real browser: on a desk and on a phone, with and without script, and while the server is away.

use serde_json::{Value, json};

use super::chromium::{Browser, DESK, Look, PHONE};
use super::{FILLED, Hub, IBAN};
use crate::http::Api;
use pugmark::app::Running;

/// A form behind a link, and somebody in front of it.
pub(super) struct Scene {
    hub: Hub,
    pub(super) running: Running,
    pub(super) api: Api,
    pub(super) path: String,
    pub(super) browser: Browser,
}

impl Scene {
    pub(super) async fn set() -> Option<Self> {
        let browser = Browser::start().await?;
        let hub = Hub::sqlite().await;
        let (running, api) = hub.start().await;
        let path = hub.link(&api).await;
        Some(Scene {
            hub,
            running,
            api,
            path,
            browser,
        })
    }

    fn url(&self) -> String {
        format!("{}{}", self.api.address(), self.path)
    }

    pub(super) async fn open(&mut self, look: Look) {
        let url = self.url();
        self.browser.open(&url, look).await;
        // The script has begun.
        self.browser
            .until("document.getElementById('form').noValidate")
            .await;
    }

    /// Types an answer as a person does, with the focus where it belongs.
    async fn answer(&mut self, name: &str, text: &str) {
        self.browser
            .value(&format!("document.getElementById('f-{name}').focus()"))
            .await;
        self.browser.type_text(text).await;
    }

    pub(super) async fn fill(&mut self) {
        for (name, text) in FILLED {
            self.answer(name, text).await;
        }
    }

    async fn text(&mut self, id: &str) -> String {
        let shown = self
            .browser
            .value(&format!("document.getElementById('{id}').textContent"))
            .await;
        shown.as_str().unwrap_or_default().to_owned()
    }
}

#[tokio::test]
async fn what_is_typed_is_saved_while_typing_and_there_again_on_another_device() {
    let Some(mut scene) = Scene::set().await else {
        return;
    };
    scene.open(DESK).await;
    scene.answer("companyTradingName", "Harbour Cafés").await;
    scene.answer("iban", "ie29aibk93115212345678").await;
    scene
        .browser
        .until("/^Saved at \\d\\d:\\d\\d/.test(document.getElementById('save').textContent)")
        .await;
    scene.browser.new_person().await;
    scene.open(PHONE).await;
    let name = scene
        .browser
        .value("document.getElementById('f-companyTradingName').value")
        .await;
    assert_eq!(name, "Harbour Cafés");
    let iban = scene
        .browser
        .value("document.getElementById('f-iban').value")
        .await;
    assert_eq!(iban, "IE29 AIBK 9311 5212 3456 78", "in groups of four");
    let stored = scene
        .browser
        .value("localStorage.length + sessionStorage.length")
        .await;
    assert_eq!(stored, 0, "nothing lies about in the browser");
    scene.running.shutdown().await;
}

#[tokio::test]
async fn while_the_server_is_away_it_says_so_and_saves_when_it_is_back() {
    let Some(mut scene) = Scene::set().await else {
        return;
    };
    scene.open(DESK).await;
    let address = scene.running.address.expect("it listens");
    scene.running.shutdown().await;
    scene
        .browser
        .value("document.getElementById('f-notes').focus()")
        .await;
    scene.browser.type_text("typed into the void").await;
    scene
        .browser
        .until("document.getElementById('save').textContent.startsWith('Not saved')")
        .await;
    // Sending does not lose it either.
    for (name, text) in FILLED {
        scene
            .browser
            .value(&format!("document.getElementById('f-{name}').focus()"))
            .await;
        scene.browser.type_text(text).await;
    }
    scene
        .browser
        .value("document.getElementById('send').click()")
        .await;
    scene
        .browser
        .until("document.getElementById('unsent').textContent.includes('still here')")
        .await;
    scene.hub.world.settings.server.address = address;
    let (running, api) = scene.hub.start().await;
    scene
        .browser
        .until("document.getElementById('save').textContent.startsWith('Saved at')")
        .await;
    let page = super::get_page(&api, &scene.path).await;
    assert!(page.text.contains("typed into the void"), "{}", page.text);
    running.shutdown().await;
}

#[tokio::test]
async fn mistakes_are_listed_with_links_and_an_iban_is_checked_while_typing() {
    let Some(mut scene) = Scene::set().await else {
        return;
    };
    scene.open(DESK).await;
    scene.answer("iban", "IE12BOFI90000112345678").await;
    scene.answer("contactEmail", "mary").await;
    let said = scene.text("e-iban").await;
    assert!(said.contains("check digits do not fit"), "{said}");
    scene
        .browser
        .value("document.getElementById('send').click()")
        .await;
    scene
        .browser
        .until("document.activeElement.id === 'problems'")
        .await;
    let listed = scene
        .browser
        .value("[...document.querySelectorAll('#problems a')].map((link) => link.textContent)")
        .await;
    let listed = listed.to_string();
    for problem in [
        "Trading name must be filled in",
        "Main contact: E-mail must be an e-mail",
        "IBAN is not right",
    ] {
        assert!(listed.contains(problem), "{listed}");
    }
    scene.browser.picture("mistakes-desk").await;
    scene.browser.value("[...document.querySelectorAll('#problems a')].find((link) => link.hash === '#f-iban').click()").await;
    scene
        .browser
        .until("document.activeElement.id === 'f-iban'")
        .await;
    scene
        .browser
        .value("document.activeElement.value = ''")
        .await;
    scene.browser.type_text(IBAN).await;
    assert_eq!(scene.text("g-iban").await, "Check digits fit");
    assert_eq!(scene.text("e-iban").await, "");
    let invalid = scene
        .browser
        .value("document.getElementById('f-iban').getAttribute('aria-invalid')")
        .await;
    assert_eq!(invalid, Value::Null);
    let program = scene.hub.world.other_program().await;
    assert_eq!(program.count("onboarding_forms").await, 0);
    scene.running.shutdown().await;
}

#[tokio::test]
async fn clicked_twice_it_is_sent_once_and_ends_with_a_tracking_number() {
    let Some(mut scene) = Scene::set().await else {
        return;
    };
    scene.open(PHONE).await;
    scene.fill().await;
    scene
        .browser
        .value("{ const send = document.getElementById('send'); send.click(); send.click(); }")
        .await;
    scene
        .browser
        .until("document.querySelector('h1').textContent.includes('that is everything')")
        .await;
    let number = scene
        .browser
        .value("document.querySelector('code').textContent")
        .await;
    let number = number.as_str().expect("a number").to_owned();
    assert!(uuid::Uuid::parse_str(&number).is_ok(), "{number}");
    scene.browser.picture("done-phone").await;
    scene.browser.look(DESK.dark()).await;
    scene.browser.picture("done-desk-dark").await;
    assert_eq!(scene.hub.lead_value("IBAN"), IBAN);
    let program = scene.hub.world.other_program().await;
    assert_eq!(program.count("onboarding_forms").await, 1);
    assert_eq!(scene.hub.writes(), 1);
    // And again to correct something.
    let url = format!("{}?correct", scene.url());
    scene.browser.open(&url, PHONE).await;
    let shown = scene
        .browser
        .value("document.querySelector('#s-iban').textContent")
        .await;
    assert!(
        shown.as_str().is_some_and(|text| text.contains("5678")),
        "{shown}"
    );
    scene
        .browser
        .value("document.getElementById('f-operatingHours').value = 'Mon-Thu'")
        .await;
    scene
        .browser
        .value("document.getElementById('send').click()")
        .await;
    scene
        .browser
        .until("document.querySelector('h1').textContent.includes('that is everything')")
        .await;
    assert_eq!(scene.hub.lead_value("Operating Hours"), "Mon-Thu");
    scene.running.shutdown().await;
}

#[tokio::test]
async fn the_finish_page_follows_when_vtiger_is_back() {
    let Some(mut scene) = Scene::set().await else {
        return;
    };
    scene.open(PHONE).await;
    scene.fill().await;
    scene.hub.world.crm.go_down().await;
    scene
        .browser
        .value("document.getElementById('send').click()")
        .await;
    scene
        .browser
        .until("document.querySelector('h1').textContent.includes('we have received it')")
        .await;
    scene.browser.picture("received-phone").await;
    scene
        .hub
        .world
        .crm
        .come_back()
        .await
        .expect("its port is free");
    scene
        .browser
        .until("document.querySelector('h1').textContent.includes('that is everything')")
        .await;
    assert_eq!(scene.hub.writes(), 1);
    scene.running.shutdown().await;
}

#[tokio::test]
async fn without_script_the_form_is_sent_and_ends_likewise() {
    let Some(mut scene) = Scene::set().await else {
        return;
    };
    scene
        .browser
        .call(
            "Emulation.setScriptExecutionDisabled",
            json!({ "value": true }),
        )
        .await;
    let url = scene.url();
    scene.browser.open(&url, DESK).await;
    for (name, text) in FILLED {
        scene
            .browser
            .value(&format!("document.getElementById('f-{name}').focus()"))
            .await;
        scene.browser.type_text(text).await;
    }
    let alive = scene
        .browser
        .value("document.getElementById('form').noValidate")
        .await;
    assert_eq!(alive, false, "no script has run");
    scene
        .browser
        .value("document.getElementById('send').focus()")
        .await;
    scene.browser.press("Enter").await;
    scene
        .browser
        .until("document.querySelector('h1').textContent.includes('that is everything')")
        .await;
    assert_eq!(scene.hub.lead_value("IBAN"), IBAN);
    scene.running.shutdown().await;
}
