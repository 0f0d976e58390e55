//! Every human action: who, when, on what, why.

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;

/// One entry of the audit log.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// Who did it: a person, or the name of a token.
    pub actor: &'a str,
    /// What was done, for example `queue.retry`.
    pub action: &'a str,
    /// To what.
    pub subject: &'a str,
    /// Why, in the person's words.
    pub reason: Option<&'a str>,
    /// Correlation id of the request.
    pub correlation_id: Option<&'a str>,
}

/// Writes an entry, in the transaction of the action itself.
///
/// # Errors
/// Whatever the database says.
pub async fn record(conn: &mut Conn, at: Ts, entry: &Entry<'_>) -> Result<(), DbError> {
    on!(conn, |c| {
        sqlx::query(
        "INSERT INTO audit_log (at, actor, action, subject, reason, correlation_id) VALUES ($1, $2, $3, $4, $5, $6)"
    )
    .bind(at)
    .bind(entry.actor)
    .bind(entry.action)
    .bind(entry.subject)
    .bind(entry.reason)
    .bind(entry.correlation_id)
    .execute(c)
    .await
    .map(drop)
    })?;
    Ok(())
}
