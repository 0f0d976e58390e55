//! Which fields of which person MicroBima must know, and the rows of `missing_requirements` that say which it does not.

use pugmark_queue::db::{Conn, DbError, Ts};
use uuid::Uuid;

use crate::store::beneficiaries::{self, Beneficiary};
use crate::store::dependants::{self, Dependant};
use crate::store::missing_requirements::{self, MissingRequirement, NewRequirement};
use crate::store::page::Wanted;
use crate::store::{agent_registrations, change_log, customers};

/// Who resolves what nobody in particular resolves.
pub const SYSTEM: &str = "system";

/// A field of a person, and whether it is blank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredField {
    /// Label of `RegistrationEntityKind`.
    pub kind: &'static str,
    /// `dependants.id` or `beneficiaries.id`.
    pub entity: String,
    /// Name in camel case.
    pub field: &'static str,
    /// Whether it is missing.
    pub blank: bool,
}

/// What must be known of a dependant: nothing of one who is neither spouse nor child.
pub fn of_dependant(dependant: &Dependant) -> Vec<RequiredField> {
    let person = &dependant.person;
    let (first, last) = (Some(&person.first_name), Some(&person.last_name));
    let (born, gender) = (person.date_of_birth.as_ref(), person.gender.as_ref());
    let (kind, fields) = match person.relationship.as_str() {
        "SPOUSE" => (
            "SPOUSE",
            vec![
                ("firstName", first),
                ("lastName", last),
                ("idNumber", person.id_number.as_ref()),
                ("gender", gender),
                ("dateOfBirth", born),
            ],
        ),
        "CHILD" => (
            "CHILD",
            vec![
                ("firstName", first),
                ("lastName", last),
                ("dateOfBirth", born),
                ("gender", gender),
            ],
        ),
        _ => return Vec::new(),
    };
    required(kind, &dependant.id, fields)
}

/// What must be known of a beneficiary, as far as the row holds it: documents of beneficiaries stand elsewhere in MicroBima.
pub fn of_beneficiary(beneficiary: &Beneficiary) -> Vec<RequiredField> {
    let person = &beneficiary.person;
    let fields = vec![
        ("firstName", Some(&person.first_name)),
        ("lastName", Some(&person.last_name)),
    ];
    required("BENEFICIARY", &beneficiary.id, fields)
}

fn required(
    kind: &'static str,
    entity: &str,
    fields: Vec<(&'static str, Option<&String>)>,
) -> Vec<RequiredField> {
    fields
        .into_iter()
        .map(|(field, value)| RequiredField {
            kind,
            entity: entity.to_owned(),
            field,
            blank: value.is_none_or(|value| value.trim().is_empty()),
        })
        .collect()
}

/// What has to be written so that the open rows of a customer are the blank fields again.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Blank fields without an open row.
    pub missing: Vec<RequiredField>,
    /// Ids of open rows whose field is filled in now.
    pub filled: Vec<String>,
}

/// Compares the fields with the open rows. Rows that name no person, or one who is not among the fields, are left alone.
pub fn differences(fields: &[RequiredField], open: &[MissingRequirement]) -> Differences {
    let is_about = |row: &MissingRequirement, field: &RequiredField| {
        row.entity_kind == field.kind
            && row.field_path == field.field
            && row.entity_id.as_deref() == Some(&field.entity)
    };
    Differences {
        missing: fields
            .iter()
            .filter(|field| field.blank && !open.iter().any(|row| is_about(row, field)))
            .cloned()
            .collect(),
        filled: open
            .iter()
            .filter(|row| {
                fields
                    .iter()
                    .any(|field| !field.blank && is_about(row, field))
            })
            .map(|row| row.id.clone())
            .collect(),
    }
}

/// Most people of one customer.
const MOST: u32 = 1_000;

/// Brings the rows of a customer in line with the people, as MicroBima does whenever one of them is edited. A customer whom no
/// agent registered has no rows. Rows of people who were removed are resolved, too.
///
/// # Errors
/// Whatever the database says.
pub async fn reconcile(
    conn: &mut Conn,
    customer: &str,
    correlation_id: &str,
    now: Ts,
) -> Result<(), DbError> {
    let Some(registration) = agent_registrations::latest_of(conn, customer).await? else {
        return Ok(());
    };
    let all = Wanted {
        after: None,
        limit: MOST,
    };
    let dependants = dependants::of_customer(conn, customer, true, &all).await?;
    let beneficiaries = beneficiaries::of_customer(conn, customer, true, &all).await?;
    let of_dependants = dependants
        .iter()
        .map(|person| (of_dependant(person), person.deleted_at.is_some()));
    let of_beneficiaries = beneficiaries
        .iter()
        .map(|person| (of_beneficiary(person), person.deleted_at.is_some()));
    let fields: Vec<RequiredField> = of_dependants
        .chain(of_beneficiaries)
        .flat_map(|(fields, removed)| {
            fields.into_iter().map(move |field| RequiredField {
                blank: field.blank && !removed,
                ..field
            })
        })
        .collect();
    let open = missing_requirements::open_of_customer(conn, customer).await?;
    let Differences { missing, filled } = differences(&fields, &open);
    for row in &filled {
        missing_requirements::close(conn, row, "RESOLVED", Some(SYSTEM), now).await?;
        change_log::correlate(conn, "missing_requirements", row, correlation_id).await?;
    }
    let new: Vec<NewRequirement> = missing
        .into_iter()
        .map(|field| NewRequirement {
            id: Uuid::new_v4().to_string(),
            registration_id: registration.id.clone(),
            customer_id: customer.to_owned(),
            partner_id: registration.partner_id,
            entity_kind: field.kind.to_owned(),
            entity_id: Some(field.entity),
            field_path: field.field.to_owned(),
        })
        .collect();
    if !new.is_empty() {
        missing_requirements::insert(conn, &new, now).await?;
        for row in &new {
            change_log::correlate(conn, "missing_requirements", &row.id, correlation_id).await?;
        }
    }
    customers::note_missing_requirements(conn, customer, now).await
}
