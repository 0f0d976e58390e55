//! At most so many calls to the site at once, by all processes together.
//!
//! Within a process calls queue up at a semaphore, which is fair. On PostgreSQL, where there may be several processes, the first in
//! that queue waits for one of the leased rows of `maxio_slots`, in turn with the first ones of the other processes. A lease is
//! longer than a call may take; a process that dies keeps its slots until then, because its calls may still be running in Maxio.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use maxio::{Slot, Slots, SlotsError};
use pugmark_queue::db::{Db, DbError, Engine};
use tokio::sync::{Mutex, Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use uuid::Uuid;

use crate::config;
use crate::store::{clock, maxio_slots};

/// How often the first in the queue looks for a slot that another process gave back. Those of this process are told of.
const LOOK: Duration = Duration::from_millis(50);

/// The slots of all processes that share a store.
#[derive(Clone)]
pub struct SharedSlots {
    db: Db,
    at_once: i64,
    lease: Duration,
    local: Arc<Semaphore>,
    /// Held by the first in the queue of this process.
    first: Arc<Mutex<()>>,
    given_back: Arc<Notify>,
}

impl SharedSlots {
    /// Slots for the site of these settings.
    pub fn new(db: Db, settings: &config::Maxio) -> Self {
        SharedSlots {
            db,
            at_once: i64::try_from(settings.at_once).unwrap_or(1),
            lease: settings.settle_window() + settings.call_timeout,
            local: Arc::new(Semaphore::new(settings.at_once)),
            first: Arc::default(),
            given_back: Arc::default(),
        }
    }

    /// Waits for a leased row. Ends without one when nobody wants it any more.
    async fn lease(self, permit: OwnedSemaphorePermit, wanted: oneshot::Sender<Taken>) {
        let held = Held {
            slots: self.clone(),
            holder: Uuid::now_v7(),
            permit: Some(permit),
        };
        let _first = self.first.clone().lock_owned().await;
        while !wanted.is_closed() {
            match self.try_lease(held.holder).await {
                // Whoever no longer waits drops it, and with that gives it back.
                Ok(true) => return drop(wanted.send(Ok(held))),
                Ok(false) => {}
                Err(error) => return drop(wanted.send(Err(SlotsError::new(error)))),
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = self.given_back.notified() => {}
            }
        }
    }

    async fn try_lease(&self, holder: Uuid) -> Result<bool, DbError> {
        let (at_once, lease) = (self.at_once, self.lease);
        self.db
            .write("take Maxio slot", move |conn| {
                Box::pin(async move {
                    let now = clock::now(conn).await?;
                    maxio_slots::take(conn, holder, at_once, now, now.after(lease)).await
                })
            })
            .await
    }
}

type Taken = Result<Held, SlotsError>;

#[async_trait]
impl Slots for SharedSlots {
    async fn take(&self) -> Result<Slot, SlotsError> {
        let permit = self.local.clone().acquire_owned().await;
        let permit = permit.map_err(SlotsError::new)?;
        if self.db.engine() == Engine::Sqlite {
            return Ok(Slot::holding(permit));
        }
        // In a task of its own, so that a caller who gives up leaves no row leased that nobody knows of.
        let (wanted, taken) = oneshot::channel();
        tokio::spawn(self.clone().lease(permit, wanted));
        let held = taken.await.map_err(SlotsError::new)??;
        Ok(Slot::holding(held))
    }
}

/// A leased row, or the wish for one; given back by being dropped.
struct Held {
    slots: SharedSlots,
    holder: Uuid,
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Held {
    fn drop(&mut self) {
        let (slots, holder, permit) = (self.slots.clone(), self.holder, self.permit.take());
        // Without a runtime the program is at its end, and the lease runs out.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            let given_back = slots
                .db
                .write("give back Maxio slot", move |conn| {
                    Box::pin(async move { maxio_slots::give_back(conn, holder).await })
                })
                .await;
            if let Err(error) = given_back {
                tracing::warn!(%error, "a slot for calls to Maxio could not be given back; its lease runs out");
            }
            drop(permit);
            slots.given_back.notify_one();
        });
    }
}
