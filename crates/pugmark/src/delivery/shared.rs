//! Fields that people may edit on both sides: read before they are revised, so that an edit in the CRM that nobody has seen
//! yet is never overwritten.
//!
//! What the merge does not give to us is left as it is, in the CRM and in what was agreed on, and handed to the operation
//! that takes edits over. There alone it is decided.

use std::collections::BTreeMap;

use pugmark_queue::QueueError;
use vtiger::{Element, Purpose};

use super::Shape;
use super::conversation::{Conversation, Ended, Stop};
use super::merge::{self, Newer, Sides, Take};
use crate::config::Mode;
use crate::store::field_mapping::Direction;
use crate::store::link_merge;
use crate::store::links::Link;

/// What an attempt knows of fields that are not ours alone.
pub(super) struct Shared {
    /// What both sides last agreed on.
    base: BTreeMap<String, String>,
    /// What we were about to write when nobody could say whether it arrived: seen again, it is no edit of theirs.
    in_flight: BTreeMap<String, String>,
    /// What the record was found to hold in this attempt.
    held: Option<BTreeMap<String, String>>,
}

impl Shared {
    pub(super) fn of(link: &Link) -> Self {
        Shared {
            base: link.snapshot.clone(),
            in_flight: link.in_flight.clone(),
            held: None,
        }
    }

    pub(super) fn held(&mut self, record: &BTreeMap<String, String>) {
        self.held = Some(record.clone());
    }

    /// The record is as we made it: all it holds is ours.
    pub(super) fn nobody_edited(&mut self) {
        if let Some(held) = &self.held {
            self.base = held.clone();
        }
    }

    /// What was agreed on about a field, given what the CRM shows.
    fn base(&self, field: &str, theirs: &str) -> Option<&String> {
        match self.in_flight.get(field) {
            Some(ours) if ours == theirs => Some(ours),
            _ => self.base.get(field),
        }
    }
}

impl Conversation<'_> {
    /// Whether a field is about to be revised that may hold an edit which nobody has seen.
    pub(super) fn must_read_first(&self, shape: &Shape, changed: &Element) -> bool {
        self.shared.held.is_none()
            && changed
                .iter()
                .any(|(field, _)| shape.direction(field) == Direction::Both)
    }

    /// Takes out of `changed` what must not be written on top of an edit. Does nothing for a record that was not read: then
    /// only fields that are ours are about to be revised.
    pub(super) fn leave_edits(&mut self, shape: &Shape, changed: &mut Element) {
        let Some(held) = self.shared.held.clone() else {
            return;
        };
        let wanted = shape.module.adapt(&shape.wanted, Purpose::Create).stored;
        for (field, rule) in &shape.rules {
            if rule.direction == Direction::ToCrm {
                continue;
            }
            let (Some(theirs), Some(ours)) = (held.get(field), wanted.get(field)) else {
                continue;
            };
            let base = self.shared.base(field, theirs).cloned();
            let sides = Sides {
                base: base.as_deref(),
                ours,
                theirs,
            };
            let same = |one: &str, other: &str| {
                let described = shape.module.field(field);
                described.map_or(one == other, |field| field.same_value(one, other))
            };
            match merge::field(sides, *rule, Newer::Unclear, same) {
                Take::Ours | Take::Agreed => {}
                Take::Theirs | Take::Ask | Take::Left => {
                    changed.remove(field);
                    self.known.edited |= base.as_ref() != Some(theirs);
                    self.known.verified = false;
                    match base {
                        Some(base) => self.known.snapshot.insert(field.clone(), base),
                        None => self.known.snapshot.remove(field),
                    };
                }
            }
        }
    }

    /// What is stored as agreed on with a record that was just found: of fields that are not ours alone what was agreed on
    /// before, so that an edit in them is still seen as one.
    pub(super) fn to_adopt(&self, shape: &Shape) -> BTreeMap<String, String> {
        let mut snapshot = self.known.snapshot.clone();
        snapshot.retain(|field, _| shape.direction(field) == Direction::ToCrm);
        for (field, rule) in &shape.rules {
            if rule.direction != Direction::ToCrm
                && let Some(base) = self.shared.base.get(field)
            {
                snapshot.insert(field.clone(), base.clone());
            }
        }
        snapshot
    }

    /// Writes down what is about to be written to fields that people may edit, too: if the answer is lost, seeing it again
    /// must not be taken for an edit of theirs.
    pub(super) async fn note_in_flight(
        &mut self,
        shape: &Shape,
        stored: &BTreeMap<String, String>,
    ) -> Result<(), Stop> {
        let about: BTreeMap<String, String> = stored
            .iter()
            .filter(|(field, _)| shape.direction(field) == Direction::Both)
            .map(|(field, value)| (field.clone(), value.clone()))
            .collect();
        if about.is_empty() || self.deliverer.mode == Mode::Shadow {
            return Ok(());
        }
        let (queue, lease) = (self.deliverer.queue.clone(), self.operation.lease.clone());
        let target = self.subject.target();
        let (entity_type, entity_id) = (target.entity_type, target.entity_id.clone());
        let noted = self
            .deliverer
            .db
            .write("note in flight", move |conn| {
                Box::pin(async move {
                    queue.check_lease(conn, &lease).await?;
                    link_merge::set_in_flight(conn, entity_type, &entity_id, &about).await?;
                    Ok::<_, QueueError>(())
                })
            })
            .await;
        match noted {
            Ok(()) => Ok(()),
            Err(QueueError::Db(error)) => Err(Stop::end(Ended::Store(error))),
            Err(_) => Err(Stop::end(Ended::LeaseLost)),
        }
    }
}
