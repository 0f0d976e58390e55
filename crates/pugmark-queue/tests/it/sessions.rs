//! What PostgreSQL's sessions are limited to, also where a pooler gives them to somebody else.

mod postgres {
    use std::time::Duration;

    use pugmark_queue::db::{Conn, Db, DbError, DbOptions, Pooler};
    use pugmark_queue::on;
    use pugmark_queue::testing::TestDb;

    async fn setting(conn: &mut Conn, name: &str) -> String {
        on!(conn, |c| sqlx::query_scalar("SELECT current_setting($1)")
            .bind(name)
            .fetch_one(c)
            .await)
        .unwrap()
    }

    #[tokio::test]
    async fn reads_and_writes_have_the_limits_that_were_asked_for_with_a_pooler_or_without() {
        let Some(store) = TestDb::postgres().await else {
            return;
        };
        for pooler in [Pooler::None, Pooler::Transaction] {
            let options = DbOptions {
                statement_timeout: Duration::from_secs(7),
                lock_timeout: Duration::from_secs(6),
                idle_in_transaction_timeout: Duration::from_secs(90),
                pooler,
                ..DbOptions::default()
            };
            let db = Db::open(store.url(), options).await.unwrap();
            assert_eq!(db.is_pooled(), pooler == Pooler::Transaction);
            let expected = [
                ("statement_timeout", "7s"),
                ("lock_timeout", "6s"),
                ("idle_in_transaction_session_timeout", "90s"),
                ("row_security", "off"),
            ];
            // Twice: a connection that is used again has them too.
            for _ in 0..2 {
                let mut conn = db.read().await.unwrap();
                for (name, value) in expected {
                    assert_eq!(setting(&mut conn, name).await, value, "{pooler:?}");
                }
                let path = setting(&mut conn, "search_path").await.replace(' ', "");
                assert_eq!(path, "pugmark,public", "{pooler:?}");
            }
            let written: Result<String, DbError> = db
                .write("test", |conn| {
                    Box::pin(async move { Ok(setting(conn, "statement_timeout").await) })
                })
                .await;
            assert_eq!(written.unwrap(), "7s", "{pooler:?}");
            db.close().await;
        }
    }

    #[tokio::test]
    async fn a_statement_that_takes_too_long_is_ended_and_told_as_such() {
        let Some(store) = TestDb::postgres().await else {
            return;
        };
        let options = DbOptions {
            statement_timeout: Duration::from_millis(100),
            ..DbOptions::default()
        };
        let db = Db::open(store.url(), options).await.unwrap();
        let mut conn = db.read().await.unwrap();
        let slow = on!(&mut conn, |c| sqlx::query("SELECT pg_sleep(600)")
            .execute(c)
            .await
            .map(drop));
        assert!(matches!(
            DbError::from(slow.unwrap_err()),
            DbError::TimedOut
        ));
    }

    #[tokio::test]
    async fn migrations_through_a_pooler_need_the_servers_own_address() {
        let Some(store) = TestDb::postgres().await else {
            return;
        };
        let migrations = pugmark_queue::db::migrations(pugmark_queue::db::Engine::Postgres);
        let pooled = |direct_url| DbOptions {
            pooler: Pooler::Transaction,
            direct_url,
            ..DbOptions::default()
        };
        let db = Db::open(store.url(), pooled(None)).await.unwrap();
        db.migrate(migrations.clone())
            .await
            .expect("nothing is to be done");
        db.write("test", |conn| {
            Box::pin(async move {
                on!(conn, |c| sqlx::raw_sql("DROP SCHEMA pugmark CASCADE")
                    .execute(c)
                    .await
                    .map(drop))?;
                Ok::<_, DbError>(())
            })
        })
        .await
        .unwrap();
        let refused = db.migrate(migrations.clone()).await;
        assert!(
            matches!(refused, Err(DbError::NeedsDirectConnection)),
            "{refused:?}"
        );
        db.close().await;

        let db = Db::open(store.url(), pooled(Some(store.url().to_owned())))
            .await
            .unwrap();
        db.migrate(migrations.clone()).await.unwrap();
        db.check_version(&migrations).await.unwrap();
        db.close().await;
    }
}
