//! A store that is full or gone: said in words, nothing half-written.

use pugmark_queue::db::{DbError, Engine};
use pugmark_queue::on;
use reqwest::Method;
use serde_json::json;

use crate::harness::{World, on_both_databases};
use crate::http::{Answer, answer};

use super::*;

on_both_databases!(
    a_full_store_is_507_and_nothing_is_half_written,
    a_store_that_is_gone_is_503_in_words,
);

async fn a_full_store_is_507_and_nothing_is_half_written(mut world: World) {
    let (running, api) = quiet(&mut world).await;
    let body = |number: u32| {
        json!({
            "firstName": "A", "lastName": "B".repeat(50), "phoneNumber": "0712345678", "idType": "national",
            "idNumber": number.to_string(),
        })
    };
    assert_eq!(api.post(CUSTOMERS, &body(10_000)).await.status, 201);
    let program = world.other_program().await;
    // SQLite's own limit of a file is met as a full disk is; PostgreSQL is made to report one.
    let limit = async |sql: &'static str| {
        running
            .db
            .write("limit", move |conn| {
                Box::pin(async move {
                    on!(conn, |c| sqlx::raw_sql(sql).execute(c).await.map(drop))?;
                    Ok::<_, DbError>(())
                })
            })
            .await
            .expect("the limit is set");
    };
    match program.engine() {
        Engine::Sqlite => limit("PRAGMA max_page_count = 1").await,
        Engine::Postgres => {
            program
                .sql(
                    "CREATE FUNCTION public.full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                     RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$; \
                     CREATE TRIGGER full_disk AFTER INSERT ON public.customers FOR EACH ROW EXECUTE FUNCTION public.full()",
                )
                .await;
        }
    }
    let mut stored = 1;
    let mut refused = None;
    // The pages there are may still have room for some rows.
    for number in 10_001..10_200 {
        let answer = api.post(CUSTOMERS, &body(number)).await;
        if answer.status != 201 {
            refused = Some(answer);
            break;
        }
        stored += 1;
    }
    let refused: Answer = refused.expect("at some time the store is full");
    refused.assert_error(507, "STORE_FULL", CUSTOMERS);
    assert_eq!(
        program.count("customers").await,
        stored,
        "nothing of the refused one"
    );
    assert_eq!(api.get(CUSTOMERS).await.status, 200, "reading goes on");

    match program.engine() {
        Engine::Sqlite => limit("PRAGMA max_page_count = 1000000").await,
        Engine::Postgres => {
            program
                .sql("DROP TRIGGER full_disk ON public.customers")
                .await;
        }
    }
    let after = api.post(CUSTOMERS, &body(20_000)).await;
    assert_eq!(
        after.status, 201,
        "and when there is room again, so does writing: {}",
        after.text
    );
    assert_eq!(program.count("customers").await, stored + 1);
    let missing = "customers c WHERE NOT EXISTS (SELECT 1 FROM change_log g WHERE g.row_key = CAST(c.\"id\" AS TEXT))";
    assert_eq!(
        program.count(missing).await,
        0,
        "every row that was kept was captured"
    );
    running.shutdown().await;
}

async fn a_store_that_is_gone_is_503_in_words(mut world: World) {
    let (running, api) = quiet(&mut world).await;
    let person = crate::console::Browser::signed_in(&running, pugmark::people::Role::Viewer).await;
    running.db.clone().close().await;

    for (method, path) in [
        (Method::GET, CUSTOMERS),
        (Method::GET, "/api/internal/status"),
        (Method::GET, "/api/internal/vtiger/queue"),
    ] {
        let gone = answer(api.request(method, path)).await;
        gone.assert_error(503, "STORE_UNAVAILABLE", path);
        assert!(!gone.header("retry-after").is_empty());
    }
    let write = api
        .post(CUSTOMERS, &json!({"firstName":"A","lastName":"B","phoneNumber":"0712345678","idType":"national","idNumber":"12345678"}))
        .await;
    write.assert_error(503, "STORE_UNAVAILABLE", CUSTOMERS);
    let ready = answer(api.bare(Method::GET, "/health/ready")).await;
    assert_eq!(
        (ready.status, &ready.json["store"]),
        (503, &json!("does not answer"))
    );
    assert_eq!(
        answer(api.bare(Method::GET, "/health/live")).await.status,
        200
    );
    let page = person.get("/").await;
    assert_eq!(page.status, 503);
    assert!(
        page.text.contains("The store does not answer"),
        "{}",
        page.text
    );
    running.shutdown().await;
}
