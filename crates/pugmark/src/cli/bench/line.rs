//! One result: ours, the peer's, and the ratio.

use pugmark_queue::db::Engine;
use serde::Serialize;
use serde_json::{Value, json};

use super::name_of;

/// One measured quantity.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line {
    name: String,
    database: &'static str,
    unit: &'static str,
    ours: f64,
    /// What it is held against; `None` where nothing does the same work.
    peer: Option<f64>,
    ratio: Option<f64>,
    /// What the peer is.
    against: String,
}

impl Line {
    /// `unit` says what `ours` and `peer` count; `against` says what the peer is.
    pub(super) fn new(
        name: impl Into<String>,
        engine: Engine,
        unit: &'static str,
        ours: f64,
        peer: f64,
        against: impl Into<String>,
    ) -> Self {
        Line {
            name: name.into(),
            database: name_of(engine),
            unit,
            ours,
            peer: Some(peer),
            ratio: (peer > 0.0).then_some(ours / peer),
            against: against.into(),
        }
    }

    /// A quantity without a peer; `remark` stands in its place.
    pub(super) fn alone(
        name: impl Into<String>,
        engine: Engine,
        unit: &'static str,
        ours: f64,
        remark: impl Into<String>,
    ) -> Self {
        Line {
            peer: None,
            ratio: None,
            ..Line::new(name, engine, unit, ours, 0.0, remark)
        }
    }
}

/// Collects the lines; those for people are printed as they come, so that a long run can be watched.
pub(super) struct Report {
    lines: Vec<Line>,
    json: bool,
}

impl Report {
    pub(super) fn new(json: bool) -> Self {
        let report = Report {
            lines: Vec::new(),
            json,
        };
        report.show(&format!(
            "{:<44} {:<10} {:>11} {:>11} {:>7}  {:<5} against",
            "measured", "database", "ours", "peer", "ratio", "unit"
        ));
        report
    }

    pub(super) fn add(&mut self, line: Line) {
        let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), rounded);
        let ratio = line
            .ratio
            .map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
        self.show(&format!(
            "{:<44} {:<10} {:>11} {:>11} {:>7}  {:<5} {}",
            line.name,
            line.database,
            rounded(line.ours),
            number(line.peer),
            ratio,
            line.unit,
            line.against
        ));
        self.lines.push(line);
    }

    /// Prints the JSON, if that was asked for, with `run` saying what was measured on what.
    pub(super) fn end(self, run: Value) {
        if self.json {
            println!("{}", json!({ "run": run, "lines": self.lines }));
        }
    }

    /// With JSON on standard output, people watch standard error.
    fn show(&self, line: &str) {
        if self.json {
            eprintln!("{line}");
        } else {
            println!("{line}");
        }
    }
}

/// Three digits, or more in front of the point.
fn rounded(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
