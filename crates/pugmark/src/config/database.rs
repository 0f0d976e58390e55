//! What the operator chooses for the store.

use std::fmt;
use std::time::Duration;

use pugmark_queue::db::{DbOptions, Pooler};
use serde::Deserialize;

use super::values::at_least;
use super::{ConfigProblem, mask_url, sources};

/// Whether a pooler stands before PostgreSQL, as settings write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum PoolerWord {
    Auto,
    None,
    Transaction,
}

/// Settings of the store.
#[derive(Clone)]
pub struct Database {
    /// `sqlite:path` or `postgres://...`. May hold a password: print it with [`mask_url`].
    pub url: String,
    /// Connections for reading.
    pub connections: u32,
    /// How long work waits for a free connection.
    pub acquire_timeout: Duration,
    /// How long a statement waits for a lock.
    pub lock_timeout: Duration,
    /// PostgreSQL: the longest a statement may take.
    pub statement_timeout: Duration,
    /// PostgreSQL: the longest a transaction may stand idle.
    pub idle_in_transaction_timeout: Duration,
    /// PostgreSQL: whether a pooler in transaction mode stands before it.
    pub pooler: Pooler,
    /// PostgreSQL: the server's own address. May hold a password.
    pub direct_url: Option<String>,
}

impl Database {
    /// The store at this address, with the defaults for everything else.
    pub fn new(url: impl Into<String>) -> Self {
        let DbOptions {
            readers,
            acquire_timeout,
            lock_timeout,
            statement_timeout,
            idle_in_transaction_timeout,
            pooler,
            direct_url,
            ..
        } = DbOptions::default();
        Database {
            url: url.into(),
            connections: readers,
            acquire_timeout,
            lock_timeout,
            statement_timeout,
            idle_in_transaction_timeout,
            pooler,
            direct_url,
        }
    }

    /// How the store is opened by these settings.
    pub fn options(&self) -> DbOptions {
        let defaults = DbOptions::default();
        DbOptions {
            readers: self.connections,
            acquire_timeout: self.acquire_timeout,
            lock_timeout: self.lock_timeout,
            statement_timeout: self.statement_timeout,
            idle_in_transaction_timeout: self.idle_in_transaction_timeout,
            pooler: self.pooler,
            direct_url: self.direct_url.clone(),
            // A member that may run a long statement must be given the time for it.
            member_timeout: defaults.member_timeout.max(self.statement_timeout),
            ..defaults
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Database")
            .field("url", &mask_url(&self.url))
            .field("connections", &self.connections)
            .field("pooler", &self.pooler)
            .field("direct_url", &self.direct_url.as_deref().map(mask_url))
            .finish_non_exhaustive()
    }
}

/// Checks these settings; `None` when the address names no database.
pub(super) fn check(
    file: &sources::DatabaseFile,
    problems: &mut Vec<ConfigProblem>,
) -> Option<Database> {
    let url = file.url.trim();
    let is_postgres =
        |url: &str| url.starts_with("postgres://") || url.starts_with("postgresql://");
    if !url.starts_with("sqlite:") && !is_postgres(url) {
        problems.push(ConfigProblem::new(
            "DATABASE_URL",
            format!("`{}` names no database that Pugmark knows", mask_url(url)),
            "Use sqlite:path/to/file.db or postgres://user:password@host:5432/name",
        ));
        return None;
    }
    let direct_url = Some(file.direct_url.trim()).filter(|direct| !direct.is_empty());
    if let Some(direct) = direct_url.filter(|direct| !is_postgres(direct) || !is_postgres(url)) {
        problems.push(ConfigProblem::new(
            "DATABASE_DIRECT_URL",
            format!("`{}` is of no use here", mask_url(direct)),
            "It is the own address of the PostgreSQL server that DATABASE_URL reaches through a pooler: postgres://user:password@host:5432/name",
        ));
    }
    let mut wait = |name: &str, text: &str, least| at_least(name, text, least, problems);
    let (short, second) = (Duration::from_millis(100), Duration::from_secs(1));
    Some(Database {
        url: url.to_owned(),
        connections: file.connections.clamp(1, 200),
        acquire_timeout: wait("database.acquire_timeout", &file.acquire_timeout, short),
        lock_timeout: wait("database.lock_timeout", &file.lock_timeout, short),
        statement_timeout: wait(
            "database.statement_timeout",
            &file.statement_timeout,
            second,
        ),
        idle_in_transaction_timeout: wait(
            "database.idle_in_transaction_timeout",
            &file.idle_in_transaction_timeout,
            second,
        ),
        pooler: match file.pooler {
            PoolerWord::Auto => Pooler::Auto,
            PoolerWord::None => Pooler::None,
            PoolerWord::Transaction => Pooler::Transaction,
        },
        direct_url: direct_url.map(str::to_owned),
    })
}
