//! `console_sign_ins`: attempts to sign in that failed in a row. They are counted here, so that a restart forgets none.

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;

/// How often it failed, and until when nobody is let try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Count {
    /// Failures in a row.
    pub failures: i32,
    /// When the last one was.
    pub last_at: Ts,
    /// Until when further attempts are refused.
    pub wait_until: Ts,
}

/// The count of an account or an address. Held until the transaction ends, so that attempts that come at once are counted one by
/// one.
///
/// # Errors
/// Whatever the database says.
pub async fn hold(conn: &mut Conn, subject: &str, now: Ts) -> Result<Count, DbError> {
    let made = "INSERT INTO console_sign_ins (subject, failures, last_at, wait_until) VALUES ($1, 0, $2, $2) \
                ON CONFLICT (subject) DO NOTHING";
    on!(conn, |c| sqlx::query(made)
        .bind(subject)
        .bind(now)
        .execute(c)
        .await
        .map(drop))?;
    let lock = super::dialect::for_update(conn.engine());
    let sql = format!(
        "SELECT failures, last_at, wait_until FROM console_sign_ins WHERE subject = $1 {lock}"
    );
    Ok(on!(conn, |c| sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(subject)
        .fetch_one(c)
        .await)?)
}

/// Stores a count.
///
/// # Errors
/// Whatever the database says.
pub async fn put(conn: &mut Conn, subject: &str, count: &Count) -> Result<(), DbError> {
    let sql = "UPDATE console_sign_ins SET failures = $2, last_at = $3, wait_until = $4 WHERE subject = $1";
    on!(conn, |c| sqlx::query(sql)
        .bind(subject)
        .bind(count.failures)
        .bind(count.last_at)
        .bind(count.wait_until)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Forgets the failures of an account or an address.
///
/// # Errors
/// Whatever the database says.
pub async fn forget(conn: &mut Conn, subject: &str) -> Result<(), DbError> {
    on!(conn, |c| sqlx::query(
        "DELETE FROM console_sign_ins WHERE subject = $1"
    )
    .bind(subject)
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}

/// Removes counts whose last failure was before `before`, and says how many.
///
/// # Errors
/// Whatever the database says.
pub async fn prune(conn: &mut Conn, before: Ts, batch: u32) -> Result<u64, DbError> {
    let sql = "DELETE FROM console_sign_ins WHERE subject IN \
               (SELECT subject FROM console_sign_ins WHERE last_at < $1 ORDER BY last_at LIMIT $2)";
    Ok(on!(conn, |c| sqlx::query(sql)
        .bind(before)
        .bind(i64::from(batch))
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?)
}
