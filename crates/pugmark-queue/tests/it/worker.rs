use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use pugmark_queue::db::DbError;
use pugmark_queue::*;
use serde_json::json;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::harness::*;

type Run = dyn Fn(Claimed) -> BoxFuture<'static, Handled> + Send + Sync;

/// A handler made of a closure.
struct Does(Box<Run>);

#[async_trait]
impl Handler for Does {
    async fn run(&self, operation: &Claimed) -> Handled {
        (self.0)(operation.clone()).await
    }
}

fn does<F>(run: impl Fn(Claimed) -> F + Send + Sync + 'static) -> Arc<dyn Handler>
where
    F: Future<Output = Handled> + Send + 'static,
{
    Arc::new(Does(Box::new(move |operation| run(operation).boxed())))
}

fn done() -> Handled {
    Handled::Done {
        outcome: json!("done"),
        report: sent(),
        effects: None,
    }
}

/// A queue that goes by the database's clock, and a worker on it.
struct Bench {
    queue: Queue,
    stop: CancellationToken,
    worker: JoinHandle<()>,
    _home: Harness,
}

/// Looks for nothing by itself, so that what happens is due to what is tested.
fn drowsy() -> WorkerOptions {
    WorkerOptions {
        poll: 3600 * SECOND,
        sweep: 3600 * SECOND,
        ..WorkerOptions::default()
    }
}

fn real_time(t: &Harness) -> Queue {
    let policies = Policies::new(KindPolicy {
        settle: Duration::ZERO,
        base_backoff: Duration::ZERO,
        ..policy()
    });
    Queue::new(
        t.queue.db().clone(),
        QueueOptions {
            policies,
            ..QueueOptions::default()
        },
    )
}

impl Bench {
    fn start(t: Harness, handler: Arc<dyn Handler>, options: WorkerOptions) -> Self {
        let queue = real_time(&t);
        Self::start_on(t, queue, handler, Arc::new(OpenGate), options)
    }

    fn start_on(
        t: Harness,
        queue: Queue,
        handler: Arc<dyn Handler>,
        gate: Arc<dyn Gate>,
        options: WorkerOptions,
    ) -> Self {
        let handlers = HashMap::from([("note.create".to_owned(), handler)]);
        let stop = CancellationToken::new();
        let worker = Worker::new(queue.clone(), handlers, gate, options);
        let worker = tokio::spawn(worker.run(stop.clone()));
        Self {
            queue,
            stop,
            worker,
            _home: t,
        }
    }

    async fn enqueue(&self, operation: NewOperation) -> OperationId {
        enqueue(&self.queue, operation).await
    }

    /// Waits until the operation is as `wanted`.
    async fn until(
        &self,
        id: OperationId,
        wanted: impl Fn(&OperationRecord) -> bool,
    ) -> OperationRecord {
        until(&self.queue, id, wanted).await
    }

    async fn finish(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.worker)
            .await
            .expect("the worker stops")
            .unwrap();
    }
}

async fn enqueue(queue: &Queue, operation: NewOperation) -> OperationId {
    let member = queue.clone();
    let write = queue.db().write("enqueue", move |conn| {
        async move { member.enqueue(conn, operation).await }.boxed()
    });
    write.await.unwrap().id()
}

async fn until(
    queue: &Queue,
    id: OperationId,
    wanted: impl Fn(&OperationRecord) -> bool,
) -> OperationRecord {
    let began = Instant::now();
    loop {
        let row = queue.get(id).await.unwrap().unwrap().asked;
        if wanted(&row) {
            return row;
        }
        assert!(began.elapsed() < PATIENCE, "still {row:?}");
        tokio::task::yield_now().await;
    }
}

fn completed(row: &OperationRecord) -> bool {
    row.status == Status::Completed
}

async fn a_worker_is_woken_by_the_commit_that_stored_the_operation(t: Harness) {
    let bench = Bench::start(t, does(|_| async { done() }), drowsy());
    for n in 0..3 {
        let id = bench.enqueue(event(&n.to_string())).await;
        let row = bench.until(id, completed).await;
        assert_eq!(row.outcome.unwrap().0, json!("done"));
    }
    bench.finish().await;
}

async fn a_lane_is_worked_off_in_order_by_many_hands(t: Harness) {
    let queue = real_time(&t);
    let mut last = HashMap::new();
    for n in 0..60 {
        let lane = (n % 6).to_string();
        last.insert(
            lane.clone(),
            enqueue(
                &queue,
                NewOperation {
                    payload: json!(n),
                    ..event(&lane)
                },
            )
            .await,
        );
    }
    let seen = Arc::new(Mutex::new(HashMap::<String, Vec<i64>>::new()));
    let record = seen.clone();
    let handler = does(move |operation| {
        let record = record.clone();
        async move {
            let n = operation.payload.as_i64().unwrap();
            record
                .lock()
                .unwrap()
                .entry(operation.entity_id)
                .or_default()
                .push(n);
            done()
        }
    });
    let bench = Bench::start_on(
        t,
        queue,
        handler,
        Arc::new(OpenGate),
        WorkerOptions {
            concurrency: 4,
            ..drowsy()
        },
    );
    for id in last.into_values() {
        bench.until(id, completed).await;
    }
    for order in seen.lock().unwrap().values() {
        assert_eq!(order.len(), 10);
        assert!(order.is_sorted(), "{order:?}");
    }
    bench.finish().await;
}

async fn a_worker_sets_its_own_alarm_for_what_is_due_later(t: Harness) {
    let bench = Bench::start(t, does(|_| async { done() }), drowsy());
    let delay = Duration::from_millis(150);
    let id = bench
        .enqueue(NewOperation {
            not_before: Some(delay.into()),
            ..event("1")
        })
        .await;
    let row = bench.until(id, completed).await;
    assert!(row.processed_at.unwrap().since(row.created_at) >= delay);
    bench.finish().await;
}

async fn effects_are_committed_with_the_completion(t: Harness) {
    let handler = does(|_| async {
        let effects = Effects::new(|conn| {
            async move {
                let sql = "INSERT INTO queue_pauses SELECT 'effect', 'handler', created_at FROM vtiger_sync_queue LIMIT 1";
                on!(conn, |c| sqlx::query(sql).execute(c).await.map(drop))?;
                Ok(())
            }
            .boxed()
        });
        Handled::Done {
            outcome: json!("done"),
            report: sent(),
            effects: Some(effects),
        }
    });
    let bench = Bench::start(t, handler, drowsy());
    let id = bench.enqueue(event("1")).await;
    bench.until(id, completed).await;
    assert_eq!(bench.queue.paused().await.unwrap()[0].kind, "effect");
    bench.finish().await;
}

async fn effects_the_database_refuses_leave_an_unknown_outcome_not_a_lost_operation(t: Harness) {
    let handler = does(|_| async {
        let effects = Effects::new(|_| async { Err(DbError::ReadOnly.into()) }.boxed());
        Handled::Done {
            outcome: json!("done"),
            report: sent(),
            effects: Some(effects),
        }
    });
    let bench = Bench::start(t, handler, drowsy());
    let id = bench.enqueue(event("1")).await;
    let row = bench.until(id, |row| row.unknown_at.is_some()).await;
    assert_eq!(row.error_code.as_deref(), Some(codes::NOT_RECORDED));
    bench.finish().await;
}

async fn effects_of_an_end_that_was_stored_before_are_not_repeated(t: Harness) {
    let queue = real_time(&t);
    let (applied, mut applications) = mpsc::unbounded_channel();
    let early = queue.clone();
    let handler = does(move |operation| {
        let (early, applied) = (early.clone(), applied.clone());
        async move {
            // As if the worker's own first commit had gone through and only its answer had been lost.
            let (member, lease) = (early.clone(), operation.lease.clone());
            let write = early.db().write("early", move |conn| {
                async move { member.complete(conn, &lease, json!("early"), sent()).await }.boxed()
            });
            write.await.unwrap();
            let effects = Effects::new(move |_| {
                applied.send(()).ok();
                async { Ok(()) }.boxed()
            });
            Handled::Done {
                outcome: json!("late"),
                report: sent(),
                effects: Some(effects),
            }
        }
    });
    let bench = Bench::start_on(t, queue, handler, Arc::new(OpenGate), drowsy());
    let id = bench.enqueue(event("1")).await;
    let row = bench.until(id, completed).await;
    assert_eq!(row.outcome.unwrap().0, json!("early"));
    bench.finish().await;
    assert_eq!(applications.recv().await, None);
}

async fn a_collision_while_storing_the_end_is_overcome(t: Harness) {
    let tries = Arc::new(Mutex::new(0));
    let handler = does(move |_| {
        let tries = tries.clone();
        let effects = Effects::new(move |_| {
            let mut tries = tries.lock().unwrap();
            *tries += 1;
            let result = if *tries < 3 {
                Err(DbError::Conflict)
            } else {
                Ok(())
            };
            async move { Ok(result?) }.boxed()
        });
        async move {
            Handled::Done {
                outcome: json!("done"),
                report: sent(),
                effects: Some(effects),
            }
        }
    });
    let bench = Bench::start(t, handler, drowsy());
    let id = bench.enqueue(event("1")).await;
    let row = bench.until(id, completed).await;
    assert_eq!(row.attempts, 1);
    bench.finish().await;
}

async fn a_handler_that_panics_leaves_an_unknown_outcome(t: Harness) {
    let handler = does(|operation| async move {
        if operation.earlier_attempts == 0 {
            panic!("on purpose");
        }
        assert!(operation.unknown_at.is_some());
        done()
    });
    let bench = Bench::start(t, handler, drowsy());
    let id = bench.enqueue(event("1")).await;
    bench.until(id, completed).await;
    let attempts = bench.queue.attempts(id).await.unwrap();
    assert_eq!(attempts[0].classification.as_deref(), Some("unknown"));
    assert_eq!(attempts.len(), 2);
    bench.finish().await;
}

async fn a_stopped_worker_lets_running_handlers_finish(t: Harness) {
    let (began, mut begins) = mpsc::unbounded_channel();
    let go = Arc::new(Notify::new());
    let wait = go.clone();
    let handler = does(move |operation| {
        let (began, wait) = (began.clone(), wait.clone());
        async move {
            began.send(operation.id).unwrap();
            wait.notified().await;
            done()
        }
    });
    let bench = Bench::start(
        t,
        handler,
        WorkerOptions {
            concurrency: 1,
            ..drowsy()
        },
    );
    let running = bench.enqueue(event("1")).await;
    let waiting = bench.enqueue(event("2")).await;
    assert_eq!(begins.recv().await, Some(running));
    bench.stop.cancel();
    go.notify_one();
    let queue = bench.queue.clone();
    let home = bench._home;
    tokio::time::timeout(PATIENCE, bench.worker)
        .await
        .unwrap()
        .unwrap();
    assert!(completed(&queue.get(running).await.unwrap().unwrap().asked));
    let left = queue.get(waiting).await.unwrap().unwrap().asked;
    assert_eq!((left.status, left.attempts), (Status::Pending, 0));
    drop(home);
}

async fn a_handler_that_outlasts_the_grace_period_leaves_an_unknown_outcome(t: Harness) {
    let (began, mut begins) = mpsc::unbounded_channel();
    let handler = does(move |operation| {
        let began = began.clone();
        async move {
            began.send(operation.id).unwrap();
            std::future::pending().await
        }
    });
    let bench = Bench::start(
        t,
        handler,
        WorkerOptions {
            grace: Duration::from_millis(10),
            ..drowsy()
        },
    );
    let id = bench.enqueue(event("1")).await;
    begins.recv().await.unwrap();
    let queue = bench.queue.clone();
    bench.stop.cancel();
    tokio::time::timeout(PATIENCE, bench.worker)
        .await
        .unwrap()
        .unwrap();
    let row = queue.get(id).await.unwrap().unwrap().asked;
    assert_eq!(
        (row.status, row.error_code.as_deref()),
        (Status::Failed, Some(codes::SHUTDOWN))
    );
    assert!(row.unknown_at.is_some());
}

/// Stops the worker at the moment it is about to claim.
struct StopsAtTheGate(CancellationToken);

impl Gate for StopsAtTheGate {
    fn held_back(&self) -> Vec<String> {
        self.0.cancel();
        Vec::new()
    }
}

async fn what_was_claimed_but_not_begun_is_handed_back(t: Harness) {
    let queue = real_time(&t);
    let id = enqueue(&queue, event("1")).await;
    let stop = CancellationToken::new();
    let never = does(|_| async { panic!("was begun after the stop") });
    let handlers = HashMap::from([("note.create".to_owned(), never)]);
    let worker = Worker::new(
        queue.clone(),
        handlers,
        Arc::new(StopsAtTheGate(stop.clone())),
        drowsy(),
    );
    tokio::time::timeout(PATIENCE, worker.run(stop))
        .await
        .unwrap();
    let row = queue.get(id).await.unwrap().unwrap().asked;
    assert_eq!(
        (row.status, row.attempts, row.unknown_at),
        (Status::Pending, 0, None)
    );
    assert_eq!(
        queue.attempts(id).await.unwrap()[0]
            .classification
            .as_deref(),
        Some("handed_back")
    );
}

async fn the_lease_of_a_long_operation_is_renewed(t: Harness) {
    let handler = does(|operation| async move {
        let first = operation.deadline();
        while operation.deadline() < first + Duration::from_millis(300) {
            tokio::task::yield_now().await;
        }
        done()
    });
    let options = WorkerOptions {
        lease: Duration::from_millis(600),
        sweep: Duration::from_millis(50),
        ..drowsy()
    };
    let bench = Bench::start(t, handler, options);
    let id = bench.enqueue(event("1")).await;
    let row = bench.until(id, completed).await;
    assert_eq!(row.attempts, 1);
    bench.finish().await;
}

async fn a_handler_learns_that_its_lease_was_lost_and_what_it_reports_changes_nothing(t: Harness) {
    let (began, mut begins) = mpsc::unbounded_channel();
    let handler = does(move |operation| {
        let began = began.clone();
        async move {
            if operation.earlier_attempts > 0 {
                return Handled::Release {
                    why: refused(),
                    report: sent(),
                    effects: None,
                };
            }
            began.send(operation.id).unwrap();
            while operation.time_left() > Duration::ZERO {
                tokio::task::yield_now().await;
            }
            done()
        }
    });
    let bench = Bench::start(
        t,
        handler,
        WorkerOptions {
            lease: 2 * SECOND,
            ..drowsy()
        },
    );
    let id = bench.enqueue(event("1")).await;
    begins.recv().await.unwrap();
    let expire = "UPDATE vtiger_sync_queue SET lease_expires_at = created_at";
    let write = bench.queue.db().write("expire", move |conn| {
        async move {
            on!(conn, |c| sqlx::query(expire).execute(c).await.map(drop))?;
            Ok::<_, DbError>(())
        }
        .boxed()
    });
    write.await.unwrap();
    bench.queue.reclaim_expired().await.unwrap();
    let row = bench.until(id, OperationRecord::is_dead).await;
    assert_eq!((row.attempts, row.error_code.as_deref()), (2, Some("NO")));
    bench.finish().await;
}

async fn a_worker_sweeps_up_what_a_dead_one_left(t: Harness) {
    let queue = real_time(&t);
    let id = enqueue(&queue, event("1")).await;
    let dead = ClaimRequest {
        lease: Duration::from_millis(1),
        ..request(1)
    };
    assert_eq!(queue.claim(dead).await.unwrap().len(), 1);
    let options = WorkerOptions {
        sweep: Duration::from_millis(20),
        ..drowsy()
    };
    let bench = Bench::start_on(
        t,
        queue,
        does(|_| async { done() }),
        Arc::new(OpenGate),
        options,
    );
    let row = bench.until(id, completed).await;
    assert_eq!(row.attempts, 2);
    bench.finish().await;
}

/// Open or closed.
#[derive(Default)]
struct Breaker(Mutex<bool>);

impl Gate for Breaker {
    fn held_back(&self) -> Vec<String> {
        if *self.0.lock().unwrap() {
            vec!["note.create".to_owned()]
        } else {
            Vec::new()
        }
    }
}

async fn an_open_breaker_holds_operations_back_without_an_attempt(t: Harness) {
    let queue = real_time(&t);
    let breaker = Arc::new(Breaker(Mutex::new(true)));
    let handler = does(|_| async { done() });
    let bench = Bench::start_on(t, queue, handler, breaker.clone(), drowsy());
    let id = bench.enqueue(event("1")).await;
    // The worker has looked, and left it, when it no longer answers to the wake-up.
    for _ in 0..50 {
        assert_eq!(
            bench.queue.get(id).await.unwrap().unwrap().asked.attempts,
            0
        );
        tokio::task::yield_now().await;
    }
    *breaker.0.lock().unwrap() = false;
    bench.queue.waker().wake(None);
    assert_eq!(bench.until(id, completed).await.attempts, 1);
    bench.finish().await;
}

async fn a_kind_without_a_handler_waits_for_a_worker_that_has_one(t: Harness) {
    let bench = Bench::start(t, does(|_| async { done() }), drowsy());
    let other = bench
        .enqueue(NewOperation {
            kind: "of another".to_owned(),
            ..event("1")
        })
        .await;
    let mine = bench.enqueue(event("2")).await;
    bench.until(mine, completed).await;
    assert_eq!(
        bench
            .queue
            .get(other)
            .await
            .unwrap()
            .unwrap()
            .asked
            .attempts,
        0
    );
    bench.finish().await;
}

conformance!(
    effects_of_an_end_that_was_stored_before_are_not_repeated,
    a_worker_is_woken_by_the_commit_that_stored_the_operation,
    a_lane_is_worked_off_in_order_by_many_hands,
    a_worker_sets_its_own_alarm_for_what_is_due_later,
    effects_are_committed_with_the_completion,
    effects_the_database_refuses_leave_an_unknown_outcome_not_a_lost_operation,
    a_collision_while_storing_the_end_is_overcome,
    a_handler_that_panics_leaves_an_unknown_outcome,
    a_stopped_worker_lets_running_handlers_finish,
    a_handler_that_outlasts_the_grace_period_leaves_an_unknown_outcome,
    what_was_claimed_but_not_begun_is_handed_back,
    the_lease_of_a_long_operation_is_renewed,
    a_handler_learns_that_its_lease_was_lost_and_what_it_reports_changes_nothing,
    a_worker_sweeps_up_what_a_dead_one_left,
    an_open_breaker_holds_operations_back_without_an_attempt,
    a_kind_without_a_handler_waits_for_a_worker_that_has_one,
);
