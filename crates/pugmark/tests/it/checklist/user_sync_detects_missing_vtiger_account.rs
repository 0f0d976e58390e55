//! "User sync detects missing VTiger account (null vtigerUserId)"

use crate::accounts::{Staffed, USERS, post_nothing};
use crate::harness::{World, on_both_databases};

on_both_databases!(user_sync_detects_missing_vtiger_account);

async fn user_sync_detects_missing_vtiger_account(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    let user = staffed.ambassador("Amina Wanjiru").await;
    staffed.program().await.wait_until_idle().await;
    let shown = api.get(&format!("{USERS}/{user}")).await;
    assert!(shown.data()["vtigerUserId"].is_null(), "{}", shown.text);
    assert_eq!(shown.data()["vtigerSyncStatus"], "NOT_SYNCED");
    assert!(
        staffed.crm_user("amina.wanjiru@example.co.ke").is_none(),
        "nobody knows the password, so nothing is made"
    );
    let synced = post_nothing(&api, &format!("{USERS}/{user}/sync")).await;
    assert_eq!(synced.status, 200, "{}", synced.text);
    let shown = api.get(&format!("{USERS}/{user}")).await;
    assert!(shown.data()["vtigerUserId"].is_string(), "{}", shown.text);
    assert_eq!(shown.data()["vtigerSyncStatus"], "SYNCED");
    running.shutdown().await;
}
