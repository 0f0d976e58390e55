//! Users and their rights.

use pugmark_sandbox::{
    Clock, JournalKind, ManualClock, NewUser, Release, UserSpec, Variant, VtigerSandbox,
};
use serde_json::{Value, json};

use crate::raw::{self, Answer, Caller};
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

fn jane() -> Value {
    json!({"user_name": "jdoe", "first_name": "Jane", "last_name": "Doe", "email1": "j@example.com",
        "user_password": "Passw0rd!", "confirm_password": "Passw0rd!", "roleid": "H5"})
}

async fn change_password(caller: &Caller, id: &str, old: &str, new: &str) -> Answer {
    let change = [
        ("id", id),
        ("oldPassword", old),
        ("newPassword", new),
        ("confirmPassword", new),
    ];
    caller.post("changePassword", &change).await
}

#[tokio::test]
async fn once_the_role_is_repaired_everything_is_accepted_and_the_older_of_two_namesakes_logs_in() {
    for release in [Release::V8_0, Release::V8_3] {
        let crm = VtigerSandbox::builder()
            .release(release)
            .start()
            .await
            .unwrap();
        let caller = Caller::log_in(&crm).await;
        assert_eq!(
            caller.create("Users", &jane()).await.code(),
            "ACCESS_DENIED"
        );
        crm.apply_roleid_fix();
        let first = caller.create("Users", &jane()).await.result();
        let mut odd = jane();
        for (field, value) in [
            ("roleid", "H99"),
            ("email1", "nope"),
            ("user_password", "a"),
            ("confirm_password", "zzz"),
        ] {
            odd[field] = json!(value);
        }
        let second = caller.create("Users", &odd).await.result();
        assert_eq!(second["roleid"], "H99");
        assert_eq!(crm.users().len(), 3);
        let id = |user: &Value| user["id"].as_str().unwrap().to_owned();
        assert!(crm.user_password_is(&id(&first), "Passw0rd!"));
        assert!(crm.user_password_is(&id(&second), "a"));
        let key = |user: &Value| user["accesskey"].as_str().unwrap().to_owned();
        let session = raw::log_in(crm.port(), "JDOE", &key(&first)).await.result();
        assert_eq!(session["userId"], first["id"]);
        let refused = raw::log_in(crm.port(), "jdoe", &key(&second)).await;
        assert_eq!(refused.code(), "INVALID_USER_CREDENTIALS");
        let query = "select id from Users where roleid='H99';";
        assert_eq!(ids(&caller.query(query).await.result()), [id(&second)]);
    }
}

#[tokio::test]
async fn a_revise_changes_the_profile_and_leaves_role_password_and_key() {
    let (crm, caller) = sandbox().await;
    let id = crm.add_user(&NewUser::new("asha", "H4")).unwrap();
    assert!(crm.set_user_password(&id, "Tausi-1-Simba"));
    let before = crm.record(&id).unwrap();
    let changes = json!({"id": id, "phone_mobile": "+254700000001", "email1": "a@example.org",
        "user_name": "admin", "user_password": "x", "accesskey": "x"});
    caller.revise(&changes).await.result();
    let user = crm.user(&id).unwrap();
    assert_eq!(
        (user.phone_mobile.as_str(), user.email1.as_str()),
        ("+254700000001", "a@example.org")
    );
    assert_eq!(user.user_name, "admin", "a name that another has, too");
    assert_eq!(user.roleid, "H4");
    assert!(crm.user_password_is(&id, "Tausi-1-Simba"));
    let after = crm.record(&id).unwrap();
    assert_eq!(after.value("accesskey"), before.value("accesskey"));
    let refused = caller.revise(&json!({"id": id, "roleid": "H5"})).await;
    assert_eq!(refused.code(), "ACCESS_DENIED");
}

#[tokio::test]
async fn a_delete_makes_a_user_inactive_and_keeps_the_records_where_they_are() {
    let (crm, caller) = sandbox().await;
    let id = crm.add_user(&NewUser::new("asha", "H5")).unwrap();
    let own = [("lastname", "Own"), ("assigned_user_id", id.as_str())];
    let contact = crm.insert_as_ui("Contacts", &own).unwrap();
    caller.post("delete", &[("id", &id)]).await.result();
    assert_eq!(crm.user(&id).unwrap().status, "Inactive");
    let record = crm.record(&contact).unwrap();
    assert_eq!(record.value("assigned_user_id"), id);
    let last = crm.journal().effects_on(&id).pop().unwrap();
    let JournalKind::Revised { changed, .. } = &last.kind else {
        panic!("{last:?}");
    };
    assert_eq!(changed["status"].new, "Inactive");
}

#[tokio::test]
async fn passwords_are_changed_once_the_operation_is_repaired() {
    let crm = VtigerSandbox::builder()
        .user(UserSpec::admin("admin", "k1"))
        .user(UserSpec::standard("agent", "k2"))
        .start()
        .await
        .unwrap();
    let caller = Caller::log_in(&crm).await;
    let broken = change_password(&caller, "19x5", "", "Tausi-1-Simba").await;
    assert_eq!(broken.text(), "Sorry! Attempt to access restricted file.");
    assert!(!crm.user_password_is("19x5", "Tausi-1-Simba"));
    crm.repair_password_operation();
    for id in ["19x5", "19x999", "5"] {
        let done = change_password(&caller, id, "bogus", "Tausi-1-Simba").await;
        assert_eq!(
            done.result()["message"],
            "Changed password successfully",
            "{id}"
        );
    }
    assert!(crm.user_password_is("19x5", "Tausi-1-Simba"));
    let set = |entry: &JournalKind| matches!(entry, JournalKind::PasswordSet { .. });
    let entries = crm.journal().entries();
    assert_eq!(entries.iter().filter(|entry| set(&entry.kind)).count(), 1);
    let session = raw::log_in(crm.port(), "agent", "k2").await.result();
    let agent = Caller {
        port: crm.port(),
        session: session["sessionName"].as_str().unwrap().to_owned(),
    };
    let wrong = change_password(&agent, "19x5", "bogus", "Chui-2-Simba").await;
    assert_eq!(wrong.code(), "INVALID_OLD_PASSWORD");
    let others = change_password(&agent, "19x1", "Tausi-1-Simba", "Chui-2-Simba").await;
    assert_eq!(others.result(), Value::Null);
    assert!(!crm.user_password_is("19x1", "Chui-2-Simba"));
    let right = change_password(&agent, "19x5", "Tausi-1-Simba", "Chui-2-Simba").await;
    right.result();
    assert!(crm.user_password_is("19x5", "Chui-2-Simba"));
}

#[tokio::test]
async fn a_private_modules_records_are_seen_by_their_owners_and_administrators_alone() {
    let crm = VtigerSandbox::builder()
        .user(UserSpec::admin("admin", "k1"))
        .user(UserSpec::standard("agent", "k2"))
        .start()
        .await
        .unwrap();
    let session = raw::log_in(crm.port(), "agent", "k2").await.result();
    let agent = Caller {
        port: crm.port(),
        session: session["sessionName"].as_str().unwrap().to_owned(),
    };
    let other = crm.insert_as_ui("Contacts", &[("lastname", "O")]).unwrap();
    let own = [("lastname", "Own"), ("assigned_user_id", "19x5")];
    let own = crm.insert_as_ui("Contacts", &own).unwrap();
    agent.retrieve(&other).await.result();
    assert!(crm.set_private("Contacts", true));
    let refused = agent.retrieve(&other).await.json();
    assert_eq!(
        refused["error"]["message"],
        "Permission to read given object is denied"
    );
    agent.retrieve(&own).await.result();
    let query = "select id from Contacts;";
    assert_eq!(ids(&agent.query(query).await.result()), [own]);
    let caller = Caller::log_in(&crm).await;
    assert_eq!(ids(&caller.query(query).await.result()).len(), 2);
}
