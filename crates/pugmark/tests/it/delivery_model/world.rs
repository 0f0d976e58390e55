//! Everything that exists, and every step that anyone can take.

use pugmark::delivery::protocol::{Ask, Heard, Sighting, Verdict};

use super::crm::{Content, Crm, Effect, Field, Id, Record, Write};
use super::queue::{Fate, Queue};
use super::worker::{Step, Worker};
use super::{Delivery, Flaw, Link, People, Promise};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct World {
    /// What the row of the database is to look like in the CRM.
    pub(super) row: Content,
    pub(super) link: Option<Link>,
    pub(super) queue: Queue,
    pub(super) crm: Crm,
    /// Who holds the lease. While an operation is being carried out and nobody holds it, its worker has crashed.
    pub(super) holder: Option<Worker>,
    /// Workers whose lease was taken away and who do not know it yet.
    pub(super) zombies: Vec<Worker>,
    pub(super) left: Budget,
    /// For the properties only: somebody without a lease has committed something.
    pub(super) stale_commit: bool,
}

/// How much may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Budget {
    /// Edits of the row.
    pub(super) edits: u8,
    /// Crashes, lost leases, lost answers, late calls, failed calls and swallowed errors, all together.
    pub(super) troubles: u8,
    /// What people do to records in the CRM.
    pub(super) meddling: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Holder,
    Zombie(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// The row changes, and the operation is enqueued in the same transaction.
    Edit(Field),
    Claim,
    /// The call is executed and its answer arrives.
    Answer(Who),
    /// The search answers with an empty page because the CRM swallowed an error.
    SwallowPage,
    /// The call has no effect and its answer says so: unavailable, throttled, refused.
    Fail,
    /// The call is executed, its answer is lost.
    LoseAnswer,
    /// No answer in time; the call may be executed later.
    TimeOut,
    Commit(Who, Fate),
    Crash,
    /// The lease has run out: the operation is taken away from its worker, dead or alive.
    Reclaim(Fate),
    /// A zombie ends.
    Vanish(usize),
    /// A call nobody waits for is executed.
    Late(usize),
    /// A call nobody waits for was lost on the way.
    Never(usize),
    /// The settle window passes.
    Settle,
    /// A person replays a dead letter.
    Replay(usize),
    /// A person edits a record in the CRM (a field that is not ours).
    PersonEdits(Id),
    /// A person deletes a record in the CRM, or hides it from us; the CRM does not tell the two apart.
    PersonDeletes(Id),
    /// A person clears our reference in a linked record. In one that is not linked yet that would be beyond help: nothing
    /// would lead to it any more.
    PersonDetaches(Id),
    /// A person copies a record in the CRM, our reference with it.
    PersonCopies(Id),
}

impl World {
    /// A row was inserted, and its operation waits.
    pub(super) fn new(left: Budget) -> Self {
        let mut queue = Queue::default();
        queue.enqueue(None);
        World {
            row: Content::INITIAL,
            link: None,
            queue,
            crm: Crm::default(),
            holder: None,
            zombies: Vec::new(),
            left,
            stale_commit: false,
        }
    }

    /// Nothing waits, runs or is in flight.
    pub(super) fn is_quiescent(&self) -> bool {
        self.queue.is_empty()
            && self.holder.is_none()
            && self.zombies.is_empty()
            && self.crm.late().is_empty()
    }

    pub(super) fn workers(&self) -> impl Iterator<Item = &Worker> {
        self.holder.iter().chain(&self.zombies)
    }

    pub(super) fn worker(&self, who: Who) -> Option<&Worker> {
        match who {
            Who::Holder => self.holder.as_ref(),
            Who::Zombie(index) => self.zombies.get(index),
        }
    }
}

impl Delivery {
    pub(super) fn possible(&self, world: &World, actions: &mut Vec<Action>) {
        self.what_the_queue_does(world, actions);
        self.what_the_holder_does(world, actions);
        self.what_zombies_do(world, actions);
        self.what_the_crm_does(world, actions);
        self.what_people_do(world, actions);
    }

    fn what_the_queue_does(&self, world: &World, actions: &mut Vec<Action>) {
        if world.queue.processing.is_none() && world.queue.waiting.is_some() {
            actions.push(Action::Claim);
        }
        if world.queue.processing.is_some() && (world.holder.is_none() || world.left.troubles > 0) {
            actions.push(Action::Reclaim(Fate::Again));
            actions.push(Action::Reclaim(Fate::Dead));
        }
        if world.queue.is_settling() && self.settle_window_can_pass(world) {
            actions.push(Action::Settle);
        }
        actions.extend((0..world.queue.dead.len()).map(Action::Replay));
    }

    /// The assumption the whole protocol rests on.
    fn settle_window_can_pass(&self, world: &World) -> bool {
        let waiting = world.zombies.iter().filter_map(Worker::write);
        let mut in_flight = waiting.chain(world.crm.late().iter().copied());
        match self.promise {
            Promise::Kept => in_flight.next().is_none(),
            Promise::BrokenForCreates => in_flight.all(|write| matches!(write, Write::Create(_))),
            Promise::BrokenForAll => true,
        }
    }

    fn what_the_holder_does(&self, world: &World, actions: &mut Vec<Action>) {
        let Some(worker) = &world.holder else { return };
        let trouble = world.left.troubles > 0;
        match &worker.step {
            Step::Reading(ask) => {
                actions.push(Action::Answer(Who::Holder));
                if trouble {
                    actions.push(Action::Fail);
                }
                if trouble && *ask == Ask::Find && world.crm.referenced().next().is_some() {
                    actions.push(Action::SwallowPage);
                }
            }
            Step::Writing(_) => {
                actions.push(Action::Answer(Who::Holder));
                if trouble {
                    actions.extend([Action::Fail, Action::LoseAnswer, Action::TimeOut]);
                }
            }
            Step::Committing(ask) => {
                actions.push(Action::Commit(Who::Holder, Fate::Again));
                if matches!(ask, Ask::Finish(Verdict::Unknown { .. })) {
                    actions.push(Action::Commit(Who::Holder, Fate::Dead));
                }
            }
            Step::GivingBack => {
                actions.push(Action::Commit(Who::Holder, Fate::Again));
                actions.push(Action::Commit(Who::Holder, Fate::Dead));
            }
        }
        if trouble {
            actions.push(Action::Crash);
        }
    }

    fn what_zombies_do(&self, world: &World, actions: &mut Vec<Action>) {
        for (index, zombie) in world.zombies.iter().enumerate() {
            let who = Who::Zombie(index);
            match zombie.step {
                Step::Reading(_) => actions.push(Action::Answer(who)),
                Step::Writing(_) => actions.extend([Action::Answer(who), Action::Vanish(index)]),
                Step::Committing(_) | Step::GivingBack => {
                    actions.push(Action::Commit(who, Fate::Again))
                }
            }
        }
    }

    fn what_the_crm_does(&self, world: &World, actions: &mut Vec<Action>) {
        let late = world.crm.late();
        for index in (0..late.len()).filter(|index| *index == 0 || late[*index] != late[*index - 1])
        {
            actions.extend([Action::Late(index), Action::Never(index)]);
        }
    }

    fn what_people_do(&self, world: &World, actions: &mut Vec<Action>) {
        if world.left.edits > 0 {
            actions.extend([Field::First, Field::Withdrawn].map(Action::Edit));
            // The two fields are alike, so the first to be edited may as well be called the first.
            if world.left.edits < self.budget.edits {
                actions.push(Action::Edit(Field::Second));
            }
        }
        if world.left.meddling == 0 {
            return;
        }
        for (id, record) in world.crm.live() {
            match self.people {
                People::EditAndCopy | People::EditAtAnyTime => {
                    actions.push(Action::PersonCopies(id));
                    let too_late =
                        self.people == People::EditAndCopy && removal_may_be_under_way(world, id);
                    if !record.touched && !too_late {
                        actions.push(Action::PersonEdits(id));
                    }
                }
                People::DeleteAndDetach => {
                    actions.push(Action::PersonDeletes(id));
                    if world.link.is_some_and(|link| link.id == id) && !record.detached {
                        actions.push(Action::PersonDetaches(id));
                    }
                }
            }
        }
    }

    pub(super) fn take(&self, world: &mut World, action: Action) {
        self.pay(world, action);
        match action {
            Action::Edit(field) => {
                world.row = world.row.with_flipped(field);
                world.queue.enqueue(self.flaw);
            }
            Action::Claim => self.claim(world),
            Action::Answer(who) => self.answer(world, who),
            Action::SwallowPage => self.hear(world, Who::Holder, Heard::Found(Vec::new())),
            Action::Fail => self.fail(world),
            Action::LoseAnswer => self.lose_answer(world),
            Action::TimeOut => self.time_out(world),
            Action::Commit(who, fate) => self.commit(world, who, fate),
            Action::Crash => crash(world),
            Action::Reclaim(fate) => self.reclaim(world, fate),
            Action::Vanish(index) => vanish(world, index),
            Action::Late(index) => {
                let write = world.crm.take_late(index);
                world.crm.execute(write);
            }
            Action::Never(index) => {
                world.crm.take_late(index);
            }
            Action::Settle => world.queue.settle(),
            Action::Replay(index) => world.queue.replay(index, self.flaw),
            Action::PersonEdits(id) => change(world, id, |record| record.touched = true),
            Action::PersonDeletes(id) => change(world, id, |record| record.live = false),
            Action::PersonDetaches(id) => change(world, id, |record| record.detached = true),
            Action::PersonCopies(id) => world.crm.copy(id),
        }
    }

    fn pay(&self, world: &mut World, action: Action) {
        let left = &mut world.left;
        match action {
            Action::Edit(_) => left.edits -= 1,
            Action::SwallowPage
            | Action::Fail
            | Action::LoseAnswer
            | Action::TimeOut
            | Action::Crash => {
                left.troubles -= 1;
            }
            // Who has crashed was paid for.
            Action::Reclaim(_) if world.holder.is_some() => left.troubles -= 1,
            Action::PersonEdits(_)
            | Action::PersonDeletes(_)
            | Action::PersonDetaches(_)
            | Action::PersonCopies(_) => left.meddling -= 1,
            _ => {}
        }
    }

    fn claim(&self, world: &mut World) {
        if let Some(row) = world.queue.claim() {
            world.holder = Some(Worker::begin(row, world.link, world.row, self.flaw));
        }
    }

    /// The call is executed now, whoever waits for it.
    fn answer(&self, world: &mut World, who: Who) {
        let Some(step) = world.worker(who).map(|worker| worker.step.clone()) else {
            return;
        };
        match step {
            Step::Reading(Ask::Find) => self.find(world, who),
            Step::Reading(Ask::Count) => {
                let number = u64::try_from(world.crm.referenced().count()).unwrap_or(u64::MAX);
                self.hear(world, who, Heard::Counted(number));
            }
            Step::Reading(Ask::Read(id)) => match world.crm.get(id).map(|record| record.content) {
                Some(content) => self.hear_of(world, who, (id, content), Heard::Read),
                None => self.hear(world, who, Heard::Missing),
            },
            Step::Writing(write) => self.execute(world, who, write),
            Step::Reading(_) | Step::Committing(_) | Step::GivingBack => {}
        }
    }

    fn find(&self, world: &mut World, who: Who) {
        let blind = self.flaw == Some(Flaw::TakesEditedForUntouched);
        let untouched = |record: &Record| blind || !(record.touched || record.copied);
        let page: Vec<_> = world
            .crm
            .referenced()
            .map(|(id, record)| Sighting {
                id,
                untouched: untouched(record),
            })
            .collect();
        // What a worker sees whose operation went on to another says nothing about what that other one knows.
        if page.len() > 1 && who == Who::Holder {
            page.iter()
                .for_each(|shown| change(world, shown.id, |record| record.seen_as_second = true));
        }
        let crm = world.crm.clone();
        let held = move |id| crm.get(id).map(|record| record.content);
        self.with(world, who, |worker, flaw| {
            worker.hear_page(Heard::Found(page), held, flaw)
        });
    }

    fn execute(&self, world: &mut World, who: Who, write: Write) {
        let effect = world.crm.execute(write);
        let target = world.worker(who).map_or(world.row, Worker::target);
        match (effect, write) {
            (Effect::Created(id), _) => self.hear_of(world, who, (id, target), Heard::Created(id)),
            (Effect::Done, Write::Revise { id, .. }) => {
                self.hear_of(world, who, (id, target), Heard::Written)
            }
            (Effect::Done, _) => self.hear(world, who, Heard::Written),
            (Effect::Missing, _) => self.hear(world, who, Heard::Missing),
        }
    }

    fn fail(&self, world: &mut World) {
        if let Some(worker) = &mut world.holder {
            worker.give_up();
        }
    }

    fn lose_answer(&self, world: &mut World) {
        if let Some(write) = world.holder.as_ref().and_then(Worker::write) {
            world.crm.execute(write);
            self.hear(world, Who::Holder, Heard::Unknown);
        }
    }

    fn time_out(&self, world: &mut World) {
        if let Some(write) = world.holder.as_ref().and_then(Worker::write) {
            world.crm.leave_in_flight(write);
            self.hear(world, Who::Holder, Heard::Unknown);
        }
    }

    fn hear(&self, world: &mut World, who: Who, heard: Heard<Id>) {
        self.with(world, who, |worker, flaw| worker.hear(heard, flaw));
    }

    fn hear_of(&self, world: &mut World, who: Who, (id, content): (Id, Content), heard: Heard<Id>) {
        self.with(world, who, |worker, flaw| {
            worker.knows(id, content);
            worker.hear(heard, flaw);
        });
    }

    /// Lets a worker go on. One whose lease is gone starts no call: it looks at its clock just before sending.
    fn with(&self, world: &mut World, who: Who, go_on: impl FnOnce(&mut Worker, Option<Flaw>)) {
        match who {
            Who::Holder => {
                if let Some(worker) = &mut world.holder {
                    go_on(worker, self.flaw);
                }
            }
            Who::Zombie(index) => {
                let mut zombie = world.zombies.remove(index);
                go_on(&mut zombie, self.flaw);
                let calls = matches!(zombie.step, Step::Reading(_) | Step::Writing(_));
                if !calls || self.flaw == Some(Flaw::CallsAfterTheLease) {
                    world.zombies.insert(index, zombie.without_lease(self.flaw));
                }
            }
        }
    }

    /// Every commit is guarded by the lease.
    fn commit(&self, world: &mut World, who: Who, fate: Fate) {
        if let Who::Zombie(index) = who {
            if self.flaw != Some(Flaw::CommitsWithoutLease) {
                world.zombies.remove(index);
                return;
            }
            world.stale_commit = true;
        }
        let Some(worker) = world.worker(who).cloned() else {
            return;
        };
        if let Step::Committing(Ask::Link(id)) = worker.step {
            world.link = worker.link(id).or(world.link);
            return self.hear(world, who, Heard::Linked);
        }
        match who {
            Who::Holder => world.holder = None,
            Who::Zombie(index) => drop(world.zombies.remove(index)),
        }
        match &worker.step {
            Step::Committing(Ask::Finish(verdict)) => self.conclude(world, &worker, verdict, fate),
            _ => world.queue.give_back(false, fate, self.flaw),
        }
    }

    /// Link, snapshot and the end of the attempt are one transaction.
    fn conclude(&self, world: &mut World, worker: &Worker, verdict: &Verdict<Id>, fate: Fate) {
        match verdict {
            Verdict::InStep { linked, also } => {
                world.link = linked.and_then(|id| worker.link(id));
                also.iter()
                    .for_each(|id| change(world, *id, |record| record.reported = true));
                world.queue.complete();
            }
            Verdict::Unknown { linked } => {
                // The snapshot of a link that exists stays what it was: what the CRM holds is not known.
                world.link = world.link.or_else(|| linked.and_then(|id| worker.link(id)));
                world.queue.give_back(true, fate, self.flaw);
            }
            Verdict::WaitForSettle | Verdict::Contradiction => {
                world.queue.give_back(false, Fate::Again, self.flaw)
            }
            Verdict::LinkedRecordMissing(_) => world.queue.give_back(false, Fate::Dead, self.flaw),
        }
    }

    fn reclaim(&self, world: &mut World, fate: Fate) {
        world.zombies.extend(
            world
                .holder
                .take()
                .map(|worker| worker.without_lease(self.flaw)),
        );
        world.queue.give_back(
            self.flaw != Some(Flaw::LostLeaseIsNotUnknown),
            fate,
            self.flaw,
        );
    }
}

fn change(world: &mut World, id: Id, how: impl FnOnce(&mut Record)) {
    if let Some(record) = world.crm.get_mut(id) {
        how(record);
    }
}

fn crash(world: &mut World) {
    if let Some(write) = world.holder.take().as_ref().and_then(Worker::write) {
        world.crm.leave_in_flight(write);
    }
}

fn vanish(world: &mut World, index: usize) {
    if let Some(write) = world.zombies.remove(index).write() {
        world.crm.leave_in_flight(write);
    }
}

/// Between the search that shows a record untouched and its removal a person may edit it. Stock vTiger has no conditional
/// delete, so the edit is lost with it; see [`People::EditAtAnyTime`].
fn removal_may_be_under_way(world: &World, id: Id) -> bool {
    let removal = Write::Remove(id);
    !world.zombies.is_empty() || world.holder.is_some() || world.crm.late().contains(&removal)
}
