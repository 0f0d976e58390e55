//! The hosted edition's REST API.

use pugmark_sandbox::{
    Clock, CloudQuota, CustomField, CustomFieldKind, Edition, Fault, FaultPlan, ManualClock,
    VtigerSandbox,
};
use serde_json::{Value, json};

use crate::raw::{Answer, Caller, FORM, exchange, form};

const BASIC: (&str, &str) = ("Authorization", "Basic YWRtaW46U2FuZGJveEFjY2Vzc0tleQ==");

async fn sandbox(edition: Edition) -> VtigerSandbox {
    VtigerSandbox::builder()
        .edition(edition)
        .start()
        .await
        .unwrap()
}

async fn get(crm: &VtigerSandbox, call: &str, pairs: &[(&str, &str)]) -> Answer {
    exchange(
        crm.port(),
        "GET",
        &format!("/restapi/v1/vtiger/default/{call}?{}", form(pairs)),
        &[BASIC],
        b"",
    )
    .await
}

async fn post(crm: &VtigerSandbox, call: &str, pairs: &[(&str, &str)]) -> Answer {
    let target = format!("/restapi/v1/vtiger/default/{call}");
    exchange(
        crm.port(),
        "POST",
        &target,
        &[BASIC, FORM],
        form(pairs).as_bytes(),
    )
    .await
}

async fn create(crm: &VtigerSandbox, element: &Value) -> Answer {
    post(
        crm,
        "create",
        &[
            ("elementType", "Contacts"),
            ("element", &element.to_string()),
        ],
    )
    .await
}

fn contact(name: &str) -> Value {
    json!({"lastname": name, "assigned_user_id": "19x1"})
}

#[tokio::test]
async fn a_success_is_text_json_and_ids_carry_the_hosted_prefixes() {
    let crm = sandbox(Edition::Cloud).await;
    let answer = create(&crm, &contact("Cloud")).await;
    assert_eq!((answer.status, answer.content_type()), (200, "text/json"));
    assert_eq!(answer.result()["id"], "4x2");
    assert_eq!(
        answer.result()["isclosed"],
        0,
        "a number here, unlike everything else"
    );
    assert_eq!(
        get(&crm, "retrieve", &[("id", "4x2")]).await.result()["lastname"],
        "Cloud"
    );
    assert_eq!(
        get(&crm, "describe", &[("elementType", "Contacts")])
            .await
            .result()["idPrefix"],
        "4"
    );
    let found = get(
        &crm,
        "query",
        &[("query", "SELECT id FROM Contacts WHERE id='4x2';")],
    )
    .await;
    assert_eq!(found.result(), json!([{"id": "4x2"}]));
    assert_eq!(
        crm.journal().count_distinct_by("Contacts", "lastname")["Cloud"],
        ["4x2"]
    );
    assert_eq!(crm.record("4x2").unwrap().value("source"), "WEBSERVICE");
}

#[tokio::test]
async fn an_error_stands_in_the_reason_phrase_and_names_the_fields_label() {
    let crm = sandbox(Edition::Cloud).await;
    let answer = create(&crm, &json!({"lastname": "X"})).await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.reason,
        "MANDATORY_FIELDS_MISSING:Assigned To does not have a value"
    );
    assert!(answer.body.is_empty());
    create(&crm, &contact("X")).await.result();
    let update = json!({"id": "4x2", "title": "T"}).to_string();
    assert_eq!(
        post(&crm, "update", &[("element", &update)]).await.reason,
        "MANDATORY_FIELDS_MISSING:Last Name does not have a value"
    );
    assert_eq!(
        post(&crm, "revise", &[("element", &update)]).await.result()["title"],
        "T"
    );
}

#[tokio::test]
async fn who_is_unknown_gets_401_and_an_unknown_call_404() {
    let crm = sandbox(Edition::Cloud).await;
    for headers in [&[][..], &[("Authorization", "Basic YWRtaW46d3Jvbmc=")][..]] {
        let answer = exchange(
            crm.port(),
            "GET",
            "/restapi/v1/vtiger/default/me",
            headers,
            b"",
        )
        .await;
        assert_eq!(answer.status, 401);
        assert!(answer.reason.starts_with("AUTHENTICATION_REQUIRED:"));
    }
    let me = get(&crm, "me", &[]).await.result();
    assert_eq!(
        (me["id"].as_str(), me["is_admin"].as_str()),
        (Some("19x1"), Some("on"))
    );
    assert!(me.get("accesskey").is_none());
    assert_eq!(get(&crm, "nosuch", &[]).await.status, 404);
    assert_eq!(
        get(&crm, "create", &[("elementType", "Contacts")])
            .await
            .status,
        405
    );
}

#[tokio::test]
async fn all_five_encodings_of_a_write_are_read() {
    let crm = sandbox(Edition::Cloud).await;
    let target = "/restapi/v1/vtiger/default/create";
    let element = contact("E").to_string();
    let json_header = ("Content-Type", "application/json");
    let send = async |target: &str, header: (&str, &str), body: String| {
        exchange(
            crm.port(),
            "POST",
            target,
            &[BASIC, header],
            body.as_bytes(),
        )
        .await
        .result()
    };
    let pairs = form(&[("elementType", "Contacts"), ("element", &element)]);
    send(target, FORM, pairs.clone()).await;
    send(
        target,
        json_header,
        json!({"elementType": "Contacts", "element": element}).to_string(),
    )
    .await;
    send(
        target,
        json_header,
        json!({"elementType": "Contacts", "element": contact("E")}).to_string(),
    )
    .await;
    send(&format!("{target}?{pairs}"), FORM, String::new()).await;
    let part = |name: &str, value: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let parts = format!(
        "{}{}--b--\r\n",
        part("elementType", "Contacts"),
        part("element", &element)
    );
    send(
        target,
        ("Content-Type", "multipart/form-data; boundary=b"),
        parts,
    )
    .await;
    assert_eq!(crm.journal().count_created("Contacts"), 5);
}

#[tokio::test]
async fn quotas_are_shown_on_every_answer_and_end_in_429() {
    let clock = ManualClock::new("2026-11-21T06:30:10Z".parse().unwrap());
    let crm = VtigerSandbox::builder()
        .edition(Edition::Cloud)
        .clock(Clock::Manual(clock.clone()))
        .cloud_quota(CloudQuota {
            per_minute: 2,
            per_day: 100,
        })
        .start()
        .await
        .unwrap();
    let header = |answer: &Answer, name: &str| answer.headers[name].parse::<i64>().unwrap();
    let first = get(&crm, "me", &[]).await;
    assert_eq!(header(&first, "x-floodcontrol-minutelimit"), 2);
    assert_eq!(header(&first, "x-floodcontrol-remaining"), 1);
    assert_eq!(
        header(&first, "x-floodcontrol-reset"),
        clock.now().as_second() + 50
    );
    assert_eq!(header(&first, "x-ratelimit-dailylimit"), 100);
    assert_eq!(header(&first, "x-ratelimit-remaining"), 99);
    assert_eq!(
        get(&crm, "retrieve", &[("id", "x")]).await.headers["x-floodcontrol-remaining"],
        "0"
    );
    assert_eq!(create(&crm, &contact("Over")).await.status, 429);
    assert_eq!(crm.journal().count_created("Contacts"), 0);
    clock.advance(std::time::Duration::from_secs(50));
    create(&crm, &contact("Next minute")).await.result();
}

#[tokio::test]
async fn users_are_not_written_through_the_hosted_api() {
    let crm = sandbox(Edition::Cloud).await;
    let answer = post(
        &crm,
        "create",
        &[("elementType", "Users"), ("element", "{}")],
    )
    .await;
    assert_eq!(
        (answer.status, answer.reason.as_str()),
        (
            400,
            "ACCESS_DENIED:Permission to perform the operation is denied"
        )
    );
    let element = json!({"id": "19x1", "title": "x"}).to_string();
    for (call, pair) in [
        ("revise", ("element", element.as_str())),
        ("update", ("element", &element)),
        ("delete", ("id", "19x1")),
    ] {
        let answer = post(&crm, call, &[pair]).await;
        assert_eq!(
            (answer.status, answer.reason.as_str()),
            (
                400,
                "ACCESS_DENIED:Permission to perform the operation is denied"
            ),
            "{call}"
        );
    }
    assert_eq!(crm.users()[0].status, "Active");
}

#[tokio::test]
async fn roles_and_groups_can_be_queried() {
    let crm = sandbox(Edition::Cloud).await;
    assert!(crm.add_role("H7", "Customer Care"));
    let rows = async |query: &str| get(&crm, "query", &[("query", query)]).await.result();
    let roles = rows("select roleid,rolename,depth from Roles where roleid='H7';").await;
    assert_eq!(
        (&roles[0]["rolename"], &roles[0]["depth"]),
        (&json!("Customer Care"), &json!("5"))
    );
    let all = rows("select * from Roles;").await;
    assert_eq!(all.as_array().unwrap().len(), 6);
    assert_eq!(all[4]["parentrole"], "H1::H2::H3::H4::H5");
    let groups = rows("select groupname from Groups;").await;
    assert_eq!(groups[0]["groupname"], "Team Selling");
    let types = get(&crm, "listtypes", &[]).await.result();
    assert!(types["types"].as_array().unwrap().contains(&json!("Roles")));
    let described = get(&crm, "describe", &[("elementType", "Roles")]).await;
    assert_eq!(described.result()["createable"], false);
    let made = post(
        &crm,
        "create",
        &[("elementType", "Roles"), ("element", "{}")],
    )
    .await;
    assert!(made.reason.starts_with("ACCESS_DENIED:"));
}

#[tokio::test]
async fn comments_and_tasks_are_written_and_found_with_the_hosted_prefixes() {
    let crm = sandbox(Edition::Cloud).await;
    let contact = create(&crm, &contact("C")).await.result()["id"].clone();
    let write = async |module: &str, element: Value| {
        post(
            &crm,
            "create",
            &[("elementType", module), ("element", &element.to_string())],
        )
        .await
    };
    let comment = json!({"commentcontent": "[PM-1] Hello", "related_to": contact, "assigned_user_id": "19x1"});
    assert_eq!(write("ModComments", comment).await.result()["id"], "28x3");
    let alone = json!({"commentcontent": "about nothing", "assigned_user_id": "19x1"});
    assert_eq!(write("ModComments", alone).await.result()["related_to"], "");
    let task = json!({"subject": "Call", "assigned_user_id": "19x1", "date_start": "2026-12-01",
        "time_start": "09:00:00", "due_date": "2026-12-02", "taskstatus": "Not Started",
        "activitytype": "Task", "contact_id": contact});
    assert_eq!(
        write("Calendar", task).await.result()["contact_id"],
        contact
    );
    let about = contact.as_str().unwrap();
    for (module, condition, expected) in [
        (
            "ModComments",
            format!("related_to='{about}' and commentcontent like '%PM-1%'"),
            "28x3",
        ),
        ("Calendar", format!("contact_id='{about}'"), "9x5"),
    ] {
        let query = format!("SELECT id FROM {module} WHERE {condition};");
        let rows = get(&crm, "query", &[("query", &query)]).await.result();
        assert_eq!(rows, json!([{"id": expected}]));
    }
}

#[tokio::test]
async fn some_instances_have_no_leads() {
    let crm = VtigerSandbox::builder()
        .edition(Edition::Cloud)
        .cloud_leads(false)
        .start()
        .await
        .unwrap();
    let types = get(&crm, "listtypes", &[]).await.result();
    assert!(!types["types"].as_array().unwrap().contains(&json!("Leads")));
    assert_eq!(
        get(&crm, "describe", &[("elementType", "Leads")])
            .await
            .status,
        400
    );
    assert_eq!(
        get(&crm, "query", &[("query", "select id from Leads;")])
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn both_editions_can_stand_over_the_same_records() {
    let crm = sandbox(Edition::Both).await;
    create(&crm, &contact("Shared")).await.result();
    let caller = Caller::log_in(&crm).await;
    assert_eq!(caller.retrieve("12x2").await.result()["lastname"], "Shared");
    assert_eq!(crm.records("Contacts")[0].id, "12x2");
    let cloud_only = sandbox(Edition::Cloud).await;
    assert_eq!(
        exchange(cloud_only.port(), "GET", "/webservice.php", &[], b"")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn entities_are_stored_as_sent_by_the_hosted_revise() {
    let crm = sandbox(Edition::Cloud).await;
    create(&crm, &contact("X")).await.result();
    let element = json!({"id": "4x2", "title": "AT&amp;T"}).to_string();
    assert_eq!(
        post(&crm, "revise", &[("element", &element)])
            .await
            .result()["title"],
        "AT&amp;T"
    );
    assert_eq!(crm.record("4x2").unwrap().value("title"), "AT&amp;T");
}

#[tokio::test]
async fn faults_strike_the_hosted_api_too() {
    let crm = sandbox(Edition::Cloud).await;
    crm.faults().set(
        FaultPlan::new(0)
            .nth("create", 1, Fault::SuccessFalseAfterEffect)
            .nth(
                "create",
                2,
                Fault::TooMany {
                    retry_after: Some(3),
                },
            ),
    );
    let answer = create(&crm, &contact("Lied")).await;
    assert_eq!(
        answer.reason,
        "INTERNAL_SERVER_ERROR:Unknown Error while processing request"
    );
    assert!(answer.headers.contains_key("x-floodcontrol-remaining"));
    assert_eq!(crm.journal().count_created("Contacts"), 1);
    let answer = create(&crm, &contact("Later")).await;
    assert_eq!(
        (answer.status, answer.headers["retry-after"].as_str()),
        (429, "3")
    );
}

#[tokio::test]
async fn custom_fields_are_named_after_module_and_label_and_money_has_eight_decimals() {
    let crm = VtigerSandbox::builder()
        .edition(Edition::Cloud)
        .custom_field(CustomField::new("Contacts", "MSP Role", CustomFieldKind::Text).length(20))
        .custom_field(CustomField::new(
            "Contacts",
            "Premium",
            CustomFieldKind::Currency {
                digits: 10,
                scale: 2,
            },
        ))
        .start()
        .await
        .unwrap();
    let mut element = contact("Named");
    element["cf_contacts_msprole"] = json!("Owner");
    element["cf_contacts_premium"] = json!("849.15");
    let created = create(&crm, &element).await.result();
    assert_eq!(
        (
            &created["cf_contacts_msprole"],
            &created["cf_contacts_premium"]
        ),
        (&json!("Owner"), &json!("849.15000000"))
    );
    let described = get(&crm, "describe", &[("elementType", "Contacts")])
        .await
        .result();
    let role = described["fields"]
        .as_array()
        .unwrap()
        .iter()
        .find(|field| field["name"] == "cf_contacts_msprole");
    assert_eq!(role.unwrap()["type"]["length"], 20);
}

#[tokio::test]
async fn notlike_is_an_operator_of_the_hosted_edition_only() {
    let crm = sandbox(Edition::Both).await;
    create(&crm, &contact("Alpha")).await.result();
    create(&crm, &contact("Beta")).await.result();
    let query = "select lastname from Contacts where lastname notlike 'al%';";
    let found = get(&crm, "query", &[("query", query)]).await.result();
    assert_eq!(found, json!([{"lastname": "Beta", "id": "4x3"}]));
    assert_eq!(
        Caller::log_in(&crm).await.query(query).await.code(),
        "QUERY_SYNTAX_ERROR"
    );
}
