//! The delivery protocol of DESIGN section 4 as a pure state machine.
//!
//! One attempt to bring one record up to date is a conversation: the machine says what to [`Ask`] the CRM next, the
//! caller does it and reports what it [`Heard`], until the machine answers [`Ask::Finish`]. Answers that end an attempt
//! whatever its state (throttled, unavailable, refused) never reach the machine: the caller releases the operation.
//!
//! What the machine guarantees, given that every write the CRM will ever execute is executed within the settle window
//! after it was sent:
//!
//! * an untroubled first attempt is one call;
//! * nothing is created again before a read by our own reference, asked in two different shapes, shows that it is absent
//!   **and** the settle window of every unknown write has passed;
//! * a snapshot is not trusted after an unknown write: what the CRM holds is read and the difference taken from that;
//! * where two records exist all the same, one is kept, the other is removed only if nobody has touched it, otherwise
//!   reported. Neither a crash nor a lost answer makes the machine forget a second record it has seen: as long as the
//!   operation is marked unknown, every attempt searches again.
//!
//! What the machine counts on:
//!
//! * the unknown mark and the count of attempts stay with the work through retries, merging, dead letters and replays until
//!   the operation is completed;
//! * [`Situation::settled`] is judged from the **latest** unknown write of all these attempts, not from the first;
//! * a lost lease is an unknown write; no call is started that does not fit in the lease; every commit is refused without it.

/// What the record should be in the CRM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Desired {
    /// It should exist and carry the current values.
    Present,
    /// It should not be there: the row was deleted or must not leave. An existing record is marked and kept; a missing
    /// one is not created.
    Withdrawn,
}

/// What is known when an attempt begins.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Situation<I> {
    /// What the record should be.
    pub desired: Desired,
    /// The CRM record this one is linked to.
    pub linked: Option<I>,
    /// Whether any earlier attempt exists, counting those of merged, replayed or edited predecessors.
    pub earlier_attempts: bool,
    /// Whether the outcome of an earlier write is unknown.
    pub unknown: bool,
    /// Whether the settle window of that unknown write has passed. Without an unknown write it does not matter.
    pub settled: bool,
}

/// A record found by its reference, with what is needed to choose between two of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sighting<I> {
    /// The CRM's id.
    pub id: I,
    /// Whether it is exactly as we created it: made by us, not by a person who copied another, and edited by nobody since.
    /// Only such a record may be removed as a second one.
    pub untouched: bool,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Ask<I> {
    /// Query the records that carry our reference, in the order of their ids.
    Find,
    /// Ask for their number in a second, differently shaped question: an empty page may be a swallowed error, a count
    /// row that says 0 is not. Asked whenever a record that should be on the page is not.
    Count,
    /// Read what the CRM holds of the linked record, which the search did not show; the difference is taken from that
    /// from now on.
    Read(I),
    /// Create the record.
    Create,
    /// Commit the link to this record, which the last search showed, with what it held then as the snapshot; the
    /// difference is taken from that from now on. The record may be linked already.
    ///
    /// Asked before anything is written to a record that was found: so an unlinked record has never been revised, and
    /// finding it proves that the unknown create has landed, no need to wait for its window. Also asked for a record that
    /// was created in this attempt before a second one is removed: were the removal late and the link not there, another
    /// attempt could find and link the very record that is about to vanish.
    Link(I),
    /// Bring the record up to date by the difference to what is known of it. With no difference the caller makes no
    /// call and reports [`Heard::Written`].
    Revise(I),
    /// Remove a second record that nobody has touched. Asked only after an unknown write: otherwise the second record is
    /// none of ours.
    Remove(I),
    /// The attempt is over.
    Finish(Verdict<I>),
}

/// What came of the last [`Ask`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Heard<I> {
    /// Answer to [`Ask::Find`], in the order of the ids.
    Found(Vec<Sighting<I>>),
    /// Answer to [`Ask::Count`].
    Counted(u64),
    /// Answer to [`Ask::Read`]: the record is there.
    Read,
    /// Answer to [`Ask::Read`], [`Ask::Revise`], [`Ask::Remove`]: the CRM says that there is no such record, or that we may
    /// not see it; vTiger does not tell the two apart.
    Missing,
    /// Answer to [`Ask::Create`]: confirmed, with the new id.
    Created(I),
    /// Answer to [`Ask::Link`]: committed.
    Linked,
    /// Answer to [`Ask::Revise`] and [`Ask::Remove`]: confirmed.
    Written,
    /// Answer to any write: it may have happened or may still happen.
    Unknown,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Verdict<I> {
    /// The record is as desired.
    InStep {
        /// The record to be linked; `None` when there is none and none is wanted.
        linked: Option<I>,
        /// Second records under the same reference that a person must look at: they were edited or are none of ours, so
        /// they were not removed.
        also: Vec<I>,
    },
    /// A write may have happened. Release as unknown: the next attempt reads before it writes.
    Unknown {
        /// A record that is known to be ours already, to be linked in the same commit.
        linked: Option<I>,
    },
    /// Absence is not to be believed before the settle window has passed. Release without burning a retry.
    WaitForSettle,
    /// Two questions contradict each other (an empty page, but a count above zero). Release and ask again. An unknown mark
    /// stays as it was.
    Contradiction,
    /// The linked record is gone, or out of our sight.
    LinkedRecordMissing(I),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum State<I> {
    Start,
    /// Searching by reference before anything is written.
    Finding,
    /// The record linked, or any record at all, was not on the page; asking a second time in another shape.
    ConfirmingAbsence,
    /// The link is there, but the search does not lead to its record.
    ReadingLinked(I),
    Creating,
    /// Committing the link to the record found.
    Linking(I),
    /// A create may have been repeated: does another record exist after all?
    CheckingForTwins(I),
    /// The page did not even show the record just created; asking a second time in another shape.
    ConfirmingTwins(I),
    Revising(I),
    /// Committing the link to the record created, before another one is removed.
    LinkingCreated(I),
    RemovingTwin(I),
    Over,
}

/// The conversation of one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attempt<I> {
    situation: Situation<I>,
    state: State<I>,
    /// Records seen beside the one kept, still to be dealt with once that one is in step.
    twins: Vec<Sighting<I>>,
    /// Records beside the one kept that are left to a person.
    also: Vec<I>,
}

impl<I: Clone + PartialEq> Attempt<I> {
    /// Begins an attempt and says what to do first.
    pub fn begin(situation: Situation<I>) -> (Self, Ask<I>) {
        let mut attempt = Attempt {
            situation,
            state: State::Start,
            twins: Vec::new(),
            also: Vec::new(),
        };
        let ask = attempt.first();
        (attempt, ask)
    }

    fn first(&mut self) -> Ask<I> {
        match (self.situation.linked.clone(), self.situation.unknown) {
            // A late revise must not land on top of a newer one, and the snapshot may be wrong: wait, then look.
            (Some(_), true) if !self.situation.settled => self.finish(Verdict::WaitForSettle),
            // By reference, not by id: an earlier attempt may have seen a second record and ended before it was dealt with.
            (Some(_), true) => self.find(),
            (Some(id), false) => self.revise(id),
            (None, _) if self.situation.earlier_attempts => self.find(),
            (None, _) => self.bring_about_absent(),
        }
    }

    /// Takes what came of the last question and says what to do next. An answer that does not belong to the question
    /// ends the attempt as a contradiction: it is asked again later, nothing is written on a guess.
    pub fn hear(&mut self, heard: Heard<I>) -> Ask<I> {
        let state = std::mem::replace(&mut self.state, State::Over);
        match (state, heard) {
            (State::Finding, Heard::Found(page)) => self.on_found(page),
            (State::ConfirmingAbsence, Heard::Counted(number)) => self.on_counted(number),
            (State::ReadingLinked(id), Heard::Read) | (State::Linking(id), Heard::Linked) => {
                self.revise(id)
            }
            (State::ReadingLinked(id) | State::Revising(id), Heard::Missing) => {
                self.finish(Verdict::LinkedRecordMissing(id))
            }
            (State::Creating, Heard::Created(id)) if self.situation.earlier_attempts => {
                self.state = State::CheckingForTwins(id);
                Ask::Find
            }
            (State::Creating, Heard::Created(id)) => self.in_step(id),
            (State::CheckingForTwins(created), Heard::Found(page)) => {
                self.on_twin_check(created, page)
            }
            (State::ConfirmingTwins(created), Heard::Counted(number)) => {
                self.on_twins_counted(created, number)
            }
            (State::Revising(id), Heard::Written) => self.deal_with_twins(id, false),
            (State::LinkingCreated(keep), Heard::Linked)
            | (State::RemovingTwin(keep), Heard::Written | Heard::Missing) => {
                self.remove_next(keep)
            }
            // Whether the twin is gone is for the search of the next attempt to see.
            (State::RemovingTwin(id) | State::Revising(id), Heard::Unknown) => {
                self.finish(Verdict::Unknown { linked: Some(id) })
            }
            (State::Creating, Heard::Unknown) => self.finish(Verdict::Unknown { linked: None }),
            _ => self.finish(Verdict::Contradiction),
        }
    }

    fn on_found(&mut self, page: Vec<Sighting<I>>) -> Ask<I> {
        // A linked record stays the one. Otherwise the oldest is kept: it is the one that others may have referred to.
        let oldest = || page.first().map(|sighting| sighting.id.clone());
        let keep = self.situation.linked.clone().or_else(oldest);
        let shown = self.note_twins(page, keep.as_ref());
        match keep {
            Some(keep) if shown => {
                self.state = State::Linking(keep.clone());
                Ask::Link(keep)
            }
            None if self.situation.unknown && !self.situation.settled => {
                self.finish(Verdict::WaitForSettle)
            }
            _ => {
                self.state = State::ConfirmingAbsence;
                Ask::Count
            }
        }
    }

    /// Remembers the records beside the one kept; whether the page showed that one.
    fn note_twins(&mut self, page: Vec<Sighting<I>>, keep: Option<&I>) -> bool {
        let size = page.len();
        self.twins = page
            .into_iter()
            .filter(|sighting| Some(&sighting.id) != keep)
            .collect();
        self.twins.len() < size
    }

    /// Whether the count agrees with the page.
    fn page_is_whole(&self, number: u64) -> bool {
        u64::try_from(self.twins.len()) == Ok(number)
    }

    fn on_counted(&mut self, number: u64) -> Ask<I> {
        if !self.page_is_whole(number) {
            return self.finish(Verdict::Contradiction);
        }
        match self.situation.linked.clone() {
            Some(id) => {
                self.state = State::ReadingLinked(id.clone());
                Ask::Read(id)
            }
            None => self.bring_about_absent(),
        }
    }

    /// There is no record yet.
    fn bring_about_absent(&mut self) -> Ask<I> {
        match self.situation.desired {
            Desired::Present => {
                self.state = State::Creating;
                Ask::Create
            }
            Desired::Withdrawn => self.finish(Verdict::InStep {
                linked: None,
                also: Vec::new(),
            }),
        }
    }

    fn on_twin_check(&mut self, created: I, page: Vec<Sighting<I>>) -> Ask<I> {
        // The record just created is the one whose content is certain. A page without it may hide others as well.
        if self.note_twins(page, Some(&created)) {
            return self.deal_with_twins(created, true);
        }
        self.state = State::ConfirmingTwins(created);
        Ask::Count
    }

    fn on_twins_counted(&mut self, created: I, number: u64) -> Ask<I> {
        if !self.page_is_whole(number) {
            return self.finish(Verdict::Contradiction);
        }
        // Both questions agree that the reference does not lead to the record just created. That takes nothing away from
        // the confirmed create, but it is no ground to remove anything.
        self.also = std::mem::take(&mut self.twins)
            .into_iter()
            .map(|twin| twin.id)
            .collect();
        self.in_step(created)
    }

    /// The record kept is in step. `link_first`: its link is not committed yet.
    fn deal_with_twins(&mut self, keep: I, link_first: bool) -> Ask<I> {
        let ours = self.situation.unknown;
        let twins = std::mem::take(&mut self.twins);
        let (removable, rest): (Vec<_>, Vec<_>) =
            twins.into_iter().partition(|twin| ours && twin.untouched);
        self.twins = removable;
        self.also = rest.into_iter().map(|twin| twin.id).collect();
        if link_first && !self.twins.is_empty() {
            self.state = State::LinkingCreated(keep.clone());
            return Ask::Link(keep);
        }
        self.remove_next(keep)
    }

    fn remove_next(&mut self, keep: I) -> Ask<I> {
        match self.twins.pop() {
            Some(twin) => {
                self.state = State::RemovingTwin(keep);
                Ask::Remove(twin.id)
            }
            None => self.in_step(keep),
        }
    }

    fn in_step(&mut self, id: I) -> Ask<I> {
        let also = std::mem::take(&mut self.also);
        self.finish(Verdict::InStep {
            linked: Some(id),
            also,
        })
    }

    fn find(&mut self) -> Ask<I> {
        self.state = State::Finding;
        Ask::Find
    }

    fn revise(&mut self, id: I) -> Ask<I> {
        self.state = State::Revising(id.clone());
        Ask::Revise(id)
    }

    fn finish(&mut self, verdict: Verdict<I>) -> Ask<I> {
        self.state = State::Over;
        Ask::Finish(verdict)
    }
}
