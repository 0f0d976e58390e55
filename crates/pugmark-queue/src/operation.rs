use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::db::Ts;

/// Names one operation for ever (UUIDv7).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type,
)]
#[sqlx(transparent)]
#[serde(transparent)]
pub struct OperationId(pub Uuid);

impl OperationId {
    pub(crate) fn fresh() -> Self {
        Self(Uuid::now_v7())
    }
}

impl std::fmt::Display for OperationId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for OperationId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// A word that the database was asked for and that this program does not know.
#[derive(Debug, thiserror::Error)]
#[error("{word:?} is no {what}")]
pub struct UnknownWord {
    what: &'static str,
    word: String,
}

macro_rules! words {
    ($name:ident, $what:literal, $($variant:ident = $word:literal),+) => {
        impl $name {
            /// The word in the database and in JSON.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl TryFrom<String> for $name {
            type Error = UnknownWord;

            fn try_from(word: String) -> Result<Self, Self::Error> {
                word.parse()
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord { what: $what, word: word.to_owned() }),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

/// What is to happen to the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Operation {
    /// It appears.
    Create,
    /// It changes.
    Update,
    /// It goes away.
    Delete,
}

words!(
    Operation,
    "operation",
    Create = "CREATE",
    Update = "UPDATE",
    Delete = "DELETE"
);

/// Where an operation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Waits for its (next) attempt; nothing has gone wrong with the last one.
    Pending,
    /// A worker holds its lease.
    Processing,
    /// Finished: done, superseded or discarded, as its outcome says.
    Completed,
    /// The last attempt failed. Waits for the next one, unless `dead_at` is set.
    Failed,
}

words!(
    Status,
    "status",
    Pending = "PENDING",
    Processing = "PROCESSING",
    Completed = "COMPLETED",
    Failed = "FAILED"
);

/// Among operations that are due, a more urgent one is claimed first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Someone waits in front of a screen.
    Urgent,
    /// People and money.
    High,
    /// Everything else.
    #[default]
    Normal,
    /// Back-fill.
    Low,
}

impl Priority {
    /// As stored: the smaller, the more urgent.
    pub(crate) fn rank(self) -> i32 {
        match self {
            Self::Urgent => 0,
            Self::High => 1,
            Self::Normal => 2,
            Self::Low => 3,
        }
    }
}

impl From<i32> for Priority {
    fn from(rank: i32) -> Self {
        match rank {
            ..=0 => Self::Urgent,
            1 => Self::High,
            2 => Self::Normal,
            3.. => Self::Low,
        }
    }
}

/// The earliest start. A span is counted by the database's clock and therefore to be preferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotBefore {
    /// Not before this instant.
    At(Ts),
    /// Not before so much time has passed.
    After(Duration),
}

impl NotBefore {
    pub(crate) fn earliest(self, now: Ts) -> Ts {
        match self {
            Self::At(at) => at.max(now),
            Self::After(span) => now.after(span),
        }
    }
}

impl From<Ts> for NotBefore {
    fn from(at: Ts) -> Self {
        Self::At(at)
    }
}

impl From<Duration> for NotBefore {
    fn from(span: Duration) -> Self {
        Self::After(span)
    }
}

/// An operation to be stored. [`NewOperation::new`] fills in what most have in common.
#[derive(Clone)]
pub struct NewOperation {
    /// What kind of work it is; chooses handler, policy and pause.
    pub kind: String,
    /// The kind of record it concerns.
    pub entity_type: String,
    /// The record.
    pub entity_id: String,
    /// What is to happen to it.
    pub operation: Operation,
    /// Operations of one lane run one at a time, in the order in which they were committed.
    pub lane: String,
    /// Among operations that are due.
    pub priority: Priority,
    /// Set on state operations ("bring X up to date"): merges into one of the same lane and key that still waits.
    pub coalesce_key: Option<String>,
    /// Set on event operations: a second one with the same key is never stored, however much later it comes.
    pub idempotency_key: Option<String>,
    /// What the handler needs to know. No secrets.
    pub payload: Value,
    /// What only the handler may see; stored sealed. Not together with `coalesce_key`.
    pub secret: Option<Zeroizing<Vec<u8>>>,
    /// The request that caused it.
    pub correlation_id: String,
    /// The person or system that asked for it.
    pub requested_by: Option<String>,
    /// The earliest start; at once if `None`.
    pub not_before: Option<NotBefore>,
}

impl NewOperation {
    /// An operation of `kind` on the record, in a lane of the record's own, to be started at once with a fresh correlation id.
    pub fn new(kind: &str, entity_type: &str, entity_id: &str, operation: Operation) -> Self {
        Self {
            kind: kind.to_owned(),
            entity_type: entity_type.to_owned(),
            entity_id: entity_id.to_owned(),
            operation,
            lane: format!("{entity_type}:{entity_id}"),
            priority: Priority::default(),
            coalesce_key: None,
            idempotency_key: None,
            payload: Value::Null,
            secret: None,
            correlation_id: Uuid::now_v7().to_string(),
            requested_by: None,
            not_before: None,
        }
    }
}

impl std::fmt::Debug for NewOperation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewOperation")
            .field("kind", &self.kind)
            .field("entity_type", &self.entity_type)
            .field("entity_id", &self.entity_id)
            .field("operation", &self.operation)
            .field("lane", &self.lane)
            .field("secret", &self.secret.as_ref().map(|_| "***"))
            .field("correlation_id", &self.correlation_id)
            .finish_non_exhaustive()
    }
}

/// What became of an operation that was handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// It was stored.
    New(OperationId),
    /// It was merged into one that still waits.
    Coalesced {
        /// The operation that now does the work of both.
        into: OperationId,
    },
    /// It was stored before, under the same idempotency key.
    Duplicate(OperationId),
}

impl Enqueued {
    /// The operation that will do (or has done) the work.
    pub fn id(self) -> OperationId {
        match self {
            Self::New(id) | Self::Coalesced { into: id } | Self::Duplicate(id) => id,
        }
    }
}

/// One row of the queue, as shown to people and programs. Without the sealed part.
#[derive(Debug, Clone, FromRow, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(
    missing_docs,
    reason = "the columns are described in the migration and in NewOperation"
)]
pub struct OperationRecord {
    pub id: OperationId,
    pub kind: String,
    pub entity_type: String,
    pub entity_id: String,
    #[sqlx(try_from = "String")]
    pub operation: Operation,
    pub lane: String,
    pub lane_seq: i64,
    /// It is the first unfinished one of its lane.
    pub head: bool,
    #[sqlx(try_from = "String")]
    pub status: Status,
    #[sqlx(try_from = "i32")]
    pub priority: Priority,
    pub retry_count: i32,
    pub max_retries: i32,
    /// Failures in a row that do not count against `max_retries`.
    pub deferrals: i32,
    /// When they began.
    pub troubled_since: Option<Ts>,
    pub next_attempt_at: Ts,
    pub lease_owner: Option<String>,
    #[serde(skip)]
    pub lease_token: Option<Uuid>,
    pub lease_expires_at: Option<Ts>,
    #[sqlx(json)]
    pub payload: Value,
    /// There is a sealed part.
    pub sealed: bool,
    /// When the sealed part is (or was) erased at the latest; set on every operation that ever had one.
    pub secret_expires_at: Option<Ts>,
    pub outcome: Option<Json<Value>>,
    pub error_code: Option<String>,
    pub error_message: Option<String>,
    pub correlation_id: String,
    pub coalesce_key: Option<String>,
    pub idempotency_key: Option<String>,
    pub superseded_by: Option<OperationId>,
    #[serde(skip)]
    pub heir: Option<OperationId>,
    /// When the latest attempt ended that may have had an effect which nobody has confirmed.
    pub unknown_at: Option<Ts>,
    /// Attempts of its own that began and were not handed back.
    pub attempts: i32,
    /// Attempts of operations whose work it took over.
    pub inherited_attempts: i32,
    pub blocked_by: Option<String>,
    pub dead_at: Option<Ts>,
    pub requested_by: Option<String>,
    /// The last thing a person did to it: action, by, why, at.
    pub human_action: Option<Json<Value>>,
    pub first_queued_at: Ts,
    pub processed_at: Option<Ts>,
    pub created_at: Ts,
    pub updated_at: Ts,
}

impl OperationRecord {
    /// It is a dead letter: it failed for good, no newer operation on the same record took over its work, and nobody has
    /// decided yet what to do about it.
    pub fn is_dead(&self) -> bool {
        self.failed_for_good() && self.heir.is_none()
    }

    /// It is not attempted again unless someone asks for it.
    pub fn failed_for_good(&self) -> bool {
        self.status == Status::Failed && self.dead_at.is_some()
    }

    /// It waits for an attempt.
    pub fn is_waiting(&self) -> bool {
        self.status == Status::Pending || (self.status == Status::Failed && self.dead_at.is_none())
    }
}

/// One attempt at an operation.
#[derive(Debug, Clone, FromRow, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(
    missing_docs,
    reason = "the columns are described in the migration and in AttemptReport"
)]
pub struct AttemptRecord {
    pub id: Uuid,
    pub operation_id: OperationId,
    pub owner: String,
    pub started_at: Ts,
    pub finished_at: Option<Ts>,
    #[serde(rename = "durationMicros")]
    pub duration_us: Option<i64>,
    /// `COMPLETED`, `RELEASED` or `EXPIRED` (its lease ran out); `None` while it runs.
    pub ended: Option<String>,
    pub crm_calls: Option<i32>,
    pub classification: Option<String>,
    pub request: Option<Json<Value>>,
    pub answer: Option<Json<Value>>,
    /// The request that the operation answered when the attempt began; `None` on attempts of before this was kept.
    pub correlation_id: Option<String>,
}
