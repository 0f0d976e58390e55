//! Looking at operations. Nothing here changes anything.

use serde::{Deserialize, Serialize};
use sqlx::{Database, Encode, FromRow, QueryBuilder, Type};

use super::Queue;
use super::row::{columns, load};
use crate::db::{Conn, Ts};
use crate::on;
use crate::{AttemptRecord, OperationId, OperationRecord, QueueError, Status};

/// Which operations are meant. What is `None` does not restrict.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// In this status.
    pub status: Option<Status>,
    /// Dead letters (`true`), or everything else (`false`).
    pub dead: Option<bool>,
    /// Of this kind.
    pub kind: Option<String>,
    /// On this kind of record.
    pub entity_type: Option<String>,
    /// On this record.
    pub entity_id: Option<String>,
    /// Contained in the record's id, the lane, a correlation id, or the error, in any case.
    pub text: Option<String>,
    /// Goes on after the page that gave this.
    pub cursor: Option<Cursor>,
    /// The most operations wanted.
    pub limit: u32,
}

/// Where the next page begins. Opaque; as text it fits into a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(OperationId);

impl Cursor {
    /// Goes on behind this operation.
    pub(super) fn behind(id: OperationId) -> Self {
        Self(id)
    }

    pub(super) fn id(self) -> OperationId {
        self.0
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.0.simple().fmt(f)
    }
}

impl std::str::FromStr for Cursor {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Some operations, newest first.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    /// The operations.
    pub operations: Vec<OperationRecord>,
    /// `None` on the last page.
    pub next: Option<Cursor>,
}

/// An operation that was asked for by an id that may be older.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// The operation that was asked for.
    pub asked: OperationRecord,
    /// The operation that does (or did) its work, if that is another.
    pub superseded_by: Option<OperationRecord>,
}

impl Found {
    /// The operation that does (or did) the work.
    pub fn current(&self) -> &OperationRecord {
        self.superseded_by.as_ref().unwrap_or(&self.asked)
    }
}

/// Dead letters that are alike.
#[derive(Debug, Clone, PartialEq, Eq, FromRow, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadGroup {
    /// Their kind.
    pub kind: String,
    /// The code with which they died.
    pub error_code: Option<String>,
    /// How many.
    pub operations: i64,
    /// When the first of them died.
    pub first: Ts,
    /// When the last of them died.
    pub last: Ts,
    /// The message of one of them.
    pub example: Option<String>,
}

/// How far the operations that answer one request have come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromRow, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// They wait or are being carried out.
    pub unfinished: i64,
    /// They are done.
    pub done: i64,
    /// They are dead letters.
    pub dead: i64,
}

/// How many operations are alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Count {
    /// Their kind.
    pub kind: String,
    /// Their status.
    pub status: Status,
    /// They are dead letters.
    pub dead: bool,
    /// How many.
    pub operations: i64,
}

/// What one worker is carrying out.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct UnderWay {
    /// The worker, as it named itself.
    pub owner: String,
    /// Operations it holds.
    pub operations: i64,
    /// When the first of their leases runs out, unless it is renewed.
    pub lease_expires_at: Ts,
}

#[derive(FromRow)]
struct CountRow {
    kind: String,
    #[sqlx(try_from = "String")]
    status: Status,
    dead: bool,
    operations: i64,
}

impl Queue {
    /// What is being carried out, by worker.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn under_way(&self) -> Result<Vec<UnderWay>, QueueError> {
        let sql = "SELECT lease_owner AS owner, COUNT(*) AS operations, MIN(lease_expires_at) AS lease_expires_at \
                   FROM vtiger_sync_queue WHERE status = 'PROCESSING' GROUP BY lease_owner ORDER BY lease_owner";
        let mut conn = self.db().read().await?;
        Ok(on!(&mut conn, |c| sqlx::query_as(sql).fetch_all(c).await)?)
    }

    /// The operation `id`, and the one that took over its work.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn get(&self, id: OperationId) -> Result<Option<Found>, QueueError> {
        self.get_in(&mut self.db().read().await?, id).await
    }

    /// As [`get`](Self::get), in the caller's transaction.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn get_in(
        &self,
        conn: &mut Conn,
        id: OperationId,
    ) -> Result<Option<Found>, QueueError> {
        let Some(asked) = load(conn, id).await? else {
            return Ok(None);
        };
        let mut found = Found {
            asked,
            superseded_by: None,
        };
        // An heir that was pruned ends the chain: what is left of it is the answer.
        while let Some(next) = found.current().superseded_by {
            let Some(heir) = load(conn, next).await? else {
                break;
            };
            found.superseded_by = Some(heir);
        }
        Ok(Some(found))
    }

    /// Operations that `filter` means, newest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list(&self, filter: &Filter) -> Result<Page, QueueError> {
        let limit = filter.limit.max(1) as usize;
        let mut conn = self.db().read().await?;
        let mut operations: Vec<OperationRecord> = on!(&mut conn, |c, DB| {
            let mut query = QueryBuilder::<DB>::new(concat!(
                "SELECT ",
                columns!(),
                " FROM vtiger_sync_queue WHERE 1 = 1"
            ));
            push_filter(&mut query, filter);
            query
                .push(" ORDER BY id DESC LIMIT ")
                .push_bind(limit as i64 + 1);
            query.build_query_as().fetch_all(c).await
        })?;
        let more = operations.len() > limit;
        operations.truncate(limit);
        let next = operations
            .last()
            .filter(|_| more)
            .map(|last| Cursor(last.id));
        Ok(Page { operations, next })
    }

    /// The attempts at `id`, and at the operations whose work it took over, oldest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn attempts(&self, id: OperationId) -> Result<Vec<AttemptRecord>, QueueError> {
        let sql = "WITH RECURSIVE mine(id) AS (SELECT $1 UNION SELECT q.id FROM vtiger_sync_queue AS q \
                   JOIN mine ON q.superseded_by = mine.id WHERE q.superseded_by IS NOT NULL) \
                   SELECT a.id, a.operation_id, a.owner, a.started_at, a.finished_at, a.duration_us, a.ended, a.crm_calls, \
                   a.classification, a.request, a.answer, a.correlation_id FROM mine JOIN vtiger_sync_attempts AS a ON a.operation_id = mine.id \
                   ORDER BY a.started_at, a.id";
        let mut conn = self.db().read().await?;
        Ok(on!(&mut conn, |c| sqlx::query_as(sql)
            .bind(id)
            .fetch_all(c)
            .await)?)
    }

    /// How many operations there are of each kind and status, without the completed ones: counting a long history takes long.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn counts(&self) -> Result<Vec<Count>, QueueError> {
        let sql = "SELECT kind, status, dead_at IS NOT NULL AS dead, count(*) AS operations FROM vtiger_sync_queue \
                   WHERE status <> 'COMPLETED' AND heir IS NULL GROUP BY kind, status, dead_at IS NOT NULL \
                   ORDER BY kind, status, dead";
        let mut conn = self.db().read().await?;
        let rows: Vec<CountRow> = on!(&mut conn, |c| sqlx::query_as(sql).fetch_all(c).await)?;
        Ok(rows.into_iter().map(Count::from).collect())
    }

    /// How many operations of each kind were completed since `since`.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn completed_since(&self, since: Ts) -> Result<Vec<(String, i64)>, QueueError> {
        let sql = "SELECT kind, count(*) FROM vtiger_sync_queue WHERE status = 'COMPLETED' AND processed_at >= $1 \
                   GROUP BY kind ORDER BY kind";
        let mut conn = self.db().read().await?;
        Ok(on!(&mut conn, |c| sqlx::query_as(sql)
            .bind(since)
            .fetch_all(c)
            .await)?)
    }

    /// How many operations of each kind were carried out since `since`: completed, and neither given up nor merged into another.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn succeeded_since(&self, since: Ts) -> Result<Vec<(String, i64)>, QueueError> {
        let sql = "SELECT kind, count(*) FROM vtiger_sync_queue WHERE status = 'COMPLETED' AND processed_at >= $1 \
                   AND dead_at IS NULL AND superseded_by IS NULL GROUP BY kind ORDER BY kind";
        let mut conn = self.db().read().await?;
        Ok(on!(&mut conn, |c| sqlx::query_as(sql)
            .bind(since)
            .fetch_all(c)
            .await)?)
    }

    /// How many operations of each kind have become dead letters since `since` and still are.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn died_since(&self, since: Ts) -> Result<Vec<(String, i64)>, QueueError> {
        let sql = "SELECT kind, count(*) FROM vtiger_sync_queue WHERE status = 'FAILED' AND dead_at IS NOT NULL \
                   AND dead_at >= $1 GROUP BY kind ORDER BY kind";
        let mut conn = self.db().read().await?;
        Ok(on!(&mut conn, |c| sqlx::query_as(sql)
            .bind(since)
            .fetch_all(c)
            .await)?)
    }

    /// The dead letters by kind and code, the most frequent first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn dead_groups(&self) -> Result<Vec<DeadGroup>, QueueError> {
        let sql = "SELECT kind, error_code, count(*) AS operations, min(dead_at) AS first, max(dead_at) AS last, \
                   max(error_message) AS example FROM vtiger_sync_queue \
                   WHERE status = 'FAILED' AND dead_at IS NOT NULL AND heir IS NULL \
                   GROUP BY kind, error_code ORDER BY operations DESC, kind, error_code";
        let mut conn = self.db().read().await?;
        Ok(on!(&mut conn, |c| sqlx::query_as(sql).fetch_all(c).await)?)
    }

    /// Since when the operation that waits longest has waited.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn oldest_waiting(&self) -> Result<Option<Ts>, QueueError> {
        let sql = "SELECT min(first_queued_at) FROM vtiger_sync_queue WHERE waiting = 1";
        let mut conn = self.db().read().await?;
        Ok(on!(&mut conn, |c| sqlx::query_scalar(sql)
            .fetch_one(c)
            .await)?)
    }

    /// The operations that answer the request `correlation_id`, oldest first; also those it was merged into.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn find_by_correlation(
        &self,
        correlation_id: &str,
    ) -> Result<Vec<OperationRecord>, QueueError> {
        let sql = concat!(
            "SELECT ",
            columns!(),
            " FROM vtiger_sync_queue WHERE id IN (SELECT id FROM vtiger_sync_queue WHERE correlation_id = $1 \
             UNION SELECT operation_id FROM vtiger_sync_correlations WHERE correlation_id = $1) ORDER BY id"
        );
        let mut conn = self.db().read().await?;
        Ok(on!(&mut conn, |c| sqlx::query_as(sql)
            .bind(correlation_id)
            .fetch_all(c)
            .await)?)
    }
}

impl Queue {
    /// How far the operations that answer the request `correlation_id` have come, those included into which it was merged.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn progress(&self, correlation_id: &str) -> Result<Progress, QueueError> {
        let sql = "SELECT CAST(COALESCE(sum(unfinished), 0) AS BIGINT) AS unfinished, \
                   CAST(COALESCE(sum(CASE WHEN status = 'COMPLETED' THEN 1 ELSE 0 END), 0) AS BIGINT) AS done, \
                   CAST(COALESCE(sum(CASE WHEN status = 'FAILED' AND dead_at IS NOT NULL AND heir IS NULL THEN 1 ELSE 0 END), 0) \
                   AS BIGINT) AS dead FROM vtiger_sync_queue WHERE superseded_by IS NULL \
                   AND id IN (SELECT id FROM vtiger_sync_queue WHERE correlation_id = $1 \
                   UNION SELECT operation_id FROM vtiger_sync_correlations WHERE correlation_id = $1)";
        let mut conn = self.db().read().await?;
        Ok(on!(&mut conn, |c| sqlx::query_as(sql)
            .bind(correlation_id)
            .fetch_one(c)
            .await)?)
    }
}

impl From<CountRow> for Count {
    fn from(row: CountRow) -> Self {
        Self {
            kind: row.kind,
            status: row.status,
            dead: row.dead,
            operations: row.operations,
        }
    }
}

/// Statuses stand as literals in the text, because SQLite uses a partial index only then.
fn push_filter<'a, DB>(query: &mut QueryBuilder<DB>, filter: &'a Filter)
where
    DB: Database,
    &'a str: Encode<'a, DB> + Type<DB>,
    String: Encode<'a, DB> + Type<DB>,
    OperationId: Encode<'a, DB> + Type<DB>,
{
    match filter.status {
        None => {}
        Some(Status::Completed) => {
            query.push(" AND status = 'COMPLETED'");
        }
        Some(open) => {
            query
                .push(" AND status <> 'COMPLETED' AND status = '")
                .push(open.as_str())
                .push("'");
        }
    }
    match filter.dead {
        None => {}
        Some(true) => {
            query.push(" AND status = 'FAILED' AND dead_at IS NOT NULL AND heir IS NULL");
        }
        Some(false) => {
            query.push(" AND NOT (status = 'FAILED' AND dead_at IS NOT NULL AND heir IS NULL)");
        }
    }
    let equal = [
        ("kind", &filter.kind),
        ("entity_type", &filter.entity_type),
        ("entity_id", &filter.entity_id),
    ];
    for (column, value) in equal {
        if let Some(value) = value {
            query
                .push(" AND ")
                .push(column)
                .push(" = ")
                .push_bind(value.clone());
        }
    }
    if let Some(text) = &filter.text {
        push_text(query, text);
    }
    if let Some(Cursor(last)) = filter.cursor {
        query.push(" AND id < ").push_bind(last);
    }
}

fn push_text<'a, DB>(query: &mut QueryBuilder<DB>, text: &str)
where
    DB: Database,
    String: Encode<'a, DB> + Type<DB>,
{
    let literal = text
        .to_lowercase()
        .replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_");
    let pattern = format!("%{literal}%");
    query.push(" AND (");
    for (place, column) in [
        "entity_id",
        "lane",
        "correlation_id",
        "error_code",
        "error_message",
    ]
    .iter()
    .enumerate()
    {
        query.push(if place == 0 { "" } else { " OR " });
        query
            .push("lower(")
            .push(column)
            .push(") LIKE ")
            .push_bind(pattern.clone())
            .push(" ESCAPE '\\'");
    }
    // Requests whose change was merged into a waiting operation lead to it, too.
    query
        .push(" OR id IN (SELECT operation_id FROM vtiger_sync_correlations WHERE lower(correlation_id) LIKE ")
        .push_bind(pattern)
        .push(" ESCAPE '\\'))");
}
