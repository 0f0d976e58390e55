//! Payments are compared by the sums of each customer: there are too many to keep what was captured of each.

use pugmark_queue::db::{Db, DbError};

use super::{Baseline, Sweep, in_turn};
use crate::capture::watched::PAYMENTS;
use crate::store::captured_payments;

/// How many customers one look finds at most.
const FOUND: u32 = 50_000;
/// How many are corrected at a time.
const CORRECTED: usize = 2_000;

/// Compares the sums. The first time, those that differ are noted. Later, their contacts are brought up to date; with
/// `notes`, missed payments are also written one by one.
pub(super) async fn sweep(db: &Db, notes: bool) -> Result<Sweep, DbError> {
    let mut reader = db.read().await?;
    let baseline = Baseline::read(&mut reader, PAYMENTS.table).await?;
    drop(reader);
    let mut total = Sweep::default();
    loop {
        let mut reader = db.read().await?;
        let found = captured_payments::look(&mut reader, FOUND).await?;
        drop(reader);
        let mut corrected = 0;
        for customers in found.chunks(CORRECTED) {
            let (customers, since) = (customers.to_vec(), baseline.ended);
            let (wrong, healed) = in_turn(db, move |conn| {
                let customers = customers.clone();
                Box::pin(async move {
                    let wrong = captured_payments::correct(conn, &customers).await?;
                    let mut healed = 0;
                    if let Some(since) = since.filter(|_| !wrong.is_empty()) {
                        healed += captured_payments::heal_figures(conn, &wrong).await?;
                        if notes {
                            healed += captured_payments::heal_payments(conn, &wrong, since).await?;
                        }
                    }
                    Ok((wrong.len(), healed))
                })
            })
            .await?;
            corrected += wrong;
            total.healed += usize::try_from(healed).unwrap_or_default();
        }
        // Whoever was found and is right by now was only between two looks.
        if found.len() < FOUND as usize || corrected == 0 {
            break;
        }
    }
    if baseline.ended.is_none() {
        baseline.end(db).await?;
    }
    Ok(total)
}
