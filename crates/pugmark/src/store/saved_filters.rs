//! `saved_filters`: filters that a person keeps under a name.

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;
use uuid::Uuid;

use super::rows_changed;

/// A kept filter.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct SavedFilter {
    /// As its person calls it.
    pub name: String,
    /// What stands behind the question mark of the address.
    pub query: String,
}

/// What a person keeps for a screen, by name.
///
/// # Errors
/// Whatever the database says.
pub async fn of(conn: &mut Conn, user: Uuid, screen: &str) -> Result<Vec<SavedFilter>, DbError> {
    let sql =
        "SELECT name, query FROM saved_filters WHERE user_id = $1 AND screen = $2 ORDER BY name";
    Ok(on!(conn, |c| sqlx::query_as(sql)
        .bind(user)
        .bind(screen)
        .fetch_all(c)
        .await)?)
}

/// Keeps a filter, in place of one of this name.
///
/// # Errors
/// Whatever the database says.
pub async fn keep(
    conn: &mut Conn,
    user: Uuid,
    screen: &str,
    filter: &SavedFilter,
    now: Ts,
) -> Result<(), DbError> {
    let sql = "INSERT INTO saved_filters (user_id, screen, name, query, created_at) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (user_id, screen, name) DO UPDATE SET query = excluded.query";
    on!(conn, |c| sqlx::query(sql)
        .bind(user)
        .bind(screen)
        .bind(&filter.name)
        .bind(&filter.query)
        .bind(now)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Forgets a filter; `false` when there was none.
///
/// # Errors
/// Whatever the database says.
pub async fn forget(
    conn: &mut Conn,
    user: Uuid,
    screen: &str,
    name: &str,
) -> Result<bool, DbError> {
    let sql = "DELETE FROM saved_filters WHERE user_id = $1 AND screen = $2 AND name = $3";
    rows_changed!(conn, sql, user, screen, name)
}
