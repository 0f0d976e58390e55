//! The gap sweep: heals what no trigger saw.
//!
//! A disabled trigger, a TRUNCATE, a restored backup, rows that are older than Pugmark: the sweep compares every watched
//! row with the hash of what was last delivered and writes the missing change into `change_log`, from where it takes the
//! same way as any other.

use pugmark_queue::db::{Db, DbError};

use crate::flows::insurance::plan::Event;
use crate::store::{change_log, customers};

const PAGE: u32 = 500;

/// What a sweep found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Rows looked at.
    pub rows: usize,
    /// Changes written because no trigger had seen them.
    pub healed: usize,
}

/// Compares every customer with what was last delivered.
///
/// # Errors
/// Whatever the database says; what was healed before stays.
pub async fn sweep(db: &Db) -> Result<Sweep, DbError> {
    let mut total = Sweep::default();
    let mut after: Option<String> = None;
    loop {
        let mut reader = db.read().await?;
        let page = customers::sweep_page(&mut reader, after.as_deref(), PAGE).await?;
        drop(reader);
        total.rows += page.seen;
        for (id, reason) in &page.unreadable {
            tracing::warn!(
                customer = id,
                reason,
                "a customer's row cannot be read, so it cannot be compared"
            );
        }
        let missed: Vec<(String, Event)> = page.rows.iter().filter_map(missed_change).collect();
        total.healed += heal(db, missed).await?;
        if page.last.is_none() {
            break;
        }
        after = page.last;
    }
    let mut reader = db.read().await?;
    let orphans = customers::orphaned_links(&mut reader, 10_000).await?;
    drop(reader);
    total.healed += heal(
        db,
        orphans.into_iter().map(|id| (id, Event::Delete)).collect(),
    )
    .await?;
    if total.healed > 0 {
        tracing::warn!(
            healed = total.healed,
            rows = total.rows,
            "changes that no trigger had captured were found and queued"
        );
    }
    Ok(total)
}

/// The change that is missing for this row, if any. A sweep only ever adds; whether a call is needed is decided by the
/// difference when the operation runs.
fn missed_change(swept: &customers::Swept) -> Option<(String, Event)> {
    if swept.unfinished {
        return None;
    }
    let id = swept.customer.id.clone();
    match (swept.known, swept.customer.is_test_user) {
        (false, true) => None,
        (false, false) => Some((id, Event::Insert)),
        (true, _) if swept.row_hash.as_deref() == Some(swept.customer.content_hash().as_str()) => {
            None
        }
        (true, _) => Some((id, Event::Update)),
    }
}

async fn heal(db: &Db, missed: Vec<(String, Event)>) -> Result<usize, DbError> {
    if missed.is_empty() {
        return Ok(0);
    }
    let count = missed.len();
    db.write("gap sweep", move |conn| {
        Box::pin(async move {
            for (id, event) in &missed {
                change_log::heal(conn, "customers", id, *event).await?;
            }
            Ok::<_, DbError>(())
        })
    })
    .await?;
    Ok(count)
}
