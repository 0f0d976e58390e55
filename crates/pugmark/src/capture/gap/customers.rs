//! Customers are compared with what was last delivered: the hash at their link.

use pugmark_queue::db::{Db, DbError};

use super::Sweep;
use crate::capture::change::Event;
use crate::store::{change_log, customers};

const PAGE: u32 = 500;
/// How many customers without a row are healed at a time.
const ORPHANS: u32 = 1_000;

/// Compares every customer with what was last delivered, and every contact with whether its customer is still there.
pub(super) async fn sweep(db: &Db) -> Result<Sweep, DbError> {
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
    total.healed += sweep_orphans(db).await?;
    Ok(total)
}

async fn sweep_orphans(db: &Db) -> Result<usize, DbError> {
    let mut healed = 0;
    loop {
        let mut reader = db.read().await?;
        let orphans = customers::orphaned_links(&mut reader, ORPHANS).await?;
        drop(reader);
        let found = orphans.len();
        // What was healed waits to be planned and is not found again.
        healed += heal(
            db,
            orphans.into_iter().map(|id| (id, Event::Delete)).collect(),
        )
        .await?;
        if found < ORPHANS as usize {
            return Ok(healed);
        }
    }
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
