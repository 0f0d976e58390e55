//! Creating, reading, changing and deleting one record.

use serde_json::{Map, Value as Json};

use crate::classify::unexpected_result;
use crate::client::Client;
use crate::element::{Element, element_text};
use crate::error::CallError;
use crate::id::RecordId;
use crate::operation::Operation;
use crate::record::Record;

impl Client {
    /// Creates a record. Send adapted elements ([`Module::adapt`](crate::Module::adapt)).
    ///
    /// # Errors
    /// [`CallError::Unknown`] when the record may exist all the same: look for it by a reference of your own.
    pub async fn create(&self, module: &str, element: &Element) -> Result<Record, CallError> {
        let operation = Operation::write("create")
            .param("elementType", module)
            .param("element", element_text(element.to_json()));
        let result = self.call_operation(&operation).await?;
        record(&operation, &result)
    }

    /// Reads a record as stored.
    ///
    /// # Errors
    /// [`CallError::Refused`] with `MissingOrForbidden` for a record that is gone, never was or may not be seen.
    pub async fn retrieve(&self, id: &RecordId) -> Result<Record, CallError> {
        let operation = Operation::read("retrieve").param("id", id.as_str());
        let result = self.call_operation(&operation).await?;
        same_record(&operation, &result, id)
    }

    /// Changes only the given fields. Send elements adapted for [`Purpose::Revise`](crate::Purpose::Revise): this
    /// operation, unlike all others, decodes HTML entities.
    ///
    /// # Errors
    /// As [`Client::create`].
    pub async fn revise(&self, id: &RecordId, element: &Element) -> Result<Record, CallError> {
        self.change("revise", id, element).await
    }

    /// Changes the given fields, which must include all mandatory ones; the others stay.
    ///
    /// # Errors
    /// As [`Client::create`].
    pub async fn update(&self, id: &RecordId, element: &Element) -> Result<Record, CallError> {
        self.change("update", id, element).await
    }

    async fn change(
        &self,
        name: &str,
        id: &RecordId,
        element: &Element,
    ) -> Result<Record, CallError> {
        let mut fields = Map::new();
        fields.insert("id".to_owned(), Json::String(id.to_string()));
        fields.extend(
            element
                .to_json()
                .into_iter()
                .filter(|(field, _)| field != "id"),
        );
        let operation = Operation::write(name).param("element", element_text(fields));
        let result = self.call_operation(&operation).await?;
        same_record(&operation, &result, id)
    }

    /// Moves a record to the recycle bin. (A user is only made inactive.)
    ///
    /// # Errors
    /// As [`Client::create`]; `MissingOrForbidden` when it is gone already.
    pub async fn delete(&self, id: &RecordId) -> Result<(), CallError> {
        let operation = Operation::write("delete").param("id", id.as_str());
        let result = self.call_operation(&operation).await?;
        match result.get("status").and_then(Json::as_str) {
            Some("successful") => Ok(()),
            _ => Err(unexpected_result(
                &operation,
                "the answer does not say that the record was deleted",
            )),
        }
    }
}

fn record(operation: &Operation, result: &Json) -> Result<Record, CallError> {
    result
        .as_object()
        .and_then(Record::from_json)
        .ok_or_else(|| unexpected_result(operation, "the answer holds no record with an id"))
}

/// An answer about another record proves nothing about this one.
fn same_record(operation: &Operation, result: &Json, id: &RecordId) -> Result<Record, CallError> {
    let record = record(operation, result)?;
    if record.id.numeric_key() == id.numeric_key() {
        Ok(record)
    } else {
        Err(unexpected_result(
            operation,
            format!("asked about {id}, answered about {}", record.id),
        ))
    }
}

/// The records of a list; one that cannot be read makes the whole answer unreadable, since leaving it out would look
/// like its absence.
pub(crate) fn records(operation: &Operation, result: &Json) -> Result<Vec<Record>, CallError> {
    let unreadable = || unexpected_result(operation, "the answer is not a list of records");
    let rows = result.as_array().ok_or_else(unreadable)?;
    rows.iter()
        .map(|row| {
            row.as_object()
                .and_then(Record::from_json)
                .ok_or_else(unreadable)
        })
        .collect()
}
