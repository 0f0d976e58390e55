//! Leads that were answered before everything was stored that they lead to.
//!
//! A lead's first job is four rows with many indexes: job, operation, delivery and key. Under load a sender waits for one short row
//! only, which holds them all; they are stored in batches as soon as fewer senders wait. The sender was told the job's id, and
//! whoever asks for the lead meanwhile stores its job first.

use std::borrow::Cow;
use std::collections::HashSet;

use pugmark_queue::db::{Conn, Ts};
use pugmark_queue::{OperationId, Queue, QueueError};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::request::{Requested, start_many, started};
use crate::store::lead_arrivals::{self, NewArrival, Waiting};
use crate::store::sync_jobs::NewJob;
use crate::store::webhook_deliveries::{self, Became, Coming, NewDelivery};

/// Most leads that are stored in one transaction.
pub const BATCH: u32 = 64;

/// What is kept of a delivery whose lead got a job from somebody else meanwhile.
const ANOTHER_JOB: &str = "the lead has another job already";

/// A lead that came, with the job that it has from now on.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The job.
    pub job: NewJob,
    /// The delivery that it came with.
    pub delivery: NewDelivery,
    /// Whether the delivery has an id of its sender, by which it is known for ever.
    pub has_id: bool,
    /// What becomes of the delivery.
    pub became: Became,
}

/// The content of a row. Strings are borrowed where JSON writes them as they are.
#[derive(Serialize, Deserialize)]
struct Content<'a> {
    operation_id: Uuid,
    created_at: i64,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    sealed: Option<Cow<'a, str>>,
    #[serde(borrow)]
    by: Cow<'a, str>,
    #[serde(borrow)]
    correlation_id: Cow<'a, str>,
    received_at: i64,
    #[serde(borrow)]
    endpoint: Cow<'a, str>,
    #[serde(borrow)]
    proof: Cow<'a, str>,
    secret_number: i64,
    #[serde(borrow)]
    key: Cow<'a, str>,
    has_id: bool,
    #[serde(borrow)]
    content_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    parameters: Option<Cow<'a, str>>,
    #[serde(borrow)]
    body: Cow<'a, str>,
    #[serde(borrow)]
    event: Option<Cow<'a, str>>,
    #[serde(borrow)]
    module: Option<Cow<'a, str>>,
    #[serde(borrow)]
    record_id: Option<Cow<'a, str>>,
}

impl Arrival {
    /// What its sender is told.
    pub fn requested(&self) -> Requested {
        started(&self.job)
    }

    /// As it is set aside.
    ///
    /// # Errors
    /// [`QueueError::Invalid`] when it cannot be written as JSON.
    pub fn set_aside(&self) -> Result<NewArrival, QueueError> {
        let content = serde_json::to_string(&Content::of(self)).map_err(unreadable)?;
        Ok(NewArrival {
            lead: self.job.vtiger_lead_id.clone(),
            job_id: self.job.job_id,
            delivery_key: self.has_id.then(|| self.delivery.dedup_key.clone()),
            content,
        })
    }

    /// What becomes of its delivery once the job is `stored`, or is not because the lead has another one.
    fn becomes(&self, stored: bool) -> Became {
        if stored {
            return self.became.clone();
        }
        // Whoever gives a lead a job looks here first; a program of an earlier version does not.
        tracing::warn!(
            lead = self.job.vtiger_lead_id,
            job_id = %self.job.job_id,
            "a lead has another job than its sender was told"
        );
        Became {
            reason: Some(ANOTHER_JOB.to_owned()),
            operation_id: None,
            ..self.became.clone()
        }
    }

    fn of(waiting: &Waiting) -> Result<Self, QueueError> {
        let content: Content<'_> = serde_json::from_str(&waiting.content).map_err(unreadable)?;
        content.arrival(waiting)
    }
}

impl<'a> Content<'a> {
    fn of(arrival: &'a Arrival) -> Self {
        let Arrival {
            job,
            delivery,
            has_id,
            became,
        } = arrival;
        let lent = |text: &'a Option<String>| text.as_deref().map(Cow::from);
        Content {
            operation_id: job.operation_id.0,
            created_at: job.created_at.as_micros(),
            sealed: job
                .sealed_data
                .as_ref()
                .map(|sealed| hex::encode(sealed).into()),
            by: job.requested_by.as_str().into(),
            correlation_id: job.correlation_id.as_str().into(),
            received_at: delivery.received_at.as_micros(),
            endpoint: Cow::Borrowed(&delivery.endpoint),
            proof: Cow::Borrowed(&delivery.proof),
            secret_number: delivery.secret_number,
            key: delivery.dedup_key.as_str().into(),
            has_id: *has_id,
            content_type: lent(&delivery.content_type),
            parameters: lent(&delivery.parameters),
            body: delivery.body.as_str().into(),
            event: lent(&became.event),
            module: lent(&became.module),
            record_id: lent(&became.record_id),
        }
    }

    fn arrival(self, waiting: &Waiting) -> Result<Arrival, QueueError> {
        let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        let operation_id = OperationId(self.operation_id);
        let sealed_data = self.sealed.map(|digits| hex::decode(&*digits));
        Ok(Arrival {
            job: NewJob {
                job_id: waiting.job_id,
                vtiger_lead_id: waiting.lead.clone(),
                sealed_data: sealed_data.transpose().map_err(unreadable)?,
                requested_by: self.by.into_owned(),
                operation_id,
                correlation_id: self.correlation_id.clone().into_owned(),
                created_at: Ts::from_micros(self.created_at),
            },
            delivery: NewDelivery {
                received_at: Ts::from_micros(self.received_at),
                endpoint: Cow::Owned(self.endpoint.into_owned()),
                proof: Cow::Owned(self.proof.into_owned()),
                secret_number: self.secret_number,
                dedup_key: self.key.into_owned(),
                content_type: own(self.content_type),
                parameters: own(self.parameters),
                body: self.body.into_owned(),
                correlation_id: self.correlation_id.into_owned(),
            },
            has_id: self.has_id,
            became: Became {
                status: "ACCEPTED",
                reason: None,
                event: own(self.event),
                module: own(self.module),
                record_id: own(self.record_id),
                operation_id: Some(operation_id),
            },
        })
    }
}

fn unreadable(error: impl std::fmt::Display) -> QueueError {
    QueueError::Invalid(format!("a lead that waits cannot be read: {error}"))
}

/// Sets aside leads, which are different ones and have different deliveries. Gives the jobs of those that now wait: the others have a
/// job, or wait already, or their delivery came before.
///
/// # Errors
/// Whatever the database says; then everything is for the caller to undo.
pub async fn set_aside(
    conn: &mut Conn,
    arrivals: &[&Arrival],
) -> Result<HashSet<Uuid>, QueueError> {
    let new: Vec<NewArrival> = arrivals
        .iter()
        .map(|arrival| arrival.set_aside())
        .collect::<Result<_, _>>()?;
    let new: Vec<&NewArrival> = new.iter().collect();
    Ok(lead_arrivals::insert_many(conn, &new).await?)
}

/// Stores what leads that wait lead to, which the caller holds.
///
/// # Errors
/// Whatever the database says; then everything is for the caller to undo.
pub async fn store(conn: &mut Conn, queue: &Queue, waiting: &[Waiting]) -> Result<(), QueueError> {
    let arrivals: Vec<Arrival> = waiting.iter().map(Arrival::of).collect::<Result<_, _>>()?;
    store_these(conn, queue, &arrivals.iter().collect::<Vec<_>>()).await
}

/// The same for leads that this transaction has just set aside.
///
/// # Errors
/// Whatever the database says; then everything is for the caller to undo.
pub async fn store_these(
    conn: &mut Conn,
    queue: &Queue,
    arrivals: &[&Arrival],
) -> Result<(), QueueError> {
    let jobs: Vec<&NewJob> = arrivals.iter().map(|one| &one.job).collect();
    let stored = start_many(conn, queue, &jobs).await?;
    let became: Vec<Became> = arrivals
        .iter()
        .zip(stored)
        .map(|(arrival, stored)| arrival.becomes(stored))
        .collect();
    store_deliveries(conn, arrivals, &became).await?;
    let leads: Vec<&str> = jobs.iter().map(|job| job.vtiger_lead_id.as_str()).collect();
    Ok(lead_arrivals::remove(conn, &leads).await?)
}

/// Deliveries of one key are stored one after the other.
async fn store_deliveries(
    conn: &mut Conn,
    arrivals: &[&Arrival],
    became: &[Became],
) -> Result<(), QueueError> {
    let mut rest: Vec<(&Arrival, &Became)> = arrivals.iter().copied().zip(became).collect();
    while !rest.is_empty() {
        let mut keys = HashSet::new();
        let (now, later) = rest
            .into_iter()
            .partition(|(arrival, _)| keys.insert(arrival.delivery.dedup_key.as_str()));
        rest = later;
        store_with_own_keys(conn, now).await?;
    }
    Ok(())
}

async fn store_with_own_keys(
    conn: &mut Conn,
    arrivals: Vec<(&Arrival, &Became)>,
) -> Result<(), QueueError> {
    let with_id = arrivals.iter().filter(|(arrival, _)| arrival.has_id);
    let ids: Vec<&str> = with_id
        .map(|(arrival, _)| arrival.delivery.dedup_key.as_str())
        .collect();
    let taken = webhook_deliveries::taken_keys(conn, &ids).await?;
    let (came_before, new): (Vec<_>, Vec<_>) = arrivals
        .into_iter()
        .partition(|(arrival, _)| arrival.has_id && taken.contains(&arrival.delivery.dedup_key));
    for (arrival, _) in came_before {
        let delivery = &arrival.delivery;
        webhook_deliveries::note_duplicate(conn, &delivery.dedup_key, delivery.received_at).await?;
    }
    let coming: Vec<Coming<'_>> = new
        .into_iter()
        .map(|(arrival, became)| Coming {
            new: &arrival.delivery,
            became,
            replaces: !arrival.has_id,
        })
        .collect();
    if !coming.is_empty() {
        webhook_deliveries::insert_many(conn, &coming).await?;
    }
    Ok(())
}

/// Stores what the leads lead to that have waited longest, at most [`BATCH`], and gives how many it stored. One that cannot be stored
/// is logged and keeps waiting, and harms no other.
///
/// # Errors
/// Whatever the database says when it says so of everything.
pub async fn store_some(queue: &Queue) -> Result<usize, QueueError> {
    let shared = queue.clone();
    let stored = queue.db().write("store leads that wait", move |conn| {
        Box::pin(async move {
            let waiting = lead_arrivals::waiting(conn, BATCH).await?;
            if !waiting.is_empty() {
                store(conn, &shared, &waiting).await?;
            }
            Ok::<_, QueueError>(waiting.len())
        })
    });
    match stored.await {
        Err(error) if !error.is_retryable() => {
            tracing::warn!(%error, "leads that wait could not be stored together; each is stored by itself");
            one_by_one(queue).await
        }
        stored => stored,
    }
}

async fn one_by_one(queue: &Queue) -> Result<usize, QueueError> {
    let leads = lead_arrivals::longest(&mut queue.db().read().await?, BATCH).await?;
    let mut stored = 0;
    for lead in &leads {
        match store_one(queue, lead).await {
            Ok(()) => stored += 1,
            Err(error) => {
                tracing::error!(%error, lead, "a lead that waits cannot be stored; it is tried again");
            }
        }
    }
    Ok(stored)
}

/// Stores what this lead leads to, if it waits.
///
/// # Errors
/// Whatever the database says; then nothing was stored.
pub async fn store_one(queue: &Queue, lead: &str) -> Result<(), QueueError> {
    let (held, shared) = (lead.to_owned(), queue.clone());
    let stored = queue.db().write("store a lead that waits", move |conn| {
        Box::pin(async move { store_lead(conn, &shared, &held).await })
    });
    stored.await
}

/// The same in the caller's transaction.
///
/// # Errors
/// Whatever the database says; then everything is for the caller to undo.
pub async fn store_lead(conn: &mut Conn, queue: &Queue, lead: &str) -> Result<(), QueueError> {
    match lead_arrivals::hold(conn, lead).await? {
        Some(waiting) => store(conn, queue, &[waiting]).await,
        None => Ok(lead_arrivals::let_go(conn, lead).await?),
    }
}
