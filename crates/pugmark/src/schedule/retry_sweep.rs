//! The retry sweep: every five minutes, whatever should be carried out by now is looked for.
//!
//! The queue schedules retries by itself. The sweep is for what went wrong with that: a wake-up that was lost, a worker that
//! died with its lease, an operation that a hand in the database made due. And it says what is overdue.

use std::time::Duration;

use pugmark_queue::db::{Conn, Db, DbError, Ts};
use pugmark_queue::{Due, Queue, QueueError};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::problem::Code;
use crate::store::settings;

/// How often it runs.
const EVERY: Duration = Duration::from_secs(5 * 60);
/// What has been due for so long is overdue: workers look at least every few seconds.
pub const LATE: Duration = Duration::from_secs(60);
/// Under this name its last run is noted.
const NAME: &str = "retry_sweep";

/// What a run of the sweep came to, as it is noted and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SweepRun {
    /// When it ran, RFC 3339.
    pub at: String,
    /// Leases taken back from workers that fell silent.
    pub leases: usize,
    /// Operations whose password had waited too long, and that are dead letters now.
    pub secrets: usize,
    /// Lanes whose first operation a hand in the database had removed.
    pub lanes: usize,
    /// What was due, by kind; workers were woken for it.
    #[schema(value_type = Vec<Object>)]
    pub due: Vec<Due>,
}

impl SweepRun {
    /// Operations that have been due for so long that something keeps them from being claimed.
    pub fn overdue(&self) -> i64 {
        self.due.iter().map(|due| due.overdue).sum()
    }
}

/// Sweeps at once and then every five minutes, until cancelled.
pub async fn run(db: Db, queue: Queue, cancelled: CancellationToken) {
    loop {
        if let Err(error) = sweep(&db, &queue).await {
            tracing::error!(%error, "the retry sweep failed; it is tried again");
        }
        tokio::select! {
            () = cancelled.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Sweeps once, notes what came of it, and says what is overdue.
///
/// # Errors
/// Those of the database.
pub async fn sweep(db: &Db, queue: &Queue) -> Result<SweepRun, QueueError> {
    let swept = queue.sweep(LATE).await?;
    let now = Ts::now();
    let run = SweepRun {
        at: now.timestamp().to_string(),
        leases: swept.reclaimed.leases,
        secrets: swept.reclaimed.secrets,
        lanes: swept.lanes,
        due: swept.due,
    };
    for due in run.due.iter().filter(|due| due.overdue > 0) {
        tracing::warn!(
            code = %Code::Overdue,
            kind = due.kind,
            overdue = due.overdue,
            since = %due.since.timestamp(),
            "operations are overdue: a pause, a CRM that is left alone, or no worker keeps them from being carried out"
        );
    }
    if run.lanes > 0 {
        tracing::warn!(
            lanes = run.lanes,
            "operations waited behind one that was removed by hand; they go on now"
        );
    }
    let noted = json!(run);
    db.write("note retry sweep", move |conn| {
        Box::pin(async move { settings::put(conn, NAME, &noted, now).await })
    })
    .await?;
    Ok(run)
}

/// The last run; `None` before the first one.
///
/// # Errors
/// Those of the database.
pub async fn last(conn: &mut Conn) -> Result<Option<SweepRun>, DbError> {
    let noted = settings::get(conn, NAME).await?;
    Ok(noted.and_then(|value| serde_json::from_value(value).ok()))
}
