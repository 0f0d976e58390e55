//! Asking the CRM what changed: the truth behind webhooks, and the only way where there are none.
//!
//! A poll reads contacts in the order of their time of change and their id, from a little before the last one it knows: a
//! record may show a change late, and several share one second. What it reads again, and what Pugmark itself wrote, it knows
//! by comparing content with what was agreed on. The cursor moves in one commit with the operations that it caused, page by
//! page, so that a crash loses nothing. Once an hour a poll goes back further, for a clock that was set back. Deletions are
//! in no list: linked contacts are asked for by id, in rounds.

mod compare;
mod deleted;
mod pace;

use std::sync::Arc;

use futures::TryStreamExt;
use jiff::ToSpan;
use jiff::civil::DateTime;
use pugmark_queue::db::{Conn, Db, DbError, Ts};
use pugmark_queue::{Queue, QueueError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use vtiger::{CallError, Client, Direction, KeysetQuery, Query, Record, RecordId};

use crate::config::Poll;
use crate::crm::breaker::Position;
use crate::crm::calls::CallLog;
use crate::crm::{CONTACTS, Crm, FROM_LEAD, MapError};
use crate::flows::insurance::inbound::{self, Noticed};
use crate::flows::insurance::plan::CUSTOMER;
use crate::problem::Code;
use crate::store::crm_cursors::{self, Cursor};
use compare::{Content, Sight};
pub use pace::pause;

const MODIFIED: &str = "modifiedtime";
/// How often a poll goes back further than usual, and how far: the CRM's clock may have been set back, by an hour in autumn.
const DEEP_EVERY: std::time::Duration = std::time::Duration::from_secs(3_600);
const DEEP_HOURS: i64 = 3;

/// Polls the CRM.
pub struct Poller {
    db: Db,
    queue: Queue,
    crm: Arc<Crm>,
    settings: Poll,
    went_deep_at: Option<Instant>,
}

/// What one poll came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Round {
    /// Records read.
    pub read: usize,
    /// Of these, records that call for something.
    pub noticed: usize,
    /// Linked records that were looked for.
    pub looked_for: usize,
    /// Of these, records that are gone or back again.
    pub gone_or_back: usize,
}

/// Why a poll did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum PollError {
    /// The CRM did not answer, or not sensibly.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The store did not.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// Two answers contradict each other.
    #[error("vTiger counts {counted} of {asked} contacts and shows {shown}")]
    Contradiction {
        /// Contacts asked for.
        asked: usize,
        /// Shown.
        shown: usize,
        /// Counted.
        counted: u64,
    },
}

impl From<DbError> for PollError {
    fn from(error: DbError) -> Self {
        PollError::Queue(error.into())
    }
}

impl From<MapError> for PollError {
    fn from(error: MapError) -> Self {
        match error {
            MapError::Call(error) => PollError::Call(error),
            MapError::Db(error) => error.into(),
        }
    }
}

impl Poller {
    /// Polls this CRM.
    pub fn new(db: Db, queue: Queue, crm: Arc<Crm>, settings: Poll) -> Self {
        Poller {
            db,
            queue,
            crm,
            settings,
            went_deep_at: None,
        }
    }

    /// Polls until cancelled. What keeps a poll from succeeding is shown in the status and tried again.
    pub async fn run(mut self, cancelled: CancellationToken) {
        let mut failures = 0;
        loop {
            if self.crm.breaker.position() == Position::Closed {
                failures = match self.round().await {
                    Ok(round) => {
                        if round.noticed + round.gone_or_back > 0 {
                            tracing::info!(
                                read = round.read,
                                noticed = round.noticed,
                                gone_or_back = round.gone_or_back,
                                "changes in vTiger"
                            );
                        }
                        0
                    }
                    Err(error) => {
                        tracing::warn!(code = %Code::PollFailed, %error, "vTiger could not be asked what changed");
                        self.note_trouble(&error).await;
                        failures + 1
                    }
                };
                self.crm.heed_quota();
            }
            let quota = self.crm.client.quota();
            let pause = pace::pause(
                self.settings.interval,
                failures,
                &quota,
                self.crm.breaker.position(),
            );
            tokio::select! {
                () = cancelled.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One poll: what changed, and a bit of the search for what is gone.
    ///
    /// # Errors
    /// [`PollError`]; what was read before that is committed.
    pub async fn round(&mut self) -> Result<Round, PollError> {
        let calls = CallLog::new(self.crm.breaker.clone());
        let correlation_id = Uuid::now_v7().to_string();
        let client = self
            .crm
            .client
            .clone()
            .with_observer(calls)
            .with_correlation_id(&correlation_id);
        let mut conn = self.db.read().await?;
        let fields = self.crm.contact_fields(&client, &mut conn).await?;
        let stored = crm_cursors::get(&mut conn, CONTACTS).await?;
        let mut cursor = match stored {
            Some(cursor) => cursor,
            None => {
                let oldest = crm_cursors::first_agreed(&mut conn, CUSTOMER).await?;
                self.first_cursor(&client, oldest).await?
            }
        };
        drop(conn);
        let deep = self
            .went_deep_at
            .is_none_or(|at| at.elapsed() >= DEEP_EVERY);
        let sight = Arc::new(Sight::of(&fields));
        let mut round = Round::default();
        let mut query = KeysetQuery::by_modified_time(CONTACTS).fields(sight.asked());
        if let Some(from) = self.start(&cursor, deep) {
            query = query.since(from, None);
        }
        let mut pages = std::pin::pin!(client.pages(query));
        while let Some(page) = pages.try_next().await? {
            round.read += page.len();
            let (after, noticed) = self
                .commit_page(cursor, page, sight.clone(), correlation_id.clone())
                .await?;
            cursor = after;
            round.noticed += noticed;
        }
        if deep {
            self.went_deep_at = Some(Instant::now());
        }
        deleted::look(self, &client, cursor, &correlation_id, &mut round).await?;
        Ok(round)
    }

    /// Where the first poll of all begins: with what may have changed since the first contact was linked, or, where nothing
    /// is linked, with what changes from now on.
    async fn first_cursor(&self, client: &Client, oldest: Option<Ts>) -> Result<Cursor, PollError> {
        let modified_time = match oldest {
            Some(at) => {
                let zone = self.crm.settings.time_zone.clone();
                let day_before = at
                    .timestamp()
                    .to_zoned(zone)
                    .datetime()
                    .saturating_sub(24.hours());
                Some(in_vtigers_words(day_before))
            }
            None => {
                let last = Query::select(CONTACTS)
                    .fields([MODIFIED])
                    .order_by([MODIFIED, "id"])
                    .direction(Direction::Descending)
                    .limit(1);
                let found = client.query(&last).await?;
                found
                    .first()
                    .and_then(|record| record.get(MODIFIED))
                    .map(str::to_owned)
            }
        };
        Ok(Cursor {
            modified_time,
            ..Cursor::default()
        })
    }

    /// From which time of change on a poll reads, by the CRM's clock and in its words.
    fn start(&self, cursor: &Cursor, deep: bool) -> Option<String> {
        let last = time_of(cursor.modified_time.as_deref()?)?;
        let seconds = i64::try_from(self.settings.overlap.as_secs()).unwrap_or(3_600);
        let back = match deep {
            true => seconds.seconds().hours(DEEP_HOURS),
            false => seconds.seconds(),
        };
        Some(in_vtigers_words(last.saturating_sub(back)))
    }

    /// Commits what a page calls for, with the cursor behind it.
    async fn commit_page(
        &self,
        cursor: Cursor,
        page: Vec<Record>,
        sight: Arc<Sight>,
        correlation_id: String,
    ) -> Result<(Cursor, usize), PollError> {
        let queue = self.queue.clone();
        let page = Page {
            cursor,
            records: page,
            sight,
            correlation_id,
        };
        Ok(self
            .db
            .write("poll page", move |conn| {
                Box::pin(async move { page.commit(conn, &queue).await })
            })
            .await?)
    }

    /// What people see of a poll that fails.
    async fn note_trouble(&self, error: &PollError) {
        let said = error.to_string();
        let noted = self
            .db
            .write("note poll", move |conn| {
                Box::pin(async move {
                    let mut cursor = crm_cursors::get(conn, CONTACTS).await?.unwrap_or_default();
                    // Without a place the next poll has to find its first one.
                    if cursor.modified_time.is_none() && cursor.polled_at.is_none() {
                        return Ok::<_, DbError>(());
                    }
                    cursor.trouble = Some((Code::PollFailed.to_string(), said));
                    crm_cursors::put(conn, CONTACTS, &cursor, Ts::now()).await
                })
            })
            .await;
        if let Err(error) = noted {
            tracing::error!(%error, "the trouble of a poll could not be noted");
        }
    }
}

/// A page that was read.
struct Page {
    cursor: Cursor,
    records: Vec<Record>,
    sight: Arc<Sight>,
    correlation_id: String,
}

impl Page {
    async fn commit(
        mut self,
        conn: &mut Conn,
        queue: &Queue,
    ) -> Result<(Cursor, usize), QueueError> {
        let ids: Vec<String> = self
            .records
            .iter()
            .map(|record| record.id.to_string())
            .collect();
        let links = crm_cursors::linked(conn, CONTACTS, CUSTOMER, &ids).await?;
        let mut noticed = 0;
        for record in std::mem::take(&mut self.records) {
            let link = links
                .iter()
                .find(|link| link.vtiger_id == record.id.as_str());
            let calls_for_something = match link {
                Some(link) => match self.sight.compare(&record, link) {
                    Content::AsAgreed if link.verified && link.noticed_hash.is_none() => false,
                    Content::AsAgreed => {
                        crm_cursors::compared(conn, CUSTOMER, link, None).await?;
                        false
                    }
                    Content::NoticedBefore | Content::Nobodys => false,
                    Content::Differs(hash) => {
                        crm_cursors::compared(conn, CUSTOMER, link, Some(&hash)).await?;
                        true
                    }
                },
                None => self.is_new_conversion(&record),
            };
            if calls_for_something {
                let noticed_now = notice(&record.id, link.is_none(), &self.correlation_id);
                inbound::enqueue(conn, queue, &noticed_now).await?;
                noticed += 1;
            }
            self.move_behind(&record);
        }
        self.cursor.noticed += i64::try_from(noticed).unwrap_or(i64::MAX);
        self.forget_what_is_not_read_again();
        crm_cursors::put(conn, CONTACTS, &self.cursor, Ts::now()).await?;
        Ok((self.cursor, noticed))
    }

    /// A contact that came out of a lead, that is linked to nothing and does not carry our own reference: one that does is
    /// being made by us.
    fn is_new_conversion(&mut self, record: &Record) -> bool {
        let time = record.get(MODIFIED).unwrap_or_default();
        let converted = record.get(FROM_LEAD) == Some("1");
        if !converted || self.sight.carries_our_reference(record) {
            return false;
        }
        let before = self
            .cursor
            .seen
            .insert(record.id.to_string(), time.to_owned());
        before.as_deref() != Some(time)
    }

    /// The cursor never moves back: a poll begins before it.
    fn move_behind(&mut self, record: &Record) {
        let Some(time) = record.get(MODIFIED).filter(|time| !time.is_empty()) else {
            return;
        };
        let number = |id: &str| -> u64 {
            let digits = id.rsplit('x').next().unwrap_or_default();
            digits.parse().unwrap_or_default()
        };
        let here = (time, number(record.id.as_str()));
        let there = (
            self.cursor.modified_time.as_deref().unwrap_or_default(),
            self.cursor.record_id.as_deref().map_or(0, number),
        );
        if here > there {
            self.cursor.modified_time = Some(time.to_owned());
            self.cursor.record_id = Some(record.id.to_string());
        }
    }

    fn forget_what_is_not_read_again(&mut self) {
        let Some(last) = self.cursor.modified_time.as_deref().and_then(time_of) else {
            return;
        };
        let before = in_vtigers_words(last.saturating_sub((DEEP_HOURS * 2).hours()));
        self.cursor.seen.retain(|_, time| *time >= before);
    }
}

fn notice(contact: &RecordId, converted: bool, correlation_id: &str) -> Noticed {
    Noticed {
        contact: contact.to_string(),
        converted,
        correlation_id: correlation_id.to_owned(),
        by: "poll",
    }
}

/// `2026-11-21 14:05:09`, in the zone of vTiger's server.
fn time_of(text: &str) -> Option<DateTime> {
    text.replace(' ', "T").parse().ok()
}

fn in_vtigers_words(time: DateTime) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}
