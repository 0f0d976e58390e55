//! Tasks and comments.

use pugmark_sandbox::{Fault, FaultPlan, JournalKind, VtigerSandbox};
use serde_json::{Value, json};

use crate::raw::Caller;
use crate::store::{ids, sandbox};

fn task(subject: &str, contact: &str) -> Value {
    json!({
        "subject": subject, "assigned_user_id": "19x1", "date_start": "2026-12-01",
        "time_start": "09:00:00", "due_date": "2026-12-02", "taskstatus": "Not Started",
        "activitytype": "Task", "contact_id": contact,
    })
}

fn comment(text: &str, about: &str) -> Value {
    json!({"commentcontent": text, "related_to": about, "assigned_user_id": "19x1"})
}

fn insert(crm: &VtigerSandbox, module: &str, name: (&str, &str)) -> String {
    crm.insert_as_ui(module, &[name]).unwrap()
}

async fn found(caller: &Caller, query: &str) -> Vec<String> {
    ids(&caller.query(query).await.result())
}

#[tokio::test]
async fn tasks_are_found_by_contact_by_parent_and_by_a_word_in_their_text() {
    let (crm, caller) = sandbox().await;
    let contact = insert(&crm, "Contacts", ("lastname", "C"));
    let lead = insert(&crm, "Leads", ("lastname", "L"));
    let mut first = task("Call", &contact);
    first["description"] = json!("Ask for the missing form (ref PM-17)");
    first["source"] = json!("MICROBIMA");
    let first = caller.create("Calendar", &first).await.result();
    let mut second = task("Visit", "");
    second["parent_id"] = json!(lead);
    let second = caller.create("Calendar", &second).await.result();
    let (first, second) = (
        first["id"].as_str().unwrap(),
        second["id"].as_str().unwrap(),
    );
    for (condition, expected) in [
        (format!("contact_id='{contact}'"), first),
        (format!("parent_id='{lead}'"), second),
        ("description like '%pm-17%'".to_owned(), first),
        ("source='MICROBIMA'".to_owned(), first),
        (
            format!("contact_id='{contact}' and description like '%PM-17%'"),
            first,
        ),
    ] {
        let query = format!("select id from Calendar where {condition};");
        assert_eq!(found(&caller, &query).await, [expected], "{condition}");
    }
}

#[tokio::test]
async fn every_mandatory_field_of_a_task_and_a_comment_is_asked_for() {
    let (crm, caller) = sandbox().await;
    let contact = insert(&crm, "Contacts", ("lastname", "C"));
    for (module, whole) in [
        ("Calendar", task("T", &contact)),
        ("ModComments", comment("C", &contact)),
    ] {
        for field in whole.as_object().unwrap().keys() {
            if ["activitytype", "contact_id"].contains(&field.as_str()) {
                continue;
            }
            let mut lacking = whole.clone();
            lacking.as_object_mut().unwrap().remove(field);
            let refused = caller.create(module, &lacking).await.json();
            assert_eq!(
                refused["error"]["message"],
                format!("{field} does not have a value")
            );
        }
        assert!(crm.records(module).is_empty());
    }
}

#[tokio::test]
async fn a_task_takes_no_contact_as_parent_and_a_comment_no_task_and_no_author() {
    let (crm, caller) = sandbox().await;
    let contact = insert(&crm, "Contacts", ("lastname", "C"));
    let task_id = caller
        .create("Calendar", &task("T", &contact))
        .await
        .result()["id"]
        .clone();
    let mut wrong = task("T", "");
    wrong["parent_id"] = json!(contact);
    let mut authored = comment("C", &contact);
    authored["userid"] = json!("19x1");
    for (module, element, field) in [
        ("Calendar", wrong, "parent_id"),
        (
            "ModComments",
            comment("C", task_id.as_str().unwrap()),
            "related_to",
        ),
        ("ModComments", authored, "userid"),
    ] {
        let refused = caller.create(module, &element).await.json();
        assert_eq!(
            refused["error"]["message"],
            format!("Invalid reference specified for {field}")
        );
    }
    let mut other = comment("C", &contact);
    other["creator"] = json!("19x7");
    let made = caller.create("ModComments", &other).await.result();
    assert_eq!(made["creator"], "19x1", "the author is who calls");
}

#[tokio::test]
async fn a_task_of_an_owner_who_is_not_there_is_made_all_the_same() {
    let (crm, caller) = sandbox().await;
    let mut dangling = task("T", "");
    dangling["assigned_user_id"] = json!("19x9999");
    let answer = caller.create("Calendar", &dangling).await;
    assert_eq!(answer.text(), "Sorry! Attempt to access restricted file.");
    let stored = crm.records("Calendar").pop().unwrap();
    assert_eq!(stored.value("assigned_user_id"), "9999");
    assert_eq!(crm.journal().count_created("Calendar"), 1);
}

#[tokio::test]
async fn comments_are_found_by_their_record_and_by_a_reference_in_their_text() {
    let (crm, caller) = sandbox().await;
    let contact = insert(&crm, "Contacts", ("lastname", "C"));
    let other = insert(&crm, "Contacts", ("lastname", "O"));
    let first = comment("Paid [PM-100%_x]", &contact);
    let first = caller.create("ModComments", &first).await.result();
    caller
        .create("ModComments", &comment("Paid [PM-100yzx]", &contact))
        .await
        .result();
    caller
        .create("ModComments", &comment("Paid [PM-100%_x]", &other))
        .await
        .result();
    let query = format!(
        "select id from ModComments where related_to='{contact}' and commentcontent like '%[PM-100\\\\%\\\\_x]%';"
    );
    assert_eq!(
        found(&caller, &query).await,
        [first["id"].as_str().unwrap()]
    );
    let query = format!("select id from ModComments where related_to='{contact}';");
    assert_eq!(found(&caller, &query).await.len(), 2);
}

#[tokio::test]
async fn comments_of_a_deleted_record_stay_and_point_to_nothing() {
    let (crm, caller) = sandbox().await;
    let contact = insert(&crm, "Contacts", ("lastname", "C"));
    let made = caller.create("ModComments", &comment("C", &contact)).await;
    let id = made.result()["id"].as_str().unwrap().to_owned();
    assert!(crm.remove(&contact));
    assert_eq!(caller.retrieve(&id).await.result()["related_to"], "");
}

#[tokio::test]
async fn a_comment_whose_answer_was_lost_is_in_the_journal_once() {
    let (crm, caller) = sandbox().await;
    let contact = insert(&crm, "Contacts", ("lastname", "C"));
    crm.faults()
        .set(FaultPlan::new(0).nth("create", 1, Fault::HttpAfterEffect(502)));
    let lost = caller
        .create("ModComments", &comment("[PM-1] Hello", &contact))
        .await;
    assert_eq!(lost.status, 502);
    let made = crm.journal().created("ModComments");
    assert_eq!(made.len(), 1);
    let JournalKind::Created { id, fields, .. } = &made[0].kind else {
        unreachable!()
    };
    assert_eq!(fields["commentcontent"], "[PM-1] Hello");
    assert_eq!(fields["related_to"], contact);
    assert_eq!(crm.record(id).unwrap().value("source"), "WEBSERVICE");
    let by_text = crm
        .journal()
        .count_distinct_by("ModComments", "commentcontent");
    assert_eq!(by_text["[PM-1] Hello"].as_slice(), std::slice::from_ref(id));
}

#[tokio::test]
async fn closing_a_task_is_journaled_with_what_really_changed() {
    let (crm, caller) = sandbox().await;
    let made = caller.create("Calendar", &task("T", "")).await.result();
    let id = made["id"].as_str().unwrap();
    let close = json!({"id": id, "taskstatus": "Completed", "subject": "T"});
    assert_eq!(
        caller.revise(&close).await.result()["taskstatus"],
        "Completed"
    );
    let last = crm.journal().effects_on(id).pop().unwrap();
    let JournalKind::Revised { changed, .. } = &last.kind else {
        panic!("{last:?}");
    };
    assert_eq!(changed.keys().collect::<Vec<_>>(), ["taskstatus"]);
    assert_eq!(changed["taskstatus"].old, "Not Started");
}
