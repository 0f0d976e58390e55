//! `sync`, where it works: what was changed and deleted since a moment; and `wsapp_register`, its lesser sister.

use serde_json::{Value, json};

use super::auth;
use super::catalogue::ModuleIndex;
use super::failure::{Answer, Failure};
use super::records::Call;
use super::store::Row;
use super::values::leading_number;

/// How many records, deleted ones included, decide up to which second an answer goes.
const BATCH: usize = 100;

/// What is asked of `sync`.
pub(super) struct Since<'a> {
    /// Seconds since 1970.
    pub(super) moment: &'a str,
    pub(super) module: &'a str,
    /// `application`, `userandgroup`, or anything else for the caller's own records.
    pub(super) scope: &'a str,
}

/// A record that changed, and whether it is gone.
struct Changed {
    number: u64,
    modified: String,
    gone: bool,
}

impl Call<'_> {
    /// `sync`: records after this second, up to the last second that the first hundred of them reach.
    pub(super) fn sync(&mut self, since: &Since<'_>) -> Answer {
        let moment = leading_number(since.moment) as i64;
        // Zero and nothing are the same to PHP; without a module it dies later on.
        if moment == 0 || since.module.is_empty() {
            return Err(Failure::Fatal);
        }
        if since.module == "Users" {
            return Ok(json!({
                "updated": [], "deleted": [], "lastModifiedTime": since.moment, "more": false,
            }));
        }
        let module = self
            .module_named(since.module)
            .ok_or_else(Failure::denied)?;
        let everybodys = since.scope == "application";
        if everybodys && !self.actor.admin {
            return Err(Failure::denied());
        }
        let start = self.state.server_second(moment);
        let mut changed = self.changed_after(module, &start, everybodys);
        changed.sort_by(|a, b| (&a.modified, a.number).cmp(&(&b.modified, b.number)));
        let end = changed.get(changed.len().min(BATCH).wrapping_sub(1));
        let Some(end) = end.map(|last| last.modified.clone()) else {
            return Ok(json!({
                "updated": [], "deleted": [], "more": false, "lastModifiedTime": moment,
            }));
        };
        let more = changed.iter().any(|one| one.modified > end);
        changed.retain(|one| one.modified <= end);
        changed.sort_by_key(|one| one.number);
        let name = self.state.catalogue.module(module).name.clone();
        let of = |gone: bool| changed.iter().filter(move |one| one.gone == gone);
        let updated: Vec<Value> = of(false)
            .map(|one| self.record_without_label(module, one.number).into())
            .collect();
        let deleted: Vec<String> = of(true)
            .map(|one| self.dialect.id(&name, one.number))
            .collect();
        Ok(json!({
            "updated": updated, "deleted": deleted, "more": more,
            "lastModifiedTime": self.state.epoch(&end).unwrap_or(moment),
        }))
    }

    fn changed_after(&self, module: ModuleIndex, start: &str, everybodys: bool) -> Vec<Changed> {
        let about = self.state.catalogue.module(module);
        let (time, owner) = (about.field("modifiedtime"), about.field("assigned_user_id"));
        let own = self.actor.number.to_string();
        let look = |number: u64, row: &Row, gone: bool| {
            let modified = row[time?].clone()?;
            let mine = owner.is_some_and(|at| row[at].as_deref() == Some(own.as_str()));
            (modified.as_str() > start && (everybodys || mine)).then_some(Changed {
                number,
                modified,
                gone,
            })
        };
        let store = &self.state.store;
        let living = store
            .rows(module)
            .filter_map(|(number, row)| look(number, row, self.state.converted.contains(&number)));
        let deleted = store
            .recycled(module)
            .filter_map(|(number, row)| look(number, row, true));
        living.chain(deleted).collect()
    }

    /// `wsapp_register`: a key for whoever asks.
    pub(super) fn register_app(&mut self) -> Answer {
        let now = self.now;
        Ok(json!({ "key": auth::unique_id(self.state, now) }))
    }
}
