//! The store: migrations, and one file of named queries per aggregate.
//!
//! SQL stands here and in the queue crate, nowhere else. One text serves both databases; where they differ, the piece
//! comes from `dialect`.

pub mod account_steps;
pub mod agent_registrations;
pub mod alerts;
pub mod alike;
pub mod ambassadors;
pub mod api_tokens;
pub mod application_logs;
pub mod audit;
pub mod backfill;
pub mod beneficiaries;
pub mod bulk_runs;
pub mod capture_errors;
pub mod captured_payments;
pub mod captured_rows;
pub mod catalogue;
pub mod change_log;
pub mod clock;
pub mod conflicts;
pub mod console_links;
pub mod console_sessions;
pub mod console_sign_ins;
pub mod console_users;
pub mod crm_cursors;
pub mod customer_edits;
pub mod customer_facts;
pub mod customers;
pub mod dependants;
mod dialect;
pub mod field_mapping;
pub mod flow_figures;
pub mod grants;
pub mod journey;
pub mod lead_arrivals;
pub mod lead_conversions;
pub mod leader_lease;
pub mod link_merge;
pub mod links;
pub mod mapping_runs;
pub mod mapping_versions;
pub mod maxio_debits;
pub mod maxio_slots;
pub mod missing_requirements;
pub mod moving;
pub mod onboarding_drafts;
pub mod onboarding_forms;
pub mod page;
pub mod payment_summaries;
pub mod payments;
pub mod policies;
pub mod policy_payments;
pub mod problems;
pub mod processes;
pub mod products;
pub mod reconcile;
pub mod saved_filters;
pub mod settings;
pub mod standing;
pub mod status_changes;
pub mod sync_jobs;
pub mod task_assignments;
pub mod versions;
pub mod violation;
pub mod webhook_deliveries;

use std::path::Path;
use std::sync::Arc;

use pugmark_queue::db::{Db, DbError, DbOptions, Engine, migrations as queue_migrations};
use sqlx::migrate::{Migration, Migrator};

pub use settings::{SliceMode, slice_mode};

use crate::config;

/// Runs a statement with these parameters and says whether it changed a row.
macro_rules! rows_changed {
    ($conn:expr, $sql:expr, $($parameter:expr),+) => {{
        let rows = pugmark_queue::on!($conn, |c| sqlx::query(sqlx::AssertSqlSafe($sql))
            $(.bind($parameter))+
            .execute(c)
            .await
            .map(|done| done.rows_affected()))?;
        Ok(rows > 0)
    }};
}
use rows_changed;

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// Every migration of the application and of the queue, in the order in which they apply.
pub fn migrations(engine: Engine) -> Vec<Migration> {
    let own = match engine {
        Engine::Sqlite => &SQLITE,
        Engine::Postgres => &POSTGRES,
    };
    let mut all = queue_migrations(engine);
    all.extend(own.iter().cloned());
    all
}

/// Opens the store. The folder of a SQLite file is made when it is missing.
///
/// # Errors
/// [`DbError`] says what is in the way: no such host, wrong password, read-only file, full disk.
pub async fn open(settings: &config::Database) -> Result<Db, DbError> {
    if let Some(folder) = sqlite_path(&settings.url).and_then(Path::parent)
        && !folder.as_os_str().is_empty()
        && !folder.exists()
    {
        std::fs::create_dir_all(folder).map_err(|error| DbError::CannotOpen {
            what: folder.display().to_string(),
            source: Arc::new(error.into()),
        })?;
    }
    Db::open(&settings.url, settings.options()).await
}

/// Opens an existing store for reading only, to look at it without changing anything.
///
/// # Errors
/// As [`open`].
pub async fn open_to_look(settings: &config::Database) -> Result<Db, DbError> {
    Db::open(
        &settings.url,
        DbOptions {
            readers: 2,
            read_only: true,
            create: false,
            ..settings.options()
        },
    )
    .await
}

/// Brings the store to this program's version, and capture with it. In a database that MicroBima made, capture is left as it is
/// until `pugmark attach` has been run.
///
/// # Errors
/// [`DbError::NewerThanProgram`] when a newer Pugmark has already migrated this store; nothing is changed then.
pub async fn migrate(db: &Db) -> Result<(), DbError> {
    db.migrate(migrations(db.engine())).await?;
    let mut conn = db.read().await?;
    let wanted = settings::capture_is_wanted(&mut conn).await?;
    drop(conn);
    if wanted {
        crate::capture::triggers::install(db).await?;
    }
    Ok(())
}

/// The path of a SQLite address, without its options.
pub fn sqlite_path(url: &str) -> Option<&Path> {
    let rest = url.strip_prefix("sqlite:")?;
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    Some(Path::new(rest.split('?').next().unwrap_or(rest)))
}
