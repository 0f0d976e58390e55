//! The conflicts desk.

use serde_json::{Value, json};

use super::{column, linked, notice, rule};
use crate::harness::{World, Writer, on_both_databases};
use crate::http::Api;

on_both_databases!(
    a_field_that_both_sides_changed_waits_for_a_person_and_the_others_go_on,
    each_choice_is_carried_out_and_written_down,
    a_choice_can_become_the_rule_and_settles_the_others,
    a_conflict_ends_by_itself_when_both_sides_come_to_agree,
    a_choice_that_makes_no_sense_is_refused,
    a_choice_for_values_that_changed_meanwhile_is_asked_again,
);

const CONFLICTS: &str = "/api/internal/vtiger/conflicts";

/// A customer whose phone number was changed on both sides.
pub(crate) async fn in_conflict(
    world: &World,
    running: &pugmark::app::Running,
    program: &Writer,
    last_name: &str,
) -> (String, String) {
    let (customer, contact) = linked(world, program, last_name).await;
    assert!(world.crm.edit(&contact, &[("mobile", "0799000111")]));
    program.set(&customer, "phoneNumber", "'0700000009'").await;
    notice(running, &contact).await;
    program.wait_until_idle().await;
    (customer, contact)
}

async fn open(api: &Api) -> Vec<Value> {
    let list = api.get(CONFLICTS).await;
    assert_eq!(list.status, 200, "{}", list.text);
    list.data()["items"].as_array().expect("a list").clone()
}

async fn decide(api: &Api, conflict: &Value, body: &Value) -> crate::http::Answer {
    let id = conflict["id"].as_str().expect("an id");
    api.post(&format!("{CONFLICTS}/{id}/decision"), body).await
}

async fn a_field_that_both_sides_changed_waits_for_a_person_and_the_others_go_on(world: World) {
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    rule(&api, "phoneNumber", "both", "ask").await;
    rule(&api, "lastName", "both", "ask").await;
    let (customer, contact) = in_conflict(&world, &running, &program, "Otieno").await;
    let asked = open(&api).await;
    assert_eq!(asked.len(), 1, "{asked:?}");
    for (name, value) in [
        ("customerId", json!(customer)),
        ("source", json!("phoneNumber")),
        ("field", json!("mobile")),
        ("kind", json!("both_changed")),
        ("agreed", json!("0712345678")),
        ("microbima", json!("0700000009")),
        ("vtiger", json!("0799000111")),
        ("status", json!("OPEN")),
    ] {
        assert_eq!(asked[0][name], value, "{name}");
    }
    assert_eq!(
        program.link(&customer, "sync_error_code").await.as_deref(),
        Some("PUG-5101")
    );

    // Told again, asked once; and after a restart it is still the same question.
    notice(&running, &contact).await;
    program.wait_until_idle().await;
    running.shutdown().await;
    let running = world.start().await;
    let api = Api::of(&running);
    notice(&running, &contact).await;
    program.wait_until_idle().await;
    assert_eq!(open(&api).await[0]["id"], asked[0]["id"]);
    assert_eq!(program.count("conflicts").await, 1);

    // Other fields go on, in both directions; neither side of this one is touched.
    program.set(&customer, "lastName", "'Odhiambo'").await;
    let shown = world
        .wait_for_contact(&customer, |contact| contact.value("lastname") == "Odhiambo")
        .await;
    program.wait_until_idle().await;
    assert_eq!(shown.value("mobile"), "0799000111");
    assert_eq!(
        column(&program, &customer, "phoneNumber").await.as_deref(),
        Some("0700000009")
    );
    assert!(world.crm.edit(&contact, &[("lastname", "Onyango")]));
    notice(&running, &contact).await;
    program.wait_until_idle().await;
    assert_eq!(
        column(&program, &customer, "lastName").await.as_deref(),
        Some("Onyango")
    );
    assert_eq!(open(&api).await.len(), 1);
    assert_eq!(
        program.link(&customer, "sync_status").await.as_deref(),
        Some("FAILED"),
        "a person is needed"
    );
    let of_nobody = api
        .get(&format!("{CONFLICTS}?customerId={}", uuid::Uuid::nil()))
        .await;
    assert_eq!(of_nobody.data()["items"], json!([]));
    running.shutdown().await;
}

async fn each_choice_is_carried_out_and_written_down(world: World) {
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    rule(&api, "phoneNumber", "both", "ask").await;
    for (name, choice, both_have) in [
        (
            "Otieno",
            json!({ "choice": "microbima", "reason": "she called" }),
            "0700000009",
        ),
        ("Wekesa", json!({ "choice": "vtiger" }), "0799000111"),
        (
            "Kamau",
            json!({ "choice": "value", "value": "0733000333" }),
            "0733000333",
        ),
    ] {
        let (customer, contact) = in_conflict(&world, &running, &program, name).await;
        let conflict = open(&api).await.remove(0);
        let answer = decide(&api, &conflict, &choice).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        program.wait_until_idle().await;
        assert_eq!(
            column(&program, &customer, "phoneNumber").await.as_deref(),
            Some(both_have),
            "{name}"
        );
        let shown = world.crm.record(&contact).expect("the contact");
        assert_eq!(shown.value("mobile"), both_have, "{name}");
        let id = conflict["id"].as_str().expect("an id");
        let after = api.get(&format!("{CONFLICTS}/{id}")).await;
        assert_eq!(after.data()["status"], "RESOLVED", "{}", after.text);
        assert_eq!(after.data()["resolution"], "decided");
        assert_eq!(after.data()["decidedBy"], "token:APP_SECRET_TOKEN");
        assert_eq!(program.link(&customer, "sync_error").await, None, "{name}");
        assert!(open(&api).await.is_empty());
    }
    let audited = program
        .one("SELECT reason FROM audit_log WHERE action = 'conflict.decide' AND subject LIKE '%: microbima'")
        .await;
    assert_eq!(audited.as_deref(), Some("she called"));
    let resolved = api
        .get(&format!("{CONFLICTS}?status=resolved&limit=2"))
        .await;
    assert_eq!(resolved.data()["items"].as_array().map(Vec::len), Some(2));
    let next = resolved.data()["pagination"]["nextCursor"]
        .as_str()
        .expect("a third one follows");
    let rest = api
        .get(&format!(
            "{CONFLICTS}?status=resolved&limit=2&cursor={next}"
        ))
        .await;
    assert_eq!(
        rest.data()["items"].as_array().map(Vec::len),
        Some(1),
        "{}",
        rest.text
    );
    running.shutdown().await;
}

async fn a_choice_can_become_the_rule_and_settles_the_others(world: World) {
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    rule(&api, "phoneNumber", "both", "ask").await;
    let (one, _) = in_conflict(&world, &running, &program, "Otieno").await;
    let (other, _) = in_conflict(&world, &running, &program, "Wekesa").await;
    let conflict = open(&api).await.remove(0);
    let choice = json!({ "choice": "vtiger", "makeRule": true, "reason": "the call centre knows" });
    assert_eq!(decide(&api, &conflict, &choice).await.status, 202);
    program.wait_until_idle().await;
    for customer in [one, other] {
        assert_eq!(
            column(&program, &customer, "phoneNumber").await.as_deref(),
            Some("0799000111")
        );
    }
    assert!(open(&api).await.is_empty());
    let rule = program
        .one("SELECT on_conflict FROM vtiger_custom_field_mapping WHERE microbima_field = 'phoneNumber'")
        .await;
    assert_eq!(rule.as_deref(), Some("vtiger"));
    assert_eq!(
        program
            .count("audit_log WHERE action = 'conflict.rule'")
            .await,
        1
    );
    running.shutdown().await;
}

async fn a_conflict_ends_by_itself_when_both_sides_come_to_agree(world: World) {
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    rule(&api, "phoneNumber", "both", "ask").await;
    let (customer, contact) = in_conflict(&world, &running, &program, "Otieno").await;
    let conflict = open(&api).await.remove(0);
    let before = world.traffic();
    assert!(world.crm.edit(&contact, &[("mobile", "0700000009")]));
    notice(&running, &contact).await;
    program.wait_until_idle().await;
    assert!(open(&api).await.is_empty());
    assert_eq!((world.traffic() - before).revise, 0);
    assert_eq!(program.link(&customer, "sync_error").await, None);
    let late = decide(&api, &conflict, &json!({ "choice": "vtiger" })).await;
    assert_eq!(late.status, 409, "{}", late.text);
    running.shutdown().await;
}

async fn a_choice_that_makes_no_sense_is_refused(world: World) {
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    rule(&api, "phoneNumber", "both", "ask").await;
    let (_, contact) = in_conflict(&world, &running, &program, "Otieno").await;
    let conflict = open(&api).await.remove(0);
    for (body, field) in [
        (json!({ "choice": "both" }), "choice"),
        (json!({ "choice": "value" }), "value"),
        (
            json!({ "choice": "vtiger", "value": "0700000000" }),
            "value",
        ),
        (
            json!({ "choice": "value", "value": "her brother's" }),
            "value",
        ),
        (
            json!({ "choice": "value", "value": "0733000333", "makeRule": true }),
            "makeRule",
        ),
    ] {
        let answer = decide(&api, &conflict, &body).await;
        assert_eq!(answer.status, 422, "{body}: {}", answer.text);
        assert!(answer.text.contains(field), "{body}: {}", answer.text);
    }
    // What MicroBima cannot take cannot be chosen either.
    assert!(world.crm.edit(&contact, &[("mobile", "her brother's")]));
    rule(&api, "phoneNumber", "both", "vtiger").await;
    notice(&running, &contact).await;
    program.wait_until_idle().await;
    let conflict = open(&api).await.remove(0);
    assert_eq!(conflict["kind"], "not_accepted");
    let answer = decide(&api, &conflict, &json!({ "choice": "vtiger" })).await;
    assert_eq!(answer.status, 422, "{}", answer.text);
    let answer = decide(&api, &conflict, &json!({ "choice": "microbima" })).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    program.wait_until_idle().await;
    let shown = world.crm.record(&contact).expect("the contact");
    assert_eq!(shown.value("mobile"), "0700000009");
    let unknown = api.get(&format!("{CONFLICTS}/{}", uuid::Uuid::nil())).await;
    assert_eq!(unknown.status, 404);
    running.shutdown().await;
}

async fn a_choice_for_values_that_changed_meanwhile_is_asked_again(world: World) {
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    rule(&api, "phoneNumber", "both", "ask").await;
    let (customer, contact) = in_conflict(&world, &running, &program, "Otieno").await;
    let conflict = open(&api).await.remove(0);
    assert!(world.crm.edit(&contact, &[("mobile", "0799000222")]));
    let answer = decide(&api, &conflict, &json!({ "choice": "microbima" })).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    program.wait_until_idle().await;
    let again = open(&api).await.remove(0);
    assert_eq!(
        (&again["id"], &again["vtiger"]),
        (&conflict["id"], &json!("0799000222"))
    );
    let shown = world.crm.record(&contact).expect("the contact");
    assert_eq!(
        shown.value("mobile"),
        "0799000222",
        "nobody has decided about this one"
    );
    assert_eq!(
        column(&program, &customer, "phoneNumber").await.as_deref(),
        Some("0700000009")
    );
    running.shutdown().await;
}
