//! One login at a time per CRM user.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use async_trait::async_trait;

/// Lets logins of one CRM user through one at a time.
///
/// vTiger keeps a single challenge token per user: a new challenge invalidates the one before, so two logins at once
/// make one of them fail. Processes that share a user need a gate they share, too.
#[async_trait]
pub trait LoginGate: Send + Sync {
    /// Waits for the turn. It is over when the returned value is dropped; dropping the waiting future gives it up.
    ///
    /// # Errors
    /// [`GateError`] when the gate itself fails; the call that needed the login is then reported as unavailable.
    async fn enter(&self, user: &LoginUser) -> Result<Box<dyn LoginTurn>, GateError>;
}

/// A turn at a [`LoginGate`], ended by dropping it.
pub trait LoginTurn: Send {}

/// Whose logins must not overlap: a user of an installation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LoginUser {
    /// The installation's endpoint.
    pub endpoint: String,
    /// The user name in lower case, since vTiger's look-up ignores case.
    pub username: String,
}

/// The gate could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the login gate failed: {message}")]
pub struct GateError {
    /// What happened.
    pub message: String,
}

/// The default gate: shared by all clients of this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct InProcessGate;

type Turns = Mutex<HashMap<LoginUser, Weak<tokio::sync::Mutex<()>>>>;

/// Process-wide, since two clients made for the same user race just as two sessions of one client do.
static TURNS: LazyLock<Turns> = LazyLock::new(Turns::default);

struct InProcessTurn {
    _guard: tokio::sync::OwnedMutexGuard<()>,
}

impl LoginTurn for InProcessTurn {}

#[async_trait]
impl LoginGate for InProcessGate {
    async fn enter(&self, user: &LoginUser) -> Result<Box<dyn LoginTurn>, GateError> {
        let guard = lock_of(user).lock_owned().await;
        Ok(Box::new(InProcessTurn { _guard: guard }))
    }
}

fn lock_of(user: &LoginUser) -> Arc<tokio::sync::Mutex<()>> {
    let mut turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(lock) = turns.get(user).and_then(Weak::upgrade) {
        return lock;
    }
    turns.retain(|_, lock| lock.strong_count() > 0);
    let lock = Arc::new(tokio::sync::Mutex::new(()));
    turns.insert(user.clone(), Arc::downgrade(&lock));
    lock
}
