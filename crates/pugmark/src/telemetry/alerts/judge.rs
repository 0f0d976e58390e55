//! What is worth an alert. Pure: everything it depends on comes in.

use std::collections::BTreeMap;

use pugmark_queue::db::Ts;

use crate::billing::worker::KINDS as MAXIO_KINDS;
use crate::config;
use crate::http::api::status::{age, grouped};
use crate::problem::Code;
use crate::store::alerts::Dead;
use crate::store::flow_figures::Figures;

/// Dead letters of a cause are counted no further.
pub const DEAD_COUNTED: i64 = 1_000;
/// The CRM, as a system in trouble is named in the store.
pub const VTIGER: &str = "vtiger";
/// Maxio, likewise.
pub const MAXIO: &str = "maxio";

/// What is seen.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Attempts within the window, by flow.
    pub figures: Vec<Figures>,
    /// Dead letters, by flow and cause.
    pub dead: Vec<Dead>,
    /// Systems in trouble, and since when.
    pub troubles: Vec<(String, Ts)>,
}

/// Something that an alert is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matter {
    /// Its code.
    pub code: Code,
    /// One sentence.
    pub words: String,
    /// An alert is raised for it. Otherwise one that is open stays open.
    pub raises: bool,
}

/// Everything that is the matter, by subject.
pub fn judge(seen: &Seen, settings: &config::Alerts, now: Ts) -> BTreeMap<String, Matter> {
    let mut matters = BTreeMap::new();
    for (system, since) in &seen.troubles {
        let words = format!(
            "{} does not answer as it should and is left alone, since {} ago. What is to be delivered waits.",
            name_of(system),
            age(now.since(*since).as_secs())
        );
        matters.insert(
            format!("system {system}"),
            Matter {
                code: Code::SystemInTrouble,
                words,
                raises: true,
            },
        );
    }
    for dead in &seen.dead {
        matters.insert(
            format!("dead {} {}", dead.kind, dead.error_code),
            of_dead(dead),
        );
    }
    for flow in &seen.figures {
        if let Some(matter) = of_rate(flow, seen, settings) {
            matters.insert(format!("rate {}", flow.kind), matter);
        }
    }
    matters
}

fn of_dead(dead: &Dead) -> Matter {
    let (number, waits) = match dead.operations {
        1 => ("1 operation".to_owned(), "waits"),
        many if many > DEAD_COUNTED => (
            format!("more than {} operations", grouped(DEAD_COUNTED)),
            "wait",
        ),
        many => (format!("{} operations", grouped(many)), "wait"),
    };
    Matter {
        code: Code::DeadLetters,
        words: format!(
            "{}: {number} failed for good with {} and {waits} for a person.",
            dead.kind, dead.error_code
        ),
        raises: true,
    }
}

/// Too much is told of from the threshold on, and is over at half of it, so that nobody is told of every step across the line.
fn of_rate(flow: &Figures, seen: &Seen, settings: &config::Alerts) -> Option<Matter> {
    let attempts = flow.done + flow.failed;
    let share = share(flow.failed, attempts);
    if flow.failed == 0 || share <= settings.rate / 2.0 {
        return None;
    }
    // While a system is known to be in trouble, flows that need it fail for that reason.
    let explained = seen
        .troubles
        .iter()
        .any(|(system, _)| match system.as_str() {
            MAXIO => MAXIO_KINDS.contains(&flow.kind.as_str()),
            _ => true,
        });
    Some(Matter {
        code: Code::FailureRate,
        words: format!(
            "{}: {} of {} attempts of the last {} failed ({:.0} %; told of above {:.0} %).",
            flow.kind,
            grouped(flow.failed),
            grouped(attempts),
            age(settings.window.as_secs()),
            share * 100.0,
            settings.rate * 100.0
        ),
        raises: share > settings.rate && flow.failed >= settings.least && !explained,
    })
}

/// How many of so many, 0 to 1.
#[allow(
    clippy::cast_precision_loss,
    reason = "a share of more than 2^52 attempts is no more exact than this"
)]
pub fn share(part: i64, whole: i64) -> f64 {
    match whole {
        0 => 0.0,
        whole => part as f64 / whole as f64,
    }
}

/// What there is to say when it is over.
pub fn over(subject: &str, seen: &Seen, settings: &config::Alerts) -> String {
    let mut words = subject.split(' ');
    match (words.next(), words.next(), words.next()) {
        (Some("system"), Some(system), _) => format!("{} answers again.", name_of(system)),
        (Some("dead"), Some(kind), Some(code)) => {
            format!("{kind}: no operation that failed with {code} waits for a person any more.")
        }
        (_, kind, _) => {
            let kind = kind.unwrap_or_default();
            let flow = seen.figures.iter().find(|flow| flow.kind == kind);
            let (failed, attempts) =
                flow.map_or((0, 0), |flow| (flow.failed, flow.done + flow.failed));
            format!(
                "{kind}: {} of {} attempts of the last {} failed, which is no longer too much.",
                grouped(failed),
                grouped(attempts),
                age(settings.window.as_secs())
            )
        }
    }
}

/// A system's name, for people.
pub fn name_of(system: &str) -> &str {
    match system {
        VTIGER => "vTiger",
        MAXIO => "Maxio",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(kind: &str, done: i64, failed: i64) -> Figures {
        Figures {
            kind: kind.into(),
            done,
            failed,
            ..Figures::default()
        }
    }

    fn rate(seen: &Seen) -> Option<Matter> {
        let settings = config::Alerts::default();
        judge(seen, &settings, Ts::from_micros(0)).remove("rate note.create")
    }

    #[test]
    fn a_flow_is_told_of_above_the_threshold_and_over_at_half_of_it() {
        let of = |done, failed| {
            let seen = Seen {
                figures: vec![flow("note.create", done, failed)],
                ..Seen::default()
            };
            rate(&seen).map(|matter| matter.raises)
        };
        assert_eq!(of(0, 0), None);
        assert_eq!(of(0, 4), Some(false), "too few to say anything");
        assert_eq!(of(14, 6), Some(true));
        assert_eq!(of(75, 25), Some(false), "exactly the threshold");
        assert_eq!(of(88, 12), None);
    }

    #[test]
    fn while_a_system_is_in_trouble_the_flows_that_need_it_raise_nothing_of_their_own() {
        let of = |system: &str| {
            let seen = Seen {
                figures: vec![flow("note.create", 0, 20)],
                troubles: vec![(system.to_owned(), Ts::from_micros(0))],
                ..Seen::default()
            };
            rate(&seen).map(|matter| matter.raises)
        };
        assert_eq!(of(VTIGER), Some(false));
        assert_eq!(of(MAXIO), Some(true), "notes do not need Maxio");
    }

    #[test]
    fn what_is_said_names_flow_cause_and_number_and_no_person() {
        let settings = config::Alerts::default();
        let now = Ts::from_micros(600_000_000);
        let dead = |operations| Dead {
            kind: "task.create".into(),
            error_code: "PUG-2006".into(),
            operations,
        };
        let seen = Seen {
            figures: vec![flow("note.create", 1_000, 3_000)],
            dead: vec![dead(2)],
            troubles: vec![(MAXIO.into(), Ts::from_micros(0))],
        };
        let said: Vec<String> = judge(&seen, &settings, now)
            .into_values()
            .map(|matter| matter.words)
            .collect();
        assert_eq!(
            said,
            [
                "task.create: 2 operations failed for good with PUG-2006 and wait for a person.",
                "note.create: 3,000 of 4,000 attempts of the last 15 minutes failed (75 %; told of above 25 %).",
                "Maxio does not answer as it should and is left alone, since 10 minutes ago. What is to be delivered waits.",
            ]
        );
        assert!(
            of_dead(&dead(1))
                .words
                .contains("1 operation failed for good")
        );
        assert!(
            of_dead(&dead(1_001))
                .words
                .contains("more than 1,000 operations")
        );
        let nothing = Seen::default();
        assert_eq!(
            over("system vtiger", &nothing, &settings),
            "vTiger answers again."
        );
        assert!(over("dead note.create PUG-2006", &nothing, &settings).contains("PUG-2006"));
        assert!(over("rate note.create", &nothing, &settings).starts_with("note.create: 0 of 0"));
    }
}
