//! From a contact to the customer it is to become. Pure: what the contact and the operator say, or what is missing.

use std::collections::BTreeMap;

use jiff::civil::Date;
use pugmark_queue::db::Ts;
use vtiger::Record;

use crate::crm::contact_fields::ContactFields;
use crate::store::customers::Customer;

/// Fields of a customer that can be filled in, by the names of the mapping.
pub const FIELDS: [&str; 9] = [
    "firstName",
    "middleName",
    "lastName",
    "email",
    "phoneNumber",
    "dateOfBirth",
    "gender",
    "idType",
    "idNumber",
];

const GENDERS: [(&str, &[&str]); 2] = [("MALE", &["male", "m"]), ("FEMALE", &["female", "f"])];
const ID_TYPES: [(&str, &[&str]); 5] = [
    ("NATIONAL_ID", &["national", "nationalid", "nationalidcard"]),
    ("ALIEN", &["alien", "alienid"]),
    ("PASSPORT", &["passport"]),
    ("BIRTH_CERTIFICATE", &["birthcertificate"]),
    ("MILITARY", &["military", "militaryid"]),
];
/// A customer must be so old.
const OF_AGE: i16 = 18;

/// What is known of the person, by field; values of the operator go before those of the contact.
pub struct Known<'a> {
    /// The contact.
    pub contact: &'a Record,
    /// Which field holds what.
    pub fields: &'a ContactFields,
    /// What an operator filled in.
    pub given: &'a BTreeMap<String, String>,
}

impl Known<'_> {
    fn get(&self, name: &str) -> String {
        let given = self.given.get(name).map(|text| text.trim());
        let of_contact = || {
            let target = self.fields.target(name)?;
            self.contact.get(&target.field).map(str::trim)
        };
        given
            .filter(|text| !text.is_empty())
            .or_else(of_contact)
            // A conversion fills mandatory fields of which it knows nothing with question marks.
            .filter(|text| !text.chars().all(|letter| letter == '?'))
            .unwrap_or_default()
            .to_owned()
    }

    /// What the contact holds in our fields.
    pub fn snapshot(&self) -> BTreeMap<String, String> {
        self.fields
            .names()
            .filter_map(|name| Some((name.to_owned(), self.contact.get(name)?.to_owned())))
            .collect()
    }
}

/// The customer, with a new id, or what is missing or wrong with which field.
///
/// # Errors
/// Field and reason.
pub fn draft(
    known: &Known<'_>,
    today: Date,
    now: Ts,
) -> Result<Customer, BTreeMap<String, String>> {
    let mut missing = BTreeMap::new();
    let mut check = |name: &str, judged: Result<String, String>| match judged {
        Ok(value) => value,
        Err(what) => {
            missing.insert(name.to_owned(), what);
            String::new()
        }
    };
    let first_name = check("firstName", text(&known.get("firstName"), 1, 50));
    let last_name = check("lastName", text(&known.get("lastName"), 1, 50));
    let phone_number = check("phoneNumber", phone(&known.get("phoneNumber")));
    let date_of_birth = check("dateOfBirth", birth(&known.get("dateOfBirth"), today));
    let gender = check("gender", one_of(&GENDERS, &known.get("gender")));
    let id_type = check("idType", one_of(&ID_TYPES, &known.get("idType")));
    let id_number = check("idNumber", text(&known.get("idNumber"), 5, 9));
    let optional = |name: &str| Some(known.get(name)).filter(|text| !text.is_empty());
    let middle_name = optional("middleName").map(|name| check("middleName", text(&name, 1, 50)));
    let email = optional("email").map(|email| check("email", self::email(&email)));
    if !missing.is_empty() {
        return Err(missing);
    }
    Ok(Customer {
        id: uuid::Uuid::new_v4().to_string(),
        first_name,
        middle_name,
        last_name,
        email,
        phone_number,
        date_of_birth: Some(date_of_birth),
        gender: Some(gender),
        id_type,
        id_number,
        status: "PENDING_ACTIVATION".to_owned(),
        is_test_user: false,
        created_at: now,
        updated_at: now,
    })
}

fn text(value: &str, shortest: usize, longest: usize) -> Result<String, String> {
    let length = value.chars().count();
    if value.is_empty() {
        return Err("is missing".to_owned());
    }
    if !(shortest..=longest).contains(&length) {
        return Err(format!("must have {shortest} to {longest} characters"));
    }
    if value.chars().any(char::is_control) {
        return Err("must not contain control characters such as line breaks".to_owned());
    }
    Ok(value.to_owned())
}

fn phone(value: &str) -> Result<String, String> {
    let value = text(value, 1, 20)?;
    let digits = value.chars().filter(char::is_ascii_digit).count();
    let spelled = value
        .chars()
        .all(|letter| letter.is_ascii_digit() || "+-() ".contains(letter));
    (spelled && (9..=15).contains(&digits))
        .then_some(value)
        .ok_or_else(|| "must be a phone number of 9 to 15 digits, such as 0712345678".to_owned())
}

fn birth(value: &str, today: Date) -> Result<String, String> {
    if value.is_empty() || value == "0000-00-00" {
        return Err("is missing".to_owned());
    }
    let date: Date = value
        .parse()
        .map_err(|_| "must be a date in the form YYYY-MM-DD".to_owned())?;
    let latest = today.saturating_sub(jiff::Span::new().years(OF_AGE));
    if date > latest {
        return Err(format!("must be {OF_AGE} years ago or more"));
    }
    if date.year() < 1850 {
        return Err("must be a day on which a living person can have been born".to_owned());
    }
    Ok(date.to_string())
}

fn email(value: &str) -> Result<String, String> {
    let value = text(value, 1, 254)?;
    email_address::EmailAddress::is_valid(&value)
        .then_some(value)
        .ok_or_else(|| "must be an e-mail address such as achieng@example.co.ke".to_owned())
}

/// The label whose words these are; marks and spaces do not count.
fn one_of(known: &[(&str, &[&str])], value: &str) -> Result<String, String> {
    if value.is_empty() {
        return Err("is missing".to_owned());
    }
    let letters: String = value
        .chars()
        .filter(|letter| letter.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect();
    let found = known.iter().find(|(label, words)| {
        words.contains(&letters.as_str()) || label.replace('_', "").eq_ignore_ascii_case(&letters)
    });
    found.map(|(label, _)| (*label).to_owned()).ok_or_else(|| {
        let words: Vec<&str> = known
            .iter()
            .filter_map(|(_, words)| words.first().copied())
            .collect();
        format!("must be one of {}", words.join(", "))
    })
}
