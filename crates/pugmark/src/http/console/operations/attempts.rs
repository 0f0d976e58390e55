//! The attempts at an operation, as its page shows them.

use pugmark_queue::AttemptRecord;
use pugmark_queue::db::Ts;
use serde_json::Value;

use crate::http::console::masking;
use crate::http::console::moment::Moment;

pub(in crate::http::console) struct Attempt {
    pub(in crate::http::console) number: usize,
    pub(in crate::http::console) started: Moment,
    pub(in crate::http::console) took: String,
    pub(in crate::http::console) class: &'static str,
    pub(in crate::http::console) outcome: String,
    pub(in crate::http::console) calls: i32,
    pub(in crate::http::console) worker: String,
    pub(in crate::http::console) request: Option<String>,
    pub(in crate::http::console) answer: Option<String>,
}

impl Attempt {
    /// Attempts, the latest first. `personal`: whoever looks may see personal data.
    pub(in crate::http::console) fn all(
        records: Vec<AttemptRecord>,
        personal: bool,
        now: Ts,
    ) -> Vec<Self> {
        let numbered = records.into_iter().zip(1..);
        let mut all: Vec<Attempt> = numbered
            .map(|(record, number)| Attempt::of(record, number, personal, now))
            .collect();
        all.reverse();
        all
    }

    fn of(record: AttemptRecord, number: usize, personal: bool, now: Ts) -> Self {
        let (class, outcome) = outcome(&record);
        Attempt {
            number,
            started: Moment::of(record.started_at, now),
            took: record.duration_us.map(took).unwrap_or_default(),
            class,
            outcome,
            calls: record.crm_calls.unwrap_or_default(),
            worker: record.owner,
            request: record.request.map(|json| readable(&json.0, personal)),
            answer: record.answer.map(|json| readable(&json.0, personal)),
        }
    }
}

fn outcome(record: &AttemptRecord) -> (&'static str, String) {
    let said = record.classification.clone();
    match record.ended.as_deref() {
        None => ("brand", "under way".to_owned()),
        Some("COMPLETED") => ("good", said.unwrap_or_else(|| "done".to_owned())),
        Some("EXPIRED") => ("bad", "its worker fell silent".to_owned()),
        Some(_) => ("wait", said.unwrap_or_else(|| "given back".to_owned())),
    }
}

fn took(micros: i64) -> String {
    match micros {
        ..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{} ms", micros / 1_000),
        _ => format!("{}.{} s", micros / 1_000_000, micros / 100_000 % 10),
    }
}

/// JSON as people read it, with personal data as this person may see it.
pub(in crate::http::console) fn readable(value: &Value, personal: bool) -> String {
    let text = if personal {
        serde_json::to_string_pretty(value)
    } else {
        serde_json::to_string_pretty(&masking::value(value))
    };
    text.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_in_the_unit_that_fits() {
        assert_eq!(took(900), "900 µs");
        assert_eq!(took(12_345), "12 ms");
        assert_eq!(took(2_345_678), "2.3 s");
    }
}
