//! The worker: what it claims and when, how operations end under it, how it stops, and what becomes of its leases.

mod ends;
mod leases;
mod stopping;

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
    a_worker_is_woken_by_the_commit_that_stored_the_operation,
    a_lane_is_worked_off_in_order_by_many_hands,
    a_worker_sets_its_own_alarm_for_what_is_due_later,
    an_open_breaker_holds_operations_back_without_an_attempt,
    a_kind_without_a_handler_waits_for_a_worker_that_has_one,
);
