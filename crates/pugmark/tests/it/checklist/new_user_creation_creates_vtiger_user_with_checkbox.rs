//! "New user creation creates VTiger user (with checkbox)"

use serde_json::json;

use crate::accounts::{PASSWORD, Staffed, USERS, new_user, text};
use crate::harness::{World, on_both_databases};

on_both_databases!(new_user_creation_creates_vtiger_user_with_checkbox);

async fn new_user_creation_creates_vtiger_user_with_checkbox(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    let mut ticked = new_user("amina@example.co.ke");
    ticked["createVtigerUser"] = json!(true);
    let made = api.post(USERS, &ticked).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let crm = staffed.crm_user("amina@example.co.ke").expect("a user");
    assert_eq!(text(made.data(), "vtigerUserId"), crm.id);
    assert!(staffed.password_is(text(made.data(), "userId"), Some(&crm.id), PASSWORD));

    let mut cleared = new_user("zuri@example.co.ke");
    cleared["createVtigerUser"] = json!(false);
    let made = api.post(USERS, &cleared).await;
    assert_eq!(made.status, 201, "{}", made.text);
    staffed.program().await.wait_until_idle().await;
    assert!(staffed.crm_user("zuri@example.co.ke").is_none());
    running.shutdown().await;
}
