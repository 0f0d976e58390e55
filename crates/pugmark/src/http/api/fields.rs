//! Rules of single fields, for every resource that has such a field, and the words of MicroBima's API that stand for labels
//! of its database.

use garde::Result;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// Words of MicroBima's API and labels of its database.
pub(crate) type Words = [(&'static str, &'static str)];

pub(crate) const GENDERS: [(&str, &str); 3] = [
    ("male", "MALE"),
    ("female", "FEMALE"),
    ("prefer_not_to_say", "PREFER_NOT_TO_SAY"),
];
pub(crate) const ID_TYPES: [(&str, &str); 5] = [
    ("national", "NATIONAL_ID"),
    ("alien", "ALIEN"),
    ("passport", "PASSPORT"),
    ("birth_certificate", "BIRTH_CERTIFICATE"),
    ("military", "MILITARY"),
];

pub(super) const RELATIONSHIPS: [(&str, &str); 6] = [
    ("spouse", "SPOUSE"),
    ("child", "CHILD"),
    ("parent", "PARENT"),
    ("sibling", "SIBLING"),
    ("friend", "FRIEND"),
    ("other", "OTHER"),
];

/// The word for a label; a label that is none of ours stays as it is.
pub(super) fn word_of(words: &Words, label: &str) -> String {
    words
        .iter()
        .find(|(_, known)| *known == label)
        .map_or_else(|| label.to_owned(), |(word, _)| (*word).to_owned())
}

/// The label for a word or a label, in letters of any case; `None` when it is neither.
pub(crate) fn label_of(words: &Words, word: &str) -> Option<String> {
    words
        .iter()
        .find(|(known, label)| known.eq_ignore_ascii_case(word) || label.eq_ignore_ascii_case(word))
        .map(|(_, label)| (*label).to_owned())
}

/// The same, where what is neither word nor label stays as it is: an old row may hold it.
pub(super) fn label_or_same(words: &Words, word: String) -> String {
    label_of(words, &word).unwrap_or(word)
}

pub(crate) fn is_name(value: &str, (): &()) -> Result {
    is_text(value, 1, 50)
}

/// A name as MicroBima keeps those of dependants: with the spaces it was typed with, but not of spaces alone.
pub(super) fn is_untrimmed_name(value: &str, (): &()) -> Result {
    if value.trim().is_empty() {
        return Err(garde::Error::new("is required"));
    }
    is_text(value, 1, 50)
}

/// A customer's; MicroBima's API has that rule for customers alone.
pub(crate) fn is_id_number(value: &str, (): &()) -> Result {
    is_text(value, 5, 9)
}

/// Anybody's document, up to what the column holds.
pub(super) fn is_document_number(value: &str, (): &()) -> Result {
    is_text(value, 1, 20)
}

/// The longest address that mail can be sent to, RFC 5321.
const LONGEST_EMAIL: usize = 254;

pub(crate) fn is_email(value: &str, (): &()) -> Result {
    is_text(value, 1, LONGEST_EMAIL)?;
    if email_address::EmailAddress::is_valid(value) {
        return Ok(());
    }
    Err(garde::Error::new(
        "must be an e-mail address such as achieng@example.co.ke",
    ))
}

/// A dependant's: the column is shorter.
pub(super) fn is_short_email(value: &str, (): &()) -> Result {
    is_text(value, 1, 100)?;
    is_email(value, &())
}

/// Text of this many characters, none of them a control character.
pub(super) fn is_text(value: &str, shortest: usize, longest: usize) -> Result {
    if value.is_empty() {
        return Err(garde::Error::new("is required"));
    }
    if !(shortest..=longest).contains(&value.chars().count()) {
        return Err(garde::Error::new(format!(
            "must have {shortest} to {longest} characters"
        )));
    }
    if value.chars().any(char::is_control) {
        return Err(garde::Error::new(
            "must not contain control characters such as line breaks",
        ));
    }
    Ok(())
}

pub(crate) fn is_phone(value: &str, (): &()) -> Result {
    if value.is_empty() {
        return Err(garde::Error::new("is required"));
    }
    let digits = value.chars().filter(char::is_ascii_digit).count();
    let spelled = value
        .chars()
        .all(|letter| letter.is_ascii_digit() || "+-() ".contains(letter));
    if !spelled || !(9..=15).contains(&digits) || value.len() > 20 {
        return Err(garde::Error::new(
            "must be a phone number of 9 to 15 digits, at most 20 characters, such as 0712345678",
        ));
    }
    Ok(())
}

pub(crate) fn is_birth_date(value: &str, (): &()) -> Result {
    let date: Date = value
        .parse()
        .map_err(|_| garde::Error::new("must be a date of the calendar in the form YYYY-MM-DD"))?;
    let tomorrow = jiff::Zoned::now()
        .date()
        .saturating_add(jiff::Span::new().days(1));
    if date > tomorrow || date.year() < 1850 {
        return Err(garde::Error::new(
            "must be a day on which a living person can have been born",
        ));
    }
    Ok(())
}

pub(super) fn is_gender(value: &str, (): &()) -> Result {
    one_of_words(&GENDERS, value)
}

pub(super) fn is_id_type(value: &str, (): &()) -> Result {
    one_of_words(&ID_TYPES, value)
}

pub(super) fn is_relationship(value: &str, (): &()) -> Result {
    one_of_words(&RELATIONSHIPS, value)
}

fn one_of_words(words: &Words, value: &str) -> Result {
    if label_of(words, value).is_some() {
        return Ok(());
    }
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    not_one_of(&known, value)
}

/// One of these labels, letter for letter.
pub(super) fn one_of(labels: &[&str], value: &str) -> Result {
    if labels.contains(&value) {
        return Ok(());
    }
    not_one_of(labels, value)
}

fn not_one_of(known: &[&str], value: &str) -> Result {
    if value.is_empty() {
        return Err(garde::Error::new("is required"));
    }
    Err(garde::Error::new(format!(
        "must be one of {}",
        known.join(", ")
    )))
}

pub(super) fn is_uuid(value: &str, (): &()) -> Result {
    // The other spellings that the library reads (braces, urn:) are not those of the databases.
    let plain = value.len() == 36 && uuid::Uuid::parse_str(value).is_ok();
    plain
        .then_some(())
        .ok_or_else(|| garde::Error::new("must be a UUID"))
}

pub(super) fn is_time(value: &str, (): &()) -> Result {
    time(value).map(drop).ok_or_else(|| {
        garde::Error::new(
            "must be a time such as 2026-11-21T10:30:00Z or a day such as 2026-11-21, from 1970 to 2199",
        )
    })
}

/// The instant that a text means. Digits without an offset are taken as they are, as MicroBima takes those of M-Pesa; a day
/// alone is its midnight.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    let at: Timestamp = text.parse().ok().or_else(|| {
        let digits: DateTime = text.parse().ok()?;
        Some(digits.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })?;
    let year = at.to_zoned(TimeZone::UTC).year();
    (1970..2200).contains(&year).then_some(at)
}
