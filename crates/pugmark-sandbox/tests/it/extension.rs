//! The operations of Pugmark's extension.

use pugmark_sandbox::{Fault, FaultPlan, JournalKind, NewUser, UserSpec, VtigerSandbox};
use serde_json::{Value, json};

use crate::raw::{self, Answer, Caller};

const PASSWORD: &str = "Tausi-1-Simba";

async fn sandbox() -> (VtigerSandbox, Caller) {
    let crm = VtigerSandbox::builder()
        .with_extension()
        .user(UserSpec::admin("admin", "k1"))
        .user(UserSpec::standard("agent", "k2"))
        .start()
        .await
        .unwrap();
    let caller = Caller::log_in(&crm).await;
    (crm, caller)
}

fn asha() -> Value {
    json!({
        "user_name": "asha", "user_password": PASSWORD, "first_name": "Asha", "last_name": "Were",
        "email1": "asha@example.com", "roleid": "H5", "reference": "staff-1",
    })
}

async fn create(caller: &Caller, element: &Value) -> Answer {
    caller
        .post("pugmark.user_create", &[("element", &element.to_string())])
        .await
}

async fn update(caller: &Caller, id: &str, element: &Value) -> Answer {
    let pairs = [("id", id), ("element", &element.to_string())];
    caller.post("pugmark.user_update", &pairs).await
}

async fn set_password(caller: &Caller, id: &str, password: &str) -> Answer {
    let pairs = [("id", id), ("password", password)];
    caller.post("pugmark.user_password", &pairs).await
}

async fn find(caller: &Caller, name: &str) -> Value {
    caller
        .get("pugmark.user_find", &[("userName", name)])
        .await
        .result()["users"]
        .clone()
}

#[tokio::test]
async fn its_operations_are_unknown_until_it_is_installed_and_after_it_is_removed() {
    let crm = VtigerSandbox::builder().start().await.unwrap();
    let caller = Caller::log_in(&crm).await;
    let info = async || caller.get("pugmark.info", &[]).await;
    let unknown = |answer: &Answer| answer.status == 500 && answer.body.is_empty();
    assert!(unknown(&info().await));
    crm.install_extension();
    let shown = info().await.result();
    assert_eq!(shown["version"], "1.0.0");
    assert_eq!(shown["operations"].as_array().unwrap().len(), 9);
    crm.remove_extension();
    assert!(unknown(&info().await));
    assert!(unknown(&create(&caller, &asha()).await));
    assert_eq!(crm.users().len(), 1);
}

#[tokio::test]
async fn a_created_user_can_log_in_and_is_shown_without_secrets() {
    let (crm, caller) = sandbox().await;
    let user = create(&caller, &asha()).await.result();
    let expected = json!({
        "id": "19x6", "user_name": "asha", "email1": "asha@example.com", "status": "Active",
        "roleid": "H5", "first_name": "Asha", "last_name": "Were",
    });
    assert_eq!(user, expected);
    assert_eq!(find(&caller, "ASHA").await, json!([expected]));
    assert!(crm.user_password_is("19x6", PASSWORD));
    assert!(!crm.user_password_is("19x6", "Tausi-1-simba"));
    assert!(!crm.user_password_is("19x1", PASSWORD));
    let record = crm.record("19x6").unwrap();
    raw::log_in(crm.port(), "asha", record.value("accesskey"))
        .await
        .result();
    assert_eq!(crm.journal().count_created("Users"), 1);
    let stored = crm.user("19x6").unwrap();
    assert_eq!(stored.reference.as_deref(), Some("staff-1"));
}

#[tokio::test]
async fn a_second_create_with_the_same_reference_makes_nobody() {
    let (crm, caller) = sandbox().await;
    let first = create(&caller, &asha()).await.result();
    let mut again = asha();
    again["user_name"] = json!("other");
    assert_eq!(create(&caller, &again).await.result(), first);
    assert_eq!(crm.users().len(), 3);
    assert_eq!(crm.journal().count_created("Users"), 1);
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_is_found_again_by_its_reference() {
    let (crm, caller) = sandbox().await;
    let fault = Fault::HttpAfterEffect(504);
    crm.faults()
        .set(FaultPlan::new(0).nth("pugmark.user_create", 1, fault));
    assert_eq!(create(&caller, &asha()).await.status, 504);
    let user = create(&caller, &asha()).await.result();
    assert_eq!(user["id"], "19x6");
    assert_eq!(crm.journal().count_created("Users"), 1);
    assert_eq!(crm.journal().count_calls(Some("pugmark.user_create")), 2);
}

#[tokio::test]
async fn a_create_is_refused_for_a_name_taken_a_role_unknown_and_a_value_missing() {
    let (crm, caller) = sandbox().await;
    crm.add_user(&NewUser::new("Asha", "H5").inactive())
        .unwrap();
    let refused = create(&caller, &asha()).await.json();
    assert_eq!(refused["error"]["code"], "DUPLICATE_USER_NAME");
    assert_eq!(refused["error"]["message"], "A user named asha exists");
    let mut fatuma = asha();
    fatuma["user_name"] = json!("fatuma");
    fatuma["roleid"] = json!("H99");
    let refused = create(&caller, &fatuma).await.json();
    assert_eq!(refused["error"]["code"], "ROLE_NOT_FOUND");
    assert_eq!(
        refused["error"]["message"],
        "No role H99, or several of this name"
    );
    for field in ["user_password", "reference", "email1"] {
        let mut lacking = asha();
        lacking.as_object_mut().unwrap().remove(field);
        let refused = create(&caller, &lacking).await.json();
        assert_eq!(
            refused["error"]["message"],
            format!("{field} does not have a value")
        );
    }
    assert_eq!(crm.journal().count_created("Users"), 1, "the page's own");
    assert!(crm.add_role("H99", "Customer Care"));
    create(&caller, &fatuma).await.result();
}

#[tokio::test]
async fn an_update_brings_back_who_was_inactive() {
    let (crm, caller) = sandbox().await;
    create(&caller, &asha()).await.result();
    let away = update(&caller, "19x6", &json!({"status": "Inactive"})).await;
    assert_eq!(away.result()["status"], "Inactive");
    assert_eq!(caller.retrieve("19x6").await.code(), "RECORD_NOT_FOUND");
    let changes = json!({"status": "Active", "phone_mobile": "+254700000001", "user_name": "x",
        "accesskey": "x", "user_password": "x"});
    let back = update(&caller, "19x6", &changes).await.result();
    assert_eq!(
        (&back["status"], &back["user_name"]),
        (&json!("Active"), &json!("asha"))
    );
    let user = crm.user("19x6").unwrap();
    assert_eq!(user.phone_mobile, "+254700000001");
    assert!(crm.user_password_is("19x6", PASSWORD));
    let effects = crm.journal().effects_on("19x6");
    assert_eq!(effects.len(), 3);
    let JournalKind::Revised { changed, .. } = &effects[2].kind else {
        panic!("{effects:?}");
    };
    assert_eq!(
        changed.keys().collect::<Vec<_>>(),
        ["phone_mobile", "status"]
    );
}

#[tokio::test]
async fn a_password_is_set_and_the_access_key_stays() {
    let (crm, caller) = sandbox().await;
    assert_eq!(
        set_password(&caller, "19x5", PASSWORD).await.result(),
        json!({"id": "19x5"})
    );
    assert!(crm.user_password_is("19x5", PASSWORD));
    raw::log_in(crm.port(), "agent", "k2").await.result();
    assert_eq!(
        set_password(&caller, "19x5", "short").await.code(),
        "WEAK_PASSWORD"
    );
    assert!(crm.user_password_is("19x5", PASSWORD));
    assert!(matches!(
        crm.journal().effects_on("19x5")[..],
        [ref only] if matches!(&only.kind, JournalKind::PasswordSet { .. })
    ));
}

#[tokio::test]
async fn an_id_that_is_no_undeleted_user_is_not_found() {
    let (crm, caller) = sandbox().await;
    let contact = crm.insert_as_ui("Contacts", &[("lastname", "C")]).unwrap();
    create(&caller, &asha()).await.result();
    assert!(crm.delete_user("19x6", "19x1"));
    assert_eq!(find(&caller, "asha").await, json!([]));
    for id in [
        "19x6",
        "19x999",
        "19x5abc",
        "5",
        "20x2",
        "",
        contact.as_str(),
    ] {
        assert_eq!(
            set_password(&caller, id, PASSWORD).await.code(),
            "RECORD_NOT_FOUND",
            "{id}"
        );
        let changes = json!({"status": "Active"});
        assert_eq!(
            update(&caller, id, &changes).await.code(),
            "RECORD_NOT_FOUND",
            "{id}"
        );
    }
}

#[tokio::test]
async fn who_is_no_administrator_may_do_nothing_of_it() {
    let (crm, _) = sandbox().await;
    let session = raw::log_in(crm.port(), "agent", "k2").await.result();
    let agent = Caller {
        port: crm.port(),
        session: session["sessionName"].as_str().unwrap().to_owned(),
    };
    for answer in [
        agent.get("pugmark.info", &[]).await,
        agent.get("pugmark.user_find", &[("userName", "x")]).await,
        create(&agent, &asha()).await,
        update(&agent, "19x5", &json!({"status": "Inactive"})).await,
        set_password(&agent, "19x5", PASSWORD).await,
    ] {
        assert_eq!(answer.code(), "ACCESS_DENIED");
    }
    assert_eq!(crm.users().len(), 2);
    assert!(!crm.user_password_is("19x5", PASSWORD));
}

#[tokio::test]
async fn no_clear_password_is_kept_or_shown_anywhere() {
    let (crm, caller) = sandbox().await;
    create(&caller, &asha()).await.result();
    set_password(&caller, "19x5", PASSWORD).await.result();
    crm.set_user_password("19x1", PASSWORD);
    let journal = crm.journal().to_json().to_string();
    let records = serde_json::to_string(&crm.records("Users")).unwrap();
    let answered = caller.query("select * from Users;").await.text();
    let debug = format!("{:?} {:?} {:?}", crm, crm.journal(), crm.users());
    for text in [journal, records, answered, debug] {
        assert!(!text.contains(PASSWORD), "{text}");
    }
    let hashes: Vec<String> = crm
        .records("Users")
        .iter()
        .map(|user| user.value("user_password").to_owned())
        .collect();
    assert_ne!(hashes[0], hashes[1], "each has a salt of its own");
}

#[tokio::test]
async fn a_weak_password_makes_nobody_and_a_deleted_user_is_not_made_again() {
    let (crm, caller) = sandbox().await;
    let mut weak = asha();
    weak["user_password"] = json!("short");
    assert_eq!(create(&caller, &weak).await.code(), "WEAK_PASSWORD");
    assert_eq!(crm.journal().count_created("Users"), 0);
    create(&caller, &asha()).await.result();
    assert!(crm.delete_user("19x6", "19x1"));
    assert_eq!(create(&caller, &asha()).await.code(), "RECORD_DELETED");
    assert_eq!(crm.journal().count_created("Users"), 1);
}
