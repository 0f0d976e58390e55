//! How a worker stops: what runs may finish, what was not begun goes back.

use super::*;

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

conformance!(
    a_stopped_worker_lets_running_handlers_finish,
    a_handler_that_outlasts_the_grace_period_leaves_an_unknown_outcome,
    what_was_claimed_but_not_begun_is_handed_back,
);
