//! The page without any script: what a browser sends is judged, taken in once, and answered with a page.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::{FILLED, Hub, get_page, post_form, put_draft};
use crate::harness::{World, on_both_databases};
use crate::http::answer;

on_both_databases!(
    a_form_with_mistakes_comes_back_with_all_of_them_and_all_that_was_typed,
    sent_twice_from_one_page_it_is_one_form,
    while_vtiger_is_down_the_client_is_told_that_we_have_it,
    another_site_can_neither_send_nor_save,
    too_many_requests_of_one_client_are_told_to_wait,
    without_a_key_the_page_says_that_it_is_not_open,
);

async fn a_form_with_mistakes_comes_back_with_all_of_them_and_all_that_was_typed(world: World) {
    let hub = Hub::of(world).await;
    let (running, api) = hub.start().await;
    let path = hub.link(&api).await;
    let fields = [
        ("companyTradingName", "Acme <b>&</b>"),
        ("contactEmail", "mary"),
        ("iban", "IE12BOFI90000112345678"),
    ];
    let page = post_form(&api, &path, &fields).await;
    assert_eq!(page.status, 422);
    assert!(page.text.contains("Please correct this first"));
    for link in [
        "#f-companyLegalName",
        "#f-contactEmail",
        "#f-iban",
        "#f-sickLeavePolicy",
    ] {
        assert!(
            page.text.contains(&format!("<a href=\"{link}\">")),
            "{link}"
        );
    }
    assert!(
        page.text
            .contains("Main contact: E-mail must be an e-mail address")
    );
    assert!(
        page.text
            .contains("value=\"Acme &#60;b&#62;&#38;&#60;/b&#62;\""),
        "{}",
        page.text
    );
    assert!(page.text.matches("aria-invalid=\"true\"").count() >= 4);
    let later = get_page(&api, &path).await;
    assert!(
        later.text.contains("value=\"mary\""),
        "it is kept as a draft, too"
    );
    let program = hub.world.other_program().await;
    assert_eq!(program.count("onboarding_forms").await, 0);
    running.shutdown().await;
}

async fn sent_twice_from_one_page_it_is_one_form(world: World) {
    let hub = Hub::of(world).await;
    let (running, api) = hub.start().await;
    let path = hub.link(&api).await;
    let page = get_page(&api, &path).await;
    let key = page
        .text
        .split("name=\"_key\" value=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    let mut fields = FILLED.to_vec();
    fields.push(("_key", key.expect("a key")));
    let sent = futures::future::join_all((0..8).map(|_| post_form(&api, &path, &fields))).await;
    for answer in &sent {
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    let program = hub.world.other_program().await;
    assert_eq!(program.count("onboarding_forms").await, 1);
    assert_eq!(hub.writes(), 1);
    // Gone back, changed and sent again from the same page: a form of its own.
    fields[4].1 = "Mon-Sat";
    let again = post_form(&api, &path, &fields).await;
    assert_eq!(again.status, 200, "{}", again.text);
    assert_eq!(hub.lead_value("Operating Hours"), "Mon-Sat");
    running.shutdown().await;
}

async fn while_vtiger_is_down_the_client_is_told_that_we_have_it(world: World) {
    let mut hub = Hub::of(world).await;
    hub.world.settings.onboarding.form.wait = Duration::from_millis(200);
    let (running, api) = hub.start().await;
    let path = hub.link(&api).await;
    hub.world.crm.go_down().await;
    let page = get_page(&api, &path).await;
    assert_eq!(page.status, 200, "the form opens all the same");
    let sent = post_form(&api, &path, &FILLED).await;
    assert_eq!(sent.status, 200, "{}", sent.text);
    assert!(sent.text.contains("we have received it"), "{}", sent.text);
    assert!(sent.text.contains("Tracking number") && sent.text.contains("You can close this page"));
    hub.world.crm.come_back().await.expect("its port is free");
    let path_again = path.clone();
    crate::harness::eventually("it is saved", || async {
        let page = get_page(&api, &path_again).await;
        page.text.contains("that is everything").then_some(())
    })
    .await;
    assert_eq!(hub.writes(), 1);
    running.shutdown().await;
}

async fn another_site_can_neither_send_nor_save(world: World) {
    let hub = Hub::of(world).await;
    let (running, api) = hub.start().await;
    let path = hub.link(&api).await;
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        let request = api
            .bare(Method::POST, &path)
            .header(name, value)
            .form(&FILLED);
        let refused = answer(request).await;
        assert_eq!(refused.status, 403, "{name}: {}", refused.text);
        let body = json!({ "answers": { "notes": "x" } });
        let request = api
            .bare(Method::PUT, &format!("{path}/draft"))
            .header(name, value);
        assert_eq!(answer(request.json(&body)).await.status, 403);
    }
    let own = api
        .bare(Method::POST, &path)
        .header("origin", api.address())
        .form(&FILLED);
    assert_eq!(answer(own).await.status, 200);
    running.shutdown().await;
}

async fn too_many_requests_of_one_client_are_told_to_wait(world: World) {
    let hub = Hub::of(world).await;
    let (running, api) = hub.start().await;
    let path = hub.link(&api).await;
    let mut refused = None;
    for _ in 0..400 {
        let saved = put_draft(&api, &path, &json!({})).await;
        if saved.status == 429 {
            refused = Some(saved);
            break;
        }
        assert_eq!(saved.status, 200);
    }
    let refused = refused.expect("it ends somewhere");
    assert!(
        refused
            .header("retry-after")
            .parse::<u32>()
            .is_ok_and(|seconds| seconds >= 1)
    );
    assert!(refused.text.contains("wait a minute"), "{}", refused.text);
    running.shutdown().await;
}

async fn without_a_key_the_page_says_that_it_is_not_open(world: World) {
    let mut hub = Hub::of(world).await;
    hub.world.settings.seal_key = None;
    let (running, api) = hub.start().await;
    let page = get_page(&api, "/onboarding/anything").await;
    assert_eq!(page.status, 503);
    assert!(
        page.text.contains("The form is not open yet"),
        "{}",
        page.text
    );
    running.shutdown().await;
}
