//! The outbox of captured changes.

use pugmark_queue::db::{Conn, DbError, Engine, Ts};
use pugmark_queue::on;
use serde_json::{Map, Value};
use sqlx::AssertSqlSafe;

use super::dialect;
use super::journey::Until;
use crate::capture::change::{Change, Event};

#[derive(sqlx::FromRow)]
struct Logged {
    id: i64,
    table_name: String,
    row_key: Vec<u8>,
    event: String,
    old_row: Option<Vec<u8>>,
    new_row: Option<Vec<u8>>,
    correlation_id: Option<String>,
    healed: bool,
}

impl From<Logged> for Change {
    fn from(row: Logged) -> Self {
        Change {
            id: row.id,
            table: row.table_name,
            // SQLite keeps text that is none. One such row must not stop all the others.
            key: String::from_utf8_lossy(&row.row_key).into_owned(),
            // The column has a CHECK; an unknown word can only mean "look at the row again".
            event: Event::parse(&row.event).unwrap_or(Event::Update),
            old: row.old_row.as_deref().and_then(object),
            new: row.new_row.as_deref().and_then(object),
            correlation_id: row.correlation_id,
            healed: row.healed,
        }
    }
}

/// A row image; what is not an object counts as absent, and then nothing is ruled out when planning.
fn object(text: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_str(&String::from_utf8_lossy(text)).ok()
}

const ANY_WAITING: &str = "SELECT id FROM change_log WHERE processed_at IS NULL AND event <> 'TRUNCATE' \
     ORDER BY healed DESC, id LIMIT 1";

fn waiting_sql(engine: Engine) -> String {
    format!(
        "SELECT id, table_name, {key} AS row_key, event, {old} AS old_row, {new} AS new_row, correlation_id, healed \
         FROM change_log WHERE processed_at IS NULL AND event <> 'TRUNCATE' ORDER BY healed DESC, id LIMIT $1 {skip_locked}",
        key = dialect::bytes(engine, "row_key"),
        old = dialect::bytes(engine, "old_row"),
        new = dialect::bytes(engine, "new_row"),
        skip_locked = dialect::skip_locked(engine),
    )
}

/// The statements that are asked several times a second, by name, for tests of their plans.
pub fn hot_queries(engine: Engine) -> [(&'static str, String); 2] {
    [
        ("waiting changes", waiting_sql(engine)),
        ("any waiting change", ANY_WAITING.to_owned()),
    ]
}

/// The latest changes of a row, planned or not, newest first, each with the time at which it was captured.
///
/// # Errors
/// Whatever the database says.
pub async fn latest_of(
    conn: &mut Conn,
    table: &str,
    key: &str,
    limit: u32,
) -> Result<Vec<(Change, Ts)>, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "SELECT id, table_name, {key} AS row_key, event, {old} AS old_row, {new} AS new_row, correlation_id, healed, captured_at \
         FROM change_log WHERE table_name = $1 AND row_key = $2 AND event <> 'TRUNCATE' ORDER BY id DESC LIMIT $3",
        key = dialect::bytes(engine, "row_key"),
        old = dialect::bytes(engine, "old_row"),
        new = dialect::bytes(engine, "new_row"),
    );
    let rows: Vec<At> = on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(table)
        .bind(key)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await)?;
    Ok(rows
        .into_iter()
        .map(|row| (row.logged.into(), row.captured_at))
        .collect())
}

/// The statement behind [`of_customer`], for tests of its plan. Parameters: the customer twice (as text and as a key), time and
/// number behind which it goes on, how many.
pub fn of_customer_sql(engine: Engine) -> String {
    let customer = dialect::uuid_parameter(engine, 2);
    let of = |table: &str| {
        format!(
            "SELECT '{table}', CAST(r.\"id\" AS TEXT) FROM {table} r WHERE r.\"customerId\" = {customer}"
        )
    };
    // Both databases look the log up row by row, and never read it first.
    let log = match engine {
        Engine::Sqlite => {
            "change_log g WHERE g.table_name = m.table_name AND g.row_key = m.row_key"
        }
        Engine::Postgres => {
            "LATERAL (SELECT x.* FROM change_log x WHERE x.table_name = m.table_name AND x.row_key = m.row_key OFFSET 0) g \
             WHERE TRUE"
        }
    };
    format!(
        "WITH mine(table_name, row_key) AS (SELECT 'customers', CAST($1 AS TEXT) \
         UNION ALL {dependants} UNION ALL {beneficiaries} UNION ALL {requirements} UNION ALL {policies} \
         UNION ALL SELECT 'policy_payments', CAST(y.\"id\" AS TEXT) FROM policies p \
           JOIN policy_payments y ON y.\"policyId\" = p.\"id\" WHERE p.\"customerId\" = {customer}) \
         SELECT g.id, g.table_name, {key} AS row_key, g.event, {old} AS old_row, {new} AS new_row, g.correlation_id, g.healed, \
         g.captured_at FROM mine m CROSS JOIN {log} AND g.event <> 'TRUNCATE' AND (g.captured_at, g.id) < ($3, $4) \
         ORDER BY g.captured_at DESC, g.id DESC LIMIT $5",
        dependants = of("dependants"),
        beneficiaries = of("beneficiaries"),
        requirements = of("missing_requirements"),
        policies = of("policies"),
        key = dialect::bytes(engine, "g.row_key"),
        old = dialect::bytes(engine, "g.old_row"),
        new = dialect::bytes(engine, "g.new_row"),
    )
}

/// Changes of a customer and of what belongs to it, as long as those rows are there, newest first behind a time and a number.
///
/// # Errors
/// Whatever the database says.
pub async fn of_customer(
    conn: &mut Conn,
    customer: &str,
    until: Until,
    limit: u32,
) -> Result<Vec<(Change, Ts)>, DbError> {
    let sql = of_customer_sql(conn.engine());
    let rows: Vec<At> = on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(customer)
        .bind(customer)
        .bind(until.at)
        .bind(until.id)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await)?;
    Ok(rows
        .into_iter()
        .map(|row| (row.logged.into(), row.captured_at))
        .collect())
}

#[derive(sqlx::FromRow)]
struct At {
    #[sqlx(flatten)]
    logged: Logged,
    captured_at: Ts,
}

/// Takes the turn to plan, until the transaction ends; `false` when another process has it. One at a time, so that the changes
/// of a row are planned in their order, and so that the gap sweep compares rows with a state that nobody is changing.
///
/// # Errors
/// Whatever the database says.
pub async fn take_turn(conn: &mut Conn) -> Result<bool, DbError> {
    if conn.engine() == Engine::Sqlite {
        return Ok(true);
    }
    let (mine,): (bool,) = on!(conn, |c| sqlx::query_as(
        "SELECT pg_try_advisory_xact_lock(hashtext('pugmark'), hashtext('plan'))"
    )
    .fetch_one(c)
    .await)?;
    Ok(mine)
}

/// Up to `limit` changes that have not been planned, held against other relays until the transaction ends: oldest first, but
/// healed ones before all others, because they describe how a row was when none of its later changes was there yet.
///
/// # Errors
/// Whatever the database says.
pub async fn waiting(conn: &mut Conn, limit: u32) -> Result<Vec<Change>, DbError> {
    let sql = waiting_sql(conn.engine());
    let rows: Vec<Logged> = on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(i64::from(limit))
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(Change::from).collect())
}

/// Notes that these changes were planned, in the transaction that queued their operations.
///
/// # Errors
/// Whatever the database says.
pub async fn mark_processed(conn: &mut Conn, ids: &[i64], now: Ts) -> Result<(), DbError> {
    let sql = format!(
        "UPDATE change_log SET processed_at = $1 WHERE {}",
        dialect::id_in(conn.engine(), 2)
    );
    let ids = Value::from(ids).to_string();
    on!(conn, |c| sqlx::query(AssertSqlSafe(sql))
        .bind(now)
        .bind(ids)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Whether any change still waits to be planned.
///
/// # Errors
/// Whatever the database says.
pub async fn any_waiting(conn: &mut Conn) -> Result<bool, DbError> {
    let row: Option<(i64,)> = on!(conn, |c| sqlx::query_as(ANY_WAITING)
        .fetch_optional(c)
        .await)?;
    Ok(row.is_some())
}

/// How many changes wait to be planned, and since when the oldest does.
///
/// # Errors
/// Whatever the database says.
pub async fn backlog(conn: &mut Conn) -> Result<(i64, Option<Ts>), DbError> {
    let row: (i64, Option<Ts>) = on!(conn, |c| sqlx::query_as(
        "SELECT COUNT(*), MIN(captured_at) FROM change_log WHERE processed_at IS NULL"
    )
    .fetch_one(c)
    .await)?;
    Ok(row)
}

/// Gives the changes that this transaction made to one row the correlation id of the request that made them.
///
/// # Errors
/// Whatever the database says.
pub async fn correlate(
    conn: &mut Conn,
    table: &str,
    key: &str,
    correlation_id: &str,
) -> Result<(), DbError> {
    on!(conn, |c| sqlx::query(
        "UPDATE change_log SET correlation_id = $3 \
         WHERE table_name = $1 AND row_key = $2 AND processed_at IS NULL AND correlation_id IS NULL"
    )
    .bind(table)
    .bind(key)
    .bind(correlation_id)
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}

/// Writes a change that no trigger saw: the gap sweep found the row different from what was last captured.
///
/// # Errors
/// Whatever the database says.
pub async fn heal(conn: &mut Conn, table: &str, key: &str, event: Event) -> Result<(), DbError> {
    let word = match event {
        Event::Insert => "INSERT",
        Event::Update => "UPDATE",
        Event::Delete => "DELETE",
    };
    on!(conn, |c| {
        sqlx::query(
        "INSERT INTO change_log (table_name, row_key, event, correlation_id, healed) VALUES ($1, $2, $3, $4, $5)"
    )
    .bind(table)
    .bind(key)
    .bind(word)
    .bind(format!("gap-sweep-{key}"))
    .bind(true)
    .execute(c)
    .await
    .map(drop)
    })?;
    Ok(())
}

/// Marks of a TRUNCATE for which no sweep has been made yet.
///
/// # Errors
/// Whatever the database says.
pub async fn truncate_marks(conn: &mut Conn) -> Result<Vec<i64>, DbError> {
    let rows: Vec<(i64,)> = on!(conn, |c| sqlx::query_as(
        "SELECT id FROM change_log WHERE processed_at IS NULL AND event = 'TRUNCATE'"
    )
    .fetch_all(c)
    .await)?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Removes planned changes older than `before`, at most `limit` of them, and says how many went.
///
/// # Errors
/// Whatever the database says.
pub async fn prune(conn: &mut Conn, before: Ts, limit: u32) -> Result<u64, DbError> {
    let gone = on!(conn, |c| sqlx::query(
        "DELETE FROM change_log WHERE id IN \
         (SELECT id FROM change_log WHERE processed_at IS NOT NULL AND processed_at < $1 LIMIT $2)"
    )
    .bind(before)
    .bind(i64::from(limit))
    .execute(c)
    .await
    .map(|done| done.rows_affected()))?;
    Ok(gone)
}
