//! What a portal is answered.

use pugmark::config::Mode;
use serde_json::json;

use super::{Hub, IBAN, SUBMIT, until};
use crate::harness::{World, on_both_databases};
use crate::http::answer;
use reqwest::Method;

on_both_databases!(
    the_guides_own_form_is_saved_and_answered_as_the_guide_says,
    every_mistake_is_told_at_once_and_nothing_is_stored,
    what_is_there_already_is_not_written_again,
    sixty_four_at_once_are_one_form,
    a_key_is_one_form_and_never_another,
    without_a_seal_key_nothing_is_taken_in,
    without_the_token_nobody_sends_anything,
    answers_without_a_field_are_named_and_kept_until_there_is_one,
    in_shadow_mode_it_is_kept_and_not_written,
);

async fn the_guides_own_form_is_saved_and_answered_as_the_guide_says(world: World) {
    let hub = Hub::of(world).await;
    let (running, api) = hub.start().await;
    let saved = api.post(SUBMIT, &hub.guide()).await;
    assert_eq!(saved.status, 200, "{}", saved.text);
    assert_eq!(
        saved.json,
        json!({ "status": "success", "message": "Data saved to CRM." })
    );
    assert_eq!(hub.lead_value("Company Trading Name"), "Acme Corp Ltd");
    assert_eq!(hub.lead_value("Operating Hours"), "Mon-Fri, 9am-5pm");
    assert_eq!(
        hub.lead_value("Sick Leave Policy"),
        "Statutory + 3 company days"
    );
    assert_eq!(
        hub.lead_value("Annual Leave Policy"),
        "25 days + public holidays"
    );
    assert_eq!(hub.lead_value("Probation Period"), "6 months");
    assert_eq!(hub.lead_value("Notice Period Employee"), "1 month");
    assert_eq!(hub.lead_value("Notice Period Employer"), "1 month");
    assert_eq!(hub.record(&hub.lead).value("email"), "john@acme.example");
    let place = saved.header("location").to_owned();
    let told = api.get(&place).await;
    assert_eq!(told.json["status"], "saved");
    assert_eq!(told.json["recordId"], json!(hub.lead));
    running.shutdown().await;
}

async fn every_mistake_is_told_at_once_and_nothing_is_stored(world: World) {
    let hub = Hub::of(world).await;
    let (running, api) = hub.start().await;
    let long = "x".repeat(300);
    let wrong = json!({
        "clientId": "19x1",
        "companyTradingName": long,
        "contactEmail": "nobody",
        "iban": "IE12BOFI90000112345678",
        "startDate": "soon",
        "favouriteColour": "red",
        "operatingHours": ["a", "list"],
    });
    let refused = api.post(SUBMIT, &wrong).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    for (field, why) in [
        ("clientId", "neither a lead nor a contact"),
        ("companyTradingName", "too long: 300 characters, and 200"),
        ("contactEmail", "e-mail address"),
        ("iban", "not right"),
        ("startDate", "must be a day"),
        ("favouriteColour", "is no field of this form"),
        ("operatingHours", "must be a text"),
    ] {
        assert!(
            refused.detail(field).contains(why),
            "{field}: {}",
            refused.text
        );
    }
    assert!(!refused.text.contains("IE12BOFI"), "{}", refused.text);
    for body in [
        json!({}),
        json!({ "clientId": hub.lead }),
        json!({ "clientId": "vtiger_client_id_123", "notes": "x" }),
    ] {
        let refused = api.post(SUBMIT, &body).await;
        assert_eq!(refused.status, 422, "{}", refused.text);
    }
    let unknown = api.post(SUBMIT, &super::guide("10x999999")).await;
    assert_eq!(unknown.status, 404, "{}", unknown.text);
    assert_eq!(unknown.code(), "CLIENT_NOT_FOUND");
    let program = hub.world.other_program().await;
    assert_eq!(program.count("onboarding_forms").await, 0);
    assert_eq!(
        program
            .count("vtiger_sync_queue WHERE status <> 'COMPLETED'")
            .await,
        0
    );
    running.shutdown().await;
}

async fn what_is_there_already_is_not_written_again(world: World) {
    let hub = Hub::of(world).await;
    let (running, api) = hub.start().await;
    assert_eq!(api.post(SUBMIT, &hub.guide()).await.status, 200);
    assert_eq!(hub.writes(), 1);
    assert_eq!(api.post(SUBMIT, &hub.guide()).await.status, 200);
    let mut more = hub.guide();
    more["bankName"] = json!("AIB");
    assert_eq!(api.post(SUBMIT, &more).await.status, 200);
    assert_eq!(hub.writes(), 2, "only what is new was written");
    // Somebody changed it in vTiger; the same form later on is the same form, and brings nothing back.
    assert!(hub.world.crm.edit(&hub.lead, &[("lastname", "Roe")]));
    assert_eq!(api.post(SUBMIT, &more).await.status, 200);
    assert_eq!(hub.record(&hub.lead).value("lastname"), "Roe");
    running.shutdown().await;
}

async fn sixty_four_at_once_are_one_form(world: World) {
    let hub = Hub::of(world).await;
    let (running, api) = hub.start().await;
    let mut body = hub.guide();
    body["iban"] = json!(IBAN);
    let answers = futures::future::join_all((0..64).map(|_| api.post(SUBMIT, &body))).await;
    let places: std::collections::BTreeSet<String> = answers
        .iter()
        .map(|answer| {
            assert_eq!(answer.status, 200, "{}", answer.text);
            answer.header("location").to_owned()
        })
        .collect();
    assert_eq!(places.len(), 1, "{places:?}");
    assert_eq!(hub.writes(), 1);
    let program = hub.world.other_program().await;
    assert_eq!(program.count("onboarding_forms").await, 1);
    running.shutdown().await;
}

async fn a_key_is_one_form_and_never_another(world: World) {
    let hub = Hub::of(world).await;
    let (running, api) = hub.start().await;
    let send = async |key: &str, hours: &str| {
        let mut body = hub.guide();
        body["operatingHours"] = json!(hours);
        let request = api.request(Method::POST, SUBMIT).json(&body);
        answer(request.header("idempotency-key", key)).await
    };
    let first = send("one", "9-5").await;
    let second = send("two", "8-4").await;
    let again = send("one", "9-5").await;
    assert_eq!([first.status, second.status, again.status], [200; 3]);
    assert_eq!(first.header("location"), again.header("location"));
    assert_eq!(
        hub.lead_value("Operating Hours"),
        "8-4",
        "the first one is not repeated"
    );
    let other = send("one", "10-6").await;
    assert_eq!(
        (other.status, other.code()),
        (409, "IDEMPOTENCY_KEY_REUSED")
    );
    let odd = send(&"k".repeat(300), "9-5").await;
    assert_eq!(odd.status, 422, "{}", odd.text);
    running.shutdown().await;
}

async fn without_a_seal_key_nothing_is_taken_in(world: World) {
    let mut hub = Hub::of(world).await;
    hub.world.settings.seal_key = None;
    let (running, api) = hub.start().await;
    let closed = api.post(SUBMIT, &hub.guide()).await;
    assert_eq!((closed.status, closed.code()), (503, "FORMS_CLOSED"));
    assert!(
        closed.message().contains("PUGMARK_SEAL_KEY"),
        "{}",
        closed.text
    );
    let body = json!({ "clientId": hub.lead });
    assert_eq!(api.post(super::LINKS, &body).await.status, 503);
    let program = hub.world.other_program().await;
    assert_eq!(program.count("onboarding_forms").await, 0);
    running.shutdown().await;
}

async fn without_the_token_nobody_sends_anything(world: World) {
    let hub = Hub::of(world).await;
    let (running, api) = hub.start().await;
    let bare = answer(api.bare(Method::POST, SUBMIT).json(&hub.guide())).await;
    assert_eq!(bare.status, 401);
    let wrong = api.bare(Method::POST, SUBMIT).bearer_auth("guess");
    assert_eq!(answer(wrong.json(&hub.guide())).await.status, 401);
    assert_eq!(hub.writes(), 0);
    running.shutdown().await;
}

async fn answers_without_a_field_are_named_and_kept_until_there_is_one(world: World) {
    let mut hub = Hub::of(world).await;
    for field in &mut hub.world.settings.onboarding.form.fields {
        if field.name == "probationPeriod" {
            field.to = vec!["Probation of Employees".to_owned()];
        }
    }
    let (running, api) = hub.start().await;
    let partly = api.post(SUBMIT, &hub.guide()).await;
    assert_eq!(partly.status, 200, "{}", partly.text);
    assert_eq!(
        partly.json["message"],
        "Data saved to CRM, except: probationPeriod."
    );
    let why = partly.json["notSaved"]["probationPeriod"]
        .as_str()
        .unwrap_or_default();
    assert!(why.contains("Probation of Employees"), "{why}");
    assert_eq!(hub.lead_value("Operating Hours"), "Mon-Fri, 9am-5pm");
    let tracking = partly.json["trackingId"]
        .as_str()
        .expect("an id")
        .to_owned();
    running.shutdown().await;

    // The operator names the right field, and nobody has to type anything again.
    for field in &mut hub.world.settings.onboarding.form.fields {
        if field.name == "probationPeriod" {
            field.to = vec!["Probation Period".to_owned()];
        }
    }
    let (running, api) = hub.start().await;
    let retried = api
        .post(
            &format!("/api/onboarding/submissions/{tracking}/retry"),
            &json!({}),
        )
        .await;
    assert_eq!(retried.json["status"], "saved", "{}", retried.text);
    assert_eq!(hub.lead_value("Probation Period"), "6 months");
    let again = api
        .post(
            &format!("/api/onboarding/submissions/{tracking}/retry"),
            &json!({}),
        )
        .await;
    assert_eq!(again.status, 409, "{}", again.text);
    running.shutdown().await;
}

async fn in_shadow_mode_it_is_kept_and_not_written(world: World) {
    let mut hub = Hub::of(world).await;
    hub.world.settings.mode = Mode::Shadow;
    let (running, api) = hub.start().await;
    let held = api.post(SUBMIT, &hub.guide()).await;
    assert_eq!(held.status, 202, "{}", held.text);
    assert!(held.text.contains("shadow mode"), "{}", held.text);
    assert_eq!(hub.writes(), 0);
    let tracking = held.json["trackingId"].as_str().expect("an id").to_owned();
    let told = until(&api, &tracking, "waiting").await;
    assert_eq!(told["reasonCode"], "PUG-6304");
    running.shutdown().await;
}
