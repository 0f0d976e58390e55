//! What is typed is there again after a reload, on any device, and nowhere in clear.

use serde_json::json;

use super::{FILLED, Hub, IBAN, get_page, post_form, put_draft};
use crate::harness::{World, on_both_databases};

on_both_databases!(
    what_was_typed_is_there_again_on_another_device_and_after_a_restart,
    after_it_was_sent_only_the_end_of_the_account_is_shown_and_may_stay_empty,
    without_corrections_a_form_is_sent_once,
    a_draft_under_another_key_begins_anew,
);

async fn what_was_typed_is_there_again_on_another_device_and_after_a_restart(world: World) {
    let hub = Hub::of(world).await;
    let (running, api) = hub.start().await;
    let path = hub.link(&api).await;
    let typed = json!({ "iban": "ie29 not yet", "notes": "half a <sentence> & \"more", "unknown": "x", "city": " " });
    let saved = put_draft(&api, &path, &typed).await;
    assert_eq!(saved.status, 200, "{}", saved.text);
    assert_eq!(saved.json["status"], "saved");
    running.shutdown().await;

    let (running, api) = hub.start().await;
    let other = hub.link(&api).await;
    assert_ne!(path, other);
    for path in [&path, &other] {
        let page = get_page(&api, path).await;
        assert!(
            page.text.contains("value=\"ie29 not yet\""),
            "{}",
            page.text
        );
        assert!(
            page.text
                .contains("half a &#60;sentence&#62; &#38; &#34;more"),
            "{}",
            page.text
        );
    }
    assert_eq!(hub.writes(), 0, "a draft is nobody's business");
    running.shutdown().await;
}

async fn after_it_was_sent_only_the_end_of_the_account_is_shown_and_may_stay_empty(world: World) {
    let hub = Hub::of(world).await;
    let (running, api) = hub.start().await;
    let path = hub.link(&api).await;
    put_draft(&api, &path, &json!({ "iban": IBAN })).await;
    let sent = post_form(&api, &path, &FILLED).await;
    assert!(sent.text.contains("that is everything"), "{}", sent.text);
    assert_eq!(hub.lead_value("IBAN"), IBAN);
    let again = get_page(&api, &path).await;
    assert!(again.text.contains("that is everything") && again.text.contains("?correct"));
    let correcting = get_page(&api, &format!("{path}?correct")).await;
    assert!(
        correcting.text.contains("account ending in <b>5678</b>"),
        "{}",
        correcting.text
    );
    assert!(!correcting.text.contains("IE29"), "{}", correcting.text);
    assert!(correcting.text.contains("Mary Murphy"), "the rest is there");
    let mut corrected: Vec<(&str, &str)> = FILLED.to_vec();
    corrected.retain(|(name, _)| *name != "iban" && *name != "operatingHours");
    corrected.extend([("iban", ""), ("operatingHours", "Mon-Thu, 8-6")]);
    let sent = post_form(&api, &path, &corrected).await;
    assert!(sent.text.contains("that is everything"), "{}", sent.text);
    assert_eq!(hub.lead_value("Operating Hours"), "Mon-Thu, 8-6");
    assert_eq!(hub.lead_value("IBAN"), IBAN, "what was left empty stayed");
    running.shutdown().await;
}

async fn without_corrections_a_form_is_sent_once(world: World) {
    let mut hub = Hub::of(world).await;
    hub.world.settings.onboarding.form.corrections = false;
    let (running, api) = hub.start().await;
    let path = hub.link(&api).await;
    post_form(&api, &path, &FILLED).await;
    let page = get_page(&api, &format!("{path}?correct")).await;
    assert!(page.text.contains("that is everything") && !page.text.contains("?correct"));
    let mut other = FILLED.to_vec();
    other[4].1 = "never";
    let sent = post_form(&api, &path, &other).await;
    assert_eq!(sent.status, 200);
    assert_eq!(hub.lead_value("Operating Hours"), "Mon-Fri, 9-5");
    running.shutdown().await;
}

async fn a_draft_under_another_key_begins_anew(world: World) {
    let mut hub = Hub::of(world).await;
    let (running, api) = hub.start().await;
    let path = hub.link(&api).await;
    put_draft(&api, &path, &json!({ "notes": "sealed before" })).await;
    running.shutdown().await;
    hub.world.settings.seal_key = Some(pugmark::config::SealKey::of([9; 32]));
    let (running, api) = hub.start().await;
    assert_eq!(
        get_page(&api, &path).await.status,
        403,
        "links are of the old key, too"
    );
    let path = hub.link(&api).await;
    let page = get_page(&api, &path).await;
    assert_eq!(page.status, 200);
    assert!(!page.text.contains("sealed before"));
    running.shutdown().await;
}
