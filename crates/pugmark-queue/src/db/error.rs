use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::SqliteError;

/// What can go wrong with a database, in the kinds that call for different advice. Cloning is cheap, because one failed
/// commit is told to every member of its group.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum DbError {
    /// The URL names no database this program can use.
    #[error("the database URL cannot be used: {reason}")]
    UnsupportedUrl {
        /// What is wrong, in words for the person who wrote the URL.
        reason: String,
    },
    /// There is no such file or database.
    #[error("there is no database {what}")]
    NotFound {
        /// Path, or `user@host:port/database`.
        what: String,
    },
    /// The file or server is there but cannot be used.
    #[error("the database {what} cannot be opened: {source}")]
    CannotOpen {
        /// Path, or `user@host:port/database`.
        what: String,
        /// The driver's reason.
        source: Arc<sqlx::Error>,
    },
    /// The database, or the handle, does not accept writes.
    #[error("the database is read-only")]
    ReadOnly,
    /// The disk is full. Nothing of what failed was kept.
    #[error("the disk that holds the database is full")]
    DiskFull,
    /// A newer version of the program has changed this database.
    #[error(
        "the database is at version {found}, this program knows versions up to {known}: use the newer program"
    )]
    NewerThanProgram {
        /// Highest version the database carries.
        found: i64,
        /// Highest version this program knows.
        known: i64,
    },
    /// Migrations wait to be run.
    #[error(
        "the database is at version {found:?}, this program needs {needed}: run the migrations first"
    )]
    NotMigrated {
        /// Highest version the database carries.
        found: Option<i64>,
        /// Highest version this program knows.
        needed: i64,
    },
    /// A migration failed, or was changed after it was run.
    #[error("the migrations cannot be run: {0}")]
    Migration(Arc<sqlx::migrate::MigrateError>),
    /// Another program holds a lock for longer than the timeout.
    #[error("the database is locked by another program")]
    Locked,
    /// No pooled connection became free in time.
    #[error("no database connection became free in time")]
    Busy,
    /// A deadlock or a serialisation failure: this member alone was undone and may be tried again.
    #[error("the change collided with another one and was undone")]
    Conflict,
    /// A statement or a member of a group took too long and was undone.
    #[error("the database work took too long and was undone")]
    TimedOut,
    /// The connection broke before anything was committed.
    #[error("the connection to the database was lost; nothing was committed")]
    ConnectionLost,
    /// The group's transaction was undone as a whole, through no fault of this member.
    #[error("the transaction was undone by the database; nothing was committed")]
    RolledBack,
    /// The connection broke while committing: the change may or may not be there.
    #[error(
        "the connection to the database was lost while committing: the change may or may not have been made"
    )]
    OutcomeUnknown,
    /// The member panicked; it was undone, the rest of its group was not.
    #[error("{label} panicked and was undone")]
    Panicked {
        /// The label given to [`Db::write`](super::Db::write).
        label: &'static str,
    },
    /// The handle's [`WriteGuard`](super::WriteGuard) does not let it write any more; the member did not run.
    #[error("{reason}; nothing was written")]
    Fenced {
        /// Why not, in words for people.
        reason: &'static str,
    },
    /// The handle was closed.
    #[error("the database handle is closed")]
    Closed,
    /// A pooler in transaction mode stands before the server, and what is to be done needs a session of its own.
    #[error(
        "the address leads through a pooler in transaction mode, through which migrations cannot be run; name the server's own address (database.direct_url)"
    )]
    NeedsDirectConnection,
    /// Any other error of the driver or the database.
    #[error("{0}")]
    Sql(Arc<sqlx::Error>),
}

impl DbError {
    pub(super) fn unsupported(reason: &str) -> Self {
        Self::UnsupportedUrl {
            reason: reason.to_owned(),
        }
    }

    /// True when nothing was committed and the same work may succeed if it is simply done again.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Locked
                | Self::Busy
                | Self::Conflict
                | Self::TimedOut
                | Self::ConnectionLost
                | Self::RolledBack
        )
    }

    /// True when a unique index refused the row.
    pub fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Sql(error) if error.as_database_error().is_some_and(|e| e.is_unique_violation()))
    }

    /// What a failure to connect means: unlike later on, everything that is not known better is "cannot open".
    pub(super) fn while_opening(what: &str, error: sqlx::Error) -> Self {
        let what = what.to_owned();
        let code = code(&error);
        if code == Some(Code::Postgres("3D000".to_owned())) {
            return Self::NotFound { what };
        }
        match code.as_ref().and_then(from_code) {
            Some(known @ (Self::ReadOnly | Self::DiskFull | Self::Locked)) => known,
            _ => Self::CannotOpen {
                what,
                source: Arc::new(error),
            },
        }
    }

    /// After a failed COMMIT: an error the database itself reported, and that is known to leave nothing behind, keeps its kind;
    /// after anything else nobody knows.
    pub(super) fn while_committing(self) -> Self {
        match self {
            Self::DiskFull | Self::ReadOnly | Self::Locked | Self::Conflict => self,
            Self::Sql(error) if is_refusal(&error) => Self::Sql(error),
            _ => Self::OutcomeUnknown,
        }
    }
}

/// A constraint that was checked at COMMIT.
fn is_refusal(error: &sqlx::Error) -> bool {
    match code(error) {
        Some(Code::Sqlite(primary)) => primary == sqlite_code::CONSTRAINT,
        Some(Code::Postgres(state)) => state.starts_with("23"),
        None => false,
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Code {
    /// Primary result code, <https://www.sqlite.org/rescode.html>.
    Sqlite(i32),
    /// SQLSTATE, <https://www.postgresql.org/docs/15/errcodes-appendix.html>.
    Postgres(String),
}

mod sqlite_code {
    pub(super) const BUSY: i32 = 5;
    pub(super) const LOCKED: i32 = 6;
    pub(super) const READONLY: i32 = 8;
    pub(super) const FULL: i32 = 13;
    pub(super) const CONSTRAINT: i32 = 19;
}

fn code(error: &sqlx::Error) -> Option<Code> {
    let error = error.as_database_error()?;
    let text = error.code()?;
    if error.try_downcast_ref::<SqliteError>().is_some() {
        return text
            .parse::<i32>()
            .ok()
            .map(|extended| Code::Sqlite(extended & 0xff));
    }
    Some(Code::Postgres(text.into_owned()))
}

fn from_code(code: &Code) -> Option<DbError> {
    match code {
        Code::Sqlite(sqlite_code::BUSY | sqlite_code::LOCKED) => Some(DbError::Locked),
        Code::Sqlite(sqlite_code::READONLY) => Some(DbError::ReadOnly),
        Code::Sqlite(sqlite_code::FULL) => Some(DbError::DiskFull),
        Code::Sqlite(_) => None,
        Code::Postgres(state) => match state.as_str() {
            "53100" => Some(DbError::DiskFull),
            "25006" => Some(DbError::ReadOnly),
            "40001" | "40P01" => Some(DbError::Conflict),
            "55P03" => Some(DbError::Locked),
            "57014" => Some(DbError::TimedOut),
            "57P01" | "57P02" | "57P03" | "25P03" => Some(DbError::ConnectionLost),
            other if other.starts_with("08") => Some(DbError::ConnectionLost),
            _ => None,
        },
    }
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        if let Some(known) = code(&error).as_ref().and_then(from_code) {
            return known;
        }
        match error {
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
                Self::ConnectionLost
            }
            sqlx::Error::PoolTimedOut => Self::Busy,
            sqlx::Error::PoolClosed => Self::Closed,
            other => Self::Sql(Arc::new(other)),
        }
    }
}

impl From<tokio::time::error::Elapsed> for DbError {
    fn from(_: tokio::time::error::Elapsed) -> Self {
        Self::TimedOut
    }
}

/// How long to wait before work that failed with a retryable error is done again.
pub(crate) fn retry_pause(attempt: u32) -> Duration {
    Duration::from_millis(20) * 2u32.saturating_pow(attempt.min(6))
}
