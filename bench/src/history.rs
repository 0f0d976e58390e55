//! Finished jobs of the past, written by plain SQL as each contestant would have left them.

use sqlx::{AssertSqlSafe, PgConnection};

use crate::apalis;
use crate::contestant::Contestant;
use crate::failure::Failure;
use crate::process;
use crate::services::Services;
use crate::task::Reset;

/// A UUIDv7 of the moment $at, as text.
const UUID_V7: &str = "(lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(random()::text), 1, 3) \
     || '8' || substr(md5(random()::text), 1, 15))::uuid";

/// One row for each finished job, numbered n, that ended at the moment `at`.
const PAST: &str = "SELECT n, now() - (1000000 - n) * interval '1 second' AS at FROM generate_series($1::bigint, $2::bigint - 1) AS n";

/// Brings a contestant to a history of `to` finished jobs, of which the first `from` are there already; zero: everything that is
/// there goes first.
pub(crate) async fn fill(
    contestant: Contestant,
    services: &Services,
    node: &std::path::Path,
    from: u64,
    to: u64,
) -> Result<(), Failure> {
    let task = Reset {
        empty: from == 0,
        from,
        to,
    };
    let command = contestant.command("reset", &serde_json::to_value(task)?, services, node)?;
    process::run(contestant.name(), command).await?;
    let Some(database) = contestant.database() else {
        return Ok(());
    };
    let mut connection = services.connect(database).await?;
    if from == 0 {
        for statement in emptying(contestant) {
            run(&mut connection, statement).await?;
        }
    }
    for statement in statements(contestant) {
        sqlx::query(AssertSqlSafe(statement))
            .bind(i64::try_from(from)?)
            .bind(i64::try_from(to)?)
            .execute(&mut connection)
            .await?;
    }
    run(&mut connection, "VACUUM ANALYZE").await
}

async fn run(connection: &mut PgConnection, statement: &'static str) -> Result<(), Failure> {
    sqlx::raw_sql(statement).execute(connection).await?;
    Ok(())
}

fn emptying(contestant: Contestant) -> &'static [&'static str] {
    match contestant {
        Contestant::Pugmark => &[
            "TRUNCATE pugmark.vtiger_sync_queue, pugmark.vtiger_sync_attempts, pugmark.queue_lanes, \
             pugmark.vtiger_sync_correlations, pugmark.queue_idempotency_keys",
        ],
        Contestant::Apalis => &["TRUNCATE apalis.jobs"],
        // By their own means.
        Contestant::PgBoss | Contestant::GraphileWorker | Contestant::Bullmq => &[],
    }
}

fn statements(contestant: Contestant) -> Vec<String> {
    match contestant {
        // An operation, its attempt and its lane: what stays of each.
        Contestant::Pugmark => vec![format!(
            "WITH past AS ({PAST}), made AS (\
               SELECT {UUID_V7} AS id, {UUID_V7} AS token, gen_random_uuid()::text AS entity, at FROM past), \
             lanes AS (INSERT INTO pugmark.queue_lanes (lane, last_seq) SELECT 'customer:' || entity, 1 FROM made), \
             attempts AS (INSERT INTO pugmark.vtiger_sync_attempts (id, operation_id, owner, started_at, finished_at, duration_us, \
                 ended, crm_calls, classification, correlation_id) \
               SELECT token, id, 'worker', at, at, 1000, 'COMPLETED', 1, 'done', id::text FROM made) \
             INSERT INTO pugmark.vtiger_sync_queue (id, kind, entity_type, entity_id, operation, lane, lane_seq, head, status, \
                 priority, retry_count, max_retries, deferrals, next_attempt_at, payload, outcome, correlation_id, coalesce_key, \
                 attempts, inherited_attempts, first_queued_at, processed_at, created_at, updated_at) \
             SELECT id, 'customer.update', 'customer', entity, 'UPDATE', 'customer:' || entity, 1, 0, 'COMPLETED', 1, 0, 3, 0, at, \
                 '{{\"change\":1234567}}', 'null', id::text, 'customer:' || entity, 1, 0, at, at, at, at FROM made"
        )],
        Contestant::Apalis => vec![format!(
            "WITH past AS ({PAST}) INSERT INTO apalis.jobs (id, job_type, job, status, attempts, max_attempts, run_at, done_at, \
                 last_result, priority) \
             SELECT '00' || lpad(n::text, 24, '0'), '{}', '1234567'::bytea, 'Done', 1, 25, at, at, 'null', 0 FROM past",
            apalis::QUEUE
        )],
        Contestant::PgBoss => vec![format!(
            "WITH past AS ({PAST}) INSERT INTO pgboss.job (name, data, state, policy, created_on, started_on, completed_on) \
             SELECT 'jobs', '{{\"change\":1234567}}', 'completed', 'standard', at, at, at FROM past"
        )],
        // It keeps none.
        Contestant::GraphileWorker | Contestant::Bullmq => Vec::new(),
    }
}
