//! Jobs as the console shows them: by what has become of them and the step they have reached. Every list goes along an index of its
//! own, so that a page costs the same however many jobs there are.

use pugmark_queue::db::{Conn, DbError, Engine};
use pugmark_queue::on;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::{COLUMNS, Job, Step};

/// What has become of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// It failed and waits for a person.
    Stuck,
    /// It goes on by itself.
    UnderWay,
    /// Everything is done.
    Done,
    /// A person cancelled it.
    Cancelled,
}

impl Group {
    /// Every group, in the order in which people look at them.
    pub const ALL: [Group; 4] = [Group::Stuck, Group::UnderWay, Group::Done, Group::Cancelled];

    /// The word in addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Group::Stuck => "stuck",
            Group::UnderWay => "under_way",
            Group::Done => "done",
            Group::Cancelled => "cancelled",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Group::ALL.into_iter().find(|group| group.as_str() == word)
    }

    /// In the words of the group's index.
    fn condition(self) -> &'static str {
        match self {
            Group::Stuck => "status = 'failed' AND COALESCE(error_code, '') <> 'CANCELLED'",
            Group::UnderWay => "status IN ('pending', 'processing', 'maxio_created')",
            Group::Done => "status = 'crm_updated'",
            Group::Cancelled => "status = 'failed' AND error_code = 'CANCELLED'",
        }
    }

    /// Whether its index has the step in front: then jobs of several steps are looked for step by step.
    fn is_by_step(self) -> bool {
        matches!(self, Group::Stuck | Group::UnderWay)
    }
}

/// The statement behind [`of_group`], for tests of its plan. PostgreSQL would walk the primary key past whatever is newer, where it
/// takes a group for large; asked for the order of the group's own index, it takes that. SQLite takes it by itself, and would sort
/// what is written so.
pub fn of_group_sql(engine: Engine, group: Group) -> String {
    let any_step = "CAST($1 AS TEXT) IS NOT NULL";
    let rest = match (engine, group) {
        (Engine::Postgres, Group::Stuck | Group::UnderWay) => format!(
            "{} AND step >= $1 AND (step, job_id) < ($1, $2) ORDER BY step DESC, job_id DESC",
            group.condition()
        ),
        (Engine::Postgres, Group::Done) => format!(
            "status >= 'crm_updated' AND (status, job_id) < ('crm_updated', $2) AND {any_step} ORDER BY status DESC, job_id DESC"
        ),
        (Engine::Sqlite, Group::Stuck | Group::UnderWay) => format!(
            "{} AND step = $1 AND job_id < $2 ORDER BY job_id DESC",
            group.condition()
        ),
        (_, Group::Done | Group::Cancelled) => format!(
            "{} AND {any_step} AND job_id < $2 ORDER BY job_id DESC",
            group.condition()
        ),
    };
    format!("SELECT {COLUMNS} FROM sync_jobs WHERE {rest} LIMIT $3")
}

/// Jobs of a group, newest first, older than `before`; those that have reached `step` alone, where one is named and the group is
/// that of jobs that are under way or stand still.
///
/// # Errors
/// Whatever the database says.
pub async fn of_group(
    conn: &mut Conn,
    group: Group,
    step: Option<Step>,
    before: Option<Uuid>,
    limit: u32,
) -> Result<Vec<Job>, DbError> {
    let steps = match step {
        Some(step) => vec![step],
        None if group.is_by_step() => Step::ALL.to_vec(),
        None => vec![Step::LeadUpdated],
    };
    let sql = of_group_sql(conn.engine(), group);
    let mut found: Vec<Job> = Vec::new();
    for step in steps {
        let more: Vec<Job> = on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql.clone()))
            .bind(step.as_str())
            .bind(before.unwrap_or(Uuid::max()))
            .bind(i64::from(limit))
            .fetch_all(c)
            .await)?;
        found.extend(more);
    }
    found.sort_by_key(|job| std::cmp::Reverse(job.job_id));
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(found)
}

/// The statement behind [`count`], for tests of its plan; in two texts for the same reason.
pub fn count_sql(engine: Engine, group: Group) -> String {
    let at_step = match engine {
        Engine::Postgres => "step >= $1 AND step <= $1 ORDER BY step, job_id",
        Engine::Sqlite => "step = $1",
    };
    format!(
        "SELECT COUNT(*) FROM (SELECT 1 FROM sync_jobs WHERE {} AND {at_step} LIMIT $2) counted",
        group.condition()
    )
}

/// How many jobs of this group have reached this step, and no further; counted up to `most`.
///
/// # Errors
/// Whatever the database says.
pub async fn count(conn: &mut Conn, group: Group, step: Step, most: i64) -> Result<i64, DbError> {
    let sql = count_sql(conn.engine(), group);
    Ok(on!(conn, |c| sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(step.as_str())
        .bind(most)
        .fetch_one(c)
        .await)?)
}
