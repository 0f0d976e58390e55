//! "Existing user sync to VTiger (manual button)"

use crate::accounts::{Staffed, USERS, post_nothing, text};
use crate::harness::{World, on_both_databases};

on_both_databases!(existing_user_sync_to_vtiger_manual_button);

async fn existing_user_sync_to_vtiger_manual_button(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    let user = staffed.ambassador("Amina Wanjiru").await;
    let synced = post_nothing(&api, &format!("{USERS}/{user}/sync")).await;
    assert_eq!(synced.status, 200, "{}", synced.text);
    let crm = staffed.crm_user("amina.wanjiru@example.co.ke");
    let crm = crm.expect("a user");
    assert_eq!(text(synced.data(), "vtigerUserId"), crm.id);
    let password = text(synced.data(), "generatedPassword");
    assert!(staffed.password_is(&user, Some(&crm.id), password));
    running.shutdown().await;
}
