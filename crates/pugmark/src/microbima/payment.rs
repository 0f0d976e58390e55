//! What a row of `policy_payments` stands for: an expected payment, a received one, or one that was taken off again.

use uuid::Uuid;

use crate::flows::insurance::events::PAID;

/// Longest reference that the column holds.
const LONGEST_REFERENCE: usize = 50;

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// No money yet: a placeholder.
    Unpaid,
    /// The money came; perhaps its receipt is not known yet.
    Paid,
    /// It was taken off.
    Detached,
}

impl Standing {
    /// Reads the label of `PaymentStatus` and whether `detachedAt` is set. A label that nobody knows yet is not paid, as
    /// everywhere in MicroBima.
    pub fn of(status: &str, detached: bool) -> Self {
        if detached || status == "DETACHED" {
            Standing::Detached
        } else if PAID.contains(&status) {
            Standing::Paid
        } else {
            Standing::Unpaid
        }
    }
}

/// Starts of references that are no receipts.
const PLACEHOLDERS: [&str; 3] = ["PENDING-STK-", "QUERY-PENDING-", "OUTSTANDING-"];
const DETACHED: &str = "[d]";

/// Whether the reference is one of those that stand for a receipt that is not known.
pub fn is_placeholder(reference: &str) -> bool {
    let upper = reference.to_uppercase();
    PLACEHOLDERS.iter().any(|start| upper.starts_with(start))
}

/// Whether it can be the reference of money that came: neither placeholder nor mark of a detached payment.
pub fn is_receipt(reference: &str) -> bool {
    !is_placeholder(reference) && !reference.starts_with(DETACHED)
}

/// A new placeholder for a payment of this status; `None` where a receipt is needed.
pub fn placeholder(status: &str) -> Option<String> {
    let id = Uuid::new_v4();
    match status {
        "PENDING_STK_CALLBACK" => Some(format!("PENDING-STK-{id}")),
        "COMPLETED_PENDING_RECEIPT" => Some(format!("QUERY-PENDING-{id}")),
        "OUTSTANDING" => Some(format!("OUTSTANDING-{}-1", &id.simple().to_string()[..12])),
        _ => None,
    }
}

/// The reference of a payment that was taken off. The id makes it unique, so what the column cannot hold is cut off.
pub fn detached_reference(id: i32, reference: &str) -> String {
    let whole = format!("{DETACHED}{id}-{reference}");
    whole.chars().take(LONGEST_REFERENCE).collect()
}
