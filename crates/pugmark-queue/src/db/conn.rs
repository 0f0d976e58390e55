use sqlx::pool::PoolConnection;
use sqlx::{Postgres, Sqlite};

use super::{DbError, Engine};

type AfterCommit = Box<dyn FnOnce() + Send>;

/// One connection to either database. Use it through [`on!`](crate::on).
pub struct Conn {
    raw: RawConn,
    after_commit: Vec<AfterCommit>,
}

/// What [`on!`](crate::on) matches on.
pub enum RawConn {
    /// A connection to SQLite.
    Sqlite(PoolConnection<Sqlite>),
    /// A connection to PostgreSQL.
    Postgres(PoolConnection<Postgres>),
}

/// Runs the same body on whichever database the connection leads to, so that one SQL text with `$1` placeholders serves both.
///
/// `on!(conn, |c| sqlx::query_as::<_, Row>("…").bind(x).fetch_all(c).await)`; with a second name, as in `on!(conn, |c, DB| …)`,
/// the body can name the database type, which `QueryBuilder::<DB>` needs.
#[macro_export]
macro_rules! on {
    ($conn:expr, |$c:ident| $body:expr) => {
        match $conn.raw() {
            $crate::db::RawConn::Sqlite(pooled) => {
                let $c = &mut **pooled;
                $body
            }
            $crate::db::RawConn::Postgres(pooled) => {
                let $c = &mut **pooled;
                $body
            }
        }
    };
    ($conn:expr, |$c:ident, $database:ident| $body:expr) => {
        match $conn.raw() {
            $crate::db::RawConn::Sqlite(pooled) => {
                type $database = ::sqlx::Sqlite;
                let $c = &mut **pooled;
                $body
            }
            $crate::db::RawConn::Postgres(pooled) => {
                type $database = ::sqlx::Postgres;
                let $c = &mut **pooled;
                $body
            }
        }
    };
}

impl Conn {
    pub(super) fn sqlite(connection: PoolConnection<Sqlite>) -> Self {
        Self {
            raw: RawConn::Sqlite(connection),
            after_commit: Vec::new(),
        }
    }

    pub(super) fn postgres(connection: PoolConnection<Postgres>) -> Self {
        Self {
            raw: RawConn::Postgres(connection),
            after_commit: Vec::new(),
        }
    }

    /// The database behind the connection.
    pub fn engine(&self) -> Engine {
        match self.raw {
            RawConn::Sqlite(_) => Engine::Sqlite,
            RawConn::Postgres(_) => Engine::Postgres,
        }
    }

    /// The driver's connection, for [`on!`](crate::on) and for what only one database can do.
    pub fn raw(&mut self) -> &mut RawConn {
        &mut self.raw
    }

    /// Runs `action` once the work on this connection is committed: inside [`Db::write`](super::Db::write) after the group's
    /// commit (and not at all when the member is undone), elsewhere when the connection is given back. Meant for hints such as
    /// wake-ups, which do no harm when nothing was committed.
    pub fn after_commit(&mut self, action: impl FnOnce() + Send + 'static) {
        self.after_commit.push(Box::new(action));
    }

    pub(super) fn take_after_commit(&mut self) -> Vec<AfterCommit> {
        std::mem::take(&mut self.after_commit)
    }

    /// Sends one or more statements without parameters, in one round trip.
    pub(crate) async fn script(&mut self, sql: &'static str) -> Result<(), DbError> {
        on!(self, |c| sqlx::raw_sql(sql).execute(c).await.map(drop)).map_err(DbError::from)
    }

    /// The same for a text that was put together here.
    pub(super) async fn script_of(&mut self, sql: String) -> Result<(), DbError> {
        on!(self, |c| sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(c)
            .await
            .map(drop))
        .map_err(DbError::from)
    }

    /// Keeps the connection from going back to its pool.
    pub(super) fn discard(&mut self) {
        match &mut self.raw {
            RawConn::Sqlite(connection) => connection.close_on_drop(),
            RawConn::Postgres(connection) => connection.close_on_drop(),
        }
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        for action in self.take_after_commit() {
            action();
        }
    }
}

impl std::fmt::Debug for Conn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conn")
            .field("engine", &self.engine())
            .finish_non_exhaustive()
    }
}
