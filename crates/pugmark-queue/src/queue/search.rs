//! Searching the queue for people: newest first, page by page, and never more rows looked at for one page than
//! [`Search::LOOKED_AT`], however long the history is and however rare what is looked for.

use sqlx::{Database, Encode, QueryBuilder, Type};

use super::Queue;
use super::read::Cursor;
use super::row::columns;
use crate::db::{Conn, Ts};
use crate::on;
use crate::{OperationId, OperationRecord, QueueError};
use uuid::Uuid;

/// How an operation stands, in the words of people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Waits, and nothing has gone wrong with its last attempt.
    Waiting,
    /// Is being carried out.
    Running,
    /// Its last attempt failed, and it is tried again by itself.
    Retrying,
    /// Failed for good; waits for a person.
    Dead,
    /// Waits for something that is not there yet.
    Blocked,
    /// Finished: done, merged into another, or given up.
    Done,
    /// A person decided that it is not to be carried out.
    Discarded,
}

/// What is looked for. What is `None` or empty does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// Standing like this.
    pub standing: Option<Standing>,
    /// Of this kind.
    pub kind: Option<String>,
    /// On this record: its type and its id. What waits in [`lane`](Self::lane) is meant, too.
    pub record: Option<(String, String)>,
    /// The lane that belongs to `record`.
    pub lane: Option<String>,
    /// With this code.
    pub code: Option<String>,
    /// One of these, unless it is empty.
    pub ids: Vec<OperationId>,
    /// Caused by this request, or merged with what it caused.
    pub correlation_id: Option<String>,
    /// Queued before this instant (by the clock of the program that queued it).
    pub before: Option<Ts>,
    /// Queued at this instant or later.
    pub since: Option<Ts>,
    /// Each contained in the record's id, the lane, the kind, a correlation id, the code or the error, in any case.
    pub words: Vec<String>,
}

/// Some operations, newest first.
#[derive(Debug, Clone)]
pub struct Sought {
    /// The operations.
    pub operations: Vec<OperationRecord>,
    /// Where to go on; `None` when everything was looked at.
    pub next: Option<Cursor>,
    /// The page ended because enough rows were looked at, not because it was full: there may be more, further back.
    pub cut_short: bool,
}

/// How many operations a search means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// So many; never more than was asked to count.
    pub operations: u64,
    /// There are more than were counted.
    pub more: bool,
    /// The newest of them.
    pub newest: Option<OperationId>,
}

impl Search {
    /// The most operations looked at for one page.
    pub const LOOKED_AT: u32 = 20_000;

    /// Whether an index alone finds what is meant, so that a page costs no more than it shows.
    fn is_indexed(&self) -> bool {
        let standing = matches!(
            self.standing,
            None | Some(Standing::Waiting | Standing::Running | Standing::Dead)
        );
        standing && self.kind.is_none() && self.code.is_none() && self.words.is_empty()
    }
}

impl Queue {
    /// A page of what `search` means, newest first, behind `cursor`.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn search(
        &self,
        search: &Search,
        cursor: Option<Cursor>,
        limit: u32,
    ) -> Result<Sought, QueueError> {
        let limit = limit.max(1) as usize;
        let mut conn = self.db().read().await?;
        let floor = if search.is_indexed() {
            None
        } else {
            floor(&mut conn, search, cursor).await?
        };
        let mut operations: Vec<OperationRecord> = on!(&mut conn, |c, DB| {
            let mut query = page::<DB>(search, cursor, floor);
            query.push(" LIMIT ").push_bind(limit as i64 + 1);
            query.build_query_as().fetch_all(c).await
        })?;
        let full = operations.len() > limit;
        operations.truncate(limit);
        let next = match operations.last() {
            Some(last) if full => Some(Cursor::behind(last.id)),
            _ => floor.map(Cursor::behind),
        };
        Ok(Sought {
            operations,
            next,
            cut_short: !full && floor.is_some(),
        })
    }

    /// How many dead letters `search` means, counted up to `most`. What it says of the standing is not heeded.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn dead_size(&self, search: &Search, most: u32) -> Result<Size, QueueError> {
        let search = dead(search);
        let mut conn = self.db().read().await?;
        let operations: i64 = on!(&mut conn, |c, DB| {
            // The inner list stops at the limit, so that no more than that is ever counted.
            let mut query = QueryBuilder::<DB>::new(
                "SELECT count(*) FROM (SELECT id FROM vtiger_sync_queue WHERE 1 = 1",
            );
            narrow(&mut query, &search, None);
            further(&mut query, &search);
            query
                .push(" ORDER BY id DESC LIMIT ")
                .push_bind(i64::from(most) + 1)
                .push(") AS counted");
            query.build_query_scalar().fetch_one(c).await
        })?;
        let newest: Option<OperationId> = on!(&mut conn, |c, DB| {
            let mut query = QueryBuilder::<DB>::new("SELECT id FROM vtiger_sync_queue WHERE 1 = 1");
            narrow(&mut query, &search, None);
            further(&mut query, &search);
            query.push(" ORDER BY id DESC LIMIT 1");
            query.build_query_scalar().fetch_optional(c).await
        })?;
        let counted = u64::try_from(operations).unwrap_or_default();
        Ok(Size {
            operations: counted.min(u64::from(most)),
            more: counted > u64::from(most),
            newest,
        })
    }

    /// Dead letters that `search` means, oldest first, behind `after` and none that was queued after `upto`. What it says of
    /// the standing is not heeded.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn dead_ids(
        &self,
        search: &Search,
        after: Option<OperationId>,
        upto: OperationId,
        limit: u32,
    ) -> Result<Vec<OperationId>, QueueError> {
        let search = dead(search);
        let mut conn = self.db().read().await?;
        Ok(on!(&mut conn, |c, DB| {
            let mut query = QueryBuilder::<DB>::new("SELECT id FROM vtiger_sync_queue WHERE 1 = 1");
            narrow(&mut query, &search, None);
            further(&mut query, &search);
            query.push(" AND id <= ").push_bind(upto);
            if let Some(after) = after {
                query.push(" AND id > ").push_bind(after);
            }
            query
                .push(" ORDER BY id LIMIT ")
                .push_bind(i64::from(limit));
            query.build_query_scalar().fetch_all(c).await
        })?)
    }

    /// The operation that is first in a lane: the others wait behind it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn head_of(&self, lane: &str) -> Result<Option<OperationId>, QueueError> {
        let sql = "SELECT id FROM vtiger_sync_queue WHERE lane = $1 AND head = 1";
        let mut conn = self.db().read().await?;
        Ok(on!(&mut conn, |c| sqlx::query_scalar(sql)
            .bind(lane)
            .fetch_optional(c)
            .await)?)
    }
}

fn dead(search: &Search) -> Search {
    Search {
        standing: Some(Standing::Dead),
        ..search.clone()
    }
}

/// The last of the operations that are looked at for one page; `None` when those are all there are.
async fn floor(
    conn: &mut Conn,
    search: &Search,
    cursor: Option<Cursor>,
) -> Result<Option<OperationId>, QueueError> {
    Ok(on!(conn, |c, DB| {
        let mut query = last_looked_at::<DB>(search, cursor);
        query.build_query_scalar().fetch_optional(c).await
    })?)
}

fn last_looked_at<'a, DB>(search: &Search, cursor: Option<Cursor>) -> QueryBuilder<DB>
where
    DB: Database,
    i64: Encode<'a, DB> + Type<DB>,
    String: Encode<'a, DB> + Type<DB>,
    OperationId: Encode<'a, DB> + Type<DB>,
{
    let mut query = QueryBuilder::<DB>::new("SELECT id FROM vtiger_sync_queue WHERE 1 = 1");
    narrow(&mut query, search, cursor);
    query
        .push(" ORDER BY id DESC LIMIT 1 OFFSET ")
        .push_bind(i64::from(Search::LOOKED_AT) - 1);
    query
}

/// The text of the two statements that a page takes.
#[cfg(feature = "testing")]
pub(crate) fn sql(engine: crate::db::Engine, search: &Search) -> [String; 2] {
    fn both<'a, DB>(search: &Search) -> [String; 2]
    where
        DB: Database,
        i64: Encode<'a, DB> + Type<DB>,
        String: Encode<'a, DB> + Type<DB>,
        OperationId: Encode<'a, DB> + Type<DB>,
    {
        let mut page = page::<DB>(search, None, None);
        page.push(" LIMIT 51");
        [last_looked_at::<DB>(search, None), page].map(|query| query.sql().as_str().to_owned())
    }
    match engine {
        crate::db::Engine::Sqlite => both::<sqlx::Sqlite>(search),
        crate::db::Engine::Postgres => both::<sqlx::Postgres>(search),
    }
}

fn page<'a, DB>(
    search: &Search,
    cursor: Option<Cursor>,
    floor: Option<OperationId>,
) -> QueryBuilder<DB>
where
    DB: Database,
    String: Encode<'a, DB> + Type<DB>,
    OperationId: Encode<'a, DB> + Type<DB>,
{
    let mut query = QueryBuilder::<DB>::new(concat!(
        "SELECT ",
        columns!(),
        " FROM vtiger_sync_queue WHERE 1 = 1"
    ));
    narrow(&mut query, search, cursor);
    if let Some(floor) = floor {
        query.push(" AND id >= ").push_bind(floor);
    }
    further(&mut query, search);
    query.push(" ORDER BY id DESC");
    query
}

/// The conditions that an index answers. Statuses stand as literals, because SQLite uses a partial index only then.
fn narrow<'a, DB>(query: &mut QueryBuilder<DB>, search: &Search, cursor: Option<Cursor>)
where
    DB: Database,
    String: Encode<'a, DB> + Type<DB>,
    OperationId: Encode<'a, DB> + Type<DB>,
{
    query.push(match search.standing {
        None | Some(Standing::Done | Standing::Discarded) => "",
        Some(Standing::Waiting | Standing::Blocked) => {
            " AND status <> 'COMPLETED' AND status = 'PENDING'"
        }
        Some(Standing::Running) => " AND status <> 'COMPLETED' AND status = 'PROCESSING'",
        Some(Standing::Retrying) => " AND status <> 'COMPLETED' AND status = 'FAILED'",
        Some(Standing::Dead) => " AND status = 'FAILED' AND dead_at IS NOT NULL AND heir IS NULL",
    });
    if let Some((kind, id)) = &search.record {
        query
            .push(" AND id IN (SELECT id FROM vtiger_sync_queue WHERE entity_type = ")
            .push_bind(kind.clone())
            .push(" AND entity_id = ")
            .push_bind(id.clone());
        if let Some(lane) = &search.lane {
            query
                .push(" UNION SELECT id FROM vtiger_sync_queue WHERE unfinished = 1 AND lane = ")
                .push_bind(lane.clone());
        }
        query.push(")");
    }
    if !search.ids.is_empty() {
        query.push(" AND id IN (");
        let mut ids = query.separated(", ");
        search.ids.iter().for_each(|id| {
            ids.push_bind(*id);
        });
        query.push(")");
    }
    if let Some(id) = &search.correlation_id {
        query
            .push(" AND id IN (SELECT id FROM vtiger_sync_queue WHERE correlation_id = ")
            .push_bind(id.clone())
            .push(
                " UNION SELECT operation_id FROM vtiger_sync_correlations WHERE correlation_id = ",
            )
            .push_bind(id.clone())
            .push(")");
    }
    if let Some(before) = search.before {
        query.push(" AND id < ").push_bind(first_of(before));
    }
    if let Some(since) = search.since {
        query.push(" AND id >= ").push_bind(first_of(since));
    }
    if let Some(cursor) = cursor {
        query.push(" AND id < ").push_bind(cursor.id());
    }
}

/// The conditions for which the rows themselves are looked at.
fn further<'a, DB>(query: &mut QueryBuilder<DB>, search: &Search)
where
    DB: Database,
    String: Encode<'a, DB> + Type<DB>,
    OperationId: Encode<'a, DB> + Type<DB>,
{
    query.push(match search.standing {
        Some(Standing::Retrying) => " AND dead_at IS NULL",
        Some(Standing::Blocked) => " AND blocked_by IS NOT NULL",
        Some(Standing::Done) => " AND status = 'COMPLETED'",
        Some(Standing::Discarded) => " AND status = 'COMPLETED' AND error_code = 'DISCARDED'",
        _ => "",
    });
    for (condition, value) in [
        (" AND kind = ", &search.kind),
        (" AND error_code = ", &search.code),
    ] {
        if let Some(value) = value {
            query.push(condition).push_bind(value.clone());
        }
    }
    search.words.iter().for_each(|word| push_word(query, word));
}

fn push_word<'a, DB>(query: &mut QueryBuilder<DB>, word: &str)
where
    DB: Database,
    String: Encode<'a, DB> + Type<DB>,
    OperationId: Encode<'a, DB> + Type<DB>,
{
    let literal = word
        .to_lowercase()
        .replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_");
    let pattern = format!("%{literal}%");
    query.push(" AND (");
    for column in [
        "entity_id",
        "lane",
        "kind",
        "correlation_id",
        "error_code",
        "error_message",
    ] {
        query
            .push("lower(")
            .push(column)
            .push(") LIKE ")
            .push_bind(pattern.clone())
            .push(" ESCAPE '\\' OR ");
    }
    if let Ok(id) = word.parse::<OperationId>() {
        query.push("id = ").push_bind(id).push(" OR ");
    }
    // Requests whose change was merged into a waiting operation lead to it, too.
    query
        .push("EXISTS (SELECT 1 FROM vtiger_sync_correlations AS c WHERE c.operation_id = vtiger_sync_queue.id AND lower(c.correlation_id) LIKE ")
        .push_bind(pattern)
        .push(" ESCAPE '\\'))");
}

/// The smallest id that is made at this instant or later: ids are UUIDv7 and begin with their millisecond.
fn first_of(at: Ts) -> OperationId {
    let millis = u128::try_from(at.as_micros().max(0) / 1_000).unwrap_or_default();
    OperationId(Uuid::from_u128((millis << 80) | (0x7 << 76)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_an_instant_are_not_smaller_than_its_first() {
        let id = Uuid::now_v7();
        let (seconds, nanos) = id.get_timestamp().unwrap().to_unix();
        let micros = i64::try_from(seconds).unwrap() * 1_000_000 + i64::from(nanos) / 1_000;
        assert!(OperationId(id) >= first_of(Ts::from_micros(micros)));
        assert!(OperationId(id) < first_of(Ts::from_micros(micros + 1_000)));
    }
}
