use std::collections::HashSet;

use pugmark_queue::*;
use serde_json::json;

use crate::harness::*;

async fn a_replayed_dead_letter_runs_again_behind_what_waits(t: Harness) {
    let dead = t.enqueue(event("1")).await.id();
    let waiting = t.enqueue(event("1")).await.id();
    let running = t.claim_one().await;
    t.kill(&running).await;
    assert_eq!(
        t.queue
            .retry(dead, "ann", "the mapping is fixed")
            .await
            .unwrap(),
        dead
    );
    let row = t.get(dead).await;
    assert_eq!(
        (row.status, row.dead_at, row.retry_count),
        (Status::Pending, None, 0)
    );
    assert_eq!(row.human_action.unwrap().0["by"], "ann");

    let first = t.claim_one().await;
    assert_eq!(first.id, waiting);
    t.complete(&first.lease).await.unwrap();
    let again = t.claim_one().await;
    assert_eq!(
        (again.id, again.earlier_attempts),
        (dead, 1),
        "its history stays"
    );
    t.complete(&again.lease).await.unwrap();
}

async fn a_replayed_dead_letter_merges_into_a_newer_one(t: Harness) {
    t.enqueue(NewOperation {
        correlation_id: "old".to_owned(),
        ..state("1", json!(1))
    })
    .await;
    let running = t.claim_one().await;
    let newer = t.enqueue(state("1", json!(2))).await.id();
    t.kill(&running).await;
    assert_eq!(t.queue.retry(running.id, "ann", "x").await.unwrap(), newer);
    let found = t.queue.get(running.id).await.unwrap().unwrap();
    assert_eq!(
        (found.asked.status, found.current().id),
        (Status::Completed, newer)
    );
    let claimed = t.claim_one().await;
    assert_eq!(
        (claimed.payload.clone(), claimed.earlier_attempts),
        (json!(2), 1),
        "its history counts once"
    );
    assert!(claimed.correlation_ids.contains(&"old".to_owned()));
}

async fn a_dead_letter_that_died_before_the_newer_one_hands_it_its_history_once(t: Harness) {
    t.enqueue(state("1", json!(1))).await;
    let dead = t.claim_one().await;
    t.kill(&dead).await;
    let newer = t.enqueue(state("1", json!(2))).await.id();
    assert_eq!(t.queue.retry(dead.id, "ann", "x").await.unwrap(), newer);
    assert_eq!(t.claim_one().await.earlier_attempts, 1);
}

async fn a_replayed_dead_letter_takes_over_what_died_after_it(t: Harness) {
    t.enqueue(state("1", json!(1))).await;
    let first = t.claim_one().await;
    t.kill(&first).await;
    t.enqueue(state("1", json!(2))).await;
    let second = t.claim_one().await;
    t.release(&second.lease, unknown()).await.unwrap();
    t.queue
        .discard(second.id, "ann", "not wanted")
        .await
        .unwrap();

    t.queue.retry(first.id, "ann", "again").await.unwrap();

    let again = t.claim_one().await;
    assert_eq!(again.id, first.id);
    assert!(
        again.unknown_at.is_some(),
        "what the second one may have done is not forgotten"
    );
}

async fn retrying_what_failed_skips_its_backoff(t: Harness) {
    t.enqueue(event("1")).await;
    let running = t.claim_one().await;
    t.release(&running.lease, counted()).await.unwrap();
    assert!(t.claim(10).await.is_empty());
    t.queue.retry(running.id, "ann", "now").await.unwrap();
    assert_eq!(
        t.claim_one().await.retry_count,
        1,
        "the failure itself is not forgiven"
    );
}

async fn what_runs_or_is_finished_cannot_be_retried_or_discarded(t: Harness) {
    let id = t.enqueue(event("1")).await.id();
    let running = t.claim_one().await;
    assert!(matches!(
        t.queue.retry(id, "a", "b").await,
        Err(QueueError::Running(_))
    ));
    assert!(matches!(
        t.queue.discard(id, "a", "b").await,
        Err(QueueError::Running(_))
    ));
    t.complete(&running.lease).await.unwrap();
    assert!(matches!(
        t.queue.retry(id, "a", "b").await,
        Err(QueueError::Finished(_))
    ));
    assert!(matches!(
        t.queue.discard(id, "a", "b").await,
        Err(QueueError::Finished(_))
    ));
    let nobody = OperationId(uuid::Uuid::now_v7());
    assert!(matches!(
        t.queue.retry(nobody, "a", "b").await,
        Err(QueueError::NotFound(_))
    ));
}

async fn a_discarded_head_lets_its_lane_go_on(t: Harness) {
    let head = t.enqueue(event("1")).await.id();
    let follower = t.enqueue(event("1")).await.id();
    t.queue.discard(head, "ann", "not wanted").await.unwrap();
    let row = t.get(head).await;
    assert_eq!(
        (row.status, row.is_dead(), row.error_code.as_deref()),
        (Status::Completed, false, Some(codes::DISCARDED))
    );
    assert_eq!(row.outcome.unwrap().0["why"], "not wanted");
    assert_eq!(t.claimed_ids().await, [follower]);
}

async fn dead_letters_are_replayed_in_bulk_by_kind_and_code(t: Harness) {
    for lane in 0..4 {
        let kind = if lane == 3 { "other" } else { "note.create" };
        t.enqueue(NewOperation {
            kind: kind.to_owned(),
            ..event(&lane.to_string())
        })
        .await;
    }
    for claimed in t.claim(10).await {
        t.kill(&claimed).await;
    }
    let filter = |kind: &str, code: &str, limit| BulkFilter {
        kind: Some(kind.to_owned()),
        error_code: Some(code.to_owned()),
        limit,
        ..BulkFilter::default()
    };
    assert!(
        t.queue
            .retry_many(filter("note.create", "ELSE", 10), "a", "b")
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        t.queue
            .retry_many(filter("note.create", "NO", 2), "a", "b")
            .await
            .unwrap()
            .len(),
        2
    );
    assert_eq!(
        t.queue
            .retry_many(filter("note.create", "NO", 10), "a", "b")
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(t.claim(10).await.len(), 3);
}

async fn the_list_is_paged_and_filtered(t: Harness) {
    let mut ids = Vec::new();
    for n in 0..7 {
        ids.push(t.enqueue(event(&format!("10{n}_%"))).await.id());
    }
    ids.push(t.enqueue(state("200", json!(1))).await.id());
    let mut seen = Vec::new();
    let mut filter = Filter {
        limit: 3,
        ..Filter::default()
    };
    loop {
        let page = t.queue.list(&filter).await.unwrap();
        assert!(page.operations.len() <= 3);
        seen.extend(page.operations.iter().map(|row| row.id));
        let Some(next) = page.next else { break };
        filter.cursor = Some(next.to_string().parse().unwrap());
    }
    ids.reverse();
    assert_eq!(seen, ids, "newest first, each once");

    let claimed = t.claim(10).await;
    t.kill(&claimed[0]).await;
    t.complete(&claimed[1].lease).await.unwrap();
    let ids_of = async |filter: Filter| -> HashSet<OperationId> {
        let page = t
            .queue
            .list(&Filter {
                limit: 100,
                ..filter
            })
            .await
            .unwrap();
        page.operations.iter().map(|row| row.id).collect()
    };
    let with = Filter::default;
    assert_eq!(
        ids_of(Filter {
            dead: Some(true),
            ..with()
        })
        .await,
        HashSet::from([claimed[0].id])
    );
    assert_eq!(
        ids_of(Filter {
            dead: Some(false),
            ..with()
        })
        .await
        .len(),
        7
    );
    assert_eq!(
        ids_of(Filter {
            status: Some(Status::Completed),
            ..with()
        })
        .await,
        HashSet::from([claimed[1].id])
    );
    assert_eq!(
        ids_of(Filter {
            status: Some(Status::Processing),
            ..with()
        })
        .await
        .len(),
        6
    );
    assert_eq!(
        ids_of(Filter {
            kind: Some("customer.update".to_owned()),
            ..with()
        })
        .await
        .len(),
        1
    );
    assert_eq!(
        ids_of(Filter {
            entity_id: Some("200".to_owned()),
            ..with()
        })
        .await
        .len(),
        1
    );
    assert_eq!(
        ids_of(Filter {
            text: Some("NEVER".to_owned()),
            ..with()
        })
        .await,
        HashSet::from([claimed[0].id])
    );
    assert_eq!(
        ids_of(Filter {
            text: Some("_%".to_owned()),
            ..with()
        })
        .await
        .len(),
        7,
        "not a wildcard"
    );
    assert_eq!(
        ids_of(Filter {
            text: Some("it's".to_owned()),
            ..with()
        })
        .await
        .len(),
        0
    );
}

async fn counts_tell_waiting_running_and_dead_apart(t: Harness) {
    for lane in 0..4 {
        t.enqueue(event(&lane.to_string())).await;
    }
    let since = t.now();
    assert_eq!(t.queue.oldest_waiting().await.unwrap(), Some(since));
    t.clock.advance(SECOND);
    let claimed = t.claim(3).await;
    t.kill(&claimed[0]).await;
    t.release(&claimed[1].lease, counted()).await.unwrap();
    let count = |status, dead, operations| Count {
        kind: "note.create".to_owned(),
        status,
        dead,
        operations,
    };
    assert_eq!(
        t.queue.counts().await.unwrap(),
        [
            count(Status::Failed, false, 1),
            count(Status::Failed, true, 1),
            count(Status::Pending, false, 1),
            count(Status::Processing, false, 1),
        ]
    );
    t.complete(&claimed[2].lease).await.unwrap();
    assert_eq!(
        t.queue.completed_since(since).await.unwrap(),
        [("note.create".to_owned(), 1)]
    );
    assert_eq!(
        t.queue
            .completed_since(t.now().after(SECOND))
            .await
            .unwrap(),
        []
    );
}

async fn a_dead_letter_whose_work_a_newer_one_took_over_needs_nobody_any_more(t: Harness) {
    t.enqueue(state("1", json!(1))).await;
    let dead = t.claim_one().await;
    t.kill(&dead).await;
    let listed = Filter {
        dead: Some(true),
        limit: 10,
        ..Filter::default()
    };
    assert_eq!(t.queue.list(&listed).await.unwrap().operations.len(), 1);

    t.enqueue(state("1", json!(2))).await;
    let newer = t.claim_one().await;
    t.complete(&newer.lease).await.unwrap();

    assert_eq!(t.queue.list(&listed).await.unwrap().operations.len(), 0);
    assert_eq!(t.queue.counts().await.unwrap(), []);
    let taken_over = t.get(dead.id).await;
    assert!(!taken_over.is_dead());
    assert_eq!(taken_over.heir, Some(newer.id));
}

async fn pruning_takes_old_finished_operations_and_nothing_else(t: Harness) {
    for lane in 0..4 {
        t.enqueue(event(&lane.to_string())).await;
    }
    let claimed = t.claim(3).await;
    t.complete(&claimed[0].lease).await.unwrap();
    t.kill(&claimed[1]).await;
    t.clock.advance(100 * SECOND);
    t.complete(&claimed[2].lease).await.unwrap();
    assert_eq!(t.queue.prune(50 * SECOND, 10).await.unwrap(), 1);
    assert!(t.queue.get(claimed[0].id).await.unwrap().is_none());
    assert!(t.queue.attempts(claimed[0].id).await.unwrap().is_empty());
    assert!(t.get(claimed[1].id).await.is_dead());
    assert_eq!(t.get(claimed[2].id).await.status, Status::Completed);
    assert_eq!(t.queue.prune(50 * SECOND, 10).await.unwrap(), 0);
}

async fn pruning_spares_what_a_later_operation_still_has_to_inherit(t: Harness) {
    t.enqueue(state("1", json!(1))).await;
    let running = t.claim_one().await;
    t.release(&running.lease, unknown()).await.unwrap();
    t.queue
        .discard(running.id, "ann", "not wanted")
        .await
        .unwrap();
    t.clock.advance(100 * SECOND);
    assert_eq!(t.queue.prune(SECOND, 10).await.unwrap(), 0);
    t.enqueue(state("1", json!(2))).await;
    assert_eq!(t.queue.prune(SECOND, 10).await.unwrap(), 1);
    assert_eq!(t.claim_one().await.earlier_attempts, 1);
}

conformance!(
    pruning_spares_what_a_later_operation_still_has_to_inherit,
    a_replayed_dead_letter_runs_again_behind_what_waits,
    a_replayed_dead_letter_merges_into_a_newer_one,
    a_dead_letter_that_died_before_the_newer_one_hands_it_its_history_once,
    a_replayed_dead_letter_takes_over_what_died_after_it,
    retrying_what_failed_skips_its_backoff,
    what_runs_or_is_finished_cannot_be_retried_or_discarded,
    a_discarded_head_lets_its_lane_go_on,
    dead_letters_are_replayed_in_bulk_by_kind_and_code,
    the_list_is_paged_and_filtered,
    counts_tell_waiting_running_and_dead_apart,
    a_dead_letter_whose_work_a_newer_one_took_over_needs_nobody_any_more,
    pruning_takes_old_finished_operations_and_nothing_else,
);
