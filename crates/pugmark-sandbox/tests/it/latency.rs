//! How long calls take: as measured on a real vTiger.

use std::time::Duration;

use pugmark_sandbox::{CustomField, CustomFieldKind, Latency, VtigerSandbox};
use serde_json::json;
use tokio::time::Instant;

use crate::raw::Caller;

async fn sandbox() -> VtigerSandbox {
    VtigerSandbox::builder()
        .with_extension()
        .latency(Latency::Measured)
        .custom_field(CustomField::new("Contacts", "Ref", CustomFieldKind::Text).named("c_ref"))
        .start()
        .await
        .unwrap()
}

/// Lower bounds hold on the busiest machine; upper ones are not asserted.
fn at_least(took: Duration, milliseconds: u64) {
    assert!(
        took >= Duration::from_millis(milliseconds),
        "{took:?}, expected {milliseconds} ms"
    );
}

async fn timed<T>(call: impl Future<Output = T>) -> (T, Duration) {
    let began = Instant::now();
    let done = call.await;
    (done, began.elapsed())
}

#[tokio::test]
async fn a_create_a_revise_and_a_query_take_their_time() {
    let crm = sandbox().await;
    let caller = Caller::log_in(&crm).await;
    let element = json!({"lastname": "Were", "assigned_user_id": "19x1"});
    let (made, took) = timed(caller.create("Contacts", &element)).await;
    at_least(took, 142);
    let id = made.result()["id"].as_str().unwrap().to_owned();
    let change = json!({"id": id, "mobile": "1"});
    at_least(timed(caller.revise(&change)).await.1, 98);
    at_least(timed(caller.retrieve(&id)).await.1, 27);
    for _ in 0..99 {
        crm.insert_as_ui("Contacts", &[("lastname", "Row")])
            .unwrap();
    }
    at_least(
        timed(caller.query("select id from Contacts where id='12x2';"))
            .await
            .1,
        22,
    );
    at_least(timed(caller.query("select id from Contacts;")).await.1, 48);
}

#[tokio::test]
async fn eight_sessions_make_at_most_twenty_three_records_a_second() {
    let crm = sandbox().await;
    let mut callers = Vec::new();
    for _ in 0..8 {
        callers.push(Caller::log_in(&crm).await);
    }
    let began = Instant::now();
    let mut workers = tokio::task::JoinSet::new();
    for caller in callers {
        workers.spawn(async move {
            let element = json!({"lastname": "Were", "assigned_user_id": "19x1"});
            for _ in 0..3 {
                caller.create("Contacts", &element).await.result();
            }
        });
    }
    workers.join_all().await;
    // 24 times the part of a create that keeps the machine busy.
    at_least(began.elapsed(), 24 * 43);
    assert_eq!(crm.journal().count_created("Contacts"), 24);
}

#[tokio::test]
async fn an_upserted_record_costs_half_and_in_bulk_a_fourteenth() {
    let crm = sandbox().await;
    let caller = Caller::log_in(&crm).await;
    let upsert = async |name: &str, bulk: bool| {
        let one = |n| json!({"reference": format!("{name}{n}"), "fields": {"lastname": "Were", "assigned_user_id": "19x1"}});
        let elements = json!((0..10).map(one).collect::<Vec<_>>()).to_string();
        let options = json!({ "bulk": bulk }).to_string();
        let pairs = [
            ("elementType", "Contacts"),
            ("reference", "c_ref"),
            ("elements", &elements),
            ("options", &options),
        ];
        let (answer, took) = timed(caller.post("pugmark.upsert", &pairs)).await;
        assert_eq!(answer.result()["results"].as_array().unwrap().len(), 10);
        took
    };
    let single = upsert("a", false).await;
    at_least(single, 10 + 710);
    let bulk = upsert("b", true).await;
    at_least(bulk, 10 + 101);
    assert!(bulk < single, "{bulk:?} in bulk, {single:?} otherwise");
}

#[tokio::test]
async fn a_benchmark_can_be_made_to_end_sooner() {
    let crm = VtigerSandbox::builder()
        .latency(Latency::MeasuredQuicker(10))
        .start()
        .await
        .unwrap();
    let caller = Caller::log_in(&crm).await;
    let element = json!({"lastname": "Were", "assigned_user_id": "19x1"});
    let began = Instant::now();
    for _ in 0..10 {
        caller.create("Contacts", &element).await.result();
    }
    let took = began.elapsed();
    at_least(took, 10 * 14);
    assert!(took < Duration::from_millis(10 * 142), "{took:?}");
}
