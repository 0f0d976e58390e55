//! What of the log is kept in the store.

use std::time::Duration;

use serde::Deserialize;

use super::values::at_least;
use super::{ConfigProblem, sources};

/// From which level on lines are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoredLevel {
    /// None.
    Off,
    /// Errors.
    Error,
    /// Errors and warnings.
    Warn,
    /// Everything that is not only for finding defects.
    Info,
}

/// Settings of kept log lines.
#[derive(Debug, Clone)]
pub struct Logs {
    /// From which level on lines are kept.
    pub store: StoredLevel,
    /// Whether one line for each attempt is kept besides.
    pub attempts: bool,
    /// How long.
    pub keep: Duration,
}

impl Default for Logs {
    /// The commented defaults, for programs that bring their own settings.
    fn default() -> Self {
        check(&sources::defaults(), &mut Vec::new())
    }
}

/// Checks these settings.
pub(super) fn check(file: &sources::File, problems: &mut Vec<ConfigProblem>) -> Logs {
    let least = Duration::from_secs(60);
    Logs {
        store: file.logs.store,
        attempts: file.logs.attempts,
        keep: at_least("logs.keep", &file.logs.keep, least, problems),
    }
}
