//! What callers send of a customer: bodies, the rules of their fields, and the words that stand for the database's labels.

use std::collections::BTreeMap;

use garde::Validate;
use pugmark_queue::db::Ts;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::http::envelope::ApiError;
use crate::store::customers::Customer;

/// Words of MicroBima's API and labels of its database.
pub(super) const GENDERS: [(&str, &str); 3] = [
    ("male", "MALE"),
    ("female", "FEMALE"),
    ("prefer_not_to_say", "PREFER_NOT_TO_SAY"),
];
pub(super) const ID_TYPES: [(&str, &str); 5] = [
    ("national", "NATIONAL_ID"),
    ("alien", "ALIEN"),
    ("passport", "PASSPORT"),
    ("birth_certificate", "BIRTH_CERTIFICATE"),
    ("military", "MILITARY"),
];

const STATUSES: [&str; 8] = [
    "PENDING_KYC",
    "KYC_VERIFIED",
    "ACTIVE",
    "SUSPENDED",
    "TERMINATED",
    "PENDING_ACTIVATION",
    "DELETED",
    "DEACTIVATED",
];

pub(super) fn word_of(words: &[(&str, &str)], label: &str) -> String {
    words
        .iter()
        .find(|(_, known)| *known == label)
        .map_or_else(|| label.to_owned(), |(word, _)| (*word).to_owned())
}

fn label_of(words: &[(&str, &str)], word: &str) -> Option<String> {
    words
        .iter()
        .find(|(known, label)| known.eq_ignore_ascii_case(word) || label.eq_ignore_ascii_case(word))
        .map(|(_, label)| (*label).to_owned())
}

/// A new customer. What is required and left out is reported with everything else that is wrong, not by itself.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewCustomerBody {
    /// First name, 1 to 50 characters.
    #[serde(default)]
    #[schema(required = true)]
    first_name: String,
    /// Middle name, up to 50 characters.
    middle_name: Option<String>,
    /// Last name, 1 to 50 characters.
    #[serde(default)]
    #[schema(required = true)]
    last_name: String,
    /// E-mail.
    email: Option<String>,
    /// 9 to 15 digits, with `+`, spaces, dashes and brackets as people write them.
    #[serde(default)]
    #[schema(required = true)]
    phone_number: String,
    /// `YYYY-MM-DD`, not in the future.
    date_of_birth: Option<String>,
    /// `male`, `female` or `prefer_not_to_say`.
    gender: Option<String>,
    /// `national`, `alien`, `passport`, `birth_certificate` or `military`.
    #[serde(default)]
    #[schema(required = true)]
    id_type: String,
    /// 5 to 9 characters.
    #[serde(default)]
    #[schema(required = true)]
    id_number: String,
    /// Partner the customer belongs to; 1 when left out.
    #[serde(default = "first_partner")]
    pub(super) partner_id: i32,
    /// Test customers never reach the CRM.
    #[serde(default)]
    is_test_user: bool,
}

/// Changes to a customer: what is left out stays, `null` clears.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct CustomerPatchBody {
    /// First name.
    #[serde(deserialize_with = "given")]
    first_name: Option<String>,
    /// Middle name; `null` clears.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    middle_name: Option<Option<String>>,
    /// Last name.
    #[serde(deserialize_with = "given")]
    last_name: Option<String>,
    /// E-mail; `null` clears.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    email: Option<Option<String>>,
    /// Phone number.
    #[serde(deserialize_with = "given")]
    phone_number: Option<String>,
    /// Birth date; `null` clears.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    date_of_birth: Option<Option<String>>,
    /// Gender; `null` clears.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    gender: Option<Option<String>>,
    /// Kind of document.
    #[serde(deserialize_with = "given")]
    id_type: Option<String>,
    /// Number of the document.
    #[serde(deserialize_with = "given")]
    id_number: Option<String>,
    /// Label of MicroBima's `CustomerStatus`.
    #[serde(deserialize_with = "given")]
    status: Option<String>,
    /// Whether this is a test customer.
    #[serde(deserialize_with = "given")]
    is_test_user: Option<bool>,
}

/// The editable columns of a customer as they would be after the request: the same rules for a new and a changed one.
#[derive(Debug, Validate)]
pub(super) struct Edited {
    #[garde(custom(is_name))]
    pub(super) first_name: String,
    #[garde(inner(custom(is_name)))]
    pub(super) middle_name: Option<String>,
    #[garde(custom(is_name))]
    pub(super) last_name: String,
    #[garde(inner(custom(is_email)))]
    pub(super) email: Option<String>,
    #[garde(custom(is_phone))]
    pub(super) phone_number: String,
    #[garde(inner(custom(is_birth_date)))]
    pub(super) date_of_birth: Option<String>,
    #[garde(inner(custom(is_gender)))]
    pub(super) gender: Option<String>,
    #[garde(custom(is_id_type))]
    pub(super) id_type: String,
    #[garde(custom(is_id_number))]
    pub(super) id_number: String,
    #[garde(custom(is_status))]
    pub(super) status: String,
    #[garde(skip)]
    pub(super) is_test_user: bool,
}

impl NewCustomerBody {
    pub(super) fn edited(&self) -> Edited {
        Edited {
            first_name: self.first_name.trim().to_owned(),
            middle_name: blank_is_none(self.middle_name.clone()),
            last_name: self.last_name.trim().to_owned(),
            email: blank_is_none(self.email.clone()),
            phone_number: self.phone_number.trim().to_owned(),
            date_of_birth: blank_is_none(self.date_of_birth.clone()),
            gender: blank_is_none(self.gender.clone()),
            id_type: self.id_type.trim().to_owned(),
            id_number: self.id_number.trim().to_owned(),
            // What MicroBima's application writes; the column's default is never used there.
            status: "PENDING_ACTIVATION".to_owned(),
            is_test_user: self.is_test_user,
        }
    }
}

impl CustomerPatchBody {
    /// The customer with the changes laid over it, and the names of the fields the request speaks of: an old row may
    /// hold values that today's rules refuse, and those must not stand in the way of another field's change.
    pub(super) fn edited(self, row: &Customer) -> (Edited, Vec<&'static str>) {
        let mut touched = Vec::new();
        let mut text = |name: &'static str, given: Option<String>, old: &str| match given {
            Some(given) => {
                touched.push(name);
                given.trim().to_owned()
            }
            None => old.to_owned(),
        };
        let first_name = text("firstName", self.first_name, &row.first_name);
        let last_name = text("lastName", self.last_name, &row.last_name);
        let phone_number = text("phoneNumber", self.phone_number, &row.phone_number);
        let id_type = text("idType", self.id_type, &row.id_type);
        let id_number = text("idNumber", self.id_number, &row.id_number);
        let status = text("status", self.status, &row.status);
        let mut optional =
            |name: &'static str, given: Option<Option<String>>, old: &Option<String>| match given {
                Some(given) => {
                    touched.push(name);
                    blank_is_none(given)
                }
                None => old.clone(),
            };
        let edited = Edited {
            middle_name: optional("middleName", self.middle_name, &row.middle_name),
            email: optional("email", self.email, &row.email),
            date_of_birth: optional("dateOfBirth", self.date_of_birth, &row.date_of_birth),
            gender: optional("gender", self.gender, &row.gender),
            is_test_user: self.is_test_user.unwrap_or(row.is_test_user),
            first_name,
            last_name,
            phone_number,
            id_type,
            id_number,
            status,
        };
        (edited, touched)
    }
}

impl Edited {
    /// # Errors
    /// 422 with every field that breaks a rule; of a change, only the fields it speaks of.
    pub(super) fn check(&self, touched: Option<&[&str]>) -> Result<(), ApiError> {
        let Err(report) = self.validate() else {
            return Ok(());
        };
        let details: BTreeMap<String, String> = report
            .iter()
            .map(|(path, error)| (camel_case(&path.to_string()), error.message().to_owned()))
            .filter(|(name, _)| touched.is_none_or(|touched| touched.contains(&name.as_str())))
            .collect();
        if details.is_empty() {
            Ok(())
        } else {
            Err(ApiError::validation(details))
        }
    }

    /// The row, with the database's labels for the API's words; a label that is none of ours stays as it is.
    pub(super) fn into_row(self, id: String, created_at: Ts, updated_at: Ts) -> Customer {
        let label = |words, word: String| label_of(words, &word).unwrap_or(word);
        Customer {
            id,
            first_name: self.first_name,
            middle_name: self.middle_name,
            last_name: self.last_name,
            email: self.email,
            phone_number: self.phone_number,
            date_of_birth: self.date_of_birth,
            gender: self.gender.map(|word| label(&GENDERS, word)),
            id_type: label(&ID_TYPES, self.id_type),
            id_number: self.id_number,
            status: self.status,
            is_test_user: self.is_test_user,
            created_at,
            updated_at,
        }
    }
}

fn is_name(value: &str, (): &()) -> garde::Result {
    is_text(value, 1, 50)
}

fn is_id_number(value: &str, (): &()) -> garde::Result {
    is_text(value, 5, 9)
}

/// The longest address that mail can be sent to, RFC 5321.
const LONGEST_EMAIL: usize = 254;

fn is_email(value: &str, (): &()) -> garde::Result {
    is_text(value, 1, LONGEST_EMAIL)?;
    if email_address::EmailAddress::is_valid(value) {
        return Ok(());
    }
    Err(garde::Error::new(
        "must be an e-mail address such as achieng@example.co.ke",
    ))
}

fn is_text(value: &str, shortest: usize, longest: usize) -> garde::Result {
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

fn is_phone(value: &str, (): &()) -> garde::Result {
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

fn is_birth_date(value: &str, (): &()) -> garde::Result {
    let date: jiff::civil::Date = value
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

fn is_gender(value: &str, (): &()) -> garde::Result {
    one_of(&GENDERS, value)
}

fn is_status(value: &str, (): &()) -> garde::Result {
    if STATUSES.contains(&value) {
        return Ok(());
    }
    Err(garde::Error::new(format!(
        "must be one of {}",
        STATUSES.join(", ")
    )))
}

fn is_id_type(value: &str, (): &()) -> garde::Result {
    one_of(&ID_TYPES, value)
}

fn one_of(words: &[(&str, &str)], value: &str) -> garde::Result {
    if label_of(words, value).is_some() {
        return Ok(());
    }
    if value.is_empty() {
        return Err(garde::Error::new("is required"));
    }
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    Err(garde::Error::new(format!(
        "must be one of {}",
        known.join(", ")
    )))
}

fn first_partner() -> i32 {
    1
}

fn blank_is_none(value: Option<String>) -> Option<String> {
    value
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}

/// Tells `null` (clear) from a field that was left out (keep).
fn present<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

/// A field that may be left out (keep) but not `null`: it cannot be cleared.
fn given<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// The library names fields as Rust does; callers know them as JSON does. The `[]` of an optional field is dropped.
fn camel_case(path: &str) -> String {
    let mut name = String::new();
    let mut upper = false;
    for letter in path.trim_end_matches("[]").chars() {
        match letter {
            '_' => upper = true,
            letter if upper => {
                name.extend(letter.to_uppercase());
                upper = false;
            }
            letter => name.push(letter),
        }
    }
    name
}
