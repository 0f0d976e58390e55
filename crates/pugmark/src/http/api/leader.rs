//! Who does what is done by the clock, for the status and the console.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::Code;
use crate::store::leader_lease::Standing;

/// Between two leaders there may be nobody for so long before it is worth a word.
const BETWEEN: Duration = Duration::from_secs(60);

/// Who does what is done by the clock.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaderBody {
    /// The process, as host/process id/life; `null` while there is none.
    pub process: Option<String>,
    /// Whether it is the one that answers here.
    pub here: bool,
    /// Counts the changes of leadership; 0 before the first leader.
    pub term: i64,
    /// Since when it leads, or since when nobody does, RFC 3339.
    pub since: String,
    /// Whether nobody has led for so long that something is wrong.
    pub missing: bool,
    /// One sentence for people.
    pub words: String,
    /// `PUG-6401` while nobody leads.
    pub error_code: Option<String>,
}

impl LeaderBody {
    /// As it stands; `process` is the name of this one.
    pub fn of(standing: &Standing, process: &str) -> Self {
        if let Some(since) = standing.vacant_since() {
            let missing = standing.now.since(since) > BETWEEN;
            return LeaderBody {
                process: None,
                here: false,
                term: standing.epoch,
                missing,
                words: format!("no process does it since {:.0}", since.timestamp()),
                since: since.timestamp().to_string(),
                error_code: Some(Code::NoLeader.to_string()),
            };
        }
        let holder = standing.holder.clone().unwrap_or_default();
        let since = standing.taken_at.unwrap_or(standing.now);
        let here = holder == process;
        let whose = if here { "this process" } else { &holder };
        LeaderBody {
            here,
            term: standing.epoch,
            missing: false,
            words: format!("done by {whose} since {:.0}", since.timestamp()),
            since: since.timestamp().to_string(),
            error_code: None,
            process: Some(holder),
        }
    }
}
