//! The screen with people, and `pugmark user` through the same functions.

use pugmark::people::Role;
use serde_json::json;

use super::Browser;
use crate::harness::{World, on_both_databases};
use crate::http::Api;

on_both_databases!(
    people_are_added_changed_and_disabled_with_an_entry_in_the_audit_log_each,
    the_last_administrator_stays_and_nobody_disables_themselves,
    names_are_escaped_wherever_they_are_shown,
    a_session_is_ended_from_elsewhere,
);

async fn people_are_added_changed_and_disabled_with_an_entry_in_the_audit_log_each(world: World) {
    let running = world.start().await;
    let admin = Browser::signed_in(&running, Role::Admin).await;
    let fields = [
        ("name", "Asha Otieno"),
        ("email", "asha@example.org"),
        ("role", "viewer"),
    ];
    let handed = admin.post("/people/add", &fields).await;
    assert_eq!(handed.status, 200, "{}", handed.text);
    let link = format!("{}/sign-in/link/", admin.base());
    assert!(handed.text.contains(&link), "{}", handed.text);
    let twice = admin
        .post(
            "/people/add",
            &[
                ("name", "A"),
                ("email", "ASHA@example.org"),
                ("role", "viewer"),
            ],
        )
        .await;
    assert_eq!(twice.status, 422);
    assert!(twice.text.contains("exists already"), "{}", twice.text);
    let wrong = admin
        .post(
            "/people/add",
            &[("name", "A"), ("email", "no address"), ("role", "viewer")],
        )
        .await;
    assert!(
        wrong.text.contains("The e-mail address must be one"),
        "{}",
        wrong.text
    );
    let list = admin.get("/people").await.text;
    assert!(
        list.contains("Asha Otieno") && list.contains("Invited"),
        "{list}"
    );

    let program = world.other_program().await;
    let api = Api::of(&running);
    let users = api.get("/api/internal/console/users").await;
    let asha = users.data().as_array().expect("a list");
    let asha = asha.iter().find(|user| user["email"] == "asha@example.org");
    let id = asha.expect("she is listed")["userId"]
        .as_str()
        .expect("an id")
        .to_owned();
    let said = admin
        .post_and_follow(&format!("/people/{id}/role"), &[("role", "customer_care")])
        .await;
    assert!(
        said.text.contains("Asha Otieno is now: Customer care."),
        "{}",
        said.text
    );
    let silent = admin
        .post(&format!("/people/{id}/disable"), &[("reason", " ")])
        .await;
    assert_eq!(silent.status, 422, "a reason is asked for");
    let reason = [("reason", "left the company")];
    let said = admin
        .post_and_follow(&format!("/people/{id}/disable"), &reason)
        .await;
    assert!(said.text.contains("Disabled"), "{}", said.text);
    let link = admin.post(&format!("/people/{id}/link"), &[]).await;
    assert_eq!(
        link.status, 422,
        "no way in for whoever is disabled: {}",
        link.text
    );
    admin
        .post_and_follow(&format!("/people/{id}/enable"), &[])
        .await;
    let link = admin.post(&format!("/people/{id}/link"), &[]).await;
    assert_eq!(link.status, 200, "{}", link.text);

    let actions = program
        .column(format!(
            "SELECT action FROM audit_log WHERE subject = '{id}' ORDER BY id"
        ))
        .await;
    let expected = ["add", "role", "disable", "enable", "link"];
    assert_eq!(
        actions,
        expected.map(|action| format!("console.user.{action}"))
    );
    let reasons = program
        .count(format!("audit_log WHERE subject = '{id}' AND reason = 'left the company' AND actor LIKE 'admin-%'"))
        .await;
    assert_eq!(reasons, 1);
    running.shutdown().await;
}

async fn the_last_administrator_stays_and_nobody_disables_themselves(world: World) {
    let running = world.start().await;
    let admin = Browser::signed_in(&running, Role::Admin).await;
    let api = Api::of(&running);
    let id = admin.user.expect("it is signed in").to_string();
    let refused = admin
        .post(&format!("/people/{id}/role"), &[("role", "viewer")])
        .await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    let refused = admin
        .post(&format!("/people/{id}/disable"), &[("reason", "x")])
        .await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    let path = format!("/api/internal/console/users/{id}");
    for (action, body) in [
        ("disable", json!({})),
        ("role", json!({ "role": "viewer" })),
    ] {
        let refused = api.post(&format!("{path}/{action}"), &body).await;
        assert_eq!(refused.status, 409, "{}", refused.text);
        assert!(
            refused.message().contains("last administrator"),
            "{}",
            refused.text
        );
    }
    Browser::signed_in(&running, Role::Admin).await;
    let done = api
        .post(&format!("{path}/role"), &json!({ "role": "viewer" }))
        .await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert_eq!(
        admin.get("/people").await.status,
        403,
        "it counts from the next request on"
    );
    assert_eq!(admin.get("/").await.status, 200);
    running.shutdown().await;
}

async fn names_are_escaped_wherever_they_are_shown(world: World) {
    let running = world.start().await;
    let admin = Browser::signed_in(&running, Role::Admin).await;
    let name = "<script>alert(1)</script>\"'&";
    let fields = [
        ("name", name),
        ("email", "x@example.org"),
        ("role", "viewer"),
    ];
    let handed = admin.post("/people/add", &fields).await;
    let list = admin.get("/people").await;
    for page in [&handed, &list] {
        assert_eq!(page.status, 200);
        assert_eq!(
            page.text.matches("<script").count(),
            1,
            "ours alone: {}",
            page.text
        );
        assert!(page.text.contains("&#60;script&#62;"), "{}", page.text);
    }
    let policy = list.header("content-security-policy");
    assert!(
        policy.contains("script-src 'self'") && !policy.contains("unsafe"),
        "{policy}"
    );
    for inline in [" style=", "<style", " onclick=", "javascript:"] {
        assert!(!list.text.contains(inline), "{inline}");
    }
    running.shutdown().await;
}

async fn a_session_is_ended_from_elsewhere(world: World) {
    let running = world.start().await;
    let admin = Browser::signed_in(&running, Role::Admin).await;
    let other = Browser::signed_in(&running, Role::Viewer).await;
    let id = other.user.expect("it is signed in");
    let program = world.other_program().await;
    assert_eq!(other.get("/").await.status, 200);
    let page = admin.get("/people").await.text;
    let path = format!("action=\"/people/{id}/sign-out\"");
    let form = page.split_once(&path).expect("its session is listed").1;
    let session = form
        .split_once("name=\"session\" value=\"")
        .expect("its id")
        .1;
    let session = session.split('"').next().expect("an end");
    let said = admin
        .post_and_follow(&format!("/people/{id}/sign-out"), &[("session", session)])
        .await;
    assert!(
        said.text.contains("One session of Test viewer was ended."),
        "{}",
        said.text
    );
    assert_eq!(other.get("/").await.status, 303);
    assert_eq!(
        program
            .count("console_sessions WHERE ended_at IS NOT NULL")
            .await,
        1
    );
    running.shutdown().await;
}
