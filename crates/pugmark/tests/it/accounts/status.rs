//! Enabling and disabling, by MicroBima's own row and by `PATCH /api/internal/vtiger/users/{userId}/status`.

use serde_json::{Value, json};

use super::{PASSWORD, Staffed, USERS, text};
use crate::harness::{World, Writer, eventually, on_both_databases};
use crate::http::Api;

on_both_databases!(
    what_microbima_writes_follows_by_itself,
    the_route_sets_the_row_and_the_user,
    an_account_without_a_user_is_changed_in_microbima_alone,
    nothing_is_sent_when_nothing_differs,
    what_enabling_waits_for_is_said_and_comes_by_itself,
    somebody_who_enables_the_user_by_hand_is_noticed,
    who_is_disabled_again_meanwhile_waits_for_nothing,
    a_change_that_may_have_arrived_is_made_sure_of,
);

async fn synced(staffed: &Staffed, api: &Api) -> (String, String) {
    let user = staffed.ambassador("Amina Wanjiru").await;
    let body = json!({ "password": PASSWORD });
    let synced = api.post(&format!("{USERS}/{user}/sync"), &body).await;
    assert_eq!(synced.status, 200, "{}", synced.text);
    (user, text(synced.data(), "vtigerUserId").to_owned())
}

/// As MicroBima's own form does it: with columns that did not change.
async fn microbima_sets(program: &Writer, user: &str, active: bool, phone: &str) {
    program
        .sql(format!(
            "UPDATE brand_ambassadors SET \"isActive\" = {active}, \"phoneNumber\" = '{phone}', \
             \"perRegistrationRateCents\" = 5000 WHERE \"userId\" = '{user}'"
        ))
        .await;
}

async fn wait_for_crm(staffed: &Staffed, id: &str, status: &str, phone: &str) {
    eventually("the user in vTiger as it should be", || async {
        let user = staffed.world.crm.user(id)?;
        (user.status == status && user.phone_mobile == phone).then_some(())
    })
    .await;
}

async fn what_microbima_writes_follows_by_itself(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    let (user, crm) = synced(&staffed, &api).await;
    let program = staffed.program().await;
    microbima_sets(&program, &user, false, "254712345678").await;
    wait_for_crm(&staffed, &crm, "Inactive", "254712345678").await;
    microbima_sets(&program, &user, true, "0799111222").await;
    wait_for_crm(&staffed, &crm, "Active", "0799111222").await;
    program.wait_until_idle().await;
    let login = staffed.logins.user(&user).expect("the login");
    assert!(login.banned_until.is_none(), "the login is left alone");
    running.shutdown().await;
}

async fn the_route_sets_the_row_and_the_user(world: World) {
    world.crm.apply_roleid_fix();
    let staffed = Staffed::of(world).await;
    let (running, api) = staffed.start().await;
    staffed.world.crm.repair_password_operation();
    let (user, crm) = synced(&staffed, &api).await;
    let path = format!("{USERS}/{user}/status");
    let disabled = api.patch(&path, &json!({ "isActive": false })).await;
    assert_eq!(disabled.status, 200, "{}", disabled.text);
    assert_eq!(disabled.data()["vtigerUserId"], json!(crm));
    assert_eq!(staffed.world.crm.user(&crm).expect("it").status, "Inactive");
    let program = staffed.program().await;
    let sql = format!("brand_ambassadors WHERE \"userId\" = '{user}' AND NOT \"isActive\"");
    assert_eq!(program.count(&sql).await, 1);
    let shown = api.get(&format!("{USERS}/{user}")).await;
    assert_eq!(shown.data()["isActive"], false);
    for (body, field) in [
        (json!({}), "isActive"),
        (json!({ "isActive": "no" }), "isActive"),
    ] {
        let refused = api.patch(&path, &body).await;
        refused.assert_error(400, "VALIDATION_ERROR", &path);
        assert_eq!(refused.wrong_fields(), [field]);
    }
    running.shutdown().await;
}

async fn an_account_without_a_user_is_changed_in_microbima_alone(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    let user = staffed.ambassador("Amina Wanjiru").await;
    let path = format!("{USERS}/{user}/status");
    let disabled = api.patch(&path, &json!({ "isActive": false })).await;
    assert_eq!(disabled.status, 200, "{}", disabled.text);
    assert!(disabled.data()["operationId"].is_null());
    assert_eq!(disabled.data()["vtigerSyncStatus"], "NOT_SYNCED");
    let program = staffed.program().await;
    program.wait_until_idle().await;
    assert_eq!(
        staffed.world.crm.journal().count_calls(None),
        0,
        "not a word"
    );
    running.shutdown().await;
}

async fn nothing_is_sent_when_nothing_differs(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    let (user, _) = synced(&staffed, &api).await;
    let program = staffed.program().await;
    let path = format!("{USERS}/{user}/status");
    let enabled = api.patch(&path, &json!({ "isActive": true })).await;
    assert_eq!(enabled.status, 200, "{}", enabled.text);
    let sql = format!(
        "UPDATE brand_ambassadors SET \"displayName\" = 'Other Name' WHERE \"userId\" = '{user}'"
    );
    program.sql(sql).await;
    microbima_sets(&program, &user, true, "254712345678").await;
    program.wait_until_idle().await;
    assert_eq!(staffed.world.calls("pugmark.user_update"), 0);
    running.shutdown().await;
}

/// Somebody disabled in MicroBima and so in vTiger, and enabled again where vTiger cannot do that.
async fn enabled_in_vain(staffed: &Staffed, api: &Api) -> (String, String, Value) {
    staffed.world.crm.apply_roleid_fix();
    staffed.world.crm.repair_password_operation();
    let (user, crm) = synced(staffed, api).await;
    let path = format!("{USERS}/{user}/status");
    let disabled = api.patch(&path, &json!({ "isActive": false })).await;
    assert_eq!(disabled.status, 200, "{}", disabled.text);
    let enabled = api.patch(&path, &json!({ "isActive": true })).await;
    assert_eq!(enabled.status, 202, "{}", enabled.text);
    (user, crm, enabled.data().clone())
}

async fn what_enabling_waits_for_is_said_and_comes_by_itself(world: World) {
    let staffed = Staffed::of(world).await;
    let (running, api) = staffed.start().await;
    let (user, crm, waits) = enabled_in_vain(&staffed, &api).await;
    assert_eq!(waits["reasonCode"], "PUG-4003");
    assert_eq!(waits["waitingFor"], "vTiger");
    assert!(text(&waits, "reason").contains("extension"), "{waits}");
    let shown = api.get(&format!("{USERS}/{user}")).await;
    assert_eq!(shown.data()["vtigerSyncStatus"], "PENDING");
    staffed.world.crm.install_extension();
    wait_for_crm(&staffed, &crm, "Active", "254712345678").await;
    staffed.program().await.wait_until_idle().await;
    let shown = api.get(&format!("{USERS}/{user}")).await;
    assert_eq!(shown.data()["vtigerSyncStatus"], "SYNCED", "{}", shown.text);
    assert!(shown.data()["vtigerSyncError"].is_null());
    running.shutdown().await;
}

async fn somebody_who_enables_the_user_by_hand_is_noticed(world: World) {
    let staffed = Staffed::of(world).await;
    let (running, api) = staffed.start().await;
    let (user, crm, _) = enabled_in_vain(&staffed, &api).await;
    assert!(staffed.world.crm.set_user_status(&crm, "Active"));
    staffed.program().await.wait_until_idle().await;
    let shown = api.get(&format!("{USERS}/{user}")).await;
    assert_eq!(shown.data()["vtigerSyncStatus"], "SYNCED", "{}", shown.text);
    running.shutdown().await;
}

async fn who_is_disabled_again_meanwhile_waits_for_nothing(world: World) {
    let mut staffed = Staffed::of(world).await;
    // So long that only the new request can end the wait.
    staffed.world.crm_settings().describe_for = std::time::Duration::from_secs(3600);
    staffed.world.crm.apply_roleid_fix();
    staffed.world.crm.repair_password_operation();
    let (running, api) = staffed.start().await;
    let (user, crm, _) = enabled_in_vain(&staffed, &api).await;
    let path = format!("{USERS}/{user}/status");
    let disabled = api.patch(&path, &json!({ "isActive": false })).await;
    assert_eq!(disabled.status, 200, "{}", disabled.text);
    assert_eq!(staffed.world.crm.user(&crm).expect("it").status, "Inactive");
    running.shutdown().await;
}

async fn a_change_that_may_have_arrived_is_made_sure_of(world: World) {
    use pugmark_sandbox::{Fault, FaultPlan};
    world.crm.apply_roleid_fix();
    world.crm.repair_password_operation();
    let staffed = Staffed::of(world).await;
    let (running, api) = staffed.start().await;
    let (user, crm) = synced(&staffed, &api).await;
    let plan = FaultPlan::new(1).nth("revise", 1, Fault::HttpAfterEffect(502));
    staffed.world.crm.faults().set(plan);
    let path = format!("{USERS}/{user}/status");
    let disabled = api.patch(&path, &json!({ "isActive": false })).await;
    assert_eq!(disabled.status, 200, "{}", disabled.text);
    assert_eq!(staffed.world.crm.user(&crm).expect("it").status, "Inactive");
    assert_eq!(staffed.world.calls("revise"), 2, "the second finds it done");
    running.shutdown().await;
}
