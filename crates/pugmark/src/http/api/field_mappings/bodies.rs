//! Mappings as the API takes and shows them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vtiger::Field;

use super::asking::Asked;
use crate::crm::CONTACTS;
use crate::crm::contact_fields::find;
use crate::flows::insurance::mapping_check;
use crate::flows::insurance::sources::Source;
use crate::http::envelope::ApiError;
use crate::problem::Code;
use crate::store::field_mapping::{Direction, FieldKind, FieldMapping, Mapping, OnConflict};

/// Longest name of a field or a source.
const LONGEST_NAME: usize = 100;

/// A mapping to be added.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewMapping {
    /// A source, by the names of `GET .../field-mappings/sources`.
    pub microbima_field: String,
    /// API name (`cf_861`) or label ("ID Number") of the field in vTiger.
    pub vtiger_field_name: String,
    /// `Contacts`.
    pub vtiger_module: Option<String>,
    /// Whether it is used; `true` when left out.
    pub is_active: Option<bool>,
    /// `TEXT`, `NUMBER`, `DATE` or `BOOLEAN`; `TEXT` when left out.
    pub field_type: Option<String>,
    /// `to_crm`, `from_crm` or `both`; `to_crm` when left out.
    pub direction: Option<String>,
    /// `microbima`, `vtiger`, `newest` or `ask`; `microbima` when left out.
    pub on_conflict: Option<String>,
}

/// What is to be changed of a mapping; what is left out stays.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct ChangedMapping {
    /// A source.
    pub microbima_field: Option<String>,
    /// API name or label of the field in vTiger.
    pub vtiger_field_name: Option<String>,
    /// `Contacts`.
    pub vtiger_module: Option<String>,
    /// Whether it is used.
    pub is_active: Option<bool>,
    /// `TEXT`, `NUMBER`, `DATE` or `BOOLEAN`.
    pub field_type: Option<String>,
    /// `to_crm`, `from_crm` or `both`.
    pub direction: Option<String>,
    /// `microbima`, `vtiger`, `newest` or `ask`.
    pub on_conflict: Option<String>,
}

impl NewMapping {
    /// # Errors
    /// 422 naming each column that cannot be read.
    pub(crate) fn into_mapping(self) -> Result<Mapping, ApiError> {
        let blank = Mapping {
            id: 0,
            field: FieldMapping {
                microbima_field: String::new(),
                vtiger_field_name: String::new(),
                kind: FieldKind::Text,
                checked_field: None,
            },
            module: CONTACTS.to_owned(),
            is_active: true,
            direction: Direction::ToCrm,
            on_conflict: OnConflict::Microbima,
            checked_at: None,
        };
        let all = ChangedMapping {
            microbima_field: Some(self.microbima_field),
            vtiger_field_name: Some(self.vtiger_field_name),
            vtiger_module: self.vtiger_module,
            is_active: self.is_active,
            field_type: self.field_type,
            direction: self.direction,
            on_conflict: self.on_conflict,
        };
        all.laid_over(blank)
    }
}

impl ChangedMapping {
    /// The mapping with these changes.
    ///
    /// # Errors
    /// 422 naming each column that cannot be read.
    pub(crate) fn laid_over(&self, mut mapping: Mapping) -> Result<Mapping, ApiError> {
        let mut refused = std::collections::BTreeMap::new();
        let mut name = |column: &str, given: &Option<String>, into: &mut String| {
            let Some(given) = given.as_deref().map(str::trim) else {
                return;
            };
            if given.is_empty() || given.chars().count() > LONGEST_NAME || given.contains('\0') {
                let what = format!("must have 1 to {LONGEST_NAME} characters");
                refused.insert(column.to_owned(), what);
            }
            *into = given.to_owned();
        };
        name(
            "microbimaField",
            &self.microbima_field,
            &mut mapping.field.microbima_field,
        );
        name(
            "vtigerFieldName",
            &self.vtiger_field_name,
            &mut mapping.field.vtiger_field_name,
        );
        name("vtigerModule", &self.vtiger_module, &mut mapping.module);
        let mut word = |column: &str, words: &[&str]| {
            refused.insert(
                column.to_owned(),
                format!("must be one of {}", words.join(", ")),
            );
        };
        match self.field_type.as_deref().map(FieldKind::parse) {
            Some(Some(kind)) => mapping.field.kind = kind,
            Some(None) => word("fieldType", FieldKind::WORDS),
            None => {}
        }
        match self.direction.as_deref().map(Direction::parse) {
            Some(Some(direction)) => mapping.direction = direction,
            Some(None) => word("direction", Direction::WORDS),
            None => {}
        }
        match self.on_conflict.as_deref().map(OnConflict::parse) {
            Some(Some(on_conflict)) => mapping.on_conflict = on_conflict,
            Some(None) => word("onConflict", OnConflict::WORDS),
            None => {}
        }
        mapping.is_active = self.is_active.unwrap_or(mapping.is_active);
        if refused.is_empty() {
            Ok(mapping)
        } else {
            Err(ApiError::validation(refused))
        }
    }
}

/// Every mapping.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MappingList {
    /// In the order in which they were made.
    pub items: Vec<MappingBody>,
}

/// A mapping as the API shows it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MappingBody {
    /// Number of the mapping.
    pub(crate) id: i64,
    /// The source.
    pub(crate) microbima_field: String,
    /// API name or label of the field, as the operator wrote it.
    pub(crate) vtiger_field_name: String,
    /// Module of the field.
    pub(crate) vtiger_module: String,
    /// Whether it is used.
    pub(crate) is_active: bool,
    /// `TEXT`, `NUMBER`, `DATE` or `BOOLEAN`.
    pub(crate) field_type: String,
    /// `to_crm`, `from_crm` or `both`.
    pub(crate) direction: String,
    /// `microbima`, `vtiger`, `newest` or `ask`.
    pub(crate) on_conflict: String,
    /// The field that is meant in this CRM; `null` when there is none, or it could not be asked.
    pub(crate) resolves_to: Option<FieldBody>,
    /// Whether it works in this CRM; `null` when that is not known now.
    pub(crate) usable: Option<bool>,
    /// Why it does not work, or why that is not known.
    pub(crate) why: Option<String>,
    /// The code of that reason, explained in docs/errors.md.
    pub(crate) code: Option<String>,
    /// What else is worth knowing.
    pub(crate) note: Option<String>,
    /// When it was last checked against the CRM before it was stored; `null` when it never was.
    pub(crate) checked_at: Option<String>,
}

/// A field of the CRM.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FieldBody {
    /// Name used in calls.
    pub(crate) api_name: String,
    /// What people see.
    pub(crate) label: String,
    /// `string`, `date`, `picklist`, ...
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// Longest text, when it is known.
    pub(crate) length: Option<u32>,
    /// Whether vTiger demands a value.
    pub(crate) mandatory: bool,
    /// Whether it can be set.
    pub(crate) editable: bool,
}

impl From<&Field> for FieldBody {
    fn from(field: &Field) -> Self {
        FieldBody {
            api_name: field.name.clone(),
            label: field.label.clone(),
            kind: mapping_check::type_word(&field.field_type).to_owned(),
            length: field.length,
            mandatory: field.mandatory,
            editable: field.editable,
        }
    }
}

impl MappingBody {
    /// How a mapping stands among all of them in this CRM.
    pub(crate) fn of(mapping: &Mapping, all: &[Mapping], asked: &Asked) -> Self {
        let module = asked.module();
        let judged = mapping_check::check_alone(mapping)
            .map(drop)
            .and_then(|()| mapping_check::check_others(module, mapping, all))
            .and_then(|()| match module {
                Some(module) => mapping_check::check_field(module, mapping).map(|_| Some(true)),
                None => Ok(None),
            });
        let (usable, why, code) = match judged {
            Ok(Some(_)) => (Some(true), None, None),
            Ok(None) => {
                let why = asked.trouble().unwrap_or_default();
                let why = format!("vTiger could not be asked: {why}");
                (None, Some(why), Some(Code::MappingUnchecked))
            }
            Err(wrong) => (Some(false), Some(wrong.what), Some(wrong.code)),
        };
        let field = module.and_then(|module| find(module, &mapping.field.vtiger_field_name));
        MappingBody {
            id: mapping.id,
            microbima_field: mapping.field.microbima_field.clone(),
            vtiger_field_name: mapping.field.vtiger_field_name.clone(),
            vtiger_module: mapping.module.clone(),
            is_active: mapping.is_active,
            field_type: mapping.field.kind.as_str().to_owned(),
            direction: mapping.direction.as_str().to_owned(),
            on_conflict: mapping.on_conflict.as_str().to_owned(),
            resolves_to: field.map(FieldBody::from),
            usable,
            why,
            code: code.map(|code| code.to_string()),
            note: note(mapping),
            checked_at: mapping.checked_at.map(|at| at.timestamp().to_string()),
        }
    }
}

/// What a direction means.
fn note(mapping: &Mapping) -> Option<String> {
    let said = match mapping.direction {
        Direction::ToCrm => return None,
        Direction::FromCrm => {
            "Sent when the contact is made; from then on edits in vTiger are taken over and nothing is sent"
        }
        Direction::Both => "Values go to vTiger, and edits in vTiger are taken over",
    };
    Some(said.to_owned())
}

/// A source that a mapping can carry.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SourceBody {
    /// The name for `microbimaField`.
    name: &'static str,
    /// What it is.
    meaning: &'static str,
    /// What kind of value it is, for people.
    kind: &'static str,
    /// Whether a change of it is delivered by itself. Others are brought up to date with the customer's next delivery.
    delivered_when_changed: bool,
}

impl From<&Source> for SourceBody {
    fn from(source: &Source) -> Self {
        SourceBody {
            name: source.name,
            meaning: source.meaning,
            kind: source.kind.words(),
            delivered_when_changed: source.is_watched(),
        }
    }
}
