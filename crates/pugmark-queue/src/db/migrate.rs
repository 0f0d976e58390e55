use std::sync::Arc;

use sqlx::SqlSafeStr;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};

use super::{Conn, DbError, Engine, Pools};
use crate::on;

/// The queue's own migrations, for one migrator that runs them together with the application's. The queue uses the versions
/// below 1000; the application's begin there. Both databases have the same versions.
pub fn migrations(engine: Engine) -> Vec<Migration> {
    let all = [
        (
            1,
            "queue",
            include_str!("../../migrations/sqlite/0001_queue.sql"),
            include_str!("../../migrations/postgres/0001_queue.sql"),
        ),
        (
            2,
            "attempt correlation",
            include_str!("../../migrations/sqlite/0002_attempt_correlation.sql"),
            include_str!("../../migrations/postgres/0002_attempt_correlation.sql"),
        ),
    ];
    all.into_iter()
        .map(|(version, description, sqlite, postgres)| {
            let sql = match engine {
                Engine::Sqlite => sqlite,
                Engine::Postgres => postgres,
            };
            Migration::new(
                version,
                description.into(),
                MigrationType::Simple,
                sql.into_sql_str(),
                false,
            )
        })
        .collect()
}

pub(super) async fn run(pools: &Pools, migrations: Vec<Migration>) -> Result<(), DbError> {
    let mut conn = match pools {
        Pools::Sqlite { readers, .. } => {
            let mut conn = Conn::sqlite(readers.acquire().await?);
            conn.script("PRAGMA query_only = off").await?;
            conn
        }
        Pools::Postgres { shared, .. } => {
            let mut conn = Conn::postgres(shared.acquire().await?);
            // Building an index on a large table may take longer than any query should.
            conn.script("SET statement_timeout = 0; CREATE SCHEMA IF NOT EXISTS pugmark")
                .await?;
            conn
        }
    };
    // The connection was changed, and after a failure it may still hold the migrator's lock.
    conn.discard();
    let found = version(&mut conn).await?;
    refuse_newer(found, &migrations)?;
    let migrator = Migrator::with_migrations(migrations);
    on!(&mut conn, |c| migrator.run_direct(None, c, false).await).map_err(from_migrate)
}

pub(super) async fn check(conn: &mut Conn, migrations: &[Migration]) -> Result<(), DbError> {
    let found = version(conn).await?;
    refuse_newer(found, migrations)?;
    let needed = newest(migrations);
    if found.unwrap_or_default() < needed {
        Err(DbError::NotMigrated { found, needed })
    } else {
        Ok(())
    }
}

fn newest(migrations: &[Migration]) -> i64 {
    migrations
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or_default()
}

fn refuse_newer(found: Option<i64>, migrations: &[Migration]) -> Result<(), DbError> {
    let known = newest(migrations);
    match found {
        Some(found) if found > known => Err(DbError::NewerThanProgram { found, known }),
        _ => Ok(()),
    }
}

/// The highest version that was run, `None` on a database without migrations.
async fn version(conn: &mut Conn) -> Result<Option<i64>, DbError> {
    let known = match conn.engine() {
        Engine::Sqlite => {
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations')"
        }
        Engine::Postgres => "SELECT to_regclass('pugmark._sqlx_migrations') IS NOT NULL",
    };
    if !on!(conn, |c| sqlx::query_scalar::<_, bool>(known)
        .fetch_one(c)
        .await)?
    {
        return Ok(None);
    }
    let sql = "SELECT max(version) FROM _sqlx_migrations";
    Ok(on!(conn, |c| sqlx::query_scalar::<_, Option<i64>>(sql)
        .fetch_one(c)
        .await)?)
}

fn from_migrate(error: MigrateError) -> DbError {
    match error {
        MigrateError::Execute(error) => match DbError::from(error) {
            DbError::Sql(error) => DbError::Sql(error),
            known => known,
        },
        other => DbError::Migration(Arc::new(other)),
    }
}
