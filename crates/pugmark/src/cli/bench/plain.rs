//! The peer: one connection and plain SQL, with the same durability as the store's own connections.

use std::str::FromStr;
use std::time::Duration;

use pugmark_queue::db::RawConn;
use pugmark_queue::on;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions};

use crate::cli::CliError;
use crate::store::sqlite_path;

/// A connection of any program, knowing nothing of groups or savepoints. For `on!`.
pub(super) struct Plain {
    raw: RawConn,
}

impl Plain {
    /// Opens `url`, which exists.
    pub(super) async fn open(url: &str) -> Result<Self, CliError> {
        let raw = match sqlite_path(url) {
            Some(path) => {
                let options = SqliteConnectOptions::new()
                    .filename(path)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .busy_timeout(Duration::from_secs(30))
                    .disable_statement_logging();
                let pool = SqlitePoolOptions::new()
                    .max_connections(1)
                    .connect_with(options)
                    .await?;
                RawConn::Sqlite(pool.acquire().await?)
            }
            None => {
                let options = PgConnectOptions::from_str(url)?
                    .options([("search_path", "pugmark,public")])
                    .disable_statement_logging();
                let pool = PgPoolOptions::new()
                    .max_connections(1)
                    .connect_with(options)
                    .await?;
                RawConn::Postgres(pool.acquire().await?)
            }
        };
        Ok(Plain { raw })
    }

    /// What `on!` matches on.
    pub(super) fn raw(&mut self) -> &mut RawConn {
        &mut self.raw
    }

    /// Runs one statement without parameters.
    pub(super) async fn sql(&mut self, sql: impl Into<String>) -> Result<(), CliError> {
        let sql: String = sql.into();
        on!(self, |c| sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }

    /// The number in the first column of the only row.
    pub(super) async fn number(&mut self, sql: &'static str) -> Result<i64, CliError> {
        Ok(on!(self, |c| sqlx::query_scalar(sql).fetch_one(c).await)?)
    }

    pub(super) async fn begin(&mut self) -> Result<(), CliError> {
        self.sql(match self.raw {
            RawConn::Sqlite(_) => "BEGIN IMMEDIATE",
            RawConn::Postgres(_) => "BEGIN",
        })
        .await
    }

    pub(super) async fn commit(&mut self) -> Result<(), CliError> {
        self.sql("COMMIT").await
    }
}
