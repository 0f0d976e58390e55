//! What callers send of a beneficiary. Names are kept as they are typed, as those of dependants.

use garde::Validate;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::http::api::edit::{Overlay, blank_is_none, given, present, untrimmed};
use crate::http::api::fields::{
    RELATIONSHIPS, is_relationship, is_untrimmed_name, label_of, word_of,
};
use crate::store::beneficiaries::BeneficiaryPerson;

/// A new beneficiary.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewBeneficiaryBody {
    /// First name, 1 to 50 characters, kept as typed.
    #[serde(default)]
    #[schema(required = true, example = "Atieno")]
    first_name: String,
    /// Middle name, up to 50 characters, kept as typed.
    middle_name: Option<String>,
    /// Last name, 1 to 50 characters, kept as typed.
    #[serde(default)]
    #[schema(required = true, example = "Otieno")]
    last_name: String,
    /// `spouse`, `child`, `parent`, `sibling`, `friend` or `other`.
    #[schema(example = "sibling")]
    relationship: Option<String>,
}

/// Changes to a living beneficiary: what is left out stays, `null` clears.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct BeneficiaryPatchBody {
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
    /// Relationship to the customer; `null` clears.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>, example = "friend")]
    relationship: Option<Option<String>>,
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
    #[garde(inner(custom(is_relationship)))]
    relationship: Option<String>,
}

impl NewBeneficiaryBody {
    pub(super) fn edited(&self) -> Edited {
        Edited {
            first_name: self.first_name.clone(),
            middle_name: untrimmed(self.middle_name.clone()),
            last_name: self.last_name.clone(),
            relationship: blank_is_none(self.relationship.clone()),
        }
    }
}

impl BeneficiaryPatchBody {
    /// The person with the changes laid over, and which fields the request speaks of.
    pub(super) fn edited(self, row: &BeneficiaryPerson) -> (Edited, Overlay) {
        let mut over = Overlay::default();
        let middle_name = self.middle_name.map(untrimmed);
        let edited = Edited {
            first_name: over.lay("firstName", self.first_name, row.first_name.clone()),
            middle_name: over.lay("middleName", middle_name, row.middle_name.clone()),
            last_name: over.lay("lastName", self.last_name, row.last_name.clone()),
            relationship: over.optional("relationship", self.relationship, &row.relationship),
        };
        (edited, over)
    }
}

impl Edited {
    /// The columns. The relationship is free text in the database; of ours the word of the API is stored.
    pub(super) fn into_person(self) -> BeneficiaryPerson {
        let word = |text: String| match label_of(&RELATIONSHIPS, &text) {
            Some(label) => word_of(&RELATIONSHIPS, &label),
            None => text,
        };
        BeneficiaryPerson {
            first_name: self.first_name,
            middle_name: self.middle_name,
            last_name: self.last_name,
            relationship: self.relationship.map(word),
        }
    }
}
