//! The cost of a claim does not depend on what cannot be claimed: a million finished rows, a hundred thousand in backoff, a hundred
//! thousand behind them, and a hundred thousand of a kind that is paused. Judged by plans and work done, never by time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::FutureExt;
use pugmark_queue::db::{Conn, Db, DbError, DbOptions, Engine, RawConn, Ts};
use pugmark_queue::testing::{TestDb, hot_queries};
use pugmark_queue::*;
use serde_json::Value;
use sqlx::AssertSqlSafe;

use crate::harness::*;

const FINISHED: i64 = 1_000_000;
const WAITING: i64 = 100_000;

/// Filling takes longer than any member of a group normally may.
fn patient() -> DbOptions {
    DbOptions {
        statement_timeout: 600 * SECOND,
        member_timeout: 600 * SECOND,
        ..DbOptions::default()
    }
}

/// One row for each number from 1 to `rows`; the columns are SQL over `n`.
struct Fill {
    rows: i64,
    kind: &'static str,
    lane: &'static str,
    lane_seq: &'static str,
    head: &'static str,
    status: &'static str,
    due: Ts,
}

impl Fill {
    fn sql(&self, engine: Engine, number: u8) -> String {
        let Self {
            rows,
            kind,
            lane,
            lane_seq,
            head,
            status,
            due,
        } = self;
        let micros = due.as_micros();
        let (series, id, at) = match engine {
            Engine::Sqlite => (
                format!(
                    "WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < {rows})"
                ),
                format!("unhex(printf('%02x%030x', {number}, n))"),
                micros.to_string(),
            ),
            Engine::Postgres => (
                format!("WITH g AS (SELECT n FROM generate_series(1, {rows}) AS n)"),
                format!("(lpad(to_hex({number}), 2, '0') || lpad(to_hex(n), 30, '0'))::uuid"),
                format!("to_timestamp({micros}::numeric / 1000000)"),
            ),
        };
        format!(
            "INSERT INTO vtiger_sync_queue (id, kind, entity_type, entity_id, operation, lane, lane_seq, head, status, priority, \
             retry_count, max_retries, deferrals, next_attempt_at, payload, correlation_id, attempts, inherited_attempts, \
             first_queued_at, processed_at, created_at, updated_at) \
             {series} SELECT {id}, '{kind}', 'customer', CAST(n AS text), 'UPDATE', {lane}, {lane_seq}, {head}, '{status}', \
             2, 0, 5, 0, {at}, '{{}}', 'c', 1, 0, {at}, {at}, {at}, {at} FROM g"
        )
    }
}

async fn run(db: &Db, sql: String) {
    db.write("fill", move |conn| {
        async move {
            on!(conn, |c| sqlx::raw_sql(AssertSqlSafe(sql))
                .execute(c)
                .await
                .map(drop))?;
            Ok::<_, DbError>(())
        }
        .boxed()
    })
    .await
    .unwrap();
}

async fn fill(t: &Harness, finished: i64, waiting: i64) {
    let (db, now) = (t.queue.db(), t.now());
    let (past, future) = (now.before(100 * SECOND), now.after(1000 * SECOND));
    let base = Fill {
        rows: waiting,
        kind: "note.create",
        lane: "'blocked:' || n",
        lane_seq: "1",
        head: "1",
        status: "FAILED",
        due: future,
    };
    let parts = [
        Fill {
            rows: finished,
            lane: "'done:' || n",
            head: "0",
            status: "COMPLETED",
            due: past,
            ..base
        },
        Fill { ..base },
        Fill {
            lane_seq: "2",
            head: "0",
            status: "PENDING",
            due: past,
            ..base
        },
        Fill {
            kind: "paused",
            lane: "'paused:' || n",
            status: "PENDING",
            due: past,
            ..base
        },
        Fill {
            rows: 1,
            lane: "'done:' || n",
            status: "PENDING",
            due: past,
            ..base
        },
    ];
    for (number, part) in parts.iter().enumerate() {
        run(db, part.sql(db.engine(), u8::try_from(number).unwrap())).await;
    }
    t.queue.pause("paused", "ann").await.unwrap();
}

/// Enough to have a few claimable ones besides.
async fn enqueue_some(t: &Harness) {
    for n in 0..20 {
        t.enqueue(event(&n.to_string())).await;
    }
}

async fn sqlite_plan(conn: &mut Conn, sql: &str) -> Vec<String> {
    let explain = format!("EXPLAIN QUERY PLAN {sql}");
    let RawConn::Sqlite(c) = conn.raw() else {
        panic!("SQLite only")
    };
    let rows: Vec<(i64, i64, i64, String)> = sqlx::query_as(AssertSqlSafe(explain))
        .fetch_all(&mut **c)
        .await
        .unwrap();
    rows.into_iter().map(|row| row.3).collect()
}

#[tokio::test]
async fn on_sqlite_no_hot_query_reads_the_queue_but_through_the_index_made_for_it() {
    let t = Harness::sqlite().await;
    // The planner decides by the indexes alone: nothing was ever analysed here, as in most installations.
    let mut conn = t.queue.db().read().await.unwrap();
    for (name, sql) in hot_queries(Engine::Sqlite) {
        let plan = sqlite_plan(&mut conn, sql).await;
        let tables = [
            "vtiger_sync_queue",
            "SEARCH i ",
            "SEARCH n ",
            "SEARCH q ",
            "SCAN i",
            "SCAN n ",
            "SCAN q ",
        ];
        let touching: Vec<_> = plan
            .iter()
            .filter(|line| tables.iter().any(|table| line.contains(table)))
            .collect();
        assert!(!touching.is_empty(), "{name}: {plan:#?}");
        for line in touching {
            let indexed = [
                "queue_claim",
                "queue_lane ",
                "queue_lane_head ",
                "sqlite_autoindex_vtiger_sync_queue_1",
            ];
            assert!(
                line.starts_with("SEARCH") && indexed.iter().any(|index| line.contains(index)),
                "{name}: {line}\n{plan:#?}"
            );
        }
    }
}

/// Instructions of SQLite's virtual machine that `work` takes, in hundreds.
async fn instructions<T>(t: &Harness, work: impl AsyncFnOnce(&Harness) -> T) -> u64 {
    let counter = Arc::new(AtomicU64::new(0));
    let count = counter.clone();
    t.queue
        .db()
        .write("count", move |conn| {
            async move {
                let RawConn::Sqlite(c) = conn.raw() else {
                    panic!("SQLite only")
                };
                c.lock_handle().await?.set_progress_handler(100, move || {
                    count.fetch_add(1, Ordering::Relaxed);
                    true
                });
                Ok::<_, DbError>(())
            }
            .boxed()
        })
        .await
        .unwrap();
    work(t).await;
    counter.load(Ordering::Relaxed)
}

#[tokio::test]
async fn on_sqlite_a_long_history_and_a_great_jam_cost_a_claim_nothing() {
    let work = async |t: &Harness| {
        let claimed = t.claim(5).await;
        assert_eq!(claimed.len(), 5);
        for one in &claimed {
            t.complete(&one.lease).await.unwrap();
        }
    };
    let small = Harness::sqlite().await;
    fill(&small, 10, 10).await;
    enqueue_some(&small).await;
    let little = instructions(&small, work).await;

    let large = Harness::sqlite_with(patient()).await;
    fill(&large, FINISHED, WAITING).await;
    enqueue_some(&large).await;
    let much = instructions(&large, work).await;
    assert!(
        little > 0 && much <= little * 3 / 2 + 5,
        "{little} and {much} hundred instructions"
    );
}

mod postgres {
    use super::*;

    /// Runs the prepared statement as the driver does after a while, with a plan that does not know the parameters, and gives
    /// the plan with what it did.
    async fn analysed(conn: &mut Conn, sql: &str, parameters: &str) -> Value {
        let RawConn::Postgres(c) = conn.raw() else {
            panic!("PostgreSQL only")
        };
        let prepare = format!(
            "BEGIN; SET LOCAL plan_cache_mode = force_generic_plan; PREPARE hot AS {sql}; \
             EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE hot({parameters}); DEALLOCATE hot; ROLLBACK"
        );
        use sqlx::Executor;
        let rows = (&mut **c)
            .fetch_all(sqlx::raw_sql(AssertSqlSafe(prepare)))
            .await
            .unwrap();
        let text: Value = sqlx::Row::get(&rows[0], 0);
        text[0]["Plan"].clone()
    }

    /// Rows of the queue that the plan looked at, taken or not, and the ways in which it did.
    fn visited(plan: &Value, ways: &mut Vec<String>) -> f64 {
        let number = |key: &str| plan[key].as_f64().unwrap_or_default();
        let kind = plan["Node Type"].as_str().unwrap_or_default();
        let mut rows = 0.0;
        if plan["Relation Name"] == "vtiger_sync_queue" && kind.contains("Scan") {
            ways.push(format!(
                "{kind} {}",
                plan["Index Name"].as_str().unwrap_or("without an index")
            ));
            rows += (number("Actual Rows")
                + number("Rows Removed by Filter")
                + number("Rows Removed by Index Recheck"))
                * number("Actual Loops");
        }
        for child in plan["Plans"].as_array().into_iter().flatten() {
            rows += visited(child, ways);
        }
        rows
    }

    #[tokio::test]
    async fn a_long_history_and_a_great_jam_cost_a_claim_nothing() {
        let Some(test) = TestDb::postgres_with(patient()).await else {
            return;
        };
        let t = Harness::over(test);
        fill(&t, FINISHED, WAITING).await;
        enqueue_some(&t).await;
        for analysed_first in [false, true] {
            if analysed_first {
                run(t.queue.db(), "ANALYZE vtiger_sync_queue".to_owned()).await;
            }
            let now = format!("timestamptz '{}'", t.now());
            let mut conn = t.queue.db().read().await.unwrap();
            for (name, sql) in hot_queries(Engine::Postgres) {
                let parameters = match name {
                    "claim" => format!("'[\"held\"]', NULL, {now}, 5, 'w', 1000000"),
                    "next due" => "'[]', NULL".to_owned(),
                    _ => format!("'blocked:77', {now}"),
                };
                let mut ways = Vec::new();
                let rows = visited(&analysed(&mut conn, sql, &parameters).await, &mut ways);
                assert!(
                    !ways.is_empty() && ways.iter().all(|way| way.contains("Index")),
                    "{name}: {ways:?}"
                );
                assert!(rows < 100.0, "{name}: {rows} rows by {ways:?}");
            }
            drop(conn);
        }
        assert_eq!(
            t.claim(50).await.len(),
            21,
            "and what can be claimed is found"
        );
    }
}
