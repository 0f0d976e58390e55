//! Rules of the store that no recording of these groups shows.

use std::collections::BTreeSet;

use pugmark_sandbox::{Clock, Fault, FaultPlan, ManualClock, UserSpec, VtigerSandbox};
use serde_json::{Value, json};

use crate::raw::{self, Caller};

pub(crate) async fn sandbox() -> (VtigerSandbox, Caller) {
    let crm = VtigerSandbox::builder().seed(2).start().await.unwrap();
    let caller = Caller::log_in(&crm).await;
    (crm, caller)
}

pub(crate) fn ids(answer: &Value) -> Vec<String> {
    answer
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn paging_by_a_key_with_ties_loses_rows_unless_the_id_comes_last() {
    let (crm, caller) = sandbox().await;
    for _ in 0..130 {
        crm.insert_as_ui("Contacts", &[("lastname", "Tie")])
            .unwrap();
    }
    let mut found = [BTreeSet::new(), BTreeSet::new()];
    for (keys, found) in ["lastname", "lastname,id"].iter().zip(&mut found) {
        for offset in [0, 50, 100] {
            let query = format!("select id from Contacts order by {keys} limit {offset},50;");
            found.extend(ids(&caller.query(&query).await.result()));
        }
    }
    assert!(found[0].len() < 130, "ties are unordered");
    assert_eq!(found[1].len(), 130);
}

#[tokio::test]
async fn keyset_paging_finds_every_row_once() {
    let (crm, caller) = sandbox().await;
    for _ in 0..250 {
        crm.insert_as_ui("Contacts", &[("lastname", "Key")])
            .unwrap();
    }
    let (mut last, mut seen) = ("12x0".to_owned(), Vec::new());
    loop {
        let page = ids(&caller
            .query(&format!(
                "select id from Contacts where id>'{last}' order by id limit 100;"
            ))
            .await
            .result());
        let Some(end) = page.last() else { break };
        last = end.clone();
        seen.extend(page);
    }
    let expected: Vec<String> = crm
        .records("Contacts")
        .into_iter()
        .map(|record| record.id)
        .collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn an_equality_query_follows_every_change_of_the_field() {
    let (crm, caller) = sandbox().await;
    let id = crm
        .insert_as_ui("Contacts", &[("lastname", "Old")])
        .unwrap();
    let find = async |name: &str| {
        ids(&caller
            .query(&format!("select id from Contacts where lastname='{name}';"))
            .await
            .result())
    };
    assert_eq!(find("old ").await, std::slice::from_ref(&id));
    caller
        .revise(&json!({"id": id, "lastname": "New"}))
        .await
        .result();
    assert!(find("Old").await.is_empty());
    assert_eq!(find("NEW").await, std::slice::from_ref(&id));
    let later = crm
        .insert_as_ui("Contacts", &[("lastname", "new")])
        .unwrap();
    assert_eq!(find("new").await, [id.clone(), later.clone()]);
    crm.remove(&id);
    assert_eq!(find("new").await, [later]);
}

#[tokio::test]
async fn times_are_written_in_the_servers_zone_with_whole_seconds() {
    let clock = ManualClock::new("2026-11-21T22:30:00.9Z".parse().unwrap());
    let crm = VtigerSandbox::builder()
        .time_zone_offset(3 * 3600)
        .clock(Clock::Manual(clock))
        .start()
        .await
        .unwrap();
    let id = crm
        .insert_as_ui("Contacts", &[("lastname", "Nairobi")])
        .unwrap();
    assert_eq!(
        crm.record(&id).unwrap().value("modifiedtime"),
        "2026-11-22 01:30:00"
    );
}

#[tokio::test]
async fn a_person_in_the_user_interface_is_shown_as_source_and_last_editor() {
    let crm = VtigerSandbox::builder()
        .user(UserSpec::admin("boss", "k1"))
        .user(UserSpec::admin("api", "k2"))
        .start()
        .await
        .unwrap();
    let session = raw::log_in(crm.port(), "api", "k2").await.result()["sessionName"]
        .as_str()
        .unwrap()
        .to_owned();
    let api = Caller {
        port: crm.port(),
        session,
    };
    let id = api
        .create(
            "Contacts",
            &json!({"lastname": "X", "assigned_user_id": "19x1"}),
        )
        .await
        .result()["id"]
        .clone();
    let id = id.as_str().unwrap();
    let editor = crm.record(id).unwrap();
    // The groups took the numbers 2 to 4.
    assert_eq!(
        (editor.value("source"), editor.value("modifiedby")),
        ("WEBSERVICE", "19x5")
    );
    assert!(crm.edit(id, &[("title", "seen")]));
    assert_eq!(crm.record(id).unwrap().value("modifiedby"), "19x1");
    assert!(!crm.edit(id, &[("no_such_field", "x")]));
    assert!(!crm.edit("12x999", &[("title", "x")]));
    assert_eq!(crm.insert_as_ui("NoModule", &[]), None);
}

#[tokio::test]
async fn a_comment_touches_its_record_and_a_task_does_not() {
    let clock = ManualClock::new("2026-11-21T06:00:00Z".parse().unwrap());
    let crm = VtigerSandbox::builder()
        .clock(Clock::Manual(clock.clone()))
        .start()
        .await
        .unwrap();
    let caller = Caller::log_in(&crm).await;
    let id = crm.insert_as_ui("Contacts", &[("lastname", "X")]).unwrap();
    clock.advance(std::time::Duration::from_secs(60));
    let task = json!({"subject": "T", "assigned_user_id": "19x1", "date_start": "2026-12-01", "time_start": "09:00:00",
        "due_date": "2026-12-02", "taskstatus": "Not Started", "activitytype": "Task", "contact_id": id});
    let task = caller.create("Calendar", &task).await.result();
    assert_eq!(
        (task["contact_id"].as_str(), task["duration_hours"].as_str()),
        (Some(id.as_str()), Some("39"))
    );
    assert_eq!(
        crm.record(&id).unwrap().value("modifiedtime"),
        "2026-11-21 06:00:00"
    );
    let comment = json!({"commentcontent": "C", "related_to": id, "assigned_user_id": "19x1"});
    caller.create("ModComments", &comment).await.result();
    assert_eq!(
        crm.record(&id).unwrap().value("modifiedtime"),
        "2026-11-21 06:01:00"
    );
}

#[tokio::test]
async fn a_task_without_its_type_is_an_event_and_cannot_be_retrieved_as_a_task() {
    let (crm, caller) = sandbox().await;
    let task = json!({"subject": "NoType", "assigned_user_id": "19x1", "date_start": "2026-12-01",
        "time_start": "09:00:00", "due_date": "2026-12-02", "taskstatus": "Not Started"});
    let created = caller.create("Calendar", &task).await.result();
    assert_eq!(
        (created["id"].as_str(), created["duration_hours"].as_str()),
        (Some("9x2"), Some("39"))
    );
    assert_eq!(
        created["taskstatus"], "Not Started",
        "shown although an event has no such field"
    );
    assert_eq!(caller.retrieve("9x2").await.code(), "INVALID_ID_ATTRIBUTE");
    assert_eq!(caller.retrieve("18x2").await.result()["subject"], "NoType");
    assert_eq!(crm.records("Events").len(), 1);
}

#[tokio::test]
async fn a_reference_to_a_deleted_record_reads_as_nothing_and_update_keeps_an_empty_one() {
    let (crm, caller) = sandbox().await;
    let account = crm
        .insert_as_ui("Accounts", &[("accountname", "A")])
        .unwrap();
    let contact = crm
        .insert_as_ui("Contacts", &[("lastname", "X"), ("account_id", &account)])
        .unwrap();
    let update =
        json!({"id": contact, "lastname": "X", "assigned_user_id": "19x1", "account_id": ""});
    assert_eq!(
        caller
            .post("update", &[("element", &update.to_string())])
            .await
            .result()["account_id"],
        json!(account)
    );
    crm.remove(&account);
    assert_eq!(caller.retrieve(&contact).await.result()["account_id"], "");
    let other = crm
        .insert_as_ui("Accounts", &[("accountname", "B")])
        .unwrap();
    caller
        .revise(&json!({"id": contact, "account_id": other}))
        .await
        .result();
    assert_eq!(
        caller
            .revise(&json!({"id": contact, "account_id": ""}))
            .await
            .result()["account_id"],
        ""
    );
}

#[tokio::test]
async fn operations_that_are_broken_on_stock_die() {
    let (_crm, caller) = sandbox().await;
    for (method, operation) in [
        ("GET", "sync"),
        ("POST", "convertlead"),
        ("POST", "logout"),
        ("GET", "files_retrieve"),
    ] {
        let answer = if method == "GET" {
            caller.get(operation, &[]).await
        } else {
            caller.post(operation, &[]).await
        };
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (500, ""),
            "{operation}"
        );
    }
    let answer = caller.post("deleteUser", &[("id", "19x1")]).await;
    assert_eq!(answer.text(), "Sorry! Attempt to access restricted file.");
    let mangled = caller
        .post(
            "create",
            &[("elementType", "Contacts"), ("element", "\"text\"")],
        )
        .await;
    assert_eq!(mangled.status, 500, "a JSON text in place of an object");
}

#[tokio::test]
async fn related_records_are_found_with_the_words_in_capitals() {
    let (crm, caller) = sandbox().await;
    let id = crm.insert_as_ui("Contacts", &[("lastname", "X")]).unwrap();
    crm.insert_as_ui(
        "ModComments",
        &[("commentcontent", "C1"), ("related_to", &id)],
    )
    .unwrap();
    let related = |query: &'static str, label: &'static str| {
        let (caller, id) = (caller.clone(), id.clone());
        async move {
            caller
                .get(
                    "query_related",
                    &[("query", query), ("id", &id), ("relatedLabel", label)],
                )
                .await
        }
    };
    let found = related(
        "select id,commentcontent from ModComments WHERE commentcontent='c1'",
        "ModComments",
    )
    .await;
    assert_eq!(found.result()[0]["commentcontent"], "C1");
    let lower = related(
        "select id from ModComments where commentcontent='c1'",
        "ModComments",
    )
    .await;
    assert_eq!(lower.code(), "QUERY_SYNTAX_ERROR");
    assert_eq!(
        related("select id from ModComments", "Nope").await.code(),
        "UNKOWN_ENTITY"
    );
    let parameters = [
        ("id", id.as_str()),
        ("relatedType", "ModComments"),
        ("relatedLabel", "ModComments"),
    ];
    let whole = caller.get("retrieve_related", &parameters).await.result();
    assert_eq!(whole[0]["related_to"], json!(id));
    assert!(whole[0].get("label").is_none());
    assert_eq!(
        related("select id from Documents", "Documents")
            .await
            .result(),
        json!([])
    );
    let types = caller
        .get("relatedtypes", &[("elementType", "Contacts")])
        .await
        .result();
    assert_eq!(types["information"]["Activities"]["name"], "Calendar");
}

#[tokio::test]
async fn simultaneous_creates_of_a_unique_value_slip_past_the_check_and_later_ones_do_not() {
    let crm = VtigerSandbox::builder()
        .unique_field("Contacts", "lastname")
        .start()
        .await
        .unwrap();
    let element = json!({"lastname": "Race", "assigned_user_id": "19x1"});
    let (one, other) = (Caller::log_in(&crm).await, Caller::log_in(&crm).await);
    let slow = Fault::Slow(std::time::Duration::from_secs(1));
    crm.faults().set(FaultPlan::new(0).nth("create", 1, slow));
    let text = element.to_string();
    let mut first = one
        .start_post("create", &[("elementType", "Contacts"), ("element", &text)])
        .await;
    // The first has made its check and stores later; the second does both meanwhile.
    assert!(
        crm.journal()
            .wait_until(|journal| !journal.faults().is_empty(), raw::PATIENCE)
            .await
    );
    other.create("Contacts", &element).await.result();
    raw::read(&mut first).await.result();
    assert_eq!(
        crm.journal().count_distinct_by("Contacts", "lastname")["Race"].len(),
        2
    );
    assert_eq!(one.create("Contacts", &element).await.code(), "0");
}

#[tokio::test]
async fn an_address_too_long_for_the_web_server_never_reaches_the_program() {
    let (crm, caller) = sandbox().await;
    let list = |count: usize| {
        (0..count)
            .map(|n| format!("'12x{n}'"))
            .collect::<Vec<_>>()
            .join(",")
    };
    let query = |count: usize| format!("select id from Contacts where id in ({});", list(count));
    assert_eq!(caller.query(&query(300)).await.result(), json!([]));
    let answer = caller.query(&query(900)).await;
    assert_eq!((answer.status, answer.content_type()), (414, "text/html"));
    assert_eq!(crm.journal().count_calls(Some("query")), 1);
}

#[tokio::test]
async fn only_json_is_spoken() {
    let (_crm, caller) = sandbox().await;
    assert_eq!(
        caller.get("listtypes", &[("format", "xml")]).await.status,
        500
    );
    assert_eq!(
        caller.get("listtypes", &[("format", "json")]).await.status,
        200
    );
}
