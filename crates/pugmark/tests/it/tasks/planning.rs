//! From what happens to a requirement, and to its customer, to operations.

use pugmark::capture::change::{Change, Event};
use pugmark::config;
use pugmark::flows::insurance::plan::{
    Rules, customers_turned, kind, plan, requirement_lane, requirement_of_turned,
};
use pugmark_queue::{NewOperation, Operation};
use serde_json::{Map, Value, json};

const ID: &str = "5d0c2a34-0b5e-4b53-9a43-8f0d9b7d1c11";
const CUSTOMER: &str = "0b9f8a52-6b7e-4c53-9d5c-1f2a3b4c5d6e";

fn row(status: &str, person: Option<&str>) -> Map<String, Value> {
    let row = json!({ "id": ID, "customerId": CUSTOMER, "entityId": person, "status": status });
    row.as_object().expect("an object").clone()
}

fn change(
    table: &str,
    event: Event,
    old: Option<Map<String, Value>>,
    new: Option<Map<String, Value>>,
) -> Change {
    Change {
        id: 7,
        table: table.to_owned(),
        key: if table == "customers" { CUSTOMER } else { ID }.to_owned(),
        event,
        old,
        new,
        correlation_id: None,
        healed: false,
    }
}

fn rules(enabled: bool) -> Rules {
    let mut insurance = config::Insurance::default();
    insurance.tasks.enabled = enabled;
    Rules {
        settle: std::time::Duration::from_secs(2),
        insurance,
    }
}

fn planned(event: Event, old: Option<&str>, new: Option<&str>) -> Vec<NewOperation> {
    let image = |status: Option<&str>| status.map(|status| row(status, None));
    let change = change("missing_requirements", event, image(old), image(new));
    plan(&change, &rules(true))
}

fn words(operations: &[NewOperation]) -> Vec<Operation> {
    for operation in operations {
        assert_eq!(operation.kind, kind::TASK_CREATE);
        assert_eq!(operation.lane, requirement_lane(ID));
        assert_eq!(operation.entity_id, ID);
    }
    operations
        .iter()
        .map(|operation| operation.operation)
        .collect()
}

#[test]
fn a_requirement_counts_while_it_is_pending_and_no_longer() {
    use Event::{Delete, Insert, Update};
    type Case = (
        Event,
        Option<&'static str>,
        Option<&'static str>,
        &'static [Operation],
    );
    let cases: [Case; 11] = [
        (Insert, None, Some("PENDING"), &[Operation::Create]),
        (Insert, None, Some("RESOLVED"), &[]),
        (Insert, None, Some("EXPIRED"), &[]),
        (
            Update,
            Some("PENDING"),
            Some("PENDING"),
            &[Operation::Update],
        ),
        (
            Update,
            Some("PENDING"),
            Some("RESOLVED"),
            &[Operation::Delete],
        ),
        (
            Update,
            Some("PENDING"),
            Some("EXPIRED"),
            &[Operation::Delete],
        ),
        (
            Update,
            Some("PENDING"),
            Some("A_NEW_WORD"),
            &[Operation::Delete],
        ),
        (Update, Some("RESOLVED"), Some("EXPIRED"), &[]),
        (
            Update,
            Some("RESOLVED"),
            Some("PENDING"),
            &[Operation::Create],
        ),
        (Delete, Some("PENDING"), None, &[Operation::Delete]),
        (Delete, Some("RESOLVED"), None, &[]),
    ];
    for (event, old, new, expected) in cases {
        let operations = planned(event, old, new);
        assert_eq!(words(&operations), expected, "{event:?} {old:?} {new:?}");
    }
}

#[test]
fn what_waits_for_one_requirement_is_done_together() {
    let created = planned(Event::Insert, None, Some("PENDING"));
    let closed = planned(Event::Update, Some("PENDING"), Some("RESOLVED"));
    assert!(created[0].coalesce_key.is_some());
    assert_eq!(created[0].coalesce_key, closed[0].coalesce_key);
}

#[test]
fn what_no_trigger_saw_is_looked_for_and_not_merged_with_anything() {
    let mut seen_late = change(
        "missing_requirements",
        Event::Insert,
        None,
        Some(row("PENDING", None)),
    );
    seen_late.healed = true;
    let operations = plan(&seen_late, &rules(true));
    assert_eq!(words(&operations), [Operation::Create]);
    assert_eq!(operations[0].payload["lookFirst"], true);
    assert_eq!(operations[0].coalesce_key, None);
    assert!(operations[0].idempotency_key.is_some());
}

#[test]
fn switched_off_nothing_is_planned() {
    let insert = change(
        "missing_requirements",
        Event::Insert,
        None,
        Some(row("PENDING", None)),
    );
    assert!(plan(&insert, &rules(false)).is_empty());
    assert!(requirement_of_turned(ID, CUSTOMER, &insert, &rules(false)).is_empty());
}

#[test]
fn a_customer_turns_by_becoming_a_test_customer_or_none_and_by_being_deleted() {
    let image = |test: bool, name: &str| {
        let row = json!({ "id": CUSTOMER, "lastName": name, "isTestUser": test });
        row.as_object().expect("an object").clone()
    };
    let (real, test) = (|| Some(image(false, "A")), || Some(image(true, "A")));
    use Event::{Delete, Insert, Update};
    let cases = [
        (Update, real(), test(), 1),
        (Update, test(), real(), 1),
        (Delete, real(), None, 1),
        // A new row has nothing open yet, and of a test customer nothing is.
        (Insert, None, real(), 0),
        (Insert, None, test(), 0),
        (Delete, test(), None, 0),
        (Update, real(), Some(image(false, "B")), 0),
    ];
    for (event, old, new, turned) in cases {
        let change = change("customers", event, old, new);
        let expected: &[&str] = if turned == 1 { &[CUSTOMER] } else { &[] };
        assert_eq!(customers_turned(&change), expected, "{change:?}");
    }
}
