//! Telling an observer about every HTTP call, without secrets.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::error::{CallError, Class};
use crate::operation::{Effect, Operation};
use crate::redact::{Secrets, beginning};
use crate::transport::Exchange;

/// Is told of every HTTP call, logins included: for attempt rows, metrics and call budgets.
pub trait CallObserver: Send + Sync {
    /// A call ended, or was given up by its caller. Called on the calling task: must not block.
    fn call_finished(&self, report: &CallReport);
}

/// One HTTP call. Access keys, session names, tokens, passwords and their hashes are replaced by `***`.
#[derive(Debug, Clone, PartialEq)]
pub struct CallReport {
    /// The web service operation.
    pub operation: String,
    /// The module of a create or describe.
    pub module: Option<String>,
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
    /// The parameters as JSON.
    pub request: String,
    /// The answer: JSON where it was JSON, else the beginning of its text.
    pub answer: Option<String>,
}

/// The longest request or answer a report repeats, in bytes.
const LONGEST_TEXT: usize = 16 * 1024;

/// A call under way; reports it as abandoned when it is dropped before [`Watch::finish`].
pub(crate) struct Watch {
    observer: Option<Arc<dyn CallObserver>>,
    report: CallReport,
    clock: Instant,
    secrets: Arc<Secrets>,
}

impl Watch {
    pub(crate) fn start(
        observer: Option<Arc<dyn CallObserver>>,
        operation: &Operation,
        secrets: Arc<Secrets>,
    ) -> Self {
        let request = match observer {
            Some(_) => shortened(secrets.parameters(operation).to_string()),
            None => String::new(),
        };
        let class = match operation.effect {
            Effect::Read => Class::Unavailable,
            Effect::Write => Class::Unknown,
        };
        let report = CallReport {
            operation: operation.name.clone(),
            module: operation.parameter("elementType").map(str::to_owned),
            effect: operation.effect,
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
            secrets,
        }
    }

    /// Notes what arrived, before it is judged.
    pub(crate) fn received(&mut self, exchange: &Exchange) {
        if self.observer.is_none() {
            return;
        }
        let answer = match exchange {
            Exchange::Answer(answer) => {
                self.report.http_status = Some(answer.status);
                Some(self.secrets.answer(&answer.body))
            }
            Exchange::Cut { status, message } => {
                self.report.http_status = *status;
                Some(self.secrets.text(message))
            }
            Exchange::NoConnection(message) => Some(self.secrets.text(message)),
            Exchange::TooLong { status, .. } => {
                self.report.http_status = Some(*status);
                None
            }
            Exchange::TimedOut(_) => None,
        };
        self.report.answer = answer.map(shortened);
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

fn shortened(text: String) -> String {
    if text.len() <= LONGEST_TEXT {
        text
    } else {
        beginning(&text, LONGEST_TEXT) + "…"
    }
}
