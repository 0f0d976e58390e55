//! What callers send of a dependant. Names are kept as they are typed, as MicroBima keeps them.

use garde::Validate;
use jiff::civil::Date;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::http::api::edit::{Overlay, blank_is_none, given, present, untrimmed};
use crate::http::api::fields::{
    GENDERS, ID_TYPES, RELATIONSHIPS, is_birth_date, is_document_number, is_gender, is_id_type,
    is_phone, is_relationship, is_short_email, is_untrimmed_name, label_or_same,
};
use crate::store::dependants::DependantPerson;

/// A new dependant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewDependantBody {
    /// First name, 1 to 50 characters, kept as typed.
    #[serde(default)]
    #[schema(required = true, example = "Zuri")]
    first_name: String,
    /// Middle name, up to 50 characters, kept as typed.
    middle_name: Option<String>,
    /// Last name, 1 to 50 characters, kept as typed.
    #[serde(default)]
    #[schema(required = true, example = "Otieno")]
    last_name: String,
    /// `YYYY-MM-DD`, not in the future.
    #[schema(example = "2015-08-30")]
    date_of_birth: Option<String>,
    /// `male`, `female` or `prefer_not_to_say`.
    #[schema(example = "female")]
    gender: Option<String>,
    /// `national`, `alien`, `passport`, `birth_certificate` or `military`.
    id_type: Option<String>,
    /// Up to 20 characters.
    id_number: Option<String>,
    /// `spouse`, `child`, `parent`, `sibling`, `friend` or `other`.
    #[serde(default)]
    #[schema(required = true, example = "child")]
    relationship: String,
    /// E-mail, up to 100 characters.
    email: Option<String>,
    /// 9 to 15 digits, with `+`, spaces, dashes and brackets as people write them.
    phone_number: Option<String>,
}

/// Changes to a living dependant: what is left out stays, `null` clears.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct DependantPatchBody {
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
    /// Birth date; `null` clears.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>, example = "2015-08-30")]
    date_of_birth: Option<Option<String>>,
    /// Gender; `null` clears.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    gender: Option<Option<String>>,
    /// Kind of document; `null` clears.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    id_type: Option<Option<String>>,
    /// Number of the document; `null` clears.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    id_number: Option<Option<String>>,
    /// Relationship to the customer.
    #[serde(deserialize_with = "given")]
    relationship: Option<String>,
    /// E-mail; `null` clears.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    email: Option<Option<String>>,
    /// Phone number; `null` clears.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    phone_number: Option<Option<String>>,
}

/// The editable columns as they would be after the request.
#[derive(Debug, Validate)]
pub(super) struct Edited {
    #[garde(custom(is_untrimmed_name))]
    first_name: String,
    #[garde(inner(custom(is_untrimmed_name)))]
    middle_name: Option<String>,
    #[garde(custom(is_untrimmed_name))]
    last_name: String,
    #[garde(inner(custom(is_birth_date)))]
    date_of_birth: Option<String>,
    #[garde(inner(custom(is_gender)))]
    gender: Option<String>,
    #[garde(inner(custom(is_id_type)))]
    id_type: Option<String>,
    #[garde(inner(custom(is_document_number)))]
    id_number: Option<String>,
    #[garde(custom(is_relationship))]
    relationship: String,
    #[garde(inner(custom(is_short_email)))]
    email: Option<String>,
    #[garde(inner(custom(is_phone)))]
    phone_number: Option<String>,
}

impl NewDependantBody {
    pub(super) fn edited(&self) -> Edited {
        Edited {
            first_name: self.first_name.clone(),
            middle_name: untrimmed(self.middle_name.clone()),
            last_name: self.last_name.clone(),
            date_of_birth: blank_is_none(self.date_of_birth.clone()),
            gender: blank_is_none(self.gender.clone()),
            id_type: blank_is_none(self.id_type.clone()),
            id_number: blank_is_none(self.id_number.clone()),
            relationship: self.relationship.trim().to_owned(),
            email: blank_is_none(self.email.clone()),
            phone_number: blank_is_none(self.phone_number.clone()),
        }
    }
}

impl DependantPatchBody {
    /// The person with the changes laid over, and which fields the request speaks of.
    pub(super) fn edited(self, row: &DependantPerson) -> (Edited, Overlay) {
        let mut over = Overlay::default();
        let middle_name = self.middle_name.map(untrimmed);
        let edited = Edited {
            first_name: over.lay("firstName", self.first_name, row.first_name.clone()),
            middle_name: over.lay("middleName", middle_name, row.middle_name.clone()),
            last_name: over.lay("lastName", self.last_name, row.last_name.clone()),
            date_of_birth: over.optional("dateOfBirth", self.date_of_birth, &row.date_of_birth),
            gender: over.optional("gender", self.gender, &row.gender),
            id_type: over.optional("idType", self.id_type, &row.id_type),
            id_number: over.optional("idNumber", self.id_number, &row.id_number),
            relationship: over.text("relationship", self.relationship, &row.relationship),
            email: over.optional("email", self.email, &row.email),
            phone_number: over.optional("phoneNumber", self.phone_number, &row.phone_number),
        };
        (edited, over)
    }
}

impl Edited {
    /// The columns, with the database's labels for the API's words; a label that is none of ours stays as it is.
    pub(super) fn into_person(self) -> DependantPerson {
        let relationship = label_or_same(&RELATIONSHIPS, self.relationship);
        let verification_required =
            relationship == "CHILD" && is_of_age_to_be_verified(self.date_of_birth.as_deref());
        DependantPerson {
            first_name: self.first_name,
            middle_name: self.middle_name,
            last_name: self.last_name,
            date_of_birth: self.date_of_birth,
            gender: self.gender.map(|word| label_or_same(&GENDERS, word)),
            id_type: self.id_type.map(|word| label_or_same(&ID_TYPES, word)),
            id_number: self.id_number,
            relationship,
            email: self.email,
            phone_number: self.phone_number,
            verification_required,
        }
    }
}

/// Children of 18 to 24 are insured only when somebody has verified them. MicroBima's days are those of UTC.
fn is_of_age_to_be_verified(date_of_birth: Option<&str>) -> bool {
    let today = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date();
    date_of_birth
        .and_then(|text| text.parse::<Date>().ok())
        .and_then(|born| born.until((jiff::Unit::Year, today)).ok())
        .is_some_and(|age| (18..=24).contains(&age.get_years()))
}
