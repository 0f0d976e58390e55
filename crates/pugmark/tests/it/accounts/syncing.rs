//! `POST /api/internal/vtiger/users/{userId}/sync`.

use pugmark_sandbox::NewUser;
use serde_json::json;

use super::{PASSWORD, Staffed, USERS, login_calls, post_nothing, text};
use crate::harness::{World, on_both_databases};

on_both_databases!(
    an_ambassador_of_microbima_gets_a_user_and_a_new_password_in_both_systems,
    a_given_password_is_used_for_both_systems,
    a_second_sync_is_refused_and_changes_nothing,
    a_user_of_somebody_else_is_not_taken,
    a_disabled_ambassador_is_not_synced,
    a_member_is_no_staff,
    where_no_user_can_be_made_the_login_keeps_its_password,
);

async fn an_ambassador_of_microbima_gets_a_user_and_a_new_password_in_both_systems(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    let user = staffed.ambassador("Jane van der Berg").await;
    let synced = post_nothing(&api, &format!("{USERS}/{user}/sync")).await;
    assert_eq!(synced.status, 200, "{}", synced.text);
    let data = synced.data();
    let crm = staffed
        .crm_user("jane.van.der.berg@example.co.ke")
        .expect("a user");
    assert_eq!(text(data, "vtigerUserId"), crm.id);
    assert_eq!(data["vtigerSyncStatus"], "SYNCED");
    assert_eq!(
        (crm.first_name.as_str(), crm.last_name.as_str()),
        ("Jane van der", "Berg")
    );
    let password = text(data, "generatedPassword");
    assert!(staffed.password_is(&user, Some(&crm.id), password));
    assert_eq!(login_calls(&staffed, "update"), 1);
    running.shutdown().await;
}

async fn a_given_password_is_used_for_both_systems(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    let user = staffed.ambassador("Zuri").await;
    let path = format!("{USERS}/{user}/sync");
    let synced = api.post(&path, &json!({ "password": PASSWORD })).await;
    assert_eq!(synced.status, 200, "{}", synced.text);
    assert!(synced.data()["generatedPassword"].is_null());
    let crm = staffed.crm_user("zuri@example.co.ke").expect("a user");
    assert_eq!(
        (crm.first_name.as_str(), crm.last_name.as_str()),
        ("Zuri", "-"),
        "somebody with one name"
    );
    assert!(staffed.password_is(&user, Some(&crm.id), PASSWORD));
    running.shutdown().await;
}

async fn a_second_sync_is_refused_and_changes_nothing(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    let user = staffed.ambassador("Amina Wanjiru").await;
    let path = format!("{USERS}/{user}/sync");
    let body = json!({ "password": PASSWORD });
    assert_eq!(api.post(&path, &body).await.status, 200);
    let again = post_nothing(&api, &path).await;
    again.assert_error(409, "CONFLICT", &path);
    let crm = staffed.crm_user("amina.wanjiru@example.co.ke");
    let crm = crm.expect("still one");
    assert!(staffed.password_is(&user, Some(&crm.id), PASSWORD));
    running.shutdown().await;
}

async fn a_user_of_somebody_else_is_not_taken(world: World) {
    world.crm.apply_roleid_fix();
    let staffed = Staffed::of(world).await;
    let somebody = NewUser::new("amina.wanjiru@example.co.ke", "H5").email("boss@example.com");
    staffed.world.crm.add_user(&somebody).expect("made by hand");
    let (running, api) = staffed.start().await;
    let user = staffed.ambassador("Amina Wanjiru").await;
    let synced = post_nothing(&api, &format!("{USERS}/{user}/sync")).await;
    assert_eq!(synced.status, 202, "{}", synced.text);
    let data = synced.data();
    assert_eq!(data["result"], "failed");
    assert_eq!(data["reasonCode"], "PUG-4004");
    assert!(text(data, "reason").contains("amina.wanjiru@example.co.ke"));
    assert!(
        staffed.logins.password_is(&user, "what-was-before"),
        "found out before anything was touched"
    );
    assert_eq!(staffed.world.calls("create"), 0);
    let shown = api.get(&format!("{USERS}/{user}")).await;
    assert_eq!(shown.data()["vtigerSyncStatus"], "FAILED");
    assert_eq!(shown.data()["vtigerSyncErrorCode"], "PUG-4004");
    running.shutdown().await;
}

async fn a_disabled_ambassador_is_not_synced(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    let user = staffed.ambassador("Amina Wanjiru").await;
    let status = format!("{USERS}/{user}/status");
    let disabled = api.patch(&status, &json!({ "isActive": false })).await;
    assert_eq!(disabled.status, 200, "{}", disabled.text);
    let path = format!("{USERS}/{user}/sync");
    post_nothing(&api, &path)
        .await
        .assert_error(409, "CONFLICT", &path);
    assert!(staffed.logins.password_is(&user, "what-was-before"));
    running.shutdown().await;
}

async fn a_member_is_no_staff(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    let user = staffed.ambassador("Amina Wanjiru").await;
    let member = pugmark_sandbox::UserSeed::new("0712345678@maishapoa.customer");
    let member = staffed.logins.seed_user(member).expect("a login");
    let program = staffed.program().await;
    program
        .sql(format!(
            "UPDATE brand_ambassadors SET \"userId\" = '{member}' WHERE \"userId\" = '{user}'"
        ))
        .await;
    let path = format!("{USERS}/{member}/sync");
    let refused = post_nothing(&api, &path).await;
    refused.assert_error(422, "NOT_STAFF", &path);
    assert_eq!(
        program
            .count("vtiger_sync_queue WHERE status = 'FAILED'")
            .await,
        0,
        "what was refused at once is nobody's business later"
    );
    running.shutdown().await;
}

async fn where_no_user_can_be_made_the_login_keeps_its_password(world: World) {
    let staffed = Staffed::of(world).await;
    let (running, api) = staffed.start().await;
    let user = staffed.ambassador("Amina Wanjiru").await;
    let path = format!("{USERS}/{user}/sync");
    let waits = api.post(&path, &json!({ "password": PASSWORD })).await;
    assert_eq!(waits.status, 202, "{}", waits.text);
    assert_eq!(waits.data()["reasonCode"], "PUG-4001");
    assert!(staffed.logins.password_is(&user, "what-was-before"));

    // Somebody makes the user by hand: it is found and taken up, but its password cannot be set here.
    let by_hand = NewUser::new("amina.wanjiru@example.co.ke", "H5");
    let by_hand = by_hand.email("amina.wanjiru@example.co.ke");
    let crm = staffed.world.crm.add_user(&by_hand).expect("made by hand");
    let id = text(waits.data(), "operationId");
    let blocked = |operation: &serde_json::Value| operation["blockedBy"] == "crm-users:password";
    staffed
        .operation(&api, id, "the half that vTiger lacks", blocked)
        .await;
    let shown = api.get(&format!("{USERS}/{user}")).await;
    assert_eq!(text(shown.data(), "vtigerUserId"), crm);
    assert_eq!(shown.data()["vtigerSyncStatus"], "PENDING");
    assert_eq!(shown.data()["operation"]["waitingFor"], "vTiger");
    assert_eq!(shown.data()["vtigerSyncErrorCode"], "PUG-4002");
    assert!(staffed.logins.password_is(&user, PASSWORD));

    staffed.world.crm.repair_password_operation();
    let done = |operation: &serde_json::Value| operation["status"] == "COMPLETED";
    staffed.operation(&api, id, "the end", done).await;
    assert!(staffed.password_is(&user, Some(&crm), PASSWORD));
    running.shutdown().await;
}
