use pugmark_queue::db::{StoreLock, StoreLockError};
use pugmark_queue::*;
use serde_json::json;
use tokio::time::Instant;

use crate::harness::*;

async fn a_claim_records_that_an_attempt_began(t: Harness) {
    t.enqueue(event("1")).await;
    let claimed = t.claim_one().await;
    let attempts = t.queue.attempts(claimed.id).await.unwrap();
    assert_eq!(attempts.len(), 1);
    assert_eq!(
        (attempts[0].id, attempts[0].owner.as_str()),
        (claimed.attempt_id, "worker")
    );
    assert_eq!(
        (attempts[0].started_at, attempts[0].ended.clone()),
        (t.now(), None)
    );
    let row = t.get(claimed.id).await;
    assert_eq!((row.status, row.attempts), (Status::Processing, 1));
    assert_eq!(row.lease_expires_at, Some(t.now().after(LEASE)));
    assert_eq!(claimed.earlier_attempts, 0);
}

async fn the_deadline_counts_from_before_the_claim(t: Harness) {
    t.enqueue(event("1")).await;
    let before = Instant::now();
    let claimed = t.claim_one().await;
    let after = Instant::now();
    assert!(claimed.deadline() >= before + LEASE && claimed.deadline() < after + LEASE);
    assert!(claimed.time_left() <= LEASE);
}

async fn a_completed_operation_keeps_its_outcome_and_its_attempt(t: Harness) {
    t.enqueue(event("1")).await;
    let claimed = t.claim_one().await;
    let (queue, lease) = (t.queue.clone(), claimed.lease.clone());
    let report = AttemptReport {
        crm_calls: 2,
        classification: "confirmed".to_owned(),
        request: json!({ "op": "create" }),
        answer: json!({ "id": "12x3" }),
    };
    t.write(move |conn| {
        Box::pin(async move {
            queue
                .complete(conn, &lease, json!({ "id": "12x3" }), report)
                .await
        })
    })
    .await
    .unwrap();
    let row = t.get(claimed.id).await;
    assert_eq!(
        (row.status, row.processed_at, row.head),
        (Status::Completed, Some(t.now()), false)
    );
    assert_eq!(row.outcome.unwrap().0, json!({ "id": "12x3" }));
    assert_eq!(row.lease_owner, None);
    let attempt = t.queue.attempts(claimed.id).await.unwrap().remove(0);
    assert_eq!(
        (attempt.ended.as_deref(), attempt.crm_calls),
        (Some("COMPLETED"), Some(2))
    );
    assert_eq!(attempt.classification.as_deref(), Some("confirmed"));
    assert_eq!(attempt.answer.unwrap().0, json!({ "id": "12x3" }));
    assert!(attempt.duration_us.is_some() && attempt.finished_at.is_some());
}

async fn a_repeated_completion_changes_nothing(t: Harness) {
    t.enqueue(event("1")).await;
    let claimed = t.claim_one().await;
    assert_eq!(
        t.complete(&claimed.lease).await.unwrap(),
        Transition::Applied
    );
    let first = t.get(claimed.id).await;
    t.clock.advance(SECOND);
    assert_eq!(
        t.complete(&claimed.lease).await.unwrap(),
        Transition::Repeated
    );
    assert_eq!(t.get(claimed.id).await.processed_at, first.processed_at);
    assert!(matches!(
        t.release(&claimed.lease, counted()).await,
        Err(QueueError::LeaseLost(_))
    ));
}

async fn a_repeated_release_changes_nothing(t: Harness) {
    t.enqueue(event("1")).await;
    let claimed = t.claim_one().await;
    t.release(&claimed.lease, counted()).await.unwrap();
    let first = t.get(claimed.id).await;
    assert_eq!(
        t.release(&claimed.lease, counted()).await.unwrap(),
        Released::Repeated
    );
    let second = t.get(claimed.id).await;
    assert_eq!(
        (first.retry_count, first.next_attempt_at),
        (second.retry_count, second.next_attempt_at)
    );
}

async fn a_worker_that_lost_its_lease_changes_nothing(t: Harness) {
    t.enqueue(event("1")).await;
    let zombie = t.claim_one().await;
    t.clock.advance(LEASE);
    assert_eq!(t.queue.reclaim_expired().await.unwrap().leases, 1);
    let waiting = t.get(zombie.id).await;
    for _ in 0..2 {
        assert!(
            matches!(t.complete(&zombie.lease).await, Err(QueueError::LeaseLost(id)) if id == zombie.id)
        );
        assert!(matches!(
            t.release(&zombie.lease, refused()).await,
            Err(QueueError::LeaseLost(_))
        ));
        assert!(matches!(
            t.queue.renew(&zombie.lease, LEASE).await,
            Err(QueueError::LeaseLost(_))
        ));
    }
    let still = t.get(zombie.id).await;
    assert_eq!(
        (still.status, still.next_attempt_at),
        (waiting.status, waiting.next_attempt_at)
    );

    t.clock.advance(policy().settle + policy().max_backoff);
    let thief = t.claim_one().await;
    assert_eq!(thief.id, zombie.id);
    assert!(matches!(
        t.complete(&zombie.lease).await,
        Err(QueueError::LeaseLost(_))
    ));
    assert_eq!(t.get(zombie.id).await.status, Status::Processing);
    t.complete(&thief.lease).await.unwrap();
}

async fn an_expired_lease_leaves_an_unknown_outcome(t: Harness) {
    t.enqueue(event("1")).await;
    let lost = t.claim_one().await;
    t.clock.advance(LEASE - SECOND);
    assert_eq!(
        t.queue.reclaim_expired().await.unwrap(),
        Reclaimed::default()
    );
    t.clock.advance(SECOND);
    assert_eq!(t.queue.reclaim_expired().await.unwrap().leases, 1);
    let row = t.get(lost.id).await;
    assert_eq!(
        (row.status, row.unknown_at),
        (Status::Failed, Some(t.now()))
    );
    assert_eq!(row.error_code.as_deref(), Some(codes::LEASE_EXPIRED));
    assert_eq!((row.attempts, row.retry_count), (1, 0));
    assert!(row.next_attempt_at >= t.now().after(policy().settle));
    let attempt = t.queue.attempts(lost.id).await.unwrap().remove(0);
    assert_eq!(
        (attempt.ended.as_deref(), attempt.classification.as_deref()),
        (Some("EXPIRED"), Some("lease_expired"))
    );
    t.clock.advance(policy().settle + policy().max_backoff);
    let again = t.claim_one().await;
    assert_eq!(
        (again.earlier_attempts, again.unknown_at),
        (1, row.unknown_at)
    );
}

async fn a_renewed_lease_is_spared(t: Harness) {
    t.enqueue(event("1")).await;
    let held = t.claim_one().await;
    t.clock.advance(LEASE - SECOND);
    let renewed = t.queue.renew(&held.lease, LEASE).await.unwrap();
    assert_eq!(renewed.expires_at, t.now().after(LEASE));
    assert!(renewed.deadline >= held.lease.deadline);
    t.clock.advance(2 * SECOND);
    assert_eq!(t.queue.reclaim_expired().await.unwrap().leases, 0);
    t.complete(&renewed).await.unwrap();
}

async fn a_lease_that_ran_out_cannot_be_renewed_but_what_was_done_counts(t: Harness) {
    t.enqueue(event("1")).await;
    let held = t.claim_one().await;
    t.clock.advance(LEASE);
    assert!(matches!(
        t.queue.renew(&held.lease, LEASE).await,
        Err(QueueError::LeaseLost(_))
    ));
    assert_eq!(t.complete(&held.lease).await.unwrap(), Transition::Applied);
}

async fn a_wrong_clock_on_a_workers_host_breaks_no_lease(t: Harness) {
    // Without a clock of its own, the queue goes by the database's. Operations of a host whose clock is years behind or ahead
    // are seen by this one as if the clocks agreed, because no instant of the host ever reaches the database.
    let options = QueueOptions {
        policies: Policies::new(policy()),
        seed: Some(1),
        ..QueueOptions::default()
    };
    let queue = Queue::new(t.queue.db().clone(), options);
    let write = queue.clone();
    t.write(move |conn| Box::pin(async move { write.enqueue(conn, event("1")).await }))
        .await
        .unwrap();
    let mut conn = queue.db().read().await.unwrap();
    let before = queue.now(&mut conn).await.unwrap();
    let claimed = queue.claim(request(1)).await.unwrap().remove(0);
    let after = queue.now(&mut conn).await.unwrap();
    drop(conn);
    assert!(
        claimed.lease.expires_at >= before.after(LEASE)
            && claimed.lease.expires_at <= after.after(LEASE)
    );
    assert_eq!(queue.reclaim_expired().await.unwrap().leases, 0);
    // A worker whose own idea of the time is far in the future takes nobody's lease away.
    assert!(queue.claim(request(1)).await.unwrap().is_empty());
    let renewed = queue.renew(&claimed.lease, LEASE).await.unwrap();
    let lease = renewed.clone();
    let write = queue.clone();
    t.write(move |conn| {
        Box::pin(async move { write.complete(conn, &lease, json!(null), sent()).await })
    })
    .await
    .unwrap();
}

conformance!(
    a_claim_records_that_an_attempt_began,
    the_deadline_counts_from_before_the_claim,
    a_completed_operation_keeps_its_outcome_and_its_attempt,
    a_repeated_completion_changes_nothing,
    a_repeated_release_changes_nothing,
    a_worker_that_lost_its_lease_changes_nothing,
    an_expired_lease_leaves_an_unknown_outcome,
    a_renewed_lease_is_spared,
    a_lease_that_ran_out_cannot_be_renewed_but_what_was_done_counts,
    a_wrong_clock_on_a_workers_host_breaks_no_lease,
);

#[tokio::test]
async fn who_holds_the_store_takes_the_leases_of_its_dead_predecessor() {
    let t = Harness::sqlite().await;
    t.enqueue(event("1")).await;
    let held = t.claim_one().await;
    let lock = StoreLock::acquire(&t.test.path().unwrap()).unwrap();
    assert_eq!(
        t.queue
            .reclaim_all_of_dead_process(&lock)
            .await
            .unwrap()
            .leases,
        1
    );
    assert!(matches!(
        t.complete(&held.lease).await,
        Err(QueueError::LeaseLost(_))
    ));
    assert!(t.get(held.id).await.unknown_at.is_some());
}

#[tokio::test]
async fn a_store_is_locked_by_one_and_the_other_learns_by_whom() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store.db");
    let lock = StoreLock::acquire(&store).unwrap();
    let refused = StoreLock::acquire(&store).unwrap_err();
    assert!(
        matches!(&refused, StoreLockError::Held { holder: Some(pid), .. } if *pid == std::process::id())
    );
    assert!(
        refused
            .to_string()
            .contains(&std::process::id().to_string()),
        "{refused}"
    );
    drop(lock);
    StoreLock::acquire(&store).unwrap();
    let nowhere = StoreLock::acquire(&directory.path().join("no/such/folder/x.db")).unwrap_err();
    assert!(matches!(nowhere, StoreLockError::Io { .. }));
}
