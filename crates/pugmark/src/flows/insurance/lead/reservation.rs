//! The reservation of a document while MicroBima is asked to make its customer: whoever captures that customer must not make a
//! new contact of it, but find the one that the lead became.

use std::collections::BTreeMap;

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::{Queue, QueueError};

use crate::crm::CONTACTS;
use crate::delivery::adopt;
use crate::flows::insurance::inbound::record_lane;
use crate::flows::insurance::plan::CUSTOMER;
use crate::store::customers::Customer;
use crate::store::{alike, lead_conversions, links};

/// The key under which the delivery of a customer waits for the end of a conversion.
pub fn key(record: &str) -> String {
    format!("reservation:{record}")
}

/// What a reservation means for a customer who has no contact yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// Nothing: the customer is new to vTiger.
    No,
    /// It may be the one that this contact is just becoming.
    Perhaps(String),
    /// It is the one that this contact became.
    Yes {
        /// The contact.
        record: String,
        /// What the contact held of our fields.
        snapshot: BTreeMap<String, String>,
    },
}

/// Looks for a reservation of the customer's document.
///
/// # Errors
/// Whatever the database says.
pub async fn held(conn: &mut Conn, customer: &Customer, partner: i32) -> Result<Held, DbError> {
    let document = (&customer.id_type, &customer.id_number);
    let Some(record) = lead_conversions::reserved(conn, document.0, document.1).await? else {
        return Ok(Held::No);
    };
    let Some(conversion) = lead_conversions::get(conn, &record).await? else {
        return Ok(Held::No);
    };
    let reference = conversion.partner_reference.clone().unwrap_or_default();
    let same = alike::by_reference(conn, partner, &reference).await?;
    if same.is_some_and(|same| same.id == customer.id) {
        let snapshot = conversion.snapshot();
        return Ok(Held::Yes { record, snapshot });
    }
    // MicroBima writes the reference a moment after the row. When nobody asks for the customer any more, it was none of ours.
    let under_way = lead_conversions::is_under_way(conn, &record_lane(&record)).await?;
    Ok(if under_way {
        Held::Perhaps(record)
    } else {
        Held::No
    })
}

/// Links contact and customer and ends the conversion; to be called again for the same two without harm.
///
/// # Errors
/// Whatever the database says; a unique violation when the contact is linked to another customer, [`QueueError::Invalid`] when
/// the customer is linked to another contact.
pub async fn link(
    conn: &mut Conn,
    queue: &Queue,
    record: &str,
    customer: &str,
    snapshot: &BTreeMap<String, String>,
) -> Result<(), QueueError> {
    let now = Ts::now();
    let linked = links::get(conn, CUSTOMER, customer).await?;
    match linked.and_then(|link| link.vtiger_id) {
        None => {
            adopt(
                conn,
                queue,
                (CUSTOMER, customer),
                (CONTACTS, record),
                snapshot,
            )
            .await?
        }
        Some(contact) if contact == record => {}
        Some(_) => {
            let what = "the customer is linked to another contact";
            return Err(QueueError::Invalid(what.to_owned()));
        }
    }
    lead_conversions::set_done(conn, record, customer, now).await?;
    queue.unblock(conn, &key(record)).await?;
    Ok(())
}
