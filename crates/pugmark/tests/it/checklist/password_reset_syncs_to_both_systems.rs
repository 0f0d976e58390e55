//! "Password reset syncs to both systems"

use serde_json::json;

use crate::accounts::{PASSWORD, Staffed, USERS, new_user, text};
use crate::harness::{World, on_both_databases};

on_both_databases!(password_reset_syncs_to_both_systems);

async fn password_reset_syncs_to_both_systems(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    let made = api.post(USERS, &new_user("amina@example.co.ke")).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let user = text(made.data(), "userId");
    let crm = text(made.data(), "vtigerUserId");
    assert!(staffed.password_is(user, Some(crm), PASSWORD));
    let body = json!({ "newPassword": "Mpya-Kabisa-2" });
    let reset = api
        .post(&format!("{USERS}/{user}/reset-password"), &body)
        .await;
    assert_eq!(reset.status, 200, "{}", reset.text);
    assert!(staffed.password_is(user, Some(crm), "Mpya-Kabisa-2"));
    running.shutdown().await;
}
