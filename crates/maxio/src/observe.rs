//! Telling an observer about every HTTP call, without secrets.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value as Json;
use tokio::time::Instant;

use crate::error::{Class, Error};
use crate::wire::{Call, Exchange, Secrets};

/// Is told of every HTTP call: for attempt rows, metrics and circuit breakers. A read that is repeated is two calls; one
/// that never began ([`Error::NotSent`]) is none.
pub trait CallObserver: Send + Sync {
    /// A call ended, or was given up by its caller. Called on the calling task: must not block.
    fn call_finished(&self, report: &CallReport);
}

/// One HTTP call. The key and bank data are replaced by `***`; names and addresses of people are not.
#[derive(Debug, Clone, PartialEq)]
pub struct CallReport {
    /// The name of the client's method, `create_customer` for example.
    pub operation: &'static str,
    /// Whether the call may change something.
    pub writes: bool,
    /// When it was sent.
    pub started: Timestamp,
    /// How long it took, without waiting for a slot.
    pub duration: Duration,
    /// How it ended. A call given up by its caller is unknown if it writes, unavailable if it reads. That a look-up found
    /// nothing is refused, with the code `not_found`.
    pub class: Class,
    /// The code of an answer that is not done ([`Error::code`]); `abandoned` when the caller gave up.
    pub code: Option<&'static str>,
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
        secrets: &Secrets<'_>,
    ) -> Self {
        let request = match observer {
            Some(_) => shortened(secrets.redact(call.shown()).to_string()),
            None => String::new(),
        };
        let class = match call.reads() {
            true => Class::Unavailable,
            false => Class::Unknown,
        };
        let report = CallReport {
            operation: call.operation,
            writes: !call.reads(),
            started: Timestamp::now(),
            duration: Duration::ZERO,
            class,
            code: Some("abandoned"),
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
    pub(crate) fn received(&mut self, exchange: &Exchange, secrets: &Secrets<'_>) {
        if self.observer.is_none() {
            return;
        }
        let (status, answer) = match exchange {
            Exchange::Answer(answer) => (Some(answer.status), shown_answer(&answer.body, secrets)),
            Exchange::Cut { status, message } => (*status, Some(message.clone())),
            Exchange::NoConnection(message) => (None, Some(message.clone())),
            Exchange::TooLong { status } => (Some(*status), None),
            Exchange::TimedOut(_) => (None, None),
        };
        self.report.http_status = status;
        self.report.answer = answer.map(shortened);
    }

    /// Reports the call with its classification.
    pub(crate) fn finish<T>(mut self, result: &Result<T, Error>) {
        let error = result.as_ref().err();
        self.report.class = error.map_or(Class::Done, Error::class);
        self.report.code = error.map(Error::code);
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

fn shown_answer(body: &[u8], secrets: &Secrets<'_>) -> Option<String> {
    if body.trim_ascii().is_empty() {
        return None;
    }
    if let Ok(json) = serde_json::from_slice::<Json>(body) {
        return Some(secrets.redact(json).to_string());
    }
    let text = String::from_utf8_lossy(body);
    Some(match text.trim_start().chars().next() {
        // Broken JSON cannot be masked field by field.
        Some('{' | '[' | '"') => "(unreadable JSON)".to_owned(),
        // Scrubbed before it is cut: half a secret is not recognised any more.
        _ => beginning(&secrets.scrub(&text), LONGEST_OTHER_TEXT),
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
