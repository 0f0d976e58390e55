//! The table at the end: a line per campaign and database, as Markdown that is also readable on a terminal.

use std::collections::BTreeMap;
use std::time::Duration;

/// Counts that must be 0, by the key under which a campaign writes them, and how the column is called.
const MUST_BE_NONE: [(&str, &str); 5] = [
    ("lost", "lost"),
    ("twice", "twice"),
    ("out_of_order", "out of order"),
    ("beyond_budget", "beyond budget"),
    ("left_over", "left over"),
];

/// What came of one campaign on one database.
pub(super) struct Line {
    name: &'static str,
    database: &'static str,
    seed: u64,
    /// Whether the test passed.
    pub(super) passed: bool,
    pub(super) took: Duration,
    /// Why it was not run.
    pub(super) left_out: Option<String>,
    /// What the campaign wrote.
    pub(super) said: BTreeMap<String, String>,
}

impl Line {
    pub(super) fn new(name: &'static str, database: &'static str, seed: u64) -> Self {
        Self {
            name,
            database,
            seed,
            passed: false,
            took: Duration::ZERO,
            left_out: None,
            said: BTreeMap::new(),
        }
    }

    /// The same run with what one of its parts wrote.
    pub(super) fn with(&self, mut said: BTreeMap<String, String>) -> Self {
        Self {
            left_out: said.remove("left_out"),
            said,
            ..*self
        }
    }

    /// Whether it was judged and nothing was found, or left out for a reason. A campaign without a verdict has failed, also
    /// when its test has not.
    pub(super) fn passed(&self) -> bool {
        let none = |key: &str| self.said.get(key).is_some_and(|count| count == "0");
        self.left_out.is_some() || (self.passed && MUST_BE_NONE.iter().all(|(key, _)| none(key)))
    }

    /// The command that does the same once more.
    pub(super) fn replay(&self) -> String {
        format!(
            "cargo xtask chaos --campaign {} --on {} --seed {}",
            self.name, self.database, self.seed
        )
    }

    fn cells(&self) -> Vec<String> {
        let said = |key: &str| {
            self.said
                .get(key)
                .cloned()
                .unwrap_or_else(|| "-".to_owned())
        };
        let name = match self.said.get("part").filter(|part| !part.is_empty()) {
            Some(part) => format!("{}: {part}", self.name),
            None => self.name.to_owned(),
        };
        let mut cells = vec![name, self.database.to_owned()];
        if let Some(why) = &self.left_out {
            cells.push(format!("left out: {why}"));
            cells.resize(headings().len(), "-".to_owned());
            return cells;
        }
        cells.push(said("injected"));
        cells.push(said("work"));
        cells.extend(MUST_BE_NONE.iter().map(|(key, _)| said(key)));
        let recovered = self.said.get("recovered");
        cells.push(recovered.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds} s")));
        cells.push(format!("{:.0} s", self.took.as_secs_f64()));
        cells.push(self.seed.to_string());
        cells
    }
}

fn headings() -> Vec<String> {
    let counts = MUST_BE_NONE.iter().map(|(_, heading)| *heading);
    ["campaign", "on", "done to it", "meanwhile"]
        .into_iter()
        .chain(counts)
        .chain(["recovered in", "took", "seed"])
        .map(str::to_owned)
        .collect()
}

/// The table.
pub(super) fn render(lines: &[Line]) -> String {
    let mut rows = vec![headings()];
    rows.extend(lines.iter().map(Line::cells));
    let widths: Vec<usize> = (0..rows[0].len())
        .map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0))
        .collect();
    let show = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    let (head, body) = (&rows[0], &rows[1..]);
    let mut text = show(head);
    text.push_str(&show(&rule));
    body.iter().for_each(|row| text.push_str(&show(row)));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(lost: &str) -> Line {
        let mut line = Line::new("killed", "sqlite", 42);
        line.passed = true;
        for (key, _) in MUST_BE_NONE {
            line.said.insert(key.to_owned(), "0".to_owned());
        }
        line.said.insert("lost".to_owned(), lost.to_owned());
        line.said.insert("recovered".to_owned(), "1.5".to_owned());
        line
    }

    #[test]
    fn a_campaign_passes_only_with_a_verdict_of_nothing() {
        assert!(judged("0").passed());
        assert!(!judged("1").passed());
        let mut silent = Line::new("killed", "sqlite", 42);
        silent.passed = true;
        assert!(!silent.passed(), "it was never judged");
    }

    #[test]
    fn a_test_that_failed_after_its_verdict_has_failed() {
        let mut line = judged("0");
        line.passed = false;
        assert!(!line.passed());
    }

    #[test]
    fn what_was_left_out_says_why_in_the_table() {
        let mut line = Line::new("restarted", "postgres", 42);
        line.left_out = Some("initdb is not installed".to_owned());
        assert!(line.passed());
        let table = render(&[line]);
        assert!(
            table.contains("left out: initdb is not installed"),
            "{table}"
        );
    }

    #[test]
    fn every_row_of_the_table_has_the_same_columns() {
        let table = render(&[judged("0"), Line::new("throttled", "postgres", 7)]);
        let columns: Vec<usize> = table
            .lines()
            .map(|line| line.matches('|').count())
            .collect();
        assert_eq!(columns.len(), 4);
        assert!(columns.iter().all(|count| *count == columns[0]), "{table}");
        assert!(table.contains("1.5 s"), "{table}");
    }

    #[test]
    fn the_line_to_replay_names_campaign_database_and_seed() {
        assert_eq!(
            judged("1").replay(),
            "cargo xtask chaos --campaign killed --on sqlite --seed 42"
        );
    }
}
