//! `DELETE /admin/users/{id}`.

use serde_json::{Value, json};

use super::{Caller, PASSWORD, refusal, refused, sandbox, text, with_amina};

async fn delete(caller: &Caller, id: &str, body: Option<Value>) -> crate::raw::Answer {
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    let path = format!("/admin/users/{id}");
    caller.send("DELETE", &path, body.as_bytes()).await
}

#[tokio::test]
async fn a_deleted_user_is_gone_for_every_call() {
    let (sandbox, id) = with_amina().await;
    let token = sandbox.access_token_for(&id).unwrap();
    let caller = Caller::service(&sandbox);
    let answer = delete(&caller, &id, None).await;
    assert_eq!((answer.status, answer.json()), (200, json!({})));
    for answer in [
        caller.get(&format!("/admin/users/{id}")).await,
        caller.update(&id, &json!({})).await,
        delete(&caller, &id, None).await,
    ] {
        assert_eq!(refusal(&answer), refused(404, "user_not_found"));
    }
    let answer = Caller::user(&sandbox, &token).get("/user").await;
    assert_eq!(refusal(&answer), refused(403, "user_not_found"));
    assert_eq!(sandbox.session_count(&id), 0);
    assert!(sandbox.users().is_empty());
    let again = caller
        .create(&json!({ "email": "amina@example.com", "id": id }))
        .await;
    assert_eq!(again.status, 200, "address and id are free again");
}

#[tokio::test]
async fn a_softly_deleted_user_is_an_empty_shell_that_still_answers() {
    let (sandbox, id) = with_amina().await;
    let signed_in = Caller::public(&sandbox)
        .sign_in("amina@example.com", PASSWORD)
        .await
        .json();
    let caller = Caller::service(&sandbox);
    let softly = json!({ "should_soft_delete": true });
    let answer = delete(&caller, &id, Some(softly.clone())).await;
    assert_eq!((answer.status, answer.json()), (200, json!({})));

    let shell = caller.get(&format!("/admin/users/{id}")).await.json();
    assert_eq!(shell["id"], *id);
    assert!(shell["deleted_at"].is_string());
    assert_eq!(
        (&shell["user_metadata"], &shell["app_metadata"]),
        (&json!({}), &json!({}))
    );
    assert!(!shell.to_string().contains("amina"), "{shell}");
    assert_eq!(
        (text(&shell, "email").len(), text(&shell, "phone").len()),
        (43, 15),
        "hashes"
    );
    let identity = &shell["identities"][0];
    assert!(identity.get("identity_data").is_none() && identity.get("email").is_none());

    assert!(!sandbox.password_is(&id, PASSWORD));
    assert_eq!(sandbox.session_count(&id), 0);
    let answer = caller.refresh(&text(&signed_in, "refresh_token")).await;
    assert_eq!(refusal(&answer), refused(400, "refresh_token_not_found"));
    let answer = Caller::public(&sandbox)
        .sign_in(&text(&shell, "email"), PASSWORD)
        .await;
    assert_eq!(refusal(&answer), refused(400, "invalid_credentials"));

    assert_eq!(delete(&caller, &id, Some(softly)).await.status, 200);
    let unchanged = caller.get(&format!("/admin/users/{id}")).await.json();
    assert_eq!(unchanged, shell, "once is enough");
    let page = caller.get("/admin/users").await;
    assert_eq!(page.headers["x-total-count"], "1", "lists show it as well");
}

#[tokio::test]
async fn the_address_of_a_softly_deleted_user_is_free() {
    let (sandbox, id) = with_amina().await;
    let caller = Caller::service(&sandbox);
    delete(&caller, &id, Some(json!({ "should_soft_delete": true }))).await;
    let answer = caller
        .create(&json!({ "email": "amina@example.com" }))
        .await;
    assert_eq!(answer.status, 200);
    assert_ne!(answer.json()["id"], *id);
    assert_eq!(sandbox.users().len(), 2);
}

#[tokio::test]
async fn a_body_that_asks_for_nothing_deletes_for_good() {
    let sandbox = sandbox().await;
    let caller = Caller::service(&sandbox);
    for body in [
        json!({}),
        json!({ "should_soft_delete": false }),
        json!({ "should_soft_delete": null }),
    ] {
        let created = caller.create(&json!({ "email": "a@example.com" })).await;
        let id = text(&created.json(), "id");
        assert_eq!(delete(&caller, &id, Some(body)).await.status, 200);
        assert!(sandbox.users().is_empty());
    }
}

#[tokio::test]
async fn a_body_that_is_no_json_deletes_nothing() {
    let (sandbox, id) = with_amina().await;
    let path = format!("/admin/users/{id}");
    let answer = Caller::service(&sandbox).send("DELETE", &path, b"{").await;
    assert_eq!(refusal(&answer), refused(400, "bad_json"));
    assert_eq!(sandbox.users().len(), 1);
}
