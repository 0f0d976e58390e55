//! The extension's bulk upsert and its custom fields.

use pugmark_sandbox::{CustomField, CustomFieldKind, UserSpec, VtigerSandbox};
use serde_json::{Value, json};

use crate::raw::{self, Answer, Caller};

async fn sandbox() -> (VtigerSandbox, Caller) {
    let field = |name: &str| CustomField::new("Contacts", name, CustomFieldKind::Text).named(name);
    let crm = VtigerSandbox::builder()
        .with_extension()
        .user(UserSpec::admin("admin", "k1"))
        .user(UserSpec::standard("agent", "k2"))
        .custom_field(field("c_ref").length(20))
        .start()
        .await
        .unwrap();
    let caller = Caller::log_in(&crm).await;
    (crm, caller)
}

async fn upsert(caller: &Caller, elements: &Value) -> Answer {
    let elements = elements.to_string();
    let pairs = [
        ("elementType", "Contacts"),
        ("reference", "c_ref"),
        ("elements", &elements),
        ("options", "{}"),
    ];
    caller.post("pugmark.upsert", &pairs).await
}

fn person(reference: &str, mobile: &str) -> Value {
    json!({
        "reference": reference,
        "fields": {"lastname": "Were", "mobile": mobile},
        "createOnly": {"assigned_user_id": "19x1"},
    })
}

fn statuses(answer: &Answer) -> Vec<String> {
    let result = answer.result();
    let results = result["results"].as_array().unwrap();
    let said = |one: &Value| {
        one["code"]
            .as_str()
            .or(one["status"].as_str())
            .map(str::to_owned)
    };
    results.iter().map(|one| said(one).unwrap()).collect()
}

#[tokio::test]
async fn each_element_is_created_then_updated_then_left_alone() {
    let (crm, caller) = sandbox().await;
    let first = upsert(&caller, &json!([person("a", "1"), person("b", "1")])).await;
    assert_eq!(statuses(&first), ["created", "created"]);
    let again = upsert(
        &caller,
        &json!([person("a", "1"), person("b", "2"), person("c", "3")]),
    )
    .await;
    assert_eq!(statuses(&again), ["unchanged", "updated", "created"]);
    let id = |answer: &Answer, at: usize| answer.result()["results"][at]["id"].clone();
    assert_eq!(
        [id(&again, 0), id(&again, 1)],
        [id(&first, 0), id(&first, 1)]
    );
    assert_eq!(crm.journal().count_created("Contacts"), 3);
    assert_eq!(crm.record("12x3").unwrap().value("mobile"), "2");
    assert_eq!(crm.record("12x3").unwrap().value("c_ref"), "b");
}

#[tokio::test]
async fn a_record_made_before_the_extension_is_found_by_its_field_and_two_are_ambiguous() {
    let (crm, caller) = sandbox().await;
    let old = crm
        .insert_as_ui("Contacts", &[("lastname", "Old"), ("c_ref", "a")])
        .unwrap();
    for _ in 0..2 {
        crm.insert_as_ui("Contacts", &[("lastname", "Twin"), ("c_ref", "t")])
            .unwrap();
    }
    crm.insert_as_ui("Contacts", &[("lastname", "Other"), ("c_ref", "A")])
        .unwrap();
    let answer = upsert(&caller, &json!([person("a", "1"), person("t", "1")])).await;
    assert_eq!(statuses(&answer), ["updated", "AMBIGUOUS_REFERENCE"]);
    assert_eq!(answer.result()["results"][0]["id"], json!(old));
}

#[tokio::test]
async fn an_edit_by_a_person_that_was_not_expected_is_a_conflict_and_nothing_is_written() {
    let (crm, caller) = sandbox().await;
    upsert(&caller, &json!([person("a", "1")])).await;
    crm.edit("12x2", &[("mobile", "by hand")]);
    let mut wish = person("a", "2");
    wish["expect"] = json!({"mobile": "1"});
    let answer = upsert(&caller, &json!([wish])).await.result();
    let expected = json!({"reference": "a", "status": "conflict", "id": "12x2", "current": {"mobile": "by hand"}});
    assert_eq!(answer["results"][0], expected);
    assert_eq!(crm.record("12x2").unwrap().value("mobile"), "by hand");
    wish["expect"] = json!({"mobile": "by hand"});
    assert_eq!(
        statuses(&upsert(&caller, &json!([wish])).await),
        ["updated"]
    );
}

#[tokio::test]
async fn a_deleted_record_is_told_and_not_made_again() {
    let (crm, caller) = sandbox().await;
    upsert(&caller, &json!([person("a", "1")])).await;
    crm.remove("12x2");
    let answer = upsert(&caller, &json!([person("a", "1")])).await;
    assert_eq!(statuses(&answer), ["RECORD_DELETED"]);
    assert_eq!(answer.result()["results"][0]["id"], "12x2");
    crm.restore("12x2");
    assert_eq!(
        statuses(&upsert(&caller, &json!([person("a", "1")])).await),
        ["unchanged"]
    );
}

#[tokio::test]
async fn a_call_that_died_in_the_middle_is_repeated_without_a_second_record() {
    let (crm, caller) = sandbox().await;
    let wish = json!([person("a", "1"), person("b", "1"), person("c", "1")]);
    crm.break_next_upsert_after(2);
    assert_eq!(upsert(&caller, &wish).await.status, 500);
    assert_eq!(crm.journal().count_created("Contacts"), 2);
    let again = upsert(&caller, &wish).await;
    assert_eq!(statuses(&again), ["unchanged", "updated", "created"]);
    assert_eq!(crm.journal().count_created("Contacts"), 3);
}

#[tokio::test]
async fn one_bad_element_refuses_itself_alone() {
    let (crm, caller) = sandbox().await;
    let answer = upsert(
        &caller,
        &json!([
            {"reference": "a", "fields": {"lastname": "No owner"}},
            {"reference": "", "fields": {}},
            {"reference": "b", "fields": {"nothing": "x"}},
            {"reference": "longer than twenty characters", "fields": {}},
            "no object",
            {"reference": "c", "fields": {"lastname": "Nobody's", "assigned_user_id": "19x999"}},
            {"reference": "d", "fields": {"lastname": "Bare", "account_id": "11"}},
            {"reference": "e", "fields": {"lastname": "When", "createdtime": "2020-01-01 00:00:00"}},
            {"reference": "f", "fields": {"lastname": "Other", "c_ref": "g"}},
            person("good", "1"),
        ]),
    )
    .await;
    assert_eq!(
        statuses(&answer),
        [
            "MANDATORY_FIELDS_MISSING",
            "INVALID_INPUT",
            "INVALID_FIELD",
            "INVALID_INPUT",
            "INVALID_INPUT",
            "REFERENCE_INVALID",
            "REFERENCE_INVALID",
            "INVALID_FIELD",
            "INVALID_FIELD",
            "created"
        ]
    );
    assert_eq!(crm.journal().count_created("Contacts"), 1);
}

#[tokio::test]
async fn a_call_of_the_wrong_shape_is_refused_as_a_whole() {
    let (_crm, caller) = sandbox().await;
    let many: Vec<Value> = (0..101).map(|n| person(&n.to_string(), "1")).collect();
    assert_eq!(upsert(&caller, &json!(many)).await.code(), "TOO_MANY");
    assert_eq!(
        upsert(&caller, &json!({"a": 1})).await.code(),
        "INVALID_INPUT"
    );
    let named = async |module: &str, field: &str| {
        let pairs = [
            ("elementType", module),
            ("reference", field),
            ("elements", "[]"),
        ];
        caller.post("pugmark.upsert", &pairs).await.code()
    };
    assert_eq!(named("Contacts", "nothing").await, "INVALID_INPUT");
    assert_eq!(named("Users", "user_name").await, "ACCESS_DENIED");
    assert_eq!(named("Nope", "c_ref").await, "ACCESS_DENIED");
}

#[tokio::test]
async fn nobody_but_an_administrator_may_upsert() {
    let (crm, _) = sandbox().await;
    let login = raw::log_in(crm.port(), "agent", "k2").await.result();
    let agent = Caller {
        port: crm.port(),
        session: login["sessionName"].as_str().unwrap().to_owned(),
    };
    assert_eq!(
        upsert(&agent, &json!([person("a", "1")])).await.code(),
        "ACCESS_DENIED"
    );
    assert_eq!(
        agent
            .post("pugmark.setup", &[("options", "{}")])
            .await
            .code(),
        "ACCESS_DENIED"
    );
}

#[tokio::test]
async fn setup_adds_the_fields_to_a_module_with_records_and_once() {
    let (crm, caller) = sandbox().await;
    let id = crm
        .insert_as_ui("Contacts", &[("lastname", "Old"), ("c_ref", "kept")])
        .unwrap();
    let gone = crm
        .insert_as_ui("Contacts", &[("lastname", "Gone"), ("c_ref", "too")])
        .unwrap();
    crm.remove(&gone);
    let options = json!({"modules": ["Contacts", "Leads"]}).to_string();
    let setup = async || {
        caller
            .post("pugmark.setup", &[("options", &options)])
            .await
            .result()
    };
    let made = setup().await;
    assert_eq!(made["fields"].as_array().unwrap().len(), 10);
    assert!(
        made["fields"]
            .as_array()
            .unwrap()
            .iter()
            .all(|field| field["created"] == true)
    );
    assert_eq!(made["index"]["created"], true);
    let again = setup().await;
    assert!(
        again["fields"]
            .as_array()
            .unwrap()
            .iter()
            .all(|field| field["created"] == false)
    );
    assert_eq!(again["index"]["created"], false);
    crm.restore(&gone);
    assert_eq!(crm.record(&gone).unwrap().value("c_ref"), "too");
    assert_eq!(crm.record(&id).unwrap().value("c_ref"), "kept");
    assert_eq!(
        crm.record(&id).unwrap().value("cf_weekly_payment_total"),
        "0.00"
    );
    let values = json!({"id": id, "cf_microbima_customer_id": "m-1", "cf_payment_count": "3"});
    assert_eq!(
        caller.revise(&values).await.result()["cf_payment_count"],
        "3"
    );
    let found = caller
        .query("select id from Contacts where cf_microbima_customer_id='m-1';")
        .await;
    assert_eq!(found.result()[0]["id"], json!(id));
    assert_eq!(
        caller
            .post("pugmark.setup", &[("options", "{}")])
            .await
            .code(),
        "INVALID_INPUT"
    );
}

#[tokio::test]
async fn a_caller_who_is_not_on_the_list_is_told_so_and_lacks_the_password_operations() {
    let crm = VtigerSandbox::builder()
        .with_extension()
        .password_callers(&["boss"])
        .start()
        .await
        .unwrap();
    let caller = Caller::log_in(&crm).await;
    let info = caller.get("pugmark.info", &[]).await.result();
    assert_eq!(info["passwords"], false);
    let operations = info["operations"].as_array().unwrap();
    assert_eq!(operations.len(), 7);
    assert!(!operations.contains(&json!("pugmark.user_create")));
    let pairs = [("id", "19x1"), ("password", "Tausi-1-Simba")];
    assert_eq!(
        caller.post("pugmark.user_password", &pairs).await.code(),
        "ACCESS_DENIED"
    );
    assert!(!crm.user_password_is("19x1", "Tausi-1-Simba"));
}

#[tokio::test]
async fn a_role_can_be_named_by_its_name() {
    let (crm, caller) = sandbox().await;
    crm.add_role("H7", "Customer Care");
    let element = json!({
        "user_name": "asha", "user_password": "Tausi-1-Simba", "first_name": "Asha", "last_name": "Were",
        "email1": "asha@example.com", "roleid": "Customer Care", "reference": "staff-1",
    });
    let made = caller
        .post("pugmark.user_create", &[("element", &element.to_string())])
        .await;
    assert_eq!(made.result()["roleid"], "H7");
}
