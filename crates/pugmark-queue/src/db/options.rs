use std::str::FromStr;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};

use super::DbError;

/// Whether a pooler in transaction mode stands between this process and PostgreSQL: it gives the server's connection to somebody else
/// after each transaction, so nothing may be kept in the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pooler {
    /// Found out when the database is opened.
    #[default]
    Auto,
    /// There is none, or one in session mode.
    None,
    /// There is one.
    Transaction,
}

/// The port of Supabase's pooler in transaction mode.
const TRANSACTION_POOLER: u16 = 6543;

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
    /// PostgreSQL: how long a transaction may stand idle before the server ends it, so that a process that hangs holds no locks.
    pub idle_in_transaction_timeout: Duration,
    /// PostgreSQL: whether a pooler in transaction mode stands before the server.
    pub pooler: Pooler,
    /// PostgreSQL: the server's own address, for what a pooler in transaction mode does not let through: migrations.
    pub direct_url: Option<String>,
    /// The longest a member of a group may take before it is undone, because the whole group waits for it.
    pub member_timeout: Duration,
    /// Opens nothing for writing: [`Db::write`](super::Db::write) and [`Db::migrate`](super::Db::migrate) are refused.
    pub read_only: bool,
    /// SQLite: makes the file when it does not exist. PostgreSQL databases are never made.
    pub create: bool,
}

/// Own tables first, as `SHOW search_path` tells it.
pub(super) const SEARCH_PATH: &str = "pugmark,public";

impl Default for DbOptions {
    fn default() -> Self {
        Self {
            readers: 8,
            committers: 1,
            group_size: 256,
            acquire_timeout: Duration::from_secs(10),
            lock_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(30),
            idle_in_transaction_timeout: Duration::from_secs(10),
            pooler: Pooler::Auto,
            direct_url: None,
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
    /// Through a pooler in transaction mode nothing is set in the session and no statement is kept prepared there;
    /// [`session_settings`](Self::session_settings) are then set in each transaction.
    pub(super) fn postgres(
        &self,
        url: &str,
        pooled: bool,
    ) -> Result<(PgConnectOptions, String), DbError> {
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
            .application_name("pugmark")
            .disable_statement_logging();
        let options = if pooled {
            options.extra_float_digits(None).statement_cache_capacity(0)
        } else {
            options.options(self.session_settings())
        };
        Ok((options, shown))
    }

    fn session_settings(&self) -> [(&'static str, String); 6] {
        [
            ("search_path", SEARCH_PATH.to_owned()),
            (
                "statement_timeout",
                self.statement_timeout.as_millis().to_string(),
            ),
            ("lock_timeout", self.lock_timeout.as_millis().to_string()),
            (
                "idle_in_transaction_session_timeout",
                self.idle_in_transaction_timeout.as_millis().to_string(),
            ),
            // Where row level security would hide rows, a query fails instead of telling a part for the whole.
            ("row_security", "off".to_owned()),
            (
                "default_transaction_read_only",
                if self.read_only { "on" } else { "off" }.to_owned(),
            ),
        ]
    }

    /// Begins a transaction with these settings, for connections whose session is not ours.
    pub(super) fn begin_pooled(&self) -> String {
        let settings = self.session_settings();
        let settings = settings.iter().map(|(name, value)| match *name {
            "search_path" => format!("; SET LOCAL search_path = {value}"),
            "default_transaction_read_only" => {
                format!("; SET LOCAL transaction_read_only = {value}")
            }
            name => format!("; SET LOCAL {name} = '{value}'"),
        });
        // The driver names its statements even where it keeps none, and those of another client may be left in the session.
        format!("BEGIN; DEALLOCATE ALL{}", settings.collect::<String>())
    }

    /// What is known of a pooler without asking; `None`: it has to be found out.
    pub(super) fn known_pooler(&self, connect: &PgConnectOptions) -> Option<bool> {
        match self.pooler {
            Pooler::Transaction => Some(true),
            Pooler::None => Some(false),
            Pooler::Auto => (connect.get_port() == TRANSACTION_POOLER).then_some(true),
        }
    }
}
