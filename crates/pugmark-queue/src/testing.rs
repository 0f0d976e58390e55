//! Throwaway databases for test suites, throwaway corners of a broker, throwaway servers of Redis.

mod rabbitmq;
mod redis;

use std::future::Future;

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use tempfile::TempDir;

use crate::db::{Db, DbOptions, Engine, migrations};
use crate::queue;

pub use lapin;
pub use rabbitmq::{Line, RABBITMQ_URL, TestBroker};
pub use redis::{REDIS_SERVER, TestRedis};

/// Names the PostgreSQL server that tests may make databases on.
pub const POSTGRES_URL: &str = "PUGMARK_TEST_POSTGRES_URL";
/// Names, separated by commas, the services without which a test run must fail instead of leaving tests out.
pub const REQUIRE: &str = "PUGMARK_REQUIRE";

/// A database of one test: migrated with the queue's migrations, removed when dropped.
pub struct TestDb {
    db: Db,
    url: String,
    home: Home,
}

enum Home {
    Sqlite(TempDir),
    Postgres { server: String, name: String },
}

impl TestDb {
    /// On SQLite, in a temporary directory.
    ///
    /// # Panics
    /// When the database cannot be made.
    pub async fn sqlite() -> Self {
        Self::sqlite_with(DbOptions::default()).await
    }

    /// As [`sqlite`](Self::sqlite), opened in a way of its own.
    ///
    /// # Panics
    /// When the database cannot be made.
    pub async fn sqlite_with(options: DbOptions) -> Self {
        let directory = must(tempfile::tempdir());
        let url = format!("sqlite:{}", directory.path().join("test.db").display());
        Self::open(url, Home::Sqlite(directory), options).await
    }

    /// On the PostgreSQL server named by [`POSTGRES_URL`]; `None`, with a line on standard error, where none is named.
    ///
    /// # Panics
    /// When the database cannot be made, or none is named although [`REQUIRE`] lists `postgres`.
    pub async fn postgres() -> Option<Self> {
        Self::postgres_with(DbOptions::default()).await
    }

    /// As [`postgres`](Self::postgres), opened in a way of its own.
    ///
    /// # Panics
    /// As [`postgres`](Self::postgres).
    pub async fn postgres_with(options: DbOptions) -> Option<Self> {
        let Ok(server) = std::env::var(POSTGRES_URL) else {
            let required = std::env::var(REQUIRE).unwrap_or_default();
            assert!(
                !required.split(',').any(|word| word.trim() == "postgres"),
                "{POSTGRES_URL} is not set"
            );
            eprintln!("left out: {POSTGRES_URL} is not set");
            return None;
        };
        let name = format!("pugmark_test_{}", uuid::Uuid::now_v7().simple());
        must(on_server(&server, format!("CREATE DATABASE {name}")).await);
        let url = with_database(&server, &name);
        Some(Self::open(url, Home::Postgres { server, name }, options).await)
    }

    async fn open(url: String, home: Home, options: DbOptions) -> Self {
        let db = must(Db::open(&url, options).await);
        must(db.migrate(migrations(db.engine())).await);
        Self { db, url, home }
    }

    /// The handle.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// Where it is, to open it a second time.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where the file is, on SQLite.
    pub fn path(&self) -> Option<std::path::PathBuf> {
        match &self.home {
            Home::Sqlite(directory) => Some(directory.path().join("test.db")),
            Home::Postgres { .. } => None,
        }
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let Home::Postgres { server, name } = &self.home else {
            return;
        };
        let (server, name) = (server.clone(), name.clone());
        // Dropping happens inside a test's runtime, which must not be blocked on; and FORCE throws out its connections.
        let dropped = std::thread::spawn(move || {
            block_on(async {
                on_server(
                    &server,
                    format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
                )
                .await
            })
        });
        if !matches!(dropped.join(), Ok(Ok(()))) {
            eprintln!("a test database could not be removed");
        }
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    must(
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build(),
    )
    .block_on(work)
}

async fn on_server(server: &str, sql: String) -> Result<(), sqlx::Error> {
    let options: sqlx::postgres::PgConnectOptions = server.parse()?;
    let mut connection: PgConnection = options.connect().await?;
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut connection)
        .await?;
    connection.close().await
}

fn with_database(server: &str, name: &str) -> String {
    let (base, parameters) = server
        .split_once('?')
        .map_or((server, None), |(base, rest)| (base, Some(rest)));
    let authority_end = base.find("://").map_or(0, |at| at + 3);
    let path = base[authority_end..]
        .find('/')
        .map_or(base.len(), |at| authority_end + at);
    let parameters = parameters
        .map(|rest| format!("?{rest}"))
        .unwrap_or_default();
    format!("{}/{name}{parameters}", &base[..path])
}

/// The statements whose cost must not grow with the history, by name, for tests of their plans.
pub fn hot_queries(engine: Engine) -> [(&'static str, &'static str); 3] {
    match engine {
        Engine::Sqlite => [
            ("claim", queue::CLAIM_SQLITE),
            ("next due", queue::NEXT_DUE_SQLITE),
            ("promote", queue::PROMOTE),
        ],
        Engine::Postgres => [
            ("claim", queue::CLAIM_POSTGRES),
            ("next due", queue::NEXT_DUE_POSTGRES),
            ("promote", queue::PROMOTE),
        ],
    }
}

/// What a search asks the database for one page, for tests of its plan: where to stop looking, and the operations.
pub fn search_queries(engine: Engine, search: &crate::Search) -> [String; 2] {
    queue::search_sql(engine, search)
}

fn must<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("the test database: {error}"),
    }
}
