//! apalis with apalis-postgres as a contestant.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use apalis::prelude::*;
use apalis_postgres::{Config, PostgresStorage};
use futures::future::try_join_all;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::failure::Failure;
use crate::task::{Produce, Work};
use crate::wire::{self, Wire};

/// Also the job type of the history.
pub(crate) const QUEUE: &str = "jobs";
/// As many as the other peers have.
const CONNECTIONS: u32 = 10;
/// Jobs that are fetched, and acknowledged, at once.
const BATCH: usize = 32;

async fn pool(url: &str) -> Result<PgPool, Failure> {
    Ok(PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .min_connections(2)
        .connect(url)
        .await?)
}

fn storage(pool: &PgPool) -> PostgresStorage<u64> {
    let config = Config::default().queue(QUEUE).batch_size(BATCH);
    PostgresStorage::new(pool).with_config(config)
}

/// Makes the tables.
pub(crate) async fn reset(url: &str) -> Result<(), Failure> {
    let pool = pool(url).await?;
    PostgresStorage::setup(&pool).await?;
    pool.close().await;
    Ok(())
}

/// Hands in jobs.
pub(crate) async fn produce(url: &str, task: Produce) -> Result<(), Failure> {
    let pool = pool(url).await?;
    let wire = Wire::ready().await?;
    let started = Instant::now();
    let left = Arc::new(AtomicU64::new(task.jobs));
    let callers = (0..task.callers).map(|_| {
        let (mut storage, left) = (storage(&pool), left.clone());
        tokio::spawn(async move {
            while let Some(size) = task.take(&left) {
                let pushed = match size {
                    1 => storage.push(1_234_567).await,
                    size => storage.push_bulk((0..size).collect()).await,
                };
                pushed.map_err(|error| Failure::new(error.to_string()))?;
            }
            Ok::<_, Failure>(())
        })
    });
    for ended in try_join_all(callers).await? {
        ended?;
    }
    wire::took(started.elapsed());
    drop(wire);
    pool.close().await;
    Ok(())
}

/// Works off what is there.
pub(crate) async fn work(url: &str, task: Work) -> Result<(), Failure> {
    let pool = pool(url).await?;
    let wire = Wire::ready().await?;
    let finished = wire::counter();
    let cost = Duration::from_millis(task.cost);
    let job = move |_: u64| {
        let finished = finished.clone();
        async move {
            if !cost.is_zero() {
                tokio::time::sleep(cost).await;
            }
            finished.fetch_add(1, Ordering::Relaxed);
            Ok::<(), BoxDynError>(())
        }
    };
    let worker = WorkerBuilder::new(format!("worker-{}", std::process::id()))
        .backend(storage(&pool).poll_with_interval(Duration::from_millis(20)))
        .concurrency(task.concurrency)
        .build(job);
    let working = tokio::spawn(worker.run());
    wire.ended().await?;
    working.abort();
    Ok(())
}
