//! `reconcile_runs` and `reconcile_findings`: comparing both sides, page by page, and what was found out of step.

use std::collections::BTreeMap;

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;
use serde_json::Value;
use sqlx::AssertSqlSafe;

/// A comparison of both sides.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Run {
    /// Its number.
    pub id: i64,
    /// The night it was made for by the clock (`YYYY-MM-DD`); `None`: a person asked for it.
    pub night: Option<String>,
    /// Whether what is out of step is repaired.
    pub fix: bool,
    /// Whether contacts that are gone are created again.
    pub recreate: bool,
    /// Who asked for it.
    pub requested_by: String,
    /// The request; every operation of the run carries it.
    pub correlation_id: String,
    /// `contacts`, `customers` or `ended`.
    pub phase: String,
    /// The id behind which the next page of the phase begins; empty: from the beginning.
    pub place: String,
    /// Contacts in the CRM when it began.
    pub contacts_total: i64,
    /// Customers when it began.
    pub customers_total: i64,
    /// Contacts looked at.
    pub contacts: i64,
    /// Contacts without a reference: none of ours.
    pub strangers: i64,
    /// Customers looked at.
    pub customers: i64,
    /// Customers whose contact holds what it should.
    pub equal: i64,
    /// Customers left out because a change of theirs was under way.
    pub under_way: i64,
    /// Calls to the CRM.
    pub calls: i64,
    /// What keeps it from going on, or why it ended before its end.
    pub trouble: Option<String>,
    /// When it was asked for.
    pub created_at: Ts,
    /// When the last page was done.
    pub ended_at: Option<Ts>,
    /// Who stopped it before its end.
    pub stopped_by: Option<String>,
}

const COLUMNS: &str = "id, night, fix, recreate, requested_by, correlation_id, phase, place, contacts_total, customers_total, \
     contacts, strangers, customers, equal, under_way, calls, trouble, created_at, ended_at, stopped_by";

/// What is asked for.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// The night, when the clock asks.
    pub night: Option<String>,
    /// Whether what is out of step is repaired.
    pub fix: bool,
    /// Whether contacts that are gone are created again.
    pub recreate: bool,
    /// Who asks.
    pub requested_by: String,
    /// The request.
    pub correlation_id: String,
}

/// Begins a run. `false` when this night has one already.
///
/// # Errors
/// Whatever the database says.
pub async fn begin(conn: &mut Conn, new: &NewRun, now: Ts) -> Result<bool, DbError> {
    let made = on!(conn, |c| {
        sqlx::query(
        "INSERT INTO reconcile_runs (night, fix, recreate, requested_by, correlation_id, phase, created_at) \
         VALUES ($1, $2, $3, $4, $5, 'contacts', $6) ON CONFLICT (night) DO NOTHING"
    )
    .bind(new.night.as_deref())
    .bind(new.fix)
    .bind(new.recreate)
    .bind(&new.requested_by)
    .bind(&new.correlation_id)
    .bind(now)
    .execute(c)
    .await
    .map(|done| done.rows_affected())
    })?;
    Ok(made == 1)
}

/// The latest run.
///
/// # Errors
/// Whatever the database says.
pub async fn latest(conn: &mut Conn) -> Result<Option<Run>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM reconcile_runs ORDER BY id DESC LIMIT 1");
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .fetch_optional(c)
        .await)?)
}

/// Whether this night has a run.
///
/// # Errors
/// Whatever the database says.
pub async fn has_night(conn: &mut Conn, night: &str) -> Result<bool, DbError> {
    let sql = "SELECT COUNT(*) FROM reconcile_runs WHERE night = $1";
    let runs: i64 = on!(conn, |c| sqlx::query_scalar(sql)
        .bind(night)
        .fetch_one(c)
        .await)?;
    Ok(runs > 0)
}

/// Stores how far a run has come: everything of `moved` that moves. `false` when somebody else has moved or stopped it since
/// `run` was read.
///
/// # Errors
/// Whatever the database says.
pub async fn advance(conn: &mut Conn, run: &Run, moved: &Run) -> Result<bool, DbError> {
    let rows = on!(conn, |c| {
        sqlx::query(
        "UPDATE reconcile_runs SET phase = $4, place = $5, contacts_total = $6, customers_total = $7, contacts = $8, \
         strangers = $9, customers = $10, equal = $11, under_way = $12, calls = $13, trouble = $14, ended_at = $15 \
         WHERE id = $1 AND phase = $2 AND place = $3 AND ended_at IS NULL"
    )
    .bind(run.id)
    .bind(&run.phase)
    .bind(&run.place)
    .bind(&moved.phase)
    .bind(&moved.place)
    .bind(moved.contacts_total)
    .bind(moved.customers_total)
    .bind(moved.contacts)
    .bind(moved.strangers)
    .bind(moved.customers)
    .bind(moved.equal)
    .bind(moved.under_way)
    .bind(moved.calls)
    .bind(moved.trouble.as_deref())
    .bind(moved.ended_at)
    .execute(c)
    .await
    .map(|done| done.rows_affected())
    })?;
    Ok(rows == 1)
}

/// Ends a run before its end: nothing more is compared. `false` when it had ended.
///
/// # Errors
/// Whatever the database says.
pub async fn stop(conn: &mut Conn, id: i64, who: &str, now: Ts) -> Result<bool, DbError> {
    let stopped = on!(conn, |c| {
        sqlx::query(
        "UPDATE reconcile_runs SET phase = 'ended', ended_at = $2, stopped_by = $3 WHERE id = $1 AND ended_at IS NULL"
    )
    .bind(id)
    .bind(now)
    .bind(who)
    .execute(c)
    .await
    .map(|done| done.rows_affected())
    })?;
    Ok(stopped == 1)
}

/// Something that is out of step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its number; 0 before it is stored.
    pub id: i64,
    /// What is wrong: one of the words of the table.
    pub kind: String,
    /// The customer; empty where there is none.
    pub entity_id: String,
    /// The contact; empty where there is none.
    pub vtiger_id: String,
    /// What people need to know of it.
    pub detail: Value,
    /// Whether an operation is queued that puts it right.
    pub repaired: bool,
}

/// Stores what was found; what the run has found before stays as it is.
///
/// # Errors
/// Whatever the database says.
pub async fn note(conn: &mut Conn, run: i64, finding: &Finding) -> Result<(), DbError> {
    on!(conn, |c| {
        sqlx::query(
        "INSERT INTO reconcile_findings (run_id, kind, entity_id, vtiger_id, detail, repaired) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (run_id, kind, entity_id, vtiger_id) DO NOTHING"
    )
    .bind(run)
    .bind(&finding.kind)
    .bind(&finding.entity_id)
    .bind(&finding.vtiger_id)
    .bind(sqlx::types::Json(&finding.detail))
    .bind(finding.repaired)
    .execute(c)
    .await
    .map(drop)
    })?;
    Ok(())
}

/// What the run has found of a customer: kind and contact.
///
/// # Errors
/// Whatever the database says.
pub async fn of_customer(
    conn: &mut Conn,
    run: i64,
    kind: &str,
    customer: &str,
) -> Result<Option<String>, DbError> {
    Ok(on!(conn, |c| {
        sqlx::query_scalar(
        "SELECT vtiger_id FROM reconcile_findings WHERE run_id = $1 AND kind = $2 AND entity_id = $3 \
         ORDER BY id LIMIT 1"
    )
    .bind(run)
    .bind(kind)
    .bind(customer)
    .fetch_optional(c)
    .await
    })?)
}

/// How many findings of each kind a run has, and how many of them are repaired.
///
/// # Errors
/// Whatever the database says.
pub async fn counts(conn: &mut Conn, run: i64) -> Result<BTreeMap<String, (i64, i64)>, DbError> {
    let rows: Vec<(String, i64, i64)> = on!(conn, |c| {
        sqlx::query_as(
        "SELECT kind, COUNT(*), COUNT(CASE WHEN repaired THEN 1 END) FROM reconcile_findings WHERE run_id = $1 GROUP BY kind"
    )
    .bind(run)
    .fetch_all(c)
    .await
    })?;
    Ok(rows
        .into_iter()
        .map(|(kind, found, repaired)| (kind, (found, repaired)))
        .collect())
}

#[derive(sqlx::FromRow)]
struct FindingRow {
    id: i64,
    kind: String,
    entity_id: String,
    vtiger_id: String,
    detail: String,
    repaired: bool,
}

impl From<FindingRow> for Finding {
    fn from(row: FindingRow) -> Self {
        Finding {
            id: row.id,
            kind: row.kind,
            entity_id: row.entity_id,
            vtiger_id: row.vtiger_id,
            detail: serde_json::from_str(&row.detail).unwrap_or_default(),
            repaired: row.repaired,
        }
    }
}

/// What a run has found, in the order in which it was found, behind the finding `after`; of one kind, if `kind` names one.
///
/// # Errors
/// Whatever the database says.
pub async fn findings(
    conn: &mut Conn,
    run: i64,
    kind: Option<&str>,
    after: i64,
    limit: u32,
) -> Result<Vec<Finding>, DbError> {
    let rows: Vec<FindingRow> = on!(conn, |c| {
        sqlx::query_as(
        "SELECT id, kind, entity_id, vtiger_id, CAST(detail AS TEXT) AS detail, repaired FROM reconcile_findings \
         WHERE run_id = $1 AND id > $2 AND (CAST($3 AS TEXT) IS NULL OR kind = $3) ORDER BY id LIMIT $4"
    )
    .bind(run)
    .bind(after)
    .bind(kind)
    .bind(i64::from(limit))
    .fetch_all(c)
    .await
    })?;
    Ok(rows.into_iter().map(Finding::from).collect())
}

/// Forgets all but the newest runs, with what they found.
///
/// # Errors
/// Whatever the database says.
pub async fn prune(conn: &mut Conn, keep: i64) -> Result<(), DbError> {
    // Not every connection to SQLite heeds foreign keys.
    for sql in [
        "DELETE FROM reconcile_findings WHERE run_id <= (SELECT MAX(id) FROM reconcile_runs) - $1",
        "DELETE FROM reconcile_runs WHERE id <= (SELECT MAX(id) FROM reconcile_runs) - $1",
    ] {
        on!(conn, |c| sqlx::query(sql)
            .bind(keep)
            .execute(c)
            .await
            .map(drop))?;
    }
    Ok(())
}
