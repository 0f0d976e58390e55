//! Why a conversion stands still, in words that say what to do.

use std::collections::BTreeMap;

use vtiger::Record;

use crate::crm::FROM_LEAD;
use crate::problem::Code;
use crate::store::alike::Alike;
use crate::store::lead_conversions::{Claim, Conversion, Standstill, State};

/// Status of a customer whose document and phone nobody may have again.
pub(super) const TERMINATED: &str = "TERMINATED";

/// Whether it is known, or claimed by somebody who can know, that the contact came out of a lead.
pub(super) fn is_converted(conversion: &Conversion, contact: &Record) -> Result<(), Standstill> {
    let claim = Claim::parse(&conversion.claim);
    let shown = contact.get(FROM_LEAD).map(str::trim);
    let converted = match shown {
        Some("1" | "true" | "on" | "yes") => true,
        // Where contacts do not show it, as on some Clouds, whoever can prove where it comes from is believed.
        None | Some("") => claim >= Claim::Plain,
        Some(_) => claim >= Claim::Signed,
    };
    if converted {
        return Ok(());
    }
    let message = format!(
        "The contact {} does not show that it came out of a lead, and nobody who signs what it says claims so. If it did, let the \
         workflow sign its delivery, or register the customer by hand",
        conversion.record_id
    );
    Err(refused(Code::NotConverted, message))
}

/// Nothing can be made of it.
pub(super) fn refused(code: Code, message: String) -> Standstill {
    Standstill {
        state: State::Refused,
        missing: BTreeMap::new(),
        candidate: None,
        code: code.as_str(),
        message,
    }
}

/// Something is missing or wrong; `why` begins the sentence.
pub(super) fn incomplete(missing: BTreeMap<String, String>, why: &str) -> Standstill {
    let parts: Vec<String> = missing
        .iter()
        .map(|(field, what)| format!("{field} {what}"))
        .collect();
    Standstill {
        state: State::Incomplete,
        candidate: None,
        code: Code::LeadIncomplete.as_str(),
        message: format!(
            "{why}: {}. Fill it in on the contact in vTiger, or here; then it goes on",
            parts.join("; ")
        ),
        missing,
    }
}

pub(super) fn undecided(
    candidate: Option<String>,
    missing: BTreeMap<String, String>,
    message: String,
) -> Standstill {
    Standstill {
        state: State::Undecided,
        missing,
        candidate,
        code: Code::LeadUndecided.as_str(),
        message,
    }
}

pub(super) fn taken(field: &str, what: &str) -> Standstill {
    let message = format!(
        "{field}: {what}. If it is the same person, link the two by hand; if not, correct the {field}"
    );
    undecided(None, [(field.to_owned(), what.to_owned())].into(), message)
}

pub(super) fn same_document(same: &Alike) -> Standstill {
    let id = &same.id;
    let (what, candidate) = match &same.vtiger_id {
        Some(contact) => (
            format!("customer {id}, linked to the contact {contact}, has this document"),
            None,
        ),
        None if same.status == TERMINATED => (
            format!("the terminated customer {id} has this document"),
            None,
        ),
        None => (
            format!("customer {id} has this document and no contact"),
            Some(id.clone()),
        ),
    };
    let message = match &candidate {
        Some(_) => format!(
            "{what}. If it is the same person, decide to link the two; if not, correct the document"
        ),
        None => format!("{what}. Merge the contacts in vTiger by hand, or correct the document"),
    };
    undecided(candidate, [("idNumber".to_owned(), what)].into(), message)
}

/// The customer is there and has another contact.
pub(super) fn linked_elsewhere(customer: &str, contact: &str) -> Standstill {
    let message = format!(
        "Customer {customer} is linked to the contact {contact}. Merge the two contacts in vTiger by hand"
    );
    undecided(None, BTreeMap::new(), message)
}
