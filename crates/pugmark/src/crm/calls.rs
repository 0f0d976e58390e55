//! What an attempt said to the CRM: counted and kept, redacted, for the attempt's row.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use vtiger::{CallObserver, CallReport, Class};

use super::breaker::Breaker;

/// Collects the calls of one attempt and tells the breaker of each.
pub struct CallLog {
    breaker: Arc<Breaker>,
    calls: Mutex<Vec<CallReport>>,
}

impl CallLog {
    /// An empty log.
    pub fn new(breaker: Arc<Breaker>) -> Arc<Self> {
        Arc::new(CallLog {
            breaker,
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
        self.each(|call| json!({ "operation": call.operation, "module": call.module, "parameters": parsed(&call.request) }))
    }

    /// What was answered, call by call.
    pub fn answers(&self) -> Value {
        self.each(|call| {
            json!({
                "outcome": call.class.as_str(),
                "code": call.code,
                "httpStatus": call.http_status,
                "milliseconds": u64::try_from(call.duration.as_millis()).unwrap_or(u64::MAX),
                "body": call.answer.as_deref().map(parsed),
            })
        })
    }

    fn each(&self, show: impl Fn(&CallReport) -> Value) -> Value {
        Value::Array(
            self.calls
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .iter()
                .map(show)
                .collect(),
        )
    }
}

/// JSON where the text is JSON, so that people can fold it; else the text.
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

impl CallObserver for CallLog {
    fn call_finished(&self, report: &CallReport) {
        match report.class {
            // An unclear answer now and then is the record's business; several in a row are the CRM's.
            Class::Unavailable | Class::Unknown => self.breaker.failed(),
            // The wish that comes with it is known to the caller only, who tells the breaker itself.
            Class::Throttled | Class::NotSent => {}
            _ => self.breaker.succeeded(),
        }
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(report.clone());
    }
}
