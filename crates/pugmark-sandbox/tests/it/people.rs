//! What people do in the pages: edit, delete, restore, convert a lead; and the look-alike's clock.

use std::collections::BTreeSet;
use std::time::Duration;

use pugmark_sandbox::{
    Clock, CustomField, CustomFieldKind, JournalKind, ManualClock, UserSpec, VtigerSandbox,
};
use serde_json::json;

use crate::raw::Caller;
use crate::store::ids;

async fn sandbox() -> (VtigerSandbox, Caller, ManualClock) {
    let clock = ManualClock::new("2026-11-21T08:00:00Z".parse().unwrap());
    let crm = VtigerSandbox::builder()
        .clock(Clock::Manual(clock.clone()))
        .user(UserSpec::admin("api", "k1"))
        .user(UserSpec::standard("agent", "k2"))
        .custom_field(CustomField::new("Leads", "ID Number", CustomFieldKind::Text).named("l_id"))
        .custom_field(
            CustomField::new("Contacts", "ID Number", CustomFieldKind::Text).named("c_id"),
        )
        .start()
        .await
        .unwrap();
    let caller = Caller::log_in(&crm).await;
    (crm, caller, clock)
}

async fn query(caller: &Caller, text: &str) -> Vec<String> {
    ids(&caller.query(text).await.result())
}

#[tokio::test]
async fn an_edit_by_somebody_else_shows_who_and_when() {
    let (crm, caller, clock) = sandbox().await;
    let id = crm
        .insert_as_ui("Contacts", &[("lastname", "Were")])
        .unwrap();
    clock.advance(Duration::from_secs(5));
    assert!(crm.edit_as("19x5", &id, &[("mobile", "+254700000001")]));
    let shown = caller.get("retrieve", &[("id", &id)]).await.result();
    assert_eq!(shown["modifiedtime"], "2026-11-21 08:00:05");
    assert_eq!(shown["modifiedby"], "19x5");
    assert_eq!(shown["mobile"], "+254700000001");
    assert!(!crm.edit_as("19x99", &id, &[("mobile", "")]));
    assert!(!crm.edit_as("19x5", &id, &[("nothing", "")]));
    assert_eq!(crm.record(&id).unwrap().value("mobile"), "+254700000001");
}

#[tokio::test]
async fn a_deleted_record_can_be_restored_with_its_number_and_its_values() {
    let (crm, caller, clock) = sandbox().await;
    let id = crm
        .insert_as_ui("Contacts", &[("lastname", "Were"), ("c_id", "A-1")])
        .unwrap();
    assert!(crm.remove(&id));
    assert_eq!(crm.deleted("Contacts"), [id.as_str()]);
    assert_eq!(
        caller.get("retrieve", &[("id", &id)]).await.code(),
        "ACCESS_DENIED"
    );
    clock.advance(Duration::from_secs(60));
    assert!(crm.restore(&id));
    assert!(!crm.restore(&id), "it is not in the bin any more");
    assert!(crm.deleted("Contacts").is_empty());
    assert_eq!(
        query(&caller, "select id from Contacts where c_id='A-1';").await,
        [id.as_str()]
    );
    assert_eq!(
        crm.record(&id).unwrap().value("modifiedtime"),
        "2026-11-21 08:01:00"
    );
    let kinds: Vec<bool> = crm
        .journal()
        .effects_on(&id)
        .iter()
        .map(|entry| matches!(entry.kind, JournalKind::Restored { .. }))
        .collect();
    assert_eq!(kinds, [false, false, true]);
}

#[tokio::test]
async fn a_converted_lead_becomes_a_contact_and_vanishes_from_queries_alone() {
    let (crm, caller, _) = sandbox().await;
    let lead = crm
        .insert_as_ui(
            "Leads",
            &[
                ("firstname", "Asha"),
                ("lastname", "Were"),
                ("city", "Kisumu"),
                ("l_id", "A-1"),
            ],
        )
        .unwrap();
    crm.insert_as_ui(
        "ModComments",
        &[("commentcontent", "called"), ("related_to", &lead)],
    )
    .unwrap();
    let contact = crm.convert_lead(&lead, &[("l_id", "c_id")]).unwrap();
    let shown = crm.record(&contact).unwrap();
    for (field, value) in [
        ("firstname", "Asha"),
        ("mailingcity", "Kisumu"),
        ("c_id", "A-1"),
        ("isconvertedfromlead", "1"),
        ("source", "CRM"),
    ] {
        assert_eq!(shown.value(field), value, "{field}");
    }
    assert!(query(&caller, "select id from Leads;").await.is_empty());
    assert!(crm.records("Leads").is_empty());
    let retrieved = caller.get("retrieve", &[("id", &lead)]).await.result();
    assert_eq!(retrieved["lastname"], "Were");
    let comments = format!("select id from ModComments where related_to='{contact}';");
    assert_eq!(query(&caller, &comments).await.len(), 1);
    assert_eq!(
        crm.convert_lead(&lead, &[]),
        None,
        "it was converted before"
    );
    assert_eq!(crm.journal().count_created("Contacts"), 1);
}

#[tokio::test]
async fn a_conversion_that_failed_halfway_leaves_the_lead_and_can_be_done_again() {
    let (crm, caller, _) = sandbox().await;
    let lead = crm.insert_as_ui("Leads", &[("lastname", "Were")]).unwrap();
    let first = crm.convert_lead_halfway(&lead, &[]).unwrap();
    assert_eq!(
        query(&caller, "select id from Leads;").await,
        [lead.as_str()]
    );
    let second = crm.convert_lead(&lead, &[]).unwrap();
    assert_ne!(first, second);
    assert!(query(&caller, "select id from Leads;").await.is_empty());
    assert_eq!(
        query(
            &caller,
            "select id from Contacts where isconvertedfromlead='1' order by id;"
        )
        .await,
        [first, second]
    );
}

#[tokio::test]
async fn many_changes_share_a_second_and_are_found_by_every_way_of_writing_it() {
    let (crm, caller, clock) = sandbox().await;
    for _ in 0..90 {
        crm.insert_as_ui("Contacts", &[("lastname", "Same")])
            .unwrap();
        clock.advance(Duration::from_millis(10));
    }
    let all: BTreeSet<String> = crm.records("Contacts").into_iter().map(|r| r.id).collect();
    for time in ["2026-11-21 08:00:00", "2026-11-21T08:00:00"] {
        let text =
            format!("select id from Contacts where modifiedtime='{time}' order by modifiedtime;");
        let found = query(&caller, &text).await;
        assert_eq!(
            found.iter().cloned().collect::<BTreeSet<_>>(),
            all,
            "{time}"
        );
        assert!(
            !found.is_sorted_by_key(|id| id[3..].parse::<u64>().unwrap()),
            "ties have no order"
        );
    }
    let day = query(
        &caller,
        "select id from Contacts where modifiedtime>='2026-11-21';",
    )
    .await;
    assert_eq!(day.len(), 90);
    let after = "select id from Contacts where modifiedtime>'2026-11-21 08:00:00';";
    assert!(query(&caller, after).await.is_empty());
}

#[tokio::test]
async fn the_clock_can_be_exchanged_and_be_wrong() {
    let (crm, _, _) = sandbox().await;
    let ahead = jiff::SignedDuration::from_hours(2);
    crm.set_clock(Clock::Skewed(ahead));
    let id = crm
        .insert_as_ui("Contacts", &[("lastname", "Late")])
        .unwrap();
    let written = crm
        .record(&id)
        .unwrap()
        .value("modifiedtime")
        .replace(' ', "T");
    let written: jiff::Timestamp = format!("{written}Z").parse().unwrap();
    let apart = written.duration_since(jiff::Timestamp::now());
    assert!(
        (apart - ahead).abs() < jiff::SignedDuration::from_secs(60),
        "{apart}"
    );
}

#[tokio::test]
async fn convertlead_makes_account_and_contact_where_it_works() {
    let crm = VtigerSandbox::builder()
        .variant(pugmark_sandbox::Variant::Repaired)
        .start()
        .await
        .unwrap();
    let caller = Caller::log_in(&crm).await;
    let lead = crm
        .insert_as_ui("Leads", &[("lastname", "Were"), ("company", "Were Ltd")])
        .unwrap();
    let element = json!({
        "leadId": lead, "transferRelatedRecordsTo": "Contacts",
        "entities": {"Accounts": {"create": true, "name": "Accounts"}, "Contacts": {"create": true, "name": "Contacts", "mobile": "+1"}},
    })
    .to_string();
    let convert = async || caller.post("convertlead", &[("element", &element)]).await;
    let made = convert().await.result();
    let contact = crm.record(made["Contacts"].as_str().unwrap()).unwrap();
    assert_eq!(contact.value("account_id"), made["Accounts"]);
    assert_eq!(contact.value("mobile"), "+1");
    assert_eq!(contact.value("source"), "WEBSERVICE");
    assert_eq!(convert().await.code(), "LEAD_ALREADY_CONVERTED");
    let other = crm
        .insert_as_ui("Leads", &[("lastname", "Otieno"), ("company", "were ltd")])
        .unwrap();
    let second = element.replace(&lead, &other);
    let second = caller
        .post("convertlead", &[("element", &second)])
        .await
        .result();
    assert_eq!(
        second["Accounts"], made["Accounts"],
        "an account of that name is used again"
    );
    assert_eq!(crm.journal().count_created("Accounts"), 1);
}
