//! Whether two stores may be moved from and to, and how far an earlier run came.

use pugmark_queue::db::{Conn, DbError, Engine};

use super::catalogue::Table;
use super::{Move, MoveError, standing, target};
use crate::store;

/// What stands between the two.
pub(super) enum Between {
    Nothing,
    Begun,
    Over,
}

impl Move<'_> {
    pub(super) async fn check_source(&self) -> Result<(), MoveError> {
        if self.from.engine() != Engine::Sqlite || self.to.engine() != Engine::Postgres {
            return Err(MoveError::Refused(
                "a store is moved from SQLite to PostgreSQL: --from sqlite:PATH --to postgres://...".to_owned(),
            ));
        }
        if self.to.is_pooled() {
            return Err(MoveError::Refused(format!(
                "{} is a pooler in transaction mode; name the server's own address",
                self.options.to_shown
            )));
        }
        match self
            .from
            .check_version(&store::migrations(Engine::Sqlite))
            .await
        {
            Ok(()) => Ok(()),
            Err(DbError::NotMigrated { .. }) => Err(MoveError::Refused(format!(
                "{} is of an older version. Run `pugmark migrate` on it first (DATABASE_URL={})",
                self.options.from_shown, self.options.from_shown
            ))),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the target is at this program's version; not, when Pugmark has never been there. Anything else is refused.
    pub(super) async fn target_is_migrated(&self) -> Result<bool, MoveError> {
        let mut conn = self.to.read().await?;
        if store::settings::is_untouched_microbima(&mut conn).await? {
            return Err(MoveError::Refused(format!(
                "{} is MicroBima's own database. A standalone store brings its own tables; name an empty database",
                self.options.to_shown
            )));
        }
        match self
            .to
            .check_version(&store::migrations(Engine::Postgres))
            .await
        {
            Ok(()) => {}
            Err(DbError::NotMigrated { found: None, .. }) => return Ok(false),
            Err(DbError::NotMigrated { .. }) => {
                return Err(MoveError::Refused(format!(
                    "{} is of an older version. Run `pugmark migrate` on it first",
                    self.options.to_shown
                )));
            }
            Err(error) => return Err(error.into()),
        }
        if standing(&mut conn).await?.is_none()
            && store::slice_mode(&mut conn).await? == store::SliceMode::Attached
        {
            return Err(MoveError::Refused(format!(
                "{} is attached to MicroBima's own tables. A standalone store brings its own; name an empty database",
                self.options.to_shown
            )));
        }
        Ok(true)
    }

    pub(super) async fn migrate_target(&self) -> Result<(), MoveError> {
        if !self.target_is_migrated().await? {
            // Without capture: it is installed when everything is there.
            self.to.migrate(store::migrations(Engine::Postgres)).await?;
        }
        Ok(())
    }

    pub(super) async fn between(
        &self,
        from: &mut Conn,
        to: &mut Conn,
    ) -> Result<Between, MoveError> {
        let (source, target) = (standing(from).await?, standing(to).await?);
        match (source, target) {
            (Some(source), Some(target)) if source.id == target.id => Ok(if target.is_over() {
                Between::Over
            } else {
                Between::Begun
            }),
            (Some(source), _) if source.is_over() => Err(MoveError::Refused(format!(
                "{} was moved to {} already",
                self.options.from_shown, source.other
            ))),
            (_, Some(target)) if target.is_over() => Err(MoveError::Refused(format!(
                "{} was filled from {} and is a store of its own now; name an empty database",
                self.options.to_shown, target.other
            ))),
            (_, Some(target)) if !self.options.restart => Err(MoveError::Refused(format!(
                "{} holds part of a copy of {} which cannot be gone on with: it is another store, or has been served since. \
                 With --restart that part is thrown away and the copy begins anew",
                self.options.to_shown, target.other
            ))),
            (_, Some(_)) => Ok(Between::Begun),
            (_, None) => Ok(Between::Nothing),
        }
    }

    pub(super) async fn check_empty(
        &self,
        to: &mut Conn,
        tables: &[Table],
    ) -> Result<(), MoveError> {
        let used = target::used(to, tables).await?;
        if used.is_empty() {
            return Ok(());
        }
        Err(MoveError::Refused(format!(
            "{} is not empty: there are rows in {}. Name a new database (createdb pugmark), or empty this one with DROP SCHEMA pugmark CASCADE \
             and by dropping the tables in schema public",
            self.options.to_shown,
            used.join(", ")
        )))
    }
}
