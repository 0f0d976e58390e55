//! Telling an observer about every HTTP call, without secrets.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value as Json};
use tokio::time::Instant;

use crate::error::{CallError, Class};
use crate::operation::{Effect, Operation};
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

/// What stands in place of a secret.
pub(crate) const MASK: &str = "***";
/// The longest request or answer a report repeats, in bytes.
const LONGEST_TEXT: usize = 16 * 1024;

/// A call under way; reports it as abandoned when it is dropped before [`Watch::finish`].
pub(crate) struct Watch {
    observer: Option<Arc<dyn CallObserver>>,
    report: CallReport,
    clock: Instant,
    /// Values that must not appear in any text, whatever field they are in.
    secrets: Vec<SecretString>,
}

impl Watch {
    pub(crate) fn start(
        observer: Option<Arc<dyn CallObserver>>,
        operation: &Operation,
        secrets: impl IntoIterator<Item = SecretString>,
    ) -> Self {
        let secrets: Vec<SecretString> = secrets.into_iter().collect();
        let request = match observer {
            Some(_) => shortened(scrubbed(
                redacted_parameters(operation).to_string(),
                &secrets,
            )),
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
                Some(redacted_answer(&answer.body))
            }
            Exchange::Cut { status, message } => {
                self.report.http_status = *status;
                Some(message.clone())
            }
            Exchange::NoConnection(message) => Some(message.clone()),
            Exchange::TooLong { status, .. } => {
                self.report.http_status = Some(*status);
                None
            }
            Exchange::TimedOut(_) => None,
        };
        self.report.answer = answer.map(|text| shortened(scrubbed(text, &self.secrets)));
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

pub(crate) fn redacted_parameters(operation: &Operation) -> Json {
    let parameters = operation.parameters.iter().map(|(name, value)| {
        let shown = match serde_json::from_str(value) {
            _ if is_secret(name) => Json::String(MASK.to_owned()),
            Ok(Json::Object(object)) => Json::Object(redacted_object(object)),
            _ => Json::String(value.clone()),
        };
        (name.clone(), shown)
    });
    Json::Object(parameters.collect())
}

fn redacted_answer(body: &[u8]) -> String {
    match serde_json::from_slice(body) {
        Ok(json) => redacted(json).to_string(),
        Err(_) => {
            // PHP noise in front of JSON: the JSON is shown redacted, the noise is cut short.
            let text = String::from_utf8_lossy(body);
            match text.find(r#"{"success":"#) {
                Some(start) => format!(
                    "{}…{}",
                    beginning(&text[..start], 300),
                    redacted_tail(&text[start..])
                ),
                None => beginning(&text, 1000),
            }
        }
    }
}

fn redacted_tail(text: &str) -> String {
    match serde_json::from_str(text.trim_end()) {
        Ok(json) => redacted(json).to_string(),
        Err(_) => "(not readable)".to_owned(),
    }
}

fn redacted(json: Json) -> Json {
    match json {
        Json::Object(object) => Json::Object(redacted_object(object)),
        Json::Array(list) => Json::Array(list.into_iter().map(redacted).collect()),
        scalar => scalar,
    }
}

fn redacted_object(object: Map<String, Json>) -> Map<String, Json> {
    let shown = |(name, value): (String, Json)| {
        let value = if is_secret(&name) {
            Json::String(MASK.to_owned())
        } else {
            redacted(value)
        };
        (name, value)
    };
    object.into_iter().map(shown).collect()
}

/// Fields and parameters whose values never leave the client, by name.
pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [
        "password",
        "accesskey",
        "access_key",
        "sessionname",
        "sessionid",
        "phpsessid",
        "token",
        "secret",
        "user_hash",
    ]
    .iter()
    .any(|word| name.contains(word))
}

fn scrubbed(text: String, secrets: &[SecretString]) -> String {
    secrets
        .iter()
        .map(ExposeSecret::expose_secret)
        .filter(|secret| secret.len() >= 4)
        .fold(text, |text, secret| {
            if text.contains(secret) {
                text.replace(secret, MASK)
            } else {
                text
            }
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
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}
