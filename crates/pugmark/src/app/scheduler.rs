//! What the process that leads does by the clock.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::capture::gap::Sweeper;
use crate::config::{Mode, Settings};
use crate::crm::Crm;
use crate::desk;
use crate::flows::insurance::summary_run::Summaries;
use crate::schedule::crm_poll::Poller;
use crate::schedule::lead_poll::LeadPoller;
use crate::schedule::leader::Term;
use crate::schedule::retention::Retention;
use crate::schedule::{self, Sweeps, mapping_run, retry_sweep};
use crate::telemetry::alerts;

/// What the scheduler's parts need to know besides what their term gives them.
pub(super) struct Work {
    pub(super) settings: Settings,
    pub(super) crm: Option<Arc<Crm>>,
}

impl Work {
    /// Starts all of it. It reads and writes through the term's handles alone, so that it ends with the term.
    pub(super) fn start(&self, term: &Term, tasks: &mut JoinSet<()>) {
        let Term {
            db, queue, stopped, ..
        } = term;
        let insurance = Arc::new(self.settings.insurance.clone());
        let summaries = Summaries::new(db.clone(), queue.clone(), insurance);
        tasks.spawn(schedule::summary::run(summaries, stopped.clone()));
        tasks.spawn(schedule::run(
            db.clone(),
            queue.clone(),
            self.sweeps(term),
            stopped.clone(),
        ));
        tasks.spawn(retry_sweep::run(db.clone(), queue.clone(), stopped.clone()));
        tasks.spawn(mapping_run::run(db.clone(), queue.clone(), stopped.clone()));
        tasks.spawn(desk::bulk::run(db.clone(), queue.clone(), stopped.clone()));
        alerts::start(&self.settings, term, tasks);
        if let Some(crm) = self.crm.as_ref().filter(|crm| self.polls(crm)) {
            let poll = crm.settings.poll.clone();
            let poller = Poller::new(db.clone(), queue.clone(), crm.clone(), poll);
            tasks.spawn(poller.run(stopped.clone()));
        }
        // In shadow mode jobs stand where they are.
        if self.settings.mode == Mode::Live {
            self.start_onboarding(term, tasks);
        }
        if let Some(crm) = &self.crm {
            schedule::reconcile::start(&self.settings, db, queue, crm, stopped, tasks);
        }
    }

    fn sweeps(&self, term: &Term) -> Sweeps {
        let settings = &self.settings;
        let significant = &settings.insurance.notes.significant;
        Sweeps {
            sweeper: Sweeper::new(term.db.clone(), settings.mode, significant),
            mode: settings.mode,
            look: settings.capture.poll * 5,
            retention: Retention {
                history: settings.queue.keep,
                logs: settings.logs.keep,
                deliveries: settings.webhooks.keep,
                forms: settings.onboarding.form.keep,
                batch: Retention::BATCH,
            },
        }
    }

    /// Whether the CRM is asked what changed. In shadow mode nothing could come of it.
    fn polls(&self, crm: &Crm) -> bool {
        crm.settings.enabled && crm.settings.poll.enabled && self.settings.mode == Mode::Live
    }

    fn start_onboarding(&self, term: &Term, tasks: &mut JoinSet<()>) {
        let (settings, db, queue) = (&self.settings, &term.db, &term.queue);
        let keep = settings.onboarding.keep_failed;
        tasks.spawn(schedule::onboarding::run(
            queue.clone(),
            keep,
            term.stopped.clone(),
        ));
        let crm = self
            .crm
            .as_ref()
            .filter(|crm| crm.settings.enabled && settings.maxio.is_some());
        if let (Some(crm), Some(every)) = (crm, settings.onboarding.poll) {
            let onboarding = Arc::new(settings.onboarding.clone());
            let poller = LeadPoller::new(db.clone(), queue.clone(), crm.clone(), onboarding);
            tasks.spawn(poller.run(every, term.stopped.clone()));
        }
    }
}
