//! The first jobs of many leads at once: one statement, however many there are.

use std::collections::HashSet;

use pugmark_queue::db::{Conn, DbError, Engine};
use pugmark_queue::on;
use serde::Serialize;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::NewJob;
use crate::store::dialect::{self, Kind};

const COLUMNS: [(&str, Kind); 7] = [
    ("job_id", Kind::Uuid),
    ("vtiger_lead_id", Kind::Text),
    ("sealed_data", Kind::Bytes),
    ("requested_by", Kind::Text),
    ("operation_id", Kind::Uuid),
    ("correlation_id", Kind::Text),
    ("created_at", Kind::Instant),
];

#[derive(Serialize)]
struct Row<'a> {
    job_id: String,
    vtiger_lead_id: &'a str,
    sealed_data: Option<String>,
    requested_by: &'a str,
    operation_id: String,
    correlation_id: &'a str,
    created_at: i64,
}

impl<'a> From<&'a NewJob> for Row<'a> {
    fn from(new: &'a NewJob) -> Self {
        Row {
            job_id: hex::encode(new.job_id),
            vtiger_lead_id: &new.vtiger_lead_id,
            sealed_data: new.sealed_data.as_ref().map(hex::encode),
            requested_by: &new.requested_by,
            operation_id: hex::encode(new.operation_id.0),
            correlation_id: &new.correlation_id,
            created_at: new.created_at.as_micros(),
        }
    }
}

/// Stores the first jobs of these leads, each of another lead, as [`super::insert`] does. Gives those that were stored: the leads of
/// the others have one, also one that is just being stored by somebody else.
///
/// # Errors
/// [`DbError::Conflict`] when a lead got a job, and that ended, while this waited for somebody else: then everything is for the
/// caller to undo. Otherwise whatever the database says.
pub async fn insert_many(conn: &mut Conn, new: &[&NewJob]) -> Result<HashSet<Uuid>, DbError> {
    let engine = conn.engine();
    let lead = dialect::read(engine, "vtiger_lead_id", Kind::Text);
    let made = dialect::read(engine, "created_at", Kind::Instant);
    // One value of a subquery is looked up in the index for each lead; PostgreSQL might make a join of NOT EXISTS and read the
    // whole table.
    let sql = format!(
        "INSERT INTO sync_jobs ({names}, status, updated_at) {rows} \
         WHERE (SELECT j.job_id FROM sync_jobs j WHERE j.vtiger_lead_id = {lead} LIMIT 1) IS NULL \
         ON CONFLICT (vtiger_lead_id) WHERE status IN ('pending', 'processing', 'maxio_created') DO NOTHING RETURNING job_id",
        names = dialect::names(&COLUMNS),
        rows = dialect::own_rows_with(engine, 1, &COLUMNS, &["'pending'", &made]),
    );
    // Everybody takes leads in the same order, so that nobody waits in a circle.
    let mut new = new.to_vec();
    new.sort_by(|one, other| one.vtiger_lead_id.cmp(&other.vtiger_lead_id));
    let rows: Vec<Row<'_>> = new.iter().map(|new| Row::from(*new)).collect();
    let rows = dialect::json_text(&rows)?;
    let stored: Vec<Uuid> = on!(conn, |c| sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(rows)
        .fetch_all(c)
        .await)?;
    let stored: HashSet<Uuid> = stored.into_iter().collect();
    // SQLite's one writer waits for nobody while it writes.
    if engine == Engine::Postgres && a_lead_has_two(conn, &new, &stored).await? {
        return Err(DbError::Conflict);
    }
    Ok(stored)
}

/// Whether a lead of the jobs just `stored` has another one. The statement that stored them saw the jobs there were when it began,
/// and it may have waited for a lead while another one's job came and ended.
async fn a_lead_has_two(
    conn: &mut Conn,
    new: &[&NewJob],
    stored: &HashSet<Uuid>,
) -> Result<bool, DbError> {
    let leads: Vec<&str> = new
        .iter()
        .filter(|new| stored.contains(&new.job_id))
        .map(|new| new.vtiger_lead_id.as_str())
        .collect();
    let sql = leads_with_two_sql(conn.engine());
    let leads = dialect::json_text(&leads)?;
    let found: i64 = on!(conn, |c| sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(leads)
        .fetch_one(c)
        .await)?;
    Ok(found > 0)
}

/// The statement that counts which of many leads have more than one job, for tests of its plan.
pub fn leads_with_two_sql(engine: Engine) -> String {
    let leads = dialect::texts(engine, 1);
    format!(
        "SELECT COUNT(*) FROM {leads} \
         WHERE (SELECT COUNT(*) FROM sync_jobs j WHERE j.vtiger_lead_id = r.value) > 1"
    )
}
