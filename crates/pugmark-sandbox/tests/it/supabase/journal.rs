//! What the journal holds of users.

use pugmark_sandbox::{JournalKind, Outcome};
use serde_json::json;

use super::{Caller, PASSWORD, sandbox, text, with_amina};
use crate::raw::PATIENCE;

#[tokio::test]
async fn every_effect_on_a_user_is_noted_in_order_with_old_and_new_values() {
    let sandbox = sandbox().await;
    let caller = Caller::service(&sandbox);
    let body = json!({ "email": "A@example.com", "email_confirm": true, "password": PASSWORD });
    let id = text(&caller.create(&body).await.json(), "id");
    Caller::public(&sandbox)
        .sign_in("a@example.com", PASSWORD)
        .await;
    let change = json!({ "email": "b@example.com", "password": "Another-Pass-1" });
    caller.update(&id, &change).await;
    caller
        .send("DELETE", &format!("/admin/users/{id}"), b"")
        .await;

    let effects = sandbox.journal().effects_on(&id);
    let JournalKind::Created { module, fields, .. } = &effects[0].kind else {
        panic!("{effects:?}")
    };
    assert_eq!(
        (module.as_str(), fields["email"].as_str()),
        ("users", "a@example.com")
    );
    assert!(!fields.contains_key("phone"), "what is empty is left out");
    assert_eq!(effects[0].user.as_deref(), Some("service_role"));
    assert_eq!(effects[0].request_no, Some(1));
    let JournalKind::Updated { changed, .. } = &effects[1].kind else {
        panic!("{effects:?}")
    };
    assert_eq!(changed.keys().collect::<Vec<_>>(), ["email"]);
    assert_eq!(
        (changed["email"].old.as_str(), changed["email"].new.as_str()),
        ("a@example.com", "b@example.com")
    );
    assert!(matches!(effects[2].kind, JournalKind::PasswordSet { .. }));
    assert!(matches!(effects[3].kind, JournalKind::Deleted { .. }));
    assert_eq!(effects.len(), 4);

    let entries = sandbox.journal().entries();
    let sessions: Vec<_> = entries
        .iter()
        .filter_map(|entry| match &entry.kind {
            JournalKind::LoggedIn { user_id } => Some((user_id.clone(), 1)),
            JournalKind::LoggedOut { user_id, sessions } => {
                Some((user_id.clone(), -(*sessions as i64)))
            }
            _ => None,
        })
        .collect();
    assert_eq!(sessions, [(id.clone(), 1), (id, -1)]);
}

#[tokio::test]
async fn duplicates_are_found_by_their_address() {
    let sandbox = sandbox().await;
    let caller = Caller::service(&sandbox);
    let first = text(
        &caller
            .create(&json!({ "email": "a@example.com" }))
            .await
            .json(),
        "id",
    );
    caller
        .send("DELETE", &format!("/admin/users/{first}"), b"")
        .await;
    let second = text(
        &caller
            .create(&json!({ "email": "a@example.com" }))
            .await
            .json(),
        "id",
    );
    let groups = sandbox.journal().count_distinct_by("users", "email");
    assert_eq!(groups["a@example.com"], [first, second]);
}

#[tokio::test]
async fn a_call_is_noted_with_its_caller_and_its_outcome() {
    let (sandbox, id) = with_amina().await;
    let token = sandbox.access_token_for(&id).unwrap();
    Caller::user(&sandbox, &token).get("/user").await;
    Caller::service(&sandbox).get("/admin/users/17").await;
    Caller::nobody(&sandbox).get("/admin/users").await;
    Caller::service(&sandbox)
        .create(&json!({ "email": "b@example.com", "password": "x".repeat(73) }))
        .await;
    let four = |journal: &pugmark_sandbox::Journal| journal.count_calls(None) == 4;
    assert!(sandbox.journal().wait_until(four, PATIENCE).await);
    let calls = sandbox.journal().calls();
    let noted: Vec<_> = calls
        .iter()
        .map(|entry| {
            let JournalKind::Call {
                operation,
                http,
                outcome,
                ..
            } = &entry.kind
            else {
                unreachable!()
            };
            (
                operation.as_str(),
                *http,
                outcome.clone(),
                entry.user.as_deref(),
            )
        })
        .collect();
    let service = Some("service_role");
    assert_eq!(
        noted,
        [
            ("get_user", 200, Outcome::Done, Some("amina@example.com")),
            (
                "get",
                404,
                Outcome::Refused("validation_failed".into()),
                service
            ),
            ("list", 401, Outcome::WebServer, None),
            ("create", 500, Outcome::Fatal, service),
        ]
    );
}

#[tokio::test]
async fn what_the_owner_does_is_noted_without_a_request() {
    let (sandbox, id) = with_amina().await;
    sandbox.access_token_for(&id).unwrap();
    let entries = sandbox.journal().entries();
    assert_eq!(entries.len(), 2);
    assert!(entries.iter().all(|entry| entry.request_no.is_none()));
}

#[tokio::test]
async fn no_password_token_or_key_reaches_the_journal() {
    let sandbox = sandbox().await;
    let caller = Caller::service(&sandbox);
    let body = json!({ "email": "a@example.com", "email_confirm": true, "password": PASSWORD });
    let id = text(&caller.create(&body).await.json(), "id");
    let signed_in = Caller::public(&sandbox)
        .sign_in("a@example.com", PASSWORD)
        .await
        .json();
    let next = caller.refresh(&text(&signed_in, "refresh_token")).await;
    caller.update(&id, &json!({ "password": PASSWORD })).await;
    let shown = [
        sandbox.journal().to_json().to_string(),
        format!("{:?}", sandbox.user(&id)),
        format!("{sandbox:?}"),
    ];
    for secret in [
        PASSWORD,
        &text(&signed_in, "refresh_token"),
        &text(&next.json(), "refresh_token"),
        &text(&signed_in, "access_token"),
        sandbox.service_key(),
        sandbox.secret_key(),
        sandbox.jwt_secret(),
    ] {
        assert!(shown.iter().all(|text| !text.contains(secret)));
    }
}

#[tokio::test]
async fn a_change_of_roles_and_a_ban_are_noted_with_what_was_before() {
    let (sandbox, id) = with_amina().await;
    let body = json!({
        "app_metadata": { "roles": ["customer_care"] }, "user_metadata": { "roles": ["customer_care"] },
        "ban_duration": "1h",
    });
    Caller::service(&sandbox).update(&id, &body).await;
    let effects = sandbox.journal().effects_on(&id);
    let JournalKind::Updated { changed, .. } = &effects[1].kind else {
        panic!("{effects:?}")
    };
    assert_eq!(
        changed.keys().collect::<Vec<_>>(),
        ["app_metadata", "banned_until", "user_metadata"]
    );
    assert_eq!(
        changed["app_metadata"].old,
        r#"{"provider":"email","providers":["email"]}"#
    );
    assert_eq!(
        changed["user_metadata"].new,
        r#"{"email_verified":true,"roles":["customer_care"]}"#
    );
    assert_eq!(changed["banned_until"].old, "");
}
