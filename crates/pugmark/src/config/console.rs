//! The console's sessions and links.

use std::time::Duration;

use super::values::at_least;
use super::{ConfigProblem, sources};

/// Settings of the console.
#[derive(Debug, Clone)]
pub struct Console {
    /// A session that is not used for so long has ended.
    pub idle: Duration,
    /// A session ends after this time, however much it is used.
    pub absolute: Duration,
    /// How long a one-time link works.
    pub link: Duration,
}

impl Default for Console {
    /// The commented defaults, for programs that bring their own settings.
    fn default() -> Self {
        check(&sources::defaults(), &mut Vec::new())
    }
}

pub(super) fn check(file: &sources::File, problems: &mut Vec<ConfigProblem>) -> Console {
    let least = Duration::from_secs(60);
    let file = &file.console;
    Console {
        idle: at_least("console.idle", &file.idle, least, problems),
        absolute: at_least("console.absolute", &file.absolute, least, problems),
        link: at_least("console.link", &file.link, least, problems),
    }
}
