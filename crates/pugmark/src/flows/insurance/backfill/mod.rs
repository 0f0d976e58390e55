//! The first sync of a base that is there on both sides.
//!
//! All contacts are read once, 100 a call, and kept with the keys by which people are told apart. Customers without a contact are
//! matched with them in the store, so that matching costs no calls. What is certain is linked and brought up to date, what is not
//! there is created, and what is ambiguous is listed and held: nothing is guessed, and no contact is created for such a customer
//! until a person has decided. Both the linking and the creating are ordinary operations of the queue.

mod linking;
mod matching;
mod reading;
mod upserting;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use pugmark_queue::db::{Conn, Db, Ts};
use pugmark_queue::{Queue, QueueError};
use tracing::Instrument;

use super::customer::Setting;
use super::reconcile::{CompareError, Step};
use crate::config::Mode;
use crate::crm::Crm;
use crate::crm::calls::CallLog;
use crate::problem::Code;
use crate::store::backfill::{self, Key, Run};

pub use matching::{Decision, decide};

/// Records of a page, on both sides.
const PAGE: u32 = vtiger::MAX_ROWS;
/// How soon a page is tried again that failed.
const AGAIN: Duration = Duration::from_secs(5);
/// So long after the end it is looked for operations that still wait for it.
const STRAGGLERS: Duration = Duration::from_secs(60);
/// Under this key operations wait until no first sync is under way any more.
pub const UNDER_WAY: &str = "backfill";

/// Under this key a customer's operations wait until a person has decided which contact is theirs.
pub fn held_key(customer: &str) -> String {
    format!("backfill:{customer}")
}

/// Makes first syncs.
#[derive(Clone)]
pub struct Backfiller {
    db: Db,
    queue: Queue,
    crm: Arc<Crm>,
    setting: Setting,
    mode: Mode,
}

/// What a page came to, to be stored in one commit with how far the run is.
type Effects =
    Box<dyn for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<(), QueueError>> + Send>;

struct Page {
    moved: Run,
    effects: Effects,
}

impl Backfiller {
    /// A backfiller between this store and this CRM.
    pub fn new(db: Db, queue: Queue, crm: Arc<Crm>, setting: Setting, mode: Mode) -> Self {
        Backfiller {
            db,
            queue,
            crm,
            setting,
            mode,
        }
    }

    /// Does the next page of the run under way.
    ///
    /// # Errors
    /// When the store does not answer. What the CRM does is noted at the run, and it is tried again.
    pub async fn step(&self) -> Result<Step, CompareError> {
        let run = backfill::latest(&mut self.db.read().await?).await?;
        let Some(run) = run else {
            return Ok(Step::Idle);
        };
        if let Some(ended) = run.ended_at {
            if Ts::now().since(ended) < STRAGGLERS {
                self.wake().await?;
            }
            return Ok(Step::Idle);
        }
        if run.phase == "ready" {
            return Ok(Step::Idle);
        }
        if let Some(pause) = self.crm.spared_for() {
            return Ok(Step::Wait(pause.min(AGAIN)));
        }
        if run.stopped_by.is_some() && run.trouble.is_none() {
            let ended = Run {
                phase: "ended".to_owned(),
                ended_at: Some(Ts::now()),
                ..run.clone()
            };
            let effects = nothing();
            return self
                .store(
                    &run,
                    Page {
                        moved: ended,
                        effects,
                    },
                )
                .await;
        }
        let span = tracing::error_span!("backfill", correlation_id = %run.correlation_id);
        self.page_of(&run).instrument(span).await
    }

    /// Wakes what waits for the end: an attempt that was told to wait a moment before the end may only now have begun to.
    async fn wake(&self) -> Result<(), CompareError> {
        let queue = self.queue.clone();
        self.db
            .write("wake after backfill", move |conn| {
                Box::pin(async move { queue.unblock(conn, UNDER_WAY).await })
            })
            .await?;
        Ok(())
    }

    async fn page_of(&self, run: &Run) -> Result<Step, CompareError> {
        let calls = CallLog::new(self.crm.breaker.clone());
        let client = self.crm.client.clone().with_observer(calls.clone());
        let client = client.with_correlation_id(&run.correlation_id);
        let begun = Instant::now();
        let done = match run.phase.as_str() {
            "contacts" => self.read_page(run, &client).await,
            "matching" => self.match_page(run, &client).await,
            _ => self.link_page(run, &client).await,
        };
        self.crm.heed_quota();
        let calls = i64::from(calls.count());
        match done {
            Ok(mut page) => {
                page.moved.calls += calls;
                page.moved.trouble = None;
                if run.phase == "contacts" {
                    page.moved.read_pages += 1;
                    page.moved.read_micros +=
                        i64::try_from(begun.elapsed().as_micros()).unwrap_or(i64::MAX);
                }
                self.store(run, page).await
            }
            Err(CompareError::Call(error)) => {
                tracing::warn!(%error, "a page of the first sync could not be done; it is tried again");
                let moved = Run {
                    calls: run.calls + calls,
                    trouble: Some(error.to_string()),
                    ..run.clone()
                };
                self.store(
                    run,
                    Page {
                        moved,
                        effects: nothing(),
                    },
                )
                .await?;
                Ok(Step::Wait(AGAIN))
            }
            Err(error @ CompareError::NoReferenceField) => {
                let moved = Run {
                    phase: "ended".to_owned(),
                    ended_at: Some(Ts::now()),
                    trouble: Some(format!("{}: {error}", Code::NoReferenceField)),
                    ..run.clone()
                };
                self.store(
                    run,
                    Page {
                        moved,
                        effects: nothing(),
                    },
                )
                .await
            }
            Err(error) => Err(error),
        }
    }

    async fn store(&self, run: &Run, page: Page) -> Result<Step, CompareError> {
        let (before, queue) = (run.clone(), self.queue.clone());
        let Page { moved, effects } = page;
        self.db
            .write("backfill page", move |conn| {
                Box::pin(async move {
                    // Another process may have done the page, or somebody has stopped the run.
                    if backfill::advance(conn, &before, &moved).await? {
                        effects(conn).await?;
                        if moved.ended_at.is_some() {
                            queue.unblock(conn, UNDER_WAY).await?;
                        }
                    }
                    Ok::<_, QueueError>(())
                })
            })
            .await?;
        Ok(Step::Done)
    }
}

fn nothing() -> Effects {
    Box::new(|_| Box::pin(async { Ok(()) }))
}

/// The keys of a run, in its order.
fn keys_of(run: &Run) -> Vec<Key> {
    run.match_by.split(',').filter_map(Key::parse).collect()
}

/// What a first sync will still cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Calls to the CRM.
    pub calls: i64,
    /// Seconds they will take, about.
    pub seconds: i64,
}

/// A write takes so many times as long as reading a page of 100 contacts, as measured with a real vTiger 8 (142 ms for a create,
/// 48 ms for a page).
const WRITE_PER_READ: i64 = 3;

/// So many times less than a single create a record of an upsert takes, and in vTiger's bulk mode.
const UPSERT_GAIN: i64 = 2;
const BULK_GAIN: i64 = 14;
/// Contacts of one upsert.
const PER_UPSERT: i64 = 100;

/// Estimates what is left of a run from what reading its pages took. A vTiger that deals with several sessions at a time gains ever
/// less by each: measured were 6.9, 13, 20 and 23 creates a second with 1, 2, 4 and 8.
pub fn estimate(run: &Run, counts: &backfill::Counts, sessions: usize) -> Estimate {
    let (per_call, gain) = match (run.upserts, run.bulk) {
        (false, _) => (1, 1),
        (true, false) => (PER_UPSERT, UPSERT_GAIN),
        (true, true) => (PER_UPSERT, BULK_GAIN),
    };
    let calls = counts.changing + (counts.fresh + per_call - 1) / per_call;
    let writes = counts.changing + counts.fresh / gain;
    let per_read = run.read_micros / run.read_pages.max(1);
    let tenths = match sessions {
        0 | 1 => 10,
        2 | 3 => 19,
        4..8 => 29,
        _ => 33,
    };
    let micros = writes
        .saturating_mul(per_read)
        .saturating_mul(WRITE_PER_READ * 10)
        / tenths;
    Estimate {
        calls,
        seconds: micros / 1_000_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_follows_from_what_reading_took_and_from_the_sessions() {
        let run = Run {
            id: 1,
            dry_run: true,
            confirmed: false,
            bulk: false,
            match_by: String::new(),
            requested_by: String::new(),
            correlation_id: String::new(),
            phase: "ready".to_owned(),
            place: String::new(),
            contacts_total: 0,
            customers_total: 0,
            contacts: 0,
            customers: 0,
            calls: 0,
            read_micros: 480_000,
            read_pages: 10,
            upserts: false,
            trouble: None,
            created_at: Ts::from_micros(0),
            ended_at: None,
            stopped_by: None,
        };
        let counts = backfill::Counts {
            changing: 100,
            fresh: 900,
            ..backfill::Counts::default()
        };
        let alone = estimate(&run, &counts, 1);
        assert_eq!((alone.calls, alone.seconds), (1_000, 144));
        assert_eq!(estimate(&run, &counts, 8).seconds, 43);
        let upserts = Run {
            upserts: true,
            ..run
        };
        let alone = estimate(&upserts, &counts, 1);
        assert_eq!((alone.calls, alone.seconds), (109, 79));
        let bulk = Run {
            bulk: true,
            ..upserts
        };
        let alone = estimate(&bulk, &counts, 1);
        assert_eq!((alone.calls, alone.seconds), (109, 23));
    }
}
