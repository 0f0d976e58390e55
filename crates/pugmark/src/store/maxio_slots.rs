//! `maxio_slots`, `maxio_slot_waits`: which calls to Maxio are in progress, by all processes together, and who waits for one.
//!
//! Instants are the database's, so that clocks of different hosts do not matter.

use std::time::Duration;

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;
use uuid::Uuid;

use super::rows_changed;

/// Who was not heard of for so long waits no more.
const SILENT: Duration = Duration::from_secs(5);
/// How often a waiting one writes down that it is still there.
const HEARD: Duration = Duration::from_secs(1);

/// Takes one of the first `at_once` slots for `waiter`, until `expires_at` at the latest, or notes that it waits. Whoever waits
/// longest comes first.
///
/// # Errors
/// Whatever the database says.
pub async fn take(
    conn: &mut Conn,
    waiter: Uuid,
    at_once: i64,
    now: Ts,
    expires_at: Ts,
) -> Result<bool, DbError> {
    wait(conn, waiter, now).await?;
    if ahead(conn, waiter, now).await? >= free(conn, at_once, now).await? {
        return Ok(false);
    }
    let taken = occupy(conn, waiter, at_once, now, expires_at).await?;
    if taken {
        leave(conn, waiter).await?;
        forget_silent(conn, now).await?;
    }
    Ok(taken)
}

/// Somebody else may take it at the same moment; then there is none.
async fn occupy(
    conn: &mut Conn,
    holder: Uuid,
    at_once: i64,
    now: Ts,
    expires_at: Ts,
) -> Result<bool, DbError> {
    let sql = "UPDATE maxio_slots SET holder = $1, expires_at = $2 \
               WHERE slot = (SELECT MIN(slot) FROM maxio_slots WHERE slot <= $3 AND (expires_at IS NULL OR expires_at < $4)) \
               AND (expires_at IS NULL OR expires_at < $4)";
    rows_changed!(conn, sql, holder, expires_at, at_once, now)
}

/// Gives back what `holder` has taken, or no longer wants to.
///
/// # Errors
/// Whatever the database says.
pub async fn give_back(conn: &mut Conn, holder: Uuid) -> Result<(), DbError> {
    leave(conn, holder).await?;
    let sql = "UPDATE maxio_slots SET holder = NULL, expires_at = NULL WHERE holder = $1";
    on!(conn, |c| sqlx::query(sql)
        .bind(holder)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Writes only now and then, so that waiting costs no commits.
async fn wait(conn: &mut Conn, waiter: Uuid, now: Ts) -> Result<(), DbError> {
    let sql = "INSERT INTO maxio_slot_waits AS w (waiter, since, seen_at) VALUES ($1, $2, $2) \
               ON CONFLICT (waiter) DO UPDATE SET seen_at = excluded.seen_at WHERE w.seen_at < $3";
    on!(conn, |c| sqlx::query(sql)
        .bind(waiter)
        .bind(now)
        .bind(now.before(HEARD))
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

async fn leave(conn: &mut Conn, waiter: Uuid) -> Result<(), DbError> {
    let sql = "DELETE FROM maxio_slot_waits WHERE waiter = $1";
    on!(conn, |c| sqlx::query(sql)
        .bind(waiter)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

async fn ahead(conn: &mut Conn, waiter: Uuid, now: Ts) -> Result<i64, DbError> {
    let sql = "SELECT COUNT(*) FROM maxio_slot_waits o JOIN maxio_slot_waits m ON m.waiter = $1 \
               WHERE o.seen_at >= $2 AND (o.since < m.since OR (o.since = m.since AND o.waiter < m.waiter))";
    Ok(on!(conn, |c| sqlx::query_scalar(sql)
        .bind(waiter)
        .bind(now.before(SILENT))
        .fetch_one(c)
        .await)?)
}

async fn free(conn: &mut Conn, at_once: i64, now: Ts) -> Result<i64, DbError> {
    let sql = "SELECT COUNT(*) FROM maxio_slots WHERE slot <= $1 AND (expires_at IS NULL OR expires_at < $2)";
    Ok(on!(conn, |c| sqlx::query_scalar(sql)
        .bind(at_once)
        .bind(now)
        .fetch_one(c)
        .await)?)
}

/// Removes those who went away without a word.
async fn forget_silent(conn: &mut Conn, now: Ts) -> Result<(), DbError> {
    let sql = "DELETE FROM maxio_slot_waits WHERE seen_at < $1";
    on!(conn, |c| sqlx::query(sql)
        .bind(now.before(SILENT * 12))
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}
