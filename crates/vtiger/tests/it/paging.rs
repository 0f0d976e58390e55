//! Reading all records by keyset.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::{StreamExt, TryStreamExt};
use serde_json::{Value as Json, json};
use vtiger::{CallError, Condition, KeysetQuery, Record};

use crate::reading::contacts_server;
use crate::server::{Server, success};

/// Rows as (id, modifiedtime), in the order of both.
fn rows(count: u64) -> Vec<(u64, String)> {
    // Seven records share each second, so that pages end in the middle of one.
    (1..=count)
        .map(|id| {
            (
                id,
                format!("2026-11-21 06:{:02}:{:02}", id / 7 / 60, id / 7 % 60),
            )
        })
        .collect()
}

/// Answers the two keyset queries as vTiger does.
fn answer(rows: &[(u64, String)], query: &str) -> Json {
    let literals: Vec<&str> = query.split('\'').skip(1).step_by(2).collect();
    let number = |id: &str| id.split_once('x').unwrap().1.parse::<u64>().unwrap();
    let wanted: Vec<&(u64, String)> = match literals.as_slice() {
        [] => rows.iter().collect(),
        [id] if id.contains('x') => rows.iter().filter(|row| row.0 > number(id)).collect(),
        [time] => rows.iter().filter(|row| row.1.as_str() >= *time).collect(),
        [after, at, id] => {
            assert_eq!(after, at);
            rows.iter()
                .filter(|row| row.1.as_str() > *after || row.1 == *at && row.0 > number(id))
                .collect()
        }
        other => panic!("{other:?}"),
    };
    if query.contains("count(*)") {
        return json!([{"count": wanted.len().to_string()}]);
    }
    let limit: usize = query
        .rsplit_once("limit ")
        .unwrap()
        .1
        .trim_end_matches(';')
        .parse()
        .unwrap();
    let row = |row: &&(u64, String)| json!({"id": format!("12x{}", row.0), "modifiedtime": row.1});
    wanted.iter().take(limit).map(row).collect()
}

async fn server(count: u64) -> Server {
    let rows = rows(count);
    contacts_server(move |query| success(answer(&rows, query))).await
}

fn numbers(pages: &[Vec<Record>]) -> Vec<u64> {
    pages
        .iter()
        .flatten()
        .map(|record| record.id.number().parse().unwrap())
        .collect()
}

#[tokio::test]
async fn every_record_comes_exactly_once_by_id() {
    let server = server(230).await;
    let pages: Vec<_> = server
        .open_source_client()
        .pages(KeysetQuery::by_id("Contacts").fields(["lastname"]))
        .try_collect()
        .await
        .unwrap();
    assert_eq!(numbers(&pages), (1..=230).collect::<Vec<_>>());
    let sent = server.requests_of("query");
    assert_eq!(
        sent[0].param("query"),
        Some("select lastname,id from Contacts order by id limit 100;")
    );
    assert_eq!(
        sent[1].param("query"),
        Some("select lastname,id from Contacts where id>'12x100' order by id limit 100;")
    );
    assert_eq!(sent.len(), 3, "a short page is the last one");
}

#[tokio::test]
async fn every_record_comes_exactly_once_by_time_of_change_although_seconds_are_shared() {
    let server = server(230).await;
    let query = KeysetQuery::by_modified_time("Contacts")
        .fields(["id"])
        .since("2026-11-21 06:00:03", None)
        .page_size(50);
    let pages: Vec<_> = server
        .open_source_client()
        .pages(query)
        .try_collect()
        .await
        .unwrap();
    assert_eq!(numbers(&pages), (21..=230).collect::<Vec<_>>());
    let second = server.requests_of("query")[1]
        .param("query")
        .unwrap()
        .to_owned();
    assert_eq!(
        second,
        "select id,modifiedtime from Contacts where modifiedtime>'2026-11-21 06:00:10' or \
         modifiedtime='2026-11-21 06:00:10' and id>'12x70' order by modifiedtime,id limit 50;"
    );
}

#[tokio::test]
async fn a_restriction_holds_on_both_sides_of_the_or() {
    let server = contacts_server(|_| success(json!([{"count": "0"}, {"count": "0"}]))).await;
    let query = KeysetQuery::by_modified_time("Contacts")
        .fields(["id"])
        .filter(Condition::eq("source", "CRM"))
        .since("2026-11-21 06:00:10", Some("12x70".parse().unwrap()));
    let mut pages = Box::pin(server.open_source_client().pages(query));
    let _ = pages.next().await;
    assert_eq!(
        server.requests_of("query")[0].param("query").unwrap(),
        "select id,modifiedtime from Contacts where source='CRM' and modifiedtime>'2026-11-21 06:00:10' or \
         source='CRM' and modifiedtime='2026-11-21 06:00:10' and id>'12x70' order by modifiedtime,id limit 100;"
    );
}

#[tokio::test]
async fn a_full_last_page_is_followed_by_an_empty_one_that_a_count_confirms() {
    let server = server(200).await;
    let pages: Vec<_> = server
        .open_source_client()
        .pages(KeysetQuery::by_id("Contacts").fields(["id"]))
        .try_collect()
        .await
        .unwrap();
    assert_eq!(numbers(&pages).len(), 200);
    let sent = server.requests_of("query");
    assert_eq!(sent.len(), 4);
    assert_eq!(
        sent[3].param("query"),
        Some("select count(*) from Contacts where id>'12x200';")
    );
}

#[tokio::test]
async fn an_empty_page_that_a_count_contradicts_is_an_error_not_the_end() {
    let server = contacts_server(|query| {
        if query.contains("count(*)") {
            success(json!([{"count": "7"}]))
        } else {
            success(json!([]))
        }
    })
    .await;
    let pages: Vec<_> = server
        .open_source_client()
        .pages(KeysetQuery::by_id("Contacts"))
        .collect()
        .await;
    assert!(
        matches!(pages.as_slice(), [Err(CallError::Unreadable(_))]),
        "{pages:?}"
    );
}

#[tokio::test]
async fn a_page_swallowed_once_is_read_again() {
    let asked = Arc::new(AtomicUsize::new(0));
    let rows = rows(5);
    let server = contacts_server(move |query| {
        if asked.fetch_add(1, Ordering::SeqCst) == 0 {
            success(json!([]))
        } else {
            success(answer(&rows, query))
        }
    })
    .await;
    let pages: Vec<_> = server
        .open_source_client()
        .pages(KeysetQuery::by_id("Contacts"))
        .try_collect()
        .await
        .unwrap();
    assert_eq!(numbers(&pages), [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_server_that_ignores_the_keyset_cannot_make_the_client_read_for_ever() {
    let rows = rows(200);
    let server = contacts_server(move |_| {
        success(answer(
            &rows,
            "select id from Contacts order by id limit 100;",
        ))
    })
    .await;
    let pages: Vec<_> = server
        .open_source_client()
        .pages(KeysetQuery::by_id("Contacts"))
        // More than can come, should the client not notice.
        .take(5)
        .collect()
        .await;
    assert_eq!(pages.len(), 2);
    assert!(
        matches!(pages[1], Err(CallError::Unreadable(_))),
        "{:?}",
        pages[1]
    );
}
