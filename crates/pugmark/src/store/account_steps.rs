//! `account_steps`: how far an operation on a staff account has come.

use std::collections::BTreeMap;

use pugmark_queue::OperationId;
use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;

/// One thing that an operation on an account does in one of the systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The login exists in Supabase.
    Login,
    /// The login has the operation's password.
    LoginPassword,
    /// The brand ambassador exists in MicroBima.
    Ambassador,
    /// The user exists in the CRM and is linked.
    CrmUser,
    /// The CRM's user was told whether it is active, and its phone. Stands only as long as it is not known whether that
    /// had its effect.
    CrmStatus,
    /// The CRM's user has the operation's password.
    CrmPassword,
}

impl Step {
    /// The word stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Step::Login => "login",
            Step::LoginPassword => "login-password",
            Step::Ambassador => "ambassador",
            Step::CrmUser => "crm-user",
            Step::CrmStatus => "crm-status",
            Step::CrmPassword => "crm-password",
        }
    }
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stand {
    /// From when on it may have had its effect.
    pub begun_at: Ts,
    /// When it was given up finding out whether it had.
    pub doubted_at: Option<Ts>,
    /// When it was known to have had it.
    pub finished_at: Option<Ts>,
}

/// The steps of one operation that were begun.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress(BTreeMap<String, Stand>);

impl Progress {
    /// Where a step stands, if it was begun.
    pub fn of(&self, step: Step) -> Option<&Stand> {
        self.0.get(step.as_str())
    }

    /// Whether it is known to be done.
    pub fn finished(&self, step: Step) -> bool {
        self.of(step)
            .is_some_and(|stand| stand.finished_at.is_some())
    }

    /// Whether anything is known to be done, or may have been.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    step: String,
    begun_at: Ts,
    doubted_at: Option<Ts>,
    finished_at: Option<Ts>,
}

/// How far the operation has come.
///
/// # Errors
/// Whatever the database says.
pub async fn of(conn: &mut Conn, operation: OperationId) -> Result<Progress, DbError> {
    let sql =
        "SELECT step, begun_at, doubted_at, finished_at FROM account_steps WHERE operation_id = $1";
    let rows: Vec<Row> = on!(conn, |c| sqlx::query_as(sql)
        .bind(operation)
        .fetch_all(c)
        .await)?;
    let stands = rows.into_iter().map(|row| {
        let stand = Stand {
            begun_at: row.begun_at,
            doubted_at: row.doubted_at,
            finished_at: row.finished_at,
        };
        (row.step, stand)
    });
    Ok(Progress(stands.collect()))
}

/// Notes, before the call, that the step may have its effect from now on.
///
/// # Errors
/// Whatever the database says.
pub async fn begin(
    conn: &mut Conn,
    operation: OperationId,
    step: Step,
    now: Ts,
) -> Result<(), DbError> {
    let sql = "INSERT INTO account_steps (operation_id, step, begun_at) VALUES ($1, $2, $3) \
               ON CONFLICT (operation_id, step) DO UPDATE SET begun_at = excluded.begun_at, doubted_at = NULL";
    on!(conn, |c| sqlx::query(sql)
        .bind(operation)
        .bind(step.as_str())
        .bind(now)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// The step certainly had no effect: as if it had not begun.
///
/// # Errors
/// Whatever the database says.
pub async fn withdraw(conn: &mut Conn, operation: OperationId, step: Step) -> Result<(), DbError> {
    let sql =
        "DELETE FROM account_steps WHERE operation_id = $1 AND step = $2 AND finished_at IS NULL";
    on!(conn, |c| sqlx::query(sql)
        .bind(operation)
        .bind(step.as_str())
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// The step is done.
///
/// # Errors
/// Whatever the database says.
pub async fn finish(
    conn: &mut Conn,
    operation: OperationId,
    step: Step,
    now: Ts,
) -> Result<(), DbError> {
    let sql = "INSERT INTO account_steps (operation_id, step, begun_at, finished_at) VALUES ($1, $2, $3, $3) \
               ON CONFLICT (operation_id, step) DO UPDATE SET finished_at = excluded.finished_at, doubted_at = NULL";
    on!(conn, |c| sqlx::query(sql)
        .bind(operation)
        .bind(step.as_str())
        .bind(now)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// It cannot be found out whether the step had its effect.
///
/// # Errors
/// Whatever the database says.
pub async fn doubt(
    conn: &mut Conn,
    operation: OperationId,
    step: Step,
    now: Ts,
) -> Result<(), DbError> {
    let sql = "UPDATE account_steps SET doubted_at = $3 WHERE operation_id = $1 AND step = $2";
    on!(conn, |c| sqlx::query(sql)
        .bind(operation)
        .bind(step.as_str())
        .bind(now)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// The operation gets another password: what set the one before has to be done again.
///
/// # Errors
/// Whatever the database says.
pub async fn forget_passwords(conn: &mut Conn, operation: OperationId) -> Result<(), DbError> {
    let sql = "DELETE FROM account_steps WHERE operation_id = $1 AND step IN ('login-password', 'crm-password')";
    on!(conn, |c| sqlx::query(sql)
        .bind(operation)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// When another operation last set the password of this account's login.
///
/// # Errors
/// Whatever the database says.
pub async fn password_set_by_others(
    conn: &mut Conn,
    user: &str,
    operation: OperationId,
) -> Result<Option<Ts>, DbError> {
    let sql = "SELECT MAX(s.finished_at) FROM account_steps AS s JOIN vtiger_sync_queue AS q ON q.id = s.operation_id \
               WHERE q.entity_type = 'USER' AND q.entity_id = $1 AND s.operation_id <> $2 AND s.step = 'login-password'";
    Ok(on!(conn, |c| sqlx::query_scalar(sql)
        .bind(user)
        .bind(operation)
        .fetch_one(c)
        .await)?)
}

/// Removes the steps of operations that are gone, and says how many went.
///
/// # Errors
/// Whatever the database says.
pub async fn prune(conn: &mut Conn) -> Result<u64, DbError> {
    let sql = "DELETE FROM account_steps WHERE NOT EXISTS \
               (SELECT 1 FROM vtiger_sync_queue AS q WHERE q.id = account_steps.operation_id)";
    Ok(on!(conn, |c| sqlx::query(sql)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?)
}
