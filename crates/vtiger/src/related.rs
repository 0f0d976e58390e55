//! Related records, changes since a moment, and lead conversion: operations that not every installation has.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value as Json};

use crate::classify::unexpected_result;
use crate::client::Client;
use crate::element::{Element, element_text};
use crate::error::CallError;
use crate::id::RecordId;
use crate::module::flag;
use crate::operation::Operation;
use crate::record::{Record, scalar_text};
use crate::records::records;
use crate::vtql::Query;

/// Whose records [`Client::sync`] reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncScope {
    /// Those the calling user owns (the server's default).
    User,
    /// Those the calling user or one of the user's groups owns.
    UserAndGroup,
    /// All of them; needs an administrator.
    Application,
}

/// One batch of changes.
#[derive(Debug, Clone, PartialEq)]
pub struct SyncBatch {
    /// Records created or changed, including by the calling user.
    pub updated: Vec<Record>,
    /// Records deleted, and leads converted.
    pub deleted: Vec<RecordId>,
    /// Whether more is waiting: ask again from `last_modified`.
    pub more: bool,
    /// Where the next batch starts.
    pub last_modified: Timestamp,
}

/// A related list of a module, as `relatedtypes` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelatedType {
    /// The label the other calls want (`Activities`).
    pub label: String,
    /// The module whose records it lists (`Calendar`); one module may have several lists.
    pub module: String,
    /// Whether these records are CRM entities.
    pub is_entity: bool,
}

/// What a lead is to become.
#[derive(Debug, Clone, PartialEq)]
pub struct LeadConversion {
    /// The lead.
    pub lead: RecordId,
    /// The owner of what is created.
    pub assigned_to: RecordId,
    /// The module that takes over comments and tasks (`Contacts` or `Accounts`).
    pub transfer_related_to: String,
    /// What to create, by module (`Contacts`, `Accounts`, `Potentials`); mandatory fields without value become `????`.
    pub entities: BTreeMap<String, Element>,
}

impl Client {
    /// The records related to one record that a query finds; order and limit of the query are not asked for.
    ///
    /// `label` is that of the related list (`ModComments`, `Activities`). On open source a plain query on `related_to` or
    /// `contact_id` is more reliable.
    ///
    /// # Errors
    /// [`CallError::Refused`] with `UnknownRelation` for a wrong label, with `NotAvailable` where the operation is missing.
    pub async fn query_related(
        &self,
        query: &Query,
        id: &RecordId,
        label: &str,
    ) -> Result<Vec<Record>, CallError> {
        query.check(self.describe(query.module()).await?.as_ref())?;
        let operation = Operation::read("query_related")
            .param("query", query.to_related_vtql()?)
            .param("id", id.as_str())
            .param("relatedLabel", label);
        let result = self.call_operation(&operation).await?;
        records(&operation, &result)
    }

    /// The records of a related list.
    ///
    /// # Errors
    /// As [`Client::query_related`].
    pub async fn retrieve_related(
        &self,
        id: &RecordId,
        related_module: &str,
        label: &str,
    ) -> Result<Vec<Record>, CallError> {
        let operation = Operation::read("retrieve_related")
            .param("id", id.as_str())
            .param("relatedType", related_module)
            .param("relatedLabel", label);
        let result = self.call_operation(&operation).await?;
        records(&operation, &result)
    }

    /// The related lists of a module, in the order of their labels; the labels are what the other calls want.
    ///
    /// # Errors
    /// As every read.
    pub async fn related_types(&self, module: &str) -> Result<Vec<RelatedType>, CallError> {
        let operation = Operation::read("relatedtypes").param("elementType", module);
        let result = self.call_operation(&operation).await?;
        related_types(&result)
            .ok_or_else(|| unexpected_result(&operation, "the answer lists no related modules"))
    }

    /// Changes and deletions of a module since a moment. Broken on every open-source vTiger with a current PHP.
    ///
    /// # Errors
    /// [`CallError::Refused`] with `NotAvailable` where the server cannot do it.
    pub async fn sync(
        &self,
        module: &str,
        since: Timestamp,
        scope: SyncScope,
    ) -> Result<SyncBatch, CallError> {
        let scope = match scope {
            SyncScope::User => "user",
            SyncScope::UserAndGroup => "userandgroup",
            SyncScope::Application => "application",
        };
        // The server takes 0 for a missing parameter.
        let operation = Operation::read("sync")
            .param("modifiedTime", since.as_second().max(1).to_string())
            .param("elementType", module)
            .param("syncType", scope);
        let result = self.call_operation(&operation).await?;
        let updated = records(&operation, result.get("updated").unwrap_or(&Json::Null))?;
        sync_batch(&result, updated)
            .ok_or_else(|| unexpected_result(&operation, "the answer is no batch of changes"))
    }

    /// Converts a lead; returns the created records by module, none when there was nothing to create.
    ///
    /// Broken on open-source vTiger with PHP 8. There it ends as [`CallError::Unknown`] with the hint `NotAvailable`,
    /// because the same empty answer is given when PHP breaks off half-way.
    ///
    /// # Errors
    /// [`CallError::Refused`] with `AlreadyConverted`, or `MissingOrForbidden` for an unknown lead.
    pub async fn convert_lead(
        &self,
        conversion: &LeadConversion,
    ) -> Result<BTreeMap<String, RecordId>, CallError> {
        let operation =
            Operation::write("convertlead").param("element", element_text(conversion.to_json()));
        match self.call_operation(&operation).await? {
            Json::Null => Ok(BTreeMap::new()),
            Json::Object(created) => created
                .iter()
                .map(|(module, id)| Some((module.clone(), id.as_str()?.parse().ok()?)))
                .collect::<Option<_>>()
                .ok_or_else(|| {
                    unexpected_result(
                        &operation,
                        "the answer holds something other than record ids",
                    )
                }),
            _ => Err(unexpected_result(
                &operation,
                "the answer lists no created records",
            )),
        }
    }
}

impl LeadConversion {
    fn to_json(&self) -> Map<String, Json> {
        let entity = |(module, element): (&String, &Element)| {
            let mut fields = element.to_json();
            fields.insert("create".to_owned(), Json::Bool(true));
            fields.insert("name".to_owned(), Json::String(module.clone()));
            (module.clone(), Json::Object(fields))
        };
        let text = |text: &str| Json::String(text.to_owned());
        Map::from_iter([
            ("leadId".to_owned(), text(self.lead.as_str())),
            ("assignedTo".to_owned(), text(self.assigned_to.as_str())),
            (
                "transferRelatedRecordsTo".to_owned(),
                text(&self.transfer_related_to),
            ),
            (
                "entities".to_owned(),
                Json::Object(self.entities.iter().map(entity).collect()),
            ),
        ])
    }
}

/// `information` tells every list by its label; `types` repeats a module for each of its lists and knows no labels.
fn related_types(result: &Json) -> Option<Vec<RelatedType>> {
    let modules = result.get("types")?.as_array()?;
    match result.get("information").and_then(Json::as_object) {
        Some(lists) => lists
            .iter()
            .map(|(label, about)| Some(RelatedType::new(label, about.as_object()?)))
            .collect(),
        // PHP writes an empty object as a list.
        None if modules.is_empty() => Some(Vec::new()),
        None => None,
    }
}

impl RelatedType {
    fn new(key: &str, about: &Map<String, Json>) -> Self {
        let text = |name| about.get(name).and_then(Json::as_str);
        Self {
            label: text("label").unwrap_or(key).to_owned(),
            module: text("name").unwrap_or(key).to_owned(),
            is_entity: flag(about, "isEntity"),
        }
    }
}

fn sync_batch(result: &Json, updated: Vec<Record>) -> Option<SyncBatch> {
    let deleted = result.get("deleted")?.as_array()?;
    let deleted = deleted
        .iter()
        .map(|id| id.as_str()?.parse().ok())
        .collect::<Option<_>>()?;
    let last_modified = scalar_text(result.get("lastModifiedTime")?).parse().ok()?;
    Some(SyncBatch {
        updated,
        deleted,
        more: result.get("more")?.as_bool()?,
        last_modified: Timestamp::from_second(last_modified).ok()?,
    })
}
