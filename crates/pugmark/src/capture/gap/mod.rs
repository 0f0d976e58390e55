//! The gap sweep: heals what no trigger saw.
//!
//! A disabled trigger, a TRUNCATE, a restored backup, an error that capture swallowed, rows that are older than Pugmark: the
//! sweep compares what is there with what was captured, and writes the missing change into `change_log`, from where it takes
//! the same way as any other. Customers are compared with what was last delivered (`customers.rs`), other rows with what was
//! last planned (`rows.rs`), payments by their sums (`payments.rs`).

mod customers;
mod payments;
mod rows;

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::BoxFuture;
use pugmark_queue::db::{Conn, Db, DbError, Ts};
use serde_json::{Value, json};

use crate::capture::watched;
use crate::config::Mode;
use crate::store::{change_log, settings};

/// What a sweep found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Rows looked at. Payments are not counted: they are summed up by the database.
    pub rows: usize,
    /// Changes written because no trigger had seen them.
    pub healed: usize,
}

impl std::ops::AddAssign for Sweep {
    fn add_assign(&mut self, other: Sweep) {
        self.rows += other.rows;
        self.healed += other.healed;
    }
}

/// Compares rows with what was captured of them.
#[derive(Debug, Clone)]
pub struct Sweeper {
    db: Db,
    mode: Mode,
    payment_notes: bool,
}

impl Sweeper {
    /// A sweeper over this store. `significant` is what the operator wants told as notes: missed payments are looked for one
    /// by one only when they are told.
    pub fn new(db: Db, mode: Mode, significant: &BTreeSet<String>) -> Self {
        let payment_notes = ["payment.completed", "payment.detached"]
            .iter()
            .any(|what| significant.contains(*what));
        Sweeper {
            db,
            mode,
            payment_notes,
        }
    }

    /// Compares everything that is watched.
    ///
    /// In shadow mode only customers: what is planned there is reported and not done, and must be found missing once it is
    /// to be done.
    ///
    /// # Errors
    /// Whatever the database says; what was healed before stays.
    pub async fn sweep(&self) -> Result<Sweep, DbError> {
        let mut total = customers::sweep(&self.db).await?;
        if self.mode == Mode::Live {
            for table in watched::kept() {
                total += rows::sweep(&self.db, table).await?;
            }
            total += payments::sweep(&self.db, self.payment_notes).await?;
        }
        if total.healed > 0 {
            tracing::warn!(
                healed = total.healed,
                rows = total.rows,
                "changes that no trigger had captured were found and queued"
            );
        }
        Ok(total)
    }
}

/// Compares everything that is watched, once, as a live Pugmark without notes on payments does.
///
/// # Errors
/// As [`Sweeper::sweep`].
pub async fn sweep(db: &Db) -> Result<Sweep, DbError> {
    Sweeper::new(db.clone(), Mode::Live, &BTreeSet::new())
        .sweep()
        .await
}

/// The first pass over a table: what is there then was there before Pugmark.
struct Baseline {
    name: String,
    /// When it was ended.
    ended: Option<Ts>,
}

impl Baseline {
    async fn read(conn: &mut Conn, table: &str) -> Result<Self, DbError> {
        let name = format!("capture.baseline.{table}");
        let ended = settings::get(conn, &name)
            .await?
            .and_then(|value| value["endedAt"].as_i64())
            .map(Ts::from_micros);
        Ok(Baseline { name, ended })
    }

    async fn end(self, db: &Db) -> Result<(), DbError> {
        let now = Ts::now();
        let value: Value = json!({ "endedAt": now.as_micros() });
        db.write("baseline", move |conn| {
            Box::pin(async move { settings::put(conn, &self.name, &value, now).await })
        })
        .await
    }
}

/// How often a sweep asks for its turn, and the pause in between.
const TURNS: u32 = 200;
const PAUSE: Duration = Duration::from_millis(50);

/// Compares and writes in one transaction, while nobody plans: what was planned and what is there belong together then.
async fn in_turn<T, F>(db: &Db, work: F) -> Result<T, DbError>
where
    F: for<'c> Fn(&'c mut Conn) -> BoxFuture<'c, Result<T, DbError>> + Clone + Send + 'static,
    T: Send + 'static,
{
    for _ in 0..TURNS {
        let work = work.clone();
        let done = db
            .write("gap sweep", move |conn| {
                Box::pin(async move {
                    if change_log::take_turn(conn).await? {
                        work(conn).await.map(Some)
                    } else {
                        Ok::<_, DbError>(None)
                    }
                })
            })
            .await?;
        if let Some(done) = done {
            return Ok(done);
        }
        // Another process plans.
        tokio::time::sleep(PAUSE).await;
    }
    Err(DbError::Locked)
}
