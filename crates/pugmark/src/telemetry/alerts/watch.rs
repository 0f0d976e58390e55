//! Looking whether something is worth an alert, and whether what was is over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pugmark_queue::db::{Db, DbError, Ts};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::channel::names;
use super::judge::{DEAD_COUNTED, Matter, Seen, judge, over};
use super::{post, trouble};
use crate::config;
use crate::problem::Code;
use crate::store::alerts::{self, Alert};
use crate::store::flow_figures;
use crate::telemetry::figures::rolling::Roller;

/// How often alerts that are long over are removed.
const PRUNE: Duration = Duration::from_secs(3_600);

/// Looks, and raises and ends alerts.
pub struct Watch {
    db: Db,
    settings: config::Alerts,
    /// Where people find the console.
    public_url: Option<String>,
    roller: Roller,
    /// What was worth an alert when it was looked last.
    suspected: BTreeSet<String>,
    pruned_at: Option<Instant>,
}

impl Watch {
    /// On this store.
    pub fn new(db: Db, settings: config::Alerts, public_url: Option<String>) -> Self {
        Watch {
            roller: Roller::new(db.clone()),
            suspected: BTreeSet::new(),
            db,
            settings,
            public_url,
            pruned_at: None,
        }
    }

    /// Looks until cancelled.
    pub async fn run(mut self, cancelled: CancellationToken) {
        loop {
            let pause = match self.look().await {
                Ok(true) => Duration::ZERO,
                Ok(false) => self.settings.look,
                Err(error) => {
                    tracing::warn!(%error, "whether something is worth an alert could not be found out; it is tried again");
                    self.settings.look
                }
            };
            tokio::select! {
                () = cancelled.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// `true` when the figures are not yet up to date: then nothing can be judged.
    async fn look(&mut self) -> Result<bool, DbError> {
        if self.roller.step().await? {
            return Ok(true);
        }
        let now = Ts::now();
        let mut conn = self.db.read().await?;
        let seen = Seen {
            figures: flow_figures::since(&mut conn, now.before(self.settings.window)).await?,
            dead: alerts::dead(&mut conn, DEAD_COUNTED + 1).await?,
            troubles: alerts::troubles(&mut conn, trouble::FRESH, now).await?,
        };
        let open = alerts::open(&mut conn).await?;
        drop(conn);
        let matters = judge(&seen, &self.settings, now);
        let worth: BTreeSet<String> = matters
            .iter()
            .filter(|(_, matter)| matter.raises)
            .map(|(subject, _)| subject.clone())
            .collect();
        // What keeps a flow from succeeding may be told of a moment after its failures are counted. So a rate has to be too high twice.
        let sure = |subject: &String, matter: &Matter| {
            matter.code != Code::FailureRate || self.suspected.contains(subject)
        };
        let news = matters.iter().filter(|(subject, matter)| {
            matter.raises
                && sure(subject, matter)
                && !open.iter().any(|alert| alert.subject == **subject)
        });
        for (subject, matter) in news {
            self.raise(subject.clone(), matter.clone()).await?;
        }
        for alert in gone(&open, &matters) {
            self.recover(alert.clone(), over(&alert.subject, &seen, &self.settings))
                .await?;
        }
        self.suspected = worth;
        self.prune(now).await?;
        Ok(false)
    }

    async fn raise(&self, subject: String, matter: Matter) -> Result<(), DbError> {
        let channels = names(&self.settings);
        let title = format!("Alert: {}", matter.words);
        let body = self.body(matter.code.as_str(), matter.code.meaning());
        self.db
            .write("raise alert", move |conn| {
                Box::pin(async move {
                    let code = matter.code.as_str();
                    let raised =
                        alerts::raise(conn, &subject, code, &matter.words, Ts::now()).await?;
                    if raised.is_some() {
                        post(conn, &channels, raised, "raised", (&title, &body)).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    async fn recover(&self, alert: Alert, words: String) -> Result<(), DbError> {
        let channels = names(&self.settings);
        let title = format!("Over: {words}");
        let since = alert.raised_at.timestamp();
        let body = self.body(
            &alert.error_code,
            &format!("This was an alert since {since:.0}: {}", alert.words),
        );
        self.db
            .write("end alert", move |conn| {
                Box::pin(async move {
                    if alerts::recover(conn, alert.id, &words, Ts::now()).await? {
                        let said = (title.as_str(), body.as_str());
                        post(conn, &channels, Some(alert.id), "recovered", said).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    fn body(&self, code: &str, what: &str) -> String {
        match &self.public_url {
            Some(url) => format!("{code}: {what}\n{}/alerts", url.trim_end_matches('/')),
            None => format!("{code}: {what}"),
        }
    }

    async fn prune(&mut self, now: Ts) -> Result<(), DbError> {
        if self.pruned_at.is_some_and(|at| at.elapsed() < PRUNE) {
            return Ok(());
        }
        self.pruned_at = Some(Instant::now());
        let before = now.before(self.settings.keep);
        self.db
            .write("remove old alerts", move |conn| {
                Box::pin(async move { alerts::prune(conn, before).await })
            })
            .await
    }
}

/// Open alerts whose matter is no more.
fn gone<'a>(
    open: &'a [Alert],
    matters: &'a BTreeMap<String, Matter>,
) -> impl Iterator<Item = &'a Alert> {
    open.iter()
        .filter(|alert| !matters.contains_key(&alert.subject))
}
