//! Storing many operations at once: one statement for each table, however many there are.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use sqlx::FromRow;

use super::Queue;
use super::enqueue::validate;
use crate::db::{Conn, DbError, Engine, Ts};
use crate::on;
use crate::{Enqueued, Hint, NewOperation, OperationId, QueueError};

/// `$1` is a JSON array of objects here and below. SQLite needs the WHERE: after SELECT, it would take ON for a join's. Its
/// `json_each` would write each object as text, to be parsed again for every column; PostgreSQL reads JSON once in any case, and
/// making JSONB of it takes as long as reading it.
const RESERVE_SQLITE: &str = "\
    INSERT INTO queue_idempotency_keys (idempotency_key, operation_id, created_at) \
    SELECT json_extract(r.value, '$.key'), unhex(json_extract(r.value, '$.id')), $2 FROM jsonb_each($1) r WHERE true \
    ON CONFLICT (idempotency_key) DO NOTHING RETURNING operation_id";

const RESERVE_POSTGRES: &str = "\
    INSERT INTO queue_idempotency_keys (idempotency_key, operation_id, created_at) \
    SELECT r.key, r.id, COALESCE($2, clock_timestamp()) FROM json_to_recordset(CAST($1 AS JSON)) AS r(key TEXT, id UUID) \
    ON CONFLICT (idempotency_key) DO NOTHING RETURNING operation_id";

const LANES_SQLITE: &str = "\
    INSERT INTO queue_lanes AS l (lane, last_seq) SELECT r.value, 1 FROM json_each($1) r WHERE true \
    ON CONFLICT (lane) DO UPDATE SET last_seq = l.last_seq + 1 RETURNING lane, last_seq, $2";

const LANES_POSTGRES: &str = "\
    INSERT INTO queue_lanes AS l (lane, last_seq) SELECT r.value, 1 FROM json_array_elements_text(CAST($1 AS JSON)) r \
    ON CONFLICT (lane) DO UPDATE SET last_seq = l.last_seq + 1 RETURNING lane, last_seq, COALESCE($2, clock_timestamp())";

/// As the statement for one operation, for such as neither merge nor inherit: they have no coalesce key. One value of a subquery is
/// looked up in the index for each row; PostgreSQL might answer EXISTS for many rows by reading the whole table.
macro_rules! insert {
    ($rows:literal) => {
        concat!(
            "INSERT INTO vtiger_sync_queue (id, kind, entity_type, entity_id, operation, lane, lane_seq, head, status, priority, \
                retry_count, max_retries, deferrals, next_attempt_at, payload, sealed_payload, secret_expires_at, correlation_id, \
                idempotency_key, attempts, inherited_attempts, requested_by, first_queued_at, created_at, updated_at) ",
            $rows,
            " RETURNING id, head = 1 AS head"
        )
    };
}

const INSERT_SQLITE: &str = insert!(
    "SELECT unhex(r.value ->> 'id'), r.value ->> 'kind', r.value ->> 'entity_type', r.value ->> 'entity_id', \
        r.value ->> 'operation', r.value ->> 'lane', r.value ->> 'lane_seq', \
        CASE WHEN (SELECT q.id FROM vtiger_sync_queue q WHERE q.lane = r.value ->> 'lane' AND q.unfinished = 1 LIMIT 1) IS NULL THEN 1 ELSE 0 END, \
        'PENDING', r.value ->> 'priority', 0, r.value ->> 'max_retries', 0, r.value ->> 'next_attempt_at', \
        r.value ->> 'payload', unhex(r.value ->> 'sealed'), r.value ->> 'secret_expires_at', r.value ->> 'correlation_id', \
        r.value ->> 'idempotency_key', 0, 0, r.value ->> 'requested_by', r.value ->> 'now', r.value ->> 'now', r.value ->> 'now' \
     FROM jsonb_each($1) r WHERE true"
);

const INSERT_POSTGRES: &str = insert!(
    "SELECT r.id, r.kind, r.entity_type, r.entity_id, r.operation, r.lane, r.lane_seq, \
        CASE WHEN (SELECT q.id FROM vtiger_sync_queue q WHERE q.lane = r.lane AND q.unfinished = 1 LIMIT 1) IS NULL THEN 1 ELSE 0 END, \
        'PENDING', r.priority, 0, r.max_retries, 0, TIMESTAMPTZ 'epoch' + r.next_attempt_at * INTERVAL '1 microsecond', \
        CAST(r.payload AS JSON), decode(r.sealed, 'hex'), TIMESTAMPTZ 'epoch' + r.secret_expires_at * INTERVAL '1 microsecond', \
        r.correlation_id, r.idempotency_key, 0, 0, r.requested_by, n.now, n.now, n.now \
     FROM json_to_recordset(CAST($1 AS JSON)) AS r(id UUID, kind TEXT, entity_type TEXT, entity_id TEXT, operation TEXT, \
        lane TEXT, lane_seq BIGINT, priority INTEGER, max_retries INTEGER, next_attempt_at BIGINT, payload TEXT, sealed TEXT, \
        secret_expires_at BIGINT, correlation_id TEXT, idempotency_key TEXT, requested_by TEXT, now BIGINT) \
     CROSS JOIN LATERAL (SELECT TIMESTAMPTZ 'epoch' + r.now * INTERVAL '1 microsecond' AS now) n"
);

/// An operation on its way into the store.
struct Coming {
    id: OperationId,
    operation: NewOperation,
    sealed: Option<Vec<u8>>,
    /// In what was handed in.
    place: usize,
}

#[derive(Serialize)]
struct Key<'a> {
    key: &'a str,
    id: String,
}

/// A row of the queue, with instants in microseconds and bytes in hexadecimal digits.
#[derive(Serialize)]
struct Row<'a> {
    id: String,
    kind: &'a str,
    entity_type: &'a str,
    entity_id: &'a str,
    operation: &'static str,
    lane: &'a str,
    lane_seq: i64,
    priority: i32,
    max_retries: i32,
    next_attempt_at: i64,
    payload: String,
    sealed: Option<String>,
    secret_expires_at: Option<i64>,
    correlation_id: &'a str,
    idempotency_key: Option<&'a str>,
    requested_by: Option<&'a str>,
    now: i64,
}

#[derive(FromRow)]
struct Stored {
    id: OperationId,
    head: bool,
}

impl Queue {
    /// As [`enqueue_as`](Self::enqueue_as) for each of these, in their order, with the same result for each. Those that have
    /// nothing to do with each other (neither lane nor idempotency key in common, and no coalesce key) take one statement for each
    /// table together; the others one after another.
    ///
    /// # Errors
    /// As [`enqueue`](Self::enqueue). What was stored before the one that failed is for the caller to undo.
    pub async fn enqueue_many(
        &self,
        conn: &mut Conn,
        operations: Vec<(OperationId, NewOperation)>,
    ) -> Result<Vec<Enqueued>, QueueError> {
        let mut results: Vec<Option<Enqueued>> = vec![None; operations.len()];
        let (mut together, mut apart) = (Vec::new(), Vec::new());
        let alone = stands_alone(&operations);
        for (place, (id, operation)) in operations.into_iter().enumerate() {
            if alone[place] {
                validate(&operation)?;
                let sealed = self.seal(id, &operation)?;
                together.push(Coming {
                    id,
                    operation,
                    sealed,
                    place,
                });
            } else {
                apart.push((place, id, operation));
            }
        }
        self.store_together(conn, together, &mut results).await?;
        for (place, id, operation) in apart {
            results[place] = Some(self.enqueue_as(conn, id, operation).await?);
        }
        // Each place was filled by one of the two.
        Ok(results.into_iter().flatten().collect())
    }

    async fn store_together(
        &self,
        conn: &mut Conn,
        coming: Vec<Coming>,
        results: &mut [Option<Enqueued>],
    ) -> Result<(), QueueError> {
        let mut coming = self.reserve_many(conn, coming, results).await?;
        if coming.is_empty() {
            return Ok(());
        }
        // Everybody locks lanes in the same order, so that nobody waits in a circle.
        coming.sort_by(|one, other| one.operation.lane.cmp(&other.operation.lane));
        let numbers = self.next_in_lanes(conn, &coming).await?;
        let heads = self.insert_many(conn, &coming, &numbers).await?;
        for Coming {
            id,
            operation,
            place,
            ..
        } in coming
        {
            results[place] = Some(Enqueued::New(id));
            self.wake_after_commit(
                conn,
                Hint {
                    kind: operation.kind,
                    operation: Some(id),
                    priority: operation.priority,
                    correlation_id: Some(operation.correlation_id),
                },
            );
            if heads.get(&id) == Some(&false)
                && let Some((_, now)) = numbers.get(&operation.lane)
            {
                self.step_past_blocked(conn, &operation.lane, *now).await?;
            }
        }
        Ok(())
    }

    /// Notes the keys for ever. Gives those operations whose keys were free, and those without one.
    async fn reserve_many(
        &self,
        conn: &mut Conn,
        coming: Vec<Coming>,
        results: &mut [Option<Enqueued>],
    ) -> Result<Vec<Coming>, DbError> {
        let keys: Vec<Key<'_>> = coming
            .iter()
            .filter_map(|one| {
                let key = one.operation.idempotency_key.as_deref()?;
                let id = hex::encode(one.id.0);
                Some(Key { key, id })
            })
            .collect();
        if keys.is_empty() {
            return Ok(coming);
        }
        let (sql, local) = (
            by_engine(conn, RESERVE_SQLITE, RESERVE_POSTGRES),
            self.local_now(conn.engine()),
        );
        let keys = json_text(&keys)?;
        let reserved: Vec<OperationId> = on!(conn, |c| sqlx::query_scalar(sql)
            .bind(keys)
            .bind(local)
            .fetch_all(c)
            .await)?;
        let reserved: HashSet<OperationId> = reserved.into_iter().collect();
        let mut free = Vec::with_capacity(coming.len());
        for one in coming {
            match &one.operation.idempotency_key {
                Some(key) if !reserved.contains(&one.id) => {
                    let earlier = holder_of(conn, key).await?;
                    results[one.place] = Some(Enqueued::Duplicate(earlier));
                }
                _ => free.push(one),
            }
        }
        Ok(free)
    }

    /// Locks the lanes (made if need be), takes the next number of each, and tells the time.
    async fn next_in_lanes(
        &self,
        conn: &mut Conn,
        coming: &[Coming],
    ) -> Result<HashMap<String, (i64, Ts)>, DbError> {
        let lanes: Vec<&str> = coming
            .iter()
            .map(|one| one.operation.lane.as_str())
            .collect();
        let (sql, lanes) = (
            by_engine(conn, LANES_SQLITE, LANES_POSTGRES),
            json_text(&lanes)?,
        );
        let local = self.local_now(conn.engine());
        let numbers: Vec<(String, i64, Ts)> = on!(conn, |c| sqlx::query_as(sql)
            .bind(lanes)
            .bind(local)
            .fetch_all(c)
            .await)?;
        let by_lane = |(lane, number, now)| (lane, (number, now));
        Ok(numbers.into_iter().map(by_lane).collect())
    }

    /// Stores the rows and tells which of them stand first in their lanes.
    async fn insert_many(
        &self,
        conn: &mut Conn,
        coming: &[Coming],
        numbers: &HashMap<String, (i64, Ts)>,
    ) -> Result<HashMap<OperationId, bool>, DbError> {
        let rows: Vec<Row<'_>> = coming
            .iter()
            .filter_map(|one| {
                let (lane_seq, now) = numbers.get(&one.operation.lane)?;
                Some(self.row(one, *lane_seq, *now))
            })
            .collect();
        let (sql, rows) = (
            by_engine(conn, INSERT_SQLITE, INSERT_POSTGRES),
            json_text(&rows)?,
        );
        let stored: Vec<Stored> = on!(conn, |c| sqlx::query_as(sql).bind(rows).fetch_all(c).await)?;
        if stored.len() != coming.len() {
            // Every lane named was answered and every row was stored, or the database would have said otherwise.
            return Err(DbError::RolledBack);
        }
        Ok(stored.into_iter().map(|row| (row.id, row.head)).collect())
    }

    fn row<'a>(&self, one: &'a Coming, lane_seq: i64, now: Ts) -> Row<'a> {
        let Coming {
            id,
            operation,
            sealed,
            ..
        } = one;
        let policy = self.policies().of(&operation.kind);
        let starts = operation
            .not_before
            .map_or(now, |start| start.earliest(now));
        let expires = sealed.as_ref().map(|_| now.after(policy.max_secret_age));
        Row {
            id: hex::encode(id.0),
            kind: &operation.kind,
            entity_type: &operation.entity_type,
            entity_id: &operation.entity_id,
            operation: operation.operation.as_str(),
            lane: &operation.lane,
            lane_seq,
            priority: operation.priority.rank(),
            max_retries: i32::try_from(policy.max_retries).unwrap_or(i32::MAX),
            next_attempt_at: starts.as_micros(),
            payload: operation.payload.to_string(),
            sealed: sealed.as_deref().map(hex::encode),
            secret_expires_at: expires.map(Ts::as_micros),
            correlation_id: &operation.correlation_id,
            idempotency_key: operation.idempotency_key.as_deref(),
            requested_by: operation.requested_by.as_deref(),
            now: now.as_micros(),
        }
    }
}

/// Which of these merge into nothing and share neither lane nor key with another one: for them order means nothing.
fn stands_alone(operations: &[(OperationId, NewOperation)]) -> Vec<bool> {
    let (mut lanes, mut keys) = (HashMap::new(), HashMap::new());
    for (_, operation) in operations {
        *lanes.entry(operation.lane.as_str()).or_insert(0) += 1;
        if let Some(key) = &operation.idempotency_key {
            *keys.entry(key.as_str()).or_insert(0) += 1;
        }
    }
    let alone = |operation: &NewOperation| {
        operation.coalesce_key.is_none()
            && lanes[operation.lane.as_str()] == 1
            && (operation.idempotency_key.as_deref()).is_none_or(|key| keys[key] == 1)
            // Inside JSON this character is cut off, or refused.
            && !operation.requested_by.as_deref().is_some_and(|who| who.contains('\0'))
    };
    operations
        .iter()
        .map(|(_, operation)| alone(operation))
        .collect()
}

/// The operation that has this key, which is taken.
pub(super) async fn holder_of(conn: &mut Conn, key: &str) -> Result<OperationId, DbError> {
    let sql = "SELECT operation_id FROM queue_idempotency_keys WHERE idempotency_key = $1";
    Ok(on!(conn, |c| sqlx::query_scalar(sql)
        .bind(key)
        .fetch_one(c)
        .await)?)
}

fn by_engine(conn: &Conn, sqlite: &'static str, postgres: &'static str) -> &'static str {
    match conn.engine() {
        Engine::Sqlite => sqlite,
        Engine::Postgres => postgres,
    }
}

fn json_text<T: Serialize>(rows: &[T]) -> Result<String, DbError> {
    serde_json::to_string(rows)
        .map_err(|error| DbError::Sql(std::sync::Arc::new(sqlx::Error::Encode(Box::new(error)))))
}
