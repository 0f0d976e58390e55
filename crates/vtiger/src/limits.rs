//! What the columns behind a field hold, where `describe` does not tell.

use crate::config::Edition;

/// What one field can hold. Everything is optional: what is unknown is not enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FieldLimits {
    /// Longest text, in characters; longer values are cut silently by the database.
    pub length: Option<u32>,
    /// Digits kept after the decimal point; further ones are rounded away.
    pub scale: Option<u32>,
    /// Digits kept before the decimal point; larger numbers become the column's largest.
    pub integer_digits: Option<u32>,
}

impl FieldLimits {
    /// A text limit in characters.
    #[must_use]
    pub const fn length(characters: u32) -> Self {
        Self {
            length: Some(characters),
            scale: None,
            integer_digits: None,
        }
    }

    /// A decimal column: digits before and after the point.
    #[must_use]
    pub const fn decimal(integer_digits: u32, scale: u32) -> Self {
        Self {
            length: None,
            scale: Some(scale),
            integer_digits: Some(integer_digits),
        }
    }
}

/// Column widths of a freshly installed open-source vTiger 8.0, in characters.
const FRESH_WIDTHS: &[(&str, &[(&str, u32)])] = &[
    (
        "Contacts",
        &[
            ("firstname", 40),
            ("lastname", 80),
            ("email", 100),
            ("phone", 50),
            ("mobile", 50),
            ("title", 50),
            ("department", 30),
            ("mailingstreet", 250),
            ("mailingcity", 40),
            ("mailingcountry", 40),
            ("mailingstate", 30),
            ("mailingzip", 30),
            ("mailingpobox", 30),
        ],
    ),
    (
        "Leads",
        &[
            ("firstname", 40),
            ("lastname", 80),
            ("company", 100),
            ("email", 100),
            ("designation", 50),
            ("lane", 250),
            ("city", 30),
            ("country", 30),
            ("state", 30),
        ],
    ),
    ("Accounts", &[("accountname", 100)]),
    ("Calendar", &[("subject", 255), ("location", 150)]),
    ("Events", &[("subject", 255), ("location", 150)]),
    (
        "Users",
        &[("first_name", 30), ("last_name", 30), ("title", 50)],
    ),
];

/// The widest one-line custom field vTiger's field editor can make.
const WIDEST_CUSTOM_TEXT: u32 = 255;

/// The limits of a field of a fresh installation, by what `describe` says its type is.
///
/// Core columns can be widened and custom fields are made with any width up to 255, so these are defaults:
/// [`ClientConfig::field_limits`](crate::ClientConfig::field_limits) overrides them.
pub(crate) fn fresh(edition: Edition, module: &str, field: &str, type_name: &str) -> FieldLimits {
    if edition == Edition::Cloud {
        // Cloud's describe carries the lengths.
        return FieldLimits::default();
    }
    if let Some(width) = fresh_width(module, field) {
        return FieldLimits::length(width);
    }
    if !field.starts_with("cf_") {
        return FieldLimits::default();
    }
    match type_name {
        "string" | "url" | "email" | "phone" => FieldLimits::length(WIDEST_CUSTOM_TEXT),
        "double" => FieldLimits::decimal(11, 2),
        "currency" => FieldLimits::decimal(10, 2),
        _ => FieldLimits::default(),
    }
}

fn fresh_width(module: &str, field: &str) -> Option<u32> {
    let (_, widths) = FRESH_WIDTHS.iter().find(|(name, _)| *name == module)?;
    widths
        .iter()
        .find(|(name, _)| *name == field)
        .map(|(_, width)| *width)
}
