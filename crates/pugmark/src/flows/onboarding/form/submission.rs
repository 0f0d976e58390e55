//! Taking a form in: stored, sealed, with the operation that writes it, in one commit, and once however often it is sent.

use pugmark_queue::db::{Conn, Db, DbError, Ts};
use pugmark_queue::{
    NewOperation, Operation, OperationId, Priority, Queue, QueueError, SealError, Sealer,
};
use serde_json::json;
use uuid::Uuid;

use super::answers::Answers;
use super::{Keys, draft};
use crate::flows::insurance::inbound::record_lane;
use crate::flows::onboarding::{FORM, kind};
use crate::store::onboarding_forms::{self, NewSubmission, State, Submission};

/// A form that was sent.
pub struct Sent<'a> {
    /// The lead or contact.
    pub client: &'a str,
    /// The answers, judged.
    pub answers: &'a Answers,
    /// `api` or `page`.
    pub source: &'static str,
    /// The sender's idempotency key.
    pub key: Option<&'a str>,
    /// Who sent it, for the queue.
    pub by: &'a str,
    /// Correlation id of the request.
    pub correlation_id: &'a str,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is stored, and on its way.
    New(Uuid),
    /// It had been sent before: this one.
    Same(Uuid),
    /// The idempotency key belongs to a form with other answers.
    KeyTaken,
}

/// Why it was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// It could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// It could not be stored.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

impl From<DbError> for NotTaken {
    fn from(error: DbError) -> Self {
        NotTaken::Queue(error.into())
    }
}

/// Stores a form. The same answers of one client are one form while they are under way, and as long as they are the last that
/// were sent; if they could not be written, they are tried again.
///
/// # Errors
/// [`NotTaken`]: nothing is stored.
pub async fn take_in(
    db: &Db,
    queue: &Queue,
    (sealer, keys): (&Sealer, &Keys),
    sent: &Sent<'_>,
) -> Result<Taken, NotTaken> {
    let tracking_id = Uuid::now_v7();
    let pairs = sent
        .answers
        .iter()
        .flat_map(|(name, answer)| [name.as_str(), answer.as_str()]);
    let new = NewSubmission {
        tracking_id,
        client_id: sent.client.to_owned(),
        source: sent.source,
        content_hash: keys.digest(["form", sent.client].into_iter().chain(pairs)),
        key_hash: sent.key.map(|key| keys.digest(["key", sent.client, key])),
        sealed_fields: draft::seal(sent.answers, sealer, tracking_id)?,
        requested_by: sent.by.to_owned(),
        correlation_id: sent.correlation_id.to_owned(),
        created_at: Ts::now(),
    };
    let queue = queue.clone();
    db.write("take in form", move |conn| {
        Box::pin(async move { store(conn, &queue, &new).await })
    })
    .await
}

async fn store(conn: &mut Conn, queue: &Queue, new: &NewSubmission) -> Result<Taken, NotTaken> {
    if let Some(taken) = sent_before(conn, queue, new).await? {
        return Ok(taken);
    }
    if !onboarding_forms::insert(conn, new).await? {
        // Another process stored it in this very moment.
        let found = sent_before(conn, queue, new).await?;
        return Ok(found.unwrap_or(Taken::KeyTaken));
    }
    enqueue(
        conn,
        queue,
        new.tracking_id,
        &new.client_id,
        &new.requested_by,
        &new.correlation_id,
    )
    .await?;
    Ok(Taken::New(new.tracking_id))
}

async fn sent_before(
    conn: &mut Conn,
    queue: &Queue,
    new: &NewSubmission,
) -> Result<Option<Taken>, NotTaken> {
    let of_key = match &new.key_hash {
        Some(key) => onboarding_forms::of_key(conn, &new.client_id, key).await?,
        None => None,
    };
    if of_key
        .as_ref()
        .is_some_and(|found| found.content_hash != new.content_hash)
    {
        return Ok(Some(Taken::KeyTaken));
    }
    let found = match of_key {
        Some(found) => Some(found),
        None => alike(conn, new).await?,
    };
    let Some(found) = found else {
        return Ok(None);
    };
    let latest = onboarding_forms::latest_of(conn, &new.client_id).await?;
    let is_latest = latest.is_some_and(|latest| latest.tracking_id == found.tracking_id);
    // An older one must not come over what was sent since.
    if is_latest && found.standing() != State::Saved {
        again(conn, queue, &found, &new.requested_by, &new.correlation_id).await?;
    }
    Ok(Some(Taken::Same(found.tracking_id)))
}

/// The form with the same answers that is under way, or was the last that was sent.
async fn alike(conn: &mut Conn, new: &NewSubmission) -> Result<Option<Submission>, DbError> {
    let waiting = onboarding_forms::waiting_alike(conn, &new.client_id, &new.content_hash).await?;
    if waiting.is_some() {
        return Ok(waiting);
    }
    let latest = onboarding_forms::latest_of(conn, &new.client_id).await?;
    Ok(latest.filter(|latest| latest.content_hash == new.content_hash))
}

/// Has a form tried again that could not be written, or only in part; `false` when it is under way or there is nothing left to
/// write.
///
/// # Errors
/// Whatever the database says.
pub async fn again(
    conn: &mut Conn,
    queue: &Queue,
    form: &Submission,
    by: &str,
    correlation_id: &str,
) -> Result<bool, QueueError> {
    let under_way = match (form.standing(), form.operation_id) {
        (State::Waiting, Some(id)) => queue.get_in(conn, id).await?.is_some_and(|found| {
            let current = found.current();
            current.is_waiting() || current.status == pugmark_queue::Status::Processing
        }),
        _ => false,
    };
    if under_way || form.sealed_fields.is_none() {
        return Ok(false);
    }
    if let Some(id) = form.operation_id {
        let why = "taken over by a newer attempt at the same form";
        match queue.discard_in(conn, id, by, why).await {
            Ok(()) | Err(QueueError::Finished(_) | QueueError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    enqueue(
        conn,
        queue,
        form.tracking_id,
        &form.client_id,
        by,
        correlation_id,
    )
    .await?;
    Ok(true)
}

async fn enqueue(
    conn: &mut Conn,
    queue: &Queue,
    tracking_id: Uuid,
    client: &str,
    by: &str,
    correlation_id: &str,
) -> Result<OperationId, QueueError> {
    let form = tracking_id.to_string();
    let operation = NewOperation {
        lane: record_lane(client),
        // Somebody waits in front of a screen.
        priority: Priority::Urgent,
        idempotency_key: Some(format!("form:{form}:{}", Uuid::now_v7())),
        payload: json!({ "clientId": client }),
        correlation_id: correlation_id.to_owned(),
        requested_by: Some(by.to_owned()),
        ..NewOperation::new(kind::LEAD_UPDATE, FORM, &form, Operation::Update)
    };
    let enqueued = queue.enqueue(conn, operation).await?;
    onboarding_forms::set_operation(conn, tracking_id, enqueued.id(), Ts::now()).await?;
    Ok(enqueued.id())
}
