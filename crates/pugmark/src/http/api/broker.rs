//! How this process stands with RabbitMQ, for the status and the console.

use pugmark_queue::broker::{Broker, Link};
use serde::Serialize;
use utoipa::ToSchema;

use crate::broker::code_of;

/// How this process stands with RabbitMQ.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BrokerBody {
    /// `up`, `blocked` (it takes no messages for the moment), `down` or `connecting`.
    pub state: &'static str,
    /// One sentence for people.
    pub words: String,
    /// Since when, RFC 3339; `null` before the first connection.
    pub since: Option<String>,
    /// Whether messages are taken in by this process: it has a worker.
    pub consuming: bool,
    /// What is in the way.
    pub error: Option<String>,
    /// `PUG-7001`, `PUG-7002` or `PUG-7003`.
    pub error_code: Option<String>,
}

impl BrokerBody {
    /// As it stands now.
    pub fn of(broker: &Broker) -> Self {
        let state = broker.state();
        let (word, words, since, error, error_code) = match state.worst() {
            Link::Connecting => ("connecting", "connecting".to_owned(), None, None, None),
            Link::Up {
                since,
                blocked: None,
            } => {
                let since = since.timestamp().to_string();
                (
                    "up",
                    format!("connected since {since}"),
                    Some(since),
                    None,
                    None,
                )
            }
            Link::Up {
                since,
                blocked: Some(why),
            } => (
                "blocked",
                format!("connected, but takes no messages for the moment: {why}"),
                Some(since.timestamp().to_string()),
                Some(why.clone()),
                None,
            ),
            Link::Down { since, why } => {
                let since = since.timestamp().to_string();
                (
                    "down",
                    format!("{why}, since {since}"),
                    Some(since),
                    Some(why.to_string()),
                    Some(code_of(why).to_string()),
                )
            }
        };
        BrokerBody {
            state: word,
            words,
            since,
            consuming: state.consuming.is_some(),
            error,
            error_code,
        }
    }
}
