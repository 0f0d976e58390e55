use pugmark_queue::*;
use zeroize::Zeroizing;

use crate::harness::*;

fn password(lane: &str) -> NewOperation {
    NewOperation {
        kind: "user.password-reset".to_owned(),
        secret: Some(b"tiger-1234".to_vec().into()),
        ..event(lane)
    }
}

fn sealer() -> Sealer {
    Sealer::new(1, &[9; 32]).unwrap()
}

async fn sealed_bytes(t: &Harness, id: OperationId) -> Option<Vec<u8>> {
    let mut conn = t.queue.db().read().await.unwrap();
    let sql = "SELECT sealed_payload FROM vtiger_sync_queue WHERE id = $1";
    on!(&mut conn, |c| sqlx::query_scalar(sql)
        .bind(id)
        .fetch_one(c)
        .await)
    .unwrap()
}

async fn a_secret_is_stored_sealed_opened_by_the_handler_and_erased_at_the_end(t: Harness) {
    let id = t.enqueue(password("1")).await.id();
    let stored = sealed_bytes(&t, id).await.unwrap();
    assert!(!stored.windows(5).any(|part| part == b"tiger"));
    let claimed = t.claim_one().await;
    assert!(claimed.has_secret());
    assert_eq!(
        claimed.open_secret(&sealer()).unwrap().as_slice(),
        b"tiger-1234"
    );
    assert!(!format!("{claimed:?} {:?}", password("1")).contains("tiger"));
    t.complete(&claimed.lease).await.unwrap();
    assert_eq!(sealed_bytes(&t, id).await, None);
}

async fn a_discarded_operation_leaves_no_secret(t: Harness) {
    let id = t.enqueue(password("1")).await.id();
    t.queue.discard(id, "ann", "wrong user").await.unwrap();
    assert_eq!(sealed_bytes(&t, id).await, None);
}

async fn a_dead_letter_can_be_replayed_while_its_secret_lasts(t: Harness) {
    let id = t.enqueue(password("1")).await.id();
    t.kill(&t.claim_one().await).await;
    t.clock.advance(policy().max_secret_age - SECOND);
    assert_eq!(t.queue.retry(id, "ann", "fixed").await.unwrap(), id);
    let claimed = t.claim_one().await;
    assert_eq!(
        claimed.open_secret(&sealer()).unwrap().as_slice(),
        b"tiger-1234"
    );
}

async fn a_secret_that_waited_too_long_is_erased_and_a_replay_needs_a_new_one(t: Harness) {
    let waiting = t.enqueue(password("1")).await.id();
    let behind = t.enqueue(event("1")).await.id();
    let dead = t.enqueue(password("2")).await.id();
    let refused_one = t
        .claim(10)
        .await
        .into_iter()
        .find(|claimed| claimed.id == dead)
        .unwrap();
    t.kill(&refused_one).await;
    t.clock.advance(LEASE);
    t.queue.reclaim_expired().await.unwrap();
    t.clock.advance(policy().max_secret_age - LEASE);
    assert!(
        t.claim(10).await.is_empty(),
        "an expired secret is never handed out"
    );
    assert_eq!(
        t.queue.reclaim_expired().await.unwrap(),
        Reclaimed {
            leases: 0,
            secrets: 1
        }
    );

    let row = t.get(waiting).await;
    assert!(row.is_dead());
    assert_eq!(row.error_code.as_deref(), Some(codes::SECRET_EXPIRED));
    assert_eq!(
        (
            sealed_bytes(&t, waiting).await,
            sealed_bytes(&t, dead).await
        ),
        (None, None)
    );
    assert_eq!(t.claimed_ids().await, [behind], "the lane goes on");

    assert!(matches!(
        t.queue.retry(dead, "ann", "again").await,
        Err(QueueError::SecretNeeded(_))
    ));
    let new = Zeroizing::new(b"lion-5678".to_vec());
    t.queue
        .retry_with_secret(dead, "ann", "again", new)
        .await
        .unwrap();
    let claimed = t.claim_one().await;
    assert_eq!(
        (claimed.id, claimed.open_secret(&sealer()).unwrap().to_vec()),
        (dead, b"lion-5678".to_vec())
    );
}

async fn a_secret_that_ran_out_during_the_attempt_is_not_tried_again(t: Harness) {
    let id = t.enqueue(password("1")).await.id();
    let running = t.claim_one().await;
    t.clock.advance(policy().max_secret_age);
    assert_eq!(
        t.release(&running.lease, counted()).await.unwrap(),
        Released::Dead
    );
    assert_eq!(
        t.get(id).await.error_code.as_deref(),
        Some(codes::SECRET_EXPIRED)
    );
    assert_eq!(sealed_bytes(&t, id).await, None);
}

async fn without_a_key_no_secret_is_accepted(t: Harness) {
    let queue = Queue::new(t.queue.db().clone(), QueueOptions::default());
    let refused = t
        .write(move |conn| Box::pin(async move { queue.enqueue(conn, password("1")).await }))
        .await;
    assert!(matches!(refused, Err(QueueError::Seal(SealError::NoKey))));
}

conformance!(
    a_secret_is_stored_sealed_opened_by_the_handler_and_erased_at_the_end,
    a_discarded_operation_leaves_no_secret,
    a_dead_letter_can_be_replayed_while_its_secret_lasts,
    a_secret_that_waited_too_long_is_erased_and_a_replay_needs_a_new_one,
    a_secret_that_ran_out_during_the_attempt_is_not_tried_again,
    without_a_key_no_secret_is_accepted,
);

#[test]
fn sealed_bytes_open_only_unchanged_with_their_key_and_for_their_operation() {
    let (mine, other) = (
        OperationId(uuid::Uuid::now_v7()),
        OperationId(uuid::Uuid::now_v7()),
    );
    let sealed = sealer().seal(mine, b"secret").unwrap();
    assert_eq!(sealed.len(), 1 + 24 + 6 + 16);
    assert_eq!(sealer().open(mine, &sealed).unwrap().as_slice(), b"secret");
    assert_eq!(sealer().open(other, &sealed), Err(SealError::DoesNotOpen));
    assert_eq!(
        Sealer::new(1, &[8; 32]).unwrap().open(mine, &sealed),
        Err(SealError::DoesNotOpen)
    );
    assert_eq!(
        Sealer::new(2, &[9; 32]).unwrap().open(mine, &sealed),
        Err(SealError::OtherKey {
            sealed: 1,
            configured: 2
        })
    );
    for place in 1..sealed.len() {
        let mut changed = sealed.clone();
        changed[place] ^= 1;
        assert_eq!(
            sealer().open(mine, &changed),
            Err(SealError::DoesNotOpen),
            "byte {place}"
        );
    }
    for length in 0..sealed.len() {
        assert_eq!(
            sealer().open(mine, &sealed[..length]),
            Err(SealError::DoesNotOpen),
            "{length} bytes"
        );
    }
    assert_ne!(
        sealer().seal(mine, b"secret").unwrap(),
        sealed,
        "a nonce is never used twice"
    );
}

#[test]
fn a_key_of_the_wrong_length_is_refused_and_none_is_shown() {
    assert_eq!(
        Sealer::new(1, b"short").unwrap_err(),
        SealError::KeyLength(5)
    );
    assert!(!format!("{:?}", Sealer::new(1, &[77; 32]).unwrap()).contains("77"));
}
