//! Dependants, beneficiaries, policies, missing requirements and ambassadors are compared with what was last planned of them.

use pugmark_queue::db::{Db, DbError};

use super::{Baseline, Sweep, in_turn};
use crate::capture::watched::Watched;
use crate::store::captured_rows::{self, Range};

const PAGE: u32 = 2_000;

/// Rows that call for something although they are older than Pugmark: a requirement that is still open has no task yet.
fn counts_from_the_start(table: &str) -> Option<&'static str> {
    (table == "missing_requirements").then_some("CAST(r.\"status\" AS TEXT) = 'PENDING'")
}

/// Compares the rows of a table with what was captured of them. The first time, rows of which nothing was captured are noted.
pub(super) async fn sweep(db: &Db, watched: &'static Watched) -> Result<Sweep, DbError> {
    let mut reader = db.read().await?;
    let baseline = Baseline::read(&mut reader, watched.table).await?;
    drop(reader);
    let first = baseline.ended.is_none();
    let mut total = there(db, watched, first).await?;
    total += gone(db, watched).await?;
    if first {
        baseline.end(db).await?;
    }
    Ok(total)
}

/// Rows that are there.
async fn there(db: &Db, watched: &'static Watched, first: bool) -> Result<Sweep, DbError> {
    let mut total = Sweep::default();
    let mut after: Option<String> = None;
    loop {
        let mut reader = db.read().await?;
        let page = captured_rows::look(&mut reader, watched, after.as_deref(), PAGE).await?;
        drop(reader);
        // Keys that are no text, which only SQLite keeps, have no place in the order of the others.
        let Some(last) = page.last.filter(|last| Some(last) != after.as_ref()) else {
            return Ok(total);
        };
        total.rows += usize::try_from(page.rows).unwrap_or_default();
        if page.differing > 0 {
            let range = Range {
                after,
                last: last.clone(),
            };
            let healed = in_turn(db, move |conn| {
                let range = range.clone();
                Box::pin(async move {
                    if first {
                        let except = counts_from_the_start(watched.table);
                        captured_rows::note(conn, watched, except, &range).await?;
                    }
                    captured_rows::heal(conn, watched, &range).await
                })
            })
            .await?;
            total.healed += usize::try_from(healed).unwrap_or_default();
        }
        after = Some(last);
    }
}

/// Rows that were captured and are not there any more.
async fn gone(db: &Db, watched: &'static Watched) -> Result<Sweep, DbError> {
    let mut total = Sweep::default();
    let mut after: Option<String> = None;
    loop {
        let mut reader = db.read().await?;
        let page =
            captured_rows::look_for_gone(&mut reader, watched, after.as_deref(), PAGE).await?;
        drop(reader);
        let Some(last) = page.last else {
            return Ok(total);
        };
        if page.differing > 0 {
            let range = Range {
                after,
                last: last.clone(),
            };
            let healed = in_turn(db, move |conn| {
                let range = range.clone();
                Box::pin(async move { captured_rows::heal_gone(conn, watched, &range).await })
            })
            .await?;
            total.healed += usize::try_from(healed).unwrap_or_default();
        }
        after = Some(last);
    }
}
