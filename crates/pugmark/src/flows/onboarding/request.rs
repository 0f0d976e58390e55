//! Asking for a lead to be set up in Maxio: by webhook, by poll, or by a person. Whoever asks and however often, a lead has one
//! job at a time, and what is done already is not done again.

use pugmark_queue::db::{Conn, Ts};
use pugmark_queue::{NewOperation, Operation, OperationId, Priority, Queue, QueueError, Sealer};
use uuid::Uuid;

use super::known::Known;
use super::{JOB, arrivals, kind};
use crate::flows::insurance::inbound::record_lane;
use crate::store::lead_arrivals;
use crate::store::sync_jobs::{self, Job, NewJob, Reopened, Status};

/// What is asked for.
#[derive(Clone)]
pub struct NewRequest {
    /// The lead, as the sender named it. What is no id of vTiger is found out by the job and said there.
    pub lead: String,
    /// What is known of it besides what the CRM says.
    pub known: Known,
    /// `webhook`, `poll`, or who asks.
    pub by: String,
    /// Whether a person asks: then a job that somebody cancelled is tried again, too.
    pub by_person: bool,
    /// Correlation id of the delivery, the poll or the call.
    pub correlation_id: String,
}

/// What the request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The lead had no job; now it has.
    Started,
    /// It has one that goes on by itself. What was sent now is not taken over: the job reads the CRM, which is as new.
    Active,
    /// Its job had failed and is tried again, with what was sent now.
    TriedAgain,
    /// It is set up. Nothing is repeated.
    Done,
    /// A person cancelled its job, and only a person has it tried again.
    Cancelled,
}

/// The job that a request led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requested {
    /// The job of the lead.
    pub job_id: Uuid,
    /// The operation that carries it out, or did last.
    pub operation_id: Option<OperationId>,
    /// What the request came to.
    pub outcome: Outcome,
}

/// Gives the lead a job, or has its failed one tried again, with the operation that carries it out, in the caller's transaction.
/// Without a sealer what is known is not kept: the job reads everything in the CRM.
///
/// # Errors
/// Whatever the database says.
pub async fn request(
    conn: &mut Conn,
    queue: &Queue,
    sealer: Option<&Sealer>,
    new: &NewRequest,
) -> Result<Requested, QueueError> {
    // A lead that was answered has its job, even if that is still to be stored.
    if let Some(waiting) = lead_arrivals::hold(conn, &new.lead).await? {
        arrivals::store(conn, queue, &[waiting]).await?;
        return request_held(conn, queue, sealer, new).await;
    }
    let requested = request_held(conn, queue, sealer, new).await?;
    lead_arrivals::let_go(conn, &new.lead).await?;
    Ok(requested)
}

/// The same, while nobody else gives the lead a job.
async fn request_held(
    conn: &mut Conn,
    queue: &Queue,
    sealer: Option<&Sealer>,
    new: &NewRequest,
) -> Result<Requested, QueueError> {
    // Every further round means that somebody else has just changed the lead's job.
    loop {
        // Most leads have none, so that is tried before anything is asked.
        if let Some(started) = start(conn, queue, sealer, new).await? {
            return Ok(started);
        }
        let Some(job) = sync_jobs::current_of(conn, &new.lead).await? else {
            continue;
        };
        if !is_tried_again(&job, new.by_person) {
            return Ok(as_it_is(&job));
        }
        let known = known_of(sealer, &job).with(new.known.clone());
        if let Some(again) = try_again(conn, queue, sealer, &job, &known, new).await? {
            return Ok(again);
        }
    }
}

fn is_tried_again(job: &Job, by_person: bool) -> bool {
    job.standing() == Status::Failed && (by_person || !job.is_cancelled())
}

/// What somebody is told who asks for what this job does, and for whom nothing is done.
pub fn as_it_is(job: &Job) -> Requested {
    Requested {
        job_id: job.job_id,
        operation_id: job.operation_id,
        outcome: match job.standing() {
            Status::CrmUpdated => Outcome::Done,
            Status::Failed if job.is_cancelled() => Outcome::Cancelled,
            _ => Outcome::Active,
        },
    }
}

/// What [`request`] stores for a lead that has no job. Without a sealer what is known is not kept.
///
/// # Errors
/// [`QueueError::Seal`].
pub fn first_job(new: &NewRequest, sealer: Option<&Sealer>) -> Result<NewJob, QueueError> {
    let job_id = Uuid::now_v7();
    Ok(NewJob {
        job_id,
        operation_id: OperationId(Uuid::now_v7()),
        vtiger_lead_id: new.lead.clone(),
        sealed_data: sealed(sealer, job_id, &new.known)?,
        requested_by: new.by.clone(),
        correlation_id: new.correlation_id.clone(),
        created_at: Ts::now(),
    })
}

/// What somebody is told whose request led to this job.
pub fn started(job: &NewJob) -> Requested {
    requested(job.job_id, job.operation_id, Outcome::Started)
}

async fn start(
    conn: &mut Conn,
    queue: &Queue,
    sealer: Option<&Sealer>,
    new: &NewRequest,
) -> Result<Option<Requested>, QueueError> {
    let job = first_job(new, sealer)?;
    if !sync_jobs::insert(conn, &job).await? {
        return Ok(None);
    }
    queue
        .enqueue_as(conn, job.operation_id, first_operation(&job))
        .await?;
    Ok(Some(started(&job)))
}

/// Gives each of these leads, which are different ones, its job with its operation, in the caller's transaction: as [`request`] does
/// for leads that have no job yet, with one statement for each table. Whether each was stored: a lead that has a job keeps it.
///
/// # Errors
/// Whatever the database says; then everything is for the caller to undo.
pub async fn start_many(
    conn: &mut Conn,
    queue: &Queue,
    jobs: &[&NewJob],
) -> Result<Vec<bool>, QueueError> {
    let stored = sync_jobs::insert_many(conn, jobs).await?;
    let is_stored = |job: &NewJob| stored.contains(&job.job_id);
    let operations = jobs
        .iter()
        .filter(|job| is_stored(job))
        .map(|job| (job.operation_id, first_operation(job)));
    queue.enqueue_many(conn, operations.collect()).await?;
    Ok(jobs.iter().map(|job| is_stored(job)).collect())
}

/// Has a failed job tried again, with what is `known` now: `None` when it is no longer as it was read. The operation that carried
/// it out so far is ended, and a new one takes over.
///
/// # Errors
/// Whatever the database says.
pub async fn try_again(
    conn: &mut Conn,
    queue: &Queue,
    sealer: Option<&Sealer>,
    job: &Job,
    known: &Known,
    new: &NewRequest,
) -> Result<Option<Requested>, QueueError> {
    let sealed_data = match sealer {
        Some(_) => sealed(sealer, job.job_id, known)?,
        None => job.sealed_data.clone(),
    };
    let reopened = Reopened {
        operation_id: OperationId(Uuid::now_v7()),
        sealed_data: sealed_data.as_deref(),
        requested_by: &new.by,
        correlation_id: &new.correlation_id,
    };
    if !sync_jobs::reopen(conn, job, &reopened, Ts::now()).await? {
        return Ok(None);
    }
    let why = "the job is tried again by a new operation";
    end_operation(conn, queue, job, &new.by, why).await?;
    let cause = (new.by.as_str(), new.correlation_id.as_str());
    let (id, operation) = (
        reopened.operation_id,
        operation_of(job.job_id, job.reruns + 1, &new.lead, cause),
    );
    queue.enqueue_as(conn, id, operation).await?;
    Ok(Some(requested(job.job_id, id, Outcome::TriedAgain)))
}

/// Ends the operation that carries the job out, unless it is being carried out or has ended.
///
/// # Errors
/// Whatever the database says.
pub async fn end_operation(
    conn: &mut Conn,
    queue: &Queue,
    job: &Job,
    who: &str,
    why: &str,
) -> Result<(), QueueError> {
    let Some(operation) = job.operation_id else {
        return Ok(());
    };
    match queue.discard_in(conn, operation, who, why).await {
        // One that is being carried out looks at the job before its next step.
        Err(QueueError::NotFound(_) | QueueError::Running(_) | QueueError::Finished(_))
        | Ok(()) => Ok(()),
        Err(error) => Err(error),
    }
}

fn requested(job_id: Uuid, operation: OperationId, outcome: Outcome) -> Requested {
    Requested {
        job_id,
        operation_id: Some(operation),
        outcome,
    }
}

fn first_operation(job: &NewJob) -> NewOperation {
    let cause = (job.requested_by.as_str(), job.correlation_id.as_str());
    operation_of(job.job_id, 0, &job.vtiger_lead_id, cause)
}

/// The operation that carries the job out. Its key is of this try alone, and the job is made or changed by the transaction that
/// stores it: it is always a new one.
fn operation_of(
    job: Uuid,
    reruns: i32,
    lead: &str,
    (by, correlation_id): (&str, &str),
) -> NewOperation {
    NewOperation {
        lane: record_lane(lead),
        priority: Priority::High,
        idempotency_key: Some(format!("onboard:{job}:{reruns}")),
        correlation_id: correlation_id.to_owned(),
        requested_by: Some(by.to_owned()),
        ..NewOperation::new(kind::ONBOARD, JOB, &job.to_string(), Operation::Create)
    }
}

/// What a job knows besides what the CRM says; nothing where it cannot be opened.
pub fn known_of(sealer: Option<&Sealer>, job: &Job) -> Known {
    let (Some(sealer), Some(kept)) = (sealer, &job.sealed_data) else {
        return Known::default();
    };
    Known::open(sealer, job.job_id, kept).unwrap_or_else(|error| {
        tracing::warn!(job_id = %job.job_id, %error, "what was received for the job is lost; the CRM is asked instead");
        Known::default()
    })
}

fn sealed(
    sealer: Option<&Sealer>,
    job: Uuid,
    known: &Known,
) -> Result<Option<Vec<u8>>, QueueError> {
    match sealer {
        Some(sealer) if !known.is_empty() => Ok(Some(known.seal(sealer, job)?)),
        _ => Ok(None),
    }
}
