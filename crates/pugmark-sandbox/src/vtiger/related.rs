//! Relations: comments and activities of a record.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::catalogue::ModuleIndex;
use super::failure::{Answer, Failure};
use super::records::Call;
use super::vtql;

/// Related lists by module: label and module.
const RELATIONS: [(&str, &[(&str, &str)]); 3] = [
    (
        "Contacts",
        &[
            ("Potentials", "Potentials"),
            ("Activities", "Calendar"),
            ("Emails", "Emails"),
            ("HelpDesk", "HelpDesk"),
            ("Quotes", "Quotes"),
            ("Purchase Order", "PurchaseOrder"),
            ("Sales Order", "SalesOrder"),
            ("Products", "Products"),
            ("Activity History", "Calendar"),
            ("Documents", "Documents"),
            ("Campaigns", "Campaigns"),
            ("Invoice", "Invoice"),
            ("PBXManager", "PBXManager"),
            ("Service Contracts", "ServiceContracts"),
            ("Services", "Services"),
            ("Projects", "Project"),
            ("ModComments", "ModComments"),
            ("Assets", "Assets"),
            ("Vendors", "Vendors"),
        ],
    ),
    (
        "Leads",
        &[
            ("Activities", "Calendar"),
            ("Emails", "Emails"),
            ("Activity History", "Calendar"),
            ("Documents", "Documents"),
            ("Products", "Products"),
            ("Campaigns", "Campaigns"),
            ("PBXManager", "PBXManager"),
            ("Services", "Services"),
            ("ModComments", "ModComments"),
        ],
    ),
    ("Calendar", &[("Contacts", "Contacts")]),
];

fn relations(module: &str) -> &'static [(&'static str, &'static str)] {
    RELATIONS
        .iter()
        .find(|(name, _)| *name == module)
        .map_or(&[], |(_, list)| *list)
}

/// `relatedtypes`.
pub(super) fn types(call: &Call<'_>, module: &str) -> Answer {
    if !call.state.catalogue.is_listed(module) {
        return Err(Failure::denied_for(&format!("name : {module}")));
    }
    let list = relations(module);
    let names: Vec<&str> = list.iter().map(|(_, name)| *name).collect();
    let information: Map<String, Value> = list
        .iter()
        .map(|(label, name)| {
            (
                (*label).to_owned(),
                json!({ "name": name, "label": label, "isEntity": "1" }),
            )
        })
        .collect();
    Ok(json!({ "types": names, "information": information }))
}

/// `retrieve_related`: whole records, without labels.
pub(super) fn retrieve(call: &Call<'_>, id: &str, label: &str) -> Answer {
    let (module, numbers) = members(call, id, label)?;
    let Some(module) = module else {
        return Ok(json!([]));
    };
    let seen = |number: &&u64| {
        let row = call.state.store.row(module, **number);
        row.is_some_and(|row| call.state.shows(call.reader(), module, row))
    };
    let records = numbers
        .iter()
        .filter(seen)
        .map(|number| Value::Object(call.record_without_label(module, *number)));
    Ok(records.collect())
}

/// `query_related`: a query without its semicolon, its `WHERE` in capitals.
pub(super) fn query(call: &mut Call<'_>, text: &str, id: &str, label: &str) -> Answer {
    if text.trim_end().ends_with(';') {
        return Err(unknown_relation());
    }
    // The relation's own condition is put in as a second `WHERE` when the first is not found.
    if !text.contains("WHERE") && text.to_ascii_lowercase().contains(" where ") {
        let message = "Syntax Error on line 1: token 'WHERE' Unexpected WHERE(WHERE), expected one of: SEMICOLON";
        return Err(Failure::syntax(message.into()));
    }
    let (module, numbers) = members(call, id, label)?;
    let parsed = vtql::parse(call.dialect, &format!("{text};"))?;
    let reader = call.reader();
    match module {
        Some(module) => vtql::run(
            call.state,
            reader,
            module,
            &parsed,
            &vtql::Scope::Only(numbers),
        ),
        None => Ok(json!([])),
    }
}

/// `add_related` reports success whatever the label, and for the modules modelled here changes nothing.
pub(super) fn add(call: &Call<'_>, source: &str) -> Answer {
    call.resolve(source).map_err(|_| Failure::unknown_error())?;
    Ok(json!({ "message": "successfull" }))
}

fn unknown_relation() -> Failure {
    Failure::refused("UNKOWN_ENTITY", "Relation specified is incorrect")
}

/// The related records: none of a module that is not modelled, or whose relation is kept in a table of its own.
fn members(
    call: &Call<'_>,
    id: &str,
    label: &str,
) -> Result<(Option<ModuleIndex>, BTreeSet<u64>), Failure> {
    let (module, number) = call.resolve(id)?;
    let name = &call.state.catalogue.module(module).name;
    let relation = relations(name).iter().find(|(own, _)| *own == label);
    let (_, target) = relation.ok_or_else(unknown_relation)?;
    let Some(target) = call.state.catalogue.find(target) else {
        return Ok((None, BTreeSet::new()));
    };
    let about = call.state.catalogue.module(target);
    let links: Vec<usize> = ["related_to", "contact_id", "parent_id"]
        .iter()
        .filter_map(|field| about.field(field))
        .collect();
    let wanted = number.to_string();
    let linked = call.state.store.rows(target).filter(|(_, row)| {
        about.name != "Documents"
            && links
                .iter()
                .any(|&link| row[link].as_deref() == Some(wanted.as_str()))
    });
    Ok((Some(target), linked.map(|(number, _)| number).collect()))
}
