//! An operation as one line of a list.

use pugmark_queue::db::Ts;
use pugmark_queue::{OperationRecord, Status, codes};

use crate::flows::insurance::plan;
use crate::http::console::moment::Moment;

pub(in crate::http::console) use crate::http::console::masking::told;

/// How an operation stands, by colour and by word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http::console) struct Badge {
    pub(in crate::http::console) class: &'static str,
    pub(in crate::http::console) word: &'static str,
}

impl Badge {
    pub(in crate::http::console) fn of(record: &OperationRecord) -> Self {
        let (class, word) = match record.status {
            Status::Processing => ("brand", "Running"),
            Status::Completed if record.superseded_by.is_some() => ("", "Merged"),
            Status::Completed if record.error_code.as_deref() == Some(codes::DISCARDED) => {
                ("", "Discarded")
            }
            Status::Completed => ("good", "Done"),
            Status::Failed if record.is_dead() => ("bad", "Dead"),
            Status::Failed if record.dead_at.is_some() => ("", "Taken over"),
            Status::Failed => ("wait", "Retrying"),
            Status::Pending if record.blocked_by.is_some() => ("wait", "Blocked"),
            Status::Pending => ("", "Waiting"),
        };
        Badge { class, word }
    }
}

/// One line.
pub(in crate::http::console) struct Line {
    pub(in crate::http::console) id: String,
    pub(in crate::http::console) kind: String,
    pub(in crate::http::console) entity_type: String,
    pub(in crate::http::console) entity_id: String,
    /// The filter that finds what else concerns the record.
    pub(in crate::http::console) record_filter: String,
    pub(in crate::http::console) badge: Badge,
    /// It failed for good and waits for a person.
    pub(in crate::http::console) dead: bool,
    pub(in crate::http::console) code: Option<String>,
    pub(in crate::http::console) message: Option<String>,
    pub(in crate::http::console) attempts: i32,
    pub(in crate::http::console) queued: Moment,
    pub(in crate::http::console) next: Option<Moment>,
}

impl Line {
    /// `personal`: whoever looks may see personal data.
    pub(in crate::http::console) fn of(record: OperationRecord, personal: bool, now: Ts) -> Self {
        let open = record.status != Status::Completed;
        let message = record.error_message.clone().filter(|_| open);
        Line {
            id: record.id.to_string(),
            badge: Badge::of(&record),
            dead: record.is_dead(),
            record_filter: record_filter(&record.entity_type, &record.entity_id),
            code: record.error_code.clone().filter(|_| open),
            message: message.map(|message| told(&message, personal)),
            attempts: record.attempts + record.inherited_attempts,
            queued: Moment::of(record.created_at, now),
            next: record
                .is_waiting()
                .then(|| Moment::of(record.next_attempt_at, now)),
            kind: record.kind,
            entity_type: record.entity_type,
            entity_id: record.entity_id,
        }
    }
}

/// The filter that finds the operations on a record.
pub(in crate::http::console) fn record_filter(entity_type: &str, entity_id: &str) -> String {
    let quoted = if entity_id.contains(char::is_whitespace) {
        format!("\"{entity_id}\"")
    } else {
        entity_id.to_owned()
    };
    match entity_type {
        plan::CUSTOMER => format!("customer:{quoted}"),
        plan::USER => format!("user:{quoted}"),
        other => format!("record:{other}/{quoted}"),
    }
}
