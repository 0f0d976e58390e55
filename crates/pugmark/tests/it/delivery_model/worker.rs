//! A worker: it does what the protocol asks for. What it must know to do so is here, so that this is also the contract of
//! the real caller.

use pugmark::delivery::protocol::{Ask, Attempt, Desired, Heard, Situation};

use super::crm::{Content, Id, Write};
use super::queue::Row;
use super::{Flaw, Link};

/// What a worker does next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Step {
    /// It waits for the answer to a question.
    Reading(Ask<Id>),
    /// It waits for the answer to a call that changes something.
    Writing(Write),
    /// It commits: [`Ask::Link`] or [`Ask::Finish`].
    Committing(Ask<Id>),
    /// An answer ended the attempt (throttled, unavailable, refused): it gives the operation back.
    GivingBack,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Worker {
    attempt: Attempt<Id>,
    pub(super) step: Step,
    /// What the record should carry, as loaded when the attempt began.
    target: Content,
    /// What is known of the record at hand: the base of the difference, and the snapshot when it is committed.
    known: Option<(Id, Content)>,
}

impl Worker {
    pub(super) fn begin(row: Row, link: Option<Link>, target: Content, flaw: Option<Flaw>) -> Self {
        let situation = Situation {
            desired: if target.is_withdrawn() {
                Desired::Withdrawn
            } else {
                Desired::Present
            },
            linked: link.map(|link| link.id),
            earlier_attempts: row.tried && flaw != Some(Flaw::CreatesOnRetryWithoutFind),
            unknown: row.unknown
                && !(flaw == Some(Flaw::RevisesFromSnapshotAfterUnknown) && link.is_some()),
            settled: row.settled
                || flaw == Some(Flaw::SkipsSettle)
                || (flaw == Some(Flaw::SkipsSettleOfLinked) && link.is_some()),
        };
        let (attempt, ask) = Attempt::begin(situation);
        let mut worker = Worker {
            attempt,
            step: Step::GivingBack,
            target,
            known: link.map(|link| (link.id, link.snapshot)),
        };
        worker.follow(ask, flaw);
        worker
    }

    /// Nothing but the next step matters any more. Worlds that differ in nothing else become equal, which keeps their number
    /// small.
    fn forget_all_but(step: Step) -> Self {
        let over = Situation {
            desired: Desired::Withdrawn,
            linked: None,
            earlier_attempts: false,
            unknown: false,
            settled: false,
        };
        Worker {
            attempt: Attempt::begin(over).0,
            step,
            target: Content::INITIAL,
            known: None,
        }
    }

    /// An answer has ended the attempt.
    pub(super) fn give_up(&mut self) {
        *self = Self::forget_all_but(Step::GivingBack);
    }

    /// The lease is gone. The call it waits for may still be executed; whatever else it does is one commit that is refused.
    pub(super) fn without_lease(self, flaw: Option<Flaw>) -> Self {
        match (flaw, self.write()) {
            (Some(Flaw::CommitsWithoutLease | Flaw::CallsAfterTheLease), _) => self,
            (_, Some(write)) => Self::forget_all_but(Step::Writing(write)),
            (_, None) => Self::forget_all_but(Step::GivingBack),
        }
    }

    fn follow(&mut self, ask: Ask<Id>, flaw: Option<Flaw>) {
        self.step = match ask {
            Ask::Count if flaw == Some(Flaw::TrustsAnEmptyPage) => {
                return self.hear(Heard::Counted(0), flaw);
            }
            Ask::Link(_) if flaw == Some(Flaw::WritesBeforeLinking) => {
                return self.hear(Heard::Linked, flaw);
            }
            Ask::Find | Ask::Count | Ask::Read(_) => Step::Reading(ask),
            Ask::Link(_) | Ask::Finish(_) => Step::Committing(ask),
            Ask::Create => Step::Writing(Write::Create(self.target)),
            Ask::Remove(id) => Step::Writing(Write::Remove(id)),
            Ask::Revise(id) => match self.difference(id) {
                0 => return self.hear(Heard::Written, flaw),
                mask => Step::Writing(Write::Revise {
                    id,
                    mask,
                    to: self.target,
                }),
            },
        };
    }

    fn difference(&self, id: Id) -> u8 {
        match self.known {
            Some((known, content)) if known == id => content.difference(self.target),
            _ => u8::MAX,
        }
    }

    /// Tells the protocol and takes its next question.
    pub(super) fn hear(&mut self, heard: Heard<Id>, flaw: Option<Flaw>) {
        let ask = self.attempt.hear(heard);
        self.follow(ask, flaw);
    }

    /// The page of a search. What it shows of the record that is then linked is the base for what follows.
    pub(super) fn hear_page(
        &mut self,
        heard: Heard<Id>,
        held: impl Fn(Id) -> Option<Content>,
        flaw: Option<Flaw>,
    ) {
        let ask = self.attempt.hear(heard);
        if let Ask::Link(id) = ask
            && let Some(content) = held(id)
        {
            self.known = Some((id, content));
        }
        self.follow(ask, flaw);
    }

    /// A fresh look at a record, or what a confirmed write made of it.
    pub(super) fn knows(&mut self, id: Id, content: Content) {
        self.known = Some((id, content));
    }

    pub(super) fn target(&self) -> Content {
        self.target
    }

    /// The link with the snapshot that goes with it.
    pub(super) fn link(&self, id: Id) -> Option<Link> {
        self.known
            .filter(|(known, _)| *known == id)
            .map(|(id, snapshot)| Link { id, snapshot })
    }

    pub(super) fn write(&self) -> Option<Write> {
        match self.step {
            Step::Writing(write) => Some(write),
            _ => None,
        }
    }
}
