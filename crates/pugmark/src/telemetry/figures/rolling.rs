//! Making the figures: minute by minute, of what ended and of what was queued in it.

use std::collections::BTreeMap;
use std::time::Duration;

use pugmark_queue::db::{Conn, Db, DbError, Ts};
use tokio::time::Instant;

use super::failed;
use super::standing::{self, COUNTED};
use crate::store::flow_figures::{self, Figures};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
/// A minute is made again until it is so old: what ended in it is committed by then.
const YOUNG: Duration = Duration::from_secs(120);
/// Minutes with something in them that one step makes.
const STEP: usize = 30;
/// A store that has no figures gets those of the last day.
const BACK: Duration = Duration::from_secs(24 * 3_600);
/// How long minutes are kept; hours take over from them.
const KEEP_MINUTES: Duration = Duration::from_secs(48 * 3_600);
/// How long hours are kept.
const KEEP_HOURS: Duration = Duration::from_secs(400 * 24 * 3_600);
/// Counting everything that waits takes no more than this part of the time.
const SHARE: u32 = 20;

/// Makes figures, step by step.
pub struct Roller {
    db: Db,
    /// When everything that waits may be counted again.
    count_at: Instant,
    pruned_at: Option<Instant>,
}

impl Roller {
    /// On this store.
    pub fn new(db: Db) -> Self {
        Roller {
            db,
            count_at: Instant::now(),
            pruned_at: None,
        }
    }

    /// Makes some; `true` when there is more to be made at once.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn step(&mut self) -> Result<bool, DbError> {
        let now = Ts::now();
        let more = roll(&self.db, now).await?;
        if self.count_at <= Instant::now() {
            let began = Instant::now();
            count(&self.db, now).await?;
            self.count_at = began + began.elapsed() * SHARE;
        }
        self.prune(now).await?;
        Ok(more)
    }

    async fn prune(&mut self, now: Ts) -> Result<(), DbError> {
        if self.pruned_at.is_some_and(|at| at.elapsed() < HOUR) {
            return Ok(());
        }
        self.pruned_at = Some(Instant::now());
        let (minutes, hours) = (now.before(KEEP_MINUTES), now.before(KEEP_HOURS));
        self.db
            .write("remove old figures", move |conn| {
                Box::pin(async move { flow_figures::prune(conn, minutes, hours).await })
            })
            .await
    }
}

/// Makes the minutes from the last one that may still change up to now; `true` when there are more than one step makes.
///
/// # Errors
/// Those of the database.
pub async fn roll(db: &Db, now: Ts) -> Result<bool, DbError> {
    let from = {
        let mut conn = db.read().await?;
        flow_figures::last_minute(&mut conn).await?
    };
    let mut from = from.map_or(now.before(BACK), |last| last.before(YOUNG));
    for _ in 0..STEP {
        let mut conn = db.read().await?;
        let Some(next) = flow_figures::next_activity(&mut conn, from).await? else {
            return Ok(false);
        };
        let minute = floor(next, MINUTE);
        if minute > now {
            return Ok(false);
        }
        let (figures, done) = made(&mut conn, minute).await?;
        let known = flow_figures::of_minute(&mut conn, minute).await?;
        drop(conn);
        if figures != known {
            put(db, minute, figures, done).await?;
        }
        from = minute.after(MINUTE);
    }
    Ok(true)
}

type Done = Vec<(String, Ts)>;

async fn made(conn: &mut Conn, minute: Ts) -> Result<(Vec<Figures>, Done), DbError> {
    let before = minute.after(MINUTE);
    let mut flows: BTreeMap<String, Figures> = BTreeMap::new();
    let mut done: BTreeMap<String, Ts> = BTreeMap::new();
    for ended in flow_figures::ended(conn, minute, before).await? {
        let flow = flows.entry(ended.kind.clone()).or_default();
        flow.calls += ended.calls;
        if ended.ended == "COMPLETED" {
            flow.done += ended.attempts;
            let last = done.entry(ended.kind).or_insert(ended.last);
            *last = ended.last.max(*last);
        } else if failed(&ended.ended, ended.classification.as_deref().unwrap_or("")) {
            flow.failed += ended.attempts;
        }
    }
    for (kind, operations) in flow_figures::queued(conn, minute, before).await? {
        flows.entry(kind).or_default().queued += operations;
    }
    let figures = flows
        .into_iter()
        .map(|(kind, figures)| Figures { kind, ..figures });
    Ok((figures.collect(), done.into_iter().collect()))
}

async fn put(db: &Db, minute: Ts, figures: Vec<Figures>, done: Done) -> Result<(), DbError> {
    db.write("figures of a minute", move |conn| {
        Box::pin(async move {
            flow_figures::put_minute(conn, minute, &figures).await?;
            let hour = floor(minute, HOUR);
            flow_figures::sum_hour(conn, hour, hour.after(HOUR)).await?;
            for (kind, at) in &done {
                flow_figures::note_done(conn, kind, *at).await?;
            }
            Ok(())
        })
    })
    .await
}

/// Counts everything that is not finished, when it is too much to be counted by whoever looks.
async fn count(db: &Db, now: Ts) -> Result<(), DbError> {
    let mut conn = db.read().await?;
    let few = flow_figures::open(&mut conn, COUNTED + 1).await?;
    if few.iter().map(|open| open.operations).sum::<i64>() <= COUNTED {
        return Ok(());
    }
    let all = flow_figures::open(&mut conn, i64::MAX).await?;
    drop(conn);
    let counted = standing::flows_of(&all);
    db.write("count what waits", move |conn| {
        Box::pin(async move { flow_figures::put_counts(conn, &counted, now).await })
    })
    .await
}

/// The beginning of the minute, or the hour, in which an instant lies.
pub fn floor(at: Ts, span: Duration) -> Ts {
    let span = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    Ts::from_micros(at.as_micros().div_euclid(span) * span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_lies_in_the_minute_and_the_hour_that_began_before_it() {
        let at: Ts = "2026-03-01T10:17:42.5Z".parse().expect("a time");
        assert_eq!(floor(at, MINUTE).to_string(), "2026-03-01T10:17:00Z");
        assert_eq!(floor(at, HOUR).to_string(), "2026-03-01T10:00:00Z");
        let whole = floor(at, HOUR);
        assert_eq!(floor(whole, HOUR), whole);
    }
}
