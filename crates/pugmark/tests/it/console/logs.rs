//! The screens of kept log lines and of what people did.

use pugmark::people::Role;
use pugmark::store::application_logs::{self, NewLine};
use pugmark::store::audit::{self, Entry};
use pugmark_queue::db::{DbError, Ts};
use serde_json::json;

use super::Browser;
use super::planted::api_alone;
use crate::harness::{World, on_both_databases};

on_both_databases!(
    lines_are_found_by_level_text_and_request_and_masked_for_a_viewer,
    what_people_did_is_found_page_by_page_by_whoever_may_see_it,
);

async fn keep(running: &pugmark::app::Running, lines: Vec<NewLine>) {
    let kept = running.db.write("lines", move |conn| {
        Box::pin(async move { application_logs::insert(conn, &lines).await })
    });
    kept.await.expect("the lines are kept");
}

fn line(level: &'static str, message: &str, request: &str) -> NewLine {
    let context = json!({ "code": "PUG-2006", "email": "achieng@example.co.ke" });
    NewLine {
        timestamp: Ts::now(),
        level,
        target: "pugmark::test".to_owned(),
        message: message.to_owned(),
        context: context.as_object().cloned().expect("an object"),
        correlation_id: Some(request.to_owned()),
    }
}

async fn lines_are_found_by_level_text_and_request_and_masked_for_a_viewer(world: World) {
    let running = api_alone(&world).await;
    let care = Browser::signed_in(&running, Role::CustomerCare).await;
    let viewer = Browser::signed_in(&running, Role::Viewer).await;
    keep(
        &running,
        vec![
            line("info", "first words", "request-1"),
            line("warn", "Second Ärger about 0712345678", "request-2"),
            line("error", "third trouble", "request-2"),
        ],
    )
    .await;
    let found = |page: &str| {
        let of = |word: &str| page.contains(word);
        (of("first words"), of("Second"), of("third trouble"))
    };
    for (query, expected) in [
        ("q=words", (true, false, false)),
        ("level=warn&q=", (false, true, true)),
        ("level=error", (false, false, true)),
        ("request=request-2", (false, true, true)),
        ("q=%C3%84RGER", (false, true, false)),
        ("q=100%25_nothing*like[this", (false, false, false)),
        ("level=error&request=request-1", (false, false, false)),
    ] {
        let page = care.get(&format!("/logs?{query}")).await;
        assert_eq!(page.status, 200);
        assert_eq!(found(&page.text), expected, "{query}: {}", page.text);
    }
    let whole = care.get("/logs?request=request-2").await.text;
    assert!(
        whole.contains("achieng@example.co.ke") && whole.contains("0712345678"),
        "{whole}"
    );
    assert!(
        whole.contains("href=\"/problems/codes/PUG-2006\""),
        "{whole}"
    );
    let masked = viewer.get("/console/logs?request=request-2").await.text;
    assert!(masked.contains("third trouble"), "{masked}");
    for personal in ["achieng@", "0712345678"] {
        assert!(!masked.contains(personal), "{personal}: {masked}");
    }
    let many = (0..130).map(|n| line("warn", &format!("number {n}."), "request-3"));
    keep(&running, many.collect()).await;
    let page = care.get("/logs?level=warn&q=number").await.text;
    assert!(
        page.contains("number 129.") && !page.contains("number 29."),
        "{page}"
    );
    let link = page.split_once("\" rel=\"next\"").expect("a next page").0;
    let before = link.rsplit_once("before=").expect("a number").1;
    let further = care
        .get(&format!("/logs?level=warn&q=number&before={before}"))
        .await
        .text;
    assert!(
        further.contains("number 29.") && further.contains("number 0."),
        "{further}"
    );
    running.shutdown().await;
}

async fn what_people_did_is_found_page_by_page_by_whoever_may_see_it(world: World) {
    let running = api_alone(&world).await;
    let care = Browser::signed_in(&running, Role::CustomerCare).await;
    let empty = care.get("/audit").await;
    assert!(
        empty.text.contains("Nobody has done anything yet"),
        "{}",
        empty.text
    );
    let written = running.db.write("entries", |conn| {
        Box::pin(async move {
            for number in 0..130 {
                let subject = format!("grant {number}.");
                let entry = Entry {
                    actor: "Ann",
                    action: if number == 0 {
                        "queue.retry"
                    } else {
                        "grants.add"
                    },
                    subject: &subject,
                    reason: Some("as asked"),
                    correlation_id: None,
                };
                audit::record(conn, Ts::now(), &entry).await?;
            }
            Ok::<_, DbError>(())
        })
    });
    written.await.expect("the entries are written");
    let page = care.get("/audit").await.text;
    assert!(
        page.contains("grant 129.") && !page.contains("grant 29."),
        "{page}"
    );
    assert!(page.contains("rel=\"next\""), "{page}");
    let found = care.get("/audit?action=queue").await.text;
    assert!(
        found.contains("grant 0.") && !found.contains("grant 1."),
        "{found}"
    );
    let found = care.get("/audit?q=ANN&action=grants.add").await.text;
    assert!(found.contains("grant 129."), "{found}");
    let none = care.get("/audit?q=nobody").await.text;
    assert!(none.contains("No entry is like this"), "{none}");
    let viewer = Browser::signed_in(&running, Role::Viewer).await;
    assert_eq!(viewer.get("/audit").await.status, 403);
    running.shutdown().await;
}
