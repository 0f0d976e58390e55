//! How this process stands with Redis, for the status and the console.

use serde::Serialize;
use utoipa::ToSchema;

use crate::shared::{Shared, Standing};

/// How this process stands with Redis.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RedisBody {
    /// `up`, `down` (this process goes on by itself) or `connecting`.
    pub state: &'static str,
    /// One sentence for people.
    pub words: String,
    /// Since when, RFC 3339; `null` before the first connection.
    pub since: Option<String>,
    /// Whether sessions of vTiger are shared, too: there is a key to seal them under.
    pub sessions: bool,
    /// What is in the way.
    pub error: Option<String>,
    /// `PUG-6501` or `PUG-6502`.
    pub error_code: Option<String>,
}

impl RedisBody {
    /// As it stands now.
    pub fn of(shared: &Shared) -> Self {
        let sessions = shared.shares_sessions();
        let (state, words, since, why) = match shared.standing() {
            Standing::Connecting => ("connecting", "connecting".to_owned(), None, None),
            Standing::Up { since } => {
                let besides = match sessions {
                    true => "",
                    false => "; sessions are not shared, since there is no PUGMARK_SEAL_KEY",
                };
                (
                    "up",
                    format!("used since {since}{besides}"),
                    Some(since),
                    None,
                )
            }
            Standing::Away { since, why } => {
                let words = format!("away since {since}: {why}");
                ("down", words, Some(since), Some(why))
            }
        };
        RedisBody {
            state,
            words,
            since: since.map(|since| since.to_string()),
            sessions,
            error_code: why.as_ref().map(|why| why.code.to_string()),
            error: why.map(|why| why.to_string()),
        }
    }
}
