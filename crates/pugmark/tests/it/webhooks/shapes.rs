use pugmark::http::webhooks::reading::{Letter, Said, read};

use super::*;
use crate::harness::on_both_databases;

on_both_databases!(
    a_change_of_a_linked_contact_leads_to_one_operation_that_reads_it_again,
    what_concerns_nobody_is_kept_with_the_reason,
    what_cannot_be_read_is_kept_and_shown_with_the_reason,
);

async fn a_change_of_a_linked_contact_leads_to_one_operation_that_reads_it_again(mut world: World) {
    let (running, api) = started(&mut world).await;
    let program = world.other_program().await;
    program
        .sql("INSERT INTO crm_links (entity_type, entity_id, module, vtiger_id, sync_status, created_at, updated_at) \
              SELECT 'CUSTOMER', 'c-1', 'Contacts', '12x5', 'SYNCED', x.created_at, x.created_at \
              FROM (SELECT MIN(installed_on) AS created_at FROM (SELECT CURRENT_TIMESTAMP AS installed_on) y) x")
        .await;
    let body = json!({ "id": "msg-1", "type": "record.updated", "timestamp": "2026-01-01T00:00:00Z",
        "data": { "module": "Contacts", "id": "12x5", "crm_user": "19x1" } });
    let taken = send(standard(&api, "msg-1", &body.to_string())).await;
    assert_eq!(status_of(&taken), "ACCEPTED", "{}", taken.text);
    let operation = taken.data()["operationId"].as_str().expect("an operation");
    let found = api
        .get(&format!("/api/internal/vtiger/queue/{operation}"))
        .await;
    assert_eq!(found.data()["kind"], "contact.apply");
    assert_eq!(found.data()["entityId"], "c-1");
    let kept = delivery(&api, &taken).await;
    assert_eq!(
        (&kept["event"], &kept["recordId"], &kept["operationId"]),
        (&json!("record.updated"), &json!("12x5"), &json!(operation))
    );
    // A conversion of a contact that is a customer already is a change like any other.
    let again = send(signed(&api, CONVERT, &converted("12x5"))).await;
    assert_eq!(again.data()["operationId"], operation);
    running.shutdown().await;
}

async fn what_concerns_nobody_is_kept_with_the_reason(mut world: World) {
    let (running, api) = started(&mut world).await;
    for (body, reason) in [
        (
            json!({ "module": "Contacts", "id": "12x5" }),
            "linked to no customer",
        ),
        (
            json!({ "module": "Leads", "record_id": "10x5", "event": "lead.updated" }),
            "changes of leads",
        ),
        (json!({ "module": "Accounts", "id": "11x5" }), "this module"),
    ] {
        let answer = send(signed(&api, GENERAL, &body.to_string())).await;
        assert_eq!(
            (answer.status, status_of(&answer)),
            (202, "IGNORED"),
            "{body}"
        );
        let said = answer.data()["reason"].as_str().unwrap_or_default();
        assert!(said.contains(reason), "{said}");
        assert_eq!(answer.data()["operationId"], Value::Null);
    }
    running.shutdown().await;
}

async fn what_cannot_be_read_is_kept_and_shown_with_the_reason(mut world: World) {
    let (running, api) = started(&mut world).await;
    let deep = format!("{}{}", "{\"a\":".repeat(60), "1") + &"}".repeat(60);
    let cases: [(&str, &str); 6] = [
        ("{\"id\":\"12x5\"", "ends in the middle"),
        ("[1,2]", "no JSON object"),
        ("{\"id\":\"12\"}", "no record id"),
        ("{\"name\":\"secret words\"}", "names no record"),
        ("{\"id\": secret words}", "line 1, column"),
        (&deep, "nested deeper than 32"),
    ];
    for (body, reason) in cases {
        let answer = send(signed(&api, CONVERT, body)).await;
        assert_eq!(
            (answer.status, answer.code()),
            (422, "UNUSABLE_DELIVERY"),
            "{}",
            answer.text
        );
        assert!(answer.message().contains(reason), "{}", answer.text);
        assert!(!answer.text.contains("secret words"), "{}", answer.text);
    }
    let kept = api.get(&format!("{DELIVERIES}?status=unusable")).await;
    assert_eq!(
        kept.data()["items"].as_array().expect("a list").len(),
        cases.len()
    );

    // A sender of Standard Webhooks would send it again and again, and hold back what comes behind it.
    let answer = send(standard(
        &api,
        "msg-1",
        "{\"type\":\"record.updated\",\"data\":{\"module\":\"Contacts\",\"id\":\"x\"}}",
    ))
    .await;
    assert_eq!(
        (answer.status, status_of(&answer)),
        (202, "UNUSABLE"),
        "{}",
        answer.text
    );
    running.shutdown().await;
}

fn letter<'a>(body: &'a str, kind: &'a str) -> Letter<'a> {
    Letter {
        body: body.as_bytes(),
        content_type: Some(kind),
        parameters: None,
        conversion: false,
        max_depth: 32,
    }
}

const JSON: &str = "application/json; charset=utf-8";
const FORM: &str = "application/x-www-form-urlencoded";

#[test]
fn every_shape_that_vtiger_sends_says_the_same() {
    let wanted = Said {
        event: Some("lead.converted".to_owned()),
        module: "Contacts".to_owned(),
        contact: Some("4x77".to_owned()),
        converted: true,
        ..Said::default()
    };
    for (body, kind) in [
        // A workflow with dots in its names: nested as JSON, flat as a form; the id is appended and everything is a text.
        (
            r#"{"event":"lead.converted","module":"Contacts","record_id":"4x77","data":{"firstname":"A"},"id":"4x77"}"#,
            JSON,
        ),
        (
            r#"{"event":"lead.converted","module":"Contacts","data":{"id":"4x77"}}"#,
            JSON,
        ),
        (
            "event=lead.converted&module=Contacts&data.firstname=A&id=4x77",
            FORM,
        ),
        (
            "event=lead.converted&module=Contacts&data.id=4x77&record_id=",
            FORM,
        ),
        (r#"{"event":"lead.converted","id":"4x77"}"#, "text/plain"),
        ("event=lead.converted&contact_id=4x77", ""),
    ] {
        assert_eq!(read(&letter(body, kind)).as_ref(), Ok(&wanted), "{body}");
    }
    let flag = |value: &str| {
        let body = format!("id=4x77&isconvertedfromlead={value}");
        read(&letter(&body, FORM)).expect("read").converted
    };
    assert!(flag("1") && flag("true") && flag("Yes") && !flag("0") && !flag(""));
}

#[test]
fn where_conversions_are_taken_a_bare_id_is_one_and_the_address_can_say_the_module() {
    let at = |body: &'static str, parameters: Option<&'static str>| {
        read(&Letter {
            parameters,
            conversion: true,
            ..letter(body, FORM)
        })
        .expect("read")
    };
    let bare = at("id=4x77&owner=5&owner_username=a%40b.c", None);
    assert!(bare.converted && bare.contact.as_deref() == Some("4x77"));
    let lead = at("id=2x9", Some("module=Leads"));
    assert_eq!((lead.contact, lead.lead.as_deref()), (None, Some("2x9")));
    let both = at("id=2x9&contact_id=4x77", Some("module=Leads"));
    assert_eq!(
        (both.contact.as_deref(), both.lead.as_deref()),
        (Some("4x77"), Some("2x9"))
    );
}

#[test]
fn the_extensions_conversion_names_lead_and_contact() {
    let body = r#"{"id":"m","type":"lead.converted","timestamp":"2026-01-01T00:00:00Z","data":{"module":"Leads","id":"10x5","contact":"12x9"}}"#;
    let said = read(&letter(body, JSON)).expect("read");
    assert!(said.converted && said.of_extension);
    assert_eq!(
        (said.contact.as_deref(), said.lead.as_deref()),
        (Some("12x9"), Some("10x5"))
    );
    let half = body.replace(",\"contact\":\"12x9\"", "");
    let said = read(&letter(&half, JSON)).expect("read");
    assert_eq!((said.contact, said.lead.as_deref()), (None, Some("10x5")));
}
