//! What is done to jobs from outside: trying again, cancelling, counting, and forgetting what nobody needs any more.

use pugmark_queue::OperationId;
use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;
use uuid::Uuid;

use super::{CANCELLED, Job};
use crate::store::rows_changed;

/// What a job that is tried again starts with.
#[derive(Debug, Clone)]
pub struct Reopened<'a> {
    /// The operation that carries it out from now on.
    pub operation_id: OperationId,
    /// What is known of the lead now, sealed.
    pub sealed_data: Option<&'a [u8]>,
    /// `webhook`, or who asked for it.
    pub requested_by: &'a str,
    /// Correlation id of what caused it.
    pub correlation_id: &'a str,
}

/// Makes a failed job active again; its finished steps stay finished. `false` when it is no longer as it was read.
///
/// # Errors
/// Whatever the database says.
pub async fn reopen(
    conn: &mut Conn,
    seen: &Job,
    new: &Reopened<'_>,
    now: Ts,
) -> Result<bool, DbError> {
    let sql = "UPDATE sync_jobs SET status = CASE WHEN step = 'subscription' THEN 'maxio_created' ELSE 'pending' END, \
               error_code = NULL, error_message = NULL, faults = '{}', sealed_data = $3, reruns = reruns + 1, requested_by = $4, \
               correlation_id = $5, updated_at = $6, ended_at = NULL, operation_id = $8 \
               WHERE job_id = $1 AND status = 'failed' AND reruns = $2 AND COALESCE(error_code, '') = $7";
    rows_changed!(
        conn,
        sql,
        seen.job_id,
        seen.reruns,
        new.sealed_data,
        new.requested_by,
        new.correlation_id,
        now,
        seen.error_code.as_deref().unwrap_or_default(),
        new.operation_id
    )
}

/// A person wants the job not to go on. `false` when everything is done, or it was cancelled already.
///
/// # Errors
/// Whatever the database says.
pub async fn cancel(conn: &mut Conn, job: Uuid, why: &str, now: Ts) -> Result<bool, DbError> {
    let sql = "UPDATE sync_jobs SET status = 'failed', error_code = $2, error_message = $3, faults = '{}', updated_at = $4, ended_at = $4 \
               WHERE job_id = $1 AND status <> 'crm_updated' AND NOT (status = 'failed' AND COALESCE(error_code, '') = $2)";
    rows_changed!(conn, sql, job, CANCELLED, why, now)
}

/// Ends, as failed, active jobs that nobody carries out any more: their operation failed for good or was given up. Only `job` where
/// one is named. Gives how many.
///
/// # Errors
/// Whatever the database says.
pub async fn fail_stranded(
    conn: &mut Conn,
    job: Option<Uuid>,
    (code, message): (&str, &str),
    now: Ts,
) -> Result<u64, DbError> {
    // An operation that is just being given to the job is not seen here, and then the job is none of these.
    let sql = "UPDATE sync_jobs SET status = 'failed', error_code = $1, error_message = $2 || COALESCE(' ' || error_message, ''), \
               updated_at = $3, ended_at = $3 \
               WHERE status IN ('pending', 'processing', 'maxio_created') AND ($4 IS NULL OR job_id = $4) AND EXISTS \
               (SELECT 1 FROM vtiger_sync_queue q WHERE q.id = sync_jobs.operation_id AND (q.status = 'COMPLETED' OR q.dead_at IS NOT NULL))";
    Ok(on!(conn, |c| sqlx::query(sql)
        .bind(code)
        .bind(message)
        .bind(now)
        .bind(job)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?)
}

/// Jobs by status. A status without any is left out.
///
/// # Errors
/// Whatever the database says.
pub async fn counts(conn: &mut Conn) -> Result<Vec<(String, i64)>, DbError> {
    let sql = "SELECT status, COUNT(*) FROM sync_jobs GROUP BY status ORDER BY status";
    Ok(on!(conn, |c| sqlx::query_as(sql).fetch_all(c).await)?)
}

/// Erases what is known of leads whose jobs failed before `before`; at most `limit`. Says how many.
///
/// # Errors
/// Whatever the database says.
pub async fn forget_failed(conn: &mut Conn, before: Ts, limit: u32) -> Result<u64, DbError> {
    let sql = "UPDATE sync_jobs SET sealed_data = NULL WHERE job_id IN \
               (SELECT job_id FROM sync_jobs WHERE status = 'failed' AND sealed_data IS NOT NULL AND ended_at < $1 LIMIT $2)";
    Ok(on!(conn, |c| sqlx::query(sql)
        .bind(before)
        .bind(i64::from(limit))
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?)
}
