//! The connections of the two sides, each in its own language.

use pugmark_queue::db::{Conn, RawConn};
use pugmark_queue::on;
use sqlx::{PgConnection, SqliteConnection};

use super::MoveError;

pub(super) async fn sqlite_run(conn: &mut Conn, sql: &'static str) -> Result<(), MoveError> {
    on!(conn, |c| sqlx::raw_sql(sql).execute(c).await.map(drop))?;
    Ok(())
}

pub(super) fn sqlite(conn: &mut Conn) -> Result<&mut SqliteConnection, MoveError> {
    match conn.raw() {
        RawConn::Sqlite(pooled) => Ok(&mut **pooled),
        RawConn::Postgres(_) => Err(wrong_side()),
    }
}

pub(super) fn postgres(conn: &mut Conn) -> Result<&mut PgConnection, MoveError> {
    match conn.raw() {
        RawConn::Postgres(pooled) => Ok(&mut **pooled),
        RawConn::Sqlite(_) => Err(wrong_side()),
    }
}

fn wrong_side() -> MoveError {
    MoveError::Refused("source and target were taken for each other".to_owned())
}
