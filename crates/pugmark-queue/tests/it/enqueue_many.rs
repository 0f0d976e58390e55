//! Many operations stored at once are stored as one by one: the same results, the same rows, the same order of claims.

use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::BoxFuture;
use pugmark_queue::db::Engine;
use pugmark_queue::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use uuid::Uuid;

use crate::harness::*;

conformance!(
    what_is_stored_at_once_is_what_one_by_one_would_have_stored,
    an_invalid_operation_fails_all_that_are_stored_with_it,
    every_operation_stored_at_once_is_hinted_at_after_the_commit,
);

async fn twin_of(t: &Harness) -> Harness {
    match t.test.db().engine() {
        Engine::Sqlite => Harness::sqlite().await,
        Engine::Postgres => Harness::postgres().await.expect("the first one was there"),
    }
}

async fn one_by_one(t: &Harness, new: Vec<(OperationId, NewOperation)>) -> Vec<Enqueued> {
    let queue = t.queue.clone();
    t.write(move |conn| {
        async move {
            let mut results = Vec::new();
            for (id, operation) in new {
                results.push(queue.enqueue_as(conn, id, operation).await?);
            }
            Ok(results)
        }
        .boxed()
    })
    .await
    .unwrap()
}

async fn at_once(
    t: &Harness,
    new: Vec<(OperationId, NewOperation)>,
) -> Result<Vec<Enqueued>, QueueError> {
    let queue = t.queue.clone();
    t.write(move |conn| async move { queue.enqueue_many(conn, new).await }.boxed())
        .await
}

/// Some with a lane, a coalesce key or an idempotency key in common, also with operations of before.
fn operation(random: &mut StdRng) -> (OperationId, NewOperation) {
    let id = OperationId(Uuid::from_u128(random.random()));
    let lane = match random.random_range(0..3) {
        0 => format!("lane {}", random.random_range(0..6)),
        _ => format!("lane of {id}"),
    };
    let merges = random.random_range(0..5) == 0;
    let mut new = NewOperation {
        lane,
        coalesce_key: merges.then(|| format!("key {}", random.random_range(0..2))),
        correlation_id: format!("request {id}"),
        payload: json!({ "text": "a\u{0}b 'c' \"d\" ü", "number": random.random_range(0..9) }),
        ..NewOperation::new("note.create", "customer", "7", Operation::Create)
    };
    if random.random_range(0..2) == 0 {
        new.idempotency_key = Some(format!("once {}", random.random_range(0..60)));
    }
    if !merges && random.random_range(0..3) == 0 {
        new.secret = Some(zeroize::Zeroizing::new(b"secret".to_vec()));
    }
    if random.random_range(0..3) == 0 {
        new.priority = Priority::Urgent;
        new.requested_by = Some("somebody".to_owned());
        new.not_before = Some((5 * SECOND).into());
    }
    (id, new)
}

/// Claims all that can be, and lets the same ones succeed, fail for good and be blocked in both.
async fn work(t: &Harness, fates: u64) -> Vec<OperationId> {
    let mut fates = StdRng::seed_from_u64(fates);
    let mut claimed = t.claim(4).await;
    claimed.sort_by_key(|one| one.id);
    for one in &claimed {
        match fates.random_range(0..3) {
            0 => drop(t.complete(&one.lease).await.unwrap()),
            1 => t.kill(one).await,
            _ => {
                let blocked = Release::Blocked {
                    by: "a key".to_owned(),
                    recheck_after: 30 * SECOND,
                };
                t.release(&one.lease, blocked).await.unwrap();
            }
        }
    }
    claimed.into_iter().map(|one| one.id).collect()
}

async fn row(t: &Harness, id: OperationId) -> serde_json::Value {
    let request = format!("request {id}");
    let answering = t.queue.find_by_correlation(&request).await.unwrap();
    let answering: Vec<OperationId> = answering.iter().map(|row| row.id).collect();
    match t.queue.get(id).await.unwrap() {
        Some(found) => json!([found.asked, found.asked.heir, answering]),
        None => json!([answering]),
    }
}

async fn what_is_stored_at_once_is_what_one_by_one_would_have_stored(t: Harness) {
    let twin = twin_of(&t).await;
    let mut random = StdRng::seed_from_u64(20_261_121);
    let mut ids = Vec::new();
    for round in 0..12 {
        let many = random.random_range(0..30);
        let new: Vec<_> = (0..many).map(|_| operation(&mut random)).collect();
        ids.extend(new.iter().map(|(id, _)| *id));
        let wanted = one_by_one(&twin, new.clone()).await;
        assert_eq!(at_once(&t, new).await.unwrap(), wanted, "round {round}");
        let fates = random.random();
        assert_eq!(
            work(&t, fates).await,
            work(&twin, fates).await,
            "round {round}"
        );
        t.clock.advance(7 * SECOND);
        twin.clock.advance(7 * SECOND);
    }
    for id in ids {
        assert_eq!(row(&t, id).await, row(&twin, id).await, "{id}");
    }
}

async fn an_invalid_operation_fails_all_that_are_stored_with_it(t: Harness) {
    let valid = (OperationId(Uuid::now_v7()), event("1"));
    let invalid = NewOperation {
        kind: String::new(),
        ..event("2")
    };
    let invalid = (OperationId(Uuid::now_v7()), invalid);
    let refused = at_once(&t, vec![valid.clone(), invalid]).await;
    assert!(
        matches!(refused, Err(QueueError::Invalid(_))),
        "{refused:?}"
    );
    assert!(t.queue.get(valid.0).await.unwrap().is_none());
    assert_eq!(at_once(&t, Vec::new()).await.unwrap(), []);
}

#[derive(Default)]
struct Heard(Mutex<Vec<Hint>>);

impl Waker for Heard {
    fn wake(&self, hint: Option<Hint>) {
        self.0.lock().unwrap().extend(hint);
    }

    fn woken<'a>(&'a self) -> BoxFuture<'a, ()> {
        Box::pin(std::future::pending())
    }
}

async fn every_operation_stored_at_once_is_hinted_at_after_the_commit(t: Harness) {
    let heard = Arc::new(Heard::default());
    let options = QueueOptions {
        waker: Some(heard.clone()),
        ..Harness::options(t.clock.clone())
    };
    let queue = Queue::new(t.test.db().clone(), options);
    let new: Vec<_> = ["1", "2", "3"]
        .map(|id| (OperationId(Uuid::now_v7()), event(id)))
        .into();
    let mut wanted: Vec<OperationId> = new.iter().map(|(id, _)| *id).collect();
    let before = heard.clone();
    t.write(move |conn| {
        async move {
            queue.enqueue_many(conn, new).await?;
            assert!(
                before.0.lock().unwrap().is_empty(),
                "nothing is committed yet"
            );
            Ok(())
        }
        .boxed()
    })
    .await
    .unwrap();
    let hints = heard.0.lock().unwrap();
    let mut told: Vec<OperationId> = hints.iter().filter_map(|hint| hint.operation).collect();
    told.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(told, wanted);
    assert!(
        hints
            .iter()
            .all(|hint| hint.kind == "note.create" && hint.correlation_id.is_some())
    );
}
