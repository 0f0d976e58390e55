//! `maxio_debits`: what Maxio last said of a subscription's direct debits.

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;

use super::rows_changed;

/// Notes what an event said, unless a later one was noted already: deliveries may come in any order.
///
/// # Errors
/// Whatever the database says.
pub async fn note(
    conn: &mut Conn,
    subscription: &str,
    event: i64,
    said: &str,
    now: Ts,
) -> Result<bool, DbError> {
    let sql = "INSERT INTO maxio_debits AS d (subscription_id, event_id, said, received_at) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (subscription_id) DO UPDATE SET event_id = excluded.event_id, said = excluded.said, \
               received_at = excluded.received_at WHERE d.event_id <= excluded.event_id";
    rows_changed!(conn, sql, subscription, event, said, now)
}

/// What was said last.
///
/// # Errors
/// Whatever the database says.
pub async fn said(conn: &mut Conn, subscription: &str) -> Result<Option<String>, DbError> {
    let sql = "SELECT said FROM maxio_debits WHERE subscription_id = $1";
    Ok(on!(conn, |c| sqlx::query_scalar(sql)
        .bind(subscription)
        .fetch_optional(c)
        .await)?)
}
