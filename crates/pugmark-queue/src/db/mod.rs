//! The pair of databases: one handle over SQLite or PostgreSQL, pooled readers, and writes committed in groups.

mod committer;
mod conn;
mod error;
mod guard;
mod json;
mod migrate;
mod options;
mod store_lock;
mod time;

use std::future::Future;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use futures::FutureExt;
use futures::future::BoxFuture;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool, Row, SqlitePool};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub(crate) use committer::panic_text;
use committer::{Committer, Member, Source};
pub use conn::{Conn, RawConn};
pub use error::DbError;
pub(crate) use error::retry_pause;
pub use guard::WriteGuard;
pub use json::JsonText;
pub use migrate::migrations;
pub use options::{DbOptions, Pooler};
pub use store_lock::{StoreLock, StoreLockError};
pub use time::{Clock, ManualClock, SystemClock, Ts};

/// Which database stands behind a [`Db`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// One file, one writer, for one process.
    Sqlite,
    /// A server, for any number of processes.
    Postgres,
}

/// How much has been committed through [`Db::write`] since the handle was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DbMetrics {
    /// Transactions committed.
    pub groups: u64,
    /// Members that were in them. `members / groups` is the gain of committing in groups.
    pub members: u64,
}

/// A handle on the database. Cloning is cheap; all clones share pools and committers.
#[derive(Clone)]
pub struct Db {
    inner: Arc<Inner>,
    guard: Option<Arc<dyn WriteGuard>>,
}

struct Inner {
    pools: Pools,
    options: DbOptions,
    waiting: Mutex<Option<mpsc::UnboundedSender<Box<dyn Member>>>>,
    committers: Mutex<Vec<JoinHandle<()>>>,
    counters: Arc<Counters>,
}

#[derive(Clone)]
pub(crate) enum Pools {
    Sqlite {
        readers: SqlitePool,
        writer: SqlitePool,
    },
    Postgres {
        shared: PgPool,
        committers: PgPool,
        /// Through a pooler in transaction mode.
        pooled: bool,
    },
}

#[derive(Default)]
pub(crate) struct Counters {
    groups: AtomicU64,
    members: AtomicU64,
}

impl Counters {
    fn committed(&self, members: usize) {
        self.groups.fetch_add(1, Ordering::Relaxed);
        self.members.fetch_add(members as u64, Ordering::Relaxed);
    }
}

impl Db {
    /// Opens the database that `url` names: `sqlite:<path>`, `postgres://…` or `postgresql://…`.
    ///
    /// A connection is made at once, so that a wrong path, a wrong password or a file that is no database is told here.
    ///
    /// # Errors
    /// [`DbError::UnsupportedUrl`], [`DbError::NotFound`], [`DbError::CannotOpen`] and what the first connection may meet.
    pub async fn open(url: &str, options: DbOptions) -> Result<Db, DbError> {
        let pools = match Scheme::of(url)? {
            Scheme::Sqlite(path) => open_sqlite(path, &options).await?,
            Scheme::Postgres => open_postgres(url, &options).await?,
        };
        Ok(Self::start(pools, options))
    }

    fn start(pools: Pools, options: DbOptions) -> Db {
        let (sender, receiver) = mpsc::unbounded_channel();
        let counters = Arc::new(Counters::default());
        let source = Source::new(receiver, options.group_size);
        let tasks = match &pools {
            Pools::Sqlite { .. } => 1,
            Pools::Postgres { .. } => options.committers.max(1),
        };
        let committers = (0..tasks)
            .map(|_| {
                let committer = Committer::new(
                    pools.clone(),
                    options.clone(),
                    source.clone(),
                    counters.clone(),
                );
                tokio::spawn(committer.run())
            })
            .collect();
        Db {
            inner: Arc::new(Inner {
                pools,
                options,
                waiting: Mutex::new(Some(sender)),
                committers: Mutex::new(committers),
                counters,
            }),
            guard: None,
        }
    }

    /// The database behind the handle.
    pub fn engine(&self) -> Engine {
        match self.inner.pools {
            Pools::Sqlite { .. } => Engine::Sqlite,
            Pools::Postgres { .. } => Engine::Postgres,
        }
    }

    /// A pooled connection for reading. On SQLite it refuses to write (`query_only`).
    ///
    /// # Errors
    /// [`DbError::Busy`] when none becomes free in time, [`DbError::ConnectionLost`], [`DbError::Closed`].
    pub async fn read(&self) -> Result<Conn, DbError> {
        match &self.inner.pools {
            Pools::Sqlite { readers, .. } => Ok(Conn::sqlite(readers.acquire().await?)),
            Pools::Postgres { shared, .. } => Ok(Conn::postgres(shared.acquire().await?)),
        }
    }

    /// Makes `member` part of the next group commit.
    ///
    /// It runs inside its own savepoint, so that its failure (an `Err`, an SQL error, a panic) undoes nothing but itself. The
    /// answer comes after the commit. The member is handed over when `write` is called, so dropping the returned future
    /// does not take it back. `label` names the member in errors and logs.
    ///
    /// # Errors
    /// The member's own error, or a [`DbError`] turned into `E`: of these only [`DbError::OutcomeUnknown`] leaves open whether
    /// the member was committed.
    pub fn write<T, E, F>(
        &self,
        label: &'static str,
        member: F,
    ) -> impl Future<Output = Result<T, E>> + Send + use<T, E, F>
    where
        F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<T, E>> + Send + 'static,
        E: From<DbError> + Send + 'static,
        T: Send + 'static,
    {
        let answer = self.submit(label, member);
        async move {
            match answer {
                Err(error) => Err(E::from(error)),
                Ok(receiver) => receiver
                    .await
                    .unwrap_or_else(|_| Err(E::from(DbError::Closed))),
            }
        }
    }

    fn submit<T, E, F>(
        &self,
        label: &'static str,
        member: F,
    ) -> Result<tokio::sync::oneshot::Receiver<Result<T, E>>, DbError>
    where
        F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<T, E>> + Send + 'static,
        E: From<DbError> + Send + 'static,
        T: Send + 'static,
    {
        if self.inner.options.read_only {
            return Err(DbError::ReadOnly);
        }
        let guard = self.guard.clone();
        let timeout = self.inner.options.member_timeout;
        let (member, receiver) = committer::member(label, timeout, move |conn: &mut Conn| {
            Box::pin(async move {
                if let Some(guard) = guard {
                    guard.check(conn).await?;
                }
                member(conn).await
            })
        });
        let waiting = self
            .inner
            .waiting
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let sender = waiting.as_ref().ok_or(DbError::Closed)?;
        sender.send(member).map_err(|_| DbError::Closed)?;
        Ok(receiver)
    }

    /// Runs every migration in `migrations` that this database has not seen; see [`migrations`] for the queue's own.
    ///
    /// # Errors
    /// [`DbError::NewerThanProgram`] when the database carries a version that is not in the list, [`DbError::Migration`].
    pub async fn migrate(&self, migrations: Vec<sqlx::migrate::Migration>) -> Result<(), DbError> {
        if self.inner.options.read_only {
            return Err(DbError::ReadOnly);
        }
        if !self.is_pooled() {
            return migrate::run(&self.inner.pools, migrations).await;
        }
        // The migrator's lock belongs to a session.
        match (
            self.check_version(&migrations).await,
            &self.inner.options.direct_url,
        ) {
            (Ok(()), _) => Ok(()),
            (Err(DbError::NotMigrated { .. }), Some(url)) => {
                let options = DbOptions {
                    pooler: Pooler::None,
                    ..self.inner.options.clone()
                };
                let pools = open_postgres(url, &options).await?;
                migrate::run(&pools, migrations).await
            }
            (Err(DbError::NotMigrated { .. }), None) => Err(DbError::NeedsDirectConnection),
            (Err(error), _) => Err(error),
        }
    }

    /// Checks, without changing anything, that the database is exactly as far as `migrations`.
    ///
    /// # Errors
    /// [`DbError::NewerThanProgram`], or [`DbError::NotMigrated`] when migrations wait to be run.
    pub async fn check_version(
        &self,
        migrations: &[sqlx::migrate::Migration],
    ) -> Result<(), DbError> {
        migrate::check(&mut self.read().await?, migrations).await
    }

    /// Whether a pooler in transaction mode stands before the server: then nothing can be kept in a session, and nothing heard by
    /// LISTEN.
    pub fn is_pooled(&self) -> bool {
        matches!(self.inner.pools, Pools::Postgres { pooled: true, .. })
    }

    /// What [`Db::write`] has committed so far.
    pub fn metrics(&self) -> DbMetrics {
        DbMetrics {
            groups: self.inner.counters.groups.load(Ordering::Relaxed),
            members: self.inner.counters.members.load(Ordering::Relaxed),
        }
    }

    /// Commits what was handed to [`Db::write`] so far, then closes every connection. Other clones of the handle get
    /// [`DbError::Closed`] from then on.
    pub async fn close(self) {
        self.inner
            .waiting
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .take();
        let committers = std::mem::take(
            &mut *self
                .inner
                .committers
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner()),
        );
        for committer in committers {
            if let Err(error) = committer.await {
                tracing::error!(%error, "a committer ended badly");
            }
        }
        match &self.inner.pools {
            Pools::Sqlite { readers, writer } => {
                readers.close().await;
                writer.close().await;
            }
            Pools::Postgres {
                shared, committers, ..
            } => {
                shared.close().await;
                committers.close().await;
            }
        }
    }
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Db")
            .field("engine", &self.engine())
            .finish_non_exhaustive()
    }
}

enum Scheme<'a> {
    Sqlite(&'a str),
    Postgres,
}

impl<'a> Scheme<'a> {
    fn of(url: &'a str) -> Result<Self, DbError> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres);
        }
        let Some(rest) = url.strip_prefix("sqlite:") else {
            return Err(DbError::unsupported(
                "expected sqlite:<path>, postgres://… or postgresql://…",
            ));
        };
        let path = rest.strip_prefix("//").unwrap_or(rest);
        if path.contains(":memory:") || path.contains("mode=memory") {
            return Err(DbError::unsupported(
                "an in-memory database forgets everything when the program ends, and its connections do not see each other's \
                 writes; name a file: sqlite:<path>",
            ));
        }
        if path.is_empty() {
            return Err(DbError::unsupported(
                "sqlite: needs the path of a file after the colon",
            ));
        }
        if path.contains('?') {
            return Err(DbError::unsupported(
                "sqlite: takes a path without parameters",
            ));
        }
        Ok(Self::Sqlite(path))
    }
}

async fn open_sqlite(path: &str, options: &DbOptions) -> Result<Pools, DbError> {
    let connect = options.sqlite(path);
    let missing = !std::path::Path::new(path).exists();
    if missing && (!options.create || options.read_only) {
        return Err(DbError::NotFound {
            what: path.to_owned(),
        });
    }
    let cannot_open = |error: sqlx::Error| DbError::while_opening(path, error);
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None);
    let writer = writer
        .acquire_timeout(options.acquire_timeout)
        .connect_with(connect.clone())
        .await
        .map_err(cannot_open)?;
    let readers = SqlitePoolOptions::new()
        .max_connections(options.readers)
        .acquire_timeout(options.acquire_timeout)
        .connect_lazy_with(connect.pragma("query_only", "on"));
    Ok(Pools::Sqlite { readers, writer })
}

async fn open_postgres(url: &str, options: &DbOptions) -> Result<Pools, DbError> {
    let (connect, pooled) = first_connection(url, options).await?;
    let (begin, end) = (options.begin_pooled(), options.begin_pooled());
    let mut shared = PgPoolOptions::new()
        .max_connections(options.readers)
        .acquire_timeout(options.acquire_timeout);
    if pooled {
        // A reader has one transaction for as long as it has the connection: settings and prepared statements live as long.
        let (fresh, kept) = (Arc::<str>::from(begin), Arc::<str>::from(end));
        shared = shared
            .after_connect(move |connection, _| run_on(connection, fresh.clone()).boxed())
            .before_acquire(move |connection, _| {
                let begun = run_on(connection, kept.clone());
                async move { begun.await.map(|()| true) }.boxed()
            })
            .after_release(|connection, _| {
                let ended = run_on(connection, Arc::from("COMMIT"));
                async move { ended.await.map(|()| true) }.boxed()
            });
    }
    let shared = shared.connect_lazy_with(connect.clone());
    let committers = PgPoolOptions::new()
        .max_connections(u32::try_from(options.committers.max(1)).unwrap_or(u32::MAX))
        .acquire_timeout(options.acquire_timeout)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(connect);
    Ok(Pools::Postgres {
        shared,
        committers,
        pooled,
    })
}

async fn run_on(connection: &mut PgConnection, sql: Arc<str>) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_string()))
        .execute(connection)
        .await
        .map(drop)
}

/// Connects once, and tells how to connect from then on: what a pooler in transaction mode refuses or loses shows at once.
async fn first_connection(
    url: &str,
    options: &DbOptions,
) -> Result<(PgConnectOptions, bool), DbError> {
    let (direct, shown) = options.postgres(url, false)?;
    let (through, _) = options.postgres(url, true)?;
    let failed = |error| DbError::while_opening(&shown, error);
    let known = options.known_pooler(&direct);
    if known != Some(true) {
        match connect_once(&direct, options).await {
            Ok(mut first) => {
                let path: String = sqlx::raw_sql("SHOW search_path")
                    .fetch_one(&mut first)
                    .await?
                    .try_get(0)?;
                first.close().await?;
                if known == Some(false) || path == options::SEARCH_PATH {
                    return Ok((direct, false));
                }
            }
            Err(error) if known.is_none() && refuses_settings(&error) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    let first = connect_once(&through, options).await.map_err(failed)?;
    first.close().await?;
    Ok((through, true))
}

/// A pool goes on trying a server that refuses and then knows only that time is up; one attempt knows the reason.
async fn connect_once(
    connect: &PgConnectOptions,
    options: &DbOptions,
) -> Result<PgConnection, sqlx::Error> {
    let timed_out = |_| {
        sqlx::Error::Io(std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            "the server does not answer",
        ))
    };
    tokio::time::timeout(options.acquire_timeout, connect.connect())
        .await
        .map_err(timed_out)
        .and_then(|connected| connected)
}

/// PgBouncer takes no settings with the connection, unless it is told to ignore them.
fn refuses_settings(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|told| told.code().as_deref() == Some("08P01"))
}
