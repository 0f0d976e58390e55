//! `pugmark sweep`.

use std::process::ExitCode;

use pugmark_queue::db::StoreLock;

use super::CliError;
use crate::app::StartError;
use crate::capture::attach;
use crate::capture::gap::Sweeper;
use crate::config::Settings;
use crate::store;

/// Compares every watched row with what was captured of it and queues what is missing. A running Pugmark does the same at its
/// start and every 15 minutes; on PostgreSQL both may run at the same time.
///
/// # Errors
/// What is in the way; on SQLite also a Pugmark that serves the file.
pub(super) async fn run(settings: Settings) -> Result<ExitCode, CliError> {
    let db = store::open(&settings.database).await?;
    let _lock = store::sqlite_path(&settings.database.url)
        .map(StoreLock::acquire)
        .transpose()
        .map_err(StartError::from)?;
    store::moving::may_be_served(&db)
        .await
        .map_err(StartError::from)?;
    attach::ready(&db).await.map_err(StartError::from)?;
    db.check_version(&store::migrations(db.engine())).await?;
    let significant = &settings.insurance.notes.significant;
    let swept = Sweeper::new(db.clone(), settings.mode, significant)
        .sweep()
        .await?;
    db.close().await;
    println!(
        "{} rows compared, {} changes found that nobody had captured.",
        swept.rows, swept.healed
    );
    Ok(ExitCode::SUCCESS)
}
