//! "Compare now": what MicroBima has, what both sides last agreed on, and what vTiger holds at this moment, field by field.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use uuid::Uuid;

use super::no_such;
use super::person_data::name_of;
use crate::crm::breaker::Position;
use crate::crm::calls::CallLog;
use crate::crm::{CONTACTS, Crm, record_link};
use crate::flows::insurance::reconcile::{Beside, CompareError, Comparer, FieldBeside};
use crate::http::AppState;
use crate::http::console::frame::{Frame, show, store_down};
use crate::http::console::person::Person;
use crate::store::customers;
use crate::store::field_mapping::Direction;

struct Field {
    label: String,
    name: String,
    direction: &'static str,
    ours: String,
    agreed: Option<String>,
    theirs: String,
    differs: bool,
    /// Who changed it since both sides last agreed.
    verdict: &'static str,
}

/// What came of looking at both sides.
enum Outcome {
    /// Nothing can be compared: why, and what to do.
    Not(String),
    Fields {
        fields: Vec<Field>,
        differing: usize,
        warnings: Vec<String>,
        under_way: bool,
        link: Option<String>,
    },
}

#[derive(Template)]
#[template(path = "console/customers/compare.html")]
struct Page {
    frame: Frame,
    id: String,
    name: String,
    outcome: Outcome,
}

/// `GET /customers/{id}/compare`
pub(in crate::http::console) async fn page(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Path(id): Path<String>,
) -> Response {
    let Ok(id) = Uuid::parse_str(&id) else {
        return no_such(&frame);
    };
    let id = id.to_string();
    let customer = {
        let mut conn = match state.db.read().await {
            Ok(conn) => conn,
            Err(error) => return store_down(&frame, &error),
        };
        match customers::get(&mut conn, &id).await {
            Ok(Some(customer)) => customer,
            Ok(None) => return no_such(&frame),
            Err(error) => return store_down(&frame, &error),
        }
    };
    let outcome = match compared(&state, &frame, &id).await {
        Ok(outcome) => outcome,
        Err(error) => return store_down(&frame, &error),
    };
    show(&Page {
        name: name_of(&customer, person.sees_personal()),
        frame,
        id,
        outcome,
    })
}

async fn compared(state: &AppState, frame: &Frame, id: &str) -> Result<Outcome, CompareError> {
    let Some(crm) = state.vtiger.as_deref() else {
        return Ok(Outcome::Not(
            "No vTiger is configured, so there is nothing to compare with.".to_owned(),
        ));
    };
    if let Position::Open { remaining } = crm.breaker.position() {
        return Ok(Outcome::Not(format!(
            "vTiger is being left alone for {} seconds more, because it failed several times in a row. Try again then.",
            remaining.as_secs() + 1
        )));
    }
    match beside(state, crm, frame, id).await {
        Ok(beside) => Ok(outcome(beside, state)),
        Err(CompareError::Call(error)) => Ok(Outcome::Not(format!(
            "vTiger could not be asked: {error}. Nothing was changed; try again in a moment."
        ))),
        Err(error) => Err(error),
    }
}

async fn beside(
    state: &AppState,
    crm: &Crm,
    frame: &Frame,
    id: &str,
) -> Result<Beside, CompareError> {
    let calls = CallLog::new(crm.breaker.clone());
    let client = crm.client.clone().with_observer(calls);
    let client = client.with_correlation_id(&frame.correlation_id);
    let comparer = Comparer::new(&state.db, crm, &client, &state.contacts).await?;
    let beside = comparer.beside(id).await;
    crm.heed_quota();
    beside
}

fn outcome(beside: Beside, state: &AppState) -> Outcome {
    match beside {
        Beside::NotLinked => Outcome::Not(
            "This customer has no contact in vTiger yet. Sync now makes one.".to_owned(),
        ),
        Beside::Unreadable(reason) => {
            Outcome::Not(format!("The customer's row cannot be read: {reason}."))
        }
        Beside::Gone { contact } => Outcome::Not(format!(
            "The contact {contact} is gone from vTiger, or its user may not see it: two questions agree. `pugmark reconcile --fix` makes another."
        )),
        Beside::Fields {
            contact,
            fields,
            warnings,
            under_way,
        } => {
            let crm = state.crm.as_deref();
            Outcome::Fields {
                differing: fields.iter().filter(|field| field.differs).count(),
                fields: fields.into_iter().map(field).collect(),
                warnings,
                under_way,
                link: crm.and_then(|crm| record_link(crm, CONTACTS, &contact)),
            }
        }
    }
}

fn field(field: FieldBeside) -> Field {
    let verdict = match (field.differs, field.edited_here, field.edited_there) {
        (false, ..) => "Equal",
        (true, true, true) => "Changed on both sides",
        (true, true, false) => "Changed in MicroBima",
        (true, false, true) => "Changed in vTiger",
        (true, false, false) => "Never agreed on",
    };
    Field {
        label: field.label,
        name: field.field,
        direction: match field.direction {
            Direction::ToCrm => "to vTiger",
            Direction::FromCrm => "from vTiger",
            Direction::Both => "both ways",
        },
        ours: field.ours.unwrap_or_default(),
        agreed: field.agreed,
        theirs: field.theirs.unwrap_or_default(),
        differs: field.differs,
        verdict,
    }
}
