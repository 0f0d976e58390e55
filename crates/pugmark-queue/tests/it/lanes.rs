use std::collections::HashSet;

use pugmark_queue::*;
use serde_json::json;

use crate::harness::*;

async fn a_lane_runs_one_at_a_time_and_in_order(t: Harness) {
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(t.enqueue(event("1")).await.id());
    }
    for id in ids {
        let claimed = t.claim_one().await;
        assert_eq!(claimed.id, id);
        assert!(t.claim(10).await.is_empty());
        t.complete(&claimed.lease).await.unwrap();
    }
}

async fn order_is_that_of_commits_not_of_ids(t: Harness) {
    let queue = t.queue.clone();
    let lane = |n: u32| NewOperation {
        payload: json!(n),
        ..event("1")
    };
    let ids = t
        .write(move |conn| {
            Box::pin(async move {
                let mut ids = Vec::new();
                for n in 0..5 {
                    ids.push(queue.enqueue(conn, lane(n)).await?.id());
                }
                Ok(ids)
            })
        })
        .await
        .unwrap();
    let mut seqs = Vec::new();
    for id in &ids {
        seqs.push(t.get(*id).await.lane_seq);
    }
    assert!(seqs.windows(2).all(|pair| pair[0] < pair[1]), "{seqs:?}");
    assert_eq!(t.claimed_ids().await, [ids[0]]);
}

async fn other_lanes_are_not_held_up(t: Harness) {
    t.enqueue(event("1")).await;
    t.enqueue(event("1")).await;
    t.enqueue(event("2")).await;
    let lanes: Vec<_> = t
        .claim(10)
        .await
        .into_iter()
        .map(|claimed| claimed.lane)
        .collect();
    assert_eq!(lanes.len(), 2);
    assert_ne!(lanes[0], lanes[1]);
}

async fn the_head_blocks_its_lane_through_backoff(t: Harness) {
    t.enqueue(event("1")).await;
    let follower = t.enqueue(event("1")).await;
    let head = t.claim_one().await;
    t.release(&head.lease, counted()).await.unwrap();
    assert!(t.claim(10).await.is_empty());
    t.clock.advance(policy().max_backoff);
    let again = t.claim_one().await;
    assert_eq!(again.id, head.id);
    t.complete(&again.lease).await.unwrap();
    assert_eq!(t.claimed_ids().await, [follower.id()]);
}

async fn the_head_blocks_its_lane_through_a_pause(t: Harness) {
    t.enqueue(NewOperation {
        kind: "paused".to_owned(),
        ..event("1")
    })
    .await;
    t.enqueue(event("1")).await;
    let elsewhere = t.enqueue(event("2")).await;
    t.queue.pause("paused", "ann").await.unwrap();
    assert_eq!(t.claimed_ids().await, [elsewhere.id()]);
    let pauses = t.queue.paused().await.unwrap();
    assert_eq!(
        (pauses[0].kind.as_str(), pauses[0].paused_by.as_str()),
        ("paused", "ann")
    );
    assert!(t.queue.resume("paused").await.unwrap());
    assert!(!t.queue.resume("paused").await.unwrap());
    assert_eq!(t.claim_one().await.kind, "paused");
}

async fn kinds_that_are_held_back_or_not_wanted_are_left(t: Harness) {
    t.enqueue(event("1")).await;
    t.enqueue(state("2", json!(1))).await;
    let held = ClaimRequest {
        held_back: vec!["note.create".to_owned(), "o'brien".to_owned()],
        ..request(10)
    };
    let claimed = t.queue.claim(held).await.unwrap();
    assert_eq!(
        claimed.iter().map(|c| c.kind.as_str()).collect::<Vec<_>>(),
        ["customer.update"]
    );
    let other = ClaimRequest {
        only: Some(vec!["task.create".to_owned()]),
        ..request(10)
    };
    assert!(t.queue.claim(other).await.unwrap().is_empty());
    let wanted = ClaimRequest {
        only: Some(vec!["note.create".to_owned()]),
        ..request(10)
    };
    assert_eq!(t.queue.claim(wanted).await.unwrap().len(), 1);
}

async fn what_is_blocked_lets_others_of_its_lane_pass_and_keeps_its_place_among_the_blocked(
    t: Harness,
) {
    let blocked = || Release::Blocked {
        by: "the link".to_owned(),
        recheck_after: policy().max_backoff * 4,
    };
    let first = t.enqueue(event("1")).await.id();
    let second = t.enqueue(event("1")).await.id();
    for id in [first, second] {
        let claimed = t.claim_one().await;
        assert_eq!(claimed.id, id);
        t.release(&claimed.lease, blocked()).await.unwrap();
    }
    assert!(t.claim(10).await.is_empty(), "both wait");
    // What comes later may be what they wait for.
    let remedy = t.enqueue(event("1")).await.id();
    let claimed = t.claim_one().await;
    assert_eq!(claimed.id, remedy);
    assert_eq!(t.unblock("the link").await, 2);
    assert!(t.claim(10).await.is_empty(), "one at a time");
    t.complete(&claimed.lease).await.unwrap();
    for id in [first, second] {
        let claimed = t.claim_one().await;
        assert_eq!(claimed.id, id, "in their order");
        t.complete(&claimed.lease).await.unwrap();
    }
}

async fn a_blocked_lane_looks_again_from_time_to_time(t: Harness) {
    let recheck_after = policy().max_backoff;
    let id = t.enqueue(event("1")).await.id();
    t.enqueue(event("1")).await;
    for _ in 0..2 {
        let claimed = t.claim_one().await;
        let why = Release::Blocked {
            by: "the link".to_owned(),
            recheck_after,
        };
        t.release(&claimed.lease, why).await.unwrap();
    }
    t.clock.advance(recheck_after);
    assert_eq!(t.claimed_ids().await, [id], "the first of the blocked");
}

async fn a_dead_letter_does_not_block_its_lane(t: Harness) {
    t.enqueue(event("1")).await;
    let follower = t.enqueue(event("1")).await;
    let head = t.claim_one().await;
    t.kill(&head).await;
    assert_eq!(t.claimed_ids().await, [follower.id()]);
}

async fn the_urgent_comes_first_then_the_longest_due(t: Harness) {
    let at = |lane: &str, priority| NewOperation {
        priority,
        ..event(lane)
    };
    let low = t.enqueue(at("1", Priority::Low)).await;
    t.clock.advance(SECOND);
    let normal = t.enqueue(at("2", Priority::Normal)).await;
    t.clock.advance(SECOND);
    let later = t.enqueue(at("3", Priority::Normal)).await;
    t.clock.advance(SECOND);
    let urgent = t
        .enqueue(NewOperation {
            kind: "other".to_owned(),
            ..at("4", Priority::Urgent)
        })
        .await;
    let mut order = Vec::new();
    for _ in 0..4 {
        order.extend(t.claim(1).await.into_iter().map(|claimed| claimed.id));
    }
    assert_eq!(order, [urgent.id(), normal.id(), later.id(), low.id()]);
}

async fn nothing_starts_before_its_time(t: Harness) {
    t.enqueue(NewOperation {
        not_before: Some(t.now().after(5 * SECOND).into()),
        ..event("1")
    })
    .await;
    assert!(t.claim(10).await.is_empty());
    let mut conn = t.queue.db().read().await.unwrap();
    let due = t.queue.next_due(&mut conn, &[], None).await.unwrap();
    assert_eq!(due, Some(t.now().after(5 * SECOND)));
    assert_eq!(
        t.queue
            .next_due(&mut conn, &["note.create".to_owned()], None)
            .await
            .unwrap(),
        None
    );
    drop(conn);
    t.clock.advance(5 * SECOND);
    t.claim_one().await;
}

async fn claims_at_the_same_time_never_share(t: Harness) {
    for lane in 0..40 {
        t.enqueue(event(&lane.to_string())).await;
        t.enqueue(event(&lane.to_string())).await;
    }
    let claims = futures::future::join_all((0..8).map(|_| t.claim(7))).await;
    let claimed: Vec<_> = claims.into_iter().flatten().collect();
    let ids: HashSet<_> = claimed.iter().map(|c| c.id).collect();
    let lanes: HashSet<_> = claimed.iter().map(|c| c.lane.clone()).collect();
    assert_eq!(ids.len(), claimed.len());
    assert_eq!(lanes.len(), claimed.len());
    let rest = t.claim(100).await;
    assert_eq!(
        claimed.len() + rest.len(),
        40,
        "every lane's head can be claimed once"
    );
}

async fn the_database_itself_refuses_a_second_runner_in_a_lane(t: Harness) {
    t.enqueue(event("1")).await;
    t.enqueue(event("1")).await;
    t.claim_one().await;
    let forced = t
        .write(|conn| {
            Box::pin(async move {
                let sql = "UPDATE vtiger_sync_queue SET status = 'PROCESSING', head = 1, lease_token = id, \
                           lease_expires_at = next_attempt_at WHERE status = 'PENDING'";
                Ok(on!(conn, |c| sqlx::query(sql).execute(c).await.map(drop))?)
            })
        })
        .await;
    assert!(matches!(forced, Err(QueueError::Db(error)) if error.is_unique_violation()));
}

conformance!(
    a_lane_runs_one_at_a_time_and_in_order,
    order_is_that_of_commits_not_of_ids,
    other_lanes_are_not_held_up,
    the_head_blocks_its_lane_through_backoff,
    the_head_blocks_its_lane_through_a_pause,
    kinds_that_are_held_back_or_not_wanted_are_left,
    what_is_blocked_lets_others_of_its_lane_pass_and_keeps_its_place_among_the_blocked,
    a_blocked_lane_looks_again_from_time_to_time,
    a_dead_letter_does_not_block_its_lane,
    the_urgent_comes_first_then_the_longest_due,
    nothing_starts_before_its_time,
    claims_at_the_same_time_never_share,
    the_database_itself_refuses_a_second_runner_in_a_lane,
);
