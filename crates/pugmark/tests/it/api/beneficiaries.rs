//! The next of kin: added one by one or together, changed while they live, removed for good.

use serde_json::{Value, json};

use super::{customer, register, started_quiet};
use crate::harness::{World, new_id, on_both_databases};
use crate::http::Api;

on_both_databases!(
    a_beneficiary_is_added_changed_and_removed,
    several_beneficiaries_are_added_by_one_statement,
    a_removed_beneficiary_can_be_neither_changed_nor_restored,
    what_is_wrong_with_a_beneficiary_is_told_field_by_field,
    a_beneficiary_of_nobody_is_404_and_an_id_that_is_none_422,
);

fn sister() -> Value {
    json!({ "firstName": " Atieno", "lastName": "Otieno", "relationship": "Sibling" })
}

async fn family(api: &Api) -> String {
    let customer = register(api, &customer(1)).await;
    format!("/api/internal/customers/{customer}/beneficiaries")
}

fn path_of(data: &Value) -> String {
    let id = data["id"].as_str().expect("an id");
    format!("/api/internal/beneficiaries/{id}")
}

async fn a_beneficiary_is_added_changed_and_removed(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let list = family(&api).await;
    let made = api.post(&list, &sister()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(made.data()["firstName"], " Atieno", "kept as typed");
    assert_eq!(made.data()["relationship"], "sibling");
    let path = path_of(made.data());

    let changed = api
        .patch(&path, &json!({ "middleName": "A.", "relationship": null }))
        .await;
    assert_eq!(changed.data()["middleName"], "A.");
    assert_eq!(changed.data()["relationship"], Value::Null);
    assert_eq!(changed.data()["lastName"], "Otieno");
    assert_eq!(api.get(&path).await.data(), changed.data());

    let removed = api.delete(&path).await;
    assert!(removed.data()["deletedAt"].is_string());
    let all = api.get(&list).await;
    assert_eq!(all.data()["items"][0], *removed.data());
    let living = api.get(&format!("{list}?includeDeleted=false")).await;
    assert_eq!(living.data()["items"], json!([]));
    running.shutdown().await;
}

async fn several_beneficiaries_are_added_by_one_statement(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let list = family(&api).await;
    let mut brother = sister();
    brother["firstName"] = json!("Odhiambo");
    let made = api.post(&list, &json!([sister(), brother])).await;
    assert_eq!(made.data()[1]["firstName"], "Odhiambo");
    assert_eq!(made.data()[0]["createdAt"], made.data()[1]["createdAt"]);
    let page = api.get(&format!("{list}?limit=1")).await;
    assert_eq!(page.data()["pagination"]["hasNextPage"], true);
    running.shutdown().await;
}

async fn a_removed_beneficiary_can_be_neither_changed_nor_restored(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let list = family(&api).await;
    let path = path_of(api.post(&list, &sister()).await.data());
    let first = api.delete(&path).await;
    let again = api.delete(&path).await;
    assert_eq!(again.data()["deletedAt"], first.data()["deletedAt"]);
    api.patch(&path, &json!({ "firstName": "Other" }))
        .await
        .assert_error(409, "CONFLICT", &path);
    running.shutdown().await;
}

async fn what_is_wrong_with_a_beneficiary_is_told_field_by_field(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let list = family(&api).await;
    let wrong =
        json!({ "firstName": "   ", "middleName": "A".repeat(51), "relationship": "cousin" });
    let refused = api.post(&list, &wrong).await;
    refused.assert_error(422, "VALIDATION_ERROR", &list);
    assert_eq!(
        refused.wrong_fields(),
        ["firstName", "lastName", "middleName", "relationship"]
    );
    for (body, field) in [
        (json!({ "lastName": {} }), "lastName"),
        (json!({ "idNumber": "1" }), "idNumber"),
    ] {
        let refused = api.post(&list, &body).await;
        refused.assert_error(400, "VALIDATION_ERROR", &list);
        assert_eq!(refused.wrong_fields(), [field]);
    }
    let mut hostile = sister();
    hostile["firstName"] = json!("'); DROP TABLE beneficiaries;-- \u{1F405}");
    let made = api.post(&list, &hostile).await;
    assert_eq!(made.data()["firstName"], hostile["firstName"]);
    running.shutdown().await;
}

async fn a_beneficiary_of_nobody_is_404_and_an_id_that_is_none_422(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let nobody = format!("/api/internal/customers/{}/beneficiaries", new_id());
    api.post(&nobody, &sister())
        .await
        .assert_error(404, "NOT_FOUND", &nobody);
    let nobody = format!("/api/internal/beneficiaries/{}", new_id());
    api.patch(&nobody, &json!({}))
        .await
        .assert_error(404, "NOT_FOUND", &nobody);
    api.delete(&nobody)
        .await
        .assert_error(404, "NOT_FOUND", &nobody);
    let wrong = api.get("/api/internal/beneficiaries/12x3").await;
    assert_eq!(
        (wrong.status, wrong.wrong_fields()),
        (422, vec!["id".to_owned()])
    );
    running.shutdown().await;
}
