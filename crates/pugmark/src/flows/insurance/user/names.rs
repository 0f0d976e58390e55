//! First and last name of a CRM user, from the one name that an ambassador has.

/// First and last name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullName {
    /// Everything but the last word.
    pub first: String,
    /// The last word.
    pub last: String,
}

/// What stands for the last name of somebody with one name: vTiger demands both.
const NO_LAST_NAME: &str = "-";

/// Splits a display name: the last word is the last name.
pub fn split(display_name: &str) -> FullName {
    let words: Vec<&str> = display_name.split_whitespace().collect();
    let (first, last) = match words.as_slice() {
        [] => (NO_LAST_NAME.to_owned(), NO_LAST_NAME.to_owned()),
        [only] => ((*only).to_owned(), NO_LAST_NAME.to_owned()),
        [first @ .., last] => (first.join(" "), (*last).to_owned()),
    };
    FullName { first, last }
}
