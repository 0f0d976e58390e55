//! How long calls take.

use std::time::Duration;

use serde_json::Value;

use crate::wire::Request;

/// How long each call takes. It has its effect at the end; a query and an upsert, whose length depends on what they find,
/// have it in between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Latency {
    /// As quick as this program can.
    #[default]
    None,
    /// Every call takes this long.
    Fixed(Duration),
    /// As measured on a real vTiger 8.0 with two cores: create 142 ms, revise 98 ms, retrieve 27 ms, a query 22 ms and 48 ms
    /// with a hundred rows, ... Part of each call keeps the machine busy for all others: one session creates 7 records a
    /// second, two 13, and from four sessions on it is 23 together. A record of the extension's upsert costs half of a
    /// single call, in bulk mode a fourteenth.
    Measured,
    /// As measured, but so many times quicker, for benchmarks that shall end. Timers count in whole milliseconds: beyond ten
    /// times or so the proportions suffer.
    MeasuredQuicker(u32),
}

/// Of a call's time, how much keeps the machine busy, in thousandths: eight sessions made 23 records a second and 115 queries.
const BUSY_WRITING: u32 = 306;
const BUSY_READING: u32 = 395;

/// What a record of an upsert costs of what a single call would, and in bulk mode.
const IN_UPSERT: f64 = 0.5;
const IN_BULK: f64 = 1.0 / 14.0;

/// Milliseconds that each row of a query adds.
const ROW: f64 = 0.26;

/// The time of a call, or of a part of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// While others go on.
    pub(super) alone: Duration,
    /// While all others wait.
    pub(super) busy: Duration,
}

impl Latency {
    /// What a call costs before its effect.
    pub(super) fn before(self, operation: &str, request: &Request) -> Cost {
        match self {
            Latency::None => Cost::default(),
            Latency::Fixed(time) => Cost {
                alone: time,
                busy: Duration::ZERO,
            },
            Latency::Measured => measured(operation, request, 1),
            Latency::MeasuredQuicker(times) => measured(operation, request, times),
        }
    }

    /// What a call costs after its effect, by its result.
    pub(super) fn after(self, operation: &str, request: &Request, result: &Value) -> Cost {
        let times = match self {
            Latency::None | Latency::Fixed(_) => return Cost::default(),
            Latency::Measured => 1,
            Latency::MeasuredQuicker(times) => times,
        };
        let rows = |list: &Value| list.as_array().map_or(0, Vec::len) as f64;
        match operation {
            "query" | "query_related" | "retrieve_related" => {
                cost(rows(result) * ROW, BUSY_READING, times)
            }
            "pugmark.changes" => cost(rows(&result["changes"]) * ROW, BUSY_READING, times),
            "pugmark.upsert" => cost(upserted(request, result), BUSY_WRITING, times),
            _ => Cost::default(),
        }
    }
}

fn cost(milliseconds: f64, busy: u32, times: u32) -> Cost {
    let whole = Duration::from_secs_f64(milliseconds / 1000.0) / times.max(1);
    let busy = whole * busy / 1000;
    Cost {
        alone: whole - busy,
        busy,
    }
}

fn measured(operation: &str, request: &Request, times: u32) -> Cost {
    let module = request.form.text("elementType").unwrap_or_default();
    let (milliseconds, busy) = match operation {
        "create" => (single_create(module), BUSY_WRITING),
        "revise" | "update" => (98.0, BUSY_WRITING),
        "delete" => (49.0, BUSY_WRITING),
        "retrieve" => (27.0, BUSY_READING),
        "describe" => (26.0, BUSY_READING),
        "query" | "query_related" | "retrieve_related" => (22.0, BUSY_READING),
        "login" => (20.0, BUSY_READING),
        _ => (10.0, BUSY_READING),
    };
    cost(milliseconds, busy, times)
}

fn single_create(module: &str) -> f64 {
    match module {
        "Calendar" | "Events" => 115.0,
        "ModComments" => 120.0,
        _ => 142.0,
    }
}

fn upserted(request: &Request, result: &Value) -> f64 {
    let options = request.form.text("options").unwrap_or_default();
    let options: Value = serde_json::from_str(options).unwrap_or_default();
    let share = if options["bulk"] == true {
        IN_BULK
    } else {
        IN_UPSERT
    };
    let results = result["results"].as_array().map_or(&[][..], Vec::as_slice);
    let one = |result: &Value| match result["status"].as_str() {
        Some("created") => share * single_create(""),
        Some("updated") => share * 98.0,
        // It was read, and that was all.
        _ => IN_UPSERT * 27.0,
    };
    results.iter().map(one).sum()
}
