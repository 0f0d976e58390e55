//! What waits on the desks, put into the store as a test needs it.

use std::collections::BTreeMap;

use pugmark::app::Running;
use pugmark::flows::onboarding::request::{self, NewRequest};
use pugmark::store::conflicts::{self, Conflict, Found, Kind};
use pugmark::store::lead_conversions::{self, Claim, Notice, Standstill, State};
use pugmark::store::onboarding_forms::{self, NewSubmission, Written};
use pugmark::store::sync_jobs::{self, Job, Reached, Step};
use pugmark::store::webhook_deliveries::{self, Became, NewDelivery};
use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::{OperationId, QueueError};
use uuid::Uuid;

/// Runs a change of the store in a transaction of its own.
async fn write<T, F>(running: &Running, change: F) -> T
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut Conn) -> futures::future::BoxFuture<'c, Result<T, QueueError>>
        + Send
        + 'static,
{
    let written = running.db.write("plant", change).await;
    written.expect("it is written")
}

/// A job for this lead, which nobody carries out.
pub(crate) async fn job(running: &Running, lead: &str) -> Uuid {
    let (queue, lead) = (running.queue.clone(), lead.to_owned());
    write(running, move |conn| {
        Box::pin(async move {
            let new = NewRequest {
                lead,
                known: Default::default(),
                by: "webhook".to_owned(),
                by_person: false,
                correlation_id: "request-of-the-job".to_owned(),
            };
            let requested = request::request(conn, &queue, None, &new).await?;
            Ok(requested.job_id)
        })
    })
    .await
}

/// The job has failed, with something wrong with its IBAN.
pub(crate) async fn fail(running: &Running, job: Uuid) {
    write(running, move |conn| {
        Box::pin(async move {
            let faults = [("iban".to_owned(), "is no IBAN".to_owned())].into();
            let message = "Maxio refuses the account of \"Jane Murphy\"";
            sync_jobs::set_failed(conn, job, "PUG-6101", message, &faults, Ts::now()).await?;
            Ok(())
        })
    })
    .await;
}

/// The job has finished this step.
pub(crate) async fn reach(running: &Running, job: Uuid, step: Step) {
    write(running, move |conn| {
        Box::pin(async move {
            let now = Ts::now();
            sync_jobs::begin(conn, job, step, None, now).await?;
            sync_jobs::finish(conn, job, step, now).await?;
            let reached = Reached {
                customer: Some("771".to_owned()),
                subscription: (step >= Step::Subscription).then(|| "9001".to_owned()),
                ..Reached::default()
            };
            sync_jobs::set_reached(conn, job, step, &reached, now).await?;
            Ok(())
        })
    })
    .await;
}

/// The job as it is stored.
pub(crate) async fn stored_job(running: &Running, job: Uuid) -> Job {
    let mut conn = running.db.read().await.expect("a connection");
    let found = sync_jobs::get(&mut conn, job).await;
    found.expect("the store answers").expect("a job")
}

/// A form of this client that failed, or was saved in part. Its answers are kept.
pub(crate) async fn form(running: &Running, client: &str, in_part: bool) -> Uuid {
    let (id, client) = (Uuid::now_v7(), client.to_owned());
    write(running, move |conn| {
        Box::pin(async move {
            let now = Ts::now();
            let new = NewSubmission {
                tracking_id: id,
                client_id: client.clone(),
                source: "page",
                content_hash: id.as_bytes().to_vec(),
                key_hash: None,
                sealed_fields: vec![1, 2, 3],
                requested_by: "page".to_owned(),
                correlation_id: "request-of-the-form".to_owned(),
                created_at: now,
            };
            onboarding_forms::insert(conn, &new).await?;
            if in_part {
                let written = Written {
                    record_id: client,
                    not_saved: [("payDay".to_owned(), "vTiger has no such field".to_owned())]
                        .into(),
                    changed: BTreeMap::new(),
                };
                onboarding_forms::set_written(conn, id, &written, now).await?;
            } else {
                let why = "vTiger refuses \"Mary Murphy\"";
                onboarding_forms::set_trouble(conn, id, true, "PUG-2006", why, now).await?;
            }
            Ok(())
        })
    })
    .await;
    id
}

/// A conflict about the phone number of this customer.
pub(crate) async fn conflict(running: &Running, customer: &str, kind: Kind) -> Conflict {
    let customer = customer.to_owned();
    write(running, move |conn| {
        Box::pin(async move {
            let reason = (kind == Kind::NotAccepted).then_some("`0799000111 x` is no phone number");
            let found = Found {
                source: "phoneNumber".to_owned(),
                field: "mobile".to_owned(),
                label: "Mobile Phone".to_owned(),
                kind,
                base: Some("0712345678".to_owned()),
                ours: "0700000009".to_owned(),
                theirs: "0799000111".to_owned(),
                reason: reason.map(str::to_owned),
            };
            conflicts::settle(conn, &customer, &[found], &[], None, Ts::now()).await?;
            let mut open = conflicts::unresolved(conn, &customer).await?;
            open.pop().ok_or(QueueError::Db(DbError::Conflict))
        })
    })
    .await
}

/// The conversion of this contact stands still: its data is incomplete, or it may be this customer.
pub(crate) async fn conversion(running: &Running, contact: &str, candidate: Option<&str>) {
    let (contact, candidate) = (contact.to_owned(), candidate.map(str::to_owned));
    write(running, move |conn| {
        Box::pin(async move {
            let now = Ts::now();
            let notice = Notice {
                record: &contact,
                module: "Contacts",
                lead: Some("10x77"),
                claim: Claim::Signed,
                by: "webhook",
                correlation_id: "request-of-the-conversion",
            };
            lead_conversions::notice(conn, &notice, now).await?;
            let missing = [
                ("idNumber".to_owned(), "is missing".to_owned()),
                (
                    "dateOfBirth".to_owned(),
                    "must be 18 years ago or more".to_owned(),
                ),
            ];
            let still = match candidate {
                None => Standstill {
                    state: State::Incomplete,
                    missing: missing.into(),
                    candidate: None,
                    code: "PUG-3601",
                    message: "The contact lacks what a customer needs".to_owned(),
                },
                Some(customer) => Standstill {
                    state: State::Undecided,
                    missing: BTreeMap::new(),
                    candidate: Some(customer),
                    code: "PUG-3602",
                    message: "A customer has this document and no contact".to_owned(),
                },
            };
            lead_conversions::set_still(conn, &contact, &still, now).await?;
            Ok(())
        })
    })
    .await;
}

/// A delivery about this record, with this body, that was accepted or ignored.
pub(crate) async fn delivery(
    running: &Running,
    record: &str,
    body: &str,
    operation: Option<OperationId>,
) -> i64 {
    let (record, body) = (record.to_owned(), body.to_owned());
    write(running, move |conn| {
        Box::pin(async move {
            let new = NewDelivery {
                received_at: Ts::now(),
                endpoint: "vtiger".into(),
                proof: "hmac".into(),
                secret_number: 1,
                dedup_key: format!("test:{}", Uuid::now_v7()),
                content_type: Some("application/json".to_owned()),
                parameters: None,
                body,
                correlation_id: "request-of-the-delivery".to_owned(),
            };
            let became = Became {
                status: if operation.is_some() {
                    "ACCEPTED"
                } else {
                    "IGNORED"
                },
                reason: operation
                    .is_none()
                    .then(|| "the contact is linked to no customer".to_owned()),
                event: Some("record.update".to_owned()),
                module: Some("Contacts".to_owned()),
                record_id: Some(record),
                operation_id: operation,
            };
            Ok(webhook_deliveries::insert(conn, &new, &became).await?)
        })
    })
    .await
}
