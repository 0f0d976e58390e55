use std::collections::BTreeSet;

use futures::FutureExt;
use pugmark_queue::db::{Db, DbError, DbOptions, Engine, Ts, migrations};
use pugmark_queue::testing::TestDb;
use pugmark_queue::*;
use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType};

use crate::harness::*;

fn application_migration() -> Migration {
    let sql = "CREATE TABLE of_the_application (id INTEGER)".into_sql_str();
    Migration::new(
        1000,
        "application".into(),
        MigrationType::Simple,
        sql,
        false,
    )
}

async fn one_migrator_runs_the_queues_and_the_applications_migrations(t: Harness) {
    let db = t.queue.db();
    let mut all = migrations(db.engine());
    all.push(application_migration());
    assert!(matches!(
        db.check_version(&all).await,
        Err(DbError::NotMigrated {
            found: Some(2),
            needed: 1000
        })
    ));
    db.migrate(all.clone()).await.unwrap();
    db.migrate(all.clone()).await.unwrap();
    db.check_version(&all).await.unwrap();
}

async fn a_database_newer_than_the_program_is_refused(t: Harness) {
    let db = t.queue.db();
    let mut newer = migrations(db.engine());
    newer.push(application_migration());
    db.migrate(newer).await.unwrap();
    let known = migrations(db.engine());
    for refused in [
        db.migrate(known.clone()).await,
        db.check_version(&known).await,
    ] {
        assert!(
            matches!(
                refused,
                Err(DbError::NewerThanProgram {
                    found: 1000,
                    known: 2
                })
            ),
            "{refused:?}"
        );
    }
}

async fn a_handle_opened_for_reading_refuses_to_write(t: Harness) {
    t.enqueue(event("1")).await;
    let options = DbOptions {
        read_only: true,
        ..DbOptions::default()
    };
    let reader = Db::open(t.test.url(), options).await.unwrap();
    let queue = Queue::new(reader.clone(), QueueOptions::default());
    assert_eq!(queue.counts().await.unwrap()[0].operations, 1);
    let write = reader.write("write", |_| async move { Ok::<_, DbError>(()) }.boxed());
    assert!(matches!(write.await, Err(DbError::ReadOnly)));
    assert!(matches!(
        reader.migrate(migrations(reader.engine())).await,
        Err(DbError::ReadOnly)
    ));
    let mut conn = reader.read().await.unwrap();
    let sneaked = on!(&mut conn, |c| sqlx::query("DELETE FROM queue_lanes")
        .execute(c)
        .await
        .map(drop));
    assert!(matches!(
        sneaked.map_err(DbError::from),
        Err(DbError::ReadOnly)
    ));
}

async fn instants_keep_their_microseconds_and_their_order(t: Harness) {
    let instants: Vec<Ts> = [
        "1969-12-31T23:59:59.999999Z",
        "1999-12-31T23:59:59.5Z",
        "2026-03-01T10:00:00Z",
        "2026-03-01T10:00:00.000001Z",
        "2026-03-01T10:00:00.083Z",
    ]
    .map(|text| text.parse().unwrap())
    .to_vec();
    let stored = instants.clone();
    t.write(move |conn| {
        async move {
            for at in stored.into_iter().rev() {
                let sql =
                    "INSERT INTO queue_pauses (kind, paused_by, paused_at) VALUES ($1, 'x', $2)";
                on!(conn, |c| sqlx::query(sql)
                    .bind(at.to_string())
                    .bind(at)
                    .execute(c)
                    .await
                    .map(drop))?;
            }
            Ok(())
        }
        .boxed()
    })
    .await
    .unwrap();
    let mut conn = t.queue.db().read().await.unwrap();
    let sql = "SELECT paused_at FROM queue_pauses ORDER BY paused_at";
    let read: Vec<Ts> = on!(&mut conn, |c| sqlx::query_scalar(sql).fetch_all(c).await).unwrap();
    assert_eq!(read, instants);
}

conformance!(
    one_migrator_runs_the_queues_and_the_applications_migrations,
    a_database_newer_than_the_program_is_refused,
    a_handle_opened_for_reading_refuses_to_write,
    instants_keep_their_microseconds_and_their_order,
);

#[test]
fn an_instant_is_rfc_3339_in_json() {
    let at: Ts = serde_json::from_str("\"2026-03-01T12:00:00.5+02:00\"").unwrap();
    assert_eq!(
        serde_json::to_string(&at).unwrap(),
        "\"2026-03-01T10:00:00.5Z\""
    );
    assert_eq!(at.as_micros(), 1_772_359_200_500_000);
}

#[tokio::test]
async fn a_url_that_cannot_be_used_is_told_with_the_reason() {
    for (url, reason) in [
        ("sqlite::memory:", "forgets everything"),
        ("sqlite://x?mode=memory", "forgets everything"),
        ("sqlite:", "path"),
        ("mysql://host/x", "expected"),
        ("postgres://user:s3cret@host:notaport/x", "cannot be read"),
    ] {
        let refused = Db::open(url, DbOptions::default()).await.unwrap_err();
        assert!(
            matches!(refused, DbError::UnsupportedUrl { .. }),
            "{url}: {refused:?}"
        );
        assert!(refused.to_string().contains(reason), "{url}: {refused}");
        assert!(!format!("{refused:?}").contains("s3cret"));
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| format!("sqlite:{}", directory.path().join(name).display());
    let without = DbOptions {
        create: false,
        ..DbOptions::default()
    };
    let missing = Db::open(&at("none.db"), without).await.unwrap_err();
    assert!(matches!(&missing, DbError::NotFound { what } if what.ends_with("none.db")));
    let nowhere = Db::open(&at("no/folder/x.db"), DbOptions::default())
        .await
        .unwrap_err();
    assert!(
        matches!(&nowhere, DbError::CannotOpen { what, .. } if what.ends_with("x.db")),
        "{nowhere:?}"
    );
    std::fs::write(
        directory.path().join("text.db"),
        "this is a letter, not a database; ".repeat(100),
    )
    .unwrap();
    let text = Db::open(&at("text.db"), DbOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(&text, DbError::CannotOpen { .. }), "{text:?}");
}

#[tokio::test]
async fn sqlite_is_opened_for_durability() {
    let test = TestDb::sqlite().await;
    let mut conn = test.db().read().await.unwrap();
    let mut pragma = async |sql: &'static str| -> String {
        on!(&mut conn, |c| sqlx::query_scalar::<_, String>(sql)
            .fetch_one(c)
            .await)
        .unwrap()
    };
    assert_eq!(
        pragma("SELECT journal_mode FROM pragma_journal_mode").await,
        "wal"
    );
    assert_eq!(
        pragma("SELECT CAST(synchronous AS TEXT) FROM pragma_synchronous").await,
        "2"
    );
    assert_eq!(
        pragma("SELECT CAST(foreign_keys AS TEXT) FROM pragma_foreign_keys").await,
        "1"
    );
    assert_eq!(
        pragma("SELECT CAST(query_only AS TEXT) FROM pragma_query_only").await,
        "1"
    );
}

#[test]
fn both_databases_have_the_same_migrations() {
    let names = |engine| {
        migrations(engine)
            .into_iter()
            .map(|m| (m.version, m.description))
            .collect::<Vec<_>>()
    };
    assert_eq!(names(Engine::Sqlite), names(Engine::Postgres));
    let folder = |name: &str| -> BTreeSet<String> {
        let path = format!("{}/migrations/{name}", env!("CARGO_MANIFEST_DIR"));
        let files = std::fs::read_dir(path).unwrap();
        files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    assert_eq!(folder("sqlite"), folder("postgres"));
    assert_eq!(
        folder("sqlite").len(),
        names(Engine::Sqlite).len(),
        "every file is embedded"
    );
}

/// (table, column, "not null" or "null") of every column, and the names of the indexes.
type Shape = (BTreeSet<(String, String, String)>, BTreeSet<String>);

async fn shape(db: &Db) -> Shape {
    let (columns, indexes) = match db.engine() {
        Engine::Sqlite => (
            "SELECT m.name, c.name, CASE WHEN c.\"notnull\" = 1 OR c.pk > 0 THEN 'not null' ELSE 'null' END \
             FROM sqlite_schema AS m JOIN pragma_table_xinfo(m.name) AS c \
             WHERE m.type = 'table' AND m.name NOT LIKE '\\_sqlx%' ESCAPE '\\'",
            "SELECT name FROM sqlite_schema WHERE type = 'index' AND name NOT LIKE 'sqlite_autoindex%'",
        ),
        Engine::Postgres => (
            "SELECT table_name::text, column_name::text, CASE is_nullable WHEN 'NO' THEN 'not null' ELSE 'null' END \
             FROM information_schema.columns WHERE table_schema = 'pugmark' AND table_name NOT LIKE '\\_sqlx%'",
            "SELECT indexname::text FROM pg_indexes WHERE schemaname = 'pugmark' AND indexname NOT LIKE '%\\_pkey'",
        ),
    };
    let mut conn = db.read().await.unwrap();
    let columns: Vec<_> = on!(&mut conn, |c| sqlx::query_as(columns).fetch_all(c).await).unwrap();
    let indexes: Vec<String> = on!(&mut conn, |c| sqlx::query_scalar(indexes)
        .fetch_all(c)
        .await)
    .unwrap();
    (columns.into_iter().collect(), indexes.into_iter().collect())
}

/// What only a server can do to its clients.
mod server {
    use super::*;

    mod postgres {
        use super::*;

        #[tokio::test]
        async fn both_databases_have_the_same_tables_columns_and_indexes() {
            let Some(postgres) = TestDb::postgres().await else {
                return;
            };
            let (of_postgres, of_sqlite) = (
                shape(postgres.db()).await,
                shape(TestDb::sqlite().await.db()).await,
            );
            assert!(
                of_sqlite.0.len() > 60 && of_sqlite.1.len() > 10,
                "{of_sqlite:?}"
            );
            assert_eq!(
                of_sqlite
                    .0
                    .symmetric_difference(&of_postgres.0)
                    .collect::<Vec<_>>(),
                Vec::<&(String, String, String)>::new()
            );
            assert_eq!(of_sqlite.1, of_postgres.1);
        }

        #[tokio::test]
        async fn a_server_that_cannot_be_reached_or_lacks_the_database_is_named_without_the_password()
         {
            let Some(test) = TestDb::postgres().await else {
                return;
            };
            let missing = Db::open(&format!("{}_not", test.url()), DbOptions::default())
                .await
                .unwrap_err();
            assert!(
                matches!(&missing, DbError::NotFound { what } if what.ends_with("_not")),
                "{missing:?}"
            );
            // Port 1 of this host: nobody listens there.
            let dead = "postgres://ann:s3cret@127.0.0.1:1/x";
            let options = DbOptions {
                acquire_timeout: SECOND,
                ..DbOptions::default()
            };
            let unreachable = Db::open(dead, options).await.unwrap_err();
            assert!(
                matches!(&unreachable, DbError::CannotOpen { what, .. } if what == "ann@127.0.0.1:1/x"),
                "{unreachable:?}"
            );
            assert!(!format!("{unreachable} {unreachable:?}").contains("s3cret"));
        }

        #[tokio::test]
        async fn everything_lives_in_a_schema_of_its_own() {
            let Some(test) = TestDb::postgres().await else {
                return;
            };
            let mut conn = test.db().read().await.unwrap();
            let sql =
                "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'";
            let strangers: i64 =
                on!(&mut conn, |c| sqlx::query_scalar(sql).fetch_one(c).await).unwrap();
            assert_eq!(strangers, 0);
        }
    }
}
