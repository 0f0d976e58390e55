//! Is PostgreSQL reached as Pugmark needs it, and has it connections enough?

use pugmark_queue::db::{Conn, Db, DbError, Engine};
use pugmark_queue::on;

use super::Findings;
use crate::capture::attach;
use crate::config::Settings;
use crate::problem::Code;

/// Besides those for reading a process has one for writing and one for notifications.
const BESIDES: i64 = 2;

pub(super) async fn check(settings: &Settings, db: &Db, findings: &mut Findings) {
    if db.engine() != Engine::Postgres {
        return;
    }
    let pooled = db.is_pooled() || attach::probe(&settings.database.url).await.is_some();
    match (pooled, &settings.database.direct_url) {
        (false, _) => findings.ok("PostgreSQL", "reached without a pooler in transaction mode"),
        (true, Some(_)) => findings.warning(
            "PostgreSQL",
            format!("{}: reached through a pooler in transaction mode", Code::PostgresPooler),
            "Nothing has to be done: migrations and notifications use DATABASE_DIRECT_URL",
        ),
        (true, None) => findings.warning(
            "PostgreSQL",
            format!(
                "{}: reached through a pooler in transaction mode; other processes' work is found by looking, migrations are refused",
                Code::PostgresPooler
            ),
            "Set DATABASE_DIRECT_URL to the server's own address",
        ),
    }
    let wanted = i64::from(settings.database.connections) + BESIDES;
    match room(db).await {
        Ok(room) if !pooled && wanted > room => findings.warning(
            "PostgreSQL's connections",
            format!(
                "{}: a process may use {wanted}, {room} are free now",
                Code::PostgresConnections
            ),
            "Lower database.connections, or raise max_connections of PostgreSQL",
        ),
        Ok(room) => findings.ok(
            "PostgreSQL's connections",
            format!("a process may use {wanted}; {room} are free now"),
        ),
        // The store itself is looked at elsewhere.
        Err(error) => tracing::debug!(%error, "PostgreSQL's connections could not be counted"),
    }
}

/// How many connections anybody but a superuser could still make.
async fn room(db: &Db) -> Result<i64, DbError> {
    let mut conn: Conn = db.read().await?;
    let sql = "SELECT current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint \
               - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')";
    Ok(on!(&mut conn, |c| sqlx::query_scalar(sql)
        .fetch_one(c)
        .await)?)
}
