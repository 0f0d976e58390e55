//! What a delivery leads to: an operation that reads the record again, or nothing.

use pugmark_queue::db::Conn;
use pugmark_queue::{Queue, QueueError};

use super::proof::Kind;
use super::reading::Said;
use crate::crm::{CONTACTS, LEADS};
use crate::flows::insurance::inbound::{self, Conversion, Noticed};
use crate::store::lead_conversions::Claim;
use crate::store::links;
use crate::store::webhook_deliveries::Became;

/// Who noticed it, in operations.
pub(super) const BY: &str = "webhook";

/// Enqueues what a delivery calls for, in the caller's transaction.
///
/// # Errors
/// Whatever the database says.
pub async fn plan(
    conn: &mut Conn,
    queue: &Queue,
    said: &Said,
    proof: Kind,
    correlation_id: &str,
) -> Result<Became, QueueError> {
    let became = |operation_id, reason: Option<&str>| Became {
        status: match reason {
            None => "ACCEPTED",
            Some(_) => "IGNORED",
        },
        reason: reason.map(str::to_owned),
        event: said.event.clone(),
        module: Some(said.module.clone()),
        record_id: said.record().map(str::to_owned),
        operation_id,
    };
    let (module, record) = match (&said.contact, &said.lead) {
        (Some(contact), _) => (CONTACTS, contact),
        (None, Some(lead)) if said.converted => (LEADS, lead),
        (None, Some(_)) => {
            let why =
                "changes of leads are not used; a conversion is, and this says nothing of one";
            return Ok(became(None, Some(why)));
        }
        (None, None) => {
            let why = "records of this module are not kept in step";
            return Ok(became(None, Some(why)));
        }
    };
    let linked = module == CONTACTS && links::of_record(conn, module, record).await?.is_some();
    if said.converted && !linked {
        let conversion = Conversion {
            module,
            record: record.clone(),
            lead: said.lead.clone(),
            claim: claim_of(said, proof),
            correlation_id: correlation_id.to_owned(),
            by: BY,
        };
        let enqueued = inbound::enqueue_conversion(conn, queue, &conversion).await?;
        return Ok(became(Some(enqueued.id()), None));
    }
    let noticed = Noticed {
        contact: record.clone(),
        converted: said.converted,
        correlation_id: correlation_id.to_owned(),
        by: BY,
    };
    Ok(match inbound::enqueue(conn, queue, &noticed).await? {
        Some(enqueued) => became(Some(enqueued.id()), None),
        None => {
            let why = "the contact is linked to no customer, and nothing says that it was a lead";
            became(None, Some(why))
        }
    })
}

/// What the delivery itself proves of a conversion.
fn claim_of(said: &Said, proof: Kind) -> Claim {
    match proof {
        Kind::Standard if said.of_extension => Claim::Extension,
        proof if proof.is_signed() => Claim::Signed,
        _ => Claim::Plain,
    }
}
