//! Blank fields of people: noted, resolved, expired; noted and resolved by themselves when people are edited.

use serde_json::{Value, json};

use super::dependants::{child, family};
use super::{CUSTOMERS, customer, register, started_quiet};
use crate::harness::{World, Writer, new_id, on_both_databases};
use crate::http::Api;

on_both_databases!(
    a_requirement_makes_the_registration_it_belongs_to_and_the_next_one_shares_it,
    the_ambassador_who_registered_the_customer_need_not_be_named,
    a_requirement_is_resolved_or_expires_and_then_stays_as_it_is,
    the_customers_flag_says_whether_any_is_open,
    the_person_may_be_named_later_and_must_be_one_of_the_customers,
    an_edited_dependant_has_its_blank_fields_noted_and_the_filled_ones_resolved,
    the_list_shows_all_customers_and_filters_by_status,
    what_is_wrong_with_a_requirement_is_told_field_by_field,
    a_requirement_of_nobody_is_404_and_an_id_that_is_none_422,
);

const ALL: &str = "/api/internal/missing-requirements";

fn of(customer: &str) -> String {
    format!("{CUSTOMERS}/{customer}/missing-requirements")
}

fn path_of(data: &Value) -> String {
    let id = data["id"].as_str().expect("an id");
    format!("{ALL}/{id}")
}

/// An ambassador and the login.
pub(super) async fn ambassador(program: &Writer) -> (String, String) {
    let (id, login) = (new_id(), new_id());
    ambassador_as(program, &id, &login).await;
    (id, login)
}

/// An ambassador with these ids, of the one partner there is.
pub(super) async fn ambassador_as(program: &Writer, id: &str, login: &str) {
    program
        .sql(format!(
            "INSERT INTO brand_ambassadors (\"id\", \"userId\", \"partnerId\", \"displayName\", \"perRegistrationRateCents\", \
             \"updatedAt\") SELECT '{id}', '{login}', \"id\", 'Wanjiku Kamau', 5000, \"createdAt\" FROM partners"
        ))
        .await;
}

fn blank(kind: &str, field: &str, ambassador: &str) -> Value {
    json!({ "entityKind": kind, "fieldPath": field, "brandAmbassadorId": ambassador })
}

async fn flag(program: &Writer) -> bool {
    program
        .count("customers WHERE \"hasMissingRequirements\"")
        .await
        > 0
}

async fn note(api: &Api, customer: &str, body: &Value) -> Value {
    let made = api.post(&of(customer), body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.data().clone()
}

async fn a_requirement_makes_the_registration_it_belongs_to_and_the_next_one_shares_it(
    mut world: World,
) {
    let (running, api) = started_quiet(&mut world).await;
    let program = world.other_program().await;
    let (agent, _) = ambassador(&program).await;
    let customer = register(&api, &customer(1)).await;
    let first = note(&api, &customer, &blank("child", "dateOfBirth", &agent)).await;
    assert_eq!(first["entityKind"], "CHILD");
    assert_eq!(first["fieldPath"], "dateOfBirth");
    assert_eq!(first["status"], "PENDING");
    assert_eq!(first["customerId"], customer);
    assert_eq!(first["entityId"], Value::Null);
    assert_eq!(first["resolvedAt"], Value::Null);
    assert_eq!(api.get(&path_of(&first)).await.data(), &first);
    let second = json!({ "entityKind": "SPOUSE", "fieldPath": "gender" });
    let second = note(&api, &customer, &second).await;
    assert_eq!(second["registrationId"], first["registrationId"]);
    assert_eq!(
        program
            .count(&format!(
                "agent_registrations WHERE \"baId\" = '{agent}' AND \"registrationStatus\" = 'COMPLETED' \
                 AND \"completedAt\" IS NOT NULL AND \"partnerId\" = 1"
            ))
            .await,
        1
    );
    running.shutdown().await;
}

async fn the_ambassador_who_registered_the_customer_need_not_be_named(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let program = world.other_program().await;
    let (agent, login) = ambassador(&program).await;
    let customer = register(&api, &customer(1)).await;
    let path = of(&customer);
    let body = json!({ "entityKind": "CHILD", "fieldPath": "gender" });
    let refused = api.post(&path, &body).await;
    refused.assert_error(422, "VALIDATION_ERROR", &path);
    assert_eq!(refused.wrong_fields(), ["brandAmbassadorId"]);
    program
        .set(&customer, "createdBy", &format!("'{login}'"))
        .await;
    note(&api, &customer, &body).await;
    let by = program
        .one("SELECT CAST(\"baId\" AS TEXT) FROM agent_registrations")
        .await;
    assert_eq!(by, Some(agent));
    running.shutdown().await;
}

async fn a_requirement_is_resolved_or_expires_and_then_stays_as_it_is(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let program = world.other_program().await;
    let (agent, login) = ambassador(&program).await;
    let customer = register(&api, &customer(1)).await;
    let by_system = path_of(&note(&api, &customer, &blank("CHILD", "gender", &agent)).await);
    let by_person = path_of(&note(&api, &customer, &blank("CHILD", "lastName", &agent)).await);
    let expired = path_of(&note(&api, &customer, &blank("SPOUSE", "gender", &agent)).await);

    let resolved = api
        .patch(&by_system, &json!({ "status": "RESOLVED" }))
        .await;
    assert_eq!(resolved.data()["status"], "RESOLVED", "{}", resolved.text);
    assert_eq!(resolved.data()["resolvedBy"], "system");
    assert!(resolved.data()["resolvedAt"].is_string());
    let body = json!({ "status": "RESOLVED", "resolvedBy": login });
    let resolved = api.patch(&by_person, &body).await;
    assert_eq!(resolved.data()["resolvedBy"], login);
    let gone = api.patch(&expired, &json!({ "status": "EXPIRED" })).await;
    assert_eq!(gone.data()["status"], "EXPIRED");
    assert_eq!(gone.data()["resolvedAt"], Value::Null);

    let again = api.patch(&by_person, &body).await;
    assert_eq!(
        again.data()["resolvedAt"],
        resolved.data()["resolvedAt"],
        "no second time"
    );
    for (path, body) in [
        (&by_system, json!({ "status": "PENDING" })),
        (&by_system, json!({ "status": "EXPIRED" })),
        (&expired, json!({ "status": "RESOLVED" })),
        (&by_system, json!({ "entityId": new_id() })),
    ] {
        let refused = api.patch(path, &body).await;
        refused.assert_error(409, "CONFLICT", path);
    }
    // The field is blank again: a new row.
    let second = note(&api, &customer, &blank("CHILD", "gender", &agent)).await;
    let twice = api
        .post(&of(&customer), &blank("CHILD", "gender", &agent))
        .await;
    twice.assert_error(409, "CONFLICT", &of(&customer));
    assert!(
        twice
            .message()
            .contains(second["id"].as_str().expect("an id"))
    );
    running.shutdown().await;
}

async fn the_customers_flag_says_whether_any_is_open(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let program = world.other_program().await;
    let (agent, _) = ambassador(&program).await;
    let customer = register(&api, &customer(1)).await;
    assert!(!flag(&program).await);
    let first = path_of(&note(&api, &customer, &blank("CHILD", "gender", &agent)).await);
    let second = path_of(&note(&api, &customer, &blank("CHILD", "lastName", &agent)).await);
    assert!(flag(&program).await);
    api.patch(&first, &json!({ "status": "RESOLVED" })).await;
    assert!(flag(&program).await);
    api.patch(&second, &json!({ "status": "EXPIRED" })).await;
    assert!(!flag(&program).await);
    let updates = program
        .count("change_log WHERE table_name = 'customers' AND event = 'UPDATE'")
        .await;
    assert_eq!(updates, 0, "the flag is no change of the customer");
    running.shutdown().await;
}

async fn the_person_may_be_named_later_and_must_be_one_of_the_customers(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let program = world.other_program().await;
    let (agent, _) = ambassador(&program).await;
    let (customer_id, dependants) = family(&api).await;
    let zuri = api.post(&dependants, &child()).await.data()["id"].clone();
    let other = register(&api, &customer(2)).await;
    let strangers = format!("{CUSTOMERS}/{other}/dependants");
    let stranger = api.post(&strangers, &child()).await.data()["id"].clone();
    let path = path_of(&note(&api, &customer_id, &blank("CHILD", "idNumber", &agent)).await);

    for entity in [stranger, json!(new_id()), json!(customer_id)] {
        let refused = api.patch(&path, &json!({ "entityId": entity })).await;
        refused.assert_error(422, "VALIDATION_ERROR", &path);
        assert_eq!(refused.wrong_fields(), ["entityId"]);
    }
    let named = api.patch(&path, &json!({ "entityId": zuri })).await;
    assert_eq!(named.data()["entityId"], zuri);
    assert_eq!(named.data()["status"], "PENDING");
    let mut spouse = blank("SPOUSE", "idNumber", &agent);
    spouse["entityId"] = zuri.clone();
    let refused = api.post(&of(&customer_id), &spouse).await;
    assert_eq!(refused.wrong_fields(), ["entityId"], "a child is no spouse");
    let mut own = blank("CUSTOMER", "middleName", &agent);
    own["entityId"] = json!(customer_id.to_uppercase());
    assert_eq!(
        note(&api, &customer_id, &own).await["entityId"],
        customer_id
    );
    running.shutdown().await;
}

async fn an_edited_dependant_has_its_blank_fields_noted_and_the_filled_ones_resolved(
    mut world: World,
) {
    let (running, api) = started_quiet(&mut world).await;
    let program = world.other_program().await;
    let (agent, _) = ambassador(&program).await;
    let (customer, dependants) = family(&api).await;
    let zuri = api.post(&dependants, &child()).await.data()["id"].clone();
    let path = format!("/api/internal/dependants/{}", zuri.as_str().expect("an id"));
    api.patch(&path, &json!({ "gender": null })).await;
    assert_eq!(
        program.count("missing_requirements").await,
        0,
        "no agent registered the customer"
    );
    note(&api, &customer, &blank("SPOUSE", "gender", &agent)).await;

    api.patch(&path, &json!({ "middleName": "A." })).await;
    let open = api.get(&format!("{}?status=pending", of(&customer))).await;
    let items = open.data()["items"].as_array().expect("a list").clone();
    assert_eq!(items.len(), 2, "{}", open.text);
    let noted = items
        .iter()
        .find(|row| row["entityId"] == zuri)
        .expect("the blank field");
    assert_eq!(
        (&noted["entityKind"], &noted["fieldPath"]),
        (&json!("CHILD"), &json!("gender"))
    );
    api.patch(&path, &json!({ "middleName": null })).await;
    assert_eq!(program.count("missing_requirements").await, 2, "noted once");

    api.patch(&path, &json!({ "gender": "female" })).await;
    let resolved = api.get(&path_of(noted)).await;
    assert_eq!(resolved.data()["status"], "RESOLVED");
    assert_eq!(resolved.data()["resolvedBy"], "system");
    assert!(flag(&program).await, "the spouse's is still open");
    running.shutdown().await;
}

async fn the_list_shows_all_customers_and_filters_by_status(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let program = world.other_program().await;
    let (agent, _) = ambassador(&program).await;
    let mut seen = Vec::new();
    for number in 1..=3 {
        let customer = register(&api, &customer(number)).await;
        seen.push(note(&api, &customer, &blank("CHILD", "gender", &agent)).await);
    }
    api.patch(&path_of(&seen[0]), &json!({ "status": "RESOLVED" }))
        .await;
    let ids = async |query: &str| {
        let page = api.get(&format!("{ALL}{query}")).await;
        let items = page.data()["items"].as_array().expect("a list").clone();
        items
            .into_iter()
            .map(|row| row["id"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        ids("").await,
        [&seen[2]["id"], &seen[1]["id"], &seen[0]["id"]].map(Clone::clone),
        "newest first"
    );
    assert_eq!(ids("?status=RESOLVED").await, [seen[0]["id"].clone()]);
    let page = api.get(&format!("{ALL}?limit=2")).await;
    let cursor = page.data()["pagination"]["nextCursor"]
        .as_str()
        .expect("more");
    assert_eq!(
        ids(&format!("?limit=2&cursor={cursor}")).await,
        [seen[0]["id"].clone()]
    );
    for (query, field) in [("?status=OPEN", "status"), ("?cursor=x", "cursor")] {
        let refused = api.get(&format!("{ALL}{query}")).await;
        assert_eq!(
            (refused.status, refused.wrong_fields()),
            (422, vec![field.to_owned()])
        );
    }
    let unknown = api.get(&format!("{ALL}?state=OPEN")).await;
    assert_eq!(
        (unknown.status, unknown.wrong_fields()),
        (400, vec!["state".to_owned()])
    );
    running.shutdown().await;
}

async fn what_is_wrong_with_a_requirement_is_told_field_by_field(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let program = world.other_program().await;
    let (agent, _) = ambassador(&program).await;
    let customer = register(&api, &customer(1)).await;
    let path = of(&customer);
    let wrong = json!({
        "entityKind": "COUSIN", "entityId": "zuri", "fieldPath": "date of birth'; --", "brandAmbassadorId": "me",
    });
    let refused = api.post(&path, &wrong).await;
    refused.assert_error(422, "VALIDATION_ERROR", &path);
    assert_eq!(
        refused.wrong_fields(),
        ["brandAmbassadorId", "entityId", "entityKind", "fieldPath"]
    );
    let empty = api.post(&path, &json!({})).await;
    assert_eq!(empty.wrong_fields(), ["entityKind", "fieldPath"]);
    let nobody = api.post(&path, &blank("CHILD", "gender", &new_id())).await;
    assert_eq!(nobody.wrong_fields(), ["brandAmbassadorId"]);
    for (body, field) in [
        (json!({ "fieldPath": 5 }), "fieldPath"),
        (json!({ "status": "PENDING" }), "status"),
    ] {
        let refused = api.post(&path, &body).await;
        refused.assert_error(400, "VALIDATION_ERROR", &path);
        assert_eq!(refused.wrong_fields(), [field]);
    }
    assert_eq!(
        program.count("agent_registrations").await,
        0,
        "nothing half-done"
    );
    let path = path_of(&note(&api, &customer, &blank("CHILD", "gender", &agent)).await);
    for (body, field) in [
        (json!({ "status": "DONE" }), "status"),
        (
            json!({ "status": "RESOLVED", "resolvedBy": "Robert'); --" }),
            "resolvedBy",
        ),
        (json!({ "entityId": "\u{1F405}" }), "entityId"),
    ] {
        let refused = api.patch(&path, &body).await;
        refused.assert_error(422, "VALIDATION_ERROR", &path);
        assert_eq!(refused.wrong_fields(), [field]);
    }
    running.shutdown().await;
}

async fn a_requirement_of_nobody_is_404_and_an_id_that_is_none_422(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let nobody = of(&new_id());
    api.post(&nobody, &blank("CHILD", "gender", &new_id()))
        .await
        .assert_error(404, "NOT_FOUND", &nobody);
    api.get(&nobody)
        .await
        .assert_error(404, "NOT_FOUND", &nobody);
    let nothing = format!("{ALL}/{}", new_id());
    api.get(&nothing)
        .await
        .assert_error(404, "NOT_FOUND", &nothing);
    api.patch(&nothing, &json!({ "status": "RESOLVED" }))
        .await
        .assert_error(404, "NOT_FOUND", &nothing);
    let wrong = api.get(&format!("{ALL}/1")).await;
    assert_eq!(
        (wrong.status, wrong.wrong_fields()),
        (422, vec!["id".to_owned()])
    );
    running.shutdown().await;
}
