//! The journal: what it holds, and how it is waited on.

use std::time::Duration;

use pugmark_sandbox::{CustomField, CustomFieldKind, JournalKind, VtigerSandbox};
use serde_json::json;

use crate::raw::{self, Caller, PATIENCE};

async fn sandbox() -> (VtigerSandbox, Caller) {
    let field = CustomField::new("Contacts", "Customer Id", CustomFieldKind::Text).length(36);
    let crm = VtigerSandbox::builder()
        .custom_field(field)
        .start()
        .await
        .unwrap();
    let caller = Caller::log_in(&crm).await;
    (crm, caller)
}

#[tokio::test]
async fn every_effect_on_a_record_is_noted_in_order_with_old_and_new_values() {
    let (crm, caller) = sandbox().await;
    let created = caller
        .create(
            "Contacts",
            &json!({"lastname": "Otieno", "cf_853": "MB-1", "assigned_user_id": "19x1"}),
        )
        .await
        .result();
    let id = created["id"].as_str().unwrap();
    caller
        .revise(&json!({"id": id, "lastname": "Otieno", "title": "Farmer"}))
        .await
        .result();
    crm.edit(id, &[("mobile", "0700")]);
    caller.post("delete", &[("id", id)]).await.result();
    let effects = crm.journal().effects_on(id);
    let kinds: Vec<&JournalKind> = effects.iter().map(|entry| &entry.kind).collect();
    let JournalKind::Created { module, fields, .. } = kinds[0] else {
        panic!("{kinds:?}")
    };
    assert_eq!(
        (module.as_str(), fields["cf_853"].as_str()),
        ("Contacts", "MB-1")
    );
    assert!(!fields.contains_key("mobile"), "what is unset is left out");
    let JournalKind::Revised { changed, .. } = kinds[1] else {
        panic!("{kinds:?}")
    };
    assert_eq!(
        changed.len(),
        1,
        "the last name did not change: {changed:?}"
    );
    assert_eq!(
        (changed["title"].old.as_str(), changed["title"].new.as_str()),
        ("", "Farmer")
    );
    assert!(
        matches!(kinds[2], JournalKind::Revised { changed, .. } if changed["mobile"].new == "0700")
    );
    assert_eq!(effects[2].request_no, None, "a person needs no request");
    assert!(matches!(kinds[3], JournalKind::Deleted { .. }));
    assert_eq!(kinds.len(), 4);
}

#[tokio::test]
async fn duplicates_are_found_by_the_last_value_even_when_one_was_deleted() {
    let (crm, caller) = sandbox().await;
    let mut ids = Vec::new();
    for key in ["A", "A", "B", ""] {
        let element = json!({"lastname": "N", "cf_853": key, "assigned_user_id": "19x1"});
        ids.push(
            caller.create("Contacts", &element).await.result()["id"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    crm.remove(&ids[1]);
    let groups = crm.journal().count_distinct_by("Contacts", "cf_853");
    assert_eq!(groups["A"], ids[..2]);
    assert_eq!(groups["B"], ids[2..3]);
    assert_eq!(groups.len(), 2, "an empty value is no value: {groups:?}");
    caller
        .revise(&json!({"id": ids[2], "cf_853": "A"}))
        .await
        .result();
    assert_eq!(
        crm.journal().count_distinct_by("Contacts", "cf_853")["A"],
        ids[..3]
    );
}

#[tokio::test]
async fn a_wait_ends_when_its_condition_comes_true_and_not_otherwise() {
    let (crm, caller) = sandbox().await;
    let journal = crm.journal();
    let waiting = tokio::spawn({
        let journal = journal.clone();
        async move {
            journal
                .wait_until(|journal| journal.count_created("Contacts") == 2, PATIENCE)
                .await
        }
    });
    for _ in 0..2 {
        caller
            .create(
                "Contacts",
                &json!({"lastname": "W", "assigned_user_id": "19x1"}),
            )
            .await
            .result();
    }
    assert!(waiting.await.unwrap());
    assert!(
        !journal
            .wait_until(
                |journal| journal.count_created("Contacts") == 3,
                Duration::from_millis(10)
            )
            .await
    );
}

#[tokio::test]
async fn the_journal_can_be_read_on_from_where_one_stopped() {
    let (crm, caller) = sandbox().await;
    let journal = crm.journal();
    let seen = journal.len() as u64;
    caller.get("listtypes", &[]).await.result();
    assert!(
        journal
            .wait_until(
                |journal| journal.count_calls(Some("listtypes")) == 1,
                PATIENCE
            )
            .await
    );
    let new = journal.entries_since(seen);
    assert_eq!(
        new.iter().map(|entry| entry.seq).collect::<Vec<_>>(),
        [seen + 1]
    );
    assert!(journal.entries_since(u64::MAX).is_empty());
    let calls = journal.calls_of("listtypes");
    assert_eq!(calls[0].user.as_deref(), Some("admin"));
    assert_eq!(journal.calls().len() as u64, journal.count_calls(None));
    let json = journal.to_json();
    assert_eq!(json.as_array().unwrap().len(), journal.len());
    assert_eq!(json[0]["seq"], 1);
    assert_eq!(json[2]["kind"], "call");
}

#[tokio::test]
async fn a_password_never_reaches_the_journal() {
    let crm = VtigerSandbox::builder()
        .create_user_operation("make_user")
        .start()
        .await
        .unwrap();
    let caller = Caller::log_in(&crm).await;
    let element = json!({"user_name": "jane", "last_name": "Doe", "user_password": "Geheim-77", "confirm_password": "Geheim-77"});
    let id = caller
        .post("make_user", &[("element", &element.to_string())])
        .await
        .result();
    assert_eq!(id["id"], "19x5");
    let user = crm.record("19x5").unwrap();
    assert_eq!(user.value("user_name"), "jane");
    for text in [crm.journal().to_json().to_string(), format!("{user:?}")] {
        assert!(!text.contains("Geheim-77"));
    }
    assert!(
        !crm.journal()
            .to_json()
            .to_string()
            .contains(user.value("accesskey"))
    );
}

#[tokio::test]
async fn a_call_is_noted_with_the_correlation_id_that_came_with_it() {
    let (crm, caller) = sandbox().await;
    let target = "/webservice.php?operation=getchallenge&username=admin";
    let with_id = [("X-Correlation-Id", "a-request-of-today")];
    raw::exchange(caller.port, "GET", target, &with_id, b"").await;
    raw::exchange(caller.port, "GET", target, &[], b"").await;
    let calls = crm.journal().calls_of("getchallenge");
    let noted: Vec<Option<&str>> = calls
        .iter()
        .map(|entry| match &entry.kind {
            JournalKind::Call { correlation_id, .. } => correlation_id.as_deref(),
            _ => None,
        })
        .collect();
    assert_eq!(
        noted,
        [None, Some("a-request-of-today"), None],
        "the first is the log-in's"
    );
}
