//! What becomes of leases: renewed, lost, left behind.

use super::*;

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

conformance!(
    the_lease_of_a_long_operation_is_renewed,
    a_handler_learns_that_its_lease_was_lost_and_what_it_reports_changes_nothing,
    a_worker_sweeps_up_what_a_dead_one_left,
);
