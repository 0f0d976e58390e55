//! The history of the field mapping: each change keeps the mapping as it is afterwards, in the same commit, whoever made it.

use std::collections::BTreeMap;

use pugmark_queue::db::{Conn, DbError, Ts};
use serde::{Deserialize, Serialize};

use crate::store::field_mapping::{self, Direction, FieldKind, FieldMapping, Mapping, OnConflict};
use crate::store::mapping_versions::{self, NewVersion, Version};

/// One mapping, as a version keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptMapping {
    /// The source.
    pub source: String,
    /// API name or label of the field.
    pub field: String,
    /// Module of the field.
    pub module: String,
    /// `TEXT`, ...
    pub kind: String,
    /// `to_crm`, ...
    pub direction: String,
    /// `microbima`, ...
    pub on_conflict: String,
    /// Whether it is used.
    pub active: bool,
}

impl From<&Mapping> for KeptMapping {
    fn from(mapping: &Mapping) -> Self {
        KeptMapping {
            source: mapping.field.microbima_field.clone(),
            field: mapping.field.vtiger_field_name.clone(),
            module: mapping.module.clone(),
            kind: mapping.field.kind.as_str().to_owned(),
            direction: mapping.direction.as_str().to_owned(),
            on_conflict: mapping.on_conflict.as_str().to_owned(),
            active: mapping.is_active,
        }
    }
}

impl KeptMapping {
    /// As a mapping that is not stored yet; `None` when a word of it is of a newer program.
    pub fn to_mapping(&self) -> Option<Mapping> {
        Some(Mapping {
            id: 0,
            field: FieldMapping {
                microbima_field: self.source.clone(),
                vtiger_field_name: self.field.clone(),
                kind: FieldKind::parse(&self.kind)?,
                checked_field: None,
            },
            module: self.module.clone(),
            is_active: self.active,
            direction: Direction::parse(&self.direction)?,
            on_conflict: OnConflict::parse(&self.on_conflict)?,
            checked_at: None,
        })
    }
}

/// What differs between two versions for one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// It was not mapped before.
    Added(KeptMapping),
    /// It is not mapped any more.
    Removed(KeptMapping),
    /// It was mapped otherwise.
    Changed {
        /// Before.
        from: KeptMapping,
        /// Afterwards.
        to: KeptMapping,
    },
}

/// What differs, by source.
pub fn differences(from: &[KeptMapping], to: &[KeptMapping]) -> Vec<Difference> {
    let by_source = |list: &[KeptMapping]| -> BTreeMap<(String, String), KeptMapping> {
        let entries = list.iter().map(|one| {
            let key = (one.module.clone(), one.source.clone());
            (key, one.clone())
        });
        entries.collect()
    };
    let (from, to) = (by_source(from), by_source(to));
    let mut found = Vec::new();
    for (key, before) in &from {
        match to.get(key) {
            None => found.push(Difference::Removed(before.clone())),
            Some(after) if after != before => found.push(Difference::Changed {
                from: before.clone(),
                to: after.clone(),
            }),
            Some(_) => {}
        }
    }
    let added = to.iter().filter(|(key, _)| !from.contains_key(*key));
    found.extend(added.map(|(_, after)| Difference::Added(after.clone())));
    found
}

/// What a version kept; empty when it cannot be read.
pub fn kept(version: &Version) -> Vec<KeptMapping> {
    serde_json::from_str(&version.mappings).unwrap_or_default()
}

fn of(mappings: &[Mapping]) -> Vec<KeptMapping> {
    let mut list: Vec<KeptMapping> = mappings.iter().map(KeptMapping::from).collect();
    list.sort_by(|one, other| (&one.module, &one.source).cmp(&(&other.module, &other.source)));
    list
}

/// Before a change: keeps the mapping as it is, if it is not as the last version has it. So the first change can be undone, too,
/// and so can what somebody changed in the table by hand.
///
/// # Errors
/// Whatever the database says.
pub async fn before(conn: &mut Conn, now: Ts) -> Result<(), DbError> {
    let current = of(&field_mapping::list(conn).await?);
    let latest = mapping_versions::list(conn, i64::MAX, 1).await?;
    if latest.first().is_some_and(|latest| kept(latest) == current) {
        return Ok(());
    }
    let reason = match latest.is_empty() {
        true => "As it was before the first change that was noted",
        false => "Changed past Pugmark",
    };
    keep(
        conn,
        &current,
        ("unknown", "mapping.found", reason, None),
        now,
    )
    .await
}

/// After a change: keeps the mapping as it is now.
///
/// # Errors
/// Whatever the database says.
pub async fn after(
    conn: &mut Conn,
    (actor, action): (&str, &str),
    reason: Option<&str>,
    correlation_id: &str,
    now: Ts,
) -> Result<(), DbError> {
    let current = of(&field_mapping::list(conn).await?);
    let reason = reason.unwrap_or_default();
    let act = (actor, action, reason, Some(correlation_id));
    keep(conn, &current, act, now).await
}

async fn keep(
    conn: &mut Conn,
    mappings: &[KeptMapping],
    (actor, action, reason, correlation_id): (&str, &str, &str, Option<&str>),
    now: Ts,
) -> Result<(), DbError> {
    // Lists of texts and flags can always be written down.
    let mappings = serde_json::to_string(mappings).unwrap_or_default();
    let new = NewVersion {
        actor,
        action,
        reason,
        correlation_id,
        mappings: &mappings,
    };
    mapping_versions::insert(conn, &new, now).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(source: &str, field: &str) -> KeptMapping {
        KeptMapping {
            source: source.to_owned(),
            field: field.to_owned(),
            module: "Contacts".to_owned(),
            kind: "TEXT".to_owned(),
            direction: "to_crm".to_owned(),
            on_conflict: "microbima".to_owned(),
            active: true,
        }
    }

    #[test]
    fn differences_are_told_by_source_whatever_the_order() {
        let from = [one("a", "1"), one("b", "2"), one("c", "3")];
        let to = [one("d", "4"), one("c", "3"), one("b", "5")];
        let expected = [
            Difference::Removed(one("a", "1")),
            Difference::Changed {
                from: one("b", "2"),
                to: one("b", "5"),
            },
            Difference::Added(one("d", "4")),
        ];
        assert_eq!(differences(&from, &to), expected);
        assert_eq!(differences(&from, &from), []);
    }

    #[test]
    fn a_kept_mapping_comes_back_as_it_was_and_one_of_a_newer_program_not_at_all() {
        let kept = one("email", "Email");
        assert_eq!(KeptMapping::from(&kept.to_mapping().unwrap()), kept);
        let newer = KeptMapping {
            direction: "sideways".to_owned(),
            ..kept
        };
        assert_eq!(newer.to_mapping(), None);
    }
}
