//! Many records in one call, each once for our reference: the extension's bulk upsert.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use crate::classify::unexpected_result;
use crate::client::Client;
use crate::element::{Element, element_text};
use crate::error::{CallError, Invalid, Refusal};
use crate::id::RecordId;
use crate::operation::Operation;
use crate::record::scalar_text;
use crate::refusal;

pub(crate) const UPSERT: &str = "pugmark.upsert";

/// Most records of one [`Client::upsert`].
pub const MAX_UPSERT: usize = 100;

/// Where the records of an upsert belong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpsertTarget {
    /// The module, such as `Contacts`.
    pub module: String,
    /// The name of its field that carries our reference.
    pub reference_field: String,
    /// Saves in vTiger's bulk mode, which skips workflows, history and webhooks: for a first back-fill, never for live
    /// changes.
    pub bulk: bool,
}

/// What one record shall be.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Upsert {
    /// Our own id of the record: 1 to 128 characters, without blanks around them.
    pub reference: String,
    /// The fields to be set, adapted for [`Purpose::Create`](crate::Purpose::Create).
    pub fields: Element,
    /// What these fields must hold before, where there is a record: if one holds something else, nothing is written.
    pub expect: Element,
    /// Further fields that only a new record gets.
    pub create_only: Element,
}

/// What became of one record of an upsert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upserted {
    /// There was none; now there is.
    Created(RecordId),
    /// It was changed.
    Updated(RecordId),
    /// It held everything already; nothing was written.
    Unchanged(RecordId),
    /// A field did not hold what was expected; nothing was written.
    Conflict {
        /// The record.
        id: RecordId,
        /// What the fields named in [`Upsert::expect`] hold.
        current: BTreeMap<String, String>,
    },
    /// The record of this reference lies in the recycle bin; nothing was written, and no second one made.
    Deleted(RecordId),
    /// Not done, and not to be done by repeating the same.
    Refused(Refusal),
    /// Not done, or not known to be: repeating the same is safe, and settles it.
    Unsettled(Refusal),
}

impl Client {
    /// Brings up to [`MAX_UPSERT`] records to what they shall be, each once for its reference; tells of each what became of
    /// it, in their order. An empty list makes no call.
    ///
    /// # Errors
    /// [`CallError::Unknown`] when some may be done and others not; the same call again is safe, and settles all of them.
    /// [`CallError::Invalid`] for more than [`MAX_UPSERT`]; otherwise as every write.
    pub async fn upsert(
        &self,
        target: &UpsertTarget,
        records: &[Upsert],
    ) -> Result<Vec<Upserted>, CallError> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        if records.len() > MAX_UPSERT {
            return Err(CallError::Invalid(Invalid::Operation {
                operation: UPSERT.to_owned(),
                problem: format!("{} records, more than {MAX_UPSERT}", records.len()),
            }));
        }
        let elements: Vec<String> = records
            .iter()
            .map(|record| element_text(record.to_json()))
            .collect();
        let operation = Operation::write(UPSERT)
            .param("elementType", target.module.as_str())
            .param("reference", target.reference_field.as_str())
            .param("elements", format!("[{}]", elements.join(",")))
            .param(
                "options",
                serde_json::json!({ "bulk": target.bulk }).to_string(),
            );
        let answer = self.call_operation(&operation).await?;
        upserted(&operation, records, &answer)
            .ok_or_else(|| unexpected_result(&operation, "the answer does not tell of each record"))
    }
}

impl Upsert {
    fn to_json(&self) -> Map<String, Json> {
        let mut json = Map::new();
        json.insert("reference".to_owned(), self.reference.as_str().into());
        json.insert("fields".to_owned(), self.fields.to_json().into());
        for (name, part) in [("expect", &self.expect), ("createOnly", &self.create_only)] {
            if !part.is_empty() {
                json.insert(name.to_owned(), part.to_json().into());
            }
        }
        json
    }
}

fn upserted(operation: &Operation, asked: &[Upsert], answer: &Json) -> Option<Vec<Upserted>> {
    let results = answer.get("results")?.as_array()?;
    if results.len() != asked.len() {
        return None;
    }
    // An answer about another record proves nothing about this one.
    let pairs = asked.iter().zip(results);
    pairs
        .map(|(asked, result)| {
            let told = result.get("reference")?.as_str()?;
            (told == asked.reference)
                .then(|| one_upserted(operation, result))
                .flatten()
        })
        .collect()
}

fn one_upserted(operation: &Operation, result: &Json) -> Option<Upserted> {
    let text = |name: &str| result.get(name).and_then(Json::as_str);
    let id = || text("id")?.parse::<RecordId>().ok();
    match text("status")? {
        "created" => id().map(Upserted::Created),
        "updated" => id().map(Upserted::Updated),
        "unchanged" => id().map(Upserted::Unchanged),
        "conflict" => {
            let current = result.get("current")?.as_object()?;
            let current = current
                .iter()
                .map(|(field, value)| (field.clone(), scalar_text(value)))
                .collect();
            Some(Upserted::Conflict { id: id()?, current })
        }
        "refused" => {
            let code = text("code")?;
            if let Some(id) = id().filter(|_| code == "RECORD_DELETED") {
                return Some(Upserted::Deleted(id));
            }
            let message = text("message").unwrap_or_default();
            let refusal = refusal::named(operation, code, message);
            let settles = matches!(
                code,
                "BUSY" | "INTERNAL_SERVER_ERROR" | "DATABASE_QUERY_ERROR"
            );
            Some(if settles {
                Upserted::Unsettled(refusal)
            } else {
                Upserted::Refused(refusal)
            })
        }
        _ => None,
    }
}
