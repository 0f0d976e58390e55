//! What people have done about one customer: synced now, whatever waits or failed.

use pugmark_queue::db::{Conn, Db};
use pugmark_queue::{Enqueued, NewOperation, Operation, OperationId, Priority, Queue, QueueError};

use super::{Actor, note};
use crate::crm::CONTACTS;
use crate::flows::insurance::inbound;
use crate::flows::insurance::plan::{self, CUSTOMER, kind};
use crate::store::audit::subject_of_customer;
use crate::store::links;

/// What a sync of one customer comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Synced {
    /// The operation that brings the contact up to date.
    pub delivery: OperationId,
    /// It waited before, and goes on at once now.
    pub waited: bool,
    /// The operation that reads the contact and takes what was edited there; `None` where there is no contact yet.
    pub reading: Option<OperationId>,
}

/// Has both sides of a customer brought in step now: what was edited in the CRM is read and merged first, then the contact is
/// brought up to date. What waits for its turn goes on at once; a dead letter's work is taken over. Act and entry in the audit
/// log are one commit.
///
/// # Errors
/// Those of the queue.
pub async fn sync_now(
    db: &Db,
    queue: &Queue,
    customer: &str,
    actor: Actor,
) -> Result<Synced, QueueError> {
    let (queue, customer) = (queue.clone(), customer.to_owned());
    db.write("sync customer", move |conn| {
        Box::pin(async move { sync_in(conn, &queue, &customer, &actor).await })
    })
    .await
}

async fn sync_in(
    conn: &mut Conn,
    queue: &Queue,
    customer: &str,
    actor: &Actor,
) -> Result<Synced, QueueError> {
    let link = links::get(conn, CUSTOMER, customer).await?;
    let linked = link.is_some_and(|link| link.vtiger_id.is_some());
    let (who, request) = (&*actor.name, actor.correlation_id.as_str());
    let reading = if linked {
        let operation = NewOperation {
            priority: Priority::High,
            ..inbound::apply(customer, request, who)
        };
        Some(at_once(conn, queue, operation, actor).await?.0)
    } else {
        links::set_pending(
            conn,
            CUSTOMER,
            customer,
            CONTACTS,
            true,
            pugmark_queue::db::Ts::now(),
        )
        .await?;
        None
    };
    let refresh = NewOperation {
        priority: Priority::High,
        ..plan::refresh(customer, request, who)
    };
    let delivery = if linked {
        refresh
    } else {
        NewOperation {
            kind: kind::CUSTOMER_CREATE.to_owned(),
            operation: Operation::Create,
            ..refresh
        }
    };
    let (delivery, waited) = at_once(conn, queue, delivery, actor).await?;
    note(conn, "customer.sync", &subject_of_customer(customer), actor).await?;
    Ok(Synced {
        delivery,
        waited,
        reading,
    })
}

/// Queues it; one that waits already goes on at once. Says whether it waited.
async fn at_once(
    conn: &mut Conn,
    queue: &Queue,
    operation: NewOperation,
    actor: &Actor,
) -> Result<(OperationId, bool), QueueError> {
    let enqueued = queue.enqueue(conn, operation).await?;
    if let Enqueued::Coalesced { into } = enqueued {
        let worker = queue
            .retry_in(conn, into, &actor.name, "customer.sync")
            .await?;
        return Ok((worker, true));
    }
    Ok((enqueued.id(), false))
}
