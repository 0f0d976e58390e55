//! What an attempt said to the CRM: counted and kept, redacted, for the attempt's row.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use vtiger::{CallObserver, CallReport, Class, Effect};

use super::breaker::Breaker;

/// Collects the calls of one attempt and tells the breaker of each.
pub struct CallLog {
    breaker: Arc<Breaker>,
    /// Whether what the CRM answered is kept.
    answers: bool,
    calls: Mutex<Vec<Noted>>,
}

/// One call, as its attempt's row shows it. The client has redacted it.
struct Noted {
    request: Value,
    answer: Value,
}

impl CallLog {
    /// An empty log.
    pub fn new(breaker: Arc<Breaker>) -> Arc<Self> {
        Self::keeping(breaker, true)
    }

    /// An empty log that keeps no answers, for records that hold bank data.
    pub fn without_answers(breaker: Arc<Breaker>) -> Arc<Self> {
        Self::keeping(breaker, false)
    }

    fn keeping(breaker: Arc<Breaker>, answers: bool) -> Arc<Self> {
        Arc::new(CallLog {
            breaker,
            answers,
            calls: Mutex::new(Vec::new()),
        })
    }

    /// How many calls were made.
    pub fn count(&self) -> u32 {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        u32::try_from(calls.len()).unwrap_or(u32::MAX)
    }

    /// What was asked, call by call. The client has redacted it.
    pub fn requests(&self) -> Value {
        self.each(|call| call.request.clone())
    }

    /// What was answered, call by call.
    pub fn answers(&self) -> Value {
        self.each(|call| call.answer.clone())
    }

    fn each(&self, show: impl Fn(&Noted) -> Value) -> Value {
        Value::Array(
            self.calls
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .iter()
                .map(show)
                .collect(),
        )
    }

    fn note(&self, call: Noted) {
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(call);
    }
}

/// JSON where the text is JSON, so that people can fold it; else the text.
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// One line for each call, with no value of anybody: the span around it carries the correlation id.
fn note(call: &CallReport) {
    let (operation, module) = (call.operation.as_str(), call.module.as_deref());
    let (outcome, code) = (call.class.as_str(), call.code.as_deref());
    let ms = u64::try_from(call.duration.as_millis()).unwrap_or(u64::MAX);
    if call.effect == Effect::Write || call.class != Class::Done {
        tracing::info!(operation, module, outcome, code, ms, "CRM call");
    } else {
        tracing::debug!(operation, module, outcome, code, ms, "CRM call");
    }
}

impl CallObserver for CallLog {
    fn call_finished(&self, report: &CallReport) {
        note(report);
        match report.class {
            // An unclear answer now and then is the record's business; several in a row are the CRM's.
            Class::Unavailable | Class::Unknown => self.breaker.failed(),
            // The wish that comes with it is known to the caller only, who tells the breaker itself.
            Class::Throttled | Class::NotSent => {}
            _ => self.breaker.succeeded(),
        }
        self.note(Noted {
            request: json!({ "operation": report.operation, "module": report.module, "parameters": parsed(&report.request) }),
            answer: json!({
                "outcome": report.class.as_str(),
                "code": report.code,
                "httpStatus": report.http_status,
                "milliseconds": milliseconds(report.duration),
                "body": report.answer.as_deref().filter(|_| self.answers).map(parsed),
            }),
        });
    }
}

/// Tells a log of calls whose values must not be kept: of elements and answers only the names of fields remain, of queries
/// what is asked for without the literals.
pub struct NamesOnly(pub Arc<CallLog>);

impl CallObserver for NamesOnly {
    fn call_finished(&self, report: &CallReport) {
        let request = match parsed(&report.request) {
            Value::Object(parameters) => parameters
                .into_iter()
                .map(|(name, value)| match (name.as_str(), value) {
                    ("id" | "elementType", value) => (name, value),
                    ("query", Value::String(query)) => (name, json!(without_literals(&query))),
                    (_, Value::Object(element)) => {
                        let names: Vec<String> =
                            element.into_iter().map(|(name, _)| name).collect();
                        (name, json!(names))
                    }
                    _ => (name, json!("***")),
                })
                .collect(),
            _ => Value::Null,
        };
        self.0.call_finished(&CallReport {
            request: request.to_string(),
            answer: None,
            ..report.clone()
        });
    }
}

fn without_literals(query: &str) -> String {
    let parts = query.split('\'').enumerate();
    let shown = parts.map(|(index, part)| if index % 2 == 1 { "***" } else { part });
    shown.collect::<Vec<_>>().join("'")
}

/// Calls to Supabase stand in the same row, in the order in which they were made; the CRM's breaker is not told of them.
impl supabase_auth::CallObserver for CallLog {
    fn call_finished(&self, report: &supabase_auth::CallReport) {
        self.note(Noted {
            request: json!({ "system": "Supabase", "operation": report.operation, "parameters": parsed(&report.request) }),
            answer: json!({
                "outcome": report.class.as_str(),
                "code": report.code,
                "httpStatus": report.http_status,
                "milliseconds": milliseconds(report.duration),
                "body": report.answer.as_deref().map(parsed),
            }),
        });
    }
}

/// Calls to Maxio stand in the same row; their breaker is told by whoever makes them.
impl maxio::CallObserver for CallLog {
    fn call_finished(&self, report: &maxio::CallReport) {
        let (outcome, code) = (report.class.as_str(), report.code);
        let ms = milliseconds(report.duration);
        if report.writes || report.class != maxio::Class::Done {
            tracing::info!(api_call = report.operation, outcome, code, ms, "Maxio call");
        } else {
            tracing::debug!(api_call = report.operation, outcome, code, ms, "Maxio call");
        }
        self.note(Noted {
            request: json!({ "system": "Maxio", "operation": report.operation, "parameters": parsed(&report.request) }),
            answer: json!({
                "outcome": outcome,
                "code": code,
                "httpStatus": report.http_status,
                "milliseconds": ms,
                "body": report.answer.as_deref().filter(|_| self.answers).map(parsed),
            }),
        });
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
