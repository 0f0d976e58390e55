//! Replays `fixtures/vtiger8`: each recorded answer is served to the client, which makes the recorded request through its
//! typed methods where they can express it, through [`vtiger::Client::call_operation`] where not.

mod expect;
mod recording;
mod replay;
mod vtql;

use std::collections::BTreeMap;

use recording::Recording;
use replay::{Outcome, Way};

/// Recordings per group: all, agreeing, requests compared in full, of these through the typed methods.
const EXPECTED: [(&str, Count); 14] = [
    (
        "auth",
        Count {
            total: 0,
            agree: 0,
            requests: 0,
            typed: 0,
        },
    ),
    (
        "noise",
        Count {
            total: 0,
            agree: 0,
            requests: 0,
            typed: 0,
        },
    ),
    (
        "misc",
        Count {
            total: 0,
            agree: 0,
            requests: 0,
            typed: 0,
        },
    ),
    (
        "custom",
        Count {
            total: 0,
            agree: 0,
            requests: 0,
            typed: 0,
        },
    ),
    (
        "cf",
        Count {
            total: 0,
            agree: 0,
            requests: 0,
            typed: 0,
        },
    ),
    (
        "meta",
        Count {
            total: 0,
            agree: 0,
            requests: 0,
            typed: 0,
        },
    ),
    (
        "contacts",
        Count {
            total: 0,
            agree: 0,
            requests: 0,
            typed: 0,
        },
    ),
    (
        "query",
        Count {
            total: 0,
            agree: 0,
            requests: 0,
            typed: 0,
        },
    ),
    (
        "chars",
        Count {
            total: 0,
            agree: 0,
            requests: 0,
            typed: 0,
        },
    ),
    (
        "error",
        Count {
            total: 0,
            agree: 0,
            requests: 0,
            typed: 0,
        },
    ),
    (
        "http",
        Count {
            total: 0,
            agree: 0,
            requests: 0,
            typed: 0,
        },
    ),
    (
        "duplicate",
        Count {
            total: 0,
            agree: 0,
            requests: 0,
            typed: 0,
        },
    ),
    (
        "partial",
        Count {
            total: 0,
            agree: 0,
            requests: 0,
            typed: 0,
        },
    ),
    (
        "origin",
        Count {
            total: 0,
            agree: 0,
            requests: 0,
            typed: 0,
        },
    ),
];

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Count {
    total: usize,
    agree: usize,
    requests: usize,
    typed: usize,
}

/// How many recordings are replayed at a time.
const PARALLEL: usize = 8;

#[tokio::test]
async fn every_recorded_answer_is_read_as_it_was_meant_and_every_expressible_request_is_sent_as_recorded()
 {
    use futures::StreamExt;
    let outcomes: Vec<(Recording, Outcome)> = futures::stream::iter(recording::all())
        .map(|recording| async {
            let outcome = replay::replay(&recording).await;
            (recording, outcome)
        })
        .buffered(PARALLEL)
        .collect()
        .await;
    let mut counts: BTreeMap<&str, Count> = BTreeMap::new();
    let mut disagreements = Vec::new();
    for (recording, outcome) in &outcomes {
        let count = counts.entry(recording.group()).or_default();
        count.total += 1;
        match outcome {
            Outcome::Agrees(way) => {
                count.agree += 1;
                match way {
                    Way::Typed => {
                        count.requests += 1;
                        count.typed += 1;
                    }
                    Way::Raw => count.requests += 1,
                    Way::AnswerOnly(reason) => {
                        println!("{}: answer only, {reason}", recording.name)
                    }
                }
            }
            Outcome::Disagrees(difference) => {
                disagreements.push(format!("{}: {difference}", recording.name))
            }
        }
    }
    for (group, count) in &counts {
        println!(
            "{group}: answers {}/{}, requests {}/{} ({} by typed methods)",
            count.agree, count.total, count.requests, count.total, count.typed
        );
    }
    assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
    assert_eq!(counts, EXPECTED.into_iter().collect());
}
