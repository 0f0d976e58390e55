//! `lead_arrivals`: leads that were answered and whose first job is still to be stored.
//!
//! Whoever gives a lead a job stands here first, if only for the length of a transaction: one row for each lead is what two
//! processes wait for each other by.

use std::collections::HashSet;

use pugmark_queue::db::{Conn, DbError, Engine};
use pugmark_queue::on;
use serde::Serialize;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::dialect::{self, Kind};
use super::rows_changed;

/// A lead to be set aside.
#[derive(Debug, Clone)]
pub struct NewArrival {
    /// The lead, as the sender named it.
    pub lead: String,
    /// The job that it will have.
    pub job_id: Uuid,
    /// The sender's own id of the delivery.
    pub delivery_key: Option<String>,
    /// The job and the delivery, as JSON.
    pub content: String,
}

/// A lead that waits for its job.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Waiting {
    /// The lead.
    pub lead: String,
    /// The job that it will have.
    pub job_id: Uuid,
    /// The job and the delivery, as JSON.
    pub content: String,
}

const COLUMNS: [(&str, Kind); 4] = [
    ("lead", Kind::Text),
    ("job_id", Kind::Uuid),
    ("delivery_key", Kind::Text),
    ("content", Kind::Text),
];

#[derive(Serialize)]
struct Row<'a> {
    lead: &'a str,
    job_id: String,
    delivery_key: Option<&'a str>,
    content: &'a str,
}

/// Sets aside those of these leads, which are different ones, that have neither a job nor wait for one, and whose delivery did not
/// come before. Gives their jobs.
///
/// # Errors
/// [`DbError::Conflict`] when a lead got a job, or a delivery came, while this waited for somebody else: then everything is for the
/// caller to undo. Otherwise whatever the database says.
pub async fn insert_many(conn: &mut Conn, new: &[&NewArrival]) -> Result<HashSet<Uuid>, DbError> {
    let engine = conn.engine();
    let (lead, key) = (
        dialect::read(engine, "lead", Kind::Text),
        dialect::read(engine, "delivery_key", Kind::Text),
    );
    let sql = format!(
        "INSERT INTO lead_arrivals ({names}) {rows} WHERE {none} ON CONFLICT DO NOTHING RETURNING job_id",
        names = dialect::names(&COLUMNS),
        rows = dialect::own_rows_of(engine, 1, &COLUMNS),
        none = neither(&lead, &key),
    );
    // Everybody takes leads in the same order, so that nobody waits in a circle.
    let mut new = new.to_vec();
    new.sort_by(|one, other| one.lead.cmp(&other.lead));
    let rows: Vec<Row<'_>> = new.iter().map(|new| Row::from(*new)).collect();
    let rows = dialect::json_text(&rows)?;
    let stored: Vec<Uuid> = on!(conn, |c| sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(&rows)
        .fetch_all(c)
        .await)?;
    let stored: HashSet<Uuid> = stored.into_iter().collect();
    // SQLite's one writer waits for nobody while it writes.
    if engine == Engine::Postgres
        && !stored.is_empty()
        && are_known_now(conn, &new, &stored).await?
    {
        return Err(DbError::Conflict);
    }
    Ok(stored)
}

impl<'a> From<&'a NewArrival> for Row<'a> {
    fn from(new: &'a NewArrival) -> Self {
        Row {
            lead: &new.lead,
            job_id: hex::encode(new.job_id),
            delivery_key: new.delivery_key.as_deref(),
            content: &new.content,
        }
    }
}

/// That the lead has no job and the delivery did not come. One value of a subquery is looked up in the index for each row;
/// PostgreSQL might make a join of NOT EXISTS and read the whole table.
fn neither(lead: &str, key: &str) -> String {
    format!(
        "(SELECT j.job_id FROM sync_jobs j WHERE j.vtiger_lead_id = {lead} LIMIT 1) IS NULL \
         AND (SELECT k.delivery_id FROM webhook_keys k WHERE k.dedup_key = {key}) IS NULL"
    )
}

/// Whether one of the leads just set aside has a job nevertheless, or its delivery came. The statement that set them aside saw what
/// there was when it began, and it may have waited for somebody who stored just that.
async fn are_known_now(
    conn: &mut Conn,
    new: &[&NewArrival],
    stored: &HashSet<Uuid>,
) -> Result<bool, DbError> {
    let sql = known_now_sql();
    let set_aside = new.iter().filter(|new| stored.contains(&new.job_id));
    let leads: Vec<&str> = set_aside.map(|new| new.lead.as_str()).collect();
    let leads = dialect::json_text(&leads)?;
    let known: i64 = on!(conn, |c| sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(leads)
        .fetch_one(c)
        .await)?;
    Ok(known > 0)
}

/// The statement that counts which of many leads should not have been set aside, for tests of its plan. PostgreSQL only.
pub fn known_now_sql() -> String {
    let leads = dialect::texts(Engine::Postgres, 1);
    let known = neither("a.lead", "a.delivery_key");
    // The limit keeps it from reading the whole table.
    format!(
        "SELECT COUNT(*) FROM {leads} CROSS JOIN LATERAL \
         (SELECT w.lead, w.delivery_key FROM lead_arrivals w WHERE w.lead = r.value LIMIT 1) a WHERE NOT ({known})"
    )
}

/// Leads that wait, those first that came first, at most `limit`. On PostgreSQL nobody else is given them before this transaction
/// ends.
///
/// # Errors
/// Whatever the database says.
pub async fn waiting(conn: &mut Conn, limit: u32) -> Result<Vec<Waiting>, DbError> {
    let sql = waiting_sql(conn.engine());
    Ok(on!(conn, |c| sqlx::query_as(sql)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await)?)
}

/// The statement behind [`waiting`], for tests of its plan.
pub fn waiting_sql(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => {
            "SELECT lead, job_id, content FROM lead_arrivals ORDER BY number LIMIT $1"
        }
        Engine::Postgres => {
            "SELECT lead, job_id, content FROM lead_arrivals ORDER BY number LIMIT $1 FOR UPDATE SKIP LOCKED"
        }
    }
}

/// Makes sure that until this transaction ends nobody else gives this lead a job, and gives what waits of it.
///
/// # Errors
/// Whatever the database says.
pub async fn hold(conn: &mut Conn, lead: &str) -> Result<Option<Waiting>, DbError> {
    loop {
        // SQLite's one writer waits for nobody while it writes.
        if conn.engine() == Engine::Postgres && stands_here(conn, lead).await? {
            return Ok(None);
        }
        match of_lead(conn, lead).await? {
            // Nobody sees the row of another transaction that only holds the lead: it is this one's.
            Some(held) if held.content.is_empty() => return Ok(None),
            None if conn.engine() == Engine::Postgres => {}
            waiting => return Ok(waiting),
        }
    }
}

/// Stores a row without content, that no other transaction ever sees; `false` when the lead waits.
async fn stands_here(conn: &mut Conn, lead: &str) -> Result<bool, DbError> {
    let sql = "INSERT INTO lead_arrivals (lead, job_id, content) VALUES ($1, $2, '') ON CONFLICT (lead) DO NOTHING";
    rows_changed!(conn, sql, lead, Uuid::nil())
}

/// The lead, when it waits; whoever stores it at this moment is waited for.
async fn of_lead(conn: &mut Conn, lead: &str) -> Result<Option<Waiting>, DbError> {
    let sql = match conn.engine() {
        Engine::Sqlite => "SELECT lead, job_id, content FROM lead_arrivals WHERE lead = $1",
        Engine::Postgres => {
            "SELECT lead, job_id, content FROM lead_arrivals WHERE lead = $1 FOR UPDATE"
        }
    };
    Ok(on!(conn, |c| sqlx::query_as(sql)
        .bind(lead)
        .fetch_optional(c)
        .await)?)
}

/// The lead is held no more.
///
/// # Errors
/// Whatever the database says.
pub async fn let_go(conn: &mut Conn, lead: &str) -> Result<(), DbError> {
    match conn.engine() {
        Engine::Sqlite => Ok(()),
        Engine::Postgres => remove(conn, &[lead]).await,
    }
}

/// These leads wait no more.
///
/// # Errors
/// Whatever the database says.
pub async fn remove(conn: &mut Conn, leads: &[&str]) -> Result<(), DbError> {
    let sql = format!(
        "DELETE FROM lead_arrivals WHERE lead IN (SELECT r.value FROM {})",
        dialect::texts(conn.engine(), 1)
    );
    let leads = dialect::json_text(leads)?;
    on!(conn, |c| sqlx::query(AssertSqlSafe(sql))
        .bind(leads)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// The leads that have waited longest, at most `limit`.
///
/// # Errors
/// Whatever the database says.
pub async fn longest(conn: &mut Conn, limit: u32) -> Result<Vec<String>, DbError> {
    let sql = "SELECT lead FROM lead_arrivals ORDER BY number LIMIT $1";
    Ok(on!(conn, |c| sqlx::query_scalar(sql)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await)?)
}

/// The lead that waits and whose delivery has this id of its sender.
///
/// # Errors
/// Whatever the database says.
pub async fn of_delivery(conn: &mut Conn, key: &str) -> Result<Option<String>, DbError> {
    let sql = "SELECT lead FROM lead_arrivals WHERE delivery_key = $1";
    Ok(on!(conn, |c| sqlx::query_scalar(sql)
        .bind(key)
        .fetch_optional(c)
        .await)?)
}

/// The lead that waits for this job.
///
/// # Errors
/// Whatever the database says.
pub async fn of_job(conn: &mut Conn, job: Uuid) -> Result<Option<String>, DbError> {
    let sql = "SELECT lead FROM lead_arrivals WHERE job_id = $1";
    Ok(on!(conn, |c| sqlx::query_scalar(sql)
        .bind(job)
        .fetch_optional(c)
        .await)?)
}
