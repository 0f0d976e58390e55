//! What people do to operations, with what the audit log keeps of it: each act and its entry are one commit. The API, the
//! console and runs over many operations act by the same functions.

pub mod bulk;
pub mod chosen;
pub mod customers;
pub mod filter;
pub mod mapping_history;

use std::sync::Arc;

use pugmark_queue::db::{Conn, Db, DbError, Ts};
use pugmark_queue::{OperationId, Queue, QueueError};
use serde_json::Value;

use crate::store::audit;

/// Somebody who acts, and why.
#[derive(Debug, Clone)]
pub struct Actor {
    /// Name for the audit log.
    pub name: Arc<str>,
    /// In the person's words; may be empty where nothing is destroyed.
    pub reason: String,
    /// Correlation id of the request.
    pub correlation_id: String,
}

/// What is done to an operation.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// It is tried again at once.
    Retry,
    /// The same, with this payload.
    Edit(Value),
    /// It is given up.
    Discard,
}

impl Act {
    /// Its name in the audit log.
    pub fn name(&self) -> &'static str {
        match self {
            Act::Retry => "queue.retry",
            Act::Edit(_) => "queue.edit",
            Act::Discard => "queue.discard",
        }
    }
}

/// Does it, in a transaction of its own. Gives the operation that does the work from now on.
///
/// # Errors
/// Those of the queue: the operation is running, finished, unknown, or needs a secret.
pub async fn act(
    db: &Db,
    queue: &Queue,
    what: Act,
    subject: OperationId,
    actor: Actor,
) -> Result<OperationId, QueueError> {
    let queue = queue.clone();
    db.write(what.name(), move |conn| {
        Box::pin(async move { act_in(conn, &queue, &what, subject, &actor).await })
    })
    .await
}

/// As [`act`], in the caller's transaction.
///
/// # Errors
/// As [`act`].
pub async fn act_in(
    conn: &mut Conn,
    queue: &Queue,
    what: &Act,
    subject: OperationId,
    actor: &Actor,
) -> Result<OperationId, QueueError> {
    let (who, why) = (&*actor.name, actor.reason.as_str());
    let worker = match what {
        Act::Retry => queue.retry_in(conn, subject, who, why).await?,
        Act::Edit(payload) => {
            let payload = payload.clone();
            queue
                .retry_edited_in(conn, subject, who, why, payload)
                .await?
        }
        Act::Discard => {
            queue.discard_in(conn, subject, who, why).await?;
            subject
        }
    };
    note(conn, what.name(), &subject.to_string(), actor).await?;
    Ok(worker)
}

/// Writes an entry of the audit log, in the transaction of the action itself.
///
/// # Errors
/// Those of the database.
pub async fn note(
    conn: &mut Conn,
    action: &str,
    subject: &str,
    actor: &Actor,
) -> Result<(), DbError> {
    let entry = audit::Entry {
        actor: &actor.name,
        action,
        subject,
        reason: Some(actor.reason.as_str()).filter(|reason| !reason.is_empty()),
        correlation_id: Some(&actor.correlation_id),
    };
    audit::record(conn, Ts::now(), &entry).await
}
