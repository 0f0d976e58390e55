//! Whether a store may be served, now that it may have been moved, or may be half of one that is being moved.

use pugmark_queue::db::{Conn, Db, DbError, Engine};
use pugmark_queue::on;
use uuid::Uuid;

use crate::problem::Code;

/// What a store remembers of a move.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Standing {
    /// The same on both sides.
    pub id: Uuid,
    /// `source` or `target`.
    pub side: String,
    /// The other store, without its password.
    pub other: String,
    /// `copying`, `copied` or `moved`.
    pub state: String,
}

impl Standing {
    /// Whether everything has arrived and was found equal.
    pub fn is_over(&self) -> bool {
        self.state == "moved"
    }
}

/// Why a store is not to be served.
#[derive(Debug, thiserror::Error)]
pub enum NotServed {
    /// It is being filled.
    #[error(
        "{code}: this store is being filled from {from} and is not complete. Run the same `pugmark migrate-store` again: it goes on where it stopped",
        code = Code::StoreFilling
    )]
    Filling {
        /// The SQLite store.
        from: String,
    },
    /// It has been moved.
    #[error(
        "{code}: this store was moved to {to} by `pugmark migrate-store`. Set DATABASE_URL to that store; this file is left as it was then",
        code = Code::StoreMoved
    )]
    Moved {
        /// The PostgreSQL store, without its password.
        to: String,
    },
    /// It could not be asked.
    #[error("{code}: {0}", code = crate::app::code_of(.0))]
    Store(#[from] DbError),
}

/// What the store remembers; `None` also of one that was made before stores could be moved.
///
/// # Errors
/// Whatever the database says.
pub async fn standing(conn: &mut Conn) -> Result<Option<Standing>, DbError> {
    let known = match conn.engine() {
        Engine::Sqlite => "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'store_moves')",
        Engine::Postgres => "SELECT to_regclass('pugmark.store_moves') IS NOT NULL",
    };
    let known: bool = on!(conn, |c| sqlx::query_scalar(known).fetch_one(c).await)?;
    if !known {
        return Ok(None);
    }
    let sql = "SELECT id, side, other, state FROM store_moves";
    Ok(on!(conn, |c| sqlx::query_as(sql).fetch_optional(c).await)?)
}

/// Refuses a store that was moved, or is not complete yet. To be asked before anything is migrated: installing capture in a half
/// filled store would plan everything anew.
///
/// # Errors
/// [`NotServed`].
pub async fn may_be_served(db: &Db) -> Result<(), NotServed> {
    let found = standing(&mut db.read().await?).await?;
    match found {
        Some(standing) if standing.side == "target" && !standing.is_over() => {
            Err(NotServed::Filling {
                from: standing.other,
            })
        }
        Some(standing) if standing.side == "source" && standing.is_over() => {
            Err(NotServed::Moved { to: standing.other })
        }
        _ => Ok(()),
    }
}

/// Ends a move that was begun from this store and did not end: whoever serves the store goes on with it here, and what was copied
/// before would lack what happens from now on.
///
/// # Errors
/// Whatever the database says.
pub async fn go_on_here(db: &Db) -> Result<(), DbError> {
    let found = standing(&mut db.read().await?).await?;
    if found.is_none_or(|found| found.side != "source") {
        return Ok(());
    }
    tracing::warn!(
        code = %Code::MoveRefused,
        "a move of this store was begun and not ended; the store is served again, so a later `pugmark migrate-store` begins anew (--restart)"
    );
    db.write("store move", |conn| {
        Box::pin(async move {
            let sql = "DELETE FROM store_moves WHERE side = 'source' AND state <> 'moved'";
            on!(conn, |c| sqlx::query(sql).execute(c).await.map(drop))?;
            Ok(())
        })
    })
    .await
}
