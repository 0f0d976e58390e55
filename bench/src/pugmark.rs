//! Pugmark's queue as a contestant: its own library, with the options that the application gives it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::try_join_all;
use pugmark_queue::db::{Db, DbOptions, Engine, migrations};
use pugmark_queue::{
    AttemptReport, Claimed, Handled, Handler, NewOperation, OpenGate, Operation, Queue, QueueError,
    QueueOptions, Worker, WorkerOptions,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::failure::Failure;
use crate::task::{Produce, Work};
use crate::wire::{self, Wire};

const KIND: &str = "customer.update";

async fn open(url: &str) -> Result<Queue, Failure> {
    let db = Db::open(url, DbOptions::default()).await?;
    Ok(Queue::new(db, QueueOptions::default()))
}

/// Makes the tables.
pub(crate) async fn reset(url: &str) -> Result<(), Failure> {
    let queue = open(url).await?;
    queue.db().migrate(migrations(Engine::Postgres)).await?;
    queue.db().clone().close().await;
    Ok(())
}

/// Hands in operations, each of a customer of its own. One at a time they are committed in groups, as the application does.
pub(crate) async fn produce(url: &str, task: Produce) -> Result<(), Failure> {
    let queue = open(url).await?;
    drop(queue.db().read().await?);
    let wire = Wire::ready().await?;
    let started = Instant::now();
    let left = Arc::new(AtomicU64::new(task.jobs));
    let callers = (0..task.callers).map(|_| {
        let (queue, left) = (queue.clone(), left.clone());
        tokio::spawn(async move {
            while let Some(size) = task.take(&left) {
                enqueue(&queue, size).await?;
            }
            Ok::<_, QueueError>(())
        })
    });
    for ended in try_join_all(callers).await? {
        ended?;
    }
    wire::took(started.elapsed());
    drop(wire);
    queue.db().clone().close().await;
    Ok(())
}

async fn enqueue(queue: &Queue, operations: u64) -> Result<(), QueueError> {
    let writer = queue.clone();
    queue
        .db()
        .write("peers", move |conn| {
            async move {
                for _ in 0..operations {
                    writer.enqueue(conn, operation()).await?;
                }
                Ok(())
            }
            .boxed()
        })
        .await
}

fn operation() -> NewOperation {
    let customer = Uuid::new_v4().to_string();
    NewOperation {
        coalesce_key: Some(format!("customer:{customer}")),
        payload: json!({ "change": 1_234_567 }),
        ..NewOperation::new(KIND, "customer", &customer, Operation::Update)
    }
}

/// Works off what is there.
pub(crate) async fn work(url: &str, task: Work) -> Result<(), Failure> {
    let queue = open(url).await?;
    drop(queue.db().read().await?);
    let wire = Wire::ready().await?;
    let handler: Arc<dyn Handler> = Arc::new(Job {
        cost: Duration::from_millis(task.cost),
        finished: wire::counter(),
    });
    let options = WorkerOptions {
        concurrency: task.concurrency,
        ..WorkerOptions::default()
    };
    let handlers = HashMap::from([(KIND.to_owned(), handler)]);
    let worker = Worker::new(queue.clone(), handlers, Arc::new(OpenGate), options);
    let stop = CancellationToken::new();
    let working = tokio::spawn(worker.run(stop.clone()));
    wire.ended().await?;
    stop.cancel();
    working.await?;
    queue.db().clone().close().await;
    Ok(())
}

struct Job {
    cost: Duration,
    finished: Arc<AtomicU64>,
}

#[async_trait]
impl Handler for Job {
    async fn run(&self, _operation: &Claimed) -> Handled {
        if !self.cost.is_zero() {
            tokio::time::sleep(self.cost).await;
        }
        self.finished.fetch_add(1, Ordering::Relaxed);
        Handled::Done {
            outcome: Value::Null,
            report: AttemptReport::default(),
            effects: None,
        }
    }
}
