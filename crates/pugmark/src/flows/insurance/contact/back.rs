//! From a field of a contact back to columns of the customer. Pure.
//!
//! The way back keeps MicroBima's own rules: what its API would refuse is not written by an edit in the CRM either.

use super::super::wording::words_of;
use crate::http::api::fields::{
    GENDERS, ID_TYPES, is_birth_date, is_email, is_id_number, is_name, is_phone, label_of,
};
use crate::store::customer_edits::{Edit, WRITABLE};
use crate::store::customers::Customer;

/// Whether an edit in the CRM may change this source.
pub fn is_writable(source: &str) -> bool {
    WRITABLE.contains(&source)
}

/// The changes of columns that bring the customer to what the contact shows, or why MicroBima cannot take the value. A value
/// that the row means already gives none. `middle_apart` says whether the middle name has a field of its own; otherwise the first
/// name's shows both.
///
/// # Errors
/// The reason, for people.
pub fn columns(
    source: &str,
    shown: &str,
    row: &Customer,
    middle_apart: bool,
) -> Result<Vec<Edit>, String> {
    let shown = shown.trim();
    let edits = match source {
        "firstName" if !middle_apart && row.middle_name.is_some() => both_names(shown, row)?,
        "firstName" => vec![needed("firstName", shown, &row.first_name, is_name)?],
        "lastName" => vec![needed("lastName", shown, &row.last_name, is_name)?],
        "phoneNumber" => vec![needed("phoneNumber", shown, &row.phone_number, is_phone)?],
        "idNumber" => vec![needed("idNumber", shown, &row.id_number, is_id_number)?],
        "middleName" => vec![optional("middleName", shown, &row.middle_name, is_name)?],
        "email" => vec![optional("email", shown, &row.email, is_email)?],
        "dateOfBirth" => vec![optional(
            "dateOfBirth",
            shown,
            &row.date_of_birth,
            is_birth_date,
        )?],
        "gender" if shown.is_empty() => vec![edit("gender", row.gender.clone(), None)],
        "gender" => {
            let label = label(shown, row.gender.as_deref(), &GENDERS)?;
            vec![edit("gender", row.gender.clone(), Some(label))]
        }
        "idType" => {
            let label = label(shown, Some(&row.id_type), &ID_TYPES)?;
            vec![edit("idType", Some(row.id_type.clone()), Some(label))]
        }
        _ => return Err("is never taken over from vTiger".to_owned()),
    };
    Ok(edits
        .into_iter()
        .filter(|edit| edit.before != edit.after)
        .collect())
}

/// A field that shows the middle name behind the first name: the last word is the middle name again.
fn both_names(shown: &str, row: &Customer) -> Result<Vec<Edit>, String> {
    let (first, middle) = match shown.rsplit_once(' ') {
        Some((first, middle)) => (first.trim_end(), middle),
        None => (shown, ""),
    };
    Ok(vec![
        needed("firstName", first, &row.first_name, is_name)?,
        optional("middleName", middle, &row.middle_name, is_name)?,
    ])
}

type Check = fn(&str, &()) -> garde::Result;

fn needed(column: &'static str, value: &str, before: &str, check: Check) -> Result<Edit, String> {
    check(value, &()).map_err(|why| why.to_string())?;
    Ok(edit(
        column,
        Some(before.to_owned()),
        Some(value.to_owned()),
    ))
}

fn optional(
    column: &'static str,
    value: &str,
    before: &Option<String>,
    check: Check,
) -> Result<Edit, String> {
    if value.is_empty() {
        // Some programs store an empty text where others store none: both mean the same.
        let after = before.clone().filter(String::is_empty);
        return Ok(edit(column, before.clone(), after));
    }
    check(value, &()).map_err(|why| why.to_string())?;
    Ok(edit(column, before.clone(), Some(value.to_owned())))
}

fn edit(column: &'static str, before: Option<String>, after: Option<String>) -> Edit {
    Edit {
        column,
        before,
        after,
    }
}

/// The label of the words that a picklist or a person uses for it. The label that the row has is understood even if it is
/// none of the known ones.
fn label(
    shown: &str,
    current: Option<&str>,
    known: &[(&'static str, &'static str)],
) -> Result<String, String> {
    let means = |label: &str| words_of(label).eq_ignore_ascii_case(shown);
    if let Some(current) = current
        && (means(current) || current.eq_ignore_ascii_case(shown))
    {
        return Ok(current.to_owned());
    }
    let by_words = known.iter().find(|(_, label)| means(label));
    by_words
        .map(|(_, label)| (*label).to_owned())
        .or_else(|| label_of(known, shown))
        .ok_or_else(|| {
            let words: Vec<String> = known.iter().map(|(_, label)| words_of(label)).collect();
            format!("must be one of {}", words.join(", "))
        })
}

/// The customer with the changes laid over it.
pub fn laid_over(row: &Customer, edits: &[Edit]) -> Customer {
    let mut row = row.clone();
    for Edit { column, after, .. } in edits {
        let text = || after.clone().unwrap_or_default();
        match *column {
            "firstName" => row.first_name = text(),
            "middleName" => row.middle_name = after.clone(),
            "lastName" => row.last_name = text(),
            "email" => row.email = after.clone(),
            "phoneNumber" => row.phone_number = text(),
            "dateOfBirth" => row.date_of_birth = after.clone(),
            "gender" => row.gender = after.clone(),
            "idType" => row.id_type = text(),
            "idNumber" => row.id_number = text(),
            _ => {}
        }
    }
    row
}
