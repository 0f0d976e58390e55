//! `task_assignments` and `task_turns`: who got the task of a missing requirement, and whose turn it is.

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;
use sqlx::types::Json;

/// A task that somebody has, or is about to get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskAssignment {
    /// Entity id of the task's link.
    pub task_id: String,
    /// A user (`19x5`) or a group (`20x3`) of vTiger.
    pub assignee: String,
    /// vTiger may have been told that the task is done.
    pub closed: bool,
    /// What people should know of the choice.
    pub remarks: Vec<String>,
}

#[derive(sqlx::FromRow)]
struct AssignmentRow {
    task_id: String,
    assignee: String,
    closed: bool,
    remarks: Json<Vec<String>>,
}

/// The statement behind [`of_requirement`], for tests of its plan.
pub const OF_REQUIREMENT: &str = "SELECT task_id, assignee, closed, remarks FROM task_assignments \
     WHERE requirement_id = $1 ORDER BY task_id";

/// The tasks of a requirement.
///
/// # Errors
/// Whatever the database says.
pub async fn of_requirement(
    conn: &mut Conn,
    requirement: &str,
) -> Result<Vec<TaskAssignment>, DbError> {
    let rows: Vec<AssignmentRow> = on!(conn, |c| {
        sqlx::query_as(OF_REQUIREMENT)
            .bind(requirement)
            .fetch_all(c)
            .await
    })?;
    Ok(rows
        .into_iter()
        .map(|row| TaskAssignment {
            task_id: row.task_id,
            assignee: row.assignee,
            closed: row.closed,
            remarks: row.remarks.0,
        })
        .collect())
}

/// A task with the state of its link, for people.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct TaskView {
    /// A user or a group of vTiger.
    pub assignee: String,
    /// vTiger may have been told that the task is done.
    pub closed: bool,
    /// What people should know of the choice.
    pub remarks: Json<Vec<String>>,
    /// Id of the task in vTiger.
    pub vtiger_id: Option<String>,
    /// `PENDING`, `SYNCING`, `SYNCED`, `FAILED`.
    pub sync_status: Option<String>,
    /// When both sides last agreed.
    pub last_synced_at: Option<Ts>,
    /// Why it is not in step.
    pub sync_error: Option<String>,
    /// The code of that reason.
    pub sync_error_code: Option<String>,
}

/// The tasks of a requirement, with their links.
///
/// # Errors
/// Whatever the database says.
pub async fn views_of_requirement(
    conn: &mut Conn,
    requirement: &str,
) -> Result<Vec<TaskView>, DbError> {
    Ok(on!(conn, |c| {
        sqlx::query_as(
        "SELECT t.assignee, t.closed, t.remarks, l.vtiger_id, l.sync_status, l.last_synced_at, l.sync_error, \
         l.sync_error_code FROM task_assignments t \
         LEFT JOIN crm_links l ON l.entity_type = 'TASK' AND l.entity_id = t.task_id \
         WHERE t.requirement_id = $1 ORDER BY t.task_id"
    )
    .bind(requirement)
    .fetch_all(c)
    .await
    })?)
}

/// The statement behind [`requirements_of_customer`], for tests of its plan.
pub const OF_CUSTOMER: &str = "SELECT DISTINCT requirement_id FROM task_assignments WHERE customer_id = $1 ORDER BY requirement_id";

/// The requirements of a customer that have tasks, whatever became of the requirements.
///
/// # Errors
/// Whatever the database says.
pub async fn requirements_of_customer(
    conn: &mut Conn,
    customer: &str,
) -> Result<Vec<String>, DbError> {
    Ok(on!(conn, |c| sqlx::query_scalar(OF_CUSTOMER)
        .bind(customer)
        .fetch_all(c)
        .await)?)
}

/// Notes who gets a task of a requirement. One that is known already stays as it is.
///
/// # Errors
/// Whatever the database says.
pub async fn assign(
    conn: &mut Conn,
    requirement: &str,
    customer: &str,
    assignment: &TaskAssignment,
    now: Ts,
) -> Result<(), DbError> {
    let remarks = Json(assignment.remarks.clone());
    on!(conn, |c| {
        sqlx::query(
            "INSERT INTO task_assignments (task_id, requirement_id, customer_id, assignee, remarks, assigned_at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (task_id) DO NOTHING",
        )
        .bind(&assignment.task_id)
        .bind(requirement)
        .bind(customer)
        .bind(&assignment.assignee)
        .bind(remarks)
        .bind(now)
        .execute(c)
        .await
        .map(drop)
    })?;
    Ok(())
}

/// Notes whether vTiger is told that the tasks of a requirement are done.
///
/// # Errors
/// Whatever the database says.
pub async fn set_closed(conn: &mut Conn, requirement: &str, closed: bool) -> Result<(), DbError> {
    on!(conn, |c| {
        sqlx::query(
            "UPDATE task_assignments SET closed = $2 WHERE requirement_id = $1 AND closed <> $2",
        )
        .bind(requirement)
        .bind(closed)
        .execute(c)
        .await
        .map(drop)
    })?;
    Ok(())
}

/// Whose turn it is among `candidates`: whoever never had one, in the order given, else whoever had the last one longest
/// ago. Notes the turn. Transactions that choose at the same time wait for each other. `None` without candidates.
///
/// # Errors
/// Whatever the database says.
pub async fn next_turn(conn: &mut Conn, candidates: &[String]) -> Result<Option<String>, DbError> {
    // The row of nobody is held from here to the end of the transaction.
    let turn: i64 = on!(conn, |c| {
        sqlx::query_scalar(
            "INSERT INTO task_turns (assignee, turn) VALUES ('', 1) \
             ON CONFLICT (assignee) DO UPDATE SET turn = task_turns.turn + 1 RETURNING turn",
        )
        .fetch_one(c)
        .await
    })?;
    let turns: Vec<(String, i64)> = on!(conn, |c| {
        sqlx::query_as("SELECT assignee, turn FROM task_turns WHERE assignee <> ''")
            .fetch_all(c)
            .await
    })?;
    let last = |candidate: &String| {
        let had = turns.iter().find(|(assignee, _)| assignee == candidate);
        had.map(|(_, turn)| *turn)
    };
    let Some(chosen) = candidates.iter().min_by_key(|candidate| last(candidate)) else {
        return Ok(None);
    };
    on!(conn, |c| {
        sqlx::query(
            "INSERT INTO task_turns (assignee, turn) VALUES ($1, $2) \
             ON CONFLICT (assignee) DO UPDATE SET turn = excluded.turn",
        )
        .bind(chosen)
        .bind(turn)
        .execute(c)
        .await
        .map(drop)
    })?;
    Ok(Some(chosen.clone()))
}
