//! `console_links`: links that work once.

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;
use uuid::Uuid;

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Whoever has it makes the first administrator.
    Found,
    /// Its person chooses a password.
    Password,
    /// Its person is signed in.
    Enter,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Purpose::Found => "found",
            Purpose::Password => "password",
            Purpose::Enter => "enter",
        }
    }

    fn of(word: &str) -> Option<Self> {
        [Purpose::Found, Purpose::Password, Purpose::Enter]
            .into_iter()
            .find(|purpose| purpose.as_str() == word)
    }
}

/// A link that still works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What it is for.
    pub purpose: Purpose,
    /// Whom it is for.
    pub user_id: Option<Uuid>,
}

/// Keeps a link by the digest of its token.
///
/// # Errors
/// Whatever the database says.
pub async fn insert(
    conn: &mut Conn,
    digest: &[u8],
    link: &Link,
    by: &str,
    (now, expires): (Ts, Ts),
) -> Result<(), DbError> {
    let sql = "INSERT INTO console_links (link_id, digest, purpose, user_id, created_at, created_by, expires_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    on!(conn, |c| sqlx::query(sql)
        .bind(Uuid::now_v7())
        .bind(digest)
        .bind(link.purpose.as_str())
        .bind(link.user_id)
        .bind(now)
        .bind(by)
        .bind(expires)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// The link behind this digest, if it was not used, has not expired, and is for nobody who is disabled.
///
/// # Errors
/// Whatever the database says.
pub async fn find(conn: &mut Conn, digest: &[u8], now: Ts) -> Result<Option<Link>, DbError> {
    let sql = "SELECT l.purpose, l.user_id FROM console_links l LEFT JOIN console_users u ON u.user_id = l.user_id \
               WHERE l.digest = $1 AND l.used_at IS NULL AND l.expires_at > $2 AND u.disabled_at IS NULL";
    let found: Option<(String, Option<Uuid>)> = on!(conn, |c| sqlx::query_as(sql)
        .bind(digest)
        .bind(now)
        .fetch_optional(c)
        .await)?;
    Ok(found.and_then(|(word, user_id)| {
        let purpose = Purpose::of(&word)?;
        Some(Link { purpose, user_id })
    }))
}

/// Whether a link for making the first administrator still works.
///
/// # Errors
/// Whatever the database says.
pub async fn any_to_found(conn: &mut Conn, now: Ts) -> Result<bool, DbError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM console_links WHERE purpose = 'found' AND used_at IS NULL AND expires_at > $1)";
    Ok(on!(conn, |c| sqlx::query_scalar(sql)
        .bind(now)
        .fetch_one(c)
        .await)?)
}

/// Uses a link up. `false` when it works no more: of two who come at once, one is told so.
///
/// # Errors
/// Whatever the database says.
pub async fn take(conn: &mut Conn, digest: &[u8], now: Ts) -> Result<bool, DbError> {
    let sql = "UPDATE console_links SET used_at = $2 WHERE digest = $1 AND used_at IS NULL AND expires_at > $2";
    super::rows_changed!(conn, sql, digest, now)
}

/// Makes every other link of a person (or those for making the first administrator) useless.
///
/// # Errors
/// Whatever the database says.
pub async fn take_all(conn: &mut Conn, user: Option<Uuid>, now: Ts) -> Result<u64, DbError> {
    let done = match user {
        Some(user) => {
            let sql =
                "UPDATE console_links SET used_at = $2 WHERE user_id = $1 AND used_at IS NULL";
            on!(conn, |c| sqlx::query(sql)
                .bind(user)
                .bind(now)
                .execute(c)
                .await
                .map(|done| done.rows_affected()))
        }
        None => {
            let sql =
                "UPDATE console_links SET used_at = $1 WHERE purpose = 'found' AND used_at IS NULL";
            on!(conn, |c| sqlx::query(sql)
                .bind(now)
                .execute(c)
                .await
                .map(|done| done.rows_affected()))
        }
    };
    Ok(done?)
}

/// Removes links that expired before `before`, and says how many.
///
/// # Errors
/// Whatever the database says.
pub async fn prune(conn: &mut Conn, before: Ts, batch: u32) -> Result<u64, DbError> {
    let sql = "DELETE FROM console_links WHERE link_id IN \
               (SELECT link_id FROM console_links WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";
    Ok(on!(conn, |c| sqlx::query(sql)
        .bind(before)
        .bind(i64::from(batch))
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?)
}
