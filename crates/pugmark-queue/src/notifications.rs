//! Wake-ups between processes through PostgreSQL's LISTEN and NOTIFY.
//!
//! As with a [`broker`](crate::broker) the row is the truth and a notification a hint: what is lost, repeated or late changes
//! nothing but the delay, because workers look by themselves. Notifications are sent after the commit, in a transaction of their own:
//! inside the transaction of a change, NOTIFY would have every commit of that database wait for the one before.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::db::{Db, DbError};
use crate::on;
use crate::waker::{Hint, TeamWaker, Waker};

/// The channel. One database holds one queue.
const CHANNEL: &str = "pugmark_queue";
/// Pauses before it is tried again, the first and the longest.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Wakes the workers of this process and, through the database, those of others. Cloning is cheap; nothing is sent or heard before
/// [`run`](Self::run).
#[derive(Clone)]
pub struct Notifications {
    shared: Arc<Shared>,
    team: [Arc<dyn Waker>; 2],
}

struct Shared {
    /// Marks notifications of this process, which its own listener hears too.
    me: String,
    /// Kinds that others are to be told of.
    kinds: Mutex<BTreeSet<String>>,
    filled: Notify,
    listening: watch::Sender<bool>,
}

impl Default for Notifications {
    fn default() -> Self {
        Self {
            shared: Arc::new(Shared {
                me: uuid::Uuid::new_v4().simple().to_string(),
                kinds: Mutex::default(),
                filled: Notify::new(),
                listening: watch::Sender::new(false),
            }),
            team: TeamWaker::pair(),
        }
    }
}

impl Notifications {
    /// Wakers for the two workers of a process, for [`QueueOptions::waker`](crate::QueueOptions::waker).
    pub fn pair(&self) -> [Arc<dyn Waker>; 2] {
        self.team.clone().map(|local| {
            Arc::new(NotifyingWaker {
                local,
                shared: self.shared.clone(),
            }) as Arc<dyn Waker>
        })
    }

    /// Whether this process hears the others now.
    pub fn listening(&self) -> watch::Receiver<bool> {
        self.shared.listening.subscribe()
    }

    /// Sends and hears until `stop` is cancelled. `listen_on` is an address that leads to the server itself: a pooler in
    /// transaction mode gives the listening session to somebody else. Without one, this process only tells others.
    pub async fn run(self, db: Db, listen_on: Option<String>, stop: CancellationToken) {
        let work = async {
            tokio::join!(self.send(&db), self.listen(listen_on));
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = work => {}
        }
    }

    async fn send(&self, db: &Db) {
        loop {
            self.shared.filled.notified().await;
            let kinds = std::mem::take(&mut *self.shared.kinds());
            if kinds.is_empty() {
                continue;
            }
            let kinds: Vec<String> = kinds.into_iter().collect();
            // The longest that PostgreSQL takes is just below 8,000 bytes.
            for some in kinds.chunks(32) {
                let payload = format!("{} {}", self.shared.me, some.join(","));
                if let Err(error) = notify(db, &payload).await {
                    tracing::debug!(%error, "other processes could not be notified; they find the work by looking");
                }
            }
        }
    }

    async fn listen(&self, address: Option<String>) {
        let Some(address) = address else {
            return std::future::pending().await;
        };
        let mut pause = PAUSE;
        loop {
            let ended = self.hear(&address, &mut pause).await;
            self.shared.listening.send_replace(false);
            match ended {
                Ok(()) => tracing::info!("the listening connection was lost; it is made again"),
                Err(error) => {
                    tracing::warn!(%error, "notifications of other processes cannot be heard; work is found by looking");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Hears until the connection ends.
    async fn hear(&self, address: &str, pause: &mut Duration) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect(address).await?;
        listener.listen(CHANNEL).await?;
        *pause = PAUSE;
        self.shared.listening.send_replace(true);
        // What was sent while nobody listened is lost.
        self.wake();
        while let Some(notification) = listener.try_recv().await? {
            let sender = notification.payload().split(' ').next();
            if sender != Some(self.shared.me.as_str()) {
                self.wake();
            }
        }
        Ok(())
    }

    fn wake(&self) {
        // One wakes the whole team.
        self.team[0].wake(None);
    }
}

async fn notify(db: &Db, payload: &str) -> Result<(), DbError> {
    let mut conn = db.read().await?;
    on!(&mut conn, |c| sqlx::query("SELECT pg_notify($1, $2)")
        .bind(CHANNEL)
        .bind(payload)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

impl Shared {
    fn kinds(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct NotifyingWaker {
    local: Arc<dyn Waker>,
    shared: Arc<Shared>,
}

impl Waker for NotifyingWaker {
    fn wake(&self, hint: Option<Hint>) {
        if let Some(hint) = &hint {
            self.shared.kinds().insert(hint.kind.clone());
            self.shared.filled.notify_one();
        }
        self.local.wake(hint);
    }

    fn woken<'a>(&'a self) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        self.local.woken()
    }
}
