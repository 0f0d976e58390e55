//! Several handles on one database at the same time, as several processes have them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt;
use pugmark_queue::db::{Db, DbOptions};
use pugmark_queue::testing::TestDb;
use pugmark_queue::*;
use serde_json::json;

use crate::harness::*;

const LANES: usize = 3;
const EACH: usize = 60;

/// Commits again what was undone by a collision, as every caller of the queue must.
async fn enqueue(queue: &Queue, operation: NewOperation) -> Enqueued {
    loop {
        let (member, operation) = (queue.clone(), operation.clone());
        let write = queue.db().write("enqueue", move |conn| {
            async move { member.enqueue(conn, operation).await }.boxed()
        });
        match write.await {
            Err(error) if error.is_retryable() => tokio::task::yield_now().await,
            other => return other.unwrap(),
        }
    }
}

async fn finish(queue: &Queue, lease: &Lease, fail: bool) {
    loop {
        let (member, lease) = (queue.clone(), lease.clone());
        let write = queue.db().write("finish", move |conn| {
            async move {
                if fail {
                    member
                        .release(conn, &lease, counted(), sent())
                        .await
                        .map(drop)
                } else {
                    member
                        .complete(conn, &lease, json!(null), sent())
                        .await
                        .map(drop)
                }
            }
            .boxed()
        });
        match write.await {
            Err(error) if error.is_retryable() => tokio::task::yield_now().await,
            other => return other.unwrap(),
        }
    }
}

async fn produce(queue: Queue, producer: usize) {
    for n in 0..EACH {
        let lane = (n % LANES).to_string();
        let operation = if n % 2 == 0 {
            event(&lane)
        } else {
            state(&lane, json!(n))
        };
        let operation = NewOperation {
            correlation_id: format!("{producer}/{n}"),
            ..operation
        };
        enqueue(
            &queue,
            NewOperation {
                lane: format!("lane {lane}"),
                ..operation
            },
        )
        .await;
    }
}

/// Works until everything is finished, and sees to it that no lane is ever worked on twice at once.
async fn consume(queue: Queue, busy: Arc<HashMap<String, AtomicUsize>>, all_in: Arc<AtomicUsize>) {
    let mut turn = 0;
    loop {
        let no_more_to_come = all_in.load(Ordering::SeqCst) == 0;
        let claimed = queue.claim(request(2)).await.unwrap();
        if claimed.is_empty() && no_more_to_come && queue.counts().await.unwrap().is_empty() {
            return;
        }
        for operation in claimed {
            assert_eq!(
                busy[&operation.lane].fetch_add(1, Ordering::SeqCst),
                0,
                "two at once in {}",
                operation.lane
            );
            turn += 1;
            tokio::task::yield_now().await;
            assert_eq!(busy[&operation.lane].fetch_sub(1, Ordering::SeqCst), 1);
            finish(
                &queue,
                &operation.lease,
                turn % 5 == 0 && operation.retry_count == 0,
            )
            .await;
        }
        tokio::task::yield_now().await;
    }
}

async fn work_together(databases: Vec<Db>) {
    let impatient = KindPolicy {
        base_backoff: std::time::Duration::ZERO,
        ..policy()
    };
    let queues: Vec<_> = databases
        .iter()
        .map(|db| {
            let options = QueueOptions {
                policies: Policies::new(impatient),
                ..QueueOptions::default()
            };
            Queue::new(db.clone(), options)
        })
        .collect();
    let busy = Arc::new(
        (0..LANES)
            .map(|lane| (format!("lane {lane}"), AtomicUsize::new(0)))
            .collect(),
    );
    let all_in = Arc::new(AtomicUsize::new(queues.len()));
    let mut tasks = tokio::task::JoinSet::new();
    for (producer, queue) in queues.iter().enumerate() {
        let (queue, waiting) = (queue.clone(), all_in.clone());
        tasks.spawn(async move {
            produce(queue, producer).await;
            waiting.fetch_sub(1, Ordering::SeqCst);
        });
    }
    for queue in &queues {
        tasks.spawn(consume(queue.clone(), Arc::clone(&busy), all_in.clone()));
    }
    tokio::time::timeout(4 * PATIENCE, async {
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
    })
    .await
    .expect("no lane is ever stuck");
    for producer in 0..queues.len() {
        for n in 0..EACH {
            let answered = queues[0]
                .find_by_correlation(&format!("{producer}/{n}"))
                .await
                .unwrap();
            assert!(
                answered.iter().any(|row| row.status == Status::Completed),
                "request {producer}/{n} got lost"
            );
        }
    }
}

mod sqlite {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn many_tasks_share_a_queue_and_nothing_is_lost_or_stuck() {
        let test = TestDb::sqlite().await;
        work_together(vec![
            test.db().clone(),
            test.db().clone(),
            test.db().clone(),
        ])
        .await;
    }
}

mod postgres {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn many_processes_share_a_queue_and_nothing_is_lost_or_stuck() {
        let Some(test) = TestDb::postgres().await else {
            return;
        };
        let options = DbOptions {
            committers: 2,
            ..DbOptions::default()
        };
        let mut databases = vec![test.db().clone()];
        for _ in 0..2 {
            databases.push(Db::open(test.url(), options.clone()).await.unwrap());
        }
        work_together(databases).await;
    }

    #[tokio::test]
    async fn of_two_changes_at_once_the_one_that_commits_first_comes_first() {
        let Some(test) = TestDb::postgres().await else {
            return;
        };
        let other = Db::open(test.url(), DbOptions::default()).await.unwrap();
        let t = Harness::over(test);
        let (stored, wait) = tokio::sync::oneshot::channel();
        let (go, held) = tokio::sync::oneshot::channel::<()>();
        let queue = t.queue.clone();
        let slow = t.queue.db().write("slow", move |conn| {
            async move {
                let first = queue.enqueue(conn, event("1")).await?;
                stored.send(()).ok();
                held.await.ok();
                Ok::<_, QueueError>(first.id())
            }
            .boxed()
        });
        wait.await.unwrap();
        // It has its number, but is not committed; whoever comes now must not overtake it, and waits.
        let second = Queue::new(other.clone(), QueueOptions::default());
        let quick = tokio::spawn(async move { enqueue(&second, event("1")).await.id() });
        let waits = "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() \
                     AND wait_event_type = 'Lock')";
        let mut conn = t.queue.db().read().await.unwrap();
        while !on!(&mut conn, |c| sqlx::query_scalar::<_, bool>(waits)
            .fetch_one(c)
            .await)
        .unwrap()
        {}
        go.send(()).unwrap();
        let (first, second) = (slow.await.unwrap(), quick.await.unwrap());
        assert!(t.get(first).await.lane_seq < t.get(second).await.lane_seq);
        assert_eq!(
            (t.get(first).await.head, t.get(second).await.head),
            (true, false)
        );
        other.close().await;
    }
}
