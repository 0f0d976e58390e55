//! `backfill_runs`, `backfill_contacts`, `backfill_matches`: the first sync of a base that is there on both sides.

use std::collections::BTreeMap;

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;
use serde_json::Value;
use sqlx::AssertSqlSafe;

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
     customers_total, contacts, customers, calls, read_micros, read_pages, trouble, created_at, ended_at, stopped_by";

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
         customers = $9, calls = $10, read_micros = $11, read_pages = $12, trouble = $13, ended_at = $14 \
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

/// A contact that is linked to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Its id.
    pub vtiger_id: String,
    /// The reference it carries, in small letters.
    pub reference: String,
    /// Id type and number in one, or empty.
    pub id_key: String,
    /// E-mail, or empty.
    pub email_key: String,
    /// What it holds of the mapped fields.
    pub held: BTreeMap<String, String>,
}

/// Stores a contact that was read; once is enough.
///
/// # Errors
/// Whatever the database says.
pub async fn note_contact(conn: &mut Conn, run: i64, contact: &Contact) -> Result<(), DbError> {
    on!(conn, |c| sqlx::query(
        "INSERT INTO backfill_contacts (run_id, vtiger_id, reference, id_key, email_key, held) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (run_id, vtiger_id) DO NOTHING"
    )
    .bind(run)
    .bind(&contact.vtiger_id)
    .bind(&contact.reference)
    .bind(&contact.id_key)
    .bind(&contact.email_key)
    .bind(sqlx::types::Json(&contact.held))
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}

/// A key by which contacts are matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// The field that carries the customer's id.
    Reference,
    /// Id type and id number together.
    Id,
    /// The e-mail.
    Email,
}

impl Key {
    /// Every key, in the order of trust.
    pub const ALL: [Key; 3] = [Key::Reference, Key::Id, Key::Email];

    /// The word used by people.
    pub fn as_str(self) -> &'static str {
        match self {
            Key::Reference => "reference",
            Key::Id => "id",
            Key::Email => "email",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Key::ALL.into_iter().find(|key| key.as_str() == word.trim())
    }

    fn column(self) -> &'static str {
        match self {
            Key::Reference => "reference",
            Key::Id => "id_key",
            Key::Email => "email_key",
        }
    }
}

#[derive(sqlx::FromRow)]
struct ContactRow {
    vtiger_id: String,
    reference: String,
    id_key: String,
    email_key: String,
    held: String,
}

/// The statement behind [`candidates`], for tests of its plan.
pub fn candidates_sql(key: Key) -> String {
    let column = key.column();
    format!(
        "SELECT vtiger_id, reference, id_key, email_key, CAST(held AS TEXT) AS held FROM backfill_contacts \
         WHERE run_id = $1 AND {column} = $2 AND {column} <> '' ORDER BY vtiger_id LIMIT 10"
    )
}

/// The contacts with this value of a key, at most ten.
///
/// # Errors
/// Whatever the database says.
pub async fn candidates(
    conn: &mut Conn,
    run: i64,
    key: Key,
    value: &str,
) -> Result<Vec<Contact>, DbError> {
    let rows: Vec<ContactRow> = on!(conn, |c| sqlx::query_as(AssertSqlSafe(candidates_sql(key)))
        .bind(run)
        .bind(value)
        .fetch_all(c)
        .await)?;
    Ok(rows
        .into_iter()
        .map(|row| Contact {
            vtiger_id: row.vtiger_id,
            reference: row.reference,
            id_key: row.id_key,
            email_key: row.email_key,
            held: serde_json::from_str(&row.held).unwrap_or_default(),
        })
        .collect())
}

/// What was found for a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The customer.
    pub customer_id: String,
    /// `matched`, `ambiguous` or `new`.
    pub outcome: String,
    /// The contact, when it is matched.
    pub vtiger_id: Option<String>,
    /// The key that decided.
    pub matched_by: Option<String>,
    /// What people need to know: candidates and reason, or what will be overwritten.
    pub detail: Value,
    /// Whether something is sent to the matched contact.
    pub changes: bool,
}

/// Stores what was found for a customer.
///
/// # Errors
/// Whatever the database says.
pub async fn note_match(conn: &mut Conn, run: i64, found: &Match) -> Result<(), DbError> {
    on!(conn, |c| {
        sqlx::query(
        "INSERT INTO backfill_matches (run_id, customer_id, outcome, vtiger_id, matched_by, detail, changes) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (run_id, customer_id) DO NOTHING"
    )
    .bind(run)
    .bind(&found.customer_id)
    .bind(&found.outcome)
    .bind(found.vtiger_id.as_deref())
    .bind(found.matched_by.as_deref())
    .bind(sqlx::types::Json(&found.detail))
    .bind(found.changes)
    .execute(c)
    .await
    .map(drop)
    })?;
    Ok(())
}

/// Contacts that were matched with more than one customer: each of these is ambiguous.
///
/// # Errors
/// Whatever the database says.
pub async fn part_shared(conn: &mut Conn, run: i64) -> Result<(), DbError> {
    let sql = "UPDATE backfill_matches SET outcome = 'ambiguous', changes = $2 WHERE run_id = $1 AND outcome = 'matched' \
               AND vtiger_id IN (SELECT vtiger_id FROM backfill_matches WHERE run_id = $1 AND outcome = 'matched' \
                                 GROUP BY vtiger_id HAVING COUNT(*) > 1)";
    on!(conn, |c| sqlx::query(sql)
        .bind(run)
        .bind(false)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct MatchRow {
    customer_id: String,
    outcome: String,
    vtiger_id: Option<String>,
    matched_by: Option<String>,
    detail: String,
    changes: bool,
}

impl From<MatchRow> for Match {
    fn from(row: MatchRow) -> Self {
        Match {
            customer_id: row.customer_id,
            outcome: row.outcome,
            vtiger_id: row.vtiger_id,
            matched_by: row.matched_by,
            detail: serde_json::from_str(&row.detail).unwrap_or_default(),
            changes: row.changes,
        }
    }
}

/// What was found, in the order of customers behind `after`; with this outcome, if one is named.
///
/// # Errors
/// Whatever the database says.
pub async fn matches(
    conn: &mut Conn,
    run: i64,
    outcome: Option<&str>,
    after: &str,
    limit: u32,
) -> Result<Vec<Match>, DbError> {
    let rows: Vec<MatchRow> = on!(conn, |c| {
        sqlx::query_as(
        "SELECT customer_id, outcome, vtiger_id, matched_by, CAST(detail AS TEXT) AS detail, changes FROM backfill_matches \
         WHERE run_id = $1 AND customer_id > $2 AND (CAST($3 AS TEXT) IS NULL OR outcome = $3) ORDER BY customer_id LIMIT $4"
    )
    .bind(run)
    .bind(after)
    .bind(outcome)
    .bind(i64::from(limit))
    .fetch_all(c)
    .await
    })?;
    Ok(rows.into_iter().map(Match::from).collect())
}

/// What a run has found in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Counts {
    /// Customers with one contact that is theirs.
    pub matched: i64,
    /// Of these, those whose contact is sent something.
    pub changing: i64,
    /// Customers that a person has to decide about.
    pub ambiguous: i64,
    /// Customers without any contact.
    pub fresh: i64,
    /// Customers that are linked or queued by now.
    pub done: i64,
}

/// What a run has found in all.
///
/// # Errors
/// Whatever the database says.
pub async fn counts(conn: &mut Conn, run: i64) -> Result<Counts, DbError> {
    let sql = "SELECT COUNT(CASE WHEN outcome = 'matched' THEN 1 END) AS matched, \
                      COUNT(CASE WHEN outcome = 'matched' AND changes THEN 1 END) AS changing, \
                      COUNT(CASE WHEN outcome = 'ambiguous' THEN 1 END) AS ambiguous, \
                      COUNT(CASE WHEN outcome = 'new' THEN 1 END) AS fresh, \
                      COUNT(CASE WHEN done THEN 1 END) AS done \
               FROM backfill_matches WHERE run_id = $1";
    Ok(on!(conn, |c| sqlx::query_as(sql)
        .bind(run)
        .fetch_one(c)
        .await)?)
}

/// Notes that a customer is linked, or queued.
///
/// # Errors
/// Whatever the database says.
pub async fn note_done(conn: &mut Conn, run: i64, customer: &str) -> Result<(), DbError> {
    let sql = "UPDATE backfill_matches SET done = $3 WHERE run_id = $1 AND customer_id = $2";
    on!(conn, |c| sqlx::query(sql)
        .bind(run)
        .bind(customer)
        .bind(true)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Decides that an ambiguous customer gets a contact of its own. `false` when none such is held.
///
/// # Errors
/// Whatever the database says.
pub async fn release(conn: &mut Conn, run: i64, customer: &str) -> Result<bool, DbError> {
    let sql = "UPDATE backfill_matches SET outcome = 'new', done = $3 \
               WHERE run_id = $1 AND customer_id = $2 AND outcome = 'ambiguous'";
    rows_changed!(conn, sql, run, customer, true)
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
