//! Who sees which records, and in which order their fields.

use super::catalogue::{Module, ModuleIndex};
use super::columns;
use super::dialect::Dialect;
use super::records::Call;
use super::state::State;
use super::store::Row;

/// Who reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader {
    pub(super) dialect: Dialect,
    /// The user's number.
    pub(super) number: u64,
    pub(super) admin: bool,
}

impl State {
    /// Whether a reader sees a row: of users only the active ones; of a private module, unless an administrator, only the own.
    pub(super) fn shows(&self, reader: Reader, module: ModuleIndex, row: &Row) -> bool {
        let about = self.catalogue.module(module);
        let text = |field: &str| about.field(field).and_then(|at| row[at].as_deref());
        if about.name == "Users" {
            return text("status") == Some("Active");
        }
        reader.admin
            || !self.private.contains(&module)
            || text("assigned_user_id") == Some(reader.number.to_string().as_str())
    }

    /// Makes a module's records private to their owners, or public again. Says whether the module exists.
    pub(super) fn set_private(&mut self, module: &str, private: bool) -> bool {
        let Some(module) = self.catalogue.find(module) else {
            return false;
        };
        if private {
            self.private.insert(module);
        } else {
            self.private.remove(&module);
        }
        true
    }
}

impl Module {
    /// Positions of the fields as a reader gets them: as on the page for administrators, and for others by the names of
    /// their columns, the id last.
    pub(super) fn order(&self, reader: Reader) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.fields.len()).collect();
        if !reader.admin && reader.dialect == Dialect::OpenSource && self.is_entity {
            let key = |at: usize| {
                let name = &self.fields[at].name;
                (name == "id", columns::of(&self.name, name))
            };
            order.sort_by_key(|&at| key(at));
        }
        order
    }
}

impl Call<'_> {
    /// Who makes this call, as a reader.
    pub(super) fn reader(&self) -> Reader {
        Reader {
            dialect: self.dialect,
            number: self.actor.number,
            admin: self.actor.admin,
        }
    }
}
