//! `alerts`, `alert_messages` and `system_troubles`: what is worth telling people, what is to be sent of it, and which outside
//! system a process finds in trouble.

use std::time::Duration;

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;

use super::rows_changed;

/// An alert, open or over.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Alert {
    /// Its number.
    pub id: i64,
    /// What it is about; at most one alert of a subject is open.
    pub subject: String,
    /// Its code.
    pub error_code: String,
    /// What is the matter.
    pub words: String,
    /// Since when.
    pub raised_at: Ts,
    /// Until when; `None` while it is open.
    pub recovered_at: Option<Ts>,
    /// What was the matter no more.
    pub recovered_words: Option<String>,
}

const COLUMNS: &str = "id, subject, error_code, words, raised_at, recovered_at, recovered_words";

/// What is open, the oldest first.
///
/// # Errors
/// Whatever the database says.
pub async fn open(conn: &mut Conn) -> Result<Vec<Alert>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM alerts WHERE recovered_at IS NULL ORDER BY id");
    Ok(on!(conn, |c| sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .fetch_all(c)
        .await)?)
}

/// How many are open.
///
/// # Errors
/// Whatever the database says.
pub async fn count_open(conn: &mut Conn) -> Result<i64, DbError> {
    let sql = "SELECT count(*) FROM alerts WHERE recovered_at IS NULL";
    Ok(on!(conn, |c| sqlx::query_scalar(sql).fetch_one(c).await)?)
}

/// What is over, the newest first, with numbers below `before`.
///
/// # Errors
/// Whatever the database says.
pub async fn over(conn: &mut Conn, before: i64, limit: u32) -> Result<Vec<Alert>, DbError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM alerts WHERE id < $1 AND recovered_at IS NOT NULL ORDER BY id DESC LIMIT $2"
    );
    Ok(on!(conn, |c| sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(before)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await)?)
}

/// Raises an alert and gives its number; `None` when one of this subject is open.
///
/// # Errors
/// Whatever the database says.
pub async fn raise(
    conn: &mut Conn,
    subject: &str,
    code: &str,
    words: &str,
    now: Ts,
) -> Result<Option<i64>, DbError> {
    let sql = "INSERT INTO alerts (subject, error_code, words, raised_at) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (subject) WHERE recovered_at IS NULL DO NOTHING RETURNING id";
    Ok(on!(conn, |c| sqlx::query_scalar(sql)
        .bind(subject)
        .bind(code)
        .bind(words)
        .bind(now)
        .fetch_optional(c)
        .await)?)
}

/// Ends an alert; `false` when it had ended.
///
/// # Errors
/// Whatever the database says.
pub async fn recover(conn: &mut Conn, id: i64, words: &str, now: Ts) -> Result<bool, DbError> {
    let sql = "UPDATE alerts SET recovered_at = $2, recovered_words = $3 WHERE id = $1 AND recovered_at IS NULL";
    rows_changed!(conn, sql, id, now, words)
}

/// A message that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage<'a> {
    /// The alert; `None` for a test.
    pub alert: Option<i64>,
    /// `raised`, `recovered` or `test`.
    pub phase: &'static str,
    /// `log`, `webhook` or `email`.
    pub channel: &'static str,
    /// Subject of an e-mail, first line of everything else.
    pub title: &'a str,
    /// What it says.
    pub body: &'a str,
}

/// Keeps a message until it is sent.
///
/// # Errors
/// Whatever the database says.
pub async fn post(conn: &mut Conn, message: &NewMessage<'_>, now: Ts) -> Result<(), DbError> {
    let sql = "INSERT INTO alert_messages (alert_id, phase, channel, title, body, created_at, next_attempt_at, attempts) \
               VALUES ($1, $2, $3, $4, $5, $6, $6, 0)";
    on!(conn, |c| sqlx::query(sql)
        .bind(message.alert)
        .bind(message.phase)
        .bind(message.channel)
        .bind(message.title)
        .bind(message.body)
        .bind(now)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// A kept message.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Message {
    /// Its number.
    pub id: i64,
    /// The alert; `None` for a test.
    pub alert_id: Option<i64>,
    /// `raised`, `recovered` or `test`.
    pub phase: String,
    /// `log`, `webhook` or `email`.
    pub channel: String,
    /// Subject of an e-mail, first line of everything else.
    pub title: String,
    /// What it says.
    pub body: String,
    /// Since when it is to be sent.
    pub created_at: Ts,
    /// Not tried before.
    pub next_attempt_at: Ts,
    /// Attempts that failed.
    pub attempts: i64,
    /// When it was sent.
    pub sent_at: Option<Ts>,
    /// When it was given up.
    pub given_up_at: Option<Ts>,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

const MESSAGE: &str = "id, alert_id, phase, channel, title, body, created_at, next_attempt_at, attempts, sent_at, given_up_at, error";

/// The first message that this channel has to send.
///
/// # Errors
/// Whatever the database says.
pub async fn next(conn: &mut Conn, channel: &str) -> Result<Option<Message>, DbError> {
    let sql = format!(
        "SELECT {MESSAGE} FROM alert_messages WHERE channel = $1 AND sent_at IS NULL AND given_up_at IS NULL ORDER BY id LIMIT 1"
    );
    Ok(on!(conn, |c| sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(channel)
        .fetch_optional(c)
        .await)?)
}

/// Notes that a message was sent.
///
/// # Errors
/// Whatever the database says.
pub async fn sent(conn: &mut Conn, id: i64, now: Ts) -> Result<bool, DbError> {
    let sql =
        "UPDATE alert_messages SET sent_at = $2, error = NULL WHERE id = $1 AND sent_at IS NULL";
    rows_changed!(conn, sql, id, now)
}

/// Notes that a message could not be sent, and when it is tried again; `None`: it is given up.
///
/// # Errors
/// Whatever the database says.
pub async fn not_sent(
    conn: &mut Conn,
    id: i64,
    error: &str,
    again: Option<Ts>,
    now: Ts,
) -> Result<bool, DbError> {
    let sql = "UPDATE alert_messages SET attempts = attempts + 1, error = $2, next_attempt_at = COALESCE($3, next_attempt_at), \
               given_up_at = $4 WHERE id = $1 AND sent_at IS NULL";
    let given_up = again.is_none().then_some(now);
    rows_changed!(conn, sql, id, error, again, given_up)
}

/// The latest messages of a channel, the newest first.
///
/// # Errors
/// Whatever the database says.
pub async fn latest(conn: &mut Conn, limit: u32) -> Result<Vec<Message>, DbError> {
    let sql = format!("SELECT {MESSAGE} FROM alert_messages ORDER BY id DESC LIMIT $1");
    Ok(on!(conn, |c| sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(i64::from(limit))
        .fetch_all(c)
        .await)?)
}

/// Removes alerts that were over before, with their messages, and old messages of tests.
///
/// # Errors
/// Whatever the database says.
pub async fn prune(conn: &mut Conn, before: Ts) -> Result<(), DbError> {
    for sql in [
        "DELETE FROM alert_messages WHERE created_at < $1 AND (alert_id IS NULL \
         OR alert_id IN (SELECT id FROM alerts WHERE recovered_at < $1))",
        "DELETE FROM alerts WHERE recovered_at < $1",
    ] {
        on!(conn, |c| sqlx::query(sql)
            .bind(before)
            .execute(c)
            .await
            .map(drop))?;
    }
    Ok(())
}

/// Dead letters of one kind and code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dead {
    /// Their kind.
    pub kind: String,
    /// Their code.
    pub error_code: String,
    /// How many; never more than asked for.
    pub operations: i64,
}

/// $1 kind, $2 code: the next cause of dead letters of this kind.
pub const NEXT_DEAD_CODE: &str = "SELECT kind, error_code FROM vtiger_sync_queue WHERE status = 'FAILED' AND dead_at IS NOT NULL \
     AND heir IS NULL AND lane_seq >= 0 AND kind = $1 AND error_code > $2 ORDER BY error_code LIMIT 1";

/// $1 kind: the next kind that has dead letters, with its first cause.
pub const NEXT_DEAD_KIND: &str = "SELECT kind, error_code FROM vtiger_sync_queue WHERE status = 'FAILED' AND dead_at IS NOT NULL \
     AND heir IS NULL AND lane_seq >= 0 AND kind > $1 AND error_code IS NOT NULL ORDER BY kind, error_code LIMIT 1";

/// $1 kind, $2 code, $3 counts up to so many.
pub const COUNT_DEAD: &str = "SELECT count(*) FROM (SELECT 1 FROM vtiger_sync_queue WHERE status = 'FAILED' \
     AND dead_at IS NOT NULL AND heir IS NULL AND lane_seq >= 0 AND kind = $1 AND error_code = $2 LIMIT $3) AS counted";

/// Dead letters by cause, hopping along their index from one cause to the next.
///
/// # Errors
/// Whatever the database says.
pub async fn dead(conn: &mut Conn, most: i64) -> Result<Vec<Dead>, DbError> {
    let mut found = Vec::new();
    let mut place = next_dead_kind(conn, "").await?;
    while let Some((kind, error_code)) = place {
        let operations: i64 = on!(conn, |c| sqlx::query_scalar(COUNT_DEAD)
            .bind(&kind)
            .bind(&error_code)
            .bind(most)
            .fetch_one(c)
            .await)?;
        let next: Option<(String, String)> = on!(conn, |c| sqlx::query_as(NEXT_DEAD_CODE)
            .bind(&kind)
            .bind(&error_code)
            .fetch_optional(c)
            .await)?;
        place = match next {
            Some(next) => Some(next),
            None => next_dead_kind(conn, &kind).await?,
        };
        // The last of them may have gone meanwhile.
        if operations > 0 {
            found.push(Dead {
                kind,
                error_code,
                operations,
            });
        }
    }
    Ok(found)
}

async fn next_dead_kind(conn: &mut Conn, kind: &str) -> Result<Option<(String, String)>, DbError> {
    Ok(on!(conn, |c| sqlx::query_as(NEXT_DEAD_KIND)
        .bind(kind)
        .fetch_optional(c)
        .await)?)
}

/// Says that this process finds an outside system in trouble, or says so again.
///
/// # Errors
/// Whatever the database says.
pub async fn say_trouble(
    conn: &mut Conn,
    system: &str,
    process: &str,
    since: Ts,
    now: Ts,
) -> Result<(), DbError> {
    let sql = "INSERT INTO system_troubles (system, process, since, said_at) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (system, process) DO UPDATE SET since = excluded.since, said_at = excluded.said_at";
    on!(conn, |c| sqlx::query(sql)
        .bind(system)
        .bind(process)
        .bind(since)
        .bind(now)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Takes it back: the system answers this process.
///
/// # Errors
/// Whatever the database says.
pub async fn trouble_over(conn: &mut Conn, system: &str, process: &str) -> Result<bool, DbError> {
    let sql = "DELETE FROM system_troubles WHERE system = $1 AND process = $2";
    rows_changed!(conn, sql, system, process)
}

/// Systems that some process found in trouble not longer than `fresh` ago, each with the time since when.
///
/// # Errors
/// Whatever the database says.
pub async fn troubles(
    conn: &mut Conn,
    fresh: Duration,
    now: Ts,
) -> Result<Vec<(String, Ts)>, DbError> {
    let sql = "SELECT system, min(since) FROM system_troubles WHERE said_at > $1 GROUP BY system ORDER BY system";
    Ok(on!(conn, |c| sqlx::query_as(sql)
        .bind(now.before(fresh))
        .fetch_all(c)
        .await)?)
}
