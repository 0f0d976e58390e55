//! How the statuses of policies and customers follow from payments and from each other.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use pugmark_queue::db::{Conn, DbError, Ts};

use crate::store::policy_payments::PolicyPayment;
use crate::store::status_changes::{self, StatusChange};
use crate::store::{change_log, customers, policies};

/// The status of a customer by those of all the policies: any ACTIVE one wins, else any that waits for its first payment, else
/// any SUSPENDED one; else the customer is closed, and a TERMINATED one stays so. `None`: without a policy nothing follows.
pub fn customer_status(current: &str, policies: &[String]) -> Option<&'static str> {
    let any = |label: &str| policies.iter().any(|status| status == label);
    if policies.is_empty() {
        None
    } else if any("ACTIVE") {
        Some("ACTIVE")
    } else if any("PENDING_ACTIVATION") {
        Some("PENDING_ACTIVATION")
    } else if any("SUSPENDED") {
        Some("SUSPENDED")
    } else if current == "TERMINATED" {
        Some("TERMINATED")
    } else {
        Some("DEACTIVATED")
    }
}

/// The cover that begins with a payment at this time: one year less one day. The time is taken as it is stored.
pub fn cover(paid: Timestamp) -> (Timestamp, Timestamp) {
    let start = paid.to_zoned(TimeZone::UTC);
    let end = start
        .saturating_add(Span::new().years(1))
        .saturating_sub(Span::new().days(1));
    (paid, end.timestamp())
}

/// Who changes a status, and why.
#[derive(Debug, Clone)]
pub struct Reason {
    /// In words.
    pub text: String,
    /// The id of a login; `None` for nobody in particular.
    pub changed_by: Option<String>,
    /// Of the request.
    pub correlation_id: String,
}

/// Sets a policy's status by hand, with the customer's after it, and records both. `from` is the policy's status before.
///
/// # Errors
/// [`DbError`]; a unique violation when the customer has another open policy of the package.
pub async fn change_policy_status(
    conn: &mut Conn,
    customer: &str,
    policy: &str,
    (from, to): (&str, &str),
    reason: &Reason,
    now: Ts,
) -> Result<(), DbError> {
    if !policies::set_status(conn, policy, to, now).await? {
        return Ok(());
    }
    let changed_by = reason
        .changed_by
        .as_deref()
        .unwrap_or(status_changes::AUTOMATIC);
    let change = StatusChange {
        customer,
        policy: Some(policy),
        from,
        to,
        reason: &reason.text,
        trigger: "MANUAL_ADMIN",
        changed_by,
        correlation_id: &reason.correlation_id,
    };
    status_changes::record(conn, &change, now).await?;
    let statuses = policies::statuses_of(conn, customer).await?;
    let Some(row) = customers::get_for_update(conn, customer).await? else {
        return Ok(());
    };
    let Some(status) = customer_status(&row.status, &statuses) else {
        return Ok(());
    };
    if customers::set_status(conn, customer, status, now).await? {
        change_log::correlate(conn, "customers", customer, &reason.correlation_id).await?;
        let change = StatusChange {
            policy: None,
            from: &row.status,
            to: status,
            ..change
        };
        status_changes::record(conn, &change, now).await?;
    }
    Ok(())
}

/// What follows on a payment, in a transaction of its own as in MicroBima: the policy that waited for it becomes active, and
/// so does the customer whose only policy it is. MicroBima keeps no record of this one.
///
/// # Errors
/// [`DbError`]. The payment stands; whoever completes it again gets another try.
pub async fn activate(
    conn: &mut Conn,
    payment: &PolicyPayment,
    correlation_id: &str,
    now: Ts,
) -> Result<(), DbError> {
    let entry = &payment.entry;
    let paid = entry
        .actual_payment_date
        .unwrap_or(entry.expected_payment_date);
    let (start, end) = cover(paid.timestamp());
    let policy = &entry.policy_id;
    if !policies::activate(conn, policy, start.into(), end.into(), now).await? {
        return Ok(());
    }
    change_log::correlate(conn, "policies", policy, correlation_id).await?;
    let customer = &payment.customer_id;
    if policies::statuses_of(conn, customer).await?.len() == 1
        && customers::set_status(conn, customer, "ACTIVE", now).await?
    {
        change_log::correlate(conn, "customers", customer, correlation_id).await?;
    }
    Ok(())
}
