//! Who may do it: rights come from Pugmark's grants and Supabase's `app_metadata`, never from what people write themselves.

use pugmark_sandbox::UserSeed;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Staffed, USERS, new_user, text};
use crate::harness::{World, eventually, on_both_databases};
use crate::http::{Answer, Api, answer};

on_both_databases!(
    who_writes_registration_admin_into_their_own_metadata_gains_nothing,
    a_grant_opens_the_routes_and_taking_it_away_closes_them_at_once,
    app_metadata_gives_rights_and_takes_them,
    who_may_only_look_changes_nothing,
    disabled_banned_and_deleted_people_are_refused_though_their_tokens_verify,
    forged_and_foreign_tokens_are_refused,
    what_a_person_does_is_in_the_audit_log_with_their_name,
    without_supabase_nobody_is_let_in_on_trust,
);

const CUSTOMERS: &str = "/api/internal/customers";
const GRANTS: &str = "/api/internal/vtiger/grants";

/// Asks as somebody with this access token.
async fn ask(api: &Api, token: &str, method: Method, path: &str, body: Option<&Value>) -> Answer {
    let request = api.bare(method, path).bearer_auth(token);
    answer(match body {
        Some(body) => request.json(body),
        None => request,
    })
    .await
}

fn login(staffed: &Staffed, name: &str) -> (String, String) {
    let seed = UserSeed::new(&format!("{name}@example.co.ke")).password("own-pass-1");
    let user = staffed.logins.seed_user(seed).expect("a login");
    let token = staffed.logins.access_token_for(&user).expect("a token");
    (user, token)
}

async fn grant(api: &Api, user: &str, right: &str) {
    let body = json!({ "user": user, "right": right, "reason": "a test" });
    let granted = api.post(GRANTS, &body).await;
    assert_eq!(granted.status, 201, "{}", granted.text);
}

/// Over the same wire the app uses: `PUT /user`, then a new sign-in.
async fn write_own_metadata(staffed: &Staffed, token: &str, email: &str, data: Value) -> String {
    let client = reqwest::Client::builder().no_proxy().build();
    let client = client.expect("a client is made");
    let base = format!("{}/auth/v1", staffed.logins.url());
    let key = staffed.logins.anon_key();
    let changed = client
        .put(format!("{base}/user"))
        .header("apikey", key)
        .bearer_auth(token)
        .json(&json!({ "data": data }))
        .send()
        .await
        .expect("an answer");
    assert_eq!(changed.status(), 200);
    let session: Value = client
        .post(format!("{base}/token?grant_type=password"))
        .header("apikey", key)
        .json(&json!({ "email": email, "password": "own-pass-1" }))
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("a session");
    text(&session, "access_token").to_owned()
}

async fn who_writes_registration_admin_into_their_own_metadata_gains_nothing(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    let (user, token) = login(&staffed, "mallory");
    let roles = json!(["registration_admin", "customer_care", "setup_admin"]);
    let data =
        json!({ "roles": roles, "pugmark_rights": roles, "app_metadata": { "roles": roles } });
    let email = "mallory@example.co.ke";
    let fresh = write_own_metadata(&staffed, &token, email, data).await;
    let login = staffed.logins.user(&user).expect("the login");
    assert_eq!(login.user_metadata["roles"], roles, "it is written");
    let victim = staffed.ambassador("Amina Wanjiru").await;
    for (method, path) in [
        (Method::GET, USERS.to_owned()),
        (Method::POST, USERS.to_owned()),
        (Method::POST, format!("{USERS}/{victim}/sync")),
        (Method::POST, format!("{USERS}/{victim}/reset-password")),
        (Method::PATCH, format!("{USERS}/{victim}/status")),
        (Method::PUT, format!("{USERS}/{user}/roles/customer_care")),
        (Method::POST, GRANTS.to_owned()),
        (Method::GET, CUSTOMERS.to_owned()),
        (Method::GET, "/api/internal/vtiger/queue".to_owned()),
    ] {
        let body = (method != Method::GET).then(|| new_user("x@example.co.ke"));
        let refused = ask(&api, &fresh, method, &path, body.as_ref()).await;
        refused.assert_error(403, "FORBIDDEN", &path);
        assert!(refused.message().contains("user_metadata do not count"));
    }
    assert!(staffed.logins.password_is(&victim, "what-was-before"));
    running.shutdown().await;
}

async fn a_grant_opens_the_routes_and_taking_it_away_closes_them_at_once(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    let (user, token) = login(&staffed, "boss");
    let refused = ask(&api, &token, Method::GET, USERS, None).await;
    refused.assert_error(403, "FORBIDDEN", USERS);
    grant(&api, "BOSS@example.co.ke", "registration_admin").await;
    let body = new_user("amina@example.co.ke");
    let made = ask(&api, &token, Method::POST, USERS, Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let created_by = staffed
        .program()
        .await
        .one("SELECT \"createdBy\" FROM brand_ambassadors")
        .await;
    assert_eq!(
        created_by.as_deref(),
        Some(user.as_str()),
        "as MicroBima has it"
    );
    // Rights are given by whoever runs the server, not by those who have some.
    let other = json!({ "user": user, "right": "setup_admin" });
    let refused = ask(&api, &token, Method::POST, GRANTS, Some(&other)).await;
    refused.assert_error(403, "FORBIDDEN", GRANTS);

    let path = format!("{GRANTS}/{user}/registration_admin");
    let gone = answer(api.request(Method::DELETE, &path)).await;
    assert_eq!(gone.status, 200, "{}", gone.text);
    let refused = ask(&api, &token, Method::POST, USERS, Some(&body)).await;
    refused.assert_error(403, "FORBIDDEN", USERS);
    let again = answer(api.request(Method::DELETE, &path)).await;
    again.assert_error(404, "NOT_FOUND", &path);
    let list = api.get(GRANTS).await;
    assert_eq!(list.data(), &json!([]));
    let audit = staffed
        .program()
        .await
        .count("audit_log WHERE action IN ('grant.add', 'grant.remove')")
        .await;
    assert_eq!(audit, 2);
    for wrong in [
        json!({ "user": "nobody@example.co.ke", "right": "setup_admin" }),
        json!({ "user": "nobody", "right": "setup_admin" }),
        json!({ "user": user, "right": "root" }),
    ] {
        let refused = api.post(GRANTS, &wrong).await;
        refused.assert_error(422, "VALIDATION_ERROR", GRANTS);
    }
    running.shutdown().await;
}

async fn app_metadata_gives_rights_and_takes_them(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    for key in ["roles", "pugmark_rights"] {
        let seed = UserSeed::new(&format!("{key}@example.co.ke"))
            .app_metadata(key, json!(["registration_admin"]));
        let user = staffed.logins.seed_user(seed).expect("a login");
        let token = staffed.logins.access_token_for(&user).expect("a token");
        let listed = ask(&api, &token, Method::GET, USERS, None).await;
        assert_eq!(listed.status, 200, "{}", listed.text);
        // The token says so for another hour; Supabase does not.
        let client = pugmark::logins::Logins::new(
            staffed
                .world
                .settings
                .supabase
                .as_ref()
                .expect("configured"),
        )
        .expect("a client")
        .client;
        let mut changes = supabase_auth::Changes::default();
        changes.app_metadata.insert(key.to_owned(), json!([]));
        let id = user.parse().expect("a UUID");
        client.update_user(id, &changes).await.expect("changed");
        eventually("the right to be gone", || async {
            let refused = ask(&api, &token, Method::GET, USERS, None).await;
            (refused.status == 403).then_some(())
        })
        .await;
    }
    running.shutdown().await;
}

async fn who_may_only_look_changes_nothing(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    let victim = staffed.ambassador("Amina Wanjiru").await;
    for right in ["customer_care", "setup_admin"] {
        let (user, token) = login(&staffed, right);
        grant(&api, &user, right).await;
        for path in [
            USERS.to_owned(),
            format!("{USERS}/{victim}"),
            CUSTOMERS.to_owned(),
        ] {
            let shown = ask(&api, &token, Method::GET, &path, None).await;
            assert_eq!(shown.status, 200, "{path}: {}", shown.text);
        }
        let path = format!("{USERS}/{victim}/sync");
        let refused = ask(&api, &token, Method::POST, &path, None).await;
        refused.assert_error(403, "FORBIDDEN", &path);
        assert!(refused.message().contains("registration_admin"));
        let refused = ask(&api, &token, Method::GET, GRANTS, None).await;
        refused.assert_error(403, "FORBIDDEN", GRANTS);
    }
    running.shutdown().await;
}

async fn disabled_banned_and_deleted_people_are_refused_though_their_tokens_verify(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    let disabled = staffed.ambassador("Amina Wanjiru").await;
    let token = staffed.logins.access_token_for(&disabled).expect("a token");
    grant(&api, &disabled, "registration_admin").await;
    assert_eq!(
        ask(&api, &token, Method::GET, USERS, None).await.status,
        200
    );
    staffed
        .program()
        .await
        .sql("UPDATE brand_ambassadors SET \"isActive\" = FALSE")
        .await;
    let refused = ask(&api, &token, Method::GET, USERS, None).await;
    refused.assert_error(403, "ACCOUNT_DISABLED", USERS);

    let client = pugmark::logins::Logins::new(
        staffed
            .world
            .settings
            .supabase
            .as_ref()
            .expect("configured"),
    )
    .expect("a client")
    .client;
    let (banned, token) = login(&staffed, "banned");
    grant(&api, &banned, "registration_admin").await;
    assert_eq!(
        ask(&api, &token, Method::GET, USERS, None).await.status,
        200
    );
    client
        .ban(banned.parse().expect("a UUID"))
        .await
        .expect("banned");
    eventually("the ban to be noticed", || async {
        let refused = ask(&api, &token, Method::GET, USERS, None).await;
        (refused.status == 401 && refused.message().contains("banned")).then_some(())
    })
    .await;
    let (gone, token) = login(&staffed, "gone");
    grant(&api, &gone, "registration_admin").await;
    let id = gone.parse().expect("a UUID");
    let hard = supabase_auth::Deletion::Hard;
    client.delete_user(id, hard).await.expect("deleted");
    let refused = ask(&api, &token, Method::GET, USERS, None).await;
    refused.assert_error(401, "UNAUTHORIZED", USERS);
    running.shutdown().await;
}

async fn forged_and_foreign_tokens_are_refused(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    let (user, token) = login(&staffed, "boss");
    grant(&api, &user, "registration_admin").await;
    let (head, rest) = token.split_once('.').expect("a token");
    let (claims, _) = rest.split_once('.').expect("a token");
    for wrong in [
        "nonsense".to_owned(),
        format!("{head}.{claims}."),
        format!("{head}.{claims}.AAAA"),
        staffed.logins.service_key().to_owned(),
        staffed.logins.anon_key().to_owned(),
    ] {
        let refused = ask(&api, &wrong, Method::GET, USERS, None).await;
        refused.assert_error(401, "UNAUTHORIZED", USERS);
        assert_eq!(refused.header("www-authenticate"), "Bearer");
        assert!(!refused.text.contains(claims), "nothing of it is repeated");
    }
    assert_eq!(
        ask(&api, &token, Method::GET, USERS, None).await.status,
        200
    );
    running.shutdown().await;
}

async fn what_a_person_does_is_in_the_audit_log_with_their_name(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    let (boss, token) = login(&staffed, "boss");
    grant(&api, &boss, "registration_admin").await;
    let user = staffed.ambassador("Amina Wanjiru").await;
    let path = format!("{USERS}/{user}/status");
    let body = json!({ "isActive": false });
    let disabled = ask(&api, &token, Method::PATCH, &path, Some(&body)).await;
    assert_eq!(disabled.status, 200, "{}", disabled.text);
    let program = staffed.program().await;
    let entry = program
        .one("SELECT actor || ' ' || subject FROM audit_log WHERE action = 'user.disable'")
        .await;
    assert_eq!(entry, Some(format!("boss@example.co.ke ({boss}) {user}")));
    let by = program
        .one("SELECT \"updatedBy\" FROM brand_ambassadors")
        .await;
    assert_eq!(by, Some(boss));
    running.shutdown().await;
}

async fn without_supabase_nobody_is_let_in_on_trust(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    let (user, token) = login(&staffed, "boss");
    grant(&api, &user, "registration_admin").await;
    staffed.logins.go_down().await;
    let refused = ask(&api, &token, Method::GET, USERS, None).await;
    refused.assert_error(503, "LOGINS_UNAVAILABLE", USERS);
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(api.get(USERS).await.status, 200, "programs are no people");
    running.shutdown().await;
}

#[tokio::test]
async fn tokens_of_a_project_with_published_keys_are_verified_by_them() {
    use pugmark_sandbox::{Signing, SupabaseSandbox};
    let logins = SupabaseSandbox::builder().signing(Signing::Es256).start();
    let logins = logins.await.expect("it starts");
    let mut staffed = Staffed::with(World::sqlite().await, logins);
    if let Some(supabase) = &mut staffed.world.settings.supabase {
        supabase.jwt_secret = None;
    }
    let (running, api) = staffed.start().await;
    let (user, token) = login(&staffed, "boss");
    grant(&api, &user, "customer_care").await;
    let shown = ask(&api, &token, Method::GET, USERS, None).await;
    assert_eq!(shown.status, 200, "{}", shown.text);
    running.shutdown().await;
}
