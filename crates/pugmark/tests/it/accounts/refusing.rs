//! What is wrong with a request is said with the field and the fix, before anything is touched.

use std::collections::BTreeMap;

use pugmark_sandbox::{RequiredCharacters, SupabaseSandbox, UserSeed};
use serde_json::{Value, json};

use super::{Staffed, USERS, login_calls, new_user, text};
use crate::harness::{World, on_both_databases};

on_both_databases!(
    wrong_fields_are_all_named_and_nothing_is_made,
    an_address_that_is_taken_is_said_and_leaves_nothing_behind,
    a_password_the_project_refuses_is_said_with_its_reasons,
    nobody_is_404,
    what_is_not_configured_is_named,
    a_key_that_is_no_admins_is_an_alarm_and_goes_on_with_the_right_one,
);

async fn wrong_fields_are_all_named_and_nothing_is_made(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    let wrong = json!({
        "firstName": "  ", "lastName": "x".repeat(51), "email": "no-address", "password": "abc",
        "phoneNumber": "12345", "perRegistrationRateCents": -1, "roles": ["setup_admin"],
    });
    let refused = api.post(USERS, &wrong).await;
    refused.assert_error(422, "VALIDATION_ERROR", USERS);
    assert_eq!(
        refused.wrong_fields(),
        [
            "email",
            "firstName",
            "lastName",
            "password",
            "perRegistrationRateCents",
            "phoneNumber",
            "roles"
        ]
    );
    assert!(refused.detail("password").contains("at least 6"));
    let fields: BTreeMap<&str, Value> = [
        ("email", json!("0712345678@maishapoa.customer")),
        ("phoneNumber", json!("+1 212 555 0100")),
        ("password", json!("x".repeat(73))),
        ("roles", json!([])),
        ("partnerId", json!(4711)),
    ]
    .into();
    for (field, value) in fields {
        let mut body = new_user("amina@example.co.ke");
        body[field] = value;
        let refused = api.post(USERS, &body).await;
        refused.assert_error(422, "VALIDATION_ERROR", USERS);
        assert_eq!(refused.wrong_fields(), [field], "{}", refused.text);
    }
    let mut body = new_user("amina@example.co.ke");
    body["isAdmin"] = json!(true);
    api.post(USERS, &body)
        .await
        .assert_error(400, "VALIDATION_ERROR", USERS);
    assert_eq!(staffed.logins.users().len(), 0);
    let program = staffed.program().await;
    assert_eq!(program.count("vtiger_sync_queue").await, 0);
    assert_eq!(program.count("audit_log").await, 0);
    running.shutdown().await;
}

async fn an_address_that_is_taken_is_said_and_leaves_nothing_behind(world: World) {
    let staffed = Staffed::extended(world).await;
    let theirs = UserSeed::new("amina@example.co.ke").password("what-was-before");
    let theirs = staffed.logins.seed_user(theirs).expect("a login");
    let (running, api) = staffed.start().await;
    let refused = api.post(USERS, &new_user("Amina@example.co.ke")).await;
    refused.assert_error(422, "DUPLICATE_EMAIL", USERS);
    assert_eq!(refused.wrong_fields(), ["email"]);
    assert!(staffed.logins.password_is(&theirs, "what-was-before"));
    assert_eq!(staffed.logins.users().len(), 1);
    let program = staffed.program().await;
    program.wait_until_idle().await;
    for table in [
        "brand_ambassadors",
        "crm_links",
        "account_steps",
        "vtiger_sync_queue WHERE status = 'FAILED' OR sealed_payload IS NOT NULL",
    ] {
        assert_eq!(program.count(table).await, 0, "{table}");
    }
    running.shutdown().await;
}

async fn a_password_the_project_refuses_is_said_with_its_reasons(world: World) {
    let logins = SupabaseSandbox::builder().password_rules(pugmark_sandbox::PasswordRules {
        min_length: 12,
        required: RequiredCharacters::CasesAndDigits,
        leaked: Vec::new(),
    });
    let staffed = Staffed::with(world, logins.start().await.expect("it starts"));
    staffed.world.crm.install_extension();
    let (running, api) = staffed.start().await;
    let user = staffed.ambassador("Amina Wanjiru").await;
    let path = format!("{USERS}/{user}/reset-password");
    let refused = api.post(&path, &json!({ "newPassword": "kiboko" })).await;
    refused.assert_error(422, "WEAK_PASSWORD", &path);
    assert_eq!(refused.wrong_fields(), ["newPassword"]);
    assert!(
        refused.message().contains("12 characters"),
        "{}",
        refused.text
    );
    assert!(!refused.text.contains("kiboko"));
    assert!(staffed.logins.password_is(&user, "what-was-before"));
    let program = staffed.program().await;
    let dead = program.count("vtiger_sync_queue WHERE status = 'FAILED'");
    assert_eq!(dead.await, 0);
    running.shutdown().await;
}

async fn nobody_is_404(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    let nobody = uuid::Uuid::new_v4();
    for (path, body) in [
        ("sync", json!({})),
        ("reset-password", json!({})),
        ("retry", json!({})),
    ] {
        let path = format!("{USERS}/{nobody}/{path}");
        api.post(&path, &body)
            .await
            .assert_error(404, "NOT_FOUND", &path);
    }
    let status = format!("{USERS}/{nobody}/status");
    let refused = api.patch(&status, &json!({ "isActive": true })).await;
    refused.assert_error(404, "NOT_FOUND", &status);
    let path = format!("{USERS}/{nobody}");
    api.get(&path).await.assert_error(404, "NOT_FOUND", &path);
    // An ambassador whose login somebody deleted.
    let user = staffed.ambassador("Amina Wanjiru").await;
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
    let hard = supabase_auth::Deletion::Hard;
    let id = user.parse().expect("a UUID");
    client.delete_user(id, hard).await.expect("deleted");
    let path = format!("{USERS}/{user}/sync");
    let refused = api.post(&path, &json!({})).await;
    refused.assert_error(404, "NOT_FOUND", &path);
    let path = format!("{USERS}/no-uuid/sync");
    let refused = api.post(&path, &json!({})).await;
    refused.assert_error(422, "VALIDATION_ERROR", &path);
    running.shutdown().await;
}

async fn what_is_not_configured_is_named(world: World) {
    let mut staffed = Staffed::extended(world).await;
    let complete = staffed.world.settings.clone();
    for setting in ["SUPABASE_URL", "PUGMARK_SEAL_KEY", "users.role"] {
        staffed.world.settings = complete.clone();
        match setting {
            "SUPABASE_URL" => staffed.world.settings.supabase = None,
            "PUGMARK_SEAL_KEY" => staffed.world.settings.seal_key = None,
            _ => staffed.world.settings.insurance.users.role = None,
        }
        let (running, api) = staffed.start().await;
        let refused = api.post(USERS, &new_user("amina@example.co.ke")).await;
        refused.assert_error(503, "NOT_CONFIGURED", USERS);
        assert_eq!(refused.wrong_fields(), [setting]);
        assert!(refused.message().contains(setting), "{}", refused.text);
        running.shutdown().await;
    }
    staffed.world.settings = complete;
    staffed.world.settings.mode = pugmark::config::Mode::Shadow;
    let (running, api) = staffed.start().await;
    let refused = api.post(USERS, &new_user("amina@example.co.ke")).await;
    refused.assert_error(503, "SHADOW_MODE", USERS);
    assert_eq!(staffed.logins.users().len(), 0);
    assert_eq!(login_calls(&staffed, "create"), 0);
    running.shutdown().await;
}

async fn a_key_that_is_no_admins_is_an_alarm_and_goes_on_with_the_right_one(world: World) {
    let mut staffed = Staffed::extended(world).await;
    staffed.world.settings.insurance.users.wait = std::time::Duration::from_millis(500);
    let right = staffed.world.settings.supabase.clone();
    if let Some(supabase) = &mut staffed.world.settings.supabase {
        supabase.service_key = staffed.logins.anon_key().to_owned().into();
    }
    let (running, api) = staffed.start().await;
    let made = api.post(USERS, &new_user("amina@example.co.ke")).await;
    assert_eq!(made.status, 202, "{}", made.text);
    assert_eq!(made.data()["reasonCode"], "PUG-4010");
    assert_eq!(made.data()["waitingFor"], "Supabase");
    let reason = text(made.data(), "reason");
    assert!(reason.contains("SUPABASE_SERVICE_ROLE_KEY"), "{reason}");
    assert!(!made.text.contains(staffed.logins.anon_key()));
    running.shutdown().await;
    staffed.world.settings.supabase = right;
    let (running, api) = staffed.start().await;
    let id = text(made.data(), "operationId");
    let done = |operation: &Value| operation["status"] == "COMPLETED";
    staffed.operation(&api, id, "the end", done).await;
    assert_eq!(staffed.logins.users().len(), 1);
    running.shutdown().await;
}
