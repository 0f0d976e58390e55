//! What is checked before, and what goes wrong after, a record is stored.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::catalogue::{Kind, ModuleIndex};
use super::collation;
use super::dialect::Dialect;
use super::failure::Failure;
use super::records::{Call, leading_digits};
use super::store::Cell;
use super::values::Input;

impl Call<'_> {
    /// Ids must name a module that the field may refer to; whether the record exists is not asked. An empty reference
    /// disappears from a create or an update, so that the update keeps what is there.
    pub(super) fn check_references(
        &self,
        module: ModuleIndex,
        element: &mut Map<String, Value>,
        drop_empty: bool,
    ) -> Result<(), Failure> {
        for field in &self.state.catalogue.module(module).fields {
            let Kind::Reference(targets) = &field.kind else {
                continue;
            };
            let id = match element.get(&field.name) {
                None | Some(Value::Null) => continue,
                Some(Value::Array(_) | Value::Object(_)) => return Err(Failure::Fatal),
                Some(value) => Input::read(value).text().to_owned(),
            };
            if id.is_empty() {
                if drop_empty {
                    element.remove(&field.name);
                }
                continue;
            }
            let prefix = leading_digits(id.split('x').next().unwrap_or_default());
            let named = self.dialect.module(u32::try_from(prefix).unwrap_or(0));
            let named = named.ok_or_else(|| Failure::denied_for("id"))?;
            if !targets.iter().any(|target| target == named) {
                let message = format!("Invalid reference specified for {}", field.name);
                return Err(Failure::refused("REFERENCE_INVALID", message));
            }
        }
        Ok(())
    }

    /// `all`: every mandatory field must have a value; otherwise only those that are sent.
    pub(super) fn check_mandatory(
        &self,
        module: ModuleIndex,
        element: &Map<String, Value>,
        all: bool,
    ) -> Result<(), Failure> {
        for field in self
            .state
            .catalogue
            .module(module)
            .fields
            .iter()
            .filter(|field| field.is_mandatory(self.dialect))
        {
            let missing = match element.get(&field.name) {
                None => all,
                Some(Value::Null) => true,
                Some(Value::String(text)) => text.is_empty(),
                Some(_) => false,
            };
            if missing {
                // The hosted edition shows the label, the open-source one the name.
                let cloud = self.dialect == Dialect::Cloud;
                return Err(Failure::mandatory(if cloud {
                    &field.label
                } else {
                    &field.name
                }));
            }
        }
        Ok(())
    }

    /// For callers without administrator's rights the list of possible owners is numbered anew from 0, so that users
    /// with higher numbers are refused; but for the caller's own.
    pub(super) fn check_owner_right(
        &self,
        module: ModuleIndex,
        element: &Map<String, Value>,
    ) -> Result<(), Failure> {
        if self.actor.admin {
            return Ok(());
        }
        let users = self
            .state
            .catalogue
            .find("Users")
            .map_or(0, |users| self.state.store.count(users)) as u64;
        for field in &self.state.catalogue.module(module).fields {
            let sent = element
                .get(&field.name)
                .filter(|_| field.kind == Kind::Owner)
                .map(Input::read);
            let number = sent.map_or(0, |sent| {
                leading_digits(sent.text().split('x').nth(1).unwrap_or_default())
            });
            if number >= users && number > 0 && number != self.actor.number {
                return Err(Failure::refused(
                    "ACCESS_DENIED",
                    "Cannot assign record to the given user",
                ));
            }
        }
        Ok(())
    }

    /// Refuses a value that another living record has in a field marked unique; empty values are free.
    pub(super) fn check_unique(
        &mut self,
        module: ModuleIndex,
        own: Option<u64>,
        cells: &BTreeMap<usize, Cell>,
    ) -> Result<(), Failure> {
        for (&field, cell) in cells {
            let unique = self.state.catalogue.module(module).fields[field].unique;
            let Some(text) = cell
                .as_deref()
                .filter(|text| unique && !collation::key(text).is_empty())
            else {
                continue;
            };
            let others = self.state.store.equal_text(module, field, text);
            let sees = |number: u64| Some(number) != own && number < self.began_at;
            if others.into_iter().any(sees) {
                return Err(Failure::duplicate());
            }
        }
        Ok(())
    }

    /// An owner that does not exist stops the program, after the record is stored.
    pub(super) fn dangling_owner(&self, module: ModuleIndex, number: u64) -> Result<(), Failure> {
        let owner = self
            .state
            .cell(module, number, "assigned_user_id")
            .parse::<u64>()
            .unwrap_or(0);
        let exists = ["Users", "Groups"].iter().any(|principal| {
            self.state
                .catalogue
                .find(principal)
                .is_some_and(|module| self.state.store.row(module, owner).is_some())
        });
        let has_owner = self
            .state
            .catalogue
            .module(module)
            .field("assigned_user_id")
            .is_some();
        if has_owner && !exists {
            Err(Failure::Restricted)
        } else {
            Ok(())
        }
    }
}
