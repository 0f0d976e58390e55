//! What the leader and Home ask again and again is answered from an index, however long the history is.

use pugmark::store;
use pugmark::store::{alerts, flow_figures};
use pugmark_queue::db::Engine;

use crate::harness::{World, on_both_databases};
use crate::query_plans::{sqlite_plan, visited};

on_both_databases!(figures_and_causes_are_found_along_an_index);

const ROWS: u32 = 20_000;

async fn figures_and_causes_are_found_along_an_index(world: World) {
    store::migrate(world.store.db()).await.expect("migrated");
    let program = world.other_program().await;
    let (series, id, time) = match program.engine() {
        Engine::Sqlite => (
            format!(
                "WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < {ROWS})"
            ),
            "unhex(printf('%032x', n))",
            "1700000000000000 + n * 1000",
        ),
        Engine::Postgres => (
            format!("WITH g AS (SELECT n FROM generate_series(1, {ROWS}) AS n)"),
            "lpad(to_hex(n), 32, '0')::uuid",
            "(TIMESTAMPTZ '2023-11-14' + n * INTERVAL '1 millisecond')",
        ),
    };
    for sql in [
        format!(
            "INSERT INTO vtiger_sync_queue (id, kind, entity_type, entity_id, operation, lane, lane_seq, head, status, priority, \
             retry_count, max_retries, deferrals, next_attempt_at, payload, error_code, correlation_id, dead_at, attempts, \
             inherited_attempts, first_queued_at, processed_at, created_at, updated_at) {series} SELECT {id}, 'note.create', 'NOTE', \
             CAST(n AS TEXT), 'CREATE', 'customer:' || n, 1, 0, CASE WHEN n % 100 = 0 THEN 'FAILED' ELSE 'COMPLETED' END, 2, 0, 3, 0, \
             {time}, '{{}}', CASE WHEN n % 100 = 0 THEN 'PUG-2006' END, 'c', CASE WHEN n % 100 = 0 THEN {time} END, 1, 0, {time}, \
             {time}, {time}, {time} FROM g"
        ),
        format!(
            "INSERT INTO vtiger_sync_attempts (id, operation_id, owner, started_at, finished_at, ended, classification) \
             {series} SELECT {id}, {id}, 'a test', {time}, {time}, 'COMPLETED', 'done' FROM g"
        ),
    ] {
        program.sql(sql).await;
    }
    if program.engine() == Engine::Postgres {
        program
            .sql("ANALYZE vtiger_sync_queue; ANALYZE vtiger_sync_attempts")
            .await;
    }
    let at = "'2023-11-14 00:00:01+00'";
    let id = "'00000000-0000-0000-0000-000000000100'";
    let further = "'00000000-0000-0000-0000-000000000164'";
    let statements = [
        (
            "ended",
            flow_figures::ENDED,
            format!("{at}, '2023-11-14 00:00:01.1+00'"),
        ),
        ("queued", flow_figures::QUEUED, format!("{id}, {further}")),
        ("next that ended", flow_figures::NEXT_ENDED, at.to_owned()),
        (
            "next that was queued",
            flow_figures::NEXT_QUEUED,
            id.to_owned(),
        ),
        ("open", flow_figures::OPEN, "100".to_owned()),
        ("finished", flow_figures::FINISHED, format!("{at}, 100")),
        ("died", flow_figures::DIED, format!("{at}, 100")),
        (
            "overdue",
            flow_figures::OVERDUE,
            format!("'note.create', 2, {at}, 100"),
        ),
        (
            "next kind of dead letters",
            alerts::NEXT_DEAD_KIND,
            "''".to_owned(),
        ),
        (
            "next cause of dead letters",
            alerts::NEXT_DEAD_CODE,
            "'note.create', ''".to_owned(),
        ),
        (
            "dead letters of a cause",
            alerts::COUNT_DEAD,
            "'note.create', 'PUG-2006', 100".to_owned(),
        ),
    ];
    let mut conn = world.store.db().read().await.expect("a connection");
    for (name, sql, parameters) in statements {
        match conn.engine() {
            Engine::Sqlite => {
                let plan = sqlite_plan(&mut conn, sql).await;
                let whole = |line: &&String| {
                    line.starts_with("SCAN")
                        && line.contains("vtiger_sync")
                        && !line.contains("INDEX")
                };
                assert_eq!(plan.iter().find(whole), None, "{name}: {plan:#?}");
            }
            Engine::Postgres => {
                let rows = visited(&mut conn, name, sql, &parameters).await;
                assert!(rows < 2_000.0, "{name} looked at {rows} rows");
            }
        }
    }
}
