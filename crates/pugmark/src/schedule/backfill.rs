//! The first sync, page by page, once somebody has asked for it.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::flows::insurance::backfill::Backfiller;
use crate::flows::insurance::reconcile::Step;

/// How often it is looked whether somebody has asked for one.
const LOOK: Duration = Duration::from_secs(1);

/// Does pages until cancelled.
pub async fn run(backfiller: Backfiller, cancelled: CancellationToken) {
    loop {
        let pause = match backfiller.step().await {
            Ok(Step::Done) => Duration::ZERO,
            Ok(Step::Wait(pause)) => pause,
            Ok(Step::Idle) => LOOK,
            Err(error) => {
                tracing::error!(%error, "the first sync failed; it is tried again");
                LOOK * 10
            }
        };
        tokio::select! {
            () = cancelled.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}
