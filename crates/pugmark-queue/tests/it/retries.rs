use std::time::Duration;

use pugmark_queue::*;

use crate::harness::*;

fn waiting_until(released: Released) -> db::Ts {
    match released {
        Released::Waiting { until } => until,
        other => panic!("{other:?}"),
    }
}

async fn a_counted_failure_waits_longer_each_time_and_then_is_dead(t: Harness) {
    let id = t.enqueue(event("1")).await.id();
    for failures in 0..2 {
        let running = t.claim_one().await;
        let until = waiting_until(t.release(&running.lease, counted()).await.unwrap());
        let bound = policy().backoff_bound(failures);
        assert!(
            until >= t.now() && until <= t.now().after(bound),
            "within the full jitter"
        );
        let row = t.get(id).await;
        assert_eq!((row.status, row.dead_at), (Status::Failed, None));
        assert_eq!(row.retry_count, i32::try_from(failures).unwrap() + 1);
        assert_eq!(row.error_code.as_deref(), Some("BAD"));
        t.clock.advance(bound);
    }
    let last = t.claim_one().await;
    assert_eq!(
        t.release(&last.lease, counted()).await.unwrap(),
        Released::Dead
    );
    let row = t.get(id).await;
    assert_eq!(
        (row.status, row.dead_at, row.retry_count),
        (Status::Failed, Some(t.now()), 2)
    );
    assert!(row.is_dead());
    t.clock.advance(policy().max_backoff * 100);
    assert!(t.claim(10).await.is_empty());
}

async fn jitter_spreads_operations_that_failed_together(t: Harness) {
    for lane in 0..20 {
        t.enqueue(event(&lane.to_string())).await;
    }
    let mut waits = Vec::new();
    for claimed in t.claim(20).await {
        waits.push(
            waiting_until(t.release(&claimed.lease, counted()).await.unwrap()).since(t.now()),
        );
    }
    waits.sort();
    waits.dedup();
    assert_eq!(waits.len(), 20);
    assert!(
        waits[0] < policy().base_backoff / 4 && waits[19] > policy().base_backoff * 3 / 4,
        "{waits:?}"
    );
}

async fn a_refusal_is_a_dead_letter_at_once(t: Harness) {
    t.enqueue(event("1")).await;
    let running = t.claim_one().await;
    t.kill(&running).await;
    let row = t.get(running.id).await;
    assert_eq!(
        (
            row.retry_count,
            row.error_code.as_deref(),
            row.error_message.as_deref()
        ),
        (0, Some("NO"), Some("never"))
    );
}

async fn outcomes_that_do_not_count_burn_no_retries_but_have_an_age_limit(t: Harness) {
    let cases: [(Release, &str); 4] = [
        (unavailable(), codes::GAVE_UP_UNAVAILABLE),
        (unknown(), codes::GAVE_UP_UNKNOWN),
        (
            Release::SessionLost {
                code: "S".to_owned(),
                message: "gone".to_owned(),
            },
            codes::GAVE_UP_SESSION_LOST,
        ),
        (
            Release::Throttled {
                retry_after: None,
                code: "T".to_owned(),
                message: "slow down".to_owned(),
            },
            codes::GAVE_UP_THROTTLED,
        ),
    ];
    for (lane, (why, gave_up)) in cases.into_iter().enumerate() {
        let id = t.enqueue(event(&lane.to_string())).await.id();
        let began = t.now();
        let mut rounds = 0;
        let died = loop {
            let running = t.claim_one().await;
            assert_eq!(running.retry_count, 0);
            match t.release(&running.lease, why.clone()).await.unwrap() {
                Released::Dead => break t.now(),
                Released::Waiting { .. } => rounds += 1,
                other => panic!("{other:?}"),
            }
            t.clock.advance(policy().max_backoff + policy().settle);
        };
        assert!(rounds > 2 * policy().max_retries, "{rounds}");
        assert!(died.since(began) >= policy().max_age);
        let row = t.get(id).await;
        assert_eq!(row.error_code.as_deref(), Some(gave_up));
        assert!(row.is_dead());
    }
}

async fn the_age_limit_counts_from_the_first_trouble_not_from_the_queueing(t: Harness) {
    t.enqueue(event("1")).await;
    t.clock.advance(policy().max_age * 2);
    let running = t.claim_one().await;
    assert!(matches!(
        t.release(&running.lease, unavailable()).await.unwrap(),
        Released::Waiting { .. }
    ));
}

async fn retry_after_is_obeyed(t: Harness) {
    t.enqueue(event("1")).await;
    let running = t.claim_one().await;
    let asked = Duration::from_secs(77);
    let why = Release::Throttled {
        retry_after: Some(asked),
        code: "T".to_owned(),
        message: String::new(),
    };
    let until = waiting_until(t.release(&running.lease, why).await.unwrap());
    assert!(until >= t.now().after(asked) && until <= t.now().after(asked + policy().base_backoff));
    assert_eq!(t.get(running.id).await.retry_count, 0);
}

async fn the_unknown_mark_moves_to_the_latest_unclear_attempt_and_goes_when_the_operation_is_done(
    t: Harness,
) {
    t.enqueue(event("1")).await;
    let first = t.claim_one().await;
    t.release(&first.lease, unknown()).await.unwrap();
    let mut since = t.now();
    for why in [counted(), unknown(), unavailable()] {
        t.clock.advance(policy().settle + policy().max_backoff);
        let again = t.claim_one().await;
        assert_eq!(again.unknown_at, Some(since));
        if matches!(why, Release::Unknown { .. }) {
            since = t.now();
        }
        t.release(&again.lease, why).await.unwrap();
    }
    t.clock.advance(policy().settle + policy().max_backoff);
    let last = t.claim_one().await;
    t.complete(&last.lease).await.unwrap();
    assert_eq!(t.get(last.id).await.unknown_at, None);
}

async fn an_unknown_outcome_is_left_to_settle_for_as_long_as_the_handler_says(t: Harness) {
    t.enqueue(event("1")).await;
    let running = t.claim_one().await;
    let why = Release::Unknown {
        not_before: Some((500 * SECOND).into()),
        code: "CUT".to_owned(),
        message: String::new(),
    };
    assert!(
        waiting_until(t.release(&running.lease, why).await.unwrap()) >= t.now().after(500 * SECOND)
    );
}

async fn what_is_blocked_waits_without_burning_retries_and_says_by_what(t: Harness) {
    let id = t.enqueue(event("1")).await.id();
    for _ in 0..10 {
        let running = t.claim_one().await;
        assert_eq!(
            (running.retry_count, running.earlier_attempts),
            (0, 0),
            "nothing was ever sent"
        );
        let why = Release::Blocked {
            by: "link:customer:1".to_owned(),
            recheck_after: 600 * SECOND,
        };
        t.release_with(&running.lease, why, nothing_sent())
            .await
            .unwrap();
        let row = t.get(id).await;
        assert_eq!(
            (row.status, row.blocked_by.as_deref()),
            (Status::Pending, Some("link:customer:1"))
        );
        t.clock.advance(600 * SECOND);
    }
    let running = t.claim_one().await;
    assert_eq!(
        t.get(id).await.blocked_by,
        None,
        "while it runs it is not blocked"
    );
    let why = Release::Blocked {
        by: "link:customer:1".to_owned(),
        recheck_after: 600 * SECOND,
    };
    t.release_with(&running.lease, why, nothing_sent())
        .await
        .unwrap();
    assert!(t.claim(10).await.is_empty());
    assert_eq!(t.unblock("link:customer:2").await, 0);
    assert_eq!(t.unblock("link:customer:1").await, 1);
    assert_eq!(t.claim_one().await.id, id);
}

async fn an_operation_handed_back_is_as_if_it_had_not_been_claimed(t: Harness) {
    let id = t.enqueue(event("1")).await.id();
    let running = t.claim_one().await;
    t.release_with(&running.lease, Release::HandBack, nothing_sent())
        .await
        .unwrap();
    let row = t.get(id).await;
    assert_eq!(
        (row.status, row.attempts, row.error_code),
        (Status::Pending, 0, None)
    );
    assert_eq!(t.claim_one().await.earlier_attempts, 0);
}

async fn an_operation_put_off_burns_nothing_but_a_call_it_made_is_remembered(t: Harness) {
    let id = t.enqueue(event("1")).await.id();
    let later = || Release::Later {
        not_before: (40 * SECOND).into(),
        code: "SETTLING".to_owned(),
        message: String::new(),
    };
    let running = t.claim_one().await;
    let until = waiting_until(
        t.release_with(&running.lease, later(), nothing_sent())
            .await
            .unwrap(),
    );
    assert_eq!(until, t.now().after(40 * SECOND));
    assert_eq!(
        (t.get(id).await.status, t.get(id).await.attempts),
        (Status::Pending, 0)
    );
    t.clock.advance(40 * SECOND);
    let running = t.claim_one().await;
    assert_eq!(running.earlier_attempts, 0);
    t.release_with(&running.lease, later(), sent())
        .await
        .unwrap();
    t.clock.advance(40 * SECOND);
    let running = t.claim_one().await;
    assert_eq!((running.earlier_attempts, running.retry_count), (1, 0));
}

async fn error_texts_of_other_systems_are_stored_whatever_they_contain(t: Harness) {
    t.enqueue(event("1")).await;
    let running = t.claim_one().await;
    let why = Release::Counted {
        code: "X\0Y".to_owned(),
        message: "nul \0 and 🐅".to_owned(),
    };
    t.release(&running.lease, why).await.unwrap();
    assert_eq!(
        t.get(running.id).await.error_message.as_deref(),
        Some("nul \u{fffd} and 🐅")
    );
}

conformance!(
    a_counted_failure_waits_longer_each_time_and_then_is_dead,
    jitter_spreads_operations_that_failed_together,
    a_refusal_is_a_dead_letter_at_once,
    outcomes_that_do_not_count_burn_no_retries_but_have_an_age_limit,
    the_age_limit_counts_from_the_first_trouble_not_from_the_queueing,
    retry_after_is_obeyed,
    the_unknown_mark_moves_to_the_latest_unclear_attempt_and_goes_when_the_operation_is_done,
    an_unknown_outcome_is_left_to_settle_for_as_long_as_the_handler_says,
    what_is_blocked_waits_without_burning_retries_and_says_by_what,
    an_operation_handed_back_is_as_if_it_had_not_been_claimed,
    an_operation_put_off_burns_nothing_but_a_call_it_made_is_remembered,
    error_texts_of_other_systems_are_stored_whatever_they_contain,
);
