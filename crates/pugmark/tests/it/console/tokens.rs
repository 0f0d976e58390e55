//! Tokens of programs: made in the console or by `pugmark token`, accepted by the API with the right they have.

use pugmark::people::Role;
use reqwest::Method;
use serde_json::json;

use super::Browser;
use crate::harness::{TOKEN, World, assert_not_in, dump, on_both_databases};
use crate::http::{Answer, Api, answer};
use crate::program::{Ended, pugmark, run};

on_both_databases!(
    a_token_is_shown_once_does_what_its_right_allows_and_stops_when_it_is_revoked,
    each_right_opens_what_it_opens_for_people_and_none_what_is_for_the_service,
    a_token_ends_when_its_time_is_over,
    a_token_needs_a_name_of_its_own_and_a_right,
    the_command_makes_lists_and_revokes_tokens,
);

const STATUS: &str = "/api/internal/status";
const APPLY: &str = "/api/internal/vtiger/field-mappings/apply";

fn token_in(page: &str) -> String {
    let start = page.find("pugmark_").expect("a token is shown");
    let rest = &page[start..];
    let end = rest.find('<').expect("it has an end");
    rest[..end].to_owned()
}

async fn with(api: &Api, token: &str, method: Method, path: &str) -> Answer {
    let request = api.bare(method.clone(), path).bearer_auth(token);
    match method {
        Method::POST => answer(request.json(&json!({}))).await,
        _ => answer(request).await,
    }
}

async fn made(admin: &Browser, name: &str, right: &str) -> String {
    let fields = [
        ("name", name),
        ("right", right),
        ("days", "30"),
        ("reason", "a new program"),
    ];
    let handed = admin.post("/people/tokens/add", &fields).await;
    assert_eq!(handed.status, 200, "{}", handed.text);
    token_in(&handed.text)
}

async fn a_token_is_shown_once_does_what_its_right_allows_and_stops_when_it_is_revoked(
    world: World,
) {
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    let admin = Browser::signed_in(&running, Role::Admin).await;
    let token = made(&admin, "Data <warehouse>", "customer_care").await;
    assert_eq!(with(&api, &token, Method::GET, STATUS).await.status, 200);
    let page = admin.get("/people").await.text;
    assert!(
        page.contains("Data &#60;warehouse&#62;") || page.contains("Data &lt;warehouse&gt;"),
        "{page}"
    );
    assert!(page.contains("Works") && !page.contains(&token), "{page}");
    assert_not_in(&dump(&program).await, &token);
    let id = program
        .one("SELECT subject FROM audit_log WHERE action = 'token.add'")
        .await
        .expect("it was noted");
    let id = id.split(' ').next().expect("an id").to_owned();
    let path = format!("/people/tokens/{id}/revoke");
    let silent = admin.post(&path, &[("reason", " ")]).await;
    assert_eq!(silent.status, 422, "a reason is asked for");
    assert_eq!(with(&api, &token, Method::GET, STATUS).await.status, 200);
    let said = admin
        .post_and_follow(&path, &[("reason", "it is retired")])
        .await;
    assert!(said.text.contains("works no more"), "{}", said.text);
    assert!(said.text.contains("Revoked"), "{}", said.text);
    let refused = with(&api, &token, Method::GET, STATUS).await;
    refused.assert_error(401, "UNAUTHORIZED", STATUS);
    let noted = program
        .column(
            "SELECT action || ' ' || reason FROM audit_log WHERE action LIKE 'token.%' ORDER BY id",
        )
        .await;
    assert_eq!(
        noted,
        ["token.add a new program", "token.revoke it is retired"]
    );
    running.shutdown().await;
}

async fn each_right_opens_what_it_opens_for_people_and_none_what_is_for_the_service(world: World) {
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    let admin = Browser::signed_in(&running, Role::Admin).await;
    for (right, may_change) in [
        ("setup_admin", false),
        ("customer_care", false),
        ("registration_admin", true),
    ] {
        let token = made(&admin, right, right).await;
        let seen = with(&api, &token, Method::GET, STATUS).await;
        assert_eq!(seen.status, 200, "{right}: {}", seen.text);
        let changed = with(&api, &token, Method::POST, APPLY).await;
        match may_change {
            true => assert_eq!(changed.status, 202, "{right}: {}", changed.text),
            false => {
                changed.assert_error(403, "FORBIDDEN", APPLY);
                assert!(
                    changed.message().contains("may only look"),
                    "{}",
                    changed.text
                );
            }
        }
        for service in [
            "/api/internal/tokens",
            "/api/internal/console/users",
            "/api/internal/vtiger/grants",
        ] {
            for method in [Method::GET, Method::POST] {
                let refused = with(&api, &token, method.clone(), service).await;
                // A form that cannot be read is refused before anybody asks who sent it.
                let unread = method == Method::POST && [400, 422].contains(&refused.status);
                assert!(
                    refused.status == 403 || unread,
                    "{right} {method} {service}: {} {}",
                    refused.status,
                    refused.text
                );
            }
        }
    }
    let actor = program
        .one("SELECT actor FROM audit_log WHERE action = 'mapping.apply'")
        .await;
    let actor = actor.expect("it was noted");
    assert!(actor.starts_with("token:registration_admin ("), "{actor}");
    assert_eq!(
        program.count("api_tokens WHERE seen_at IS NOT NULL").await,
        3
    );
    let garbage = with(&api, "pugmark_not-one-of-ours", Method::GET, STATUS).await;
    garbage.assert_error(401, "UNAUTHORIZED", STATUS);
    running.shutdown().await;
}

async fn a_token_ends_when_its_time_is_over(world: World) {
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    let admin = Browser::signed_in(&running, Role::Admin).await;
    let token = made(&admin, "nightly export", "setup_admin").await;
    assert_eq!(with(&api, &token, Method::GET, STATUS).await.status, 200);
    program
        .sql("UPDATE api_tokens SET expires_at = created_at")
        .await;
    assert_eq!(with(&api, &token, Method::GET, STATUS).await.status, 401);
    let page = admin.get("/people").await.text;
    assert!(page.contains("Expired"), "{page}");
    running.shutdown().await;
}

async fn a_token_needs_a_name_of_its_own_and_a_right(world: World) {
    let running = world.start().await;
    let api = Api::of(&running);
    let admin = Browser::signed_in(&running, Role::Admin).await;
    made(&admin, "one", "setup_admin").await;
    for (name, right, days, said) in [
        ("one", "setup_admin", "", "exists already"),
        ("", "setup_admin", "", "must be filled in"),
        ("two", "admin", "", "Choose what"),
        ("two", "setup_admin", "0", "1 to 3650"),
        ("two", "setup_admin", "soon", "must be a number"),
        ("APP_SECRET_TOKEN", "setup_admin", "", "is taken"),
    ] {
        let fields = [("name", name), ("right", right), ("days", days)];
        let refused = admin.post("/people/tokens/add", &fields).await;
        assert_eq!(refused.status, 422, "{name}: {}", refused.text);
        assert!(refused.text.contains(said), "{name}: {}", refused.text);
    }
    let path = "/api/internal/tokens";
    let taken = json!({ "name": "one", "right": "setup_admin" });
    assert_eq!(api.post(path, &taken).await.status, 409);
    let wrong = api
        .post(path, &json!({ "name": "x", "right": "king" }))
        .await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.detail("right").contains("no right"), "{}", wrong.text);
    assert_eq!(api.get(path).await.data().as_array().map(Vec::len), Some(1));
    let unknown = api.post(&format!("{path}/nobody/revoke"), &json!({})).await;
    assert_eq!(unknown.status, 404);
    running.shutdown().await;
}

async fn command(api: &Api, arguments: &[&str]) -> Ended {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = pugmark(folder.path(), arguments);
    command
        .env("PUGMARK_SERVER", api.address())
        .env("APP_SECRET_TOKEN", TOKEN);
    run(command).await
}

async fn the_command_makes_lists_and_revokes_tokens(world: World) {
    let running = world.start().await;
    let api = Api::of(&running);
    let add = [
        "token",
        "add",
        "data warehouse",
        "--right",
        "customer_care",
        "--days",
        "90",
    ];
    let added = command(&api, &add).await;
    assert_eq!(added.code, 0, "{added:?}");
    let token = added.stdout.lines().last().expect("a line").to_owned();
    assert!(token.starts_with("pugmark_"), "{token}");
    assert_eq!(with(&api, &token, Method::GET, STATUS).await.status, 200);
    let listed = command(&api, &["token", "list"]).await;
    for said in ["data warehouse", "customer_care", "token:APP_SECRET_TOKEN"] {
        assert!(listed.stdout.contains(said), "{said}: {listed:?}");
    }
    assert!(!listed.stdout.contains(&token), "{listed:?}");
    let revoked = command(
        &api,
        &["token", "revoke", "data warehouse", "--reason", "retired"],
    )
    .await;
    assert_eq!(revoked.code, 0, "{revoked:?}");
    assert_eq!(with(&api, &token, Method::GET, STATUS).await.status, 401);
    let none = command(&api, &["token", "revoke", "nobody"]).await;
    assert_ne!(none.code, 0, "{none:?}");
    running.shutdown().await;
}
