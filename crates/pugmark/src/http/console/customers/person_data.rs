//! A customer's data as one person may see it.

use crate::flows::insurance::wording::words_of;
use crate::http::console::masking;
use crate::store::customers::Customer;

/// A value as it is, or masked.
pub(super) fn seen(text: &str, personal: bool) -> String {
    if personal {
        text.to_owned()
    } else {
        masking::word(text)
    }
}

/// First, middle and last name; of a masked one each by itself.
pub(super) fn name_of(customer: &Customer, personal: bool) -> String {
    full_name(
        &customer.first_name,
        customer.middle_name.as_deref(),
        &customer.last_name,
        personal,
    )
}

/// The same for anybody else. Spaces at the ends are not shown.
pub(super) fn full_name(first: &str, middle: Option<&str>, last: &str, personal: bool) -> String {
    let parts = [first, middle.unwrap_or_default(), last].map(str::trim);
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    let seen: Vec<String> = parts.map(|part| seen(part, personal)).collect();
    seen.join(" ")
}

/// How a customer's status is coloured.
pub(super) fn status_class(status: &str) -> &'static str {
    match status {
        "ACTIVE" => "good",
        "PENDING_ACTIVATION" => "brand",
        "SUSPENDED" => "wait",
        "TERMINATED" | "DELETED" => "bad",
        _ => "",
    }
}

/// A label of the database in words; nothing for no label.
pub(super) fn label(label: Option<&str>) -> String {
    label.map(words_of).unwrap_or_default()
}
