//! What people do in the user interface, past the web service.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::catalogue::ModuleIndex;
use super::conversion::Wish;
use super::crm::Crm;
use super::principals::Actor;
use super::records::Call;
use super::state::State;
use super::users;
use crate::journal::Journal;

/// `source` of records made in the user interface.
const SOURCE: &str = "CRM";

/// Who acts unless said: the first user.
pub(super) const PERSON: u64 = 1;

/// The call that a person's act in the pages is.
pub(super) fn person<'a>(
    state: &'a mut State,
    journal: &'a Journal,
    now: Timestamp,
    user: u64,
) -> Option<Call<'a>> {
    let actor = Actor::find(state, user)?;
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
        bulk: false,
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

/// Takes a record out of the recycle bin, by its id.
pub(super) fn restore(call: &mut Call<'_>, id: &str) -> bool {
    let named = || {
        let (prefix, number) = id.split_once('x')?;
        let module = call.dialect.module(prefix.parse().ok()?)?;
        Some((call.state.catalogue.find(module)?, number.parse().ok()?))
    };
    named().is_some_and(|(module, number)| call.restore(module, number))
}

/// Converts a lead into a contact, the values of some fields of the lead going to fields of the contact besides those that
/// always do; gives the contact's id. Halfway, the lead stays as it was.
pub(super) fn convert(
    call: &mut Call<'_>,
    lead: &str,
    custom: &[(&str, &str)],
    halfway: bool,
) -> Option<String> {
    let (leads, number) = call.state.locate(call.dialect, lead)?;
    let contacts = call.state.catalogue.find("Contacts")?;
    if Some(leads) != call.state.catalogue.find("Leads") || call.state.converted.contains(&number) {
        return None;
    }
    let (from, to) = (
        call.state.catalogue.module(leads),
        call.state.catalogue.module(contacts),
    );
    let mut values = Map::new();
    for (lead_field, contact_field) in custom {
        to.field(contact_field)?;
        let at = from.field(lead_field)?;
        let value = call.state.shown(call.dialect, leads, number, at);
        values.insert((*contact_field).to_owned(), json!(value));
    }
    let wish = Wish::contact(values);
    let became = call.make_of_lead(leads, number, &wish).ok()?;
    if !halfway {
        call.finish_conversion(leads, number, became, false);
    }
    let contact = became.contact?;
    Some(call.dialect.id("Contacts", contact))
}

fn knows(call: &Call<'_>, module: ModuleIndex, fields: &[(&str, &str)]) -> bool {
    let about = call.state.catalogue.module(module);
    fields.iter().all(|(name, _)| about.field(name).is_some())
}

impl Crm {
    /// What a person does in the pages; nothing when there is no user.
    pub(super) fn in_pages<T>(&self, act: impl FnOnce(&mut Call<'_>) -> T) -> Option<T> {
        self.in_pages_of(PERSON, act)
    }

    /// What this user does in the pages; nothing when there is no such user.
    pub(super) fn in_pages_of<T>(
        &self,
        user: u64,
        act: impl FnOnce(&mut Call<'_>) -> T,
    ) -> Option<T> {
        let mut state = self.state();
        let call = person(&mut state, self.journal(), self.now(), user);
        call.map(|mut call| act(&mut call))
    }

    pub(super) fn edit_as_user(&self, user: &str, id: &str, changes: &[(&str, &str)]) -> bool {
        let user = users::located(&self.state(), user);
        user.and_then(|user| self.in_pages_of(user, |call| edit(call, id, changes))) == Some(true)
    }

    /// The deleted records of a module.
    pub(super) fn recycled(&self, module: &str) -> Vec<String> {
        let state = self.state();
        let module = state.catalogue.find(module);
        module.map_or_else(Vec::new, |module| {
            let name = &state.catalogue.module(module).name;
            let numbers = state.store.recycled(module);
            numbers
                .map(|(number, _)| state.canonical.id(name, number))
                .collect()
        })
    }

    pub(super) fn edit_as_person(&self, id: &str, changes: &[(&str, &str)]) -> bool {
        self.in_pages(|call| edit(call, id, changes)) == Some(true)
    }

    pub(super) fn insert_as_person(&self, module: &str, fields: &[(&str, &str)]) -> Option<String> {
        self.in_pages(|call| insert(call, module, fields))?
    }

    pub(super) fn remove_as_person(&self, id: &str) -> bool {
        self.in_pages(|call| remove(call, id)) == Some(true)
    }
}
