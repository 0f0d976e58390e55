//! The triggers that watch MicroBima's tables.
//!
//! They write `change_log` and nothing else: no NOTIFY, which would serialise the host's commits, and no business rule.
//! Whatever program writes a row is captured in the same transaction. An update is captured only when a watched column
//! really changed (NULL-safe): `updatedAt` moves on every write of the application and must not count.

mod postgres;
mod sqlite;

use std::time::Duration;

use pugmark_queue::db::{Conn, Db, DbError, Engine};
use pugmark_queue::on;
use sqlx::AssertSqlSafe;

pub use postgres::{row_trigger_name, truncate_trigger_name};

/// Statements that belong together: they are run in one transaction, which holds the lock of one table at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it is for, in a few words.
    pub what: String,
    /// The statements, in order.
    pub statements: Vec<String>,
}

/// What has to be run so that every watched table is captured by this program's version of the triggers: nothing when all
/// is in place.
///
/// # Errors
/// Whatever the database says.
pub async fn steps(conn: &mut Conn) -> Result<Vec<Step>, DbError> {
    match conn.engine() {
        Engine::Sqlite => sqlite::steps(conn).await,
        Engine::Postgres => postgres::steps(conn).await,
    }
}

/// Installs what is missing and replaces what differs from this program's version. Changes nothing when all is in place,
/// so that starting the program never waits for a lock on a busy table.
///
/// # Errors
/// Whatever the database says, for example that this role may not create a trigger; [`DbError::Locked`] when a table was
/// not free of long transactions for a while.
pub async fn install(db: &Db) -> Result<(), DbError> {
    let mut conn = db.read().await?;
    let steps = steps(&mut conn).await?;
    drop(conn);
    for step in steps {
        run(db, step).await?;
    }
    Ok(())
}

/// Which capture triggers are missing, disabled or of another version, by name.
///
/// # Errors
/// Whatever the database says.
pub async fn missing(conn: &mut Conn) -> Result<Vec<String>, DbError> {
    match conn.engine() {
        Engine::Sqlite => sqlite::missing(conn).await,
        Engine::Postgres => postgres::missing(conn).await,
    }
}

/// How long a step waits for a table. Whoever wants to write the table waits behind it, so it is short.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '1s'";
/// Processes that start at the same moment install the same functions, which PostgreSQL refuses to one of two that do so at once.
const ONE_AT_A_TIME: &str =
    "SELECT pg_advisory_xact_lock(hashtext('pugmark'), hashtext('capture'))";
/// How often it is tried, and the pause in between, in which writers go on.
const TRIES: u32 = 15;
const PAUSE: Duration = Duration::from_millis(500);

/// Runs a step in a transaction of its own. A table that is busy is tried again, in short waits with pauses between them.
///
/// # Errors
/// [`DbError::Locked`] when the table stayed busy, and whatever else the database says.
pub async fn run(db: &Db, step: Step) -> Result<(), DbError> {
    for _ in 1..TRIES {
        match attempt(db, &step).await {
            Err(DbError::Locked) => tokio::time::sleep(PAUSE).await,
            done => return done,
        }
    }
    attempt(db, &step).await
}

async fn attempt(db: &Db, step: &Step) -> Result<(), DbError> {
    let statements = step.statements.clone();
    db.write("capture", move |conn| {
        Box::pin(async move {
            if conn.engine() == Engine::Postgres {
                for first in [LOCK_TIMEOUT, ONE_AT_A_TIME] {
                    execute(conn, first.to_owned()).await?;
                }
            }
            for statement in statements {
                execute(conn, statement).await?;
            }
            Ok(())
        })
    })
    .await
}

async fn execute(conn: &mut Conn, sql: String) -> Result<(), DbError> {
    on!(conn, |c| sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}
