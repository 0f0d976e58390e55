//! The dry run: what would change, proved by the CRM's journal to change nothing.

use pugmark_sandbox::JournalKind;
use serde_json::{Value, json};

use super::{MAPPINGS, PARTNER, PARTNER_NUMBER, added, mapping, spacious};
use crate::harness::{World, new_id, on_both_databases};
use crate::http::Api;

on_both_databases!(
    a_dry_run_shows_what_each_contact_holds_and_would_get_and_writes_nothing,
    a_dry_run_of_what_is_stored_shows_every_field,
    a_dry_run_of_a_mapping_that_cannot_work_is_refused,
);

/// Everything in the journal that changed something.
fn effects(world: &World) -> usize {
    let journal = world.crm.journal();
    let changed = |kind: &JournalKind| {
        matches!(
            kind,
            JournalKind::Created { .. }
                | JournalKind::Revised { .. }
                | JournalKind::Updated { .. }
                | JournalKind::Deleted { .. }
        )
    };
    journal
        .entries()
        .iter()
        .filter(|entry| changed(&entry.kind))
        .count()
}

fn field<'a>(item: &'a Value, source: &str) -> &'a Value {
    item["fields"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|field| field["microbimaField"] == source)
        .unwrap_or_else(|| panic!("no {source} in {item}"))
}

async fn a_dry_run_shows_what_each_contact_holds_and_would_get_and_writes_nothing(world: World) {
    let world = spacious(world).await;
    let running = world.start().await;
    let api = Api::of(&running);
    let program = world.other_program().await;
    let (one, other) = (
        program.insert_customer("Otieno").await,
        program.insert_customer("Njoroge").await,
    );
    let contact = world.wait_for_contact(&one, |_| true).await;
    world.wait_for_contact(&other, |_| true).await;
    program.wait_until_idle().await;
    program.set(&other, "createdBy", "'agent 7'").await;
    program.set(&one, "createdBy", "'12'").await;
    program.wait_until_idle().await;
    assert!(world.crm.edit(&contact.id, &[(PARTNER, "by hand")]));

    let (before, links) = (effects(&world), program.count("crm_links").await);
    let mappings = program
        .one("SELECT CAST(count(*) AS TEXT) || max(vtiger_field_name) FROM vtiger_custom_field_mapping")
        .await;
    let path = format!("{MAPPINGS}/dry-run");
    let body = json!({
        "mappings": [
            mapping("partnerName", "Partner", "TEXT"),
            mapping("createdBy", "Partner Number", "NUMBER"),
        ],
        "customers": [one, other],
    });
    let tried = api.post(&path, &body).await;
    assert_eq!(tried.status, 200, "{}", tried.text);
    assert_eq!(tried.data()["customers"], 2);
    assert_eq!(tried.data()["wouldChange"], 2);
    assert_eq!(tried.data()["warnings"], 1);
    let item = |customer: &str| {
        let items = tried.data()["items"].as_array().expect("a list");
        items
            .iter()
            .find(|item| item["customerId"] == customer)
            .expect("it was tried")
    };
    let first = item(&one);
    assert_eq!(first["vtigerContactId"], contact.id);
    let partner = field(first, "partnerName");
    assert_eq!(partner["vtigerField"], PARTNER);
    assert_eq!(partner["now"], "by hand");
    assert_eq!(partner["wouldSend"], "Direct");
    assert_eq!(partner["wouldShow"], "Direct");
    assert_eq!(partner["changes"], true);
    let number = field(first, "createdBy");
    assert_eq!(
        (&number["vtigerField"], &number["wouldSend"]),
        (&json!(PARTNER_NUMBER), &json!("12"))
    );
    assert_eq!(
        first["fields"].as_array().map(Vec::len),
        Some(2),
        "only what is tried is shown: {first}"
    );
    let second = item(&other);
    let number = field(second, "createdBy");
    assert_eq!(
        (&number["wouldSend"], &number["changes"]),
        (&Value::Null, &json!(false))
    );
    let warning = second["warnings"][0].as_str().expect("a warning");
    assert!(warning.contains("`agent 7` is no number"), "{warning}");

    assert_eq!(effects(&world), before, "nothing was written to the CRM");
    assert_eq!(program.count("crm_links").await, links);
    let after = program
        .one("SELECT CAST(count(*) AS TEXT) || max(vtiger_field_name) FROM vtiger_custom_field_mapping")
        .await;
    assert_eq!(after, mappings, "and nothing to the store");
    assert_eq!(
        program
            .count("vtiger_sync_queue WHERE status <> 'COMPLETED'")
            .await,
        0
    );

    // What the dry run promised is what happens.
    added(&api, "partnerName", "Partner", "TEXT").await;
    program.set(&one, "lastName", "'Odhiambo'").await;
    world
        .wait_for_contact(&one, |contact| contact.value(PARTNER) == "Direct")
        .await;
    running.shutdown().await;
}

async fn a_dry_run_of_what_is_stored_shows_every_field(world: World) {
    let running = world.start().await;
    let api = Api::of(&running);
    let program = world.other_program().await;
    for name in ["Otieno", "Njoroge", "Wafula"] {
        let customer = program.insert_customer(name).await;
        world.wait_for_contact(&customer, |_| true).await;
    }
    program.wait_until_idle().await;
    let path = format!("{MAPPINGS}/dry-run");
    let two = api.post(&path, &json!({ "customers": 2 })).await;
    assert_eq!(two.data()["items"].as_array().map(Vec::len), Some(2));
    let all = api.post(&path, &json!({})).await;
    assert_eq!(all.data()["customers"], 3, "{}", all.text);
    assert_eq!(all.data()["wouldChange"], 0, "{}", all.text);
    let item = &all.data()["items"][0];
    assert_eq!(item["fields"].as_array().map(Vec::len), Some(12), "{item}");
    assert_eq!(field(item, "gender")["now"], "Female");
    assert_eq!(field(item, "gender")["wouldSend"], Value::Null);

    // Somebody who has no contact yet, a test customer, and nobody.
    let test = new_id();
    program.insert_customer_as(&test, "Test", true).await;
    program.wait_until_idle().await;
    let nobody = new_id();
    let odd = api
        .post(&path, &json!({ "customers": [test, nobody] }))
        .await;
    for item in odd.data()["items"].as_array().expect("a list") {
        assert!(item["problem"].is_string(), "{item}");
    }
    running.shutdown().await;
}

async fn a_dry_run_of_a_mapping_that_cannot_work_is_refused(world: World) {
    let world = spacious(world).await;
    let running = world.start().await;
    let api = Api::of(&running);
    let path = format!("{MAPPINGS}/dry-run");
    for (body, wrong) in [
        (
            json!({ "mappings": [mapping("partnerName", "Nowhere", "TEXT")] }),
            "vtigerFieldName",
        ),
        (
            json!({ "mappings": [mapping("shoeSize", "Partner", "TEXT")] }),
            "microbimaField",
        ),
        (
            json!({ "mappings": [mapping("partnerName", "mobile", "TEXT")] }),
            "vtigerFieldName",
        ),
        (json!({ "customers": ["x"] }), "customers"),
        (json!({ "customers": [] }), "customers"),
    ] {
        let refused = api.post(&path, &body).await;
        refused.assert_error(422, "VALIDATION_ERROR", &path);
        assert_eq!(refused.wrong_fields(), [wrong], "{body}: {}", refused.text);
    }
    world.crm.go_down().await;
    let away = api.post(&path, &json!({})).await;
    away.assert_error(503, "CRM_UNAVAILABLE", &path);
    running.shutdown().await;
}
