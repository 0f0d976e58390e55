//! Copying the tables, summing both sides up, and handing over.

use pugmark_queue::db::{Conn, Ts};
use uuid::Uuid;

use super::catalogue::Table;
use super::digest::Digest;
use super::images::Images;
use super::report::{Ended, Report, TableReport, Unfit};
use super::sides::{postgres, sqlite, sqlite_run};
use super::{Doing, MOST_UNFIT, Move, MoveError, Watch, source, standing, target};
use crate::capture::triggers;

impl Move<'_> {
    pub(super) async fn begin(
        &self,
        from: &mut Conn,
        to: &mut Conn,
        tables: &[Table],
    ) -> Result<(), MoveError> {
        if standing(to).await?.is_none() {
            self.check_empty(to, tables).await?;
        }
        let id = Uuid::now_v7();
        sqlite_run(
            from,
            "PRAGMA query_only = off; BEGIN IMMEDIATE; DELETE FROM store_moves",
        )
        .await?;
        let noted = sqlx::query(
            "INSERT INTO store_moves (id, side, other, state, begun_at) VALUES ($1, 'source', $2, 'copying', $3)",
        )
        .bind(id)
        .bind(&self.options.to_shown)
        .bind(Ts::now())
        .execute(sqlite(from)?)
        .await;
        let end = if noted.is_ok() { "COMMIT" } else { "ROLLBACK" };
        sqlite_run(from, end).await?;
        noted?;
        target::make_room(to, tables, id, &self.options.from_shown).await
    }

    pub(super) async fn copy(
        &self,
        from: &mut Conn,
        to: &mut Conn,
        tables: &[Table],
        watch: &mut Watch<'_>,
    ) -> Result<(), MoveError> {
        let images = Images::of(tables);
        for table in tables {
            let mut place = target::place(to, table).await?;
            let all = source::count(from, &table.name).await?;
            while !place.done {
                watch(Doing::Copying, &table.name, place.rows, all);
                let batch = source::batch(
                    from,
                    table,
                    &images,
                    place.after.as_deref(),
                    self.options.batch,
                )
                .await?;
                if !batch.unfit.is_empty() {
                    return Err(MoveError::Unfit(
                        batch.unfit.into_iter().take(MOST_UNFIT).collect(),
                    ));
                }
                place.done = batch.last.is_none();
                place.after = batch.last.or(place.after);
                place.rows += batch.rows.len() as u64;
                target::write(to, table, batch.rows, &place).await?;
            }
            watch(Doing::Copying, &table.name, place.rows, all);
        }
        Ok(())
    }

    pub(super) async fn state(&self, to: &mut Conn) -> Result<String, MoveError> {
        Ok(standing(to)
            .await?
            .map(|standing| standing.state)
            .unwrap_or_default())
    }

    pub(super) async fn compare(
        &self,
        from: &mut Conn,
        to: &mut Conn,
        tables: &[Table],
        ended: Ended,
        watch: &mut Watch<'_>,
    ) -> Result<Report, MoveError> {
        let images = Images::of(tables);
        let mut report = self.report(ended);
        for table in tables {
            let source = self
                .read_all(
                    from,
                    table,
                    &images,
                    Doing::Comparing,
                    &mut report.unfit,
                    watch,
                )
                .await?;
            let target = target::digest(to, table).await?;
            report.tables.push(TableReport {
                copied_rows: Some(target.rows),
                copied_checksum: Some(target.checksum()),
                ..TableReport::one_sided(table.name.clone(), source.rows, source.checksum())
            });
        }
        Ok(report)
    }

    pub(super) async fn read_all(
        &self,
        from: &mut Conn,
        table: &Table,
        images: &Images,
        doing: Doing,
        unfit: &mut Vec<Unfit>,
        watch: &mut Watch<'_>,
    ) -> Result<Digest, MoveError> {
        let all = source::count(from, &table.name).await?;
        let mut digest = Digest::default();
        let mut after = None;
        loop {
            watch(doing, &table.name, digest.rows, all);
            let batch =
                source::batch(from, table, images, after.as_deref(), self.options.batch).await?;
            if unfit.len() < MOST_UNFIT {
                unfit.extend(batch.unfit);
            }
            for row in &batch.rows {
                digest.add(table, row);
            }
            match batch.last {
                Some(last) => after = Some(last),
                None => return Ok(digest),
            }
        }
    }

    /// First the source steps down, then the target is complete; killed in between, neither is served until this is run again.
    pub(super) async fn hand_over(&self, from: &mut Conn, to: &mut Conn) -> Result<(), MoveError> {
        let sql = "UPDATE store_moves SET state = 'moved', ended_at = $1 WHERE side = 'source'";
        sqlx::query(sql)
            .bind(Ts::now())
            .execute(sqlite(from)?)
            .await?;
        sqlite_run(from, "COMMIT").await?;
        triggers::install(self.to).await?;
        let sql = "UPDATE store_moves SET state = 'moved', ended_at = $1 WHERE side = 'target'";
        sqlx::query(sql)
            .bind(Ts::now())
            .execute(postgres(to)?)
            .await?;
        Ok(())
    }
}
