//! What people do in the user interface, past the web service.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::principals::Actor;
use super::records::Call;
use super::state::State;
use crate::journal::Journal;

/// `source` of records made in the user interface.
const SOURCE: &str = "CRM";

/// The person is always the first user.
const PERSON: u64 = 1;

fn person<'a>(state: &'a mut State, journal: &'a Journal, now: Timestamp) -> Option<Call<'a>> {
    let actor = Actor::find(state, PERSON)?;
    let dialect = state.canonical;
    Some(Call {
        state,
        journal,
        actor,
        dialect,
        now,
        request_no: None,
        began_at: u64::MAX,
        source: SOURCE,
    })
}

fn element(fields: &[(&str, &str)]) -> Map<String, Value> {
    fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect()
}

/// Creates a record; the person owns it unless said.
pub(super) fn insert(
    state: &mut State,
    journal: &Journal,
    now: Timestamp,
    module: &str,
    fields: &[(&str, &str)],
) -> Option<String> {
    let at = state.catalogue.find(module)?;
    if fields
        .iter()
        .any(|(name, _)| state.catalogue.module(at).field(name).is_none())
    {
        return None;
    }
    let mut call = person(state, journal, now)?;
    call.create_in_ui(at, &element(fields)).ok()
}

/// Changes a record, and nothing when a field is unknown.
pub(super) fn edit(
    state: &mut State,
    journal: &Journal,
    now: Timestamp,
    id: &str,
    changes: &[(&str, &str)],
) -> bool {
    let Some((module, _)) = state.locate(state.canonical, id) else {
        return false;
    };
    if changes
        .iter()
        .any(|(name, _)| state.catalogue.module(module).field(name).is_none())
    {
        return false;
    }
    person(state, journal, now)
        .is_some_and(|mut call| call.edit_in_ui(id, &element(changes)).is_ok())
}

/// Deletes a record.
pub(super) fn remove(state: &mut State, journal: &Journal, now: Timestamp, id: &str) -> bool {
    if state.locate(state.canonical, id).is_none() {
        return false;
    }
    person(state, journal, now).is_some_and(|mut call| call.delete(id).is_ok())
}
