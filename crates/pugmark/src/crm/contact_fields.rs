//! Which field of the contact holds what: the operator's mapping, resolved by this installation's description.

use std::collections::BTreeMap;
use std::sync::Arc;

use vtiger::{Field, Module};

use crate::delivery::merge::Rule;
use crate::store::field_mapping::{FieldKind, FieldMapping, Mapping};

/// The column whose field carries our reference.
pub const REFERENCE: &str = "id";

/// A mapped field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// API name in this installation.
    pub field: String,
    /// Kind of value.
    pub kind: FieldKind,
    /// Which way its values go, and who wins.
    pub rule: Rule,
}

/// The contact's fields by the column each one carries.
#[derive(Debug, Clone)]
pub struct ContactFields {
    /// The module's description.
    pub module: Arc<Module>,
    targets: BTreeMap<String, Target>,
    /// Mappings whose field this installation does not have: column and the name looked for.
    pub missing: Vec<(String, String)>,
    /// Mappings whose field an older mapping fills: column and API name of the field. They are left out.
    pub doubled: Vec<(String, String)>,
}

impl ContactFields {
    /// Resolves every mapping by API name first, then by label. A name made of words (`cf_id_number`) also finds the field
    /// labelled with those words ("ID Number"): an open-source vTiger numbers the fields that are made in its pages.
    ///
    /// Every field is taken for one that goes to the CRM; [`Self::ruled`] heeds the directions.
    pub fn resolve(module: Arc<Module>, mappings: &[FieldMapping]) -> Self {
        Self::of(module, mappings.iter().map(|mapping| (mapping, Rule::OURS)))
    }

    /// As [`Self::resolve`], each field with the rule of its mapping.
    pub fn ruled(module: Arc<Module>, mappings: &[Mapping]) -> Self {
        let ruled = mappings.iter().map(|mapping| {
            let rule = Rule {
                direction: mapping.direction,
                on_conflict: mapping.on_conflict,
            };
            (&mapping.field, rule)
        });
        Self::of(module, ruled)
    }

    fn of<'m>(
        module: Arc<Module>,
        mappings: impl Iterator<Item = (&'m FieldMapping, Rule)>,
    ) -> Self {
        let mut targets: BTreeMap<String, Target> = BTreeMap::new();
        let mut missing = Vec::new();
        let mut doubled = Vec::new();
        for (mapping, rule) in mappings {
            let source = mapping.microbima_field.clone();
            let Some(field) = find(&module, &mapping.vtiger_field_name) else {
                missing.push((source, mapping.vtiger_field_name.clone()));
                continue;
            };
            if targets.values().any(|target| target.field == field.name) {
                doubled.push((source, field.name.clone()));
                continue;
            }
            let target = Target {
                field: field.name.clone(),
                kind: mapping.kind,
                rule,
            };
            targets.insert(source, target);
        }
        ContactFields {
            module,
            targets,
            missing,
            doubled,
        }
    }

    /// The field that carries our reference. Without it no contact is created: nothing could be found again.
    pub fn reference(&self) -> Option<&str> {
        self.target(REFERENCE).map(|target| target.field.as_str())
    }

    /// Where a column goes.
    pub fn target(&self, column: &str) -> Option<&Target> {
        self.targets.get(column)
    }

    /// Every mapped column with the field it goes to.
    pub fn targets(&self) -> impl Iterator<Item = (&str, &Target)> {
        self.targets
            .iter()
            .map(|(column, target)| (column.as_str(), target))
    }

    /// API names of all mapped fields.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.targets.values().map(|target| target.field.as_str())
    }
}

/// The field that a mapping's name means in this installation.
pub fn find<'a>(module: &'a Module, name: &str) -> Option<&'a Field> {
    module
        .field(name)
        .or_else(|| module.field_by_label(name))
        .or_else(|| module.field_by_label(&name.strip_prefix("cf_")?.replace('_', " ")))
}
