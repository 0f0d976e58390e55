//! Says in the store that this process runs, so that the console can show all that do.

use std::time::Duration;

use pugmark_queue::db::{Db, DbError, Ts};
use tokio_util::sync::CancellationToken;

use super::Roles;
use crate::store::processes::{self, Process};

/// How often a process says that it runs.
const EVERY: Duration = Duration::from_secs(20);
/// Who has said nothing for so long is taken for gone.
pub const SILENT: Duration = Duration::from_secs(60);
/// Who has said nothing for so long is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(24 * 3_600);

/// This process, as it enters itself.
pub(super) fn entry(process: &str, roles: Roles) -> Process {
    let now = Ts::now();
    Process {
        process: process.to_owned(),
        roles: roles.to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: now,
        seen_at: now,
    }
}

/// Says so until cancelled, and takes it back then. A store that does not answer is told of by everybody else.
pub(super) async fn run(db: Db, process: Process, cancelled: CancellationToken) {
    loop {
        if let Err(error) = say(&db, process.clone()).await {
            tracing::debug!(%error, "this process could not enter itself among those that run");
        }
        tokio::select! {
            () = cancelled.cancelled() => break,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
    let name = process.process;
    let left = db.write("process ends", move |conn| {
        Box::pin(async move { processes::ended(conn, &name).await })
    });
    if let Err(error) = left.await {
        tracing::debug!(%error, "this process could not take itself off those that run");
    }
}

async fn say(db: &Db, mut process: Process) -> Result<(), DbError> {
    let now = Ts::now();
    process.seen_at = now;
    db.write("process runs", move |conn| {
        Box::pin(async move {
            processes::seen(conn, &process).await?;
            processes::forget_before(conn, now.before(FORGOTTEN)).await
        })
    })
    .await
}
