//! What a change in the CRM calls for, however it was noticed: by webhook, by poll, or by the reconciliation.
//!
//! A contact that is linked to a customer is merged with it; one that came out of a converted lead becomes a customer. Both are
//! state operations: they read the contact as it is when they run, so any number of notices of one contact merge into one.

use pugmark_queue::db::Conn;
use pugmark_queue::{Enqueued, NewOperation, Operation, Queue, QueueError};

use super::plan::{CUSTOMER, customer_lane, kind};
use crate::crm::CONTACTS;
use crate::store::links;

/// Entity type of contacts that are not linked to anything of ours; the id is the CRM's.
pub const CONTACT: &str = "CONTACT";

/// The lane of a record of the CRM that nothing of ours is linked to.
pub fn record_lane(vtiger_id: &str) -> String {
    format!("crm:{vtiger_id}")
}

/// A contact that was changed or made in the CRM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noticed {
    /// The contact's id in the CRM (`12x5`).
    pub contact: String,
    /// Whether it is known, or at least claimed, that it came out of a converted lead.
    pub converted: bool,
    /// Correlation id of the delivery or the poll.
    pub correlation_id: String,
    /// Who noticed it: `webhook`, `poll`, `reconcile`.
    pub by: &'static str,
}

/// Enqueues what the notice calls for; `None` for a contact that concerns nobody here.
///
/// # Errors
/// Whatever the database says.
pub async fn enqueue(
    conn: &mut Conn,
    queue: &Queue,
    noticed: &Noticed,
) -> Result<Option<Enqueued>, QueueError> {
    let customer = links::of_record(conn, CONTACTS, &noticed.contact).await?;
    let operation = match customer {
        Some((entity_type, id)) if entity_type == CUSTOMER => {
            apply(&id, &noticed.correlation_id, noticed.by)
        }
        Some(_) => return Ok(None),
        None if noticed.converted => convert(noticed),
        None => return Ok(None),
    };
    queue.enqueue(conn, operation).await.map(Some)
}

/// Merges a customer's contact with the customer, behind what waits in the customer's lane.
pub fn apply(customer: &str, correlation_id: &str, requested_by: &str) -> NewOperation {
    NewOperation {
        lane: customer_lane(customer),
        coalesce_key: Some(format!("apply:{customer}")),
        correlation_id: correlation_id.to_owned(),
        requested_by: Some(requested_by.to_owned()),
        ..NewOperation::new(kind::CONTACT_APPLY, CUSTOMER, customer, Operation::Update)
    }
}

fn convert(noticed: &Noticed) -> NewOperation {
    NewOperation {
        lane: record_lane(&noticed.contact),
        coalesce_key: Some(format!("convert:{}", noticed.contact)),
        correlation_id: noticed.correlation_id.clone(),
        requested_by: Some(noticed.by.to_owned()),
        ..NewOperation::new(
            kind::LEAD_CONVERT,
            CONTACT,
            &noticed.contact,
            Operation::Create,
        )
    }
}
