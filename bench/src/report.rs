//! The section of docs/benchmarks.md, written by the run itself.

use std::fmt::Write;

use crate::contestant::Contestant;
use crate::failure::Failure;
use crate::figures::{Figure, Figures};
use crate::plan::{BATCH, CALLERS, CONCURRENCY, Measure, Plan};

const BEGIN: &str = "<!-- peers: begin; written by bench/run --write -->";
const END: &str = "<!-- peers: end -->";
/// How much dearer an operation may be with the largest history.
const FLAT: f64 = 1.2;

/// On what it was measured.
pub(crate) struct Machine {
    pub(crate) date: String,
    pub(crate) processor: String,
    pub(crate) services: String,
    pub(crate) peers: String,
}

/// The whole section as Markdown.
pub(crate) fn section(figures: &Figures, plan: &Plan, machine: &Machine) -> String {
    let mut text = String::new();
    let smallest = plan.histories.first().copied().unwrap_or_default();
    let _ = writeln!(
        text,
        "{}, {}; {}; {}. {} jobs a cycle, {} round(s), the contestants taking turns in each. Jobs per second: the median, and the least \
         and the most of the rounds. **Bold**: first in its column.\n",
        machine.date,
        machine.processor,
        machine.services,
        machine.peers,
        thousands(plan.jobs as f64),
        plan.rounds
    );
    let _ = writeln!(text, "{}\n", verdict(figures, plan));
    let _ = writeln!(
        text,
        "With {} finished jobs in store:\n",
        thousands(smallest as f64)
    );
    let _ = writeln!(text, "{}", columns(figures, smallest));
    let _ = writeln!(
        text,
        "![Jobs per second of each contestant, one panel for each column of the table](peers.svg)\n"
    );
    if plan.histories.len() > 1 {
        let _ = writeln!(
            text,
            "With a growing history. *Cost*: of one operation with the most finished jobs, divided by that with the fewest; {FLAT} or \
             less counts as flat.\n"
        );
        for measure in Measure::BY_HISTORY {
            let _ = writeln!(text, "{}", by_history(figures, plan, measure));
        }
        let _ = writeln!(
            text,
            "![Jobs per second over the number of finished jobs](peers-history.svg)\n"
        );
    }
    let _ = writeln!(
        text,
        "One by one: {CALLERS} callers, each waiting until its job is on disk. {BATCH} a call: one caller. Working off: {CONCURRENCY} jobs at once \
         in each process, from the first job that is finished to the moment at which the end of the last one is on disk."
    );
    text
}

/// Where Pugmark is first, where not, and whether its cost stays flat.
fn verdict(figures: &Figures, plan: &Plan) -> String {
    let smallest = plan.histories.first().copied().unwrap_or_default();
    let largest = plan.histories.last().copied().unwrap_or_default();
    let mut behind = Vec::new();
    let mut ahead = 0;
    for measure in Measure::ALL {
        let ours = figures.of(Contestant::Pugmark, measure, smallest);
        match (figures.first(measure, smallest), ours) {
            (Some((Contestant::Pugmark, _)), _) => ahead += 1,
            (Some((first, best)), Some(ours)) => behind.push(format!(
                "{} ({} is {:.1} times as fast)",
                measure.title(),
                first.name(),
                best.median / ours.median
            )),
            _ => {}
        }
    }
    let mut text = format!(
        "Pugmark is first in {ahead} of {} columns.",
        Measure::ALL.len()
    );
    if !behind.is_empty() {
        let _ = write!(text, " It is behind in: {}.", behind.join("; "));
    }
    let growth: Vec<(Measure, f64)> = Measure::BY_HISTORY
        .into_iter()
        .filter_map(|measure| {
            let growth = figures.growth(Contestant::Pugmark, measure, smallest, largest)?;
            Some((measure, growth))
        })
        .collect();
    if smallest < largest && !growth.is_empty() {
        let worst = growth.iter().map(|(_, growth)| *growth).fold(0.0, f64::max);
        let word = if worst <= FLAT {
            "stays flat"
        } else {
            "does not stay flat"
        };
        let all: Vec<String> = growth
            .iter()
            .map(|(measure, growth)| format!("{} {growth:.2}", measure.title()))
            .collect();
        let _ = write!(
            text,
            " From {} to {} finished jobs its cost {word}: {}.",
            thousands(smallest as f64),
            thousands(largest as f64),
            all.join(", ")
        );
    }
    text
}

fn columns(figures: &Figures, history: u64) -> String {
    let mut text = String::from("| jobs per second |");
    for measure in Measure::ALL {
        let _ = write!(text, " {} |", measure.title());
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(Measure::ALL.len()));
    text.push('\n');
    for contestant in figures.contestants() {
        let _ = write!(text, "| {} |", contestant.name());
        for measure in Measure::ALL {
            let first = figures.first(measure, history).map(|(one, _)| one);
            let cell = cell(
                figures.of(contestant, measure, history),
                first == Some(contestant),
            );
            let _ = write!(text, " {cell} |");
        }
        text.push('\n');
    }
    text
}

fn by_history(figures: &Figures, plan: &Plan, measure: Measure) -> String {
    let mut text = format!("| {} |", measure.title());
    for history in &plan.histories {
        let _ = write!(text, " {} |", thousands(*history as f64));
    }
    text.push_str(" cost |\n|---|");
    text.push_str(&"---|".repeat(plan.histories.len() + 1));
    text.push('\n');
    let ends = plan
        .histories
        .first()
        .copied()
        .zip(plan.histories.last().copied());
    for contestant in figures
        .contestants()
        .into_iter()
        .filter(|one| one.keeps_history())
    {
        let _ = write!(text, "| {} |", contestant.name());
        for history in &plan.histories {
            let first = figures.first(measure, *history).map(|(one, _)| one);
            let _ = write!(
                text,
                " {} |",
                cell(
                    figures.of(contestant, measure, *history),
                    first == Some(contestant)
                )
            );
        }
        let growth = ends.and_then(|(from, to)| figures.growth(contestant, measure, from, to));
        let _ = writeln!(
            text,
            " {} |",
            growth.map_or("-".to_owned(), |growth| format!("{growth:.2}"))
        );
    }
    text
}

/// `1,234 (1,100 to 1,300)`
fn cell(figure: Option<Figure>, first: bool) -> String {
    let Some(figure) = figure else {
        return "-".to_owned();
    };
    let mark = if first { "**" } else { "" };
    format!(
        "{mark}{}{mark} ({} to {})",
        thousands(figure.median),
        thousands(figure.least),
        thousands(figure.most)
    )
}

/// A whole number with commas.
pub(crate) fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Puts the section in the place of the one before.
///
/// # Errors
/// When the document has no place for it.
pub(crate) fn replaced(document: &str, section: &str) -> Result<String, Failure> {
    let parts = document
        .split_once(BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = parts.ok_or_else(|| {
        Failure::new("docs/benchmarks.md has lost the two comments between which the peers stand")
    })?;
    Ok(format!(
        "{before}{BEGIN}\n\n{}\n\n{END}{after}",
        section.trim()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Figures {
        let mut figures = Figures::default();
        for measure in Measure::ALL {
            figures.add(Contestant::Pugmark, measure, 1_000, 1_000.0);
            figures.add(Contestant::Bullmq, measure, 1_000, 900.0);
        }
        figures
    }

    fn plan(histories: &[u64]) -> Plan {
        Plan {
            jobs: 10,
            rounds: 1,
            histories: histories.to_vec(),
        }
    }

    #[test]
    fn who_is_behind_is_said_with_by_how_much() {
        let mut figures = figures();
        assert!(
            verdict(&figures, &plan(&[1_000])).starts_with("Pugmark is first in 8 of 8 columns.")
        );
        figures.add(Contestant::PgBoss, Measure::Batched, 1_000, 2_500.0);
        let said = verdict(&figures, &plan(&[1_000]));
        assert!(said.contains("first in 7 of 8"), "{said}");
        assert!(
            said.contains("handed in 500 a call (pg-boss is 2.5 times as fast)"),
            "{said}"
        );
    }

    #[test]
    fn a_cost_that_grows_by_more_than_a_fifth_is_not_called_flat() {
        let mut figures = figures();
        for measure in Measure::BY_HISTORY {
            figures.add(Contestant::Pugmark, measure, 1_000_000, 900.0);
        }
        let said = |figures: &Figures| verdict(figures, &plan(&[1_000, 1_000_000]));
        assert!(
            said(&figures).contains("its cost stays flat"),
            "{}",
            said(&figures)
        );
        let mut worse = figures;
        worse.add(Contestant::Pugmark, Measure::Single, 1_000_000, 100.0);
        worse.add(Contestant::Pugmark, Measure::Single, 1_000_000, 100.0);
        assert!(
            said(&worse).contains("does not stay flat"),
            "{}",
            said(&worse)
        );
    }

    #[test]
    fn the_first_of_a_column_is_bold_and_what_was_not_measured_is_a_dash() {
        let mut figures = figures();
        figures.add(Contestant::Apalis, Measure::Single, 1_000, 1.0);
        let table = columns(&figures, 1_000);
        assert!(
            table.contains("| Pugmark | **1,000** (1,000 to 1,000) |"),
            "{table}"
        );
        assert!(table.contains("| apalis | 1 (1 to 1) | - |"), "{table}");
    }

    #[test]
    fn only_what_stands_between_the_comments_is_replaced() {
        let document = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let new = replaced(&document, "new").expect("a place");
        assert_eq!(new, format!("before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"));
        assert_eq!(
            replaced(&new, "new").expect("a place"),
            new,
            "the same again"
        );
        assert!(replaced("nothing", "new").is_err());
    }

    #[test]
    fn the_documents_have_a_place_for_it() {
        let document = include_str!("../../docs/benchmarks.md");
        assert!(replaced(document, "new").is_ok());
    }
}
