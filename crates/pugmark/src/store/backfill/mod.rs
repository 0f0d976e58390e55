//! `backfill_runs`, `backfill_contacts`, `backfill_matches`: the first sync of a base that is there on both sides.

mod matches;

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;
use sqlx::AssertSqlSafe;

pub use matches::{
    Contact, Counts, Key, Match, candidates, candidates_sql, counts, matches, note_contact,
    note_done, note_match, part_shared, release,
};

use super::rows_changed;

/// A first sync.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Run {
    /// Its number.
    pub id: i64,
    /// Whether it ends before anything is linked.
    pub dry_run: bool,
    /// Whether a person has said that it may link and create.
    pub confirmed: bool,
    /// Whether new contacts are made through the extension's bulk upsert, in vTiger's bulk mode.
    pub bulk: bool,
    /// Keys by which contacts are matched, in order, with commas.
    pub match_by: String,
    /// Who asked for it.
    pub requested_by: String,
    /// The request; every operation of the run carries it.
    pub correlation_id: String,
    /// `contacts`, `matching`, `ready`, `linking` or `ended`.
    pub phase: String,
    /// The id behind which the next page of the phase begins; empty: from the beginning.
    pub place: String,
    /// Contacts in the CRM when it began.
    pub contacts_total: i64,
    /// Customers when it began.
    pub customers_total: i64,
    /// Contacts read.
    pub contacts: i64,
    /// Customers matched, or linked, in the phase under way.
    pub customers: i64,
    /// Calls to the CRM, without those of operations.
    pub calls: i64,
    /// What reading pages took, in microseconds.
    pub read_micros: i64,
    /// Pages read.
    pub read_pages: i64,
    /// Whether the extension was found that makes a hundred contacts at a time.
    pub upserts: bool,
    /// What keeps it from going on, or why it ended before its end.
    pub trouble: Option<String>,
    /// When it was asked for.
    pub created_at: Ts,
    /// When it ended.
    pub ended_at: Option<Ts>,
    /// Who stopped it before its end.
    pub stopped_by: Option<String>,
}

const COLUMNS: &str = "id, dry_run, confirmed, bulk, match_by, requested_by, correlation_id, phase, place, contacts_total, \
     customers_total, contacts, customers, calls, read_micros, read_pages, upserts, trouble, created_at, ended_at, stopped_by";

/// What is asked for.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// Whether it ends before anything is linked.
    pub dry_run: bool,
    /// Whether it needs no further word of a person.
    pub confirmed: bool,
    /// Whether new contacts are made in bulk.
    pub bulk: bool,
    /// Keys, with commas.
    pub match_by: String,
    /// Who asks.
    pub requested_by: String,
    /// The request.
    pub correlation_id: String,
}

/// Begins a run and forgets what those before it had read and found. What a dry run finds holds nothing, so it also leaves alone what
/// the one before it holds.
///
/// # Errors
/// Whatever the database says.
pub async fn begin(conn: &mut Conn, new: &NewRun, now: Ts) -> Result<(), DbError> {
    for table in ["backfill_contacts", "backfill_matches"] {
        let sql = format!(
            "DELETE FROM {table} WHERE NOT $1 OR run_id <> (SELECT COALESCE(MAX(id), 0) FROM backfill_runs WHERE NOT dry_run)"
        );
        on!(conn, |c| sqlx::query(AssertSqlSafe(sql))
            .bind(new.dry_run)
            .execute(c)
            .await
            .map(drop))?;
    }
    on!(conn, |c| {
        sqlx::query(
        "INSERT INTO backfill_runs (dry_run, confirmed, bulk, match_by, requested_by, correlation_id, phase, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, 'contacts', $7)"
    )
    .bind(new.dry_run)
    .bind(new.confirmed)
    .bind(new.bulk)
    .bind(&new.match_by)
    .bind(&new.requested_by)
    .bind(&new.correlation_id)
    .bind(now)
    .execute(c)
    .await
    .map(drop)
    })?;
    Ok(())
}

/// The latest run.
///
/// # Errors
/// Whatever the database says.
pub async fn latest(conn: &mut Conn) -> Result<Option<Run>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM backfill_runs ORDER BY id DESC LIMIT 1");
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .fetch_optional(c)
        .await)?)
}

/// Stores how far a run has come. `false` when somebody else has moved or stopped it since `run` was read.
///
/// # Errors
/// Whatever the database says.
pub async fn advance(conn: &mut Conn, run: &Run, moved: &Run) -> Result<bool, DbError> {
    let rows = on!(conn, |c| {
        sqlx::query(
        "UPDATE backfill_runs SET phase = $4, place = $5, contacts_total = $6, customers_total = $7, contacts = $8, \
         customers = $9, calls = $10, read_micros = $11, read_pages = $12, trouble = $13, ended_at = $14, upserts = $15 \
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
    .bind(moved.customers)
    .bind(moved.calls)
    .bind(moved.read_micros)
    .bind(moved.read_pages)
    .bind(moved.trouble.as_deref())
    .bind(moved.ended_at)
    .bind(moved.upserts)
    .execute(c)
    .await
    .map(|done| done.rows_affected())
    })?;
    Ok(rows == 1)
}

/// A person says that a run may link and create. `false` when it is not ready, or not any more.
///
/// # Errors
/// Whatever the database says.
pub async fn confirm(conn: &mut Conn, id: i64) -> Result<bool, DbError> {
    let sql = "UPDATE backfill_runs SET confirmed = $2, phase = 'linking', place = '', customers = 0 \
               WHERE id = $1 AND phase = 'ready'";
    rows_changed!(conn, sql, id, true)
}

/// Ends a run before its end. One that is linking ends after the page under way: a call may be making contacts. `false` when it had
/// ended or was stopped before.
///
/// # Errors
/// Whatever the database says.
pub async fn stop(conn: &mut Conn, id: i64, who: &str, now: Ts) -> Result<bool, DbError> {
    let sql = "UPDATE backfill_runs SET stopped_by = $3, ended_at = CASE WHEN phase = 'linking' THEN NULL ELSE $2 END, \
               phase = CASE WHEN phase = 'linking' THEN phase ELSE 'ended' END \
               WHERE id = $1 AND ended_at IS NULL AND stopped_by IS NULL";
    rows_changed!(conn, sql, id, now, who)
}

/// Why no contact may be created for a customer now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// A first sync is under way: whether there is a contact is being found out.
    UnderWay,
    /// A person has to decide.
    Ambiguous,
}

/// The statement behind [`hold`], for tests of its plan.
pub const HOLD: &str = "SELECT r.ended_at IS NULL, m.outcome FROM backfill_runs r \
     LEFT JOIN backfill_matches m ON m.run_id = r.id AND m.customer_id = $1 \
     WHERE r.id = (SELECT MAX(id) FROM backfill_runs WHERE NOT dry_run)";

/// Whether no contact may be created for a customer now.
///
/// # Errors
/// Whatever the database says.
pub async fn hold(conn: &mut Conn, customer: &str) -> Result<Option<Hold>, DbError> {
    let row: Option<(bool, Option<String>)> = on!(conn, |c| sqlx::query_as(HOLD)
        .bind(customer)
        .fetch_optional(c)
        .await)?;
    Ok(match row {
        Some((_, Some(outcome))) if outcome == "ambiguous" => Some(Hold::Ambiguous),
        Some((true, _)) => Some(Hold::UnderWay),
        _ => None,
    })
}

/// The statement behind [`creation_has_begun`], for tests of its plan.
pub const CREATION_HAS_BEGUN: &str = "SELECT EXISTS (SELECT 1 FROM vtiger_sync_queue q WHERE q.lane = 'customer:' || CAST($1 AS TEXT) \
             AND q.unfinished = 1 AND (q.status = 'PROCESSING' OR q.unknown_at IS NOT NULL)) \
     OR EXISTS (SELECT 1 FROM vtiger_sync_queue q WHERE q.lane = 'customer:' || CAST($1 AS TEXT) \
             AND q.dead_at IS NOT NULL AND q.heir IS NULL AND q.coalesce_key IS NOT NULL AND q.unknown_at IS NOT NULL)";

/// Whether an operation is creating a customer's contact, or may have created it: then it is ended there.
///
/// # Errors
/// Whatever the database says.
pub async fn creation_has_begun(conn: &mut Conn, customer: &str) -> Result<bool, DbError> {
    Ok(on!(conn, |c| sqlx::query_scalar(CREATION_HAS_BEGUN)
        .bind(customer)
        .fetch_one(c)
        .await)?)
}
