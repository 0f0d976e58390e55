use std::time::Duration;

use futures::FutureExt;
use pugmark_queue::db::Engine;
use pugmark_queue::*;
use serde_json::json;
use sqlx::AssertSqlSafe;

use crate::harness::*;

const LATE: Duration = Duration::from_secs(60);

async fn by_hand(t: &Harness, sql: String) {
    t.write(move |conn| {
        async move {
            on!(conn, |c| sqlx::raw_sql(AssertSqlSafe(sql))
                .execute(c)
                .await
                .map(drop))?;
            Ok(())
        }
        .boxed()
    })
    .await
    .unwrap();
}

async fn woken(t: &Harness) -> bool {
    tokio::time::timeout(Duration::ZERO, t.queue.waker().woken())
        .await
        .is_ok()
}

async fn what_a_hand_made_due_is_found_and_the_workers_are_woken_for_it(t: Harness) {
    t.enqueue(event("1")).await;
    let running = t.claim_one().await;
    t.release(&running.lease, counted()).await.unwrap();
    assert!(woken(&t).await, "enqueueing woke");
    assert_eq!(t.queue.sweep(LATE).await.unwrap(), Swept::default());
    assert!(!woken(&t).await, "nothing is due, nobody is woken");

    let long_ago = t.now().before(2 * LATE);
    let at = match t.queue.db().engine() {
        Engine::Sqlite => long_ago.as_micros().to_string(),
        Engine::Postgres => format!("'{}'", long_ago.timestamp()),
    };
    by_hand(
        &t,
        format!("UPDATE vtiger_sync_queue SET next_attempt_at = {at}"),
    )
    .await;
    assert!(!woken(&t).await, "the hand told nobody");

    let swept = t.queue.sweep(LATE).await.unwrap();
    assert_eq!(
        swept.due,
        [Due {
            kind: "note.create".to_owned(),
            operations: 1,
            overdue: 1,
            since: long_ago,
        }]
    );
    assert!(woken(&t).await, "the sweep woke");
    assert_eq!(t.claim_one().await.id, running.id);
}

async fn what_is_due_for_a_moment_is_not_overdue(t: Harness) {
    t.enqueue(event("1")).await;
    t.enqueue(event("1")).await;
    t.clock.advance(LATE / 2);
    let due = t.queue.due(LATE).await.unwrap();
    assert_eq!(
        (due[0].operations, due[0].overdue),
        (1, 0),
        "what stands behind another in its lane is not due"
    );
}

async fn a_lane_whose_head_a_hand_removed_goes_on(t: Harness) {
    t.enqueue(event("1")).await;
    let next = t.enqueue(event("1")).await.id();
    by_hand(
        &t,
        "DELETE FROM vtiger_sync_queue WHERE head = 1".to_owned(),
    )
    .await;
    assert!(t.claim(10).await.is_empty(), "nobody stands first");
    assert_eq!(t.queue.sweep(LATE).await.unwrap().lanes, 1);
    assert_eq!(t.claimed_ids().await, [next]);
    assert_eq!(t.queue.sweep(LATE).await.unwrap().lanes, 0);
}

async fn leases_that_ran_out_come_back_with_the_sweep(t: Harness) {
    t.enqueue(event("1")).await;
    t.claim_one().await;
    t.clock.advance(2 * LEASE);
    assert_eq!(t.queue.sweep(LATE).await.unwrap().reclaimed.leases, 1);
}

async fn an_attempt_carries_the_correlation_id_of_the_request_it_works_for(t: Harness) {
    let operation = |id: &str| NewOperation {
        correlation_id: id.to_owned(),
        ..state("1", json!(1))
    };
    let id = t.enqueue(operation("first")).await.id();
    t.enqueue(operation("second")).await;
    let running = t.claim_one().await;
    assert_eq!(running.correlation_ids, ["first", "second"]);
    let attempts = t.queue.attempts(id).await.unwrap();
    assert_eq!(attempts[0].correlation_id.as_deref(), Some("first"));
    for request in ["first", "second"] {
        let found = t.queue.find_by_correlation(request).await.unwrap();
        assert_eq!(found.len(), 1, "{request}");
        assert_eq!(found[0].id, id);
    }
}

async fn dead_letters_are_grouped_by_kind_and_code(t: Harness) {
    for lane in 0..3 {
        t.enqueue(event(&lane.to_string())).await;
    }
    let began = t.now();
    for claimed in t.claim(10).await {
        t.clock.advance(SECOND);
        t.kill(&claimed).await;
    }
    let groups = t.queue.dead_groups().await.unwrap();
    assert_eq!(groups.len(), 1);
    assert_eq!(
        (groups[0].kind.as_str(), groups[0].error_code.as_deref()),
        ("note.create", Some("NO"))
    );
    assert_eq!(groups[0].operations, 3);
    assert!(groups[0].first < groups[0].last);
    assert_eq!(groups[0].example.as_deref(), Some("never"));
    let died = |since| t.queue.died_since(since);
    assert_eq!(died(began).await.unwrap(), [("note.create".to_owned(), 3)]);
    assert_eq!(died(t.now().after(SECOND)).await.unwrap(), []);
}

async fn what_was_given_up_or_merged_is_no_success(t: Harness) {
    let since = t.now();
    let discarded = t.enqueue(event("1")).await.id();
    t.queue.discard(discarded, "ann", "no").await.unwrap();
    t.enqueue(state("2", json!(1))).await;
    let running = t.claim_one().await;
    t.enqueue(state("2", json!(2))).await;
    t.release(&running.lease, counted()).await.unwrap();
    t.clock.advance(100 * SECOND);
    let again = t.claim_one().await;
    assert_ne!(again.id, running.id, "the newer one took over");
    t.complete(&again.lease).await.unwrap();
    assert_eq!(
        t.queue.succeeded_since(since).await.unwrap(),
        [("customer.update".to_owned(), 1)]
    );
}

async fn bulk_filters_go_by_record_and_go_on_behind_the_last(t: Harness) {
    for lane in 0..3 {
        t.enqueue(event(&lane.to_string())).await;
    }
    for claimed in t.claim(10).await {
        t.kill(&claimed).await;
    }
    let all = BulkFilter {
        limit: 10,
        ..BulkFilter::default()
    };
    let found = t.queue.dead_letters(&all).await.unwrap();
    assert_eq!(found.len(), 3);
    let one = BulkFilter {
        entity_type: Some("customer".to_owned()),
        entity_id: Some("1".to_owned()),
        ..all.clone()
    };
    assert_eq!(t.queue.dead_letters(&one).await.unwrap().len(), 1);
    let behind = BulkFilter {
        after: Some(found[0]),
        ..all
    };
    assert_eq!(t.queue.dead_letters(&behind).await.unwrap(), found[1..]);
}

conformance!(
    what_a_hand_made_due_is_found_and_the_workers_are_woken_for_it,
    what_is_due_for_a_moment_is_not_overdue,
    a_lane_whose_head_a_hand_removed_goes_on,
    leases_that_ran_out_come_back_with_the_sweep,
    an_attempt_carries_the_correlation_id_of_the_request_it_works_for,
    dead_letters_are_grouped_by_kind_and_code,
    what_was_given_up_or_merged_is_no_success,
    bulk_filters_go_by_record_and_go_on_behind_the_last,
);
