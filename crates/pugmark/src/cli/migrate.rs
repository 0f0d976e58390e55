//! `pugmark migrate`.

use std::process::ExitCode;

use pugmark_queue::db::StoreLock;

use super::CliError;
use crate::app::StartError;
use crate::capture::attach;
use crate::config::{self, Settings};
use crate::store;

/// Brings the store to this program's version.
///
/// # Errors
/// What is in the way; a store of a newer program is left as it is.
pub(super) async fn run(settings: Settings) -> Result<ExitCode, CliError> {
    let db = store::open(&settings.database).await?;
    // An older program that still serves the file would go on with tables it does not know.
    let _lock = store::sqlite_path(&settings.database.url)
        .map(StoreLock::acquire)
        .transpose()
        .map_err(StartError::from)?;
    store::moving::may_be_served(&db)
        .await
        .map_err(StartError::from)?;
    attach::ready(&db).await.map_err(StartError::from)?;
    store::migrate(&db).await?;
    db.close().await;
    println!(
        "{} is at this program's version, and capture is installed.",
        config::mask_url(&settings.database.url)
    );
    Ok(ExitCode::SUCCESS)
}
