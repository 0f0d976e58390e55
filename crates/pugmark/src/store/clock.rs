//! The clock that judges leases.

use pugmark_queue::db::{Conn, DbError, Engine, Ts};
use pugmark_queue::on;

/// The present instant by the database's clock, so that clocks of different hosts do not matter. On SQLite, which runs in this
/// process, it is this host's.
///
/// # Errors
/// Whatever the database says.
pub async fn now(conn: &mut Conn) -> Result<Ts, DbError> {
    match conn.engine() {
        Engine::Sqlite => Ok(Ts::now()),
        Engine::Postgres => {
            let sql = "SELECT clock_timestamp()";
            Ok(on!(conn, |c| sqlx::query_scalar::<_, Ts>(sql)
                .fetch_one(c)
                .await)?)
        }
    }
}
