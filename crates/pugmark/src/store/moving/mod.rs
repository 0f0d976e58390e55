//! Moving a whole store from SQLite to PostgreSQL: `pugmark migrate-store`.
//!
//! Each table is copied in the order of its primary key, batch by batch; how far it is, is committed in the target with every
//! batch, so a copy that was killed goes on. The source is held against writers meanwhile. Capture and references stand aside
//! in the target until everything is there. Then both sides are summed up in one form, and only if they are equal
//! the source is marked as moved and, last, the target as complete: at no moment may both be served.

mod catalogue;
mod copying;
mod digest;
mod error;
mod fitness;
mod images;
mod report;
mod sides;
mod source;
mod standing;
mod target;
mod value;

use pugmark_queue::db::{Db, Ts};

pub use catalogue::{LEFT_BEHIND, SEEDED};
pub use error::MoveError;
pub use report::{Ended, Report, TableReport, Unfit};
pub use standing::{NotServed, Standing, go_on_here, may_be_served, standing};

use self::fitness::Between;
use self::images::Images;
use self::sides::sqlite_run;

/// The most values that are told at once.
const MOST_UNFIT: usize = 50;

/// How a store is moved.
#[derive(Debug, Clone)]
pub struct Options {
    /// The source's address as people may see it.
    pub from_shown: String,
    /// The target's address without its password.
    pub to_shown: String,
    /// Rows in one transaction.
    pub batch: u32,
    /// Forget what an earlier run copied, and begin anew.
    pub restart: bool,
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Reading the source without writing anything.
    Looking,
    /// Copying.
    Copying,
    /// Summing up both sides.
    Comparing,
}

/// Told as often as something has been done: what, in which table, rows so far, all its rows.
pub type Watch<'w> = dyn FnMut(Doing, &str, u64, u64) + Send + 'w;

/// A source and a target that may be moved from and to.
pub struct Move<'a> {
    from: &'a Db,
    to: &'a Db,
    options: Options,
}

impl<'a> Move<'a> {
    /// `from` is the SQLite store, whose [`StoreLock`](pugmark_queue::db::StoreLock) the caller holds; `to` is the PostgreSQL store.
    pub fn new(from: &'a Db, to: &'a Db, options: Options) -> Self {
        Move { from, to, options }
    }

    /// Moves the store, or goes on with it.
    ///
    /// # Errors
    /// [`MoveError`]. What was copied stays for the next run.
    pub async fn run(&self, watch: &mut Watch<'_>) -> Result<Report, MoveError> {
        self.check_source().await?;
        self.migrate_target().await?;
        let (mut from, mut to) = (self.from.read().await?, self.to.read().await?);
        target::prepare(&mut to).await?;
        let tables = catalogue::read(&mut from, &mut to).await?;
        let mut gone_on_with = match self.between(&mut from, &mut to).await? {
            // The target may have been served for long, so there is nothing to compare.
            Between::Over => return Ok(self.report(Ended::WasMoved)),
            Between::Begun => !self.options.restart,
            Between::Nothing => false,
        };
        loop {
            if !gone_on_with {
                self.begin(&mut from, &mut to, &tables).await?;
            }
            // Nobody else writes the source until this transaction ends.
            sqlite_run(&mut from, "PRAGMA query_only = off; BEGIN IMMEDIATE").await?;
            self.copy(&mut from, &mut to, &tables, watch).await?;
            if self.state(&mut to).await? == "copying" {
                target::put_in_order(&mut from, &mut to, &tables).await?;
            }
            let mut report = self
                .compare(&mut from, &mut to, &tables, Ended::Moved, watch)
                .await?;
            if report.tables.iter().all(TableReport::is_equal) {
                self.hand_over(&mut from, &mut to).await?;
                return Ok(report);
            }
            sqlite_run(&mut from, "ROLLBACK").await?;
            if !gone_on_with {
                report.ended = Ended::Different;
                return Ok(report);
            }
            // Between two runs somebody wrote the source, if only to mend a value: what was copied before is out of date.
            tracing::warn!("the source was changed since the copy was begun; it is copied anew");
            gone_on_with = false;
        }
    }

    /// Reads everything and says what would be copied and what could not be; writes nothing.
    ///
    /// # Errors
    /// [`MoveError`], not for values that are unfit: these are in the report.
    pub async fn look(&self, watch: &mut Watch<'_>) -> Result<Report, MoveError> {
        self.check_source().await?;
        let mut from = self.from.read().await?;
        let mut report = self.report(Ended::Looked);
        if !self.target_is_migrated().await? {
            for table in catalogue::tables_of(&mut from).await?.into_keys() {
                let rows = source::count(&mut from, &table).await?;
                report
                    .tables
                    .push(TableReport::one_sided(table, rows, String::new()));
            }
            report.notes.push(
                "The target holds no Pugmark yet; it will be migrated. Run `pugmark migrate` on it to have every value checked beforehand"
                    .to_owned(),
            );
            return Ok(report);
        }
        let mut to = self.to.read().await?;
        target::prepare(&mut to).await?;
        let tables = catalogue::read(&mut from, &mut to).await?;
        match self.between(&mut from, &mut to).await? {
            Between::Nothing => self.check_empty(&mut to, &tables).await?,
            Between::Begun => report
                .notes
                .push("A move is under way; it would go on".to_owned()),
            Between::Over => report
                .notes
                .push("The store has been moved already".to_owned()),
        }
        let images = Images::of(&tables);
        for table in &tables {
            let digest = self
                .read_all(
                    &mut from,
                    table,
                    &images,
                    Doing::Looking,
                    &mut report.unfit,
                    watch,
                )
                .await?;
            report.tables.push(TableReport::one_sided(
                table.name.clone(),
                digest.rows,
                digest.checksum(),
            ));
        }
        report.unfit.truncate(MOST_UNFIT);
        Ok(report)
    }

    /// Compares both sides of a move once more, whether it is over or not; writes nothing. Once the target is served, it differs of
    /// course.
    ///
    /// # Errors
    /// [`MoveError::Refused`] when there was no move between the two.
    pub async fn verify(&self, watch: &mut Watch<'_>) -> Result<Report, MoveError> {
        self.check_source().await?;
        if !self.target_is_migrated().await? {
            return Err(MoveError::Refused(format!(
                "{} holds no Pugmark",
                self.options.to_shown
            )));
        }
        let (mut from, mut to) = (self.from.read().await?, self.to.read().await?);
        target::prepare(&mut to).await?;
        let tables = catalogue::read(&mut from, &mut to).await?;
        if let Between::Nothing = self.between(&mut from, &mut to).await? {
            return Err(MoveError::Refused(
                "no move was begun between these two stores, so there is nothing to compare"
                    .to_owned(),
            ));
        }
        let mut report = self
            .compare(&mut from, &mut to, &tables, Ended::Looked, watch)
            .await?;
        if !report.tables.iter().all(TableReport::is_equal) {
            report.ended = Ended::Different;
        }
        Ok(report)
    }

    fn report(&self, ended: Ended) -> Report {
        Report {
            from: self.options.from_shown.clone(),
            to: self.options.to_shown.clone(),
            ended,
            at: Ts::now(),
            tables: Vec::new(),
            unfit: Vec::new(),
            notes: Vec::new(),
        }
    }
}
