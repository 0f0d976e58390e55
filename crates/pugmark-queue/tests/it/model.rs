//! Random schedules, on the real queue and on a model that keeps everything in a list; after each step both must be alike.

mod reference;

use std::collections::HashMap;

use futures::FutureExt;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use pugmark_queue::db::DbError;
use pugmark_queue::*;
use serde_json::json;

use crate::harness::*;
use reference::{Model, Row, State};

/// Long enough for every backoff and every lease to be over.
pub(crate) const LEAP: u64 = 1000;

#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    Done,
    Counted,
    Refused,
    Unavailable,
    Unknown,
    Blocked,
    HandBack,
    Later,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// A state operation (`keyed`) or an event on one of three lanes.
    Enqueue {
        lane: u8,
        keyed: bool,
        kind: u8,
    },
    Claim {
        limit: u8,
    },
    /// A worker reports on one of the attempts it holds, whether or not the lease was taken away meanwhile.
    End {
        attempt: u8,
        how: End,
    },
    /// Reports the same again.
    Again {
        attempt: u8,
    },
    /// Time passes: all backoffs end, all leases run out.
    Leap,
    Sweep,
    Retry {
        row: u8,
    },
    Discard {
        row: u8,
    },
    Pause {
        kind: u8,
    },
    Resume {
        kind: u8,
    },
    Unblock,
}

fn step() -> impl Strategy<Value = Step> {
    let how = prop_oneof![
        3 => Just(End::Done),
        3 => Just(End::Counted),
        1 => Just(End::Refused),
        2 => Just(End::Unavailable),
        3 => Just(End::Unknown),
        1 => Just(End::Blocked),
        1 => Just(End::HandBack),
        1 => Just(End::Later),
    ];
    prop_oneof![
        6 => (0..3u8, prop::bool::weighted(0.7), 0..2u8).prop_map(|(lane, keyed, kind)| Step::Enqueue { lane, keyed, kind }),
        5 => (1..4u8).prop_map(|limit| Step::Claim { limit }),
        6 => (any::<u8>(), how).prop_map(|(attempt, how)| Step::End { attempt, how }),
        1 => any::<u8>().prop_map(|attempt| Step::Again { attempt }),
        4 => Just(Step::Leap),
        2 => Just(Step::Sweep),
        2 => any::<u8>().prop_map(|row| Step::Retry { row }),
        1 => any::<u8>().prop_map(|row| Step::Discard { row }),
        1 => (0..2u8).prop_map(|kind| Step::Pause { kind }),
        1 => (0..2u8).prop_map(|kind| Step::Resume { kind }),
        1 => Just(Step::Unblock),
    ]
}

fn kind_name(kind: u8) -> String {
    format!("kind.{kind}")
}

/// The real queue and the model, side by side.
struct Pair<'a> {
    real: &'a Harness,
    model: Model,
    ids: Vec<OperationId>,
    /// Every lease ever given: the row in the model, the number of its attempt there, and the real lease.
    leases: Vec<(usize, u32, Lease)>,
    last_end: HashMap<usize, End>,
}

impl<'a> Pair<'a> {
    fn new(real: &'a Harness) -> Self {
        Self {
            real,
            model: Model::default(),
            ids: Vec::new(),
            leases: Vec::new(),
            last_end: HashMap::new(),
        }
    }

    fn index_of(&self, id: OperationId) -> usize {
        self.ids
            .iter()
            .position(|known| *known == id)
            .expect("an operation the model knows")
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Enqueue { lane, keyed, kind } => self.enqueue(lane, keyed, kind).await,
            Step::Claim { limit } => self.claim(limit).await,
            Step::End { attempt, how } => self.end(attempt, how).await,
            Step::Again { attempt } => self.again(attempt).await,
            Step::Leap => {
                self.real
                    .clock
                    .advance(SECOND * u32::try_from(LEAP).unwrap());
                self.model.leap();
            }
            Step::Sweep => {
                let reclaimed = self.real.queue.reclaim_expired().await.unwrap();
                assert_eq!(reclaimed.leases, self.model.sweep());
            }
            Step::Retry { row } => self.retry(row).await,
            Step::Discard { row } => self.discard(row).await,
            Step::Pause { kind } => {
                self.real.queue.pause(&kind_name(kind), "p").await.unwrap();
                self.model.paused.insert(kind);
            }
            Step::Resume { kind } => {
                assert_eq!(
                    self.real.queue.resume(&kind_name(kind)).await.unwrap(),
                    self.model.paused.remove(&kind)
                );
            }
            Step::Unblock => assert_eq!(self.real.unblock("the link").await, self.model.unblock()),
        }
    }

    async fn enqueue(&mut self, lane: u8, keyed: bool, kind: u8) {
        let version = self.model.next_version();
        let operation = NewOperation {
            kind: kind_name(kind),
            coalesce_key: keyed.then(|| "key".to_owned()),
            payload: json!(version),
            correlation_id: format!("request {version}"),
            ..event(&lane.to_string())
        };
        let real = self.real.enqueue(operation).await;
        match self.model.enqueue(lane, keyed, kind, version) {
            None => {
                let Enqueued::New(id) = real else {
                    panic!("{real:?} instead of a new operation")
                };
                self.ids.push(id);
            }
            Some(into) => assert_eq!(
                real,
                Enqueued::Coalesced {
                    into: self.ids[into]
                }
            ),
        }
    }

    async fn claim(&mut self, limit: u8) {
        let claimable = self.model.claimable();
        let claimed = self.real.claim(u32::from(limit)).await;
        assert_eq!(claimed.len(), claimable.len().min(usize::from(limit)));
        for operation in claimed {
            let row = self.index_of(operation.id);
            assert!(claimable.contains(&row));
            self.check_claimed(&operation, &self.model.rows[row]);
            let attempt = self.model.claim(row);
            self.leases.push((row, attempt, operation.lease));
        }
    }

    fn check_claimed(&self, operation: &Claimed, row: &Row) {
        assert_eq!(operation.earlier_attempts, row.attempts + row.inherited);
        assert_eq!(operation.retry_count, row.retry_count);
        assert_eq!(operation.unknown_at.is_some(), row.unknown.is_some());
        assert_eq!(operation.payload, json!(row.version));
        assert_eq!(operation.kind, kind_name(row.kind));
        let mut real = operation.correlation_ids.clone();
        let mut model: Vec<_> = row
            .requests
            .iter()
            .map(|version| format!("request {version}"))
            .collect();
        real.sort();
        model.sort();
        assert_eq!(real, model);
    }

    async fn end(&mut self, attempt: u8, how: End) {
        if self.leases.is_empty() {
            return;
        }
        let lease = usize::from(attempt) % self.leases.len();
        if self.last_end.contains_key(&lease) {
            return;
        }
        self.report(lease, how).await;
    }

    async fn again(&mut self, attempt: u8) {
        let mut ended: Vec<_> = self
            .last_end
            .iter()
            .map(|(lease, how)| (*lease, *how))
            .collect();
        ended.sort_by_key(|(lease, _)| *lease);
        let Some((lease, how)) = ended
            .get(usize::from(attempt) % ended.len().max(1))
            .copied()
        else {
            return;
        };
        let (_, _, held) = self.leases[lease].clone();
        match how {
            End::Done => assert_eq!(
                self.real.complete(&held).await.unwrap(),
                Transition::Repeated
            ),
            other => assert_eq!(
                self.real.release(&held, release(other)).await.unwrap(),
                Released::Repeated
            ),
        }
    }

    async fn report(&mut self, lease: usize, how: End) {
        let (row, attempt, held) = self.leases[lease].clone();
        let real = match how {
            End::Done => self.real.complete(&held).await.map(|_| ()),
            End::HandBack | End::Blocked | End::Later => self
                .real
                .release_with(&held, release(how), nothing_sent())
                .await
                .map(|_| ()),
            other => self.real.release(&held, release(other)).await.map(|_| ()),
        };
        if self.model.holds(row, attempt) {
            real.unwrap();
            self.model.end(row, how);
            self.last_end.insert(lease, how);
        } else {
            assert!(
                matches!(real, Err(QueueError::LeaseLost(_))),
                "a stale report: {real:?}"
            );
        }
    }

    async fn retry(&mut self, row: u8) {
        let Some(row) = self.model.pick(row) else {
            return;
        };
        let real = self.real.queue.retry(self.ids[row], "p", "w").await;
        match self.model.retry(row) {
            Ok(worker) => assert_eq!(real.unwrap(), self.ids[worker]),
            Err(state) => self.check_refusal(real.map(|_| ()), state),
        }
    }

    async fn discard(&mut self, row: u8) {
        let Some(row) = self.model.pick(row) else {
            return;
        };
        let real = self.real.queue.discard(self.ids[row], "p", "w").await;
        match self.model.discard(row) {
            Ok(()) => real.unwrap(),
            Err(state) => self.check_refusal(real, state),
        }
    }

    fn check_refusal(&self, real: Result<(), QueueError>, state: State) {
        match state {
            State::Processing => assert!(matches!(real, Err(QueueError::Running(_))), "{real:?}"),
            _ => assert!(matches!(real, Err(QueueError::Finished(_))), "{real:?}"),
        }
    }

    /// The whole table against the whole model.
    async fn compare(&self) {
        let page = self
            .real
            .queue
            .list(&Filter {
                limit: 10_000,
                ..Filter::default()
            })
            .await
            .unwrap();
        assert_eq!(page.operations.len(), self.model.rows.len());
        for real in page.operations {
            let index = self.index_of(real.id);
            let model = &self.model.rows[index];
            let seen = (real.status, real.failed_for_good(), real.head);
            assert_eq!(
                seen,
                (
                    model.status(),
                    model.state == State::Dead,
                    self.model.is_head(index)
                ),
                "row {index} {model:?}"
            );
            let counts = (
                real.retry_count,
                real.attempts,
                real.inherited_attempts,
                real.deferrals,
            );
            let count = |n: u32| i32::try_from(n).unwrap();
            let expected = (
                model.retry_count,
                model.attempts,
                model.inherited,
                model.deferrals,
            );
            let expected = (
                count(expected.0),
                count(expected.1),
                count(expected.2),
                count(expected.3),
            );
            assert_eq!(counts, expected, "row {index} {model:?}");
            assert_eq!(
                real.superseded_by,
                model.superseded_by.map(|by| self.ids[by]),
                "row {index} {model:?}"
            );
            assert_eq!(
                real.unknown_at.is_some(),
                model.unknown.is_some(),
                "row {index} {model:?}"
            );
            assert_eq!(
                real.blocked_by.is_some(),
                model.blocked,
                "row {index} {model:?}"
            );
            if model.is_waiting() {
                assert_eq!(
                    real.next_attempt_at <= self.real.now(),
                    model.due,
                    "row {index} {model:?}"
                );
            }
        }
    }
}

fn release(how: End) -> Release {
    match how {
        End::Done | End::HandBack => Release::HandBack,
        End::Counted => counted(),
        End::Refused => refused(),
        End::Unavailable => unavailable(),
        End::Unknown => unknown(),
        End::Blocked => Release::Blocked {
            by: "the link".to_owned(),
            recheck_after: 500 * SECOND,
        },
        End::Later => Release::Later {
            not_before: (500 * SECOND).into(),
            code: "WAIT".to_owned(),
            message: String::new(),
        },
    }
}

async fn empty(t: &Harness) {
    let tables = "DELETE FROM vtiger_sync_queue; DELETE FROM vtiger_sync_attempts; DELETE FROM vtiger_sync_correlations; \
                  DELETE FROM queue_lanes; DELETE FROM queue_pauses";
    t.queue
        .db()
        .write("empty", move |conn| {
            async move {
                on!(conn, |c| sqlx::raw_sql(tables).execute(c).await.map(drop))?;
                Ok::<_, DbError>(())
            }
            .boxed()
        })
        .await
        .unwrap();
}

async fn play(real: &Harness, steps: Vec<Step>) {
    empty(real).await;
    let mut pair = Pair::new(real);
    for step in steps {
        pair.take(step).await;
        pair.compare().await;
    }
}

/// As many cases as proptest is told to run (`PROPTEST_CASES`), divided by `share`.
fn explore(share: u32, open: impl AsyncFnOnce() -> Option<Harness>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let Some(real) = runtime.block_on(open()) else {
        return;
    };
    let config = Config {
        cases: Config::default().cases / share,
        failure_persistence: None,
        max_shrink_iters: 400,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&prop::collection::vec(step(), 1..80), |steps| {
        runtime.block_on(play(&real, steps));
        Ok::<(), TestCaseError>(())
    });
    runtime.block_on(async move { drop(real) });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

mod sqlite {
    use super::*;

    #[test]
    fn any_schedule_ends_as_the_model_says() {
        explore(1, async || Some(Harness::sqlite().await));
    }
}

mod postgres {
    use super::*;

    #[test]
    fn any_schedule_ends_as_the_model_says() {
        explore(4, async || Harness::postgres().await);
    }
}
