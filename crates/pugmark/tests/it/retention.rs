//! What is older than it is kept goes, all of it, however little goes at a time; what somebody still has to decide about stays.

use std::time::Duration;

use pugmark::schedule::retention::{Removed, Retention, remove_old};
use pugmark_queue::db::Ts;
use pugmark_queue::{Queue, QueueOptions};
use tokio_util::sync::CancellationToken;

use crate::harness::{World, on_both_databases};

on_both_databases!(
    everything_that_is_too_old_goes_in_one_go_batch_by_batch,
    what_is_young_enough_and_what_waits_for_a_person_stays,
    a_shutdown_ends_it_after_the_batch_that_is_under_way,
);

const CUSTOMERS: i64 = 7;

fn keeping(history: Duration) -> Retention {
    Retention {
        history,
        logs: history,
        deliveries: history,
        forms: history,
        batch: 2,
    }
}

/// Customers that are in the CRM, with the operations that brought them there.
async fn some_history(world: &World) -> Queue {
    let running = world.start().await;
    let program = world.other_program().await;
    for number in 0..CUSTOMERS {
        program.insert_customer(&format!("Otieno{number}")).await;
    }
    program.wait_until_idle().await;
    running.shutdown().await;
    Queue::new(world.store.db().clone(), QueueOptions::default())
}

async fn counts(world: &World) -> [i64; 3] {
    let program = world.other_program().await;
    [
        program.count("vtiger_sync_queue").await,
        program.count("vtiger_sync_attempts").await,
        program.count("change_log").await,
    ]
}

/// Removes what may go at all, a minute from now.
async fn remove_everything(world: &World, queue: &Queue, stopping: &CancellationToken) -> Removed {
    let later = Ts::now().after(Duration::from_secs(60));
    let nothing = keeping(Duration::ZERO);
    remove_old(world.store.db(), queue, &nothing, later, stopping)
        .await
        .expect("the store answers")
}

async fn everything_that_is_too_old_goes_in_one_go_batch_by_batch(world: World) {
    let queue = some_history(&world).await;
    let before = counts(&world).await;
    assert!(before.iter().all(|count| *count >= CUSTOMERS), "{before:?}");
    let removed = remove_everything(&world, &queue, &CancellationToken::new()).await;
    assert_eq!(counts(&world).await, [0, 0, 0]);
    assert_eq!(
        (removed.operations, removed.changes),
        (before[0] as u64, before[2] as u64)
    );
}

async fn what_is_young_enough_and_what_waits_for_a_person_stays(world: World) {
    let queue = some_history(&world).await;
    let before = counts(&world).await;
    let hour = keeping(Duration::from_secs(3600));
    let none = CancellationToken::new();
    let removed = remove_old(world.store.db(), &queue, &hour, Ts::now(), &none)
        .await
        .expect("the store answers");
    assert_eq!(removed, Removed::default());
    assert_eq!(counts(&world).await, before);
    let program = world.other_program().await;
    program
        .sql(
            "UPDATE vtiger_sync_queue SET status = 'FAILED', dead_at = processed_at, processed_at = NULL \
             WHERE lane = (SELECT MAX(lane) FROM vtiger_sync_queue)",
        )
        .await;
    remove_everything(&world, &queue, &none).await;
    let left = program.count("vtiger_sync_queue").await;
    let dead = program
        .count("vtiger_sync_queue WHERE status = 'FAILED'")
        .await;
    assert!(
        left >= 1 && left == dead,
        "{left} left, {dead} of them dead letters"
    );
}

async fn a_shutdown_ends_it_after_the_batch_that_is_under_way(world: World) {
    let queue = some_history(&world).await;
    let stopping = CancellationToken::new();
    stopping.cancel();
    let removed = remove_everything(&world, &queue, &stopping).await;
    assert_eq!((removed.operations, removed.changes), (2, 2));
}
