//! One customer and its contact, field by field, as both are at this moment. Reads only.

use std::collections::BTreeMap;

use pugmark_queue::db::DbError;

use super::{CompareError, Comparer};
use crate::delivery::difference::difference;
use crate::store::field_mapping::Direction;
use crate::store::standing;

/// What a look at both sides shows.
#[derive(Debug, Clone)]
pub enum Beside {
    /// The customer has no contact.
    NotLinked,
    /// The customer's row cannot be read: the reason.
    Unreadable(String),
    /// The contact is gone from the CRM, or out of our sight.
    Gone {
        /// The id it had.
        contact: String,
    },
    /// Both sides.
    Fields {
        /// The contact's id.
        contact: String,
        /// Every mapped field, by its label.
        fields: Vec<FieldBeside>,
        /// Values that are not sent, or not as they are, each with its field and the reason.
        warnings: Vec<String>,
        /// Something of the customer was being delivered or changed meanwhile, so a difference may be gone in a moment.
        under_way: bool,
    },
}

/// A field on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldBeside {
    /// API name.
    pub field: String,
    /// What people call it.
    pub label: String,
    /// Which way its values go.
    pub direction: Direction,
    /// What the row would have there, as vTiger would show it; `None` when nothing is to be sent.
    pub ours: Option<String>,
    /// What both sides last agreed on; `None` when nothing ever was.
    pub agreed: Option<String>,
    /// What the contact holds; `None` when vTiger does not show the field.
    pub theirs: Option<String>,
    /// Both sides show different values.
    pub differs: bool,
    /// The row changed since both sides last agreed.
    pub edited_here: bool,
    /// The contact changed since both sides last agreed.
    pub edited_there: bool,
}

impl Comparer<'_> {
    /// Looks at both sides of one customer.
    ///
    /// # Errors
    /// When store or CRM do not answer.
    pub async fn beside(&self, customer: &str) -> Result<Beside, CompareError> {
        let Some(read) = self.load(customer).await? else {
            return Ok(Beside::NotLinked);
        };
        let Some(id) = read.record_id() else {
            return Ok(Beside::NotLinked);
        };
        let shape = match &read.shape {
            Ok(shape) => shape,
            Err(reason) => return Ok(Beside::Unreadable(reason.clone())),
        };
        let contact = id.to_string();
        let Some(record) = self.retrieve(&id).await? else {
            return Ok(Beside::Gone { contact });
        };
        let found = difference(shape, &BTreeMap::new());
        let stored = &found.adapted.stored;
        let same = |name: &str, one: Option<&str>, other: Option<&str>| match (one, other) {
            (Some(one), Some(other)) => shape
                .module
                .field(name)
                .map_or(one == other, |field| field.same_value(one, other)),
            // What is not known of one side is no difference.
            _ => true,
        };
        let mut fields: Vec<FieldBeside> = shape
            .names
            .iter()
            .map(|name| {
                let ours = stored.get(name).map(String::as_str);
                let agreed = read.snapshot.get(name).map(String::as_str);
                let theirs = record.get(name);
                FieldBeside {
                    label: self.label(name),
                    direction: self.direction(name),
                    differs: !same(name, ours, theirs),
                    edited_here: !same(name, agreed, ours),
                    edited_there: !same(name, agreed, theirs),
                    field: name.clone(),
                    ours: ours.map(str::to_owned),
                    agreed: agreed.map(str::to_owned),
                    theirs: theirs.map(str::to_owned),
                }
            })
            .collect();
        fields.sort_by(|one, other| one.label.cmp(&other.label));
        let warnings = found.adapted.warnings.iter().map(ToString::to_string);
        let warnings = shape.unsent.iter().cloned().chain(warnings).collect();
        let under_way = self.moved_since(&read.standing).await?;
        Ok(Beside::Fields {
            contact,
            fields,
            warnings,
            under_way,
        })
    }

    async fn moved_since(&self, before: &standing::Standing) -> Result<bool, DbError> {
        let mut conn = self.db.read().await?;
        let now = standing::of(&mut conn, &before.id).await?;
        Ok(!now.is_quiet_since(before))
    }
}
