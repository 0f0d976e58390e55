//! What administrators do with users in the pages, and what the sandbox's owner sees of users.

use pugmark_sandbox::{Edition, JournalKind, NewUser, UserSpec, VtigerSandbox};
use serde_json::json;

use crate::raw::{self, Caller};

async fn sandbox() -> VtigerSandbox {
    VtigerSandbox::builder().start().await.unwrap()
}

#[tokio::test]
async fn a_user_made_in_the_pages_can_log_in() {
    let crm = sandbox().await;
    let user = NewUser::new("asha", "H5")
        .named("Asha", "Were")
        .email("asha@example.org")
        .mobile("+254700000001");
    let id = crm.add_user(&user).unwrap();
    let shown = crm.user(&id).unwrap();
    assert_eq!(
        (shown.id.as_str(), shown.user_name.as_str()),
        ("19x5", "asha")
    );
    assert_eq!(
        (shown.first_name.as_str(), shown.last_name.as_str()),
        ("Asha", "Were")
    );
    assert_eq!(
        (shown.email1.as_str(), shown.phone_mobile.as_str()),
        ("asha@example.org", "+254700000001")
    );
    assert_eq!((shown.status.as_str(), shown.admin), ("Active", false));
    assert_eq!(shown.roleid, "H5");
    let key = crm.record(&id).unwrap().value("accesskey").to_owned();
    raw::log_in(crm.port(), "asha", &key).await.result();
    assert!(crm.set_user_password(&id, "Tausi-1-Simba"));
    assert!(crm.user_password_is(&id, "Tausi-1-Simba"));
}

#[tokio::test]
async fn the_pages_take_no_name_twice_and_no_unknown_role() {
    let crm = sandbox().await;
    assert!(crm.add_user(&NewUser::new("Admin", "H5")).is_none());
    assert!(crm.add_user(&NewUser::new("asha", "H7")).is_none());
    assert!(crm.add_role("H7", "Customer Care"));
    assert!(!crm.add_role("seven", "Nonsense"));
    assert!(crm.add_user(&NewUser::new("asha", "H7").admin()).is_some());
    assert!(crm.users()[1].admin);
    let last = crm.roles().pop().unwrap();
    assert_eq!(last, ("H7".to_owned(), "Customer Care".to_owned()));
    assert_eq!(crm.roles().len(), 6);
}

#[tokio::test]
async fn a_user_comes_back_in_the_pages_only() {
    let crm = sandbox().await;
    let caller = Caller::log_in(&crm).await;
    let id = crm
        .add_user(&NewUser::new("asha", "H5").inactive())
        .unwrap();
    assert_eq!(caller.retrieve(&id).await.code(), "RECORD_NOT_FOUND");
    assert!(crm.set_user_status(&id, "Active"));
    assert_eq!(caller.retrieve(&id).await.result()["status"], "Active");
    assert!(!crm.set_user_status("19x99", "Active"));
}

#[tokio::test]
async fn a_deleted_user_is_gone_and_a_record_of_the_same_number_is_not() {
    let crm = sandbox().await;
    let user = crm.add_user(&NewUser::new("asha", "H5")).unwrap();
    crm.skip_to_record_number(5);
    let own = [("lastname", "Own"), ("assigned_user_id", user.as_str())];
    let contact = crm.insert_as_ui("Contacts", &own).unwrap();
    assert_eq!((user.as_str(), contact.as_str()), ("19x5", "12x5"));
    assert!(crm.delete_user(&user, "19x1"));
    assert!(!crm.delete_user(&user, "19x1"));
    assert!(crm.user(&user).is_none());
    let caller = Caller::log_in(&crm).await;
    let record = caller.retrieve(&contact).await.result();
    assert_eq!(record["assigned_user_id"], "19x1");
    let last = crm.journal().effects_on(&user).pop().unwrap();
    assert!(matches!(&last.kind, JournalKind::Deleted { .. }));
}

#[tokio::test]
async fn a_group_can_own_records() {
    let crm = sandbox().await;
    let group = crm.add_group("Customer Care");
    assert_eq!(group, "20x5");
    let caller = Caller::log_in(&crm).await;
    let contact = json!({"lastname": "C", "assigned_user_id": group});
    let made = caller.create("Contacts", &contact).await.result();
    assert_eq!(made["assigned_user_id"], group.as_str());
    let rows = caller
        .query("select id from Groups where groupname='Customer Care';")
        .await
        .result();
    assert_eq!(rows, json!([{"id": group}]));
}

#[tokio::test]
async fn roles_are_a_module_of_the_hosted_edition_alone() {
    let crm = VtigerSandbox::builder()
        .edition(Edition::Both)
        .user(UserSpec::admin("admin", "SandboxAccessKey"))
        .start()
        .await
        .unwrap();
    let caller = Caller::log_in(&crm).await;
    let refused = caller.query("select * from Roles;").await;
    assert_eq!(refused.code(), "ACCESS_DENIED");
    let types = caller.get("listtypes", &[]).await.result();
    assert!(!types["types"].as_array().unwrap().contains(&json!("Roles")));
}
