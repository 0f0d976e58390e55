//! How fresh each flow is. Pure.

use std::collections::BTreeMap;

use pugmark_queue::db::Ts;

use crate::http::api::status::{age, grouped};
use crate::http::console::moment::Moment;
use crate::store::flow_figures::{Figures, Flow};
use crate::telemetry::figures::standing::Backlog;

/// What waits for less is on its way.
const SOON: u64 = 300;

/// A flow, as it is shown.
pub(super) struct Fresh {
    pub(super) kind: String,
    pub(super) class: &'static str,
    pub(super) word: String,
    pub(super) waiting: i64,
    pub(super) dead: i64,
    pub(super) last: Option<Moment>,
    pub(super) done: String,
    pub(super) failed: String,
    pub(super) fails: bool,
}

/// Every flow that has ever done something, or has something to do. `hours`: those of the last day.
pub(super) fn flows(
    backlog: &Backlog,
    known: &[Flow],
    hours: &[(Ts, Figures)],
    now: Ts,
) -> Vec<Fresh> {
    let mut kinds: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    known.iter().for_each(|flow| {
        kinds.entry(&flow.kind).or_default();
    });
    backlog.flows.iter().for_each(|flow| {
        kinds.entry(&flow.kind).or_default();
    });
    for (_, figures) in hours {
        let (done, failed) = kinds.entry(&figures.kind).or_default();
        *done += figures.done;
        *failed += figures.failed;
    }
    let fresh = kinds.into_iter().map(|(kind, (done, failed))| {
        let open = backlog.flows.iter().find(|flow| flow.kind == kind);
        let waiting = open.map_or(0, |open| open.waiting);
        let since = open
            .and_then(|open| open.waiting_since)
            .filter(|_| waiting > 0);
        let behind = since.map(|since| now.since(since).as_secs());
        let (class, word) = match behind {
            None => ("good", "Current".to_owned()),
            Some(seconds) if seconds < SOON => ("wait", format!("{} behind", age(seconds))),
            Some(seconds) => ("bad", format!("{} behind", age(seconds))),
        };
        let last = known.iter().find(|flow| flow.kind == kind);
        Fresh {
            kind: kind.to_owned(),
            class,
            word,
            waiting,
            dead: open.map_or(0, |open| open.dead),
            last: last
                .and_then(|flow| flow.last_done_at)
                .map(|at| Moment::of(at, now)),
            done: grouped(done),
            failed: grouped(failed),
            fails: failed > 0,
        }
    });
    fresh.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::figures::standing::OpenFlow;

    #[test]
    fn a_flow_is_as_far_behind_as_the_change_that_waits_longest() {
        let now = Ts::from_micros(10_000_000_000);
        let open = |kind: &str, waiting, since: i64| OpenFlow {
            kind: kind.into(),
            waiting,
            waiting_since: Some(Ts::from_micros(since * 1_000_000)),
            ..OpenFlow::default()
        };
        let backlog = Backlog {
            flows: vec![open("b", 2, 9_996), open("c", 1, 2_800), open("d", 0, 1)],
            counted_at: None,
        };
        let known = [Flow {
            kind: "a".into(),
            last_done_at: Some(Ts::from_micros(9_940_000_000)),
            ..Flow::default()
        }];
        let hours = [(
            now,
            Figures {
                kind: "a".into(),
                done: 1_200,
                failed: 3,
                ..Figures::default()
            },
        )];
        let shown = flows(&backlog, &known, &hours, now);
        let words: Vec<(&str, &str, &str)> = shown
            .iter()
            .map(|flow| (flow.kind.as_str(), flow.class, flow.word.as_str()))
            .collect();
        assert_eq!(
            words,
            [
                ("a", "good", "Current"),
                ("b", "wait", "4 seconds behind"),
                ("c", "bad", "2 hours behind"),
                ("d", "good", "Current"),
            ]
        );
        assert_eq!((shown[0].done.as_str(), shown[0].fails), ("1,200", true));
        assert_eq!(
            shown[0].last.as_ref().map(|at| at.words.as_str()),
            Some("60 seconds ago")
        );
    }
}
