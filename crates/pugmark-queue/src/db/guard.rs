//! Handles that write only as long as something holds.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::{Conn, Db, DbError};

/// Says whether a member may write, inside the transaction in which it does.
pub trait WriteGuard: Send + Sync {
    /// Checks on the member's own connection, before the member runs. What it locks there stays locked until the commit.
    ///
    /// # Errors
    /// [`DbError::Fenced`] when nothing may be written any more; the member does not run then.
    fn check<'c>(&'c self, conn: &'c mut Conn) -> BoxFuture<'c, Result<(), DbError>>;
}

impl Db {
    /// The same database, through a handle whose every [`Db::write`] is first checked by `guard`, in the transaction in which it
    /// writes. Reading is not checked. Other handles are not concerned.
    #[must_use]
    pub fn guarded(&self, guard: Arc<dyn WriteGuard>) -> Db {
        Db {
            guard: Some(guard),
            ..self.clone()
        }
    }

    /// Asks the guard, before something is done that no transaction undoes. Says nothing about the moment after.
    ///
    /// # Errors
    /// [`DbError::Fenced`], and those of the database. Never where the handle has no guard.
    pub async fn check_guard(&self) -> Result<(), DbError> {
        match self.guard {
            None => Ok(()),
            Some(_) => {
                self.write("check guard", |_| Box::pin(async { Ok(()) }))
                    .await
            }
        }
    }
}
