//! What an edit of a contact comes to: the merge of every mapped field, in one decision. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::back;
use crate::crm::contact_fields::{ContactFields, Target};
use crate::delivery::merge::{self, Newer, Sides, Take};
use crate::store::conflicts::{Choice, Conflict, Found, Kind};
use crate::store::customer_edits::Edit;
use crate::store::customers::Customer;
use crate::store::field_mapping::Direction;

/// Everything that a decision depends on. Values are in the form in which the CRM stores them.
pub struct Situation<'a> {
    /// The customer.
    pub row: &'a Customer,
    /// The mapped fields.
    pub fields: &'a ContactFields,
    /// What the row would have the CRM show, by field.
    pub ours: &'a BTreeMap<String, String>,
    /// What the CRM shows, by field.
    pub theirs: &'a BTreeMap<String, String>,
    /// What was last agreed on, by field.
    pub base: &'a BTreeMap<String, String>,
    /// What we were about to write when nobody could say whether it arrived.
    pub in_flight: &'a BTreeMap<String, String>,
    /// The CRM's value that was last overruled, by field.
    pub overruled: &'a BTreeMap<String, String>,
    /// What a person has been asked, and may have answered.
    pub conflicts: &'a [Conflict],
    /// Columns whose new value another customer was found to have.
    pub taken: &'a BTreeSet<String>,
    /// Which side changed a source last.
    pub newer: &'a dyn Fn(&str) -> Newer,
}

/// What is to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// Changes of the customer's row.
    pub edits: Vec<Edit>,
    /// What both sides agree on from now on. A field that waits for a person keeps what was agreed on before.
    pub snapshot: BTreeMap<String, String>,
    /// The CRM's value that was last overruled, by field.
    pub overruled: BTreeMap<String, String>,
    /// What a person has to decide.
    pub conflicts: Vec<Found>,
    /// Sources about which a person's decision is carried out by this.
    pub decided: Vec<String>,
    /// Fields whose value goes to MicroBima.
    pub taken: Vec<String>,
    /// Fields whose value has to be sent to the CRM again.
    pub sent: Vec<String>,
    /// What people should know.
    pub warnings: Vec<String>,
}

/// Decides. `stored` gives what the CRM would show of a customer, by field.
pub fn decide(
    situation: &Situation<'_>,
    stored: impl Fn(&Customer) -> BTreeMap<String, String>,
) -> Decision {
    let mut deciding = Deciding {
        situation,
        decision: Decision {
            snapshot: situation.base.clone(),
            overruled: situation.overruled.clone(),
            ..Decision::default()
        },
    };
    for (source, target) in situation.fields.targets() {
        deciding.field(source, target);
    }
    deciding.settle_taken(&stored);
    deciding.decision
}

/// One field on both sides.
struct Field<'a> {
    source: &'a str,
    target: &'a Target,
    base: Option<&'a String>,
    ours: &'a str,
    theirs: &'a str,
}

struct Deciding<'a> {
    situation: &'a Situation<'a>,
    decision: Decision,
}

impl<'a> Deciding<'a> {
    fn field(&mut self, source: &'a str, target: &'a Target) {
        let situation = self.situation;
        let Some(theirs) = situation.theirs.get(&target.field) else {
            return;
        };
        let base = match situation.in_flight.get(&target.field) {
            Some(echo) if echo == theirs => Some(echo),
            _ => situation.base.get(&target.field),
        };
        let ours = match situation.ours.get(&target.field) {
            Some(ours) => ours.as_str(),
            // Nothing of ours could be shown in a field that is the CRM's, for instance because it is read-only there.
            None if target.rule.direction == Direction::FromCrm => base.map_or("", String::as_str),
            // What cannot be expressed is left as it is.
            None => return,
        };
        let field = Field {
            source,
            target,
            base,
            ours,
            theirs,
        };
        match self.answered(&field) {
            Some((Choice::Microbima, _)) => self.ours(&field),
            Some((Choice::Vtiger, _)) => self.theirs(&field, theirs),
            Some((Choice::Value, value)) => self.theirs(&field, &value),
            None => self.merged(&field),
        }
    }

    /// A person's answer to just what stands there now; an answer to something else is none.
    fn answered(&mut self, field: &Field<'_>) -> Option<(Choice, String)> {
        let conflict = self
            .situation
            .conflicts
            .iter()
            .find(|conflict| conflict.source == field.source)?;
        let same = conflict.ours == field.ours && conflict.theirs == field.theirs;
        let choice = conflict.choice.filter(|_| same)?;
        self.decision.decided.push(field.source.to_owned());
        // What a person wants is sent however often it was changed back.
        self.decision.overruled.remove(&field.target.field);
        Some((choice, conflict.chosen_value.clone().unwrap_or_default()))
    }

    fn merged(&mut self, field: &Field<'_>) {
        let sides = Sides {
            base: field.base.map(String::as_str),
            ours: field.ours,
            theirs: field.theirs,
        };
        let described = self.situation.fields.module.field(&field.target.field);
        let same = |one: &str, other: &str| {
            described.map_or(one == other, |field| field.same_value(one, other))
        };
        let newer = (self.situation.newer)(field.source);
        match merge::field(sides, field.target.rule, newer, same) {
            Take::Agreed => {
                self.decision.overruled.remove(&field.target.field);
                self.agree(field, field.theirs);
            }
            Take::Ours => self.ours(field),
            Take::Theirs => self.theirs(field, field.theirs),
            Take::Ask => {
                let found = self.found(field, Kind::BothChanged, None);
                self.decision.conflicts.push(found);
            }
            Take::Left => {}
        }
    }

    fn agree(&mut self, field: &Field<'_>, value: &str) {
        let name = field.target.field.clone();
        self.decision.snapshot.insert(name, value.to_owned());
    }

    /// The CRM is to show ours again, unless it is the CRM itself that keeps changing it back.
    fn ours(&mut self, field: &Field<'_>) {
        let name = &field.target.field;
        let edited = field.base.is_some_and(|base| base != field.theirs);
        if edited && self.is_changed_back(field) {
            return;
        }
        // What was agreed on is now what the CRM shows: so ours is a change of one side, and is sent as one.
        self.agree(field, field.theirs);
        self.decision.sent.push(name.clone());
    }

    /// Notes that the CRM's value is overruled; `true` when it was overruled before and came back.
    fn is_changed_back(&mut self, field: &Field<'_>) -> bool {
        let name = &field.target.field;
        if self.decision.overruled.get(name).map(String::as_str) == Some(field.theirs) {
            let what = format!(
                "{}: vTiger changes this field back by itself (a workflow?) or somebody insists; it was overruled once and is left",
                self.label(field)
            );
            self.decision.warnings.push(what);
            self.agree(field, field.ours);
            return true;
        }
        self.decision
            .overruled
            .insert(name.clone(), field.theirs.to_owned());
        false
    }

    fn theirs(&mut self, field: &Field<'_>, value: &str) {
        let middle_apart = self.situation.fields.target("middleName").is_some();
        let edits = back::columns(field.source, value, self.situation.row, middle_apart);
        let free = edits.and_then(|edits| {
            let taken = edits
                .iter()
                .any(|edit| self.situation.taken.contains(edit.column));
            match taken {
                true => Err("another customer has it".to_owned()),
                false => Ok(edits),
            }
        });
        match free {
            Ok(edits) => {
                self.decision.edits.extend(edits);
                self.decision.taken.push(field.target.field.clone());
                self.agree(field, field.theirs);
            }
            Err(why) => {
                self.decision
                    .decided
                    .retain(|source| source != field.source);
                let found = self.found(field, Kind::NotAccepted, Some(why));
                self.decision.conflicts.push(found);
            }
        }
    }

    /// What was taken over may be shown in other words by MicroBima: these are sent once.
    fn settle_taken(&mut self, stored: &impl Fn(&Customer) -> BTreeMap<String, String>) {
        let after = stored(&back::laid_over(self.situation.row, &self.decision.edits));
        let fields = self.situation.fields;
        for (source, target) in fields.targets() {
            let name = &target.field;
            if target.rule.direction != Direction::Both || !self.decision.taken.contains(name) {
                continue;
            }
            let (Some(ours), Some(theirs)) = (after.get(name), self.situation.theirs.get(name))
            else {
                continue;
            };
            let field = Field {
                source,
                target,
                base: self.situation.base.get(name),
                ours,
                theirs,
            };
            if ours == theirs {
                self.decision.overruled.remove(name);
            } else if !self.is_changed_back(&field) {
                self.decision.sent.push(name.clone());
            }
        }
    }

    fn found(&self, field: &Field<'_>, kind: Kind, reason: Option<String>) -> Found {
        Found {
            source: field.source.to_owned(),
            field: field.target.field.clone(),
            label: self.label(field),
            kind,
            base: field.base.cloned(),
            ours: field.ours.to_owned(),
            theirs: field.theirs.to_owned(),
            reason,
        }
    }

    fn label(&self, field: &Field<'_>) -> String {
        self.situation
            .fields
            .module
            .field(&field.target.field)
            .map_or(&field.target.field, |described| &described.label)
            .clone()
    }
}
