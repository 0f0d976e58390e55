//! Whether the connection is a session of its own, or shared with others between two transactions.
//!
//! A pooler in transaction mode gives a connection to whoever has a transaction: session settings and locks end up in other
//! hands, and prepared statements are gone. One connection alone need not notice it, so a second one takes the first one's
//! place for a while.

use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};

use super::Hindrance;

/// The port of Supabase's pooler in transaction mode.
const TRANSACTION_POOLER: u16 = 6543;
const FIX: &str = "Use the direct connection: on Supabase the host db.<project>.supabase.co with port 5432, elsewhere the \
     address of the server itself and not of its pooler (a pooler in session mode will do)";

/// Looks whether `url` leads through a pooler in transaction mode; `None` when it does not, or when it cannot be told because
/// there is no connection at all.
pub async fn probe(url: &str) -> Option<Hindrance> {
    let options = PgConnectOptions::from_str(url)
        .ok()?
        .application_name("pugmark-probe")
        .disable_statement_logging();
    if options.get_port() == TRANSACTION_POOLER {
        return Some(Hindrance {
            what: format!(
                "port {TRANSACTION_POOLER} of {} is that of a pooler in transaction mode",
                options.get_host()
            ),
            fix: FIX.to_owned(),
        });
    }
    let shared = session_is_shared(&options).await.ok()?;
    shared.then(|| Hindrance {
        what: format!(
            "{}:{} is a pooler in transaction mode: what a session sets is lost, or shows up in another one",
            options.get_host(),
            options.get_port()
        ),
        fix: FIX.to_owned(),
    })
}

async fn session_is_shared(options: &PgConnectOptions) -> Result<bool, sqlx::Error> {
    let (mut one, mut other) = (options.connect().await?, options.connect().await?);
    let mark = uuid::Uuid::now_v7().simple().to_string();
    run(&mut one, &format!("SET pugmark.probe = '{mark}'")).await?;
    let before = look(&mut one).await?;
    // As long as this transaction lasts, a pooler cannot give its connection to the first session.
    run(&mut other, "BEGIN").await?;
    let seen_by_other = look(&mut other).await?;
    let after = look(&mut one).await?;
    run(&mut other, "ROLLBACK").await?;
    run(&mut one, "RESET pugmark.probe").await?;
    let shared =
        seen_by_other.mark == mark || after.mark != mark || before.backend != after.backend;
    one.close().await?;
    other.close().await?;
    Ok(shared)
}

struct Look {
    backend: i32,
    mark: String,
}

/// In the simple protocol: a prepared statement may be gone in the next transaction.
async fn look(connection: &mut PgConnection) -> Result<Look, sqlx::Error> {
    let row = sqlx::raw_sql(
        "SELECT pg_backend_pid() AS backend, COALESCE(current_setting('pugmark.probe', true), '') AS mark",
    )
    .fetch_one(connection)
    .await?;
    Ok(Look {
        backend: row.try_get("backend")?,
        mark: row.try_get("mark")?,
    })
}

async fn run(connection: &mut PgConnection, sql: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(connection)
        .await
        .map(drop)
}
