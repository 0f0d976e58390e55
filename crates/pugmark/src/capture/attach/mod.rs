//! Attached mode: Pugmark watches a database that MicroBima made. It adds a schema of its own, one function per watched table
//! and two triggers on each, and takes them away again.
//!
//! Everything is looked at before anything is changed, and all that is in the way is told at once. Each table is changed in a
//! transaction of its own with short waits for its lock, so that MicroBima's writes are never held up.

mod checks;
mod pooler;

use std::fmt;
use std::time::Duration;

use pugmark_queue::db::{Conn, Db, DbError, Engine};
use sqlx::migrate::Migration;

use crate::capture::triggers::{self, Step};
use crate::problem::Code;
use crate::store::{self, SliceMode, catalogue, settings};

pub use checks::{Findings, check};
pub use pooler::probe;

/// Something that is in the way or worth a word, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hindrance {
    /// What it is; names the table and the role.
    pub what: String,
    /// What to do.
    pub fix: String,
}

impl fmt::Display for Hindrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n    -> {}", self.what, self.fix)
    }
}

/// Why attaching or detaching was not done.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// Things are in the way; nothing was changed.
    #[error("{}: the database cannot be watched as it is; nothing was changed.{}", Code::CannotAttach, list(.0))]
    Refused(Vec<Hindrance>),
    /// Pugmark made the tables itself.
    #[error(
        "this store is standalone: its tables were made by Pugmark, and `pugmark migrate` and `pugmark serve` install capture \
         by themselves. There is nothing to attach or detach"
    )]
    Standalone,
    /// There are no tables of MicroBima.
    #[error(
        "there is no table `public.customers` in this database: it is not MicroBima's. For a standalone store run \
         `pugmark serve`, which makes the tables and installs capture by itself; otherwise check the name of the database in \
         DATABASE_URL"
    )]
    NotMicrobima,
    /// MicroBima's database has not been attached.
    #[error(
        "{}: the database holds MicroBima's own tables and is not attached; look at `pugmark attach --dry-run`, then run \
         `pugmark attach`",
        Code::NotAttached
    )]
    NotAttached,
    /// Another Pugmark is connected.
    #[error("{}: another Pugmark is connected to this database (backends {}); stop `pugmark serve` first", Code::StillServed, numbers(.0))]
    StillServed(Vec<i32>),
    /// A table was in use for too long.
    #[error(
        "{}: {what}: the table was in use by a long transaction; what was done before stays, run the command again",
        Code::TableBusy
    )]
    Busy {
        /// What was to be done.
        what: String,
    },
    /// The database said something else.
    #[error("{code}: {0}", code = crate::app::code_of(.0))]
    Store(#[from] DbError),
}

fn list(hindrances: &[Hindrance]) -> String {
    hindrances
        .iter()
        .map(|hindrance| format!("\n  - {hindrance}"))
        .collect()
}

fn numbers(pids: &[i32]) -> String {
    let pids: Vec<String> = pids.iter().map(i32::to_string).collect();
    pids.join(", ")
}

/// Whose tables a PostgreSQL database holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// MicroBima's own.
    Microbima,
    /// Those of a standalone Pugmark.
    Pugmark,
    /// None of them is there.
    Nobody,
}

/// Whose tables they are. A standalone store has its capture from the migrations; there is nothing to attach.
///
/// # Errors
/// Whatever the database says.
pub async fn whose(conn: &mut Conn) -> Result<Whose, DbError> {
    if conn.engine() == Engine::Sqlite {
        return Ok(Whose::Pugmark);
    }
    let names = ["customers", "customers_newest"];
    let found = catalogue::tables(conn, "public", &names).await?;
    Ok(match (&found[0].found, &found[1].found) {
        (None, _) => Whose::Nobody,
        // Only the migration of a standalone store makes this index.
        (Some(_), Some(_)) => Whose::Pugmark,
        (Some(_), None) => Whose::Microbima,
    })
}

/// Refuses to serve MicroBima's own database before it is attached, or after it was detached.
///
/// # Errors
/// [`AttachError::NotAttached`], and whatever the database says.
pub async fn ready(db: &Db) -> Result<(), AttachError> {
    let mut conn = db.read().await?;
    if whose(&mut conn).await? != Whose::Microbima {
        return Ok(());
    }
    if settings::is_untouched_microbima(&mut conn).await? {
        return Err(AttachError::NotAttached);
    }
    let known = settings::get(&mut conn, settings::CAPTURE_INSTALLED).await?;
    // A store of an earlier version does not know; its migration finds out.
    if known.is_some() && !settings::capture_is_wanted(&mut conn).await? {
        return Err(AttachError::NotAttached);
    }
    Ok(())
}

/// What attaching has to run, in order: nothing when all is in place.
///
/// # Errors
/// [`AttachError::Standalone`] and [`AttachError::NotMicrobima`] where there is nothing to attach to; [`AttachError::Refused`] with everything that is in the
/// way.
pub async fn plan(db: &Db) -> Result<Vec<Step>, AttachError> {
    let mut conn = db.read().await?;
    match whose(&mut conn).await? {
        Whose::Microbima => {}
        Whose::Pugmark => return Err(AttachError::Standalone),
        Whose::Nobody => return Err(AttachError::NotMicrobima),
    }
    let findings = check(&mut conn).await?;
    if !findings.hindrances.is_empty() {
        return Err(AttachError::Refused(findings.hindrances));
    }
    let mut steps: Vec<Step> = migration_step(&mut conn).await?.into_iter().collect();
    steps.extend(triggers::steps(&mut conn).await?);
    if !is_noted(&mut conn).await? {
        steps.push(Step {
            what: "note that capture is installed".to_owned(),
            statements: vec![settings::note_capture(true)],
        });
    }
    Ok(steps)
}

async fn is_noted(conn: &mut Conn) -> Result<bool, DbError> {
    Ok(settings::exist(conn).await?
        && store::slice_mode(conn).await? == SliceMode::Attached
        && settings::capture_is_wanted(conn).await?)
}

/// Runs what [`plan`] gave.
///
/// # Errors
/// [`AttachError::Busy`] when a table stayed in use; what was done before stays, and the next attempt goes on from there.
pub async fn attach(db: &Db, steps: Vec<Step>) -> Result<(), AttachError> {
    // Not as the steps show them: the migrator also keeps two processes from migrating at the same time.
    db.migrate(store::migrations(db.engine())).await?;
    run(
        db,
        steps
            .into_iter()
            .filter(|step| step.what != MIGRATIONS)
            .collect(),
    )
    .await
}

async fn run(db: &Db, steps: Vec<Step>) -> Result<(), AttachError> {
    for step in steps {
        let what = step.what.clone();
        triggers::run(db, step).await.map_err(|error| match error {
            DbError::Locked => AttachError::Busy { what },
            other => AttachError::Store(other),
        })?;
    }
    Ok(())
}

const MIGRATIONS: &str = "schema pugmark and its tables";

/// The migrations that wait, as statements that leave the same behind as the migrator.
async fn migration_step(conn: &mut Conn) -> Result<Option<Step>, DbError> {
    let done = catalogue::migrated(conn).await?;
    let waiting: Vec<Migration> = store::migrations(Engine::Postgres)
        .into_iter()
        .filter(|migration| !done.contains(&migration.version))
        .collect();
    if waiting.is_empty() {
        return Ok(None);
    }
    let mut statements = vec![
        "CREATE SCHEMA IF NOT EXISTS pugmark".to_owned(),
        "SET search_path = pugmark, public".to_owned(),
        "CREATE TABLE IF NOT EXISTS pugmark._sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
         installed_on TIMESTAMPTZ NOT NULL DEFAULT now(), success BOOLEAN NOT NULL, checksum BYTEA NOT NULL, \
         execution_time BIGINT NOT NULL)"
            .to_owned(),
    ];
    for migration in waiting {
        statements.push(
            migration
                .sql
                .as_str()
                .trim()
                .trim_end_matches(';')
                .to_owned(),
        );
        statements.push(format!(
            "INSERT INTO pugmark._sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES ({}, '{}', TRUE, '\\x{}', 0)",
            migration.version,
            migration.description.replace('\'', "''"),
            hex::encode(&migration.checksum),
        ));
    }
    Ok(Some(Step {
        what: MIGRATIONS.to_owned(),
        statements,
    }))
}

/// What detaching has to run: nothing when nothing of ours is left. Dropping a function takes its triggers with it, also
/// from tables that another role owns. `purge` drops schema `pugmark`, too, with everything that is known of the CRM.
///
/// # Errors
/// [`AttachError::Standalone`], [`AttachError::StillServed`] while another Pugmark is connected,
/// [`AttachError::Refused`] when something of ours belongs to another role.
pub async fn plan_detach(db: &Db, purge: bool) -> Result<Vec<Step>, AttachError> {
    let mut conn = db.read().await?;
    if whose(&mut conn).await? == Whose::Pugmark {
        return Err(AttachError::Standalone);
    }
    let functions = catalogue::capture_functions(&mut conn).await?;
    let setting = catalogue::setting(&mut conn).await?;
    let mut refused: Vec<Hindrance> = functions
        .iter()
        .filter(|function| !function.owned)
        .map(|function| {
            not_ours(
                &format!("pugmark.{}()", function.name),
                &function.owner,
                &setting.role,
            )
        })
        .collect();
    if let (true, Some(owner), false) = (purge, &setting.schema_owner, setting.owns_schema) {
        refused.push(not_ours("schema pugmark", owner, &setting.role));
    }
    if !refused.is_empty() {
        return Err(AttachError::Refused(refused));
    }
    let mut steps: Vec<Step> = functions
        .into_iter()
        .map(|function| Step {
            what: match function.triggers.as_str() {
                "" => format!("remove {}", function.name),
                triggers => format!("remove {} with {triggers}", function.name),
            },
            statements: vec![format!("DROP FUNCTION pugmark.{}() CASCADE", function.name)],
        })
        .collect();
    if purge && setting.schema_owner.is_some() {
        steps.push(Step {
            what: "remove schema pugmark with everything in it".to_owned(),
            statements: vec!["DROP SCHEMA pugmark CASCADE".to_owned()],
        });
    } else if settings::exist(&mut conn).await? && is_noted(&mut conn).await? {
        steps.push(Step {
            what: "note that capture is removed".to_owned(),
            statements: vec![settings::note_capture(false)],
        });
    }
    if !steps.is_empty() {
        nobody_serves(&mut conn).await?;
    }
    Ok(steps)
}

fn not_ours(what: &str, owner: &str, role: &str) -> Hindrance {
    Hindrance {
        what: format!("{what} belongs to role {owner}, and {role} may not act as that role"),
        fix: format!("Run this command as {owner}"),
    }
}

/// A program that was just stopped needs a moment to be gone.
async fn nobody_serves(conn: &mut Conn) -> Result<(), AttachError> {
    for _ in 0..10 {
        if catalogue::other_connections(conn).await?.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let others = catalogue::other_connections(conn).await?;
    if others.is_empty() {
        return Ok(());
    }
    Err(AttachError::StillServed(others))
}

/// Runs what [`plan_detach`] gave.
///
/// # Errors
/// As [`attach`].
pub async fn detach(db: &Db, steps: Vec<Step>) -> Result<(), AttachError> {
    run(db, steps).await
}
