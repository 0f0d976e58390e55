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
//! * where two records exist all the same, one is kept, the other is removed only if nobody has touched it.

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
    /// Whether it is exactly as it was created: nobody has edited it since.
    pub untouched: bool,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Ask<I> {
    /// Query the records that carry our reference, in the order of their ids.
    Find,
    /// Ask for their number in a second, differently shaped question: an empty page may be a swallowed error, a count
    /// row that says 0 is not.
    Count,
    /// Read what the CRM holds of this record; the difference is taken from that from now on.
    Read(I),
    /// Create the record.
    Create,
    /// Commit the link to a record that was found, before anything is written to it. So an unlinked record has never
    /// been revised, and finding it proves that the unknown create has landed: no need to wait for its window.
    Link(I),
    /// Bring the record up to date by the difference to what is known of it. With no difference the caller makes no
    /// call and reports [`Heard::Written`].
    Revise(I),
    /// Remove a second record that nobody has touched.
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
    /// Answer to [`Ask::Read`], [`Ask::Revise`]: the CRM says that there is no such record, or that we may not see it;
    /// vTiger does not tell the two apart.
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
        /// Second records under the same reference that a person must look at: they were edited, so none was removed.
        also: Vec<I>,
    },
    /// A write may have happened. Release as unknown: the next attempt reads before it writes.
    Unknown {
        /// A record that is known to be ours already, to be linked in the same commit.
        linked: Option<I>,
    },
    /// Absence is not to be believed before the settle window has passed. Release without burning a retry.
    WaitForSettle,
    /// Two questions contradict each other (an empty page, but a count above zero). Release and ask again.
    Contradiction,
    /// The linked record is gone, or out of our sight.
    LinkedRecordMissing(I),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum State<I> {
    Start,
    /// Searching by reference before anything is written.
    Finding,
    /// The page was empty; asking a second time in another shape.
    ConfirmingAbsence,
    /// The link is there but the snapshot is not to be trusted.
    ReadingLinked(I),
    Creating,
    /// Committing the link to the record found.
    Linking(I),
    /// A create was repeated after an unknown one: does the first exist after all?
    CheckingForTwins(I),
    RemovingTwin {
        keep: I,
        rest: Vec<Sighting<I>>,
        also: Vec<I>,
    },
    Revising(I),
    Over,
}

/// The conversation of one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attempt<I> {
    situation: Situation<I>,
    state: State<I>,
    /// Extra records seen while searching, still to be dealt with once the record kept is in step.
    twins: Vec<Sighting<I>>,
}

impl<I: Clone + PartialEq> Attempt<I> {
    /// Begins an attempt and says what to do first.
    pub fn begin(situation: Situation<I>) -> (Self, Ask<I>) {
        let mut attempt = Attempt {
            situation,
            state: State::Start,
            twins: Vec::new(),
        };
        let ask = attempt.first();
        (attempt, ask)
    }

    fn first(&mut self) -> Ask<I> {
        match (self.situation.linked.clone(), self.situation.unknown) {
            // A late revise must not land on top of a newer one, and the snapshot may be wrong: wait, then read.
            (Some(_), true) if !self.situation.settled => self.finish(Verdict::WaitForSettle),
            (Some(id), true) => {
                self.state = State::ReadingLinked(id.clone());
                Ask::Read(id)
            }
            (Some(id), false) => self.revise(id),
            (None, _) if self.situation.earlier_attempts => {
                self.state = State::Finding;
                Ask::Find
            }
            (None, _) => match self.situation.desired {
                Desired::Withdrawn => self.finish(Verdict::InStep {
                    linked: None,
                    also: Vec::new(),
                }),
                Desired::Present => self.create(),
            },
        }
    }

    /// Takes what came of the last question and says what to do next. An answer that does not belong to the question
    /// ends the attempt as a contradiction: it is asked again later, nothing is written on a guess.
    pub fn hear(&mut self, heard: Heard<I>) -> Ask<I> {
        let state = std::mem::replace(&mut self.state, State::Over);
        match (state, heard) {
            (State::Finding, Heard::Found(sightings)) => self.on_found(sightings),
            (State::ConfirmingAbsence, Heard::Counted(0)) => self.on_absent(),
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
            (State::Creating, Heard::Created(id)) => self.finish(Verdict::InStep {
                linked: Some(id),
                also: Vec::new(),
            }),
            (State::CheckingForTwins(created), Heard::Found(sightings)) => {
                self.on_twin_check(created, sightings)
            }
            (State::Revising(id), Heard::Written) => self.after_in_step(id),
            (State::RemovingTwin { keep, rest, also }, Heard::Written | Heard::Missing) => {
                self.remove_next(keep, rest, also)
            }
            // The twin is untouched and equal; whether it is gone already is for the next check, not for a retry.
            (State::RemovingTwin { keep, .. }, Heard::Unknown) => {
                self.finish(Verdict::Unknown { linked: Some(keep) })
            }
            (State::Revising(id), Heard::Unknown) => {
                self.finish(Verdict::Unknown { linked: Some(id) })
            }
            (State::Creating, Heard::Unknown) => self.finish(Verdict::Unknown { linked: None }),
            _ => self.finish(Verdict::Contradiction),
        }
    }

    fn on_found(&mut self, sightings: Vec<Sighting<I>>) -> Ask<I> {
        // The oldest is kept: it is the one that others may have referred to.
        let mut sightings = sightings.into_iter();
        let Some(Sighting { id: keep, .. }) = sightings.next() else {
            if self.situation.unknown && !self.situation.settled {
                return self.finish(Verdict::WaitForSettle);
            }
            self.state = State::ConfirmingAbsence;
            return Ask::Count;
        };
        self.twins = sightings.collect();
        self.state = State::Linking(keep.clone());
        Ask::Link(keep)
    }

    fn on_absent(&mut self) -> Ask<I> {
        match self.situation.desired {
            Desired::Present => self.create(),
            Desired::Withdrawn => self.finish(Verdict::InStep {
                linked: None,
                also: Vec::new(),
            }),
        }
    }

    fn on_twin_check(&mut self, created: I, sightings: Vec<Sighting<I>>) -> Ask<I> {
        // The record just created is the one whose content is certain. An index that lags or a swallowed error may
        // leave it out of the page; that takes nothing away from the confirmed create.
        let twins = sightings
            .into_iter()
            .filter(|sighting| sighting.id != created)
            .collect();
        self.remove_next(created, twins, Vec::new())
    }

    fn after_in_step(&mut self, id: I) -> Ask<I> {
        let twins = std::mem::take(&mut self.twins);
        self.remove_next(id, twins, Vec::new())
    }

    fn remove_next(&mut self, keep: I, mut rest: Vec<Sighting<I>>, mut also: Vec<I>) -> Ask<I> {
        while let Some(twin) = rest.pop() {
            if twin.untouched {
                let remove = twin.id;
                self.state = State::RemovingTwin { keep, rest, also };
                return Ask::Remove(remove);
            }
            also.push(twin.id);
        }
        self.finish(Verdict::InStep {
            linked: Some(keep),
            also,
        })
    }

    fn create(&mut self) -> Ask<I> {
        self.state = State::Creating;
        Ask::Create
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
