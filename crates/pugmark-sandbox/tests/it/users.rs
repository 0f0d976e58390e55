//! Users and their rights.

use pugmark_sandbox::{Clock, ManualClock, UserSpec, Variant, VtigerSandbox};
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

#[tokio::test]
async fn who_is_no_administrator_cannot_give_records_to_users_with_high_numbers() {
    let crm = VtigerSandbox::builder()
        .user(UserSpec::standard("agent", "k1"))
        .user(UserSpec::standard("other", "k2"))
        .start()
        .await
        .unwrap();
    let caller = Caller::log_in(&crm).await;
    let contact = |owner: &str| json!({"lastname": "N", "assigned_user_id": owner});
    let refused = caller.create("Contacts", &contact("19x5")).await.json();
    assert_eq!(
        refused["error"]["message"],
        "Cannot assign record to the given user"
    );
    caller.create("Contacts", &contact("19x1")).await.result();
}

#[tokio::test]
async fn on_a_repaired_server_a_deleted_users_records_go_to_the_heir_and_comments_stay_untouched() {
    let clock = ManualClock::new("2026-11-21T06:00:00Z".parse().unwrap());
    let crm = VtigerSandbox::builder()
        .variant(Variant::Repaired)
        .user(UserSpec::admin("admin", "k1"))
        .user(UserSpec::standard("agent", "k2"))
        .clock(Clock::Manual(clock.clone()))
        .start()
        .await
        .unwrap();
    let caller = Caller::log_in(&crm).await;
    let contact = crm
        .insert_as_ui(
            "Contacts",
            &[("lastname", "C"), ("assigned_user_id", "19x5")],
        )
        .unwrap();
    let comment = [
        ("commentcontent", "N"),
        ("related_to", contact.as_str()),
        ("assigned_user_id", "19x5"),
    ];
    let comment = crm.insert_as_ui("ModComments", &comment).unwrap();
    clock.advance(std::time::Duration::from_secs(60));
    caller
        .post("deleteUser", &[("id", "19x5"), ("newOwnerId", "19x1")])
        .await
        .result();
    for (id, time) in [
        (contact, "2026-11-21 06:01:00"),
        (comment, "2026-11-21 06:00:00"),
    ] {
        let record = crm.record(&id).unwrap();
        assert_eq!(
            (
                record.value("assigned_user_id"),
                record.value("modifiedtime")
            ),
            ("19x1", time)
        );
    }
    assert_eq!(caller.retrieve("19x5").await.code(), "ACCESS_DENIED");
    let change = |new: &'static str| {
        [
            ("id", "19x1"),
            ("newPassword", new),
            ("confirmPassword", "N3w"),
        ]
    };
    assert_eq!(
        caller.post("changePassword", &change("other")).await.code(),
        "CHANGE_PASSWORD_FAILURE"
    );
    caller.post("changePassword", &change("N3w")).await.result();
}
