//! The retry sweep finds what nobody was woken for.

use std::time::Duration;

use pugmark::app::{self, Roles};
use pugmark::schedule::retry_sweep;
use pugmark_queue::db::Engine;

use crate::harness::{World, eventually, on_both_databases};

on_both_databases!(
    an_operation_made_due_by_plain_sql_is_found_noted_and_woken_for,
    the_scheduler_sweeps_by_itself_and_notes_it,
);

async fn an_operation_made_due_by_plain_sql_is_found_noted_and_woken_for(world: World) {
    // Nothing is delivered, so that what is due stays due.
    let mut settings = world.settings.clone();
    settings.crm.as_mut().expect("a CRM").enabled = false;
    let roles = Roles {
        api: false,
        worker: true,
        scheduler: false,
    };
    let running = app::start(settings, roles).await.expect("it starts");
    let program = world.other_program().await;
    program.insert_customer("Otieno").await;
    eventually("an operation", || async {
        (program.count("vtiger_sync_queue").await == 1).then_some(())
    })
    .await;
    let (later, long_ago) = match program.engine() {
        Engine::Sqlite => (
            "next_attempt_at + 86400000000",
            "next_attempt_at - 2 * 86400000000",
        ),
        Engine::Postgres => (
            "next_attempt_at + interval '1 day'",
            "next_attempt_at - interval '2 days'",
        ),
    };
    program
        .sql(format!(
            "UPDATE vtiger_sync_queue SET next_attempt_at = {later}"
        ))
        .await;
    let first = retry_sweep::sweep(&running.db, &running.queue)
        .await
        .expect("it sweeps");
    assert_eq!((first.due.len(), first.overdue()), (0, 0));
    // Whatever was enqueued before has woken already.
    drop(tokio::time::timeout(Duration::ZERO, running.queue.waker().woken()).await);

    program
        .sql(format!(
            "UPDATE vtiger_sync_queue SET next_attempt_at = {long_ago}"
        ))
        .await;
    let second = retry_sweep::sweep(&running.db, &running.queue)
        .await
        .expect("it sweeps");
    assert_eq!(second.due[0].kind, "customer.create");
    assert_eq!((second.due[0].operations, second.overdue()), (1, 1));
    let woken = tokio::time::timeout(Duration::ZERO, running.queue.waker().woken()).await;
    assert!(woken.is_ok(), "the workers were woken");
    let mut conn = running.db.read().await.expect("a connection");
    let noted = retry_sweep::last(&mut conn)
        .await
        .expect("the store answers");
    assert_eq!(noted, Some(second));
    drop(conn);
    running.shutdown().await;
}

async fn the_scheduler_sweeps_by_itself_and_notes_it(world: World) {
    let running = world.start().await;
    eventually("the first sweep", || async {
        let mut conn = running.db.read().await.expect("a connection");
        retry_sweep::last(&mut conn)
            .await
            .expect("the store answers")
    })
    .await;
    running.shutdown().await;
}
