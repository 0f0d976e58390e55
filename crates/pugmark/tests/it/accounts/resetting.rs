//! `POST /api/internal/vtiger/users/{userId}/reset-password`.

use pugmark_sandbox::{Fault, FaultPlan};
use serde_json::{Value, json};

use super::{PASSWORD, Staffed, USERS, login_calls, post_nothing, text};
use crate::harness::{World, on_both_databases};

on_both_databases!(
    the_same_password_is_set_in_both_systems,
    without_a_user_in_the_crm_supabase_alone_gets_it_and_the_answer_says_so,
    while_the_crm_is_away_supabase_has_it_and_the_other_half_waits,
    a_step_that_is_done_is_not_done_again,
    a_newer_reset_goes_before_one_that_waits,
    a_repaired_change_password_is_enough,
);

/// Somebody with an account in both systems.
async fn synced(staffed: &Staffed, api: &crate::http::Api) -> (String, String) {
    let user = staffed.ambassador("Amina Wanjiru").await;
    let path = format!("{USERS}/{user}/sync");
    let synced = api
        .post(&path, &json!({ "password": "First-Pass-1" }))
        .await;
    assert_eq!(synced.status, 200, "{}", synced.text);
    (user, text(synced.data(), "vtigerUserId").to_owned())
}

async fn the_same_password_is_set_in_both_systems(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    let (user, crm) = synced(&staffed, &api).await;
    let path = format!("{USERS}/{user}/reset-password");
    let reset = api.post(&path, &json!({ "newPassword": PASSWORD })).await;
    assert_eq!(reset.status, 200, "{}", reset.text);
    assert!(reset.data()["generatedPassword"].is_null());
    assert!(staffed.password_is(&user, Some(&crm), PASSWORD));
    let made = post_nothing(&api, &path).await;
    let password = text(made.data(), "generatedPassword").to_owned();
    assert_ne!(password, PASSWORD);
    assert!(staffed.password_is(&user, Some(&crm), &password));
    running.shutdown().await;
}

async fn without_a_user_in_the_crm_supabase_alone_gets_it_and_the_answer_says_so(world: World) {
    let staffed = Staffed::of(world).await;
    let (running, api) = staffed.start().await;
    let user = staffed.ambassador("Amina Wanjiru").await;
    let path = format!("{USERS}/{user}/reset-password");
    let reset = api.post(&path, &json!({ "newPassword": PASSWORD })).await;
    assert_eq!(reset.status, 200, "{}", reset.text);
    assert_eq!(
        text(&reset.json, "message"),
        "Password set in Supabase; the account has no user in vTiger"
    );
    assert_eq!(reset.data()["vtigerSyncStatus"], "NOT_SYNCED");
    assert!(staffed.password_is(&user, None, PASSWORD));
    running.shutdown().await;
}

async fn while_the_crm_is_away_supabase_has_it_and_the_other_half_waits(world: World) {
    let mut staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    let (user, crm) = synced(&staffed, &api).await;
    running.shutdown().await;
    staffed.world.settings.insurance.users.wait = std::time::Duration::from_millis(300);
    let (running, api) = staffed.start().await;
    staffed.world.crm.go_down().await;
    let path = format!("{USERS}/{user}/reset-password");
    let reset = api.post(&path, &json!({ "newPassword": PASSWORD })).await;
    assert_eq!(reset.status, 202, "{}", reset.text);
    let id = text(reset.data(), "operationId").to_owned();
    crate::harness::eventually("the half that is done", || async {
        let shown = api.get(&format!("{USERS}/{user}")).await;
        (shown.data()["operation"]["waitingFor"] == "vTiger").then_some(())
    })
    .await;
    assert!(staffed.password_is(&user, None, PASSWORD));
    assert!(!staffed.password_is(&user, Some(&crm), PASSWORD));
    staffed.world.crm.come_back().await.expect("it comes back");
    let done = |operation: &Value| operation["status"] == "COMPLETED";
    staffed.operation(&api, &id, "the other half", done).await;
    assert!(staffed.password_is(&user, Some(&crm), PASSWORD));
    running.shutdown().await;
}

async fn a_step_that_is_done_is_not_done_again(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    let (user, crm) = synced(&staffed, &api).await;
    let before = login_calls(&staffed, "update");
    staffed.world.crm.faults().set(
        FaultPlan::new(1)
            .nth("pugmark.user_password", 1, Fault::Http(503))
            .nth("pugmark.user_password", 2, Fault::HttpAfterEffect(502)),
    );
    let path = format!("{USERS}/{user}/reset-password");
    let reset = api.post(&path, &json!({ "newPassword": PASSWORD })).await;
    assert_eq!(reset.status, 200, "{}", reset.text);
    assert!(staffed.password_is(&user, Some(&crm), PASSWORD));
    assert_eq!(
        login_calls(&staffed, "update") - before,
        1,
        "a second change would end the person's sessions again"
    );
    running.shutdown().await;
}

async fn a_newer_reset_goes_before_one_that_waits(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    let (user, crm) = synced(&staffed, &api).await;
    // From now on vTiger can set no password.
    staffed.world.crm.remove_extension();
    let path = format!("{USERS}/{user}/reset-password");
    let first = crate::harness::eventually("the first one to wait for vTiger", || async {
        let body = json!({ "newPassword": "Forgotten-Pass-1" });
        let first = api.post(&path, &body).await;
        (first.status == 202).then_some(first)
    })
    .await;
    assert_eq!(first.data()["waitingFor"], "vTiger");
    assert!(staffed.password_is(&user, None, "Forgotten-Pass-1"));
    let second = api.post(&path, &json!({ "newPassword": PASSWORD })).await;
    assert_eq!(second.status, 202, "{}", second.text);
    assert_eq!(
        first.data()["operationId"],
        second.data()["operationId"],
        "it goes on with the new one"
    );
    assert!(staffed.password_is(&user, None, PASSWORD), "at once");
    staffed.world.crm.install_extension();
    let id = text(second.data(), "operationId");
    let done = |operation: &Value| operation["status"] == "COMPLETED";
    staffed.operation(&api, id, "the end", done).await;
    assert!(staffed.password_is(&user, Some(&crm), PASSWORD));
    running.shutdown().await;
}

async fn a_repaired_change_password_is_enough(world: World) {
    world.crm.apply_roleid_fix();
    world.crm.repair_password_operation();
    let staffed = Staffed::of(world).await;
    let (running, api) = staffed.start().await;
    let (user, crm) = synced(&staffed, &api).await;
    let path = format!("{USERS}/{user}/reset-password");
    let reset = api.post(&path, &json!({ "newPassword": PASSWORD })).await;
    assert_eq!(reset.status, 200, "{}", reset.text);
    assert!(staffed.password_is(&user, Some(&crm), PASSWORD));
    running.shutdown().await;
}
