//! Users and their rights.

use pugmark_sandbox::{UserSpec, Variant, VtigerSandbox};
use serde_json::json;

use crate::raw::{self, Caller};
use crate::store::{ids, sandbox};

#[tokio::test]
async fn users_cannot_be_created_on_stock_and_can_with_the_role_repaired() {
    let element = json!({"user_name": "jdoe", "first_name": "Jane", "last_name": "Doe", "email1": "j@example.com",
        "user_password": "Passw0rd!", "confirm_password": "Passw0rd!", "roleid": "H5"});
    let (crm, caller) = sandbox().await;
    let refused = caller.create("Users", &element).await.json();
    assert_eq!(
        refused["error"]["message"],
        "Permission to perform the operation is denied for id"
    );
    assert_eq!(crm.records("Users").len(), 1);
    let crm = VtigerSandbox::builder()
        .variant(Variant::RoleidDbFix)
        .start()
        .await
        .unwrap();
    let caller = Caller::log_in(&crm).await;
    let user = caller.create("Users", &element).await.result();
    assert_eq!(
        (user["roleid"].as_str(), user["status"].as_str()),
        (Some("H5"), Some("Active"))
    );
    let key = user["accesskey"].as_str().unwrap();
    raw::log_in(crm.port(), "jdoe", key).await.result();
}

#[tokio::test]
async fn an_inactive_user_is_invisible_and_cannot_come_back() {
    let crm = VtigerSandbox::builder()
        .user(UserSpec::admin("admin", "k1"))
        .user(UserSpec::standard("agent", "k2"))
        .start()
        .await
        .unwrap();
    let caller = Caller::log_in(&crm).await;
    assert_eq!(
        caller.query("select count(*) from Users;").await.result()[0]["count"],
        "2"
    );
    caller
        .revise(&json!({"id": "19x5", "status": "Inactive"}))
        .await;
    assert_eq!(
        caller.query("select count(*) from Users;").await.result()[0]["count"],
        "1"
    );
    assert_eq!(
        caller
            .query("select id from Users where user_name='agent';")
            .await
            .result(),
        json!([])
    );
    assert_eq!(
        caller
            .revise(&json!({"id": "19x5", "status": "Active"}))
            .await
            .code(),
        "RECORD_NOT_FOUND"
    );
    assert_eq!(
        raw::log_in(crm.port(), "agent", "k2").await.code(),
        "INVALID_USER_CREDENTIALS"
    );
}

#[tokio::test]
async fn who_is_no_administrator_does_not_see_users() {
    let crm = VtigerSandbox::builder()
        .user(UserSpec::standard("agent", "k"))
        .start()
        .await
        .unwrap();
    let caller = Caller::log_in(&crm).await;
    let types = caller.get("listtypes", &[]).await.result();
    assert!(!types["types"].as_array().unwrap().contains(&json!("Users")));
    for answer in [
        caller.get("describe", &[("elementType", "Users")]).await,
        caller.query("select id from Users;").await,
        caller.retrieve("19x1").await,
    ] {
        assert_eq!(answer.code(), "ACCESS_DENIED");
    }
}

#[tokio::test]
async fn roles_are_found_with_like_only() {
    let (_crm, caller) = sandbox().await;
    let query = async |condition: &str| {
        caller
            .query(&format!("select id from Users where {condition};"))
            .await
    };
    assert_eq!(ids(&query("roleid like '0xH2'").await.result()), ["19x1"]);
    assert_eq!(query("roleid='0xH2'").await.result(), json!([]));
    assert_eq!(query("roleid='H2'").await.code(), "INVALID_ID_ATTRIBUTE");
}
