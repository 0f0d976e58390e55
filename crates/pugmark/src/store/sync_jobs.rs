//! `sync_jobs`: leads on their way to becoming customers with a subscription in Maxio, and `sync_job_steps`: what was begun for them.

mod desk;
mod many;
mod pipeline;
mod steps;

use std::collections::BTreeMap;

use pugmark_queue::OperationId;
use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;
use sqlx::{AssertSqlSafe, QueryBuilder};
use uuid::Uuid;

use super::rows_changed;

pub use desk::{Reopened, cancel, counts, fail_stranded, forget_failed, reopen};
pub use many::{insert_many, leads_with_two_sql};
pub use pipeline::{Group, count, count_sql, of_group, of_group_sql};
pub use steps::{Begun, Taken, begin, begun, finish, forget, taken};

/// How far a job is, in the words of the onboarding guide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Stored, and not looked at yet.
    Pending,
    /// Under way.
    Processing,
    /// Customer and subscription are in Maxio; the lead is not told yet.
    MaxioCreated,
    /// Everything is done.
    CrmUpdated,
    /// It stands still until somebody does something, or was cancelled.
    Failed,
}

impl Status {
    /// Every status.
    pub const ALL: [Status; 5] = [
        Status::Pending,
        Status::Processing,
        Status::MaxioCreated,
        Status::CrmUpdated,
        Status::Failed,
    ];

    /// The word stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Pending => "pending",
            Status::Processing => "processing",
            Status::MaxioCreated => "maxio_created",
            Status::CrmUpdated => "crm_updated",
            Status::Failed => "failed",
        }
    }

    /// Reads the word, in letters of any case.
    pub fn parse(word: &str) -> Option<Self> {
        Status::ALL
            .into_iter()
            .find(|status| status.as_str().eq_ignore_ascii_case(word.trim()))
    }

    /// Whether the job goes on by itself.
    pub fn is_active(self) -> bool {
        matches!(
            self,
            Status::Pending | Status::Processing | Status::MaxioCreated
        )
    }
}

/// A step of a job. They are taken in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The job is stored.
    Received,
    /// The lead was read and has everything that Maxio needs.
    Checked,
    /// The customer exists in Maxio.
    Customer,
    /// The payment profile exists, or none is needed.
    PaymentProfile,
    /// The subscription exists.
    Subscription,
    /// The lead carries the ids.
    LeadUpdated,
}

impl Step {
    /// Every step, in order.
    pub const ALL: [Step; 6] = [
        Step::Received,
        Step::Checked,
        Step::Customer,
        Step::PaymentProfile,
        Step::Subscription,
        Step::LeadUpdated,
    ];

    /// The word stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Step::Received => "received",
            Step::Checked => "checked",
            Step::Customer => "customer",
            Step::PaymentProfile => "payment_profile",
            Step::Subscription => "subscription",
            Step::LeadUpdated => "lead_updated",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Step::ALL.into_iter().find(|step| step.as_str() == word)
    }
}

/// The error code of jobs that a person cancelled.
pub const CANCELLED: &str = "CANCELLED";

/// A job as kept.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Job {
    /// Its id.
    pub job_id: Uuid,
    /// The lead, as the webhook named it.
    pub vtiger_lead_id: String,
    /// By [`Status::parse`].
    pub status: String,
    /// The last step that is finished, by [`Step::parse`].
    pub step: String,
    /// Maxio's id of the customer.
    pub maxio_customer_id: Option<String>,
    /// Maxio's id of the payment profile.
    pub maxio_payment_profile_id: Option<String>,
    /// Maxio's id of the subscription.
    pub maxio_subscription_id: Option<String>,
    /// [`CANCELLED`], or the code of what it stands still for.
    pub error_code: Option<String>,
    /// The same, for people.
    pub error_message: Option<String>,
    /// What is wrong, a JSON object of field and reason.
    pub faults: String,
    /// What is known of the lead, sealed.
    pub sealed_data: Option<Vec<u8>>,
    /// How often it was tried again after it had failed.
    pub reruns: i32,
    /// `webhook`, `poll`, or who asked for it.
    pub requested_by: String,
    /// The operation that carries it out.
    pub operation_id: Option<OperationId>,
    /// Correlation id of what caused it.
    pub correlation_id: String,
    /// When it was made.
    pub created_at: Ts,
    /// When it last changed.
    pub updated_at: Ts,
    /// When it ended.
    pub ended_at: Option<Ts>,
}

impl Job {
    /// How far it is.
    pub fn standing(&self) -> Status {
        Status::parse(&self.status).unwrap_or(Status::Pending)
    }

    /// The last step that is finished.
    pub fn reached(&self) -> Step {
        Step::parse(&self.step).unwrap_or(Step::Received)
    }

    /// Whether a person cancelled it.
    pub fn is_cancelled(&self) -> bool {
        self.standing() == Status::Failed && self.error_code.as_deref() == Some(CANCELLED)
    }

    /// What is wrong, by field.
    pub fn faults(&self) -> BTreeMap<String, String> {
        serde_json::from_str(&self.faults).unwrap_or_default()
    }
}

const COLUMNS: &str = "job_id, vtiger_lead_id, status, step, maxio_customer_id, maxio_payment_profile_id, \
     maxio_subscription_id, error_code, error_message, faults, sealed_data, reruns, requested_by, operation_id, \
     correlation_id, created_at, updated_at, ended_at";

/// A job to be stored.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Its id.
    pub job_id: Uuid,
    /// The lead, as the webhook named it.
    pub vtiger_lead_id: String,
    /// What the webhook said of it, sealed.
    pub sealed_data: Option<Vec<u8>>,
    /// `webhook`, `poll`, or who asked for it.
    pub requested_by: String,
    /// The operation that carries it out.
    pub operation_id: OperationId,
    /// Correlation id of what caused it.
    pub correlation_id: String,
    /// When it came.
    pub created_at: Ts,
}

/// Stores the first job of a lead; `false` when it has one, also one that is just being stored by somebody else.
///
/// # Errors
/// Whatever the database says.
pub async fn insert(conn: &mut Conn, new: &NewJob) -> Result<bool, DbError> {
    let sql = "INSERT INTO sync_jobs (job_id, vtiger_lead_id, status, sealed_data, requested_by, operation_id, correlation_id, created_at, updated_at) \
               SELECT $1, $2, 'pending', $3, $4, $5, $6, $7, $7 WHERE NOT EXISTS (SELECT 1 FROM sync_jobs WHERE vtiger_lead_id = $2) \
               ON CONFLICT (vtiger_lead_id) WHERE status IN ('pending', 'processing', 'maxio_created') DO NOTHING";
    rows_changed!(
        conn,
        sql,
        new.job_id,
        &new.vtiger_lead_id,
        new.sealed_data.as_deref(),
        &new.requested_by,
        new.operation_id,
        &new.correlation_id,
        new.created_at
    )
}

/// A job.
///
/// # Errors
/// Whatever the database says.
pub async fn get(conn: &mut Conn, job: Uuid) -> Result<Option<Job>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM sync_jobs WHERE job_id = $1");
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(job)
        .fetch_optional(c)
        .await)?)
}

/// The job of a lead that counts: the active one, or else the latest.
///
/// # Errors
/// Whatever the database says.
pub async fn current_of(conn: &mut Conn, lead: &str) -> Result<Option<Job>, DbError> {
    // What counts is not the clock alone: those of several processes may differ.
    let sql = format!(
        "SELECT {COLUMNS} FROM sync_jobs WHERE vtiger_lead_id = $1 \
         ORDER BY CASE WHEN status IN ('pending', 'processing', 'maxio_created') THEN 0 ELSE 1 END, created_at DESC, job_id DESC LIMIT 1"
    );
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(lead)
        .fetch_optional(c)
        .await)?)
}

/// The latest job that led to this subscription, or else to this customer of Maxio.
///
/// # Errors
/// Whatever the database says.
pub async fn of_maxio(
    conn: &mut Conn,
    subscription: Option<&str>,
    customer: Option<&str>,
) -> Result<Option<Job>, DbError> {
    for (column, id) in [
        ("maxio_subscription_id", subscription),
        ("maxio_customer_id", customer),
    ] {
        let Some(id) = id else { continue };
        let sql = format!(
            "SELECT {COLUMNS} FROM sync_jobs WHERE {column} = $1 ORDER BY created_at DESC, job_id DESC LIMIT 1"
        );
        let job: Option<Job> = on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
            .bind(id)
            .fetch_optional(c)
            .await)?;
        if job.is_some() {
            return Ok(job);
        }
    }
    Ok(None)
}

/// Which jobs a list shows. What is `None` does not restrict.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// With this status.
    pub status: Option<Status>,
    /// Of this lead.
    pub lead: Option<String>,
    /// Older than this one (ids are in order of time).
    pub before: Option<Uuid>,
    /// Most jobs.
    pub limit: u32,
}

/// Jobs, newest first.
///
/// # Errors
/// Whatever the database says.
pub async fn list(conn: &mut Conn, filter: &JobFilter) -> Result<Vec<Job>, DbError> {
    Ok(on!(conn, |c, DB| {
        let mut query =
            QueryBuilder::<DB>::new(format!("SELECT {COLUMNS} FROM sync_jobs WHERE 1 = 1"));
        if let Some(status) = filter.status {
            query.push(" AND status = ").push_bind(status.as_str());
        }
        if let Some(lead) = &filter.lead {
            query.push(" AND vtiger_lead_id = ").push_bind(lead);
        }
        if let Some(before) = filter.before {
            query.push(" AND job_id < ").push_bind(before);
        }
        query
            .push(" ORDER BY job_id DESC LIMIT ")
            .push_bind(i64::from(filter.limit));
        query.build_query_as().fetch_all(c).await
    })?)
}

/// The job is under way. `false` when it has ended meanwhile.
///
/// # Errors
/// Whatever the database says.
pub async fn set_working(conn: &mut Conn, job: Uuid, now: Ts) -> Result<bool, DbError> {
    let sql = "UPDATE sync_jobs SET status = CASE WHEN status = 'pending' THEN 'processing' ELSE status END, updated_at = $2 \
               WHERE job_id = $1 AND status IN ('pending', 'processing', 'maxio_created')";
    rows_changed!(conn, sql, job, now)
}

/// What a finished step has brought. What is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct Reached {
    /// Maxio's id of the customer.
    pub customer: Option<String>,
    /// Maxio's id of the payment profile.
    pub payment_profile: Option<String>,
    /// Maxio's id of the subscription.
    pub subscription: Option<String>,
}

/// Notes a finished step, and with it the status that follows: after the subscription `maxio_created`, after the lead's update
/// `crm_updated`, with which the job ends and what is known of the lead goes. `false` when the job has ended meanwhile.
///
/// # Errors
/// Whatever the database says.
pub async fn set_reached(
    conn: &mut Conn,
    job: Uuid,
    step: Step,
    reached: &Reached,
    now: Ts,
) -> Result<bool, DbError> {
    let status = match step {
        Step::Received => Status::Pending,
        Step::Checked | Step::Customer | Step::PaymentProfile => Status::Processing,
        Step::Subscription => Status::MaxioCreated,
        Step::LeadUpdated => Status::CrmUpdated,
    };
    let ended = (status == Status::CrmUpdated).then_some(now);
    let sql = "UPDATE sync_jobs SET step = $2, status = $3, maxio_customer_id = COALESCE($4, maxio_customer_id), \
               maxio_payment_profile_id = COALESCE($5, maxio_payment_profile_id), \
               maxio_subscription_id = COALESCE($6, maxio_subscription_id), error_code = NULL, error_message = NULL, faults = '{}', \
               sealed_data = CASE WHEN $3 = 'crm_updated' THEN NULL ELSE sealed_data END, updated_at = $7, ended_at = $8 \
               WHERE job_id = $1 AND status IN ('pending', 'processing', 'maxio_created')";
    rows_changed!(
        conn,
        sql,
        job,
        step.as_str(),
        status.as_str(),
        reached.customer.as_deref(),
        reached.payment_profile.as_deref(),
        reached.subscription.as_deref(),
        now,
        ended
    )
}

/// Notes what delays an active job, for people; it goes on by itself.
///
/// # Errors
/// Whatever the database says.
pub async fn set_trouble(
    conn: &mut Conn,
    job: Uuid,
    code: &str,
    message: &str,
    now: Ts,
) -> Result<bool, DbError> {
    let sql = "UPDATE sync_jobs SET error_code = $2, error_message = $3, updated_at = $4 \
               WHERE job_id = $1 AND status IN ('pending', 'processing', 'maxio_created')";
    rows_changed!(conn, sql, job, code, message, now)
}

/// The job stands still until somebody does something.
///
/// # Errors
/// Whatever the database says.
pub async fn set_failed(
    conn: &mut Conn,
    job: Uuid,
    code: &str,
    message: &str,
    faults: &BTreeMap<String, String>,
    now: Ts,
) -> Result<bool, DbError> {
    let sql = "UPDATE sync_jobs SET status = 'failed', error_code = $2, error_message = $3, faults = $4, updated_at = $5, ended_at = $5 \
               WHERE job_id = $1 AND status IN ('pending', 'processing', 'maxio_created')";
    let faults = super::dialect::json_object(faults);
    rows_changed!(conn, sql, job, code, message, faults, now)
}
