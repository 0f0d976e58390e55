//! What a change in the CRM calls for, however it was noticed: by webhook, by poll, or by the reconciliation.
//!
//! A contact that is linked to a customer is merged with it; one that came out of a converted lead becomes a customer. Both are
//! state operations: they read the contact as it is when they run, so any number of notices of one contact merge into one.

use pugmark_queue::db::{Conn, Ts};
use pugmark_queue::{Enqueued, NewOperation, Operation, Priority, Queue, QueueError};

use super::plan::{CUSTOMER, customer_lane, kind};
use crate::crm::CONTACTS;
use crate::store::lead_conversions::{self, Claim, Notice};
use crate::store::links;

/// Entity type of contacts that are not linked to anything of ours; the id is the CRM's.
pub const CONTACT: &str = "CONTACT";
/// Entity type of leads whose conversion names no contact; the id is the CRM's.
pub const LEAD: &str = "LEAD";

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
        None if noticed.converted || lead_conversions::is_open(conn, &noticed.contact).await? => {
            let conversion = Conversion {
                module: CONTACTS,
                record: noticed.contact.clone(),
                lead: None,
                claim: Claim::None,
                correlation_id: noticed.correlation_id.clone(),
                by: noticed.by,
            };
            return enqueue_conversion(conn, queue, &conversion).await.map(Some);
        }
        None => return Ok(None),
    };
    queue.enqueue(conn, operation).await.map(Some)
}

/// A conversion that was noticed, with who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversion {
    /// `Contacts`; `Leads` for a conversion that names no contact.
    pub module: &'static str,
    /// The contact, or the lead.
    pub record: String,
    /// The lead, when it is known.
    pub lead: Option<String>,
    /// Who says that it was converted.
    pub claim: Claim,
    /// Correlation id of the delivery or the poll.
    pub correlation_id: String,
    /// Who noticed it: `webhook`, `poll`, `reconcile`, `operator`.
    pub by: &'static str,
}

/// The key under which the conversion of this record waits for a person or for the contact to be completed.
pub fn waits_for(record: &str) -> String {
    format!("lead:{record}")
}

/// Notes the conversion and enqueues it. One that waits to be completed is tried again: the contact may hold more by now.
///
/// # Errors
/// Whatever the database says.
pub async fn enqueue_conversion(
    conn: &mut Conn,
    queue: &Queue,
    conversion: &Conversion,
) -> Result<Enqueued, QueueError> {
    enqueue_conversion_once(conn, queue, conversion, None).await
}

/// The same for a notice that has a name of its own: under one `key` it leads to one operation, however often it comes.
///
/// # Errors
/// Whatever the database says.
pub async fn enqueue_conversion_once(
    conn: &mut Conn,
    queue: &Queue,
    conversion: &Conversion,
    key: Option<String>,
) -> Result<Enqueued, QueueError> {
    let notice = Notice {
        record: &conversion.record,
        module: conversion.module,
        lead: conversion.lead.as_deref(),
        claim: conversion.claim,
        by: conversion.by,
        correlation_id: &conversion.correlation_id,
    };
    lead_conversions::notice(conn, &notice, Ts::now()).await?;
    let operation = NewOperation {
        idempotency_key: key,
        ..convert(conversion)
    };
    let enqueued = queue.enqueue(conn, operation).await?;
    queue.unblock(conn, &waits_for(&conversion.record)).await?;
    Ok(enqueued)
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

fn convert(conversion: &Conversion) -> NewOperation {
    let record = &conversion.record;
    let entity_type = match conversion.module {
        CONTACTS => CONTACT,
        _ => LEAD,
    };
    NewOperation {
        lane: record_lane(record),
        coalesce_key: Some(format!("convert:{record}")),
        priority: Priority::High,
        correlation_id: conversion.correlation_id.clone(),
        requested_by: Some(conversion.by.to_owned()),
        ..NewOperation::new(kind::LEAD_CONVERT, entity_type, record, Operation::Create)
    }
}
