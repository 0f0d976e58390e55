//! What a first sync has read, and what it has found for each customer.

use std::collections::BTreeMap;

use pugmark_queue::db::{Conn, DbError};
use pugmark_queue::on;
use serde_json::Value;
use sqlx::AssertSqlSafe;

use crate::store::rows_changed;

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
