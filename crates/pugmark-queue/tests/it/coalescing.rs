use pugmark_queue::*;
use serde_json::json;

use crate::harness::*;

async fn two_changes_that_wait_become_one_with_the_newer_payload(t: Harness) {
    let first = t.enqueue(state("1", json!({ "v": 1 }))).await;
    let newer = NewOperation {
        operation: Operation::Delete,
        kind: "customer.mark".to_owned(),
        priority: Priority::High,
        correlation_id: "second".to_owned(),
        ..state("1", json!({ "v": 2 }))
    };
    assert_eq!(
        t.enqueue(newer).await,
        Enqueued::Coalesced { into: first.id() }
    );

    let claimed = t.claim_one().await;
    assert_eq!(claimed.payload, json!({ "v": 2 }));
    assert_eq!(
        (claimed.kind.as_str(), claimed.operation),
        ("customer.mark", Operation::Delete)
    );
    assert_eq!(claimed.priority, Priority::High);
    assert_eq!(claimed.correlation_ids.len(), 2);
    assert_eq!(claimed.correlation_ids[1], "second");
    let found = t.queue.find_by_correlation("second").await.unwrap();
    assert_eq!(
        found.iter().map(|row| row.id).collect::<Vec<_>>(),
        [first.id()]
    );
}

async fn an_update_leaves_a_waiting_create_a_create(t: Harness) {
    let create = NewOperation {
        kind: "customer.create".to_owned(),
        operation: Operation::Create,
        ..state("1", json!(1))
    };
    t.enqueue(create).await;
    t.enqueue(state("1", json!(2))).await;

    let claimed = t.claim_one().await;
    assert_eq!(
        (claimed.kind.as_str(), claimed.operation),
        ("customer.create", Operation::Create)
    );
    assert_eq!(claimed.payload, json!(2));
}

async fn a_lower_priority_does_not_slow_down_what_waits(t: Harness) {
    t.enqueue(NewOperation {
        priority: Priority::Urgent,
        ..state("1", json!(1))
    })
    .await;
    t.enqueue(NewOperation {
        priority: Priority::Low,
        ..state("1", json!(2))
    })
    .await;
    assert_eq!(t.claim_one().await.priority, Priority::Urgent);
}

async fn what_runs_is_never_merged_into(t: Harness) {
    let first = t.enqueue(state("1", json!(1))).await;
    let running = t.claim_one().await;
    let second = t.enqueue(state("1", json!(2))).await;
    assert!(matches!(second, Enqueued::New(_)));
    assert_eq!(
        t.enqueue(state("1", json!(3))).await,
        Enqueued::Coalesced { into: second.id() }
    );

    assert!(t.claim(10).await.is_empty(), "the lane is taken");
    t.complete(&running.lease).await.unwrap();
    let next = t.claim_one().await;
    assert_eq!(next.id, second.id());
    assert_eq!(next.payload, json!(3));
    assert_eq!(
        next.earlier_attempts, 0,
        "the first one was confirmed, so nothing is left open"
    );
    assert_eq!(t.get(first.id()).await.status, Status::Completed);
}

async fn a_stream_of_changes_does_not_postpone_for_ever(t: Harness) {
    let delayed = |v: i32| NewOperation {
        not_before: Some((2 * SECOND).into()),
        ..state("1", json!(v))
    };
    let first = t.enqueue(delayed(1)).await;
    let due = t.get(first.id()).await.next_attempt_at;
    t.clock.advance(SECOND);
    t.enqueue(delayed(2)).await;
    assert_eq!(t.get(first.id()).await.next_attempt_at, due);
    t.clock.advance(SECOND);
    assert_eq!(t.claim_one().await.payload, json!(2));
}

async fn an_urgent_change_moves_a_waiting_one_forward(t: Harness) {
    t.enqueue(NewOperation {
        not_before: Some((100 * SECOND).into()),
        ..state("1", json!(1))
    })
    .await;
    assert!(t.claim(10).await.is_empty());
    t.enqueue(state("1", json!(2))).await;
    assert_eq!(t.claim_one().await.payload, json!(2));
}

async fn a_change_does_not_break_the_backoff_of_what_failed(t: Harness) {
    t.enqueue(state("1", json!(1))).await;
    let running = t.claim_one().await;
    let Released::Waiting { until } = t.release(&running.lease, counted()).await.unwrap() else {
        panic!()
    };
    assert!(until > t.now());
    let merged = t.enqueue(state("1", json!(2))).await;
    assert_eq!(merged, Enqueued::Coalesced { into: running.id });
    assert_eq!(t.get(running.id).await.next_attempt_at, until);
}

async fn a_change_does_not_hurry_what_was_put_off(t: Harness) {
    t.enqueue(state("1", json!(1))).await;
    let running = t.claim_one().await;
    let why = Release::Later {
        not_before: (40 * SECOND).into(),
        code: "SETTLING".to_owned(),
        message: String::new(),
    };
    t.release_with(&running.lease, why, nothing_sent())
        .await
        .unwrap();
    t.enqueue(state("1", json!(2))).await;
    assert_eq!(
        t.get(running.id).await.next_attempt_at,
        t.now().after(40 * SECOND)
    );
}

async fn a_retry_merges_into_the_newer_one_and_hands_on_its_history(t: Harness) {
    let old = t
        .enqueue(NewOperation {
            correlation_id: "old".to_owned(),
            ..state("1", json!(1))
        })
        .await;
    t.enqueue(NewOperation {
        correlation_id: "old too".to_owned(),
        ..state("1", json!(1))
    })
    .await;
    let queued = t.get(old.id()).await;
    let running = t.claim_one().await;
    t.clock.advance(SECOND);
    let newer = t
        .enqueue(NewOperation {
            correlation_id: "new".to_owned(),
            ..state("1", json!(2))
        })
        .await;
    let behind = t.enqueue(event("1")).await;

    assert_eq!(
        t.release(&running.lease, unknown()).await.unwrap(),
        Released::Superseded { by: newer.id() }
    );

    let found = t.queue.get(old.id()).await.unwrap().unwrap();
    assert_eq!(found.asked.status, Status::Completed);
    assert_eq!(
        found.asked.outcome.as_ref().unwrap().0["result"],
        "superseded"
    );
    assert_eq!(found.asked.superseded_by, Some(newer.id()));
    let heir = found.current().clone();
    assert_eq!(heir.id, newer.id());
    assert_eq!(heir.unknown_at, Some(t.now()));
    assert_eq!(
        (heir.attempts, heir.inherited_attempts, heir.deferrals),
        (0, 1, 1)
    );
    assert_eq!(heir.first_queued_at, queued.first_queued_at);
    assert_eq!((heir.lane_seq, heir.head), (queued.lane_seq, true));
    assert!(
        heir.next_attempt_at >= t.now().after(policy().settle),
        "it waits as long as the old one would have"
    );

    t.clock.advance(policy().settle + policy().max_backoff);
    let claimed = t.claim_one().await;
    assert_eq!(
        (
            claimed.id,
            claimed.payload.clone(),
            claimed.earlier_attempts
        ),
        (newer.id(), json!(2), 1)
    );
    let mut ids = claimed.correlation_ids.clone();
    ids.sort();
    assert_eq!(ids, ["new", "old", "old too"]);
    assert_eq!(
        t.queue.attempts(newer.id()).await.unwrap().len(),
        2,
        "its own, and the one it took over"
    );
    t.complete(&claimed.lease).await.unwrap();
    assert_eq!(t.claimed_ids().await, [behind.id()]);
}

async fn counted_failures_survive_the_merge(t: Harness) {
    t.enqueue(state("1", json!(0))).await;
    for round in 0..2 {
        let running = t.claim_one().await;
        assert_eq!(running.retry_count, round);
        t.enqueue(state("1", json!(round))).await;
        assert!(matches!(
            t.release(&running.lease, counted()).await.unwrap(),
            Released::Superseded { .. }
        ));
        t.clock.advance(policy().max_backoff);
    }
    let last = t.claim_one().await;
    assert_eq!((last.retry_count, last.earlier_attempts), (2, 2));
    assert_eq!(
        t.release(&last.lease, counted()).await.unwrap(),
        Released::Dead,
        "edits do not grant new retries"
    );
}

async fn a_chain_of_merges_resolves_to_its_end(t: Harness) {
    let first = t.enqueue(state("1", json!(0))).await;
    let mut last = first;
    for round in 1..4 {
        let running = t.claim_one().await;
        last = t.enqueue(state("1", json!(round))).await;
        t.release(&running.lease, unavailable()).await.unwrap();
        t.clock.advance(policy().max_backoff);
    }
    assert_eq!(t.current(first.id()).await.id, last.id());
    assert_eq!(t.queue.attempts(last.id()).await.unwrap().len(), 3);
}

async fn the_history_of_a_refused_one_goes_to_the_one_that_waits(t: Harness) {
    t.enqueue(state("1", json!(1))).await;
    let first = t.claim_one().await;
    t.release(&first.lease, unknown()).await.unwrap();
    let since = t.now();
    t.clock.advance(policy().settle + policy().max_backoff);
    let again = t.claim_one().await;
    let newer = t.enqueue(state("1", json!(2))).await;
    t.kill(&again).await;

    let claimed = t.claim_one().await;
    assert_eq!(claimed.id, newer.id());
    assert_eq!(
        (claimed.earlier_attempts, claimed.unknown_at),
        (2, Some(since))
    );
    assert_eq!(claimed.retry_count, 0, "it was not this one that failed");
    assert!(
        t.get(first.id).await.failed_for_good(),
        "the refused one stays a dead letter"
    );
}

async fn the_history_of_a_dead_one_goes_to_a_later_one_once(t: Harness) {
    t.enqueue(state("1", json!(1))).await;
    let dead = t.claim_one().await;
    t.kill(&dead).await;

    t.enqueue(state("1", json!(2))).await;
    let heir = t.claim_one().await;
    assert_eq!(heir.earlier_attempts, 1);
    t.complete(&heir.lease).await.unwrap();

    t.enqueue(state("1", json!(3))).await;
    assert_eq!(
        t.claim_one().await.earlier_attempts,
        0,
        "the heir's success settled it"
    );
}

async fn the_history_of_a_discarded_one_is_not_lost(t: Harness) {
    t.enqueue(state("1", json!(1))).await;
    let running = t.claim_one().await;
    t.release(&running.lease, unknown()).await.unwrap();
    t.queue
        .discard(running.id, "ann", "not wanted")
        .await
        .unwrap();
    t.enqueue(state("1", json!(2))).await;
    let claimed = t.claim_one().await;
    assert_eq!(claimed.earlier_attempts, 1);
    assert!(claimed.unknown_at.is_some());
}

async fn keys_of_different_lanes_do_not_meet(t: Harness) {
    let first = t.enqueue(state("1", json!(1))).await;
    let elsewhere = NewOperation {
        lane: "another".to_owned(),
        ..state("1", json!(2))
    };
    let second = t.enqueue(elsewhere).await;
    assert!(matches!(second, Enqueued::New(id) if id != first.id()));
}

async fn an_event_is_stored_once_for_ever(t: Harness) {
    let note = || NewOperation {
        idempotency_key: Some("note:1".to_owned()),
        ..event("1")
    };
    let first = t.enqueue(note()).await;
    assert_eq!(t.enqueue(note()).await, Enqueued::Duplicate(first.id()));
    let running = t.claim_one().await;
    assert_eq!(t.enqueue(note()).await, Enqueued::Duplicate(first.id()));
    t.complete(&running.lease).await.unwrap();
    t.clock.advance(1000 * SECOND);
    assert_eq!(t.queue.prune(SECOND, 10).await.unwrap(), 1);
    assert!(t.queue.get(first.id()).await.unwrap().is_none());
    assert_eq!(t.enqueue(note()).await, Enqueued::Duplicate(first.id()));
}

async fn a_duplicate_key_of_a_change_that_was_rolled_back_is_free(t: Harness) {
    let note = || NewOperation {
        idempotency_key: Some("note:1".to_owned()),
        ..event("1")
    };
    let queue = t.queue.clone();
    let undone = t
        .write(move |conn| {
            Box::pin(async move {
                queue.enqueue(conn, note()).await?;
                Err::<(), _>(QueueError::Invalid("undo".to_owned()))
            })
        })
        .await;
    assert!(undone.is_err());
    assert!(matches!(t.enqueue(note()).await, Enqueued::New(_)));
}

async fn operations_that_cannot_be_stored_are_refused(t: Harness) {
    let broken = [
        NewOperation {
            lane: String::new(),
            ..event("1")
        },
        NewOperation {
            entity_id: "a\0b".to_owned(),
            ..event("1")
        },
        NewOperation {
            secret: Some(b"x".to_vec().into()),
            ..state("1", json!(1))
        },
    ];
    for operation in broken {
        assert!(matches!(
            t.try_enqueue(operation).await,
            Err(QueueError::Invalid(_))
        ));
    }
    t.enqueue(NewOperation {
        payload: json!({ "text": "a\u{0}b 🐅" }),
        ..event("1")
    })
    .await;
    assert_eq!(t.claim_one().await.payload["text"], "a\u{0}b 🐅");
}

conformance!(
    a_change_does_not_hurry_what_was_put_off,
    two_changes_that_wait_become_one_with_the_newer_payload,
    an_update_leaves_a_waiting_create_a_create,
    a_lower_priority_does_not_slow_down_what_waits,
    what_runs_is_never_merged_into,
    a_stream_of_changes_does_not_postpone_for_ever,
    an_urgent_change_moves_a_waiting_one_forward,
    a_change_does_not_break_the_backoff_of_what_failed,
    a_retry_merges_into_the_newer_one_and_hands_on_its_history,
    counted_failures_survive_the_merge,
    a_chain_of_merges_resolves_to_its_end,
    the_history_of_a_refused_one_goes_to_the_one_that_waits,
    the_history_of_a_dead_one_goes_to_a_later_one_once,
    the_history_of_a_discarded_one_is_not_lost,
    keys_of_different_lanes_do_not_meet,
    an_event_is_stored_once_for_ever,
    a_duplicate_key_of_a_change_that_was_rolled_back_is_free,
    operations_that_cannot_be_stored_are_refused,
);
