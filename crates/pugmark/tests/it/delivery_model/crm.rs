//! A CRM without idempotency: every create makes a record, an answer may be lost, and a call may be executed late.

/// Which record. The CRM counts up, so the order of ids is the order of execution.
pub(super) type Id = u8;

/// Two fields and the mark of a withdrawn record, one bit each. Edits flip bits, so that a value may also return to what
/// it was before: a comparison with the wrong base then sees no difference where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Content(u8);

/// What an edit changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    First,
    Second,
    /// Whether the row may be in the CRM at all.
    Withdrawn,
}

impl Content {
    pub(super) const INITIAL: Self = Content(0);

    pub(super) fn with_flipped(self, field: Field) -> Self {
        Content(self.0 ^ (1 << field as u8))
    }

    pub(super) fn is_withdrawn(self) -> bool {
        self.0 & (1 << Field::Withdrawn as u8) != 0
    }

    /// The fields that differ, as bits; 0: none.
    pub(super) fn difference(self, other: Content) -> u8 {
        self.0 ^ other.0
    }

    /// Only the fields named by `mask` are taken from `other`, as a revise does.
    fn revised(self, mask: u8, other: Content) -> Self {
        Content((self.0 & !mask) | (other.0 & mask))
    }
}

/// A call that changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Write {
    Create(Content),
    Revise { id: Id, mask: u8, to: Content },
    Remove(Id),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Record {
    pub(super) content: Content,
    /// Somebody has changed it since it was created.
    pub(super) touched: bool,
    pub(super) live: bool,
    /// It was made by a person, as a copy of another one.
    pub(super) copied: bool,
    /// A person has cleared our reference.
    pub(super) detached: bool,
    /// The protocol took it away, not a person.
    pub(super) removed_by_us: bool,
    /// For the properties only: a search has shown it beside another one.
    pub(super) seen_as_second: bool,
    /// For the properties only: a completed operation told a person about it.
    pub(super) reported: bool,
}

/// What a write did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Created(Id),
    Done,
    Missing,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Crm {
    pub(super) records: Vec<Record>,
    /// Calls nobody waits for any more; they may still be executed. Sorted, so that equal worlds look equal.
    late: Vec<Write>,
}

impl Crm {
    pub(super) fn live(&self) -> impl Iterator<Item = (Id, &Record)> {
        (0..).zip(&self.records).filter(|(_, record)| record.live)
    }

    pub(super) fn count(&self) -> usize {
        self.live().count()
    }

    /// Those that carry our reference.
    pub(super) fn referenced(&self) -> impl Iterator<Item = (Id, &Record)> {
        self.live().filter(|(_, record)| !record.detached)
    }

    pub(super) fn get(&self, id: Id) -> Option<&Record> {
        self.records
            .get(usize::from(id))
            .filter(|record| record.live)
    }

    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut Record> {
        self.records
            .get_mut(usize::from(id))
            .filter(|record| record.live)
    }

    pub(super) fn execute(&mut self, write: Write) -> Effect {
        match write {
            Write::Create(content) => Effect::Created(self.create(content)),
            Write::Revise { id, mask, to } => self.change(id, |record| {
                record.content = record.content.revised(mask, to);
                record.touched = true;
            }),
            Write::Remove(id) => self.change(id, |record| {
                record.live = false;
                record.removed_by_us = true;
            }),
        }
    }

    pub(super) fn create(&mut self, content: Content) -> Id {
        let id = Id::try_from(self.records.len()).unwrap_or(Id::MAX);
        self.records.push(Record {
            content,
            touched: false,
            live: true,
            copied: false,
            detached: false,
            removed_by_us: false,
            seen_as_second: false,
            reported: false,
        });
        id
    }

    /// A person's copy, our reference included.
    pub(super) fn copy(&mut self, id: Id) {
        if let Some(record) = self.get(id).cloned() {
            self.records.push(Record {
                copied: true,
                touched: false,
                reported: false,
                seen_as_second: false,
                ..record
            });
        }
    }

    fn change(&mut self, id: Id, how: impl FnOnce(&mut Record)) -> Effect {
        self.get_mut(id).map_or(Effect::Missing, |record| {
            how(record);
            Effect::Done
        })
    }

    pub(super) fn leave_in_flight(&mut self, write: Write) {
        self.late.push(write);
        self.late.sort_unstable();
    }

    pub(super) fn late(&self) -> &[Write] {
        &self.late
    }

    pub(super) fn take_late(&mut self, index: usize) -> Write {
        self.late.remove(index)
    }
}
