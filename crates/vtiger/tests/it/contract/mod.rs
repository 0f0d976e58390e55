//! Replays `fixtures/vtiger8`: each recorded answer is served to the client, which makes the recorded request through its
//! typed methods where they can express it, through [`vtiger::Client::call_operation`] where not.

mod compare;
mod expect;
mod recording;
mod repaired;
mod replay;
mod vtql;

use std::collections::BTreeMap;

use recording::Recording;
use replay::{Outcome, Way};

/// Per group: recordings, answers that agree, requests compared in full, of these made by typed methods.
const EXPECTED: [(&str, Count); 29] = [
    ("auth", Count::new(31, 31, 20, 15)),
    ("noise", Count::new(5, 5, 5, 4)),
    ("misc", Count::new(5, 5, 5, 5)),
    ("custom", Count::new(1, 1, 1, 0)),
    ("cf", Count::new(2, 2, 2, 1)),
    ("meta", Count::new(19, 19, 19, 14)),
    ("contacts", Count::new(55, 55, 55, 48)),
    ("query", Count::new(155, 155, 153, 94)),
    ("chars", Count::new(194, 194, 193, 189)),
    ("error", Count::new(37, 37, 36, 19)),
    ("http", Count::new(12, 12, 4, 0)),
    ("duplicate", Count::new(11, 11, 11, 11)),
    ("partial", Count::new(4, 4, 4, 3)),
    ("origin", Count::new(4, 4, 4, 4)),
    ("calendar", Count::new(13, 13, 13, 13)),
    ("events", Count::new(3, 3, 3, 3)),
    ("modcomments", Count::new(10, 10, 10, 10)),
    ("users", Count::new(60, 60, 59, 48)),
    ("related", Count::new(13, 13, 13, 9)),
    ("reference", Count::new(5, 5, 5, 5)),
    ("userformat", Count::new(8, 8, 8, 8)),
    ("permission", Count::new(8, 8, 8, 8)),
    ("documents", Count::new(1, 1, 1, 1)),
    ("helpdesk", Count::new(1, 1, 1, 1)),
    ("deleted", Count::new(1, 1, 1, 1)),
    ("leads", Count::new(4, 4, 4, 4)),
    ("sync", Count::new(14, 14, 14, 10)),
    ("wsapp", Count::new(2, 2, 2, 0)),
    ("convertlead", Count::new(10, 10, 10, 8)),
];

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Count {
    total: usize,
    agree: usize,
    requests: usize,
    typed: usize,
}

impl Count {
    const fn new(total: usize, agree: usize, requests: usize, typed: usize) -> Self {
        Self {
            total,
            agree,
            requests,
            typed,
        }
    }
}

/// How many recordings are replayed at a time.
const PARALLEL: usize = 8;

#[tokio::test]
async fn every_recorded_answer_is_read_as_it_was_meant_and_every_expressible_request_is_sent_as_recorded()
 {
    use futures::StreamExt;
    let outcomes: Vec<(&Recording, Outcome)> = futures::stream::iter(recording::all())
        .map(|recording| async move {
            let outcome = replay::replay(recording).await;
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

/// The recorded description of Contacts, for other tests.
pub(crate) fn description_of_contacts() -> crate::server::Reply {
    recording::named("057-meta-describe-Contacts").reply()
}

pub(crate) use recording::{
    Recording as RecordedExchange, all as recordings, named as recording_named,
};
