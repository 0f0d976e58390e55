//! From a captured change to operations, rule by rule.

use std::time::Duration;

use proptest::prelude::*;
use pugmark::capture::change::{Change, Event};
use pugmark::config;
use pugmark::flows::insurance::events::WATCHED_CUSTOMER_COLUMNS;
use pugmark::flows::insurance::plan::{Rules, customer_lane, kind, plan};
use pugmark_queue::{NewOperation, NotBefore, Operation};
use serde_json::{Map, Value, json};

const ID: &str = "0b9f8a52-6b7e-4c53-9d5c-1f2a3b4c5d6e";
const SETTLE: Duration = Duration::from_secs(2);

/// The image a trigger writes of a customer.
fn image(changes: &[(&str, Value)]) -> Map<String, Value> {
    let mut row = json!({
        "id": ID, "firstName": "Achieng", "middleName": null, "lastName": "Otieno", "email": null,
        "phoneNumber": "0712345678", "dateOfBirth": "1990-04-12", "gender": "FEMALE", "idType": "NATIONAL_ID",
        "idNumber": "12345678", "status": "PENDING_ACTIVATION", "isTestUser": false,
    });
    let row = row.as_object_mut().expect("an object");
    for (column, value) in changes {
        row.insert((*column).to_owned(), value.clone());
    }
    row.clone()
}

fn change(
    event: Event,
    old: Option<Map<String, Value>>,
    new: Option<Map<String, Value>>,
) -> Change {
    Change {
        id: 7,
        table: "customers".to_owned(),
        key: ID.to_owned(),
        event,
        old,
        new,
        correlation_id: None,
        healed: false,
    }
}

/// Rules by which nothing is told as a note, so that only the contact itself is planned for.
fn rules() -> Rules {
    Rules {
        settle: SETTLE,
        insurance: config::Insurance {
            notes: config::Notes {
                significant: [].into(),
            },
            ..config::Insurance::default()
        },
    }
}

fn inserted(changes: &[(&str, Value)]) -> Vec<NewOperation> {
    plan(&change(Event::Insert, None, Some(image(changes))), &rules())
}

fn updated(old: &[(&str, Value)], new: &[(&str, Value)]) -> Vec<NewOperation> {
    plan(
        &change(Event::Update, Some(image(old)), Some(image(new))),
        &rules(),
    )
}

fn deleted(changes: &[(&str, Value)]) -> Vec<NewOperation> {
    plan(&change(Event::Delete, Some(image(changes)), None), &rules())
}

fn kinds(operations: &[NewOperation]) -> Vec<&str> {
    operations
        .iter()
        .map(|operation| operation.kind.as_str())
        .collect()
}

#[test]
fn an_insert_creates_a_contact_after_the_settle_time() {
    let operations = inserted(&[]);
    assert_eq!(kinds(&operations), [kind::CUSTOMER_CREATE]);
    let create = &operations[0];
    assert_eq!(create.operation, Operation::Create);
    assert_eq!(create.not_before, Some(NotBefore::After(SETTLE)));
    assert_eq!(
        (create.entity_type.as_str(), create.entity_id.as_str()),
        ("CUSTOMER", ID)
    );
    assert_eq!(create.lane, customer_lane(ID));
}

#[test]
fn an_insert_of_a_test_customer_is_nothing() {
    assert!(inserted(&[("isTestUser", json!(true))]).is_empty());
}

#[test]
fn every_column_that_the_crm_shows_counts_as_an_update() {
    let facts = [
        "firstName",
        "middleName",
        "lastName",
        "email",
        "phoneNumber",
        "dateOfBirth",
        "gender",
        "idType",
        "idNumber",
        "status",
    ];
    for column in facts {
        let operations = updated(&[], &[(column, json!("changed"))]);
        assert_eq!(kinds(&operations), [kind::CUSTOMER_UPDATE], "{column}");
        assert_eq!(
            operations[0].not_before, None,
            "an edit of {column} does not wait"
        );
    }
    let mut watched: Vec<&str> = WATCHED_CUSTOMER_COLUMNS.to_vec();
    watched.retain(|column| *column != "isTestUser");
    assert_eq!(watched, facts, "nothing is watched that no test knows of");
}

#[test]
fn columns_that_the_application_rewrites_are_no_change() {
    for column in [
        "updatedAt",
        "hasMissingRequirements",
        "updatedBy",
        "defaultMessagingLanguage",
        "portalPinSetupCompletedAt",
    ] {
        assert!(
            updated(&[(column, json!("before"))], &[(column, json!("after"))]).is_empty(),
            "{column}"
        );
    }
}

#[test]
fn a_watched_column_counts_although_the_rewritten_ones_changed_with_it() {
    let operations = updated(
        &[("updatedAt", json!(1))],
        &[("updatedAt", json!(2)), ("email", json!("a@b.co.ke"))],
    );
    assert_eq!(kinds(&operations), [kind::CUSTOMER_UPDATE]);
}

#[test]
fn values_written_again_are_no_change() {
    assert!(updated(&[], &[]).is_empty());
}

#[test]
fn null_and_a_value_differ_both_ways_and_null_equals_null() {
    assert_eq!(
        updated(&[("email", Value::Null)], &[("email", json!("a@b.co.ke"))]).len(),
        1
    );
    assert_eq!(
        updated(&[("email", json!("a@b.co.ke"))], &[("email", Value::Null)]).len(),
        1
    );
    assert_eq!(
        updated(&[("email", Value::Null)], &[("email", json!(""))]).len(),
        1
    );
    assert!(updated(&[("email", Value::Null)], &[("email", Value::Null)]).is_empty());
    // A trigger of an older Pugmark did not know the column yet.
    let mut without = image(&[]);
    without.remove("email");
    assert!(
        plan(
            &change(Event::Update, Some(without), Some(image(&[]))),
            &rules()
        )
        .is_empty()
    );
}

#[test]
fn becoming_a_test_customer_marks_the_contact() {
    let operations = updated(&[], &[("isTestUser", json!(true))]);
    assert_eq!(kinds(&operations), [kind::CUSTOMER_MARK]);
    assert_eq!(operations[0].operation, Operation::Delete);
}

#[test]
fn becoming_a_real_customer_is_treated_as_created() {
    let operations = updated(&[("isTestUser", json!(true))], &[]);
    assert_eq!(kinds(&operations), [kind::CUSTOMER_CREATE]);
    assert_eq!(operations[0].not_before, Some(NotBefore::After(SETTLE)));
}

#[test]
fn an_edit_of_a_test_customer_is_nothing() {
    let test = ("isTestUser", json!(true));
    assert!(
        updated(
            std::slice::from_ref(&test),
            &[test.clone(), ("lastName", json!("Were"))]
        )
        .is_empty()
    );
}

#[test]
fn the_flags_of_sqlite_and_of_postgres_mean_the_same() {
    for (on, off) in [(json!(true), json!(false)), (json!(1), json!(0))] {
        assert!(inserted(&[("isTestUser", on.clone())]).is_empty());
        assert_eq!(
            kinds(&inserted(&[("isTestUser", off.clone())])),
            [kind::CUSTOMER_CREATE]
        );
        assert_eq!(
            kinds(&updated(
                &[("isTestUser", off.clone())],
                &[("isTestUser", on.clone())]
            )),
            [kind::CUSTOMER_MARK]
        );
        assert_eq!(
            kinds(&updated(&[("isTestUser", on)], &[("isTestUser", off)])),
            [kind::CUSTOMER_CREATE]
        );
    }
}

#[test]
fn a_delete_marks_the_contact() {
    let operations = deleted(&[]);
    assert_eq!(kinds(&operations), [kind::CUSTOMER_MARK]);
    assert_eq!(operations[0].operation, Operation::Delete);
    assert_eq!(operations[0].entity_id, ID);
}

#[test]
fn a_delete_of_a_test_customer_is_nothing() {
    assert!(deleted(&[("isTestUser", json!(1))]).is_empty());
}

#[test]
fn a_changed_primary_key_marks_the_old_contact_and_creates_a_new_one() {
    let operations = updated(&[("id", json!("an-older-id"))], &[]);
    assert_eq!(
        kinds(&operations),
        [kind::CUSTOMER_MARK, kind::CUSTOMER_CREATE]
    );
    assert_eq!(
        (
            operations[0].entity_id.as_str(),
            operations[1].entity_id.as_str()
        ),
        ("an-older-id", ID)
    );
    assert_eq!(operations[0].lane, customer_lane("an-older-id"));
}

#[test]
fn a_changed_primary_key_respects_the_test_flag_on_each_side() {
    let (old, test) = (("id", json!("an-older-id")), ("isTestUser", json!(true)));
    assert_eq!(
        kinds(&updated(&[old.clone(), test.clone()], &[])),
        [kind::CUSTOMER_CREATE]
    );
    assert_eq!(
        kinds(&updated(
            std::slice::from_ref(&old),
            std::slice::from_ref(&test)
        )),
        [kind::CUSTOMER_MARK]
    );
    assert!(updated(&[old, test.clone()], &[test]).is_empty());
}

#[test]
fn whatever_happens_to_a_customer_shares_lane_and_merge_key() {
    let all = [
        inserted(&[]),
        updated(&[], &[("status", json!("ACTIVE"))]),
        deleted(&[]),
    ]
    .concat();
    assert_eq!(all.len(), 3);
    for operation in &all {
        assert_eq!(operation.lane, all[0].lane);
        assert_eq!(operation.coalesce_key, all[0].coalesce_key);
        assert!(operation.coalesce_key.is_some() && operation.idempotency_key.is_none());
    }
}

#[test]
fn a_change_keeps_the_correlation_id_of_its_request_or_gets_one() {
    assert_eq!(inserted(&[])[0].correlation_id, "change-7");
    let mut came_by_request = change(Event::Insert, None, Some(image(&[])));
    came_by_request.correlation_id = Some("from-the-request".to_owned());
    assert_eq!(
        plan(&came_by_request, &rules())[0].correlation_id,
        "from-the-request"
    );
}

#[test]
fn a_change_without_images_is_looked_at_and_not_guessed_away() {
    for (event, expected) in [
        (Event::Insert, kind::CUSTOMER_CREATE),
        (Event::Update, kind::CUSTOMER_UPDATE),
        (Event::Delete, kind::CUSTOMER_MARK),
    ] {
        let found_late = change(event, None, None);
        assert_eq!(kinds(&plan(&found_late, &rules())), [expected]);
    }
}

#[test]
fn columns_that_nobody_knows_are_no_change() {
    assert!(updated(&[("shoeSize", json!(38))], &[("shoeSize", json!(39))]).is_empty());
}

#[test]
fn tables_that_are_not_watched_are_nothing() {
    let mut other = change(Event::Insert, None, Some(image(&[])));
    other.table = "test_customers".to_owned();
    assert!(plan(&other, &rules()).is_empty());
}

#[test]
fn the_words_of_the_triggers_are_understood_and_no_others() {
    assert_eq!(Event::parse("INSERT"), Some(Event::Insert));
    assert_eq!(Event::parse("UPDATE"), Some(Event::Update));
    assert_eq!(Event::parse("DELETE"), Some(Event::Delete));
    assert_eq!(Event::parse("TRUNCATE"), None);
}

fn anything() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        Just(json!([1, "x"])),
        Just(json!({"a": null})),
    ]
}

fn any_image() -> impl Strategy<Value = Option<Map<String, Value>>> {
    let column = prop_oneof![
        proptest::sample::select(WATCHED_CUSTOMER_COLUMNS.to_vec()).prop_map(str::to_owned),
        Just("id".to_owned()),
        "[a-zA-Z]{1,6}",
    ];
    proptest::option::of(
        proptest::collection::vec((column, anything()), 0..14)
            .prop_map(|pairs| pairs.into_iter().collect()),
    )
}

fn any_event() -> impl Strategy<Value = Event> {
    proptest::sample::select(vec![Event::Insert, Event::Update, Event::Delete])
}

proptest! {
    #[test]
    fn any_garbage_is_planned_without_a_panic_and_never_as_more_than_two_operations(
        event in any_event(), old in any_image(), new in any_image(),
    ) {
        let operations = plan(&change(event, old, new), &rules());
        prop_assert!(operations.len() <= 2);
        for operation in operations {
            prop_assert!(operation.coalesce_key.is_some());
            prop_assert_eq!(operation.lane, customer_lane(&operation.entity_id));
        }
    }

    #[test]
    fn an_update_is_planned_exactly_if_a_watched_column_differs(
        old in proptest::collection::vec(anything(), 10), new in proptest::collection::vec(anything(), 10),
        same in proptest::collection::vec(any::<bool>(), 10),
    ) {
        let columns: Vec<&str> = WATCHED_CUSTOMER_COLUMNS.iter().copied().filter(|column| *column != "isTestUser").collect();
        let before: Vec<(&str, Value)> = columns.iter().copied().zip(old).collect();
        let after: Vec<(&str, Value)> = before
            .iter()
            .zip(new)
            .zip(same)
            .map(|(((column, old), new), same)| (*column, if same { old.clone() } else { new }))
            .collect();
        let planned = !updated(&before, &after).is_empty();
        prop_assert_eq!(planned, before != after);
    }

    #[test]
    fn no_test_customer_is_ever_created_or_updated(event in any_event(), old in any_image(), new in any_image()) {
        let mut test = new.unwrap_or_default();
        test.insert("isTestUser".to_owned(), json!(true));
        for operation in plan(&change(event, old, Some(test)), &rules()) {
            prop_assert_eq!(operation.kind.as_str(), kind::CUSTOMER_MARK);
        }
    }
}
