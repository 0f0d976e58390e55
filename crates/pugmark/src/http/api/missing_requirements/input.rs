//! What callers send of a missing requirement.

use garde::Validate;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::http::api::edit::{Overlay, blank_is_none, given, present};
use crate::http::api::fields::{is_text, is_uuid, one_of};
use crate::microbima::requirements::SYSTEM;
use crate::store::missing_requirements::MissingRequirement;

pub(super) const STATUSES: [&str; 3] = ["PENDING", "RESOLVED", "EXPIRED"];
const KINDS: [&str; 4] = ["CUSTOMER", "SPOUSE", "CHILD", "BENEFICIARY"];

/// A field of a person that is blank.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewRequirementBody {
    /// `CUSTOMER`, `SPOUSE`, `CHILD` or `BENEFICIARY`.
    #[serde(default)]
    #[schema(required = true, example = "CHILD")]
    entity_kind: String,
    /// UUID of the dependant or beneficiary; may be named later.
    #[schema(example = "7d1c0c1e-52a5-4b6e-9a3d-8f0f7f0f1a11")]
    entity_id: Option<String>,
    /// Name of the field in camel case, up to 100 characters, for example `firstName`, `lastName`, `middleName`,
    /// `dateOfBirth`, `idNumber`, `idType` or `gender`.
    #[serde(default)]
    #[schema(required = true, example = "dateOfBirth")]
    field_path: String,
    /// UUID of the brand ambassador who registered the customer; needed where no registration tells.
    brand_ambassador_id: Option<String>,
}

/// Changes to an open requirement: what is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct RequirementPatchBody {
    /// `RESOLVED` or `EXPIRED`.
    #[serde(deserialize_with = "given")]
    status: Option<String>,
    /// Who resolved it: UUID of a login, or `system`, which it is when left out by a program.
    #[serde(deserialize_with = "given")]
    resolved_by: Option<String>,
    /// UUID of the person it is about; `null` clears.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    entity_id: Option<Option<String>>,
}

/// The columns as they would be after the request.
#[derive(Debug, Validate)]
pub(super) struct Edited {
    #[garde(custom(is_kind))]
    pub(super) entity_kind: String,
    #[garde(inner(custom(is_uuid)))]
    pub(super) entity_id: Option<String>,
    #[garde(custom(is_field_path))]
    pub(super) field_path: String,
    #[garde(custom(is_status))]
    pub(super) status: String,
    #[garde(inner(custom(is_resolver)))]
    pub(super) resolved_by: Option<String>,
    #[garde(inner(custom(is_uuid)))]
    pub(super) brand_ambassador_id: Option<String>,
}

impl NewRequirementBody {
    pub(super) fn edited(self) -> Edited {
        Edited {
            entity_kind: self.entity_kind.trim().to_uppercase(),
            entity_id: lower(blank_is_none(self.entity_id)),
            field_path: self.field_path.trim().to_owned(),
            status: "PENDING".to_owned(),
            resolved_by: None,
            brand_ambassador_id: lower(blank_is_none(self.brand_ambassador_id)),
        }
    }
}

impl RequirementPatchBody {
    /// The requirement with the changes laid over, and which fields the request speaks of.
    pub(super) fn edited(self, row: &MissingRequirement) -> (Edited, Overlay) {
        let mut over = Overlay::default();
        let edited = Edited {
            entity_kind: row.entity_kind.clone(),
            entity_id: over.optional("entityId", self.entity_id.map(lower), &row.entity_id),
            field_path: row.field_path.clone(),
            status: over.text("status", self.status, &row.status),
            resolved_by: over.lay("resolvedBy", self.resolved_by.map(Some), None),
            brand_ambassador_id: None,
        };
        (edited, over)
    }
}

fn lower(id: Option<String>) -> Option<String> {
    id.map(|id| id.to_lowercase())
}

fn is_kind(value: &str, (): &()) -> garde::Result {
    one_of(&KINDS, value)
}

fn is_status(value: &str, (): &()) -> garde::Result {
    one_of(&STATUSES, value)
}

fn is_field_path(value: &str, (): &()) -> garde::Result {
    is_text(value, 1, 100)?;
    let is_name = value.starts_with(|first: char| first.is_ascii_lowercase())
        && value
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '.');
    is_name.then_some(()).ok_or_else(|| {
        garde::Error::new("must be the name of a field in camel case, such as dateOfBirth")
    })
}

fn is_resolver(value: &str, (): &()) -> garde::Result {
    if value == SYSTEM || is_uuid(value, &()).is_ok() {
        return Ok(());
    }
    Err(garde::Error::new(
        "must be the UUID of a login, or the word system",
    ))
}
