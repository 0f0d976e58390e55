//! "Any program" that writes customers, knowing nothing of Pugmark.

use std::time::{Duration, Instant};

use pugmark_queue::on;
use sqlx::AssertSqlSafe;

use super::plain::Plain;
use crate::cli::CliError;

const PER_TRANSACTION: usize = 100;
/// No progress for so long means that something is wrong, not slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// Inserts so many new customers and gives their ids.
pub(super) async fn insert(program: &mut Plain, customers: u32) -> Result<Vec<String>, CliError> {
    let ids: Vec<String> = (0..customers)
        .map(|_| uuid::Uuid::new_v4().to_string())
        .collect();
    for chunk in ids.chunks(PER_TRANSACTION) {
        program.begin().await?;
        for id in chunk {
            insert_one(program, id).await?;
        }
        program.commit().await?;
    }
    Ok(ids)
}

// The values are ids of our own making, so they can stand in the text, and one text suits enums and text columns alike.
async fn insert_one(program: &mut Plain, id: &str) -> Result<(), CliError> {
    let number = &id[..18];
    program
        .sql(format!(
            "INSERT INTO customers (\"id\", \"firstName\", \"middleName\", \"lastName\", \"email\", \"phoneNumber\", \
             \"dateOfBirth\", \"gender\", \"idType\", \"idNumber\", \"status\", \"createdByPartnerId\", \"isTestUser\") \
             VALUES ('{id}', 'Achieng', 'Adhiambo', 'Otieno', '{number}@example.co.ke', '0712345678', '1990-04-12', \
             'FEMALE', 'NATIONAL_ID', '{number}', 'PENDING_ACTIVATION', 1, FALSE)"
        ))
        .await
}

/// Edits one field of each of them.
pub(super) async fn edit_all(program: &mut Plain, ids: &[String]) -> Result<(), CliError> {
    for chunk in ids.chunks(PER_TRANSACTION) {
        program.begin().await?;
        for id in chunk {
            set_last_name(program, id, "Odhiambo").await?;
        }
        program.commit().await?;
    }
    Ok(())
}

/// One edit; in a transaction of its own unless one was begun. `name` is no text of a stranger.
pub(super) async fn set_last_name(
    program: &mut Plain,
    id: &str,
    name: &str,
) -> Result<(), CliError> {
    program
        .sql(format!(
            "UPDATE customers SET \"lastName\" = '{name}' WHERE \"id\" = '{id}'"
        ))
        .await
}

/// Waits until every change is planned and every operation finished.
///
/// # Errors
/// When an operation became a dead letter, or nothing moves any more.
pub(super) async fn wait_until_in_step(program: &mut Plain) -> Result<(), CliError> {
    let mut last = (i64::MAX, Instant::now());
    loop {
        let unplanned = program
            .number("SELECT COUNT(*) FROM change_log WHERE processed_at IS NULL")
            .await?;
        let unfinished = program
            .number("SELECT COUNT(*) FROM vtiger_sync_queue WHERE status <> 'COMPLETED'")
            .await?;
        if unplanned + unfinished == 0 {
            return Ok(());
        }
        if unplanned + unfinished != last.0 {
            last = (unplanned + unfinished, Instant::now());
        }
        if last.1.elapsed() > PATIENCE {
            let why = first_error(program).await?.unwrap_or_default();
            return Err(CliError::Other(format!(
                "{unplanned} changes and {unfinished} operations do not get done {why}"
            )));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until every change is planned.
///
/// # Errors
/// When nothing moves any more.
pub(super) async fn wait_until_planned(program: &mut Plain) -> Result<(), CliError> {
    let mut last = (i64::MAX, Instant::now());
    loop {
        let unplanned = program
            .number("SELECT COUNT(*) FROM change_log WHERE processed_at IS NULL")
            .await?;
        if unplanned == 0 {
            return Ok(());
        }
        if unplanned != last.0 {
            last = (unplanned, Instant::now());
        }
        if last.1.elapsed() > PATIENCE {
            return Err(CliError::Other(format!(
                "{unplanned} changes are not planned"
            )));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn first_error(program: &mut Plain) -> Result<Option<String>, CliError> {
    let sql = "SELECT error_code || ' ' || error_message FROM vtiger_sync_queue \
               WHERE status <> 'COMPLETED' AND error_message IS NOT NULL LIMIT 1";
    Ok(on!(program, |c| sqlx::query_scalar(AssertSqlSafe(sql))
        .fetch_optional(c)
        .await)?)
}
