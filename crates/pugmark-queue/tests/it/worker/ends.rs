//! How operations end: effects with the completion, collisions, panics.

use super::*;

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

conformance!(
    effects_are_committed_with_the_completion,
    effects_the_database_refuses_leave_an_unknown_outcome_not_a_lost_operation,
    effects_of_an_end_that_was_stored_before_are_not_repeated,
    a_collision_while_storing_the_end_is_overcome,
    a_handler_that_panics_leaves_an_unknown_outcome,
);
