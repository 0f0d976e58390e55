//! Why the program did not start.

use std::net::SocketAddr;

use pugmark_queue::QueueError;
use pugmark_queue::db::{DbError, StoreLockError};

use crate::capture::attach::AttachError;
use crate::config;
use crate::problem::Code;
use crate::store::moving::NotServed;

/// Why the program did not start. Each has the code that docs/errors.md explains.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings cannot be used.
    #[error(transparent)]
    Config(#[from] config::ConfigError),
    /// The store cannot be used.
    #[error("{code}: {0}", code = code_of(.0))]
    Store(#[from] DbError),
    /// Another process serves this SQLite file.
    #[error("{code}: {0}", code = lock_code(.0))]
    Lock(#[from] StoreLockError),
    /// The store was moved, or is being filled.
    #[error(transparent)]
    NotServed(#[from] NotServed),
    /// MicroBima's database is not attached.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// The queue in the store cannot be used.
    #[error("{code}: {0}", code = Code::StoreUnavailable)]
    Queue(#[from] QueueError),
    /// The CRM's address cannot be used.
    #[error("{code}: VTIGER_URL: {0}", code = Code::Configuration)]
    Crm(#[from] vtiger::ConfigError),
    /// The address or key of the logins cannot be used.
    #[error("{code}: SUPABASE_URL: {0}", code = Code::Configuration)]
    Logins(#[from] supabase_auth::ConfigError),
    /// Maxio's address or key cannot be used.
    #[error("{code}: MAXIO_API_URL: {0}", code = Code::Configuration)]
    Maxio(#[from] maxio::ConfigError),
    /// The port cannot be listened on.
    #[error("{code}: cannot listen on {address}: {source}. Another program may use the port; PORT sets another one", code = Code::Configuration)]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The operating system's reason.
        source: std::io::Error,
    },
}

/// The code of a store error.
pub fn code_of(error: &DbError) -> Code {
    match error {
        DbError::NewerThanProgram { .. } => Code::StoreTooNew,
        DbError::DiskFull => Code::StoreFull,
        DbError::ReadOnly => Code::StoreReadOnly,
        DbError::Fenced { .. } => Code::LeadershipLost,
        DbError::UnsupportedUrl { .. } => Code::Configuration,
        DbError::NeedsDirectConnection => Code::PostgresPooler,
        _ => Code::StoreUnavailable,
    }
}

/// The code of a store that could not be locked: because another process has it, or because it cannot be written to.
fn lock_code(error: &StoreLockError) -> Code {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem, StorageFull};
    match error {
        StoreLockError::Held { .. } => Code::StoreInUse,
        StoreLockError::Io { source, .. } => match source.kind() {
            PermissionDenied | ReadOnlyFilesystem => Code::StoreReadOnly,
            StorageFull => Code::StoreFull,
            _ => Code::StoreUnavailable,
        },
    }
}
