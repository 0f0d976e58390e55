//! The queue of one lane with one coalesce key. Every function here is one transaction.

use super::Flaw;

/// One operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct Row {
    /// An attempt at it, or at one whose history it took over, has begun before.
    pub(super) tried: bool,
    /// A write of such an attempt may have happened or may still happen.
    pub(super) unknown: bool,
    /// The settle window of the latest such write has passed.
    pub(super) settled: bool,
}

impl Row {
    fn inherits(self, old: Row) -> Row {
        Row {
            tried: self.tried || old.tried,
            unknown: self.unknown || old.unknown,
            // The later of two windows decides.
            settled: (self.settled || !self.unknown)
                && (old.settled || !old.unknown)
                && (self.unknown || old.unknown),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct DeadLetter {
    pub(super) row: Row,
    /// A later operation took over its history.
    pub(super) has_heir: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Queue {
    pub(super) waiting: Option<Row>,
    pub(super) processing: Option<Row>,
    /// Sorted, so that equal worlds look equal.
    pub(super) dead: Vec<DeadLetter>,
}

/// What becomes of an operation that is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It waits for its next attempt.
    Again,
    /// Its retries or its time are used up, or it was refused.
    Dead,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_none() && self.processing.is_none()
    }

    /// Nothing waits for a person's decision.
    pub(super) fn is_clear(&self) -> bool {
        self.dead.iter().all(|letter| letter.has_heir)
    }

    pub(super) fn enqueue(&mut self, flaw: Option<Flaw>) {
        if flaw == Some(Flaw::MergesIntoProcessing) && self.processing.is_some() {
            return;
        }
        if self.waiting.is_none() {
            let row = Row::default();
            let forgets = flaw == Some(Flaw::DeadLettersForgetTheirHistory);
            self.waiting = Some(if forgets {
                row
            } else {
                self.inherit_from_dead(row)
            });
        }
    }

    fn inherit_from_dead(&mut self, row: Row) -> Row {
        let heirless = self.dead.iter_mut().filter(|letter| !letter.has_heir);
        let row = heirless.fold(row, |row, letter| {
            letter.has_heir = true;
            row.inherits(letter.row)
        });
        self.dead.sort_unstable();
        row
    }

    /// The lane's operation as its attempt finds it. That the attempt began is committed with the claim.
    pub(super) fn claim(&mut self) -> Option<Row> {
        if self.processing.is_some() {
            return None;
        }
        let row = self.waiting.take()?;
        self.processing = Some(Row { tried: true, ..row });
        Some(row)
    }

    /// Ends the attempt that is running, without success.
    pub(super) fn give_back(&mut self, unknown: bool, fate: Fate, flaw: Option<Flaw>) {
        let Some(mut row) = self.processing.take() else {
            return;
        };
        if unknown {
            let keeps_first = flaw == Some(Flaw::SettleCountsFromTheFirstUnknown) && row.unknown;
            row.settled &= keeps_first;
            row.unknown = true;
        }
        let forgets = flaw == Some(Flaw::CoalescingForgetsHistory);
        let newer = self
            .waiting
            .take()
            .map(|newer| if forgets { newer } else { newer.inherits(row) });
        match fate {
            Fate::Again => self.waiting = Some(newer.unwrap_or(row)),
            Fate::Dead => {
                self.dead.push(DeadLetter {
                    row,
                    has_heir: newer.is_some(),
                });
                self.dead.sort_unstable();
                self.waiting = newer;
            }
        }
    }

    pub(super) fn complete(&mut self) {
        self.processing = None;
    }

    pub(super) fn replay(&mut self, index: usize, flaw: Option<Flaw>) {
        let letter = self.dead.remove(index);
        self.waiting = Some(match self.waiting {
            Some(newer) if letter.has_heir => newer,
            Some(newer) => newer.inherits(letter.row),
            None if flaw == Some(Flaw::ReplayForgetsOtherDeadLetters) => letter.row,
            None => self.inherit_from_dead(letter.row),
        });
    }

    /// Time passes for all alike.
    pub(super) fn settle(&mut self) {
        let rows = self.waiting.iter_mut().chain(&mut self.processing);
        for row in rows.chain(self.dead.iter_mut().map(|letter| &mut letter.row)) {
            row.settled = row.unknown;
        }
        self.dead.sort_unstable();
    }

    pub(super) fn is_settling(&self) -> bool {
        let rows = self.waiting.iter().chain(&self.processing);
        rows.chain(self.dead.iter().map(|letter| &letter.row))
            .any(|row| row.unknown && !row.settled)
    }
}
