//! What the clock does for onboarding jobs: storing what a process that ended had only set aside, ending jobs that nobody carries out
//! any more, and forgetting what failed ones knew.

use std::time::Duration;

use pugmark_queue::Queue;
use pugmark_queue::db::{Db, DbError, Ts};
use tokio_util::sync::CancellationToken;

use crate::flows::onboarding::arrivals;
use crate::problem::Code;
use crate::store::sync_jobs;

/// How often it is looked for leads that wait. Who set them aside stores them much sooner.
const ARRIVALS_EVERY: Duration = Duration::from_secs(5);
/// How often it is looked for the rest.
const EVERY: Duration = Duration::from_secs(60);
/// Jobs forgotten in one transaction.
const BATCH: u32 = 1_000;

/// Looks at once and then in turn, until cancelled. `keep` is how long what a failed job knows of its lead is kept.
pub async fn run(queue: Queue, keep: Duration, cancelled: CancellationToken) {
    let looking = async { tokio::join!(store_arrivals(&queue), tidy_in_turn(queue.db(), keep)) };
    tokio::select! {
        () = cancelled.cancelled() => {}
        _ = looking => {}
    }
}

async fn store_arrivals(queue: &Queue) {
    loop {
        match arrivals::store_some(queue).await {
            Ok(0) => tokio::time::sleep(ARRIVALS_EVERY).await,
            Ok(leads) => tracing::info!(
                leads,
                "what leads lead to was stored that had only been set aside"
            ),
            Err(error) => {
                tracing::error!(%error, "what leads lead to could not be stored; it is tried again");
                tokio::time::sleep(ARRIVALS_EVERY).await;
            }
        }
    }
}

async fn tidy_in_turn(db: &Db, keep: Duration) {
    loop {
        if let Err(error) = tidy(db, keep, Ts::now()).await {
            tracing::error!(%error, "onboarding jobs could not be looked through; it is tried again");
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Does it once.
///
/// # Errors
/// Whatever the database says.
pub async fn tidy(db: &Db, keep: Duration, now: Ts) -> Result<(), DbError> {
    let (stranded, forgotten) = db
        .write("tidy onboarding jobs", move |conn| {
            Box::pin(async move {
                let why = (Code::JobGivenUp.as_str(), Code::JobGivenUp.meaning());
                let stranded = sync_jobs::fail_stranded(conn, None, why, now).await?;
                let forgotten = sync_jobs::forget_failed(conn, now.before(keep), BATCH).await?;
                Ok::<_, DbError>((stranded, forgotten))
            })
        })
        .await?;
    if stranded > 0 {
        tracing::warn!(code = %Code::JobGivenUp, jobs = stranded, "onboarding jobs have failed: their operations ended before them");
    }
    if forgotten > 0 {
        tracing::info!(
            jobs = forgotten,
            "what failed onboarding jobs knew of their leads was erased"
        );
    }
    Ok(())
}
