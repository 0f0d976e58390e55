//! Removes what is older than it is kept: planned changes, finished operations, log lines, deliveries.

use std::time::Duration;

use pugmark_queue::db::{Conn, Db, Ts};
use pugmark_queue::{Queue, QueueError};
use tokio_util::sync::CancellationToken;

use crate::people::throttle::FORGOTTEN_AFTER;
use crate::store::{
    account_steps, application_logs, capture_errors, change_log, console_links, console_sessions,
    console_sign_ins, onboarding_drafts, onboarding_forms, webhook_deliveries,
};

/// How long errors of capture are kept once their changes are found.
const KEEP_ERRORS: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long sessions and links of the console are kept once they ran out.
const KEEP_SESSIONS: Duration = Duration::from_secs(7 * 24 * 3600);

/// How long what is kept.
#[derive(Debug, Clone)]
pub struct Retention {
    /// Planned changes and finished operations with their attempts.
    pub history: Duration,
    /// Log lines.
    pub logs: Duration,
    /// Deliveries of webhooks. The keys by which a second one is known stay at least as long as the history.
    pub deliveries: Duration,
    /// Drafts of the onboarding form, and forms that are written.
    pub forms: Duration,
    /// Most rows that go in one transaction, so that nobody waits long behind it.
    pub batch: u32,
}

impl Retention {
    /// Rows in one transaction, for everybody but tests.
    pub const BATCH: u32 = 1_000;
}

/// What went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// Changes.
    pub changes: u64,
    /// Operations.
    pub operations: u64,
    /// Log lines.
    pub lines: u64,
    /// Deliveries.
    pub deliveries: u64,
    /// Drafts and forms.
    pub forms: u64,
}

/// Removes everything that is too old at `now`, batch by batch until nothing of it is left, or until cancelled.
///
/// # Errors
/// Those of the database; what went before stays gone.
pub async fn remove_old(
    db: &Db,
    queue: &Queue,
    retention: &Retention,
    now: Ts,
    cancelled: &CancellationToken,
) -> Result<Removed, QueueError> {
    let batch = retention.batch;
    let mut removed = Removed::default();
    let again = |gone: u64| gone >= u64::from(batch) && !cancelled.is_cancelled();
    db.write("remove healed errors of capture", move |conn| {
        Box::pin(async move {
            Ok::<_, QueueError>(capture_errors::prune(conn, now.before(KEEP_ERRORS)).await?)
        })
    })
    .await?;
    let before = now.before(retention.history);
    while again_after(
        &mut removed.changes,
        changes(db, before, batch).await?,
        again,
    ) {}
    loop {
        let gone = queue.prune(retention.history, batch).await?;
        if !again_after(&mut removed.operations, gone as u64, again) {
            break;
        }
    }
    let before = now.before(retention.logs);
    while again_after(&mut removed.lines, lines(db, before, batch).await?, again) {}
    let ages = (
        now.before(retention.deliveries),
        now.before(retention.deliveries.max(retention.history)),
    );
    while again_after(
        &mut removed.deliveries,
        deliveries(db, ages, batch).await?,
        again,
    ) {}
    let before = now.before(retention.forms);
    while again_after(&mut removed.forms, forms(db, before, batch).await?, again) {}
    console(db, now, batch).await?;
    if removed.operations > 0 {
        db.write("remove steps of accounts", |conn| {
            Box::pin(async move { Ok::<_, QueueError>(account_steps::prune(conn).await?) })
        })
        .await?;
    }
    Ok(removed)
}

/// Counts a batch and says whether another one may follow.
fn again_after(total: &mut u64, gone: u64, again: impl Fn(u64) -> bool) -> bool {
    *total += gone;
    again(gone)
}

async fn changes(db: &Db, before: Ts, batch: u32) -> Result<u64, QueueError> {
    db.write("remove planned changes", move |conn| {
        Box::pin(async move { Ok(change_log::prune(conn, before, batch).await?) })
    })
    .await
}

async fn lines(db: &Db, before: Ts, batch: u32) -> Result<u64, QueueError> {
    db.write("remove log lines", move |conn: &mut Conn| {
        Box::pin(async move { Ok(application_logs::prune(conn, before, batch).await?) })
    })
    .await
}

async fn deliveries(db: &Db, (before, keys): (Ts, Ts), batch: u32) -> Result<u64, QueueError> {
    db.write("remove deliveries", move |conn| {
        Box::pin(async move { Ok(webhook_deliveries::prune(conn, before, keys, batch).await?) })
    })
    .await
}

/// Sessions and links of the console a week after they ran out, and counts of failures that are forgotten anyway. There are few of
/// them, so one batch at a time is enough.
async fn console(db: &Db, now: Ts, batch: u32) -> Result<(), QueueError> {
    db.write("remove what ran out in the console", move |conn| {
        Box::pin(async move {
            console_sessions::prune(conn, now.before(KEEP_SESSIONS), batch).await?;
            console_links::prune(conn, now.before(KEEP_SESSIONS), batch).await?;
            console_sign_ins::prune(conn, now.before(FORGOTTEN_AFTER), batch).await?;
            Ok::<_, QueueError>(())
        })
    })
    .await
}

/// Gives the larger of the two numbers: as long as either is full, there may be more.
async fn forms(db: &Db, before: Ts, batch: u32) -> Result<u64, QueueError> {
    db.write("remove forms", move |conn| {
        Box::pin(async move {
            let forms = onboarding_forms::prune(conn, before, batch).await?;
            let drafts = onboarding_drafts::prune(conn, before, batch).await?;
            Ok(forms.max(drafts))
        })
    })
    .await
}
