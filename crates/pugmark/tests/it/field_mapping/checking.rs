//! What is refused, and in which words.

use reqwest::Method;
use serde_json::json;

use super::{MAPPINGS, PARTNER, added, listed, mapping, spacious};
use crate::harness::{World, on_both_databases};
use crate::http::{Api, answer};

on_both_databases!(
    the_list_says_which_field_each_mapping_means_and_whether_it_works,
    a_mapping_that_cannot_work_is_refused_with_the_column_and_the_reason,
    two_mappings_never_fill_one_field_whatever_they_call_it,
    what_deliveries_cannot_do_without_stays,
    while_vtiger_cannot_be_asked_nothing_is_stored_unless_it_is_wanted_unchecked,
    a_field_made_a_moment_ago_is_found_and_a_mapping_switched_off_may_name_what_is_gone,
    changes_are_audited_and_two_at_once_lose_nothing,
    only_what_people_may_edit_in_the_crm_comes_back,
);

async fn the_list_says_which_field_each_mapping_means_and_whether_it_works(world: World) {
    let running = world.start().await;
    let api = Api::of(&running);
    let number = listed(&api, "idNumber").await.expect("a default mapping");
    assert_eq!(number["usable"], true, "{number}");
    assert_eq!(number["vtigerFieldName"], "cf_id_number");
    assert_eq!(number["resolvesTo"]["apiName"], world.field("ID Number"));
    assert_eq!(number["resolvesTo"]["label"], "ID Number");
    assert_eq!(number["resolvesTo"]["type"], "string");
    assert_eq!(number["resolvesTo"]["editable"], true);
    let born = listed(&api, "dateOfBirth")
        .await
        .expect("a default mapping");
    assert_eq!(born["resolvesTo"]["type"], "date");

    let program = world.other_program().await;
    program
        .sql(
            "INSERT INTO vtiger_custom_field_mapping (microbima_field, vtiger_field_name, field_type) \
             VALUES ('shoeSize', 'otherphone', 'TEXT'), ('createdBy', 'cf_nowhere', 'TEXT')",
        )
        .await;
    let unknown = listed(&api, "shoeSize").await.expect("written by hand");
    assert_eq!(unknown["usable"], false);
    assert_eq!(unknown["code"], "PUG-2101", "{unknown}");
    let nowhere = listed(&api, "createdBy").await.expect("written by hand");
    assert_eq!(nowhere["code"], "PUG-2102", "{nowhere}");
    assert!(nowhere["why"].as_str().unwrap().contains("cf_nowhere"));

    let sources = api.get(&format!("{MAPPINGS}/sources")).await;
    let named = |name: &str| {
        let list = sources.data().as_array().expect("a list");
        list.iter().find(|source| source["name"] == name).cloned()
    };
    assert_eq!(named("firstName").unwrap()["deliveredWhenChanged"], true);
    assert_eq!(named("partnerName").unwrap()["deliveredWhenChanged"], false);
    running.shutdown().await;
}

async fn a_mapping_that_cannot_work_is_refused_with_the_column_and_the_reason(world: World) {
    let world = spacious(world).await;
    let running = world.start().await;
    let api = Api::of(&running);
    let before = api.get(MAPPINGS).await.text;
    let text = |source, field| mapping(source, field, "TEXT");
    let refused = [
        (text("shoeSize", "Partner"), "microbimaField", "PUG-2101"),
        (
            mapping("gender", "Partner", "NUMBER"),
            "fieldType",
            "PUG-2101",
        ),
        (
            mapping("hasMissingRequirements", "Something Missing", "DATE"),
            "fieldType",
            "PUG-2101",
        ),
        (
            text("partnerName", "cf_nowhere"),
            "vtigerFieldName",
            "PUG-2102",
        ),
        (
            text("partnerName", "No such label"),
            "vtigerFieldName",
            "PUG-2102",
        ),
        (
            text("partnerName", "createdtime"),
            "vtigerFieldName",
            "PUG-2103",
        ),
        (text("partnerName", "account_id"), "fieldType", "PUG-2104"),
        (
            text("partnerName", "assigned_user_id"),
            "fieldType",
            "PUG-2104",
        ),
        (
            text("partnerName", "Partner Number"),
            "fieldType",
            "PUG-2104",
        ),
        (text("createdAt", "Registered On"), "fieldType", "PUG-2104"),
        (
            mapping("createdAt", "Partner", "DATE"),
            "fieldType",
            "PUG-2104",
        ),
        (
            mapping("createdByPartnerId", "Partner", "NUMBER"),
            "fieldType",
            "PUG-2104",
        ),
        (text("partnerName", "mobile"), "vtigerFieldName", "PUG-2105"),
        (text("firstName", "Partner"), "microbimaField", "PUG-2105"),
        (
            json!({ "microbimaField": "partnerName", "vtigerFieldName": "Partner", "vtigerModule": "Leads" }),
            "vtigerModule",
            "PUG-2106",
        ),
    ];
    for (body, column, code) in refused {
        let answer = api.post(MAPPINGS, &body).await;
        answer.assert_error(422, "VALIDATION_ERROR", MAPPINGS);
        assert_eq!(answer.wrong_fields(), [column], "{body}: {}", answer.text);
        assert!(
            answer.detail(column).contains(code),
            "{body}: {}",
            answer.text
        );
    }
    for (column, value) in [
        ("fieldType", json!("COLOUR")),
        ("direction", json!("sideways")),
        ("onConflict", json!("coin")),
        ("vtigerFieldName", json!("  ")),
    ] {
        let mut body = text("partnerName", "Partner");
        body[column] = value;
        let answer = api.post(MAPPINGS, &body).await;
        assert_eq!(
            (answer.status, answer.wrong_fields()),
            (422, vec![column.to_owned()])
        );
    }
    let odd = api
        .post(MAPPINGS, &json!({ "microbimaField": "id", "colour": 1 }))
        .await;
    assert_eq!(odd.status, 400, "{}", odd.text);
    assert_eq!(
        api.get(MAPPINGS).await.text.len(),
        before.len(),
        "nothing was stored"
    );
    running.shutdown().await;
}

async fn two_mappings_never_fill_one_field_whatever_they_call_it(world: World) {
    let world = spacious(world).await;
    let running = world.start().await;
    let api = Api::of(&running);
    added(&api, "partnerName", "Partner", "TEXT").await;
    for name in ["Partner", "partner", PARTNER, "cf_partner"] {
        let answer = api
            .post(MAPPINGS, &mapping("createdBy", name, "TEXT"))
            .await;
        assert_eq!(answer.status, 422, "{name}: {}", answer.text);
        let said = answer.detail("vtigerFieldName");
        assert!(
            said.contains("partnerName") && said.contains("PUG-2105"),
            "{said}"
        );
    }
    running.shutdown().await;
}

async fn what_deliveries_cannot_do_without_stays(world: World) {
    let world = spacious(world).await;
    let running = world.start().await;
    let api = Api::of(&running);
    let id = |mapping: serde_json::Value| mapping["id"].as_i64().expect("a number");
    let reference = id(listed(&api, "id").await.expect("the reference"));
    let last_name = id(listed(&api, "lastName").await.expect("a default mapping"));

    let remove = |number: i64| api.request(Method::DELETE, &format!("{MAPPINGS}/{number}"));
    for number in [reference, last_name] {
        let refused = answer(remove(number)).await;
        assert_eq!(refused.status, 422, "{}", refused.text);
        assert!(refused.text.contains("PUG-2107"), "{}", refused.text);
    }
    let off = api
        .patch(
            &format!("{MAPPINGS}/{reference}"),
            &json!({ "isActive": false }),
        )
        .await;
    assert!(off.text.contains("PUG-2107"), "{}", off.text);
    // By another name the same field: allowed, also when contacts carry it.
    let program = world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    world.wait_for_contact(&customer, |_| true).await;
    let same = api
        .patch(
            &format!("{MAPPINGS}/{reference}"),
            &json!({ "vtigerFieldName": world.reference() }),
        )
        .await;
    assert_eq!(same.status, 200, "{}", same.text);
    program.wait_until_idle().await;
    let other = api
        .patch(
            &format!("{MAPPINGS}/{reference}"),
            &json!({ "vtigerFieldName": "Partner" }),
        )
        .await;
    assert!(
        other
            .detail("vtigerFieldName")
            .contains("could not be found again"),
        "{}",
        other.text
    );
    running.shutdown().await;
}

async fn while_vtiger_cannot_be_asked_nothing_is_stored_unless_it_is_wanted_unchecked(
    world: World,
) {
    let world = spacious(world).await;
    let running = world.start().await;
    let api = Api::of(&running);
    world.crm.go_down().await;
    let body = mapping("partnerName", "Partner", "TEXT");
    let refused = api.post(MAPPINGS, &body).await;
    refused.assert_error(503, "CRM_UNAVAILABLE", MAPPINGS);
    assert!(refused.message().contains("PUG-2108"), "{}", refused.text);
    assert_eq!(listed(&api, "partnerName").await, None);

    let unchecked = format!("{MAPPINGS}?unchecked=true");
    let wrong = api
        .post(&unchecked, &mapping("shoeSize", "Partner", "TEXT"))
        .await;
    assert_eq!(
        wrong.status, 422,
        "what needs no CRM is checked all the same"
    );
    let stored = api.post(&unchecked, &body).await;
    assert_eq!(stored.status, 201, "{}", stored.text);
    assert_eq!(stored.data()["usable"], serde_json::Value::Null);
    assert_eq!(stored.data()["code"], "PUG-2108", "{}", stored.text);
    assert_eq!(stored.data()["checkedAt"], serde_json::Value::Null);

    world.crm.come_back().await.expect("the port is free");
    let checked = listed(&api, "partnerName").await.expect("it is stored");
    assert_eq!(checked["usable"], true, "{checked}");
    running.shutdown().await;
}

async fn a_field_made_a_moment_ago_is_found_and_a_mapping_switched_off_may_name_what_is_gone(
    mut world: World,
) {
    // The description is trusted for ten minutes, and yet:
    world = spacious(world).await;
    let running = world.start().await;
    let api = Api::of(&running);
    assert!(
        listed(&api, "id").await.is_some(),
        "the description is known"
    );
    let number = added(&api, "partnerName", "Partner", "TEXT").await;
    let program = world.other_program().await;
    program
        .sql(format!(
            "UPDATE vtiger_custom_field_mapping SET vtiger_field_name = 'Removed' WHERE id = {number}"
        ))
        .await;
    let path = format!("{MAPPINGS}/{number}");
    let kept = api.patch(&path, &json!({ "onConflict": "ask" })).await;
    assert_eq!(kept.status, 422, "{}", kept.text);
    let off = api.patch(&path, &json!({ "isActive": false })).await;
    assert_eq!(off.status, 200, "{}", off.text);
    assert_eq!(off.data()["isActive"], false);
    let gone = answer(api.request(Method::DELETE, &path)).await;
    assert_eq!(gone.status, 200, "{}", gone.text);
    assert_eq!(answer(api.request(Method::DELETE, &path)).await.status, 404);
    assert_eq!(api.patch(&path, &json!({})).await.status, 404);
    assert_eq!(
        api.patch(&format!("{MAPPINGS}/x"), &json!({})).await.status,
        422
    );
    running.shutdown().await;
}

async fn changes_are_audited_and_two_at_once_lose_nothing(world: World) {
    let world = spacious(world).await;
    let running = world.start().await;
    let api = Api::of(&running);
    let number = added(&api, "partnerName", "Partner", "TEXT").await;
    let path = format!("{MAPPINGS}/{number}?reason=tidy");
    let (one, other) = (json!({ "onConflict": "ask" }), json!({ "isActive": false }));
    let (one, other) = tokio::join!(api.patch(&path, &one), api.patch(&path, &other));
    assert_eq!(
        (one.status, other.status),
        (200, 200),
        "{} {}",
        one.text,
        other.text
    );
    let now = listed(&api, "partnerName").await.expect("it is there");
    assert_eq!(
        (&now["onConflict"], &now["isActive"]),
        (&json!("ask"), &json!(false))
    );
    // The same mapping twice at once: one of them comes second.
    let twice = mapping("createdBy", "Something", "TEXT");
    let twice = {
        let mut body = twice;
        body["vtigerFieldName"] = json!("otherphone");
        body
    };
    let (one, other) = tokio::join!(api.post(MAPPINGS, &twice), api.post(MAPPINGS, &twice));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 422], "{} {}", one.text, other.text);

    let program = world.other_program().await;
    let entries = program
        .one(
            "SELECT CAST(count(*) AS TEXT) || ' ' || min(actor) || ' ' || max(reason) || ' ' || min(subject) FROM audit_log \
             WHERE action IN ('mapping.create', 'mapping.update')",
        )
        .await;
    let expected = format!("4 token:APP_SECRET_TOKEN tidy Contacts mapping {number}");
    assert_eq!(entries, Some(expected));
    running.shutdown().await;
}

async fn only_what_people_may_edit_in_the_crm_comes_back(world: World) {
    let world = spacious(world).await;
    let running = world.start().await;
    let api = Api::of(&running);
    for direction in ["from_crm", "both"] {
        let mut body = mapping("partnerName", "Partner", "TEXT");
        body["direction"] = json!(direction);
        let refused = api.post(MAPPINGS, &body).await;
        assert_eq!(refused.status, 422, "{}", refused.text);
        assert!(refused.text.contains("PUG-2112"), "{}", refused.text);
        assert!(refused.text.contains("phoneNumber"), "{}", refused.text);
    }
    let number = listed(&api, "phoneNumber").await.expect("it is mapped")["id"].clone();
    let path = format!("{MAPPINGS}/{number}");
    let both = api.patch(&path, &json!({ "direction": "both" })).await;
    assert_eq!(both.status, 200, "{}", both.text);
    let note = both.data()["note"].as_str().expect("a note");
    assert!(note.contains("taken over"), "{note}");
    running.shutdown().await;
}
