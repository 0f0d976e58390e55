//! What adapting a value lost or could not do.

use std::fmt;

use crate::module::Field;

/// Something the caller ought to know about one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The field's name.
    pub field: String,
    /// The field's label; its name where it is unknown.
    pub label: String,
    /// What happened.
    pub what: WarningKind,
}

/// What happened to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WarningKind {
    /// Too long; only the beginning is kept.
    Cut {
        /// Characters given.
        from: usize,
        /// Characters kept.
        to: usize,
    },
    /// Characters beyond U+FFFF (emoji and the like), which the database turns into `????`, were replaced by U+FFFD `�`:
    /// one character each, so that lengths stay, and a query for the value still finds it.
    Replaced4Byte {
        /// How many characters.
        characters: usize,
    },
    /// The text contains `script` and later `/script`; vTiger will store its `<`, `>` and `"` as entities.
    ScriptEscaped,
    /// More decimals than the column keeps.
    Rounded {
        /// The number given.
        from: String,
        /// The number kept.
        to: String,
    },
    /// Not among the picklist's values; vTiger stores it all the same.
    NotInPicklist {
        /// The value.
        value: String,
    },
    /// No date or moment vTiger would read; left out.
    BadDate {
        /// The value.
        value: String,
    },
    /// No time of day; left out.
    BadTime {
        /// The value.
        value: String,
    },
    /// No number, or one larger than the column; left out.
    BadNumber {
        /// The value.
        value: String,
    },
    /// Neither yes nor no; left out.
    BadBoolean {
        /// The value.
        value: String,
    },
    /// No record id; left out.
    BadReference {
        /// The value.
        value: String,
    },
    /// A list for a field that holds a single value; left out.
    NotAList,
    /// The module has no such field; left out.
    UnknownField,
    /// The field cannot be set by this call; left out.
    ReadOnly,
}

impl Warning {
    pub(crate) fn about(field: &Field, what: WarningKind) -> Self {
        Self {
            field: field.name.clone(),
            label: field.label.clone(),
            what,
        }
    }

    /// Whether the field is not sent at all.
    #[must_use]
    pub fn leaves_field_out(&self) -> bool {
        !matches!(
            self.what,
            WarningKind::Cut { .. }
                | WarningKind::Replaced4Byte { .. }
                | WarningKind::ScriptEscaped
                | WarningKind::Rounded { .. }
                | WarningKind::NotInPicklist { .. }
        )
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({}): {}", self.label, self.field, self.what)
    }
}

impl fmt::Display for WarningKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut { from, to } => write!(formatter, "cut from {from} to {to} characters"),
            Self::Replaced4Byte { characters } => {
                write!(
                    formatter,
                    "{characters} character(s) vTiger cannot store were replaced by `�`"
                )
            }
            Self::ScriptEscaped => formatter
                .write_str("contains `script` and `/script`; vTiger stores its < > \" as entities"),
            Self::Rounded { from, to } => write!(formatter, "rounded from {from} to {to}"),
            Self::NotInPicklist { value } => write!(
                formatter,
                "`{value}` is not in the picklist; stored all the same"
            ),
            Self::BadDate { value } => {
                write!(formatter, "`{value}` is no date (YYYY-MM-DD); not sent")
            }
            Self::BadTime { value } => write!(
                formatter,
                "`{value}` is no time of day (HH:MM:SS); not sent"
            ),
            Self::BadNumber { value } => write!(
                formatter,
                "`{value}` is no number this field can hold; not sent"
            ),
            Self::BadBoolean { value } => {
                write!(formatter, "`{value}` is neither yes nor no; not sent")
            }
            Self::BadReference { value } => {
                write!(formatter, "`{value}` is no record id; not sent")
            }
            Self::NotAList => formatter.write_str("holds a single value, not a list; not sent"),
            Self::UnknownField => formatter.write_str("the module has no such field; not sent"),
            Self::ReadOnly => formatter.write_str("cannot be set; not sent"),
        }
    }
}
