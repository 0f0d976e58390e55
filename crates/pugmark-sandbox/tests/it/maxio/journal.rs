//! What the journal says of a site.

use pugmark_sandbox::{JournalKind, Outcome};
use serde_json::json;

use super::{IBAN, johns_signup, signed_up, with_john};

#[tokio::test]
async fn a_call_is_noted_when_it_begins_when_its_effect_is_stored_and_when_it_ends() {
    let (sandbox, _caller, id) = with_john().await;
    let entries = sandbox.journal().entries();
    assert!(entries.iter().all(|entry| entry.request_no == Some(1)));
    let [begun, created, call] = &entries[..] else {
        panic!("{entries:?}")
    };
    assert!(
        matches!(&begun.kind, JournalKind::Begun { operation, in_progress: 1 } if operation == "customer.create")
    );
    let JournalKind::Created {
        id: noted,
        module,
        fields,
    } = &created.kind
    else {
        panic!("{created:?}")
    };
    assert_eq!(
        (noted, module.as_str(), fields["reference"].as_str()),
        (&id.to_string(), "customers", "10x456")
    );
    assert!(matches!(
        &call.kind,
        JournalKind::Call {
            http: 201,
            outcome: Outcome::Done,
            ..
        }
    ));
}

#[tokio::test]
async fn a_signup_notes_every_record_it_makes_and_no_account() {
    let (sandbox, caller, john) = with_john().await;
    let subscription = signed_up(&caller).await;
    let journal = sandbox.journal();
    let counts = ["customers", "payment_profiles", "subscriptions"]
        .map(|module| journal.count_created(module));
    assert_eq!(counts, [1, 1, 1]);
    let by_reference = journal.count_distinct_by("subscriptions", "reference");
    assert_eq!(
        by_reference["lead-10x456"],
        [subscription["id"].to_string()]
    );
    let verified = |kind: &JournalKind| matches!(kind, JournalKind::Updated { changed, .. } if changed["verified"].new == "true");
    let effects = journal.effects_on(&john.to_string());
    assert!(
        effects.iter().any(|entry| verified(&entry.kind)),
        "{effects:?}"
    );
    assert!(!journal.to_json().to_string().contains(IBAN));
}

#[tokio::test]
async fn a_refusal_is_noted_by_its_kind_and_without_effect() {
    let (sandbox, caller, _) = with_john().await;
    let mut signup = johns_signup();
    signup["product_handle"] = json!("nothing");
    caller.sign_up(&signup).await;
    let journal = sandbox.journal();
    let calls = journal.calls_of("subscription.create");
    let JournalKind::Call { http, outcome, .. } = &calls[0].kind else {
        unreachable!()
    };
    assert_eq!(
        (*http, outcome),
        (422, &Outcome::Refused("invalid".to_owned()))
    );
    assert_eq!(journal.count_created("subscriptions"), 0);
}

#[tokio::test]
async fn an_end_and_a_removal_are_effects() {
    let (sandbox, caller, john) = with_john().await;
    let id = signed_up(&caller).await["id"].to_string();
    caller.delete(&format!("/subscriptions/{id}.json")).await;
    caller
        .post(
            &format!("/subscriptions/{id}/purge.json?ack={john}"),
            &json!({}),
        )
        .await;
    let effects = sandbox.journal().effects_on(&id);
    let [created, canceled, purged] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert!(matches!(&created.kind, JournalKind::Created { .. }));
    let JournalKind::Updated { changed, .. } = &canceled.kind else {
        panic!("{canceled:?}")
    };
    assert_eq!(
        (changed["state"].old.as_str(), changed["state"].new.as_str()),
        ("active", "canceled")
    );
    assert!(matches!(&purged.kind, JournalKind::Deleted { .. }));
}
