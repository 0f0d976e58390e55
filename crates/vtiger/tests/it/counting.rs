//! Counting, also on servers that answer every count with an empty list (vTiger 8.3 and 8.4).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value as Json, json};
use vtiger::{CallError, Condition, KeysetQuery, Query};

use crate::reading::contacts_server;
use crate::server::{Reply, Server, success};

/// Contacts as (record number, reference).
type Contacts = Vec<(u64, &'static str)>;

/// Answers queries on `cf_853` and `id` as vTiger 8.3 does: every count of records or users with an
/// empty list. There is one user, and one currency, which it does count.
fn answer(contacts: &Contacts, query: &str) -> Json {
    match query {
        "select count(*) from Currency;" => return json!([{"count": "1"}]),
        _ if query.contains("from Currency") => return json!([{"id": "21x1"}]),
        _ if query.contains("count(*)") => return json!([]),
        _ if query.contains("from Users") => return json!([{"id": "19x1"}]),
        _ => {}
    }
    let literal_after = |name: &str| {
        let (_, rest) = query.split_once(&format!("{name}='"))?;
        Some(rest.split_once('\'').unwrap().0)
    };
    let (reference, id) = (literal_after("cf_853"), literal_after("id"));
    let limit = query.rsplit_once("limit ").map_or(100, |(_, rows)| {
        rows.trim_end_matches(';').parse::<usize>().unwrap()
    });
    contacts
        .iter()
        .map(|(number, holds)| (format!("12x{number}"), *holds))
        .filter(|(known, holds)| {
            reference.is_none() && id.is_none()
                || reference == Some(holds)
                || id == Some(known.as_str())
        })
        .take(limit)
        .map(|(id, _)| json!({"id": id}))
        .collect()
}

async fn server(contacts: Contacts) -> Server {
    contacts_server(move |query| success(answer(&contacts, query))).await
}

async fn count(contacts: Contacts, reference: &str) -> u64 {
    let query = Query::select("Contacts").filter(Condition::eq("cf_853", reference));
    server(contacts)
        .await
        .open_source_client()
        .count(&query)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_server_that_counts_is_asked_once() {
    let server = contacts_server(|_| success(json!([{"count": "18"}]))).await;
    let all = Query::select("Contacts")
        .fields(["id"])
        .order_by(["id"])
        .limit(5);
    assert_eq!(server.open_source_client().count(&all).await.unwrap(), 18);
    let sent = server.requests_of("query");
    assert_eq!(sent.len(), 1);
    assert_eq!(
        sent[0].param("query"),
        Some("select count(*) from Contacts;")
    );
}

#[tokio::test]
async fn records_are_counted_where_the_server_cannot_count() {
    let three = || vec![(1, "a"), (2, "b"), (3, "a")];
    assert_eq!(count(three(), "a").await, 2);
    assert_eq!(count(three(), "b").await, 1);
    assert_eq!(count(three(), "c").await, 0);
    assert_eq!(count(vec![(1, "a")], "a").await, 1);
    assert_eq!(count(vec![(1, "a")], "c").await, 0);
    assert_eq!(count(vec![], "c").await, 0);
}

#[tokio::test]
async fn a_witness_that_is_itself_found_is_counted() {
    assert_eq!(count(vec![(1, "a"), (2, "b")], "a").await, 1);
    assert_eq!(count(vec![(1, "b"), (2, "a")], "a").await, 1);
    assert_eq!(count(vec![(1, "a"), (2, "a")], "a").await, 2);
}

#[tokio::test]
async fn a_count_without_restriction_counts_what_one_page_shows() {
    let server = server((1..=7).map(|number| (number, "a")).collect()).await;
    let all = Query::select("Contacts");
    assert_eq!(server.open_source_client().count(&all).await.unwrap(), 7);
}

#[tokio::test]
async fn more_than_a_page_is_counted_as_at_least_a_page() {
    let many = (1..=250).map(|number| (number, "a")).collect();
    assert!(count(many, "a").await >= 100);
}

#[tokio::test]
async fn an_answer_without_its_witness_is_an_error_not_zero() {
    let swallow = |query: &str| query.contains("cf_853=");
    let contacts = vec![(1, "b"), (2, "b")];
    let server = contacts_server(move |query| {
        success(if swallow(query) {
            json!([])
        } else {
            answer(&contacts, query)
        })
    })
    .await;
    let query = Query::select("Contacts").filter(Condition::eq("cf_853", "a"));
    let counted = server.open_source_client().count(&query).await;
    assert!(
        matches!(counted, Err(CallError::Unreadable(_))),
        "{counted:?}"
    );
}

#[tokio::test]
async fn a_record_that_one_swallowed_answer_hid_is_not_taken_for_absent() {
    // The database fails once, at the unrestricted question, so that no witness is found.
    let failed = Arc::new(AtomicBool::new(false));
    let contacts = vec![(1, "a"), (2, "b")];
    let server = contacts_server(move |query| -> Reply {
        let unrestricted = !query.contains("where") && !query.contains("count(*)");
        if unrestricted && !failed.swap(true, Ordering::SeqCst) {
            return success(json!([]));
        }
        success(answer(&contacts, query))
    })
    .await;
    let query = Query::select("Contacts").filter(Condition::eq("cf_853", "a"));
    assert_eq!(server.open_source_client().count(&query).await.unwrap(), 1);
}

#[tokio::test]
async fn where_every_answer_is_swallowed_nothing_is_counted() {
    let server = contacts_server(|_| success(json!([]))).await;
    let query = Query::select("Contacts").filter(Condition::eq("cf_853", "a"));
    let counted = server.open_source_client().count(&query).await;
    assert!(
        matches!(counted, Err(CallError::Unreadable(_))),
        "{counted:?}"
    );
}

#[tokio::test]
async fn a_server_that_counts_other_things_has_swallowed_an_empty_count() {
    let server = contacts_server(|query| {
        success(match query {
            "select count(*) from Users;" => json!([{"count": "1"}]),
            query if query.contains("from Users") => json!([{"id": "19x1"}]),
            _ => json!([]),
        })
    })
    .await;
    let query = Query::select("Contacts").filter(Condition::eq("cf_853", "a"));
    let counted = server.open_source_client().count(&query).await;
    assert!(
        matches!(counted, Err(CallError::Unreadable(_))),
        "{counted:?}"
    );
}

#[tokio::test]
async fn an_empty_module_is_read_to_its_end_where_the_server_cannot_count() {
    use futures::TryStreamExt;
    let server = server(vec![]).await;
    let pages: Vec<_> = server
        .open_source_client()
        .pages(KeysetQuery::by_id("Contacts").fields(["id"]))
        .try_collect()
        .await
        .unwrap();
    assert!(pages.is_empty(), "{pages:?}");
}
