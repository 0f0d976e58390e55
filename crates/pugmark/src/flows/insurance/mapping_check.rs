//! Whether a mapping can work in this CRM, and if not, what is wrong with which of its columns. Pure.

use vtiger::{Field, FieldType, Module};

use super::contact::back::is_writable;
use super::sources::{self, Kind, SOURCES, Source};
use crate::crm::CONTACTS;
use crate::crm::contact_fields::{REFERENCE, find};
use crate::problem::Code;
use crate::store::customer_edits::WRITABLE;
use crate::store::field_mapping::{Direction, FieldKind, Mapping};

/// MicroBima's ids are UUIDs.
const LENGTH_OF_ID: u32 = 36;

/// What is wrong with a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The column at fault, by its name in the API.
    pub column: &'static str,
    /// The code that docs/errors.md explains.
    pub code: Code,
    /// What is wrong and what would be right, for people.
    pub what: String,
}

fn wrong(column: &'static str, code: Code, what: impl Into<String>) -> Wrong {
    Wrong {
        column,
        code,
        what: what.into(),
    }
}

/// What can be judged without the CRM: module, source, and whether the source can be that kind of value.
///
/// # Errors
/// What is wrong.
pub fn check_alone(mapping: &Mapping) -> Result<&'static Source, Wrong> {
    if mapping.module != CONTACTS {
        let what = format!(
            "must be {CONTACTS}: customers become records of no other module, so `{}` would never be filled",
            mapping.module
        );
        return Err(wrong("vtigerModule", Code::MappingModule, what));
    }
    let name = mapping.field.microbima_field.as_str();
    let source = sources::find(name).ok_or_else(|| {
        let known: Vec<&str> = SOURCES.iter().map(|source| source.name).collect();
        let what = format!(
            "`{name}` is no known source; known are {}",
            known.join(", ")
        );
        wrong("microbimaField", Code::MappingSource, what)
    })?;
    let kind = mapping.field.kind;
    if !can_be(source.kind, kind) {
        let what = format!(
            "`{name}` is {} and cannot be {}; use {}",
            source.kind.words(),
            kind.as_str(),
            kinds_of(source.kind).join(" or "),
        );
        return Err(wrong("fieldType", Code::MappingSource, what));
    }
    if name == REFERENCE && (kind != FieldKind::Text || mapping.direction == Direction::FromCrm) {
        let what = "the reference by which contacts are found again is TEXT and goes to the CRM";
        return Err(wrong("fieldType", Code::MappingNeeded, what));
    }
    if mapping.direction != Direction::ToCrm && !is_writable(name) {
        let what = format!(
            "`{name}` is {}: never taken over from vTiger; use to_crm. Taken over can be {}",
            source.meaning.to_lowercase(),
            WRITABLE.join(", ")
        );
        return Err(wrong("direction", Code::MappingNotBack, what));
    }
    Ok(source)
}

fn can_be(source: Kind, kind: FieldKind) -> bool {
    match kind {
        FieldKind::Text => true,
        FieldKind::Number => matches!(source, Kind::Number | Kind::Text),
        FieldKind::Date => matches!(source, Kind::Date | Kind::Instant | Kind::Text),
        FieldKind::Boolean => matches!(source, Kind::Flag | Kind::Text),
    }
}

fn kinds_of(source: Kind) -> Vec<&'static str> {
    [
        FieldKind::Text,
        FieldKind::Number,
        FieldKind::Date,
        FieldKind::Boolean,
    ]
    .into_iter()
    .filter(|kind| can_be(source, *kind))
    .map(FieldKind::as_str)
    .collect()
}

/// The field of this CRM that the mapping fills, when it can.
///
/// # Errors
/// What is wrong.
pub fn check_field<'m>(module: &'m Module, mapping: &Mapping) -> Result<&'m Field, Wrong> {
    let field = field_of(module, &mapping.field.vtiger_field_name)?;
    let shown = shown(field);
    let sent = mapping.direction != Direction::FromCrm;
    if sent && (!field.editable || set_by_vtiger(&field.field_type)) {
        let what = format!("{shown} is read-only: vTiger sets it itself, or the CRM user may not");
        return Err(wrong("vtigerFieldName", Code::MappingFieldReadOnly, what));
    }
    if !holds(&field.field_type, mapping.field.kind) {
        let what = match fitting(&field.field_type) {
            Some(kind) => format!(
                "{shown} holds {}, not {}; use {}",
                words_of(&field.field_type),
                mapping.field.kind.as_str(),
                kind.as_str()
            ),
            None => format!(
                "{shown} holds {}, which no mapping can fill",
                words_of(&field.field_type)
            ),
        };
        return Err(wrong("fieldType", Code::MappingFieldType, what));
    }
    let short = field.length.is_some_and(|length| length < LENGTH_OF_ID);
    if mapping.field.microbima_field == REFERENCE && short {
        let what = format!(
            "{shown} is too short for the customer's id, which has {LENGTH_OF_ID} characters"
        );
        return Err(wrong("vtigerFieldName", Code::MappingFieldType, what));
    }
    Ok(field)
}

fn field_of<'m>(module: &'m Module, name: &str) -> Result<&'m Field, Wrong> {
    if let Some(field) = find(module, name) {
        return Ok(field);
    }
    let alike = module.fields_by_label(name);
    let what = if alike.len() > 1 {
        let names: Vec<&str> = alike.iter().map(|field| field.name.as_str()).collect();
        format!(
            "several fields are labelled `{name}`; name one of {}",
            names.join(", ")
        )
    } else {
        format!(
            "{CONTACTS} have no field `{name}`, neither by API name nor by label; make it (Settings, Module Layouts & Fields) or name another"
        )
    };
    Err(wrong("vtigerFieldName", Code::MappingFieldMissing, what))
}

/// That no other mapping fills the same field or carries the same source, whatever words it names the field by.
///
/// # Errors
/// What is wrong.
pub fn check_others(
    module: Option<&Module>,
    mapping: &Mapping,
    others: &[Mapping],
) -> Result<(), Wrong> {
    let meant = |name: &str| {
        module
            .and_then(|module| find(module, name))
            .map(|field| field.name.clone())
    };
    let field = meant(&mapping.field.vtiger_field_name);
    let same_module = others
        .iter()
        .filter(|other| other.id != mapping.id && other.module == mapping.module);
    for other in same_module {
        let which = match other.is_active {
            true => format!("mapping {}", other.id),
            false => format!("the inactive mapping {}", other.id),
        };
        if other.field.microbima_field == mapping.field.microbima_field {
            let what = format!(
                "`{}` is carried by {which} to `{}`; change or remove that one",
                other.field.microbima_field, other.field.vtiger_field_name
            );
            return Err(wrong("microbimaField", Code::MappingTaken, what));
        }
        let same_name = other.field.vtiger_field_name == mapping.field.vtiger_field_name;
        let same_field = field.is_some() && field == meant(&other.field.vtiger_field_name);
        if same_name || same_field {
            let what = format!(
                "`{}` is filled by {which} with `{}`; change or remove that one",
                mapping.field.vtiger_field_name, other.field.microbima_field
            );
            return Err(wrong("vtigerFieldName", Code::MappingTaken, what));
        }
    }
    Ok(())
}

/// That what deliveries cannot do without stays: the reference, and mandatory fields that nothing else would fill. `after` is
/// the mapping as it would be, `None` when it is removed; `linked` counts the contacts that carry the reference.
///
/// # Errors
/// What is wrong.
pub fn check_change(
    module: &Module,
    before: &Mapping,
    after: Option<&Mapping>,
    filled_anyway: impl Fn(&str) -> bool,
    linked: i64,
) -> Result<(), Wrong> {
    let field_before = find(module, &before.field.vtiger_field_name);
    let field_after = after
        .filter(|after| after.carries_to_crm())
        .and_then(|after| find(module, &after.field.vtiger_field_name));
    if before.field.microbima_field == REFERENCE && before.is_active {
        let stays = after.is_some_and(|after| {
            after.carries_to_crm() && after.field.microbima_field == REFERENCE
        });
        if !stays {
            let what = "carries the reference by which contacts are found again: without it none is created";
            return Err(wrong("microbimaField", Code::MappingNeeded, what));
        }
        if let (Some(old), Some(new)) = (field_before, field_after)
            && old.name != new.name
            && linked > 0
        {
            let what = format!(
                "{linked} contact(s) carry the reference in {}; in another field they could not be found again",
                shown(old)
            );
            return Err(wrong("vtigerFieldName", Code::MappingNeeded, what));
        }
    }
    match field_before {
        Some(field)
            if before.carries_to_crm()
                && field.mandatory
                && field_after.is_none_or(|after| after.name != field.name)
                && !filled_anyway(&field.name) =>
        {
            let what = format!(
                "vTiger demands {}, and nothing else would fill it: set vtiger.contact_defaults.{} first",
                shown(field),
                field.name
            );
            Err(wrong("vtigerFieldName", Code::MappingNeeded, what))
        }
        _ => Ok(()),
    }
}

fn shown(field: &Field) -> String {
    format!("`{}` ({})", field.name, field.label)
}

fn set_by_vtiger(kind: &FieldType) -> bool {
    matches!(
        kind,
        FieldType::AutoGenerated | FieldType::File | FieldType::Image | FieldType::Password
    )
}

/// Whether a field of this type can hold such a value.
fn holds(field: &FieldType, kind: FieldKind) -> bool {
    fitting(field) == Some(kind)
}

/// The kind of value that a field of this type holds; `None` when no mapping can fill it.
fn fitting(field: &FieldType) -> Option<FieldKind> {
    match field {
        FieldType::String
        | FieldType::Text
        | FieldType::Email
        | FieldType::Phone
        | FieldType::Url
        | FieldType::Picklist(_)
        | FieldType::MultiPicklist(_) => Some(FieldKind::Text),
        FieldType::Integer | FieldType::Double | FieldType::Currency => Some(FieldKind::Number),
        FieldType::Date => Some(FieldKind::Date),
        FieldType::Boolean => Some(FieldKind::Boolean),
        _ => None,
    }
}

/// What a field of this type holds, for people.
fn words_of(field: &FieldType) -> &str {
    match field {
        FieldType::Integer => "a whole number",
        FieldType::Double => "a number",
        FieldType::Currency => "an amount of money",
        FieldType::Boolean => "yes or no",
        FieldType::Date => "a date",
        FieldType::Time => "a time of day",
        FieldType::DateTime => "a point in time",
        FieldType::Picklist(_) | FieldType::MultiPicklist(_) => "one of a list of words",
        FieldType::Reference(_) => "a reference to another record",
        FieldType::Owner => "a user or a group",
        FieldType::Password => "a password",
        FieldType::AutoGenerated => "a number that vTiger gives",
        FieldType::File | FieldType::Image => "a file",
        _ => "a text",
    }
}

/// The word by which the API tells a field's type.
pub fn type_word(field: &FieldType) -> &str {
    match field {
        FieldType::String => "string",
        FieldType::Text => "text",
        FieldType::Email => "email",
        FieldType::Phone => "phone",
        FieldType::Url => "url",
        FieldType::Password => "password",
        FieldType::Integer => "integer",
        FieldType::Double => "double",
        FieldType::Currency => "currency",
        FieldType::Boolean => "boolean",
        FieldType::Date => "date",
        FieldType::Time => "time",
        FieldType::DateTime => "datetime",
        FieldType::Picklist(_) => "picklist",
        FieldType::MultiPicklist(_) => "multipicklist",
        FieldType::Reference(_) => "reference",
        FieldType::Owner => "owner",
        FieldType::AutoGenerated => "autogenerated",
        FieldType::File => "file",
        FieldType::Image => "image",
        FieldType::Other(name) => name,
        _ => "other",
    }
}
