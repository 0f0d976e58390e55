//! Saying in the store which outside system this process finds in trouble: breakers are each process's own, and another one may lead.

use std::sync::Arc;
use std::time::Duration;

use pugmark_queue::db::{Db, Ts};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::crm::breaker::Breaker;
use crate::store::alerts;

/// What was said so long ago is worth nothing: its process is gone.
pub const FRESH: Duration = Duration::from_secs(60);
/// How often it is said again.
const AGAIN: Duration = Duration::from_secs(15);
/// How often the breaker is looked at, at most.
const LOOK: Duration = Duration::from_secs(1);

/// Says how `system` stands, until cancelled.
pub async fn run(
    db: Db,
    (system, breaker): (&'static str, Arc<Breaker>),
    process: Arc<str>,
    look: Duration,
    cancelled: CancellationToken,
) {
    let mut said: Option<Instant> = None;
    loop {
        let troubled = breaker.troubled_for();
        let due = match (troubled, said) {
            (Some(_), None) | (None, Some(_)) => true,
            (Some(_), Some(at)) => at.elapsed() >= AGAIN,
            (None, None) => false,
        };
        if due && say(&db, system, &process, troubled).await {
            said = troubled.map(|_| Instant::now());
        }
        tokio::select! {
            () = cancelled.cancelled() => return,
            () = tokio::time::sleep(look.min(LOOK)) => {}
        }
    }
}

/// Whether it is stored. A store that does not answer is told of by everybody else.
async fn say(
    db: &Db,
    system: &'static str,
    process: &Arc<str>,
    troubled: Option<Duration>,
) -> bool {
    let process = process.clone();
    let written = db.write("how an outside system stands", move |conn| {
        Box::pin(async move {
            let now = Ts::now();
            match troubled {
                Some(span) => {
                    alerts::say_trouble(conn, system, &process, now.before(span), now).await
                }
                None => alerts::trouble_over(conn, system, &process).await.map(drop),
            }
        })
    });
    written.await.is_ok()
}
