//! How the flows stand, for pages and the API: exactly while it is little, by the leader's figures when it is much.

use std::collections::BTreeMap;
use std::time::Duration;

use pugmark_queue::db::{Conn, DbError, Ts};

use crate::store::flow_figures::{self, Finished, Flow, Open};

/// Whoever looks counts no further than this.
pub const COUNTED: i64 = 2_000;

/// What is not finished.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backlog {
    /// By kind.
    pub flows: Vec<OpenFlow>,
    /// When it was counted, if that was not just now: it is too much.
    pub counted_at: Option<Ts>,
}

/// What is not finished of a flow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenFlow {
    /// Kind of operation.
    pub kind: String,
    /// Operations that wait for an attempt.
    pub waiting: i64,
    /// Of these, operations whose last attempt failed; unknown, and zero, where it is too much to be counted.
    pub failing: i64,
    /// Operations being carried out.
    pub delivering: i64,
    /// Dead letters.
    pub dead: i64,
    /// When the first that waits was queued.
    pub waiting_since: Option<Ts>,
}

impl Backlog {
    /// Of all flows together.
    pub fn total(&self, of: impl Fn(&OpenFlow) -> i64) -> i64 {
        self.flows.iter().map(of).sum()
    }
}

/// What is not finished.
///
/// # Errors
/// Whatever the database says.
pub async fn backlog(conn: &mut Conn) -> Result<Backlog, DbError> {
    let open = flow_figures::open(conn, COUNTED + 1).await?;
    let exact = open.iter().map(|open| open.operations).sum::<i64>() <= COUNTED;
    let known = match exact {
        true => Vec::new(),
        false => flow_figures::flows(conn).await?,
    };
    let counted_at = known.iter().filter_map(|flow| flow.counted_at).max();
    // Too much, and the leader has not counted it yet: what was looked at is the least that there is.
    if exact || counted_at.is_none() {
        return Ok(Backlog {
            flows: open_flows(&open),
            counted_at: None,
        });
    }
    let flows = known.into_iter().map(|flow| OpenFlow {
        kind: flow.kind,
        waiting: flow.waiting,
        failing: 0,
        delivering: flow.delivering,
        dead: flow.dead,
        waiting_since: flow.waiting_since,
    });
    Ok(Backlog {
        flows: flows.collect(),
        counted_at,
    })
}

fn open_flows(open: &[Open]) -> Vec<OpenFlow> {
    let mut flows: BTreeMap<&str, OpenFlow> = BTreeMap::new();
    for open in open {
        let flow = flows.entry(&open.kind).or_insert_with(|| OpenFlow {
            kind: open.kind.clone(),
            ..OpenFlow::default()
        });
        match (open.status.as_str(), open.dead) {
            ("PROCESSING", _) => flow.delivering += open.operations,
            ("FAILED", true) => flow.dead += open.operations,
            (status, _) => {
                flow.waiting += open.operations;
                if status == "FAILED" {
                    flow.failing += open.operations;
                }
                flow.waiting_since = match (flow.waiting_since, open.oldest) {
                    (Some(one), Some(other)) => Some(one.min(other)),
                    (one, other) => one.or(other),
                };
            }
        }
    }
    flows.into_values().collect()
}

/// The same as rows of `flows`.
pub(super) fn flows_of(open: &[Open]) -> Vec<Flow> {
    let flows = open_flows(open).into_iter().map(|open| Flow {
        kind: open.kind,
        last_done_at: None,
        waiting: open.waiting,
        delivering: open.delivering,
        dead: open.dead,
        waiting_since: open.waiting_since,
        counted_at: None,
    });
    flows.collect()
}

/// What ended in the last day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LastDay {
    /// Operations of each kind that were carried out, given up or merged into others.
    pub completed: BTreeMap<String, i64>,
    /// Operations of each kind that were carried out.
    pub succeeded: BTreeMap<String, i64>,
    /// Operations of each kind that became dead letters and still are.
    pub died: BTreeMap<String, i64>,
}

/// What ended in the last day.
///
/// # Errors
/// Whatever the database says.
pub async fn last_day(conn: &mut Conn, now: Ts) -> Result<LastDay, DbError> {
    let since = now.before(Duration::from_secs(24 * 3_600));
    let mut day = LastDay {
        died: flow_figures::died(conn, since, COUNTED + 1)
            .await?
            .into_iter()
            .collect(),
        ..LastDay::default()
    };
    let finished = flow_figures::finished(conn, since, COUNTED + 1).await?;
    let looked_at: i64 = finished.iter().map(|finished| finished.operations).sum();
    if looked_at <= COUNTED {
        count_finished(&mut day, finished);
        return Ok(day);
    }
    for figures in flow_figures::since(conn, since).await? {
        if figures.done > 0 {
            day.completed.insert(figures.kind.clone(), figures.done);
            day.succeeded.insert(figures.kind, figures.done);
        }
    }
    Ok(day)
}

fn count_finished(day: &mut LastDay, finished: Vec<Finished>) {
    for finished in finished {
        if finished.carried_out {
            *day.succeeded.entry(finished.kind.clone()).or_default() += finished.operations;
        }
        *day.completed.entry(finished.kind).or_default() += finished.operations;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(kind: &str, status: &str, dead: bool, operations: i64, oldest: i64) -> Open {
        Open {
            kind: kind.into(),
            status: status.into(),
            dead,
            operations,
            oldest: Some(Ts::from_micros(oldest)),
        }
    }

    #[test]
    fn what_waits_for_its_next_attempt_waits_and_is_failing() {
        let flows = open_flows(&[
            open("note.create", "FAILED", false, 2, 50),
            open("note.create", "FAILED", true, 3, 10),
            open("note.create", "PENDING", false, 4, 70),
            open("note.create", "PROCESSING", false, 1, 20),
        ]);
        let note = OpenFlow {
            kind: "note.create".into(),
            waiting: 6,
            failing: 2,
            delivering: 1,
            dead: 3,
            waiting_since: Some(Ts::from_micros(50)),
        };
        assert_eq!(flows, [note]);
    }
}
