use std::str::FromStr;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};

use super::DbError;

/// How a [`Db`](super::Db) is opened. [`DbOptions::default`] suits one process on one machine.
#[derive(Debug, Clone)]
pub struct DbOptions {
    /// Connections for readers (PostgreSQL: for readers and claims). The committers have their own.
    pub readers: u32,
    /// PostgreSQL: committers that run groups side by side, each on its own connection. SQLite has always one.
    pub committers: usize,
    /// The most members one group takes; what waits beyond that goes into the next one.
    pub group_size: usize,
    /// How long a caller waits for a free connection.
    pub acquire_timeout: Duration,
    /// How long a statement waits for a lock: SQLite's busy timeout, PostgreSQL's `lock_timeout`.
    pub lock_timeout: Duration,
    /// PostgreSQL: the longest a statement may run.
    pub statement_timeout: Duration,
    /// The longest a member of a group may take before it is undone, because the whole group waits for it.
    pub member_timeout: Duration,
    /// Opens nothing for writing: [`Db::write`](super::Db::write) and [`Db::migrate`](super::Db::migrate) are refused.
    pub read_only: bool,
    /// SQLite: makes the file when it does not exist. PostgreSQL databases are never made.
    pub create: bool,
}

impl Default for DbOptions {
    fn default() -> Self {
        Self {
            readers: 8,
            committers: 1,
            group_size: 256,
            acquire_timeout: Duration::from_secs(10),
            lock_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(30),
            member_timeout: Duration::from_secs(30),
            read_only: false,
            create: true,
        }
    }
}

impl DbOptions {
    pub(super) fn sqlite(&self, path: &str) -> SqliteConnectOptions {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(self.create && !self.read_only)
            .read_only(self.read_only)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(self.lock_timeout)
            .disable_statement_logging();
        if self.read_only {
            options
        } else {
            options.journal_mode(SqliteJournalMode::Wal)
        }
    }

    /// The options, and `user@host:port/database` for messages: a URL may carry a password, so it is never shown.
    pub(super) fn postgres(&self, url: &str) -> Result<(PgConnectOptions, String), DbError> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|_| DbError::unsupported("the PostgreSQL URL cannot be read; expected postgres://user:password@host:port/database"))?;
        let shown = format!(
            "{}@{}:{}/{}",
            options.get_username(),
            options.get_host(),
            options.get_port(),
            options.get_database().unwrap_or_default()
        );
        let options = options
            .options([
                ("search_path", "pugmark,public".to_owned()),
                (
                    "statement_timeout",
                    self.statement_timeout.as_millis().to_string(),
                ),
                ("lock_timeout", self.lock_timeout.as_millis().to_string()),
                // Where row level security would hide rows, a query fails instead of telling a part for the whole.
                ("row_security", "off".to_owned()),
                (
                    "default_transaction_read_only",
                    if self.read_only { "on" } else { "off" }.to_owned(),
                ),
            ])
            .application_name("pugmark")
            .disable_statement_logging();
        Ok((options, shown))
    }
}
