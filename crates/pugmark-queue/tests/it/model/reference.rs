//! What the queue is supposed to do, in as few words as possible. Time is the number of leaps.

use std::collections::BTreeSet;

use pugmark_queue::Status;

use super::{End, LEAP};
use crate::harness::policy;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Waiting { failed: bool },
    Processing,
    Done,
    Superseded,
    Discarded,
    Dead,
}

#[derive(Debug, Clone)]
pub(crate) struct Row {
    lane: u8,
    keyed: bool,
    pub(crate) kind: u8,
    pub(crate) version: u32,
    pub(crate) requests: BTreeSet<u32>,
    place: u32,
    pub(crate) state: State,
    pub(crate) due: bool,
    pub(crate) retry_count: u32,
    pub(crate) deferrals: u32,
    troubled: Option<u64>,
    pub(crate) attempts: u32,
    pub(crate) inherited: u32,
    pub(crate) unknown: Option<u64>,
    pub(crate) blocked: bool,
    pub(crate) superseded_by: Option<usize>,
    heir: Option<usize>,
    /// Of the lease: which one it is, and when it was given.
    lease: Option<(u32, u64)>,
    /// Something has gone wrong with it or it was put off, so that a new change must not hurry it.
    marked: bool,
}

impl Row {
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting { .. })
    }

    fn is_unfinished(&self) -> bool {
        self.is_waiting() || self.state == State::Processing
    }

    pub(crate) fn status(&self) -> Status {
        match self.state {
            State::Waiting { failed: false } => Status::Pending,
            State::Waiting { failed: true } | State::Dead => Status::Failed,
            State::Processing => Status::Processing,
            State::Done | State::Superseded | State::Discarded => Status::Completed,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) rows: Vec<Row>,
    pub(crate) paused: BTreeSet<u8>,
    now: u64,
    places: u32,
    versions: u32,
    leases: u32,
}

impl Model {
    pub(crate) fn next_version(&mut self) -> u32 {
        self.versions += 1;
        self.versions
    }

    fn next_place(&mut self) -> u32 {
        self.places += 1;
        self.places
    }

    /// The waiting row that an operation with this lane's key merges into.
    fn waiting(&self, lane: u8, keyed: bool) -> Option<usize> {
        self.rows
            .iter()
            .position(|row| keyed && row.keyed && row.lane == lane && row.is_waiting())
    }

    /// Gives the row that the operation was merged into, if it was.
    pub(crate) fn enqueue(
        &mut self,
        lane: u8,
        keyed: bool,
        kind: u8,
        version: u32,
    ) -> Option<usize> {
        if let Some(into) = self.waiting(lane, keyed) {
            let row = &mut self.rows[into];
            (row.kind, row.version) = (kind, version);
            row.requests.insert(version);
            row.due |= row.attempts + row.inherited == 0 && !row.marked && !row.blocked;
            return Some(into);
        }
        let (mut inherited, mut unknown) = (0, None);
        let index = self.rows.len();
        for dead in self.rows.iter_mut().filter(|row| {
            keyed
                && row.keyed
                && row.lane == lane
                && row.heir.is_none()
                && matches!(row.state, State::Dead | State::Discarded)
        }) {
            inherited += dead.attempts + dead.inherited;
            unknown = unknown.max(dead.unknown);
        }
        if inherited > 0 {
            for dead in self.rows.iter_mut().filter(|row| {
                row.keyed
                    && row.lane == lane
                    && row.heir.is_none()
                    && matches!(row.state, State::Dead | State::Discarded)
            }) {
                dead.heir = Some(index);
            }
        }
        let place = self.next_place();
        self.rows.push(Row {
            lane,
            keyed,
            kind,
            version,
            requests: BTreeSet::from([version]),
            place,
            state: State::Waiting { failed: false },
            due: true,
            retry_count: 0,
            deferrals: 0,
            troubled: None,
            attempts: 0,
            inherited,
            unknown,
            blocked: false,
            superseded_by: None,
            heir: None,
            lease: None,
            marked: false,
        });
        None
    }

    /// What is blocked steps aside for what is not; what is being carried out is the head in any case.
    pub(crate) fn is_head(&self, index: usize) -> bool {
        let row = &self.rows[index];
        let rank = |row: &Row| (row.state != State::Processing, row.blocked, row.place);
        let first = self
            .rows
            .iter()
            .filter(|other| other.lane == row.lane && other.is_unfinished())
            .map(rank)
            .min();
        row.is_unfinished() && Some(rank(row)) == first
    }

    pub(crate) fn claimable(&self) -> BTreeSet<usize> {
        (0..self.rows.len())
            .filter(|index| {
                let row = &self.rows[*index];
                self.is_head(*index)
                    && row.is_waiting()
                    && row.due
                    && !self.paused.contains(&row.kind)
            })
            .collect()
    }

    pub(crate) fn claim(&mut self, index: usize) -> u32 {
        self.leases += 1;
        let row = &mut self.rows[index];
        row.state = State::Processing;
        row.attempts += 1;
        row.blocked = false;
        row.lease = Some((self.leases, self.now));
        self.leases
    }

    pub(crate) fn holds(&self, index: usize, attempt: u32) -> bool {
        self.rows[index]
            .lease
            .is_some_and(|(lease, _)| lease == attempt)
    }

    pub(crate) fn leap(&mut self) {
        self.now += 1;
        self.rows.iter_mut().for_each(|row| row.due = true);
    }

    pub(crate) fn sweep(&mut self) -> usize {
        let expired: Vec<_> = (0..self.rows.len())
            .filter(|i| {
                self.rows[*i]
                    .lease
                    .is_some_and(|(_, given)| given < self.now)
            })
            .collect();
        expired
            .iter()
            .for_each(|index| self.end(*index, End::Unknown));
        expired.len()
    }

    pub(crate) fn unblock(&mut self) -> usize {
        let freed = self
            .rows
            .iter_mut()
            .filter(|row| row.is_waiting() && row.blocked);
        freed
            .map(|row| (row.blocked, row.due) = (false, true))
            .count()
    }

    /// The attempt at the row ends.
    pub(crate) fn end(&mut self, index: usize, how: End) {
        let now = self.now;
        let row = &mut self.rows[index];
        row.lease = None;
        match how {
            End::Done => {
                row.state = State::Done;
                (row.unknown, row.troubled, row.deferrals) = (None, None, 0);
                return;
            }
            End::Refused => return self.die(index),
            End::Counted if row.retry_count >= policy().max_retries => return self.die(index),
            End::Counted => {
                row.retry_count += 1;
                (row.deferrals, row.troubled) = (0, None);
                (row.state, row.due, row.marked) = (State::Waiting { failed: true }, false, true);
            }
            End::Unavailable | End::Unknown => {
                if matches!(how, End::Unknown) {
                    row.unknown = Some(now);
                }
                let since = row.troubled.unwrap_or(now);
                if (now - since) * LEAP >= policy().max_age.as_secs() {
                    return self.die(index);
                }
                row.troubled = Some(since);
                row.deferrals += 1;
                (row.state, row.due, row.marked) = (State::Waiting { failed: true }, false, true);
            }
            End::Blocked => {
                row.attempts -= 1;
                (row.state, row.due, row.blocked) = (State::Waiting { failed: false }, false, true);
            }
            End::HandBack => {
                row.attempts -= 1;
                (row.state, row.due) = (State::Waiting { failed: false }, true);
            }
            End::Later => {
                row.attempts -= 1;
                (row.state, row.due, row.marked) = (State::Waiting { failed: false }, false, true);
            }
        }
        self.merge_into_newer(index);
    }

    fn newer(&self, index: usize) -> Option<usize> {
        let row = &self.rows[index];
        (0..self.rows.len()).find(|i| {
            let other = &self.rows[*i];
            *i != index && row.keyed && other.keyed && other.lane == row.lane && other.is_waiting()
        })
    }

    fn merge_into_newer(&mut self, index: usize) {
        let Some(heir) = self.newer(index) else {
            return;
        };
        let old = self.rows[index].clone();
        self.hand_on(index, heir);
        let heir = &mut self.rows[heir];
        heir.place = old.place;
        heir.retry_count = heir.retry_count.max(old.retry_count);
        heir.deferrals = heir.deferrals.max(old.deferrals);
        heir.troubled = heir.troubled.into_iter().chain(old.troubled).min();
        heir.due &= old.due;
        heir.blocked = old.blocked;
        heir.marked |= old.marked;
        heir.requests.extend(old.requests);
        let old = &mut self.rows[index];
        (old.state, old.blocked) = (State::Superseded, false);
        // Its own counts stay as they were when the attempt began, as a record.
        self.rows[index].superseded_by = Some(self.rows[index].heir.expect("just appointed"));
    }

    fn hand_on(&mut self, from: usize, heir: usize) {
        let old = self.rows[from].clone();
        let to = &mut self.rows[heir];
        to.inherited += old.attempts + old.inherited;
        to.unknown = to.unknown.max(old.unknown);
        self.rows[from].heir = Some(heir);
    }

    fn die(&mut self, index: usize) {
        (self.rows[index].state, self.rows[index].marked) = (State::Dead, true);
        if let Some(heir) = self.newer(index) {
            self.hand_on(index, heir);
        }
    }

    pub(crate) fn pick(&self, number: u8) -> Option<usize> {
        (!self.rows.is_empty()).then(|| usize::from(number) % self.rows.len())
    }

    fn current(&self, mut index: usize) -> usize {
        while let Some(next) = self.rows[index].superseded_by {
            index = next;
        }
        index
    }

    /// Gives the row that does the work.
    pub(crate) fn retry(&mut self, index: usize) -> Result<usize, State> {
        let index = self.current(index);
        match self.rows[index].state {
            State::Waiting { .. } => {
                let row = &mut self.rows[index];
                (row.due, row.troubled, row.blocked) = (true, None, false);
                Ok(index)
            }
            State::Dead => Ok(self.replay(index)),
            other => Err(other),
        }
    }

    fn replay(&mut self, index: usize) -> usize {
        if let Some(heir) = self.newer(index) {
            if self.rows[index].heir.is_none() {
                self.hand_on(index, heir);
            }
            let requests = self.rows[index].requests.clone();
            self.rows[heir].requests.extend(requests);
            let old = &mut self.rows[index];
            (old.state, old.superseded_by, old.heir) = (State::Superseded, Some(heir), Some(heir));
            return heir;
        }
        let place = self.next_place();
        let (lane, keyed) = (self.rows[index].lane, self.rows[index].keyed);
        let (mut inherited, mut unknown) = (0, None);
        for (other, dead) in self.rows.iter_mut().enumerate() {
            if keyed
                && dead.keyed
                && dead.lane == lane
                && other != index
                && dead.heir.is_none()
                && matches!(dead.state, State::Dead | State::Discarded)
            {
                inherited += dead.attempts + dead.inherited;
                unknown = unknown.max(dead.unknown);
                dead.heir = Some(index);
            }
        }
        let row = &mut self.rows[index];
        row.inherited += inherited;
        row.unknown = row.unknown.max(unknown);
        (row.state, row.place, row.due, row.heir) =
            (State::Waiting { failed: false }, place, true, None);
        (row.retry_count, row.deferrals, row.troubled) = (0, 0, None);
        index
    }

    pub(crate) fn discard(&mut self, index: usize) -> Result<(), State> {
        let index = self.current(index);
        let row = &mut self.rows[index];
        if !(row.is_waiting() || row.state == State::Dead) {
            return Err(row.state);
        }
        (row.state, row.blocked) = (State::Discarded, false);
        Ok(())
    }
}
