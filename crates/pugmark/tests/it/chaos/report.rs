//! The line of a campaign in the table that `cargo xtask chaos` prints.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::oracle::Verdict;

/// Names the directory into which each campaign writes its line.
const REPORTS: &str = "PUGMARK_CHAOS_REPORTS";

/// What a campaign did and what was found.
pub(super) struct Report {
    name: &'static str,
    /// Where a campaign has several lines.
    part: &'static str,
    database: &'static str,
    seed: u64,
    full: bool,
    began: Instant,
    pub(super) injected: Vec<(String, u64)>,
    pub(super) recovered: Option<Duration>,
    judged: Vec<(&'static str, String)>,
}

impl Report {
    pub(super) fn new(
        name: &'static str,
        part: &'static str,
        database: &'static str,
        seed: u64,
        full: bool,
    ) -> Self {
        Self {
            name,
            part,
            database,
            seed,
            full,
            began: Instant::now(),
            injected: Vec::new(),
            recovered: None,
            judged: Vec::new(),
        }
    }

    pub(super) fn take(&mut self, verdict: &Verdict) {
        let work: Vec<String> = verdict
            .work
            .iter()
            .map(|(what, number)| format!("{number} {what}"))
            .collect();
        self.judged = vec![
            ("work", work.join(", ")),
            ("lost", verdict.lost.len().to_string()),
            ("twice", verdict.twice.len().to_string()),
            ("out_of_order", verdict.out_of_order.len().to_string()),
            ("beyond_budget", verdict.beyond_budget.len().to_string()),
            ("left_over", verdict.left_over.len().to_string()),
        ];
    }

    /// Lines of `key=value`; a value is one line.
    fn text(&self) -> String {
        let injected: Vec<String> = self
            .injected
            .iter()
            .map(|(what, times)| format!("{times} {what}"))
            .collect();
        let mut text = format!(
            "campaign={}\npart={}\ndatabase={}\nseed={}\nsize={}\ninjected={}\nseconds={:.1}\n",
            self.name,
            self.part,
            self.database,
            self.seed,
            if self.full { "full" } else { "short" },
            injected.join(", "),
            self.began.elapsed().as_secs_f64(),
        );
        if let Some(recovered) = self.recovered {
            let _ = writeln!(text, "recovered={:.1}", recovered.as_secs_f64());
        }
        for (key, value) in &self.judged {
            let _ = writeln!(text, "{key}={value}");
        }
        text
    }

    /// Prints it, and writes it to where `cargo xtask chaos` collects the lines.
    pub(super) fn publish(&self) {
        let text = self.text();
        eprintln!("{text}");
        if let Some(folder) = std::env::var_os(REPORTS) {
            write(folder.into(), self.name, self.database, self.part, &text);
        }
    }
}

/// Says that a campaign could not be run here, and why.
pub(super) fn left_out(name: &str, database: &str, why: &str) {
    eprintln!("left out: {name}: {why}");
    if let Some(folder) = std::env::var_os(REPORTS) {
        let text = format!("campaign={name}\ndatabase={database}\nleft_out={why}\n");
        write(folder.into(), name, database, "", &text);
    }
}

fn write(folder: PathBuf, name: &str, database: &str, part: &str, text: &str) {
    let file = folder.join(format!("{name}.{database}.{part}"));
    std::fs::write(&file, text).expect("the line of the table is written");
}
