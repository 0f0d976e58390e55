//! Spouses and children: added one by one or together, changed while they live, removed for good.

use serde_json::{Value, json};

use super::{customer, register, started_quiet};
use crate::harness::{World, new_id, on_both_databases};
use crate::http::Api;

on_both_databases!(
    a_dependant_is_added_as_typed_and_read_again,
    several_dependants_are_added_by_one_statement_and_answered_in_their_order,
    a_patch_changes_what_it_names_and_null_clears,
    a_removed_dependant_stays_with_its_time_and_can_be_neither_changed_nor_restored,
    the_list_shows_removed_ones_unless_told_otherwise_and_pages,
    grown_up_children_have_to_be_verified,
    a_legacy_row_can_be_changed_in_another_field,
    what_is_wrong_with_a_dependant_is_told_field_by_field,
    what_is_wrong_in_a_list_is_told_with_its_place_and_nothing_of_it_is_stored,
    a_dependant_of_nobody_is_404_and_an_id_that_is_none_422,
    hostile_text_is_only_text,
);

pub(super) fn child() -> Value {
    json!({
        "firstName": "Zuri", "lastName": "Otieno", "relationship": "child", "dateOfBirth": "2015-08-30",
        "gender": "female",
    })
}

/// A customer, and the path of its dependants.
pub(super) async fn family(api: &Api) -> (String, String) {
    let customer = register(api, &customer(1)).await;
    let path = format!("/api/internal/customers/{customer}/dependants");
    (customer, path)
}

fn path_of(data: &Value) -> String {
    let id = data["id"].as_str().expect("an id");
    format!("/api/internal/dependants/{id}")
}

async fn a_dependant_is_added_as_typed_and_read_again(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let (customer, path) = family(&api).await;
    let body = json!({
        "firstName": " Zuri  ", "middleName": "  ", "lastName": "O'Brien-Otieno", "relationship": "SPOUSE",
        "dateOfBirth": "1992-02-29", "gender": "male", "idType": "passport", "idNumber": "A1234567",
        "email": "zuri@example.co.ke", "phoneNumber": "+254 712 345 678",
    });

    let made = api.post(&path, &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let read = api.get(&path_of(made.data())).await;
    assert_eq!(read.data(), made.data());
    let found = read.data();
    assert_eq!(found["customerId"], customer);
    assert_eq!(
        found["firstName"], " Zuri  ",
        "MicroBima trims no dependant"
    );
    assert_eq!(found["middleName"], Value::Null);
    assert_eq!(found["lastName"], "O'Brien-Otieno");
    assert_eq!(found["relationship"], "spouse");
    assert_eq!(found["dateOfBirth"], "1992-02-29");
    assert_eq!(found["gender"], "male");
    assert_eq!(found["idType"], "passport");
    assert_eq!(found["idNumber"], "A1234567");
    assert_eq!(found["email"], "zuri@example.co.ke");
    assert_eq!(found["phoneNumber"], "+254 712 345 678");
    assert_eq!(found["deletedAt"], Value::Null);
    let program = world.other_program().await;
    assert_eq!(
        program
            .count("dependants WHERE \"createdByPartnerId\" = 1 AND \"gender\" = 'MALE' AND \"relationship\" = 'SPOUSE'")
            .await,
        1,
        "the partner is the customer's"
    );
    running.shutdown().await;
}

async fn several_dependants_are_added_by_one_statement_and_answered_in_their_order(
    mut world: World,
) {
    let (running, api) = started_quiet(&mut world).await;
    let (_, path) = family(&api).await;
    let mut second = child();
    second["firstName"] = json!("Baraka");
    let made = api.post(&path, &json!([child(), second])).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.data().as_array().expect("a list for a list").clone();
    assert_eq!(made[0]["firstName"], "Zuri");
    assert_eq!(made[1]["firstName"], "Baraka");
    assert_eq!(made[0]["createdAt"], made[1]["createdAt"]);

    let one = api.post(&path, &json!([child()])).await;
    assert!(one.data().is_array(), "a list of one is a list");
    running.shutdown().await;
}

async fn a_patch_changes_what_it_names_and_null_clears(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let (_, path) = family(&api).await;
    let mut body = child();
    body["idNumber"] = json!("77");
    let path = path_of(api.post(&path, &body).await.data());

    let nothing = api.patch(&path, &json!({})).await;
    assert_eq!(nothing.data()["idNumber"], "77");
    let changed = api
        .patch(
            &path,
            &json!({ "firstName": "Zuri ", "gender": null, "dateOfBirth": null, "idNumber": null }),
        )
        .await;
    assert_eq!(changed.data()["firstName"], "Zuri ");
    for field in ["gender", "dateOfBirth", "idNumber"] {
        assert_eq!(changed.data()[field], Value::Null, "{field}");
    }
    assert_eq!(changed.data()["lastName"], "Otieno");
    let refused = api.patch(&path, &json!({ "relationship": null })).await;
    refused.assert_error(400, "VALIDATION_ERROR", &path);
    assert_eq!(refused.wrong_fields(), ["relationship"]);
    running.shutdown().await;
}

async fn a_removed_dependant_stays_with_its_time_and_can_be_neither_changed_nor_restored(
    mut world: World,
) {
    let (running, api) = started_quiet(&mut world).await;
    let (_, path) = family(&api).await;
    let path = path_of(api.post(&path, &child()).await.data());
    let login = new_id();

    let removed = api.delete(&format!("{path}?deletedBy={login}")).await;
    assert_eq!(removed.status, 200, "{}", removed.text);
    assert_eq!(removed.data()["deletedBy"], login);
    let at = removed.data()["deletedAt"].clone();
    let parsed: Result<jiff::Timestamp, _> = at.as_str().unwrap_or("").parse();
    let age = jiff::Timestamp::now().duration_since(parsed.expect("RFC 3339"));
    assert!(age.unsigned_abs().as_secs() < 60, "{at}");

    let again = api.delete(&path).await;
    assert_eq!(again.data()["deletedAt"], at, "the first time counts");
    assert_eq!(again.data()["deletedBy"], login);
    for body in [json!({ "firstName": "Other" }), json!({})] {
        let refused = api.patch(&path, &body).await;
        refused.assert_error(409, "CONFLICT", &path);
    }
    let restored = api.patch(&path, &json!({ "deletedAt": null })).await;
    restored.assert_error(400, "VALIDATION_ERROR", &path);
    assert_eq!(api.get(&path).await.data()["firstName"], "Zuri");
    running.shutdown().await;
}

async fn the_list_shows_removed_ones_unless_told_otherwise_and_pages(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let (_, path) = family(&api).await;
    let many: Vec<Value> = (0..5).map(|_| child()).collect();
    let made = api.post(&path, &json!(many)).await;
    api.delete(&path_of(&made.data()[2])).await;

    let mut seen = Vec::new();
    let mut next = format!("{path}?limit=2");
    loop {
        let page = api.get(&next).await;
        let items = page.data()["items"].as_array().expect("a list").clone();
        seen.extend(items.iter().map(|item| item["id"].clone()));
        match page.data()["pagination"]["nextCursor"].as_str() {
            Some(cursor) => next = format!("{path}?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 5);
    seen.sort_by_key(ToString::to_string);
    seen.dedup();
    assert_eq!(seen.len(), 5, "each exactly once");
    let living = api.get(&format!("{path}?includeDeleted=false")).await;
    assert_eq!(living.data()["items"].as_array().map(Vec::len), Some(4));
    let wrong = api.get(&format!("{path}?cursor=x")).await;
    assert_eq!(
        (wrong.status, wrong.wrong_fields()),
        (422, vec!["cursor".to_owned()])
    );
    running.shutdown().await;
}

async fn grown_up_children_have_to_be_verified(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let (_, path) = family(&api).await;
    let today = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date();
    let years_ago = |years: i64| (today - jiff::Span::new().years(years)).to_string();
    for (relationship, born, required) in [
        ("child", years_ago(17), false),
        ("child", years_ago(18), true),
        ("child", years_ago(24), true),
        ("child", years_ago(25), false),
        ("spouse", years_ago(20), false),
    ] {
        let mut body = child();
        body["relationship"] = json!(relationship);
        body["dateOfBirth"] = json!(born);
        let made = api.post(&path, &body).await;
        assert_eq!(
            made.data()["verificationRequired"],
            required,
            "{relationship} born {born}"
        );
    }
    running.shutdown().await;
}

async fn a_legacy_row_can_be_changed_in_another_field(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let (_, path) = family(&api).await;
    let path = path_of(api.post(&path, &child()).await.data());
    let program = world.other_program().await;
    program
        .sql("UPDATE dependants SET \"firstName\" = '', \"phoneNumber\" = 'n/a', \"dateOfBirth\" = '1200-01-01', \"gender\" = 'OTHER'")
        .await;

    let changed = api.patch(&path, &json!({ "lastName": "Abdi" })).await;
    assert_eq!(changed.data()["lastName"], "Abdi");
    assert_eq!(changed.data()["firstName"], "");
    assert_eq!(changed.data()["gender"], "OTHER");
    let both = api
        .patch(&path, &json!({ "lastName": "Were", "firstName": " " }))
        .await;
    both.assert_error(422, "VALIDATION_ERROR", &path);
    assert_eq!(both.wrong_fields(), ["firstName"]);
    assert_eq!(api.get(&path).await.data()["lastName"], "Abdi");
    running.shutdown().await;
}

async fn what_is_wrong_with_a_dependant_is_told_field_by_field(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let (_, path) = family(&api).await;
    let wrong = json!({
        "firstName": "A".repeat(51), "middleName": "line\nbreak", "dateOfBirth": "2015-02-30", "gender": "robot",
        "idType": "library card", "idNumber": "1".repeat(21), "relationship": "cousin",
        "email": format!("{}@example.co.ke", "a".repeat(90)), "phoneNumber": "call me",
    });
    let refused = api.post(&path, &wrong).await;
    refused.assert_error(422, "VALIDATION_ERROR", &path);
    assert_eq!(
        refused.wrong_fields(),
        [
            "dateOfBirth",
            "email",
            "firstName",
            "gender",
            "idNumber",
            "idType",
            "lastName",
            "middleName",
            "phoneNumber",
            "relationship",
        ]
    );
    assert_eq!(refused.detail("lastName"), "is required");
    assert!(
        refused.detail("relationship").contains("spouse"),
        "says what is possible"
    );

    for (body, field) in [
        (json!({ "firstName": 5 }), "firstName"),
        (json!({ "dateOfBirth": 20150830 }), "dateOfBirth"),
        (json!({ "gender": ["female"] }), "gender"),
        (json!({ "deletedAt": null }), "deletedAt"),
        (json!({ "customerId": new_id() }), "customerId"),
    ] {
        let refused = api.post(&path, &body).await;
        refused.assert_error(400, "VALIDATION_ERROR", &path);
        assert_eq!(refused.wrong_fields(), [field], "{}", refused.text);
    }
    assert_eq!(world.other_program().await.count("dependants").await, 0);
    running.shutdown().await;
}

async fn what_is_wrong_in_a_list_is_told_with_its_place_and_nothing_of_it_is_stored(
    mut world: World,
) {
    let (running, api) = started_quiet(&mut world).await;
    let (_, path) = family(&api).await;
    let mut wrong = child();
    wrong["gender"] = json!("robot");
    let refused = api.post(&path, &json!([child(), wrong])).await;
    refused.assert_error(422, "VALIDATION_ERROR", &path);
    assert_eq!(refused.wrong_fields(), ["[1].gender"]);
    let shape = api
        .post(&path, &json!([child(), { "firstName": true }]))
        .await;
    shape.assert_error(400, "VALIDATION_ERROR", &path);
    assert_eq!(shape.wrong_fields(), ["[1].firstName"], "{}", shape.text);
    let many: Vec<Value> = (0..51).map(|_| child()).collect();
    for list in [json!([]), json!(many)] {
        let refused = api.post(&path, &list).await;
        refused.assert_error(422, "VALIDATION_ERROR", &path);
        assert!(refused.message().contains("1 to 50"), "{}", refused.text);
    }
    for body in [json!(5), json!("x"), json!(null), json!(true), json!([5])] {
        let refused = api.post(&path, &body).await;
        refused.assert_error(400, "VALIDATION_ERROR", &path);
    }
    assert_eq!(world.other_program().await.count("dependants").await, 0);
    running.shutdown().await;
}

async fn a_dependant_of_nobody_is_404_and_an_id_that_is_none_422(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let nobody = format!("/api/internal/customers/{}/dependants", new_id());
    api.post(&nobody, &child())
        .await
        .assert_error(404, "NOT_FOUND", &nobody);
    api.get(&nobody)
        .await
        .assert_error(404, "NOT_FOUND", &nobody);
    let nobody = format!("/api/internal/dependants/{}", new_id());
    for answer in [
        api.get(&nobody).await,
        api.patch(&nobody, &json!({})).await,
        api.delete(&nobody).await,
    ] {
        answer.assert_error(404, "NOT_FOUND", &nobody);
    }
    for path in [
        "/api/internal/dependants/1",
        "/api/internal/customers/x/dependants",
    ] {
        let refused = api.get(path).await;
        refused.assert_error(422, "VALIDATION_ERROR", path);
        assert_eq!(refused.wrong_fields(), ["id"]);
    }
    let (_, path) = family(&api).await;
    let path = path_of(api.post(&path, &child()).await.data());
    let refused = api.delete(&format!("{path}?deletedBy=me")).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    assert_eq!(refused.wrong_fields(), ["deletedBy"]);
    assert_eq!(api.get(&path).await.data()["deletedAt"], Value::Null);
    running.shutdown().await;
}

async fn hostile_text_is_only_text(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let (_, path) = family(&api).await;
    for name in [
        "'); DROP TABLE dependants;--",
        "\u{1F405}\u{1F405}",
        "$1 ? :x \"q\" {} %s",
        "ናይሮቢ",
    ] {
        let mut body = child();
        body["firstName"] = json!(name);
        assert_eq!(api.post(&path, &body).await.data()["firstName"], name);
    }
    let mut body = child();
    body["firstName"] = json!("\u{1F405}".repeat(50));
    assert_eq!(
        api.post(&path, &body).await.status,
        201,
        "letters, not bytes"
    );
    body["firstName"] = json!("nul\u{0}");
    let refused = api.post(&path, &body).await;
    assert_eq!(
        (refused.status, refused.wrong_fields()),
        (422, vec!["firstName".to_owned()])
    );
    running.shutdown().await;
}
