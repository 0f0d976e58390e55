//! Handles that write only as long as something holds.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use pugmark_queue::db::{Conn, Db, DbError, WriteGuard};
use pugmark_queue::*;

use crate::harness::*;

/// Lets write as long as there is a lane of this name.
struct WhileThereIs(&'static str);

impl WriteGuard for WhileThereIs {
    fn check<'c>(&'c self, conn: &'c mut Conn) -> BoxFuture<'c, Result<(), DbError>> {
        async move {
            let sql = "SELECT COUNT(*) FROM queue_lanes WHERE lane = $1";
            let lanes: i64 = on!(conn, |c| sqlx::query_scalar(sql)
                .bind(self.0)
                .fetch_one(c)
                .await)?;
            match lanes {
                0 => Err(DbError::Fenced {
                    reason: "the gate is closed",
                }),
                _ => Ok(()),
            }
        }
        .boxed()
    }
}

async fn run(db: &Db, sql: &'static str) -> Result<(), DbError> {
    db.write("test", move |conn| {
        async move {
            on!(conn, |c| sqlx::query(sql).execute(c).await.map(drop))?;
            Ok(())
        }
        .boxed()
    })
    .await
}

async fn lanes(db: &Db) -> i64 {
    let mut conn = db.read().await.unwrap();
    on!(&mut conn, |c| sqlx::query_scalar(
        "SELECT COUNT(*) FROM queue_lanes"
    )
    .fetch_one(c)
    .await)
    .unwrap()
}

async fn what_the_guard_does_not_let_through_is_not_written_and_others_write_on(t: Harness) {
    let db = t.queue.db().clone();
    let guarded = db.guarded(Arc::new(WhileThereIs("gate")));
    let closed = "INSERT INTO queue_lanes (lane, last_seq) VALUES ('late', 1)";
    let refused = run(&guarded, closed).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the gate is closed; nothing was written"
    );
    assert!(!refused.is_retryable());
    guarded.check_guard().await.unwrap_err();
    db.check_guard().await.unwrap();

    run(
        &db,
        "INSERT INTO queue_lanes (lane, last_seq) VALUES ('gate', 1)",
    )
    .await
    .unwrap();
    guarded.check_guard().await.unwrap();
    let open = "INSERT INTO queue_lanes (lane, last_seq) VALUES ('in time', 1)";
    run(&guarded, open).await.unwrap();
    assert_eq!(lanes(&guarded).await, 2);
}

async fn a_queue_through_a_guarded_handle_is_the_same_queue_behind_the_guard(t: Harness) {
    let db = t.queue.db().clone();
    let guarded = t.queue.through(db.guarded(Arc::new(WhileThereIs("gate"))));
    let refused = guarded.prune(SECOND, 10).await.unwrap_err();
    assert!(
        matches!(refused, QueueError::Db(DbError::Fenced { .. })),
        "{refused}"
    );
    assert!(Arc::ptr_eq(guarded.waker(), t.queue.waker()));
    run(
        &db,
        "INSERT INTO queue_lanes (lane, last_seq) VALUES ('gate', 1)",
    )
    .await
    .unwrap();
    guarded.prune(SECOND, 10).await.unwrap();
}

conformance!(
    what_the_guard_does_not_let_through_is_not_written_and_others_write_on,
    a_queue_through_a_guarded_handle_is_the_same_queue_behind_the_guard,
);
