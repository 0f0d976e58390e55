//! Comparing both sides: every night, when somebody asks for it, and bit by bit all the time.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use pugmark_queue::Queue;
use pugmark_queue::db::{Db, DbError, Ts};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::{self, Settings};
use crate::crm::Crm;
use crate::flows::insurance::backfill::Backfiller;
use crate::flows::insurance::customer::Setting;
use crate::flows::insurance::reconcile::{Reconciler, Step};
use crate::store::reconcile::{self, NewRun};

/// How often it is looked whether somebody has asked for a run, or the night has come.
const LOOK: Duration = Duration::from_secs(1);
/// A night that was missed is made up for within this time; later, people work.
const LATEST: SignedDuration = SignedDuration::from_hours(6);

/// Starts what compares both sides and what syncs them for the first time.
pub fn start(
    settings: &Settings,
    db: &Db,
    queue: &Queue,
    crm: &Arc<Crm>,
    cancelled: &CancellationToken,
    tasks: &mut JoinSet<()>,
) {
    let (db, queue, setting) = (db.clone(), queue.clone(), Setting::of(settings));
    // It also reads where nothing is sent yet: a first sync is best begun before anything is.
    let backfiller = Backfiller::new(
        db.clone(),
        queue.clone(),
        crm.clone(),
        setting.clone(),
        settings.mode,
    );
    tasks.spawn(super::backfill::run(backfiller, cancelled.clone()));
    if crm.settings.enabled {
        let rules = settings.insurance.reconcile.clone();
        let reconciler = Reconciler::new(db, queue, crm.clone(), setting, settings.mode, rules);
        let zone = settings.insurance.zone.clone();
        tasks.spawn(run(reconciler, zone, cancelled.clone()));
    }
}

/// Compares until cancelled.
pub async fn run(reconciler: Reconciler, zone: TimeZone, cancelled: CancellationToken) {
    let mut verify_at = Instant::now() + reconciler.rules().verify_every;
    loop {
        let pause = look(&reconciler, &zone, &mut verify_at).await;
        tokio::select! {
            () = cancelled.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn look(reconciler: &Reconciler, zone: &TimeZone, verify_at: &mut Instant) -> Duration {
    if let Err(error) = begin_nightly(reconciler, zone, Timestamp::now()).await {
        tracing::error!(%error, "the nightly comparison could not be begun; it is tried again");
    }
    match reconciler.step().await {
        Ok(Step::Done) => return Duration::ZERO,
        Ok(Step::Wait(pause)) => return pause,
        Ok(Step::Idle) => {}
        Err(error) => {
            tracing::error!(%error, "comparing both sides failed; it is tried again");
            return LOOK * 10;
        }
    }
    let rules = reconciler.rules();
    if rules.verify && Instant::now() >= *verify_at {
        let pause = match reconciler.verify().await {
            Ok(Step::Wait(pause)) => pause.max(rules.verify_every),
            Ok(_) => rules.verify_every,
            Err(error) => {
                tracing::warn!(%error, "linked contacts could not be verified; it is tried again");
                rules.verify_every * 2
            }
        };
        *verify_at = Instant::now() + pause;
    }
    LOOK
}

/// Begins the run of the night when its time has come and it was not made yet.
///
/// # Errors
/// Whatever the database says.
pub async fn begin_nightly(
    reconciler: &Reconciler,
    zone: &TimeZone,
    now: Timestamp,
) -> Result<bool, DbError> {
    let Some(night) = due_night(reconciler.rules(), zone, now) else {
        return Ok(false);
    };
    let db = reconciler.db();
    if reconcile::has_night(&mut db.read().await?, &night).await? {
        return Ok(false);
    }
    let new = NewRun {
        correlation_id: format!("reconcile-{night}"),
        night: Some(night),
        fix: false,
        recreate: false,
        requested_by: "schedule".to_owned(),
    };
    db.write("begin nightly comparison", move |conn| {
        Box::pin(async move {
            let latest = reconcile::latest(conn).await?;
            if latest.is_some_and(|run| run.ended_at.is_none()) {
                return Ok(false);
            }
            reconcile::begin(conn, &new, Ts::now()).await
        })
    })
    .await
}

/// The night whose time has come and is not long past.
fn due_night(rules: &config::Reconcile, zone: &TimeZone, now: Timestamp) -> Option<String> {
    if !rules.nightly {
        return None;
    }
    let today = now.to_zoned(zone.clone()).date();
    let time = today.to_datetime(rules.time).to_zoned(zone.clone()).ok()?;
    let since = now.duration_since(time.timestamp());
    (since >= SignedDuration::ZERO && since < LATEST).then(|| today.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(nightly: bool) -> config::Reconcile {
        config::Reconcile {
            nightly,
            time: jiff::civil::time(2, 30, 0, 0),
            verify: false,
            verify_every: Duration::from_secs(30),
        }
    }

    fn due(at: &str, nightly: bool) -> Option<String> {
        let zone = TimeZone::get("Africa/Nairobi").expect("a zone");
        due_night(&rules(nightly), &zone, at.parse().expect("a time"))
    }

    #[test]
    fn a_night_is_due_at_its_time_of_day_in_the_insurers_zone_and_made_up_for_until_the_morning() {
        assert_eq!(due("2026-11-20T23:29:59Z", true), None);
        let night = Some("2026-11-21".to_owned());
        assert_eq!(due("2026-11-20T23:30:00Z", true), night);
        assert_eq!(due("2026-11-21T05:29:59Z", true), night);
        assert_eq!(due("2026-11-21T05:30:00Z", true), None);
        assert_eq!(due("2026-11-20T23:30:00Z", false), None, "switched off");
    }
}
