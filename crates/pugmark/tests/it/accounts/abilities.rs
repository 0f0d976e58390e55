//! What a vTiger cannot do for accounts is said in plain words, waits, and goes on by itself when it can.

use serde_json::{Value, json};

use super::{PASSWORD, Staffed, USERS, login_calls, new_user, text};
use crate::harness::{World, on_both_databases};
use crate::http::Api;

on_both_databases!(
    on_a_stock_vtiger_the_creation_says_what_is_missing_and_goes_on_with_the_extension,
    a_repaired_role_field_lets_the_creation_go_on,
    everybody_who_waits_goes_on_at_once,
    a_reset_says_what_is_missing_and_goes_on_with_the_repair,
    a_user_without_an_administrators_rights_is_told_so,
);

async fn waiting_creation(staffed: &Staffed, api: &Api, email: &str) -> (String, String) {
    let made = api.post(USERS, &new_user(email)).await;
    assert_eq!(made.status, 202, "{}", made.text);
    let data = made.data();
    assert_eq!(data["result"], "waiting");
    assert_eq!(data["reasonCode"], "PUG-4001");
    assert_eq!(data["vtigerSyncStatus"], "PENDING");
    assert_eq!(data["waitingFor"], "vTiger");
    let user = text(data, "userId").to_owned();
    assert!(
        staffed.password_is(&user, None, PASSWORD),
        "the login is there"
    );
    (user, text(data, "operationId").to_owned())
}

fn completed(operation: &Value) -> bool {
    operation["status"] == "COMPLETED"
}

async fn on_a_stock_vtiger_the_creation_says_what_is_missing_and_goes_on_with_the_extension(
    world: World,
) {
    let staffed = Staffed::of(world).await;
    let (running, api) = staffed.start().await;
    let (user, operation) = waiting_creation(&staffed, &api, "amina@example.co.ke").await;
    let shown = api.get(&format!("{USERS}/{user}")).await;
    let reason = text(shown.data(), "vtigerSyncError");
    for part in ["extension", "vtiger_ws_fieldtype", "by hand", "by itself"] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
    assert_eq!(shown.data()["operation"]["waitingFor"], "vTiger");
    let blocked = |operation: &Value| operation["blockedBy"] == "crm-users:create";
    let queued = staffed
        .operation(&api, &operation, "what it waits for", blocked)
        .await;
    assert_eq!(queued["retryCount"], 0, "waiting burns nothing");

    staffed.world.crm.install_extension();
    staffed
        .operation(&api, &operation, "the rest of the creation", completed)
        .await;
    let crm = staffed.crm_user("amina@example.co.ke").expect("a user");
    assert!(staffed.password_is(&user, Some(&crm.id), PASSWORD));
    assert_eq!(login_calls(&staffed, "create"), 1, "one login");
    running.shutdown().await;
}

async fn a_repaired_role_field_lets_the_creation_go_on(world: World) {
    let staffed = Staffed::of(world).await;
    let (running, api) = staffed.start().await;
    let (user, operation) = waiting_creation(&staffed, &api, "amina@example.co.ke").await;
    staffed.world.crm.apply_roleid_fix();
    staffed
        .operation(&api, &operation, "the rest of the creation", completed)
        .await;
    let crm = staffed.crm_user("amina@example.co.ke").expect("a user");
    assert!(staffed.password_is(&user, Some(&crm.id), PASSWORD));
    running.shutdown().await;
}

async fn everybody_who_waits_goes_on_at_once(world: World) {
    let mut staffed = Staffed::of(world).await;
    // Of several that look again in a minute, the first to look tells the others.
    staffed.world.crm_settings().describe_for = std::time::Duration::from_secs(3600);
    let (running, api) = staffed.start().await;
    let (_, first) = waiting_creation(&staffed, &api, "one@example.co.ke").await;
    let (_, second) = waiting_creation(&staffed, &api, "two@example.co.ke").await;
    running.shutdown().await;

    // A start forgets what was learned.
    staffed.world.crm.install_extension();
    let (running, api) = staffed.start().await;
    let retried = api
        .post(
            &format!("/api/internal/vtiger/queue/{first}/retry"),
            &json!({}),
        )
        .await;
    assert_eq!(retried.status, 202, "{}", retried.text);
    for operation in [&first, &second] {
        staffed
            .operation(&api, operation, "the rest of the creation", completed)
            .await;
    }
    running.shutdown().await;
}

async fn a_reset_says_what_is_missing_and_goes_on_with_the_repair(world: World) {
    world.crm.apply_roleid_fix();
    let staffed = Staffed::of(world).await;
    let (running, api) = staffed.start().await;
    let made = api.post(USERS, &new_user("amina@example.co.ke")).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let user = text(made.data(), "userId").to_owned();
    let crm = text(made.data(), "vtigerUserId").to_owned();
    let body = json!({ "newPassword": "Another-Pass-2" });
    let reset = api
        .post(&format!("{USERS}/{user}/reset-password"), &body)
        .await;
    assert_eq!(reset.status, 202, "{}", reset.text);
    assert_eq!(reset.data()["reasonCode"], "PUG-4002");
    let reason = text(reset.data(), "reason");
    for part in ["set in Supabase", "changePassword", "extension"] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
    assert!(!reset.text.contains("Another-Pass-2"));
    assert!(staffed.password_is(&user, None, "Another-Pass-2"));
    staffed.world.crm.repair_password_operation();
    let id = text(reset.data(), "operationId");
    staffed
        .operation(&api, id, "the other half", completed)
        .await;
    assert!(staffed.password_is(&user, Some(&crm), "Another-Pass-2"));
    running.shutdown().await;
}

async fn a_user_without_an_administrators_rights_is_told_so(world: World) {
    use pugmark_sandbox::UserSpec;
    let crm = crate::harness::sandbox()
        .user(UserSpec::standard("clerk", "key-of-the-clerk"))
        .with_extension();
    let staffed = Staffed::of(world.before(crm).await).await;
    let (running, api) = staffed.start().await;
    let made = api.post(USERS, &new_user("amina@example.co.ke")).await;
    assert_eq!(made.status, 202, "{}", made.text);
    assert_eq!(made.data()["reasonCode"], "PUG-2003");
    let reason = text(made.data(), "reason");
    assert!(reason.contains("administrator"), "{reason}");
    running.shutdown().await;
}
