//! `leader_lease`: which process carries out the work by the clock, and until when.
//!
//! Instants are the database's. The epoch counts the terms: it only ever grows, and whatever a leader writes is checked against
//! it ([`hold`]) in the transaction in which it is written.

use std::time::Duration;

use pugmark_queue::db::{Conn, DbError, Engine, Ts};
use pugmark_queue::on;
use sqlx::AssertSqlSafe;

use super::clock::now;
use super::rows_changed;

/// The only leadership there is.
const NAME: &str = "scheduler";

/// How the leadership stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The number of the last term; 0 before the first one.
    pub epoch: i64,
    /// The process that leads.
    pub holder: Option<String>,
    /// Since when the last term is, or was.
    pub taken_at: Option<Ts>,
    /// Until when the lease is, or since when nobody leads.
    pub expires_at: Ts,
    /// The database's present.
    pub now: Ts,
}

impl Standing {
    /// Since when nobody leads; `None` while somebody does.
    pub fn vacant_since(&self) -> Option<Ts> {
        (self.holder.is_none() || self.expires_at <= self.now).then_some(self.expires_at)
    }
}

/// How the leadership stands.
///
/// # Errors
/// Whatever the database says.
pub async fn standing(conn: &mut Conn) -> Result<Standing, DbError> {
    type Row = (i64, Option<String>, Option<Ts>, Ts);
    let sql = "SELECT epoch, holder, taken_at, expires_at FROM leader_lease WHERE name = $1";
    let (epoch, holder, taken_at, expires_at): Row =
        on!(conn, |c| sqlx::query_as(sql).bind(NAME).fetch_one(c).await)?;
    Ok(Standing {
        epoch,
        holder,
        taken_at,
        expires_at,
        now: now(conn).await?,
    })
}

/// Begins a term of `holder` for the time of `lease` and gives its number. `None` while somebody else leads, or is just
/// committing what it wrote as a leader: this never waits. `alone` says that no other process can be alive, so that nobody's lease counts.
///
/// # Errors
/// Whatever the database says.
pub async fn take(
    conn: &mut Conn,
    holder: &str,
    lease: Duration,
    alone: bool,
) -> Result<Option<i64>, DbError> {
    let now = now(conn).await?;
    // Without it the row would be waited for, and with it everything else that this process wants to write.
    let skip = match conn.engine() {
        Engine::Sqlite => "",
        Engine::Postgres => "FOR UPDATE SKIP LOCKED",
    };
    let sql = format!(
        "UPDATE leader_lease SET epoch = epoch + 1, holder = $2, taken_at = $3, expires_at = $4 WHERE name = \
         (SELECT name FROM leader_lease WHERE name = $1 AND (expires_at <= $3 OR $5) {skip}) RETURNING epoch"
    );
    Ok(on!(conn, |c| sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(NAME)
        .bind(holder)
        .bind(now)
        .bind(now.after(lease))
        .bind(alone)
        .fetch_optional(c)
        .await)?)
}

/// Prolongs a term to `lease` from now. `false` when another one has begun.
///
/// # Errors
/// Whatever the database says.
pub async fn renew(conn: &mut Conn, epoch: i64, lease: Duration) -> Result<bool, DbError> {
    let expires_at = now(conn).await?.after(lease);
    let sql = "UPDATE leader_lease SET expires_at = $3 WHERE name = $1 AND epoch = $2 AND holder IS NOT NULL";
    rows_changed!(conn, sql, NAME, epoch, expires_at)
}

/// Ends a term: anybody may take over at once. `false` when another one has begun.
///
/// # Errors
/// Whatever the database says.
pub async fn give_back(conn: &mut Conn, epoch: i64) -> Result<bool, DbError> {
    let now = now(conn).await?;
    let sql =
        "UPDATE leader_lease SET holder = NULL, expires_at = $3 WHERE name = $1 AND epoch = $2";
    rows_changed!(conn, sql, NAME, epoch, now)
}

/// Whether this term is still the last one, which it then stays until the transaction ends.
///
/// # Errors
/// Whatever the database says.
pub async fn hold(conn: &mut Conn, epoch: i64) -> Result<bool, DbError> {
    // Not in the way of renewals, and of no other transaction that holds the same term.
    let lock = match conn.engine() {
        Engine::Sqlite => "",
        Engine::Postgres => "FOR KEY SHARE",
    };
    let sql = format!("SELECT epoch FROM leader_lease WHERE name = $1 AND epoch = $2 {lock}");
    let held: Option<i64> = on!(conn, |c| sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(NAME)
        .bind(epoch)
        .fetch_optional(c)
        .await)?;
    Ok(held.is_some())
}
