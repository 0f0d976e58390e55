//! Which field of the contact holds what: the operator's mapping, resolved by this installation's description.

use std::collections::BTreeMap;
use std::sync::Arc;

use vtiger::{Field, Module};

use crate::store::field_mapping::{FieldKind, FieldMapping};

/// The column whose field carries our reference.
pub const REFERENCE: &str = "id";

/// A mapped field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// API name in this installation.
    pub field: String,
    /// Kind of value.
    pub kind: FieldKind,
}

/// The contact's fields by the column each one carries.
#[derive(Debug, Clone)]
pub struct ContactFields {
    /// The module's description.
    pub module: Arc<Module>,
    targets: BTreeMap<String, Target>,
    /// Mappings whose field this installation does not have: column and the name looked for.
    pub missing: Vec<(String, String)>,
}

impl ContactFields {
    /// Resolves every mapping by API name first, then by label. A name made of words (`cf_id_number`) also finds the field
    /// labelled with those words ("ID Number"): an open-source vTiger numbers the fields that are made in its pages.
    pub fn resolve(module: Arc<Module>, mappings: &[FieldMapping]) -> Self {
        let mut targets = BTreeMap::new();
        let mut missing = Vec::new();
        for mapping in mappings {
            match find(&module, &mapping.vtiger_field_name) {
                Some(field) => {
                    let target = Target {
                        field: field.name.clone(),
                        kind: mapping.kind,
                    };
                    targets.insert(mapping.microbima_field.clone(), target);
                }
                None => missing.push((
                    mapping.microbima_field.clone(),
                    mapping.vtiger_field_name.clone(),
                )),
            }
        }
        ContactFields {
            module,
            targets,
            missing,
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

    /// Those of these fields that this installation has.
    pub fn known<'a>(
        &'a self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> impl Iterator<Item = &'a str> {
        names
            .into_iter()
            .filter(|name| self.module.field(name).is_some())
    }

    /// API names of all mapped fields.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.targets.values().map(|target| target.field.as_str())
    }
}

fn find<'a>(module: &'a Module, name: &str) -> Option<&'a Field> {
    module
        .field(name)
        .or_else(|| module.field_by_label(name))
        .or_else(|| module.field_by_label(&name.strip_prefix("cf_")?.replace('_', " ")))
}
