//! Lead conversions: those that wait for data or for a person, and what can be done about them.

mod acting;
mod detail;
mod list;

pub(super) use acting::{fill_in, link, look_again};
pub(super) use detail::{fragment as detail_fragment, page as detail};
pub(super) use list::{fragment, page};

use super::frame::{Frame, not_found};
use crate::store::lead_conversions::State;
use axum::response::Response;

/// How a conversion stands, by colour and by word.
fn badge(state: State) -> (&'static str, &'static str) {
    match state {
        State::Open => ("", "Noticed"),
        State::Incomplete => ("wait", "Data is missing"),
        State::Undecided => ("wait", "Needs a decision"),
        State::Reserved => ("brand", "Being made"),
        State::Done => ("good", "Done"),
        State::Refused => ("", "Nothing to make"),
    }
}

/// What that means and what happens next, in plain words.
fn meaning(state: State) -> &'static str {
    match state {
        State::Open => {
            "The conversion was noticed. Pugmark reads the contact in vTiger and goes on by itself."
        }
        State::Incomplete => {
            "MicroBima needs more than the contact holds. It goes on by itself when the contact is completed in vTiger, or when what is \
             missing is filled in here."
        }
        State::Undecided => {
            "The contact looks like a customer that there is already. Nobody is made twice and nobody is merged by a guess: a person \
             says whether it is the same one."
        }
        State::Reserved => {
            "MicroBima was asked to make the customer. Until the answer is known the document is reserved for this contact: no other \
             conversion may use it, and when the customer appears, it is linked to this contact instead of getting a second one."
        }
        State::Done => "The contact is a customer; the two are linked.",
        State::Refused => {
            "Nothing can be made of it as it is. It is taken up again when somebody says once more that it was converted, or by a \
             second look here."
        }
    }
}

/// What a field is called.
fn label(field: &str) -> &str {
    match field {
        "firstName" => "First name",
        "middleName" => "Middle name",
        "lastName" => "Last name",
        "email" => "E-mail address",
        "phoneNumber" => "Phone number",
        "dateOfBirth" => "Date of birth",
        "gender" => "Gender",
        "idType" => "Kind of document",
        "idNumber" => "Number of the document",
        other => other,
    }
}

fn unknown(frame: &Frame, record: &str) -> Response {
    not_found(
        frame,
        &format!("No conversion of a lead is known for the record {record}."),
    )
}
