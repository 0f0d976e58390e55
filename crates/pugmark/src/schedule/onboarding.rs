//! What the clock does for onboarding jobs: ending those that nobody carries out any more, and forgetting what failed ones knew.

use std::time::Duration;

use pugmark_queue::db::{Db, DbError, Ts};
use tokio_util::sync::CancellationToken;

use crate::problem::Code;
use crate::store::sync_jobs;

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(60);
/// Jobs forgotten in one transaction.
const BATCH: u32 = 1_000;

/// Looks at once and then in turn, until cancelled. `keep` is how long what a failed job knows of its lead is kept.
pub async fn run(db: Db, keep: Duration, cancelled: CancellationToken) {
    loop {
        if let Err(error) = tidy(&db, keep, Ts::now()).await {
            tracing::error!(%error, "onboarding jobs could not be looked through; it is tried again");
        }
        tokio::select! {
            () = cancelled.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
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
