//! Telling an observer about every HTTP call, without secrets.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value as Json};
use tokio::time::Instant;
use uuid::Uuid;

use crate::call::{Call, Effect};
use crate::error::{CallError, Class};
use crate::mask::{Secrets, redacted, redacted_object};
use crate::transport::Exchange;

/// Is told of every HTTP call: for attempt rows, metrics and call budgets.
pub trait CallObserver: Send + Sync {
    /// A call ended, or was given up by its caller. Called on the calling task: must not block.
    fn call_finished(&self, report: &CallReport);
}

/// One HTTP call. Keys, tokens and passwords are replaced by `***`.
#[derive(Debug, Clone, PartialEq)]
pub struct CallReport {
    /// `create_user`, `get_user`, `list_users`, `update_user`, `delete_user`, `sign_in`, `refresh` or `user`.
    pub operation: &'static str,
    /// The user concerned, where the call names one.
    pub user_id: Option<Uuid>,
    /// Whether the call may change something.
    pub effect: Effect,
    /// When it was sent.
    pub started: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// How it ended. A call given up by its caller is unknown if it writes, unavailable if it reads.
    pub class: Class,
    /// The code of an answer that is not done; `ABANDONED` when the caller gave up.
    pub code: Option<String>,
    /// The HTTP status, if an answer arrived.
    pub http_status: Option<u16>,
    /// The parameters and the body as one JSON object.
    pub request: String,
    /// The answer: JSON where it was JSON, else the beginning of its text.
    pub answer: Option<String>,
}

/// The longest request or answer a report repeats, in bytes.
const LONGEST_TEXT: usize = 16 * 1024;
/// The longest piece of an answer that is not JSON, in bytes.
const LONGEST_OTHER_TEXT: usize = 1000;

/// A call under way; reports it as abandoned when it is dropped before [`Watch::finish`].
pub(crate) struct Watch {
    observer: Option<Arc<dyn CallObserver>>,
    report: CallReport,
    clock: Instant,
}

impl Watch {
    pub(crate) fn start(
        observer: Option<Arc<dyn CallObserver>>,
        call: &Call,
        secrets: &Secrets,
    ) -> Self {
        let request = match observer {
            Some(_) => shortened(secrets.scrub(shown_request(call))),
            None => String::new(),
        };
        let class = match call.effect {
            Effect::Read => Class::Unavailable,
            Effect::Write => Class::Unknown,
        };
        let report = CallReport {
            operation: call.operation,
            user_id: call.user_id,
            effect: call.effect,
            started: Timestamp::now(),
            duration: Duration::ZERO,
            class,
            code: Some("ABANDONED".to_owned()),
            http_status: None,
            request,
            answer: None,
        };
        Self {
            observer,
            report,
            clock: Instant::now(),
        }
    }

    /// Notes what arrived, before it is judged.
    pub(crate) fn received(&mut self, exchange: &Exchange, secrets: &Secrets) {
        if self.observer.is_none() {
            return;
        }
        let (status, answer) = match exchange {
            Exchange::Answer(answer) => (Some(answer.status), shown_answer(&answer.body, secrets)),
            Exchange::Cut { status, message } => (*status, Some(message.clone())),
            Exchange::NoConnection(message) => (None, Some(message.clone())),
            Exchange::TooLong { status, .. } => (Some(*status), None),
            Exchange::TimedOut(_) => (None, None),
        };
        self.report.http_status = status;
        self.report.answer = answer.map(|text| shortened(secrets.scrub(text)));
    }

    /// Reports the call with its classification.
    pub(crate) fn finish<T>(mut self, result: &Result<T, CallError>) {
        match result {
            Ok(_) => {
                self.report.class = Class::Done;
                self.report.code = None;
            }
            Err(error) => {
                self.report.class = error.class();
                self.report.code = Some(error.code().to_owned());
            }
        }
        // The report itself goes out in `drop`, the one place both endings pass.
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(observer) = self.observer.take() {
            self.report.duration = self.clock.elapsed();
            observer.call_finished(&self.report);
        }
    }
}

fn shown_request(call: &Call) -> String {
    let parameters = call
        .query
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Json::from(value.as_str())));
    let body = call.body.clone().unwrap_or_default();
    let all: Map<String, Json> = parameters.chain(body).collect();
    Json::Object(redacted_object(all)).to_string()
}

fn shown_answer(body: &[u8], secrets: &Secrets) -> Option<String> {
    if body.is_empty() {
        return None;
    }
    if let Ok(json) = serde_json::from_slice(body) {
        return Some(redacted(json).to_string());
    }
    let text = String::from_utf8_lossy(body);
    Some(match text.trim_start().chars().next() {
        // Broken JSON cannot be masked field by field.
        Some('{' | '[' | '"') => "(unreadable JSON)".to_owned(),
        // Scrubbed before it is cut: half a secret is not recognised any more.
        _ => beginning(&secrets.scrub(text.into_owned()), LONGEST_OTHER_TEXT),
    })
}

fn shortened(text: String) -> String {
    if text.len() <= LONGEST_TEXT {
        text
    } else {
        beginning(&text, LONGEST_TEXT) + "…"
    }
}

fn beginning(text: &str, bytes: usize) -> String {
    text.get(..text.floor_char_boundary(bytes))
        .unwrap_or_default()
        .to_owned()
}
