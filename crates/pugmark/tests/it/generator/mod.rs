//! MicroBima's API, as far as its database sees it: the statements that it really sends, in the order and with the traps in
//! which it sends them, beside a count of its own of what Pugmark has to make of them.
//!
//! Nothing here asks Pugmark's code what a statement means: the expectation is written down by the story that tells it.

mod expected;
mod payments;
mod people;
mod sql;

use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use crate::harness::{Writer, new_id};
pub(crate) use expected::{Counted, Expected, event_name};
use payments::PaymentState;
use sql::Sql;

/// A customer as MicroBima knows it.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) id: String,
    first: String,
    last: String,
    phone: String,
    email: Option<String>,
    status: &'static str,
    pub(crate) test: bool,
    pub(crate) deleted: bool,
    dependants: Vec<Relative>,
    beneficiaries: Vec<Relative>,
    policies: Vec<Policy>,
    registration: Option<String>,
}

#[derive(Debug, Clone)]
struct Relative {
    id: String,
    name: String,
    gone: bool,
}

#[derive(Debug, Clone)]
struct Policy {
    id: String,
    status: &'static str,
    payments: Vec<Payment>,
}

#[derive(Debug, Clone)]
struct Payment {
    /// The row is addressed by its reference; the id is the database's.
    reference: String,
    cents: i64,
    day: String,
    state: PaymentState,
}

/// An ambassador.
#[derive(Debug, Clone)]
struct Agent {
    id: String,
    user: String,
    active: bool,
}

/// Writes as MicroBima does, and knows what has to come of it.
pub(crate) struct Generator<'a> {
    program: &'a Writer,
    sql: Sql,
    rng: StdRng,
    now: Timestamp,
    pub(crate) members: Vec<Member>,
    agents: Vec<Agent>,
    /// Open requirements: id, member, entity.
    open_requirements: Vec<(String, usize)>,
    pub(crate) expected: Expected,
    told: u64,
}

/// The stories, with how often each is told among a hundred and more.
type Story = (&'static str, u32);
const STORIES: [Story; 20] = [
    ("an agent registers a member", 14),
    ("a partner registers a member", 6),
    ("a registration fails after the row was written", 4),
    ("a form is saved with the same values", 6),
    ("a form is saved with changed values", 12),
    ("the care queue rewrites flags", 6),
    ("dependants are added from the customer page", 8),
    ("a living dependant is edited", 3),
    ("a dependant is removed", 5),
    ("a beneficiary is added or removed", 4),
    ("a prompt is sent and paid", 14),
    ("a pay bill notification books a payment", 12),
    ("a prompt stays unanswered or cannot be sent", 5),
    ("a paid row is touched again", 8),
    ("a payment is detached and booked on another member", 5),
    ("requirements are found", 6),
    ("a requirement is resolved or expires", 6),
    ("an ambassador comes, goes or moves", 4),
    ("a test member lives beside the others", 4),
    ("a transaction is rolled back", 4),
];

impl<'a> Generator<'a> {
    /// A generator that writes through `program`. The same seed tells the same stories.
    pub(crate) async fn new(program: &'a Writer, seed: u64) -> Self {
        let mut generator = Generator {
            program,
            sql: Sql::new(program.engine()),
            rng: StdRng::seed_from_u64(seed),
            now: "2026-11-16T05:00:00Z".parse().expect("a time"),
            members: Vec::new(),
            agents: Vec::new(),
            open_requirements: Vec::new(),
            expected: Expected::default(),
            told: 0,
        };
        generator.set_up().await;
        generator
    }

    /// What is there before the first member: a scheme, further packages, an ambassador.
    async fn set_up(&mut self) {
        let now = self.sql.at(self.now);
        self.commit(format!(
            "INSERT INTO packages (\"name\", \"description\", \"createdBy\", \"createdAt\", \"updatedAt\") \
             VALUES ('Mfanisi', 'Daily', 'root', {now}, {now}), ('Familia', 'Weekly', 'root', {now}, {now}); \
             INSERT INTO package_schemes (\"packageId\", \"schemeId\", \"createdAt\") VALUES (1, 1, {now})"
        ))
        .await;
        self.new_agent().await;
    }

    /// Tells one story, chosen by chance, and says which.
    pub(crate) async fn tell(&mut self) -> &'static str {
        let all: u32 = STORIES.iter().map(|(_, weight)| weight).sum();
        let mut drawn = self.rng.random_range(0..all);
        let story = STORIES
            .iter()
            .find(|(_, weight)| {
                let this = drawn < *weight;
                drawn = drawn.saturating_sub(*weight);
                this
            })
            .map_or(STORIES[0].0, |(story, _)| *story);
        self.tell_this(story).await;
        story
    }

    /// Tells every story once, and then as many again by chance.
    pub(crate) async fn tell_all(&mut self, more: usize) {
        for (story, _) in STORIES {
            self.tell_this("an agent registers a member").await;
            self.tell_this("a pay bill notification books a payment")
                .await;
            self.tell_this(story).await;
        }
        for _ in 0..more {
            self.tell().await;
        }
    }

    async fn tell_this(&mut self, story: &'static str) {
        self.told += 1;
        let pause = self.rng.random_range(1..240);
        self.now += SignedDuration::from_secs(pause);
        match story {
            "an agent registers a member" => self.agent_registers(false).await,
            "a partner registers a member" => self.partner_registers().await,
            "a registration fails after the row was written" => self.registration_fails().await,
            "a form is saved with the same values" => self.form_saved(false).await,
            "a form is saved with changed values" => self.form_saved(true).await,
            "the care queue rewrites flags" => self.flags_rewritten().await,
            "dependants are added from the customer page" => self.dependants_added().await,
            "a living dependant is edited" => self.dependant_edited().await,
            "a dependant is removed" => self.dependant_removed().await,
            "a beneficiary is added or removed" => self.beneficiary_comes_or_goes().await,
            "a prompt is sent and paid" => self.prompt_paid().await,
            "a pay bill notification books a payment" => self.pay_bill().await,
            "a prompt stays unanswered or cannot be sent" => self.prompt_unanswered().await,
            "a paid row is touched again" => self.paid_row_touched().await,
            "a payment is detached and booked on another member" => self.payment_detached().await,
            "requirements are found" => self.requirements_found().await,
            "a requirement is resolved or expires" => self.requirement_closed().await,
            "an ambassador comes, goes or moves" => self.ambassador_moves().await,
            "a test member lives beside the others" => self.agent_registers(true).await,
            _ => self.rolled_back().await,
        }
    }

    /// One commit of MicroBima's.
    async fn commit(&mut self, statements: String) {
        self.program.sql(statements).await;
    }

    /// The next commit comes a few milliseconds later.
    fn tick(&mut self) -> String {
        self.now += SignedDuration::from_millis(self.rng.random_range(1..40));
        self.sql.at(self.now)
    }

    /// Members that have a contact.
    pub(crate) fn living(&self) -> impl Iterator<Item = &Member> {
        self.members
            .iter()
            .filter(|member| !member.test && !member.deleted)
    }

    /// A living member who is no test member, if there is one.
    fn someone(&mut self) -> Option<usize> {
        let living: Vec<usize> = (0..self.members.len())
            .filter(|index| !self.members[*index].test && !self.members[*index].deleted)
            .collect();
        living.choose(&mut self.rng).copied()
    }

    fn chance(&mut self, in_a_hundred: u32) -> bool {
        self.rng.random_range(0..100) < in_a_hundred
    }

    /// "21 Nov 2026" in Nairobi, which is three hours ahead all year.
    fn day_in_nairobi(&self) -> String {
        let there = self.now + SignedDuration::from_hours(3);
        there.strftime("%-d %b %Y").to_string()
    }

    /// A name as people have it, quotes and all.
    fn name(&mut self) -> (String, String) {
        let first = ["Achieng", "Wanjirũ", "Zuri", "Kamau", "Amina"];
        let last = [
            "Ng'ang'a",
            "O'Brien-Otieno",
            "Were & Söhne",
            "Mwangi",
            "\"Jomo\" Odhiambo",
        ];
        (
            (*first.choose(&mut self.rng).expect("not empty")).to_owned(),
            (*last.choose(&mut self.rng).expect("not empty")).to_owned(),
        )
    }

    async fn rolled_back(&mut self) {
        let Some(member) = self.someone() else {
            return;
        };
        let (id, now) = (self.members[member].id.clone(), self.tick());
        let dependant = new_id();
        let refused = self
            .program
            .try_sql(format!(
                "UPDATE customers SET \"status\" = 'SUSPENDED', \"updatedAt\" = {now} WHERE \"id\" = '{id}'; \
                 INSERT INTO dependants (\"id\", \"customerId\", \"firstName\", \"lastName\", \"relationship\", \
                 \"createdByPartnerId\", \"createdAt\", \"updatedAt\") \
                 VALUES ('{dependant}', '{id}', 'Nobody', 'Nowhere', 'CHILD', 1, {now}, {now}); \
                 INSERT INTO no_such_table VALUES (1)"
            ))
            .await;
        assert!(refused.is_err(), "there is no such table");
    }
}
