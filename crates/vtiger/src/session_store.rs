//! Sessions that several clients of one user hand on to each other.

use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;

use crate::id::RecordId;

/// Keeps the sessions that no client uses just now, for clients that need one. It belongs to one user of one installation.
///
/// A session is in the store or in a client's hands, never both: PHP serialises the calls of a session, so two clients with
/// the same one would wait for each other. What a client takes and never puts back is forgotten.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Takes a session out, the one used last if there are several. `None` when there is none, or the store cannot be asked.
    async fn take(&self) -> Option<IdleSession>;

    /// Puts a session there. Gives it back when the store certainly did not take it.
    async fn put_back(&self, session: IdleSession) -> Option<IdleSession>;
}

/// A session of an open-source vTiger that no call uses.
#[derive(Debug, Clone)]
pub struct IdleSession {
    /// Its name, which is as good as a password.
    pub name: SecretString,
    /// The user it belongs to.
    pub user_id: RecordId,
    /// How long ago its last call ended.
    pub idle: Duration,
}
