use std::sync::Arc;

use futures::FutureExt;
use pugmark_queue::db::{Conn, Db, DbError, DbOptions};
use pugmark_queue::testing::TestDb;
use pugmark_queue::*;
use tokio::sync::{Barrier, oneshot};

use crate::harness::*;

async fn insert(conn: &mut Conn, lane: &str) -> Result<(), DbError> {
    let sql = "INSERT INTO queue_lanes (lane, last_seq) VALUES ($1, 1)";
    on!(conn, |c| sqlx::query(sql)
        .bind(lane)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// What another connection sees.
async fn committed(db: &Db) -> Vec<String> {
    let mut conn = db.read().await.unwrap();
    on!(&mut conn, |c| sqlx::query_scalar(
        "SELECT lane FROM queue_lanes ORDER BY lane"
    )
    .fetch_all(c)
    .await)
    .unwrap()
}

/// A member that keeps its group open until told, so that what is submitted meanwhile has to wait for the next one.
fn hold(
    db: &Db,
) -> (
    oneshot::Sender<()>,
    impl Future<Output = Result<(), DbError>> + use<>,
) {
    let (release, held) = oneshot::channel::<()>();
    let member = db.write("hold", move |conn| {
        async move {
            held.await.ok();
            insert(conn, "held").await
        }
        .boxed()
    });
    (release, member)
}

async fn what_waits_while_one_group_commits_goes_into_the_next(t: Harness) {
    let db = t.queue.db().clone();
    let before = db.metrics();
    let (release, held) = hold(&db);
    let held = tokio::spawn(held);
    // One turn is enough for the committer to take the only member there is.
    tokio::task::yield_now().await;
    let members: Vec<_> = (0..50)
        .map(|n| {
            db.write("insert", move |conn| {
                async move { insert(conn, &format!("{n:02}")).await }.boxed()
            })
        })
        .collect();
    release.send(()).unwrap();
    for member in members {
        member.await.unwrap();
    }
    held.await.unwrap().unwrap();
    let after = db.metrics();
    assert_eq!(after.members - before.members, 51);
    assert!(after.groups - before.groups <= 2, "{before:?} {after:?}");
    assert_eq!(committed(&db).await.len(), 51);
}

async fn one_failing_member_never_undoes_another(t: Harness) {
    let db = t.queue.db().clone();
    let (release, held) = hold(&db);
    let good = db.write("good", |conn| {
        async move { insert(conn, "good").await }.boxed()
    });
    let refused = db.write("refused", |conn| {
        async move {
            insert(conn, "refused").await?;
            Err::<(), _>(DbError::Busy)
        }
        .boxed()
    });
    let broken = db.write("broken", |conn| {
        async move {
            insert(conn, "broken").await?;
            insert(conn, "broken").await
        }
        .boxed()
    });
    let panics = db.write("panics", |conn| {
        async move {
            insert(conn, "panics").await?;
            if committed_rows(conn).await? > 0 {
                panic!("on purpose");
            }
            Ok::<(), DbError>(())
        }
        .boxed()
    });
    let last = db.write("last", |conn| {
        async move { insert(conn, "last").await }.boxed()
    });
    release.send(()).unwrap();
    held.await.unwrap();
    good.await.unwrap();
    assert!(matches!(refused.await, Err(DbError::Busy)));
    assert!(broken.await.unwrap_err().is_unique_violation());
    assert!(matches!(
        panics.await,
        Err(DbError::Panicked { label: "panics" })
    ));
    last.await.unwrap();
    assert_eq!(committed(&db).await, ["good", "held", "last"]);
}

async fn committed_rows(conn: &mut Conn) -> Result<i64, DbError> {
    Ok(on!(conn, |c| sqlx::query_scalar(
        "SELECT count(*) FROM queue_lanes"
    )
    .fetch_one(c)
    .await)?)
}

async fn a_caller_who_went_away_is_still_committed(t: Harness) {
    let db = t.queue.db().clone();
    drop(db.write("gone", |conn| {
        async move { insert(conn, "gone").await }.boxed()
    }));
    db.write("next", |conn| {
        async move { insert(conn, "next").await }.boxed()
    })
    .await
    .unwrap();
    assert_eq!(committed(&db).await, ["gone", "next"]);
}

async fn an_answer_comes_after_the_commit(t: Harness) {
    let other = Db::open(t.test.url(), DbOptions::default()).await.unwrap();
    for n in 0..10 {
        let lane = n.to_string();
        let write = t.queue.db().write("insert", move |conn| {
            async move { insert(conn, &lane).await }.boxed()
        });
        write.await.unwrap();
        assert!(committed(&other).await.contains(&n.to_string()));
    }
    other.close().await;
}

async fn hints_are_given_after_the_commit_and_not_for_what_was_undone(t: Harness) {
    let db = t.queue.db().clone();
    let (told, mut hints) = tokio::sync::mpsc::unbounded_channel();
    let hint = told.clone();
    let undone = db.write("undone", move |conn| {
        async move {
            conn.after_commit(move || hint.send("undone").unwrap());
            Err::<(), _>(DbError::Busy)
        }
        .boxed()
    });
    assert!(undone.await.is_err());
    db.write("done", move |conn| {
        async move {
            conn.after_commit(move || told.send("done").unwrap());
            insert(conn, "x").await
        }
        .boxed()
    })
    .await
    .unwrap();
    assert_eq!(hints.recv().await, Some("done"));
    assert_eq!(hints.recv().await, None);
}

async fn closing_commits_what_was_handed_over(t: Harness) {
    let db = t.queue.db().clone();
    let last = db.write("last", |conn| {
        async move { insert(conn, "last").await }.boxed()
    });
    db.clone().close().await;
    last.await.unwrap();
    let after = db.write("after", |conn| {
        async move { insert(conn, "after").await }.boxed()
    });
    assert!(matches!(after.await, Err(DbError::Closed)));
    let again = Db::open(t.test.url(), DbOptions::default()).await.unwrap();
    assert_eq!(committed(&again).await, ["last"]);
}

conformance!(
    what_waits_while_one_group_commits_goes_into_the_next,
    one_failing_member_never_undoes_another,
    a_caller_who_went_away_is_still_committed,
    an_answer_comes_after_the_commit,
    hints_are_given_after_the_commit_and_not_for_what_was_undone,
    closing_commits_what_was_handed_over,
);

#[tokio::test]
async fn a_member_that_takes_too_long_is_undone_alone() {
    let options = DbOptions {
        member_timeout: std::time::Duration::from_millis(50),
        ..DbOptions::default()
    };
    let test = TestDb::sqlite_with(options).await;
    let stuck = test.db().write("stuck", |conn| {
        async move {
            insert(conn, "stuck").await?;
            std::future::pending::<Result<(), DbError>>().await
        }
        .boxed()
    });
    let next = test.db().write("next", |conn| {
        async move { insert(conn, "next").await }.boxed()
    });
    assert!(matches!(stuck.await, Err(DbError::TimedOut)));
    next.await.unwrap();
    assert_eq!(committed(test.db()).await, ["next"]);
}

#[tokio::test]
async fn a_group_that_meets_a_full_disk_loses_nothing_silently() {
    let test = TestDb::sqlite().await;
    test.db()
        .write("limit", |conn| {
            async move {
                on!(conn, |c| sqlx::query("PRAGMA max_page_count = 200")
                    .execute(c)
                    .await
                    .map(drop))?;
                Ok::<_, DbError>(())
            }
            .boxed()
        })
        .await
        .unwrap();
    let small = test.db().write("small", |conn| {
        async move { insert(conn, "small").await }.boxed()
    });
    let huge = test.db().write("huge", |conn| {
        async move { insert(conn, &"x".repeat(4_000_000)).await }.boxed()
    });
    let small = small.await;
    assert!(matches!(huge.await, Err(DbError::DiskFull)));
    assert_eq!(
        small.is_ok(),
        committed(test.db()).await == ["small"],
        "told the truth: {small:?}"
    );
    test.db()
        .write("after", |conn| {
            async move { insert(conn, "after").await }.boxed()
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_lock_held_by_another_program_is_named() {
    let options = DbOptions {
        lock_timeout: std::time::Duration::from_millis(20),
        ..DbOptions::default()
    };
    let test = TestDb::sqlite_with(options).await;
    let other = Db::open(test.url(), DbOptions::default()).await.unwrap();
    let (release, held) = hold(&other);
    let held = tokio::spawn(held);
    let locked = loop {
        // Until the other program's member has begun, there is nothing in the way.
        match test
            .db()
            .write("write", |conn| {
                async move { committed_rows(conn).await }.boxed()
            })
            .await
        {
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert!(matches!(locked, DbError::Locked) && locked.is_retryable());
    release.send(()).unwrap();
    held.await.unwrap().unwrap();
    test.db()
        .write("write", |conn| {
            async move { insert(conn, "now").await }.boxed()
        })
        .await
        .unwrap();
}

/// What only a server can do to its clients.
mod server {
    use super::*;

    mod postgres {
        use super::*;

        async fn run(conn: &mut Conn, sql: &'static str) -> Result<(), DbError> {
            on!(conn, |c| sqlx::raw_sql(sql).execute(c).await.map(drop))?;
            Ok(())
        }

        #[tokio::test]
        async fn a_member_that_swallows_an_sql_error_is_undone_and_told() {
            let Some(test) = TestDb::postgres().await else {
                return;
            };
            let (release, held) = hold(test.db());
            let swallows = test.db().write("swallows", |conn| {
                async move {
                    insert(conn, "swallows").await?;
                    let _ = run(conn, "SELECT 1 / 0").await;
                    Ok::<(), DbError>(())
                }
                .boxed()
            });
            let good = test.db().write("good", |conn| {
                async move { insert(conn, "good").await }.boxed()
            });
            release.send(()).unwrap();
            held.await.unwrap();
            assert!(swallows.await.is_err());
            good.await.unwrap();
            assert_eq!(committed(test.db()).await, ["good", "held"]);
        }

        #[tokio::test]
        async fn a_connection_lost_before_the_commit_commits_nothing_and_is_replaced() {
            let Some(test) = TestDb::postgres().await else {
                return;
            };
            let (release, held) = hold(test.db());
            let cut = test.db().write("cut", |conn| {
                async move { run(conn, "SELECT pg_terminate_backend(pg_backend_pid())").await }
                    .boxed()
            });
            let behind = test.db().write("behind", |conn| {
                async move { insert(conn, "behind").await }.boxed()
            });
            release.send(()).unwrap();
            assert!(matches!(held.await, Err(DbError::RolledBack)));
            assert!(matches!(cut.await, Err(DbError::ConnectionLost)));
            behind.await.unwrap();
            assert_eq!(committed(test.db()).await, ["behind"]);
        }

        #[tokio::test]
        async fn a_connection_lost_while_committing_leaves_the_outcome_unknown() {
            let Some(test) = TestDb::postgres().await else {
                return;
            };
            let trap = "CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS \
                    $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$; \
                    CREATE CONSTRAINT TRIGGER trap AFTER INSERT ON queue_lanes DEFERRABLE INITIALLY DEFERRED \
                    FOR EACH ROW WHEN (NEW.lane = 'trap') EXECUTE FUNCTION trap()";
            test.db()
                .write("trap", move |conn| {
                    async move { run(conn, trap).await }.boxed()
                })
                .await
                .unwrap();
            let caught = test
                .db()
                .write("caught", |conn| {
                    async move { insert(conn, "trap").await }.boxed()
                })
                .await;
            assert!(
                matches!(&caught, Err(error @ DbError::OutcomeUnknown) if !error.is_retryable()),
                "{caught:?}"
            );
            test.db()
                .write("after", |conn| {
                    async move { insert(conn, "after").await }.boxed()
                })
                .await
                .unwrap();
        }

        #[tokio::test]
        async fn a_deadlock_undoes_one_member_and_no_other() {
            let Some(test) = TestDb::postgres().await else {
                return;
            };
            let other = Db::open(test.url(), DbOptions::default()).await.unwrap();
            let rows = "INSERT INTO queue_lanes VALUES ('a', 0), ('b', 0)";
            test.db()
                .write("rows", move |conn| {
                    async move { run(conn, rows).await }.boxed()
                })
                .await
                .unwrap();
            let met = Arc::new(Barrier::new(2));
            let crossing = |db: &Db, first: &'static str, second: &'static str| {
                let met = met.clone();
                db.write("crossing", move |conn| {
                    async move {
                        run(conn, first).await?;
                        met.wait().await;
                        run(conn, second).await
                    }
                    .boxed()
                })
            };
            let a = "UPDATE queue_lanes SET last_seq = last_seq + 1 WHERE lane = 'a'";
            let b = "UPDATE queue_lanes SET last_seq = last_seq + 1 WHERE lane = 'b'";
            let (release, held) = hold(test.db());
            let here = crossing(test.db(), a, b);
            let there = crossing(&other, b, a);
            let bystander = test.db().write("bystander", |conn| {
                async move { insert(conn, "bystander").await }.boxed()
            });
            release.send(()).unwrap();
            let (here, there) = tokio::join!(here, there);
            assert!(here.is_ok() != there.is_ok(), "{here:?} {there:?}");
            let lost = here.and(there).unwrap_err();
            assert!(matches!(lost, DbError::Conflict) && lost.is_retryable());
            held.await.unwrap();
            bystander.await.unwrap();
            other.close().await;
        }
    }
}
