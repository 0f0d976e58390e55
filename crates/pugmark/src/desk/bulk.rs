//! The same act on many dead letters: asked for once, carried out bit by bit by the leader, seen on its way, and stopped by
//! whoever wants to.
//!
//! A run names its operations by a search and by the newest operation that the person was shown, so that nothing is touched that
//! died afterwards. Acts, audit entries and how far the run is are one commit: a run that is broken off goes on where it was.

use std::time::Duration;

use pugmark_queue::db::{Conn, Db, Ts};
use pugmark_queue::{OperationId, Queue, QueueError, Search};
use tokio_util::sync::CancellationToken;

use super::{Act, Actor, act_in, filter};
use crate::store::bulk_runs::{self, Run};

/// Operations dealt with in one transaction: their lanes are locked so long.
const BATCH: u32 = 20;
/// How often a new run is looked for.
const LOOK: Duration = Duration::from_secs(1);

/// Moves runs on until cancelled.
pub async fn run(db: Db, queue: Queue, cancelled: CancellationToken) {
    loop {
        let pause = match step(&db, &queue).await {
            Ok(true) => Duration::ZERO,
            Ok(false) => LOOK,
            Err(error) => {
                tracing::error!(%error, "a run over many operations does not get on; it is tried again");
                LOOK * 10
            }
        };
        tokio::select! {
            () = cancelled.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Deals with the next operations of the oldest run under way; `false` when there is nothing to do now.
async fn step(db: &Db, queue: &Queue) -> Result<bool, QueueError> {
    let run = bulk_runs::under_way(&mut db.read().await?).await?;
    let Some(run) = run else { return Ok(false) };
    let Some((search, what)) = meaning(&run) else {
        tracing::error!(run = run.id, "a run cannot be understood; it is ended");
        db.write("end run", move |conn| {
            Box::pin(async move {
                bulk_runs::stop(conn, run.id, "pugmark", Ts::now()).await?;
                Ok::<_, QueueError>(())
            })
        })
        .await?;
        return Ok(true);
    };
    let ids = queue.dead_ids(&search, run.place, run.upto, BATCH).await?;
    let queue = queue.clone();
    let dealt = db.write("bulk run", move |conn| {
        Box::pin(async move { batch(conn, &queue, &run, &what, &ids).await })
    });
    match dealt.await {
        // Another process has moved it, or somebody has stopped it: look again.
        Ok(()) | Err(QueueError::Invalid(_)) => Ok(true),
        Err(error) => Err(error),
    }
}

/// What a run is to do, and to what. Ages are counted from when it was asked for.
fn meaning(run: &Run) -> Option<(Search, Act)> {
    let search = filter::parse(&run.filter, run.created_at).ok()?;
    let what = match run.action.as_str() {
        "retry" => Act::Retry,
        "discard" => Act::Discard,
        _ => return None,
    };
    Some((search, what))
}

async fn batch(
    conn: &mut Conn,
    queue: &Queue,
    run: &Run,
    what: &Act,
    ids: &[OperationId],
) -> Result<(), QueueError> {
    let actor = Actor {
        name: run.requested_by.as_str().into(),
        reason: run.reason.clone(),
        correlation_id: run.correlation_id.clone(),
    };
    let (mut done, mut skipped) = (run.done, run.skipped);
    for id in ids {
        match act_in(conn, queue, what, *id, &actor).await {
            Ok(_) => done += 1,
            // Somebody was quicker, or it cannot be done without a person. Nothing was changed.
            Err(
                QueueError::SecretNeeded(_)
                | QueueError::Finished(_)
                | QueueError::Running(_)
                | QueueError::NotFound(_),
            ) => skipped += 1,
            Err(error) => return Err(error),
        }
    }
    let ended = ids.len() < BATCH as usize;
    let place = ids.last().copied().or(run.place);
    let moved = bulk_runs::advance(conn, run, done, skipped, place, ended.then(Ts::now)).await?;
    if moved {
        Ok(())
    } else {
        // What was done here is undone with this member of the commit.
        Err(QueueError::Invalid(
            "the run was moved or stopped meanwhile".to_owned(),
        ))
    }
}
