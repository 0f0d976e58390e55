//! This process: the settings it was started with, and what was found when somebody had it checked.

use std::sync::{Arc, Mutex, PoisonError};

use pugmark_queue::db::Ts;

use crate::app::Roles;
use crate::config::Settings;
use crate::doctor::{self, Finding};

/// This process.
pub struct System {
    /// The settings it was started with.
    pub settings: Arc<Settings>,
    /// What runs in it.
    pub roles: Roles,
    /// When it was started.
    pub started_at: Ts,
    checkup: Mutex<Checkup>,
}

/// The last time that everything was checked.
#[derive(Debug, Clone, Default)]
pub enum Checkup {
    /// It was not, since this process was started.
    #[default]
    Never,
    /// It is being checked.
    Running {
        /// Since when.
        since: Ts,
        /// Who asked for it.
        by: String,
    },
    /// It was checked.
    Done {
        /// When that ended.
        at: Ts,
        /// Who had asked for it.
        by: String,
        /// What was found.
        findings: Arc<Vec<Finding>>,
    },
}

impl System {
    /// A process with these settings.
    pub fn new(settings: Settings, roles: Roles, started_at: Ts) -> Self {
        System {
            settings: Arc::new(settings),
            roles,
            started_at,
            checkup: Mutex::default(),
        }
    }

    /// What was found last.
    pub fn checkup(&self) -> Checkup {
        let checkup = self.checkup.lock().unwrap_or_else(PoisonError::into_inner);
        checkup.clone()
    }

    /// Checks everything, as `pugmark doctor` does, without keeping whoever asks waiting. `false` when it is being done already.
    pub fn check(self: &Arc<Self>, by: String) -> bool {
        {
            let mut checkup = self.checkup.lock().unwrap_or_else(PoisonError::into_inner);
            if matches!(*checkup, Checkup::Running { .. }) {
                return false;
            }
            let since = Ts::now();
            let by = by.clone();
            *checkup = Checkup::Running { since, by };
        }
        let (system, settings) = (self.clone(), self.settings.clone());
        tokio::spawn(async move {
            let checked = tokio::spawn(async move { doctor::check(Ok(&settings)).await }).await;
            let done = match checked {
                Ok(findings) => Checkup::Done {
                    at: Ts::now(),
                    by,
                    findings: Arc::new(findings),
                },
                Err(error) => {
                    tracing::error!(%error, "the check of the whole system ended badly");
                    Checkup::Never
                }
            };
            *system
                .checkup
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = done;
        });
        true
    }
}
