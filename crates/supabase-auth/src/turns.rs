//! One at a time per user.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

/// A queue per user id. Queues nobody stands in are forgotten.
#[derive(Default)]
pub(crate) struct Turns(Mutex<HashMap<Uuid, Weak<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// Waits for the turn, which lasts until the guard is dropped; first come, first served.
    pub(crate) async fn enter(&self, user: Uuid) -> OwnedMutexGuard<()> {
        self.queue_of(user).lock_owned().await
    }

    fn queue_of(&self, user: Uuid) -> Arc<tokio::sync::Mutex<()>> {
        let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get(&user).and_then(Weak::upgrade) {
            return queue;
        }
        queues.retain(|_, queue| queue.strong_count() > 0);
        let queue = Arc::new(tokio::sync::Mutex::new(()));
        queues.insert(user, Arc::downgrade(&queue));
        queue
    }
}
