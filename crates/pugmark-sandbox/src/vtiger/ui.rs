//! What people do in the user interface, past the web service.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::catalogue::ModuleIndex;
use super::principals::Actor;
use super::records::Call;
use super::state::State;
use crate::journal::Journal;

/// `source` of records made in the user interface.
const SOURCE: &str = "CRM";

/// The person is always the first user.
const PERSON: u64 = 1;

/// The call that a person's act in the pages is.
pub(super) fn person<'a>(
    state: &'a mut State,
    journal: &'a Journal,
    now: Timestamp,
) -> Option<Call<'a>> {
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
pub(super) fn insert(call: &mut Call<'_>, module: &str, fields: &[(&str, &str)]) -> Option<String> {
    let at = call.state.catalogue.find(module)?;
    if !knows(call, at, fields) {
        return None;
    }
    call.create_in_ui(at, &element(fields)).ok()
}

/// Changes a record, and nothing when a field is unknown.
pub(super) fn edit(call: &mut Call<'_>, id: &str, changes: &[(&str, &str)]) -> bool {
    let module = call.state.locate(call.dialect, id);
    module.is_some_and(|(module, _)| knows(call, module, changes))
        && call.edit_in_ui(id, &element(changes)).is_ok()
}

/// Deletes a record.
pub(super) fn remove(call: &mut Call<'_>, id: &str) -> bool {
    call.state.locate(call.dialect, id).is_some() && call.delete(id).is_ok()
}

fn knows(call: &Call<'_>, module: ModuleIndex, fields: &[(&str, &str)]) -> bool {
    let about = call.state.catalogue.module(module);
    fields.iter().all(|(name, _)| about.field(name).is_some())
}
