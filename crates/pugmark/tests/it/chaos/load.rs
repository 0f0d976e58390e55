//! What other programs write while Pugmark is treated badly. Every write carries a number that only rises, so that order can be
//! read from what arrives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use pugmark_queue::db::Engine;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::harness::{Writer, customer_values, new_id};

/// The last name of customers; a number follows.
const NAME: &str = "Otieno";

/// Writes customers, edits, dependants and withdrawals, chosen by its seed.
pub(super) struct Load {
    rng: StdRng,
    told: u64,
    living: Vec<String>,
    /// Customers whose insert was answered: these must be there in the end, unless they are gone.
    pub(super) answered: BTreeSet<String>,
    /// Customers whose deletion was asked for: they may have a contact, which is marked.
    pub(super) gone: BTreeSet<String>,
    with_dependants: BTreeSet<String>,
    /// How often each kind of write was answered.
    pub(super) done: BTreeMap<&'static str, u64>,
    /// Writes that the store did not answer. They may or may not be there.
    pub(super) unanswered: u64,
}

impl Load {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            told: 0,
            living: Vec::new(),
            answered: BTreeSet::new(),
            gone: BTreeSet::new(),
            with_dependants: BTreeSet::new(),
            done: BTreeMap::new(),
            unanswered: 0,
        }
    }

    /// Writes until it is over, with short pauses.
    pub(super) async fn write_until(&mut self, program: &Writer, over: &AtomicBool) {
        while !over.load(Ordering::SeqCst) {
            self.write(program).await;
            let pause = self.rng.random_range(5..60);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    /// Inserts so many customers, many in a statement.
    pub(super) async fn insert_many(&mut self, program: &Writer, number: usize) {
        for chunk in 0..number.div_ceil(250) {
            let ids: Vec<String> = (chunk * 250..number.min(chunk * 250 + 250))
                .map(|_| new_id())
                .collect();
            let rows: Vec<String> = ids
                .iter()
                .map(|id| format!("({})", customer_values(id, &self.name())))
                .collect();
            let columns = "\"id\", \"firstName\", \"lastName\", \"phoneNumber\", \"dateOfBirth\", \"gender\", \"idType\", \
                           \"idNumber\", \"status\"";
            program
                .sql(format!(
                    "INSERT INTO customers ({columns}) VALUES {}",
                    rows.join(", ")
                ))
                .await;
            *self.done.entry("customers").or_default() += ids.len() as u64;
            self.answered.extend(ids.iter().cloned());
            self.living.extend(ids);
        }
    }

    /// One write of any kind.
    pub(super) async fn write(&mut self, program: &Writer) {
        let chance: u8 = self.rng.random_range(0..100);
        if chance < 35 || self.living.len() < 5 {
            return self.insert(program).await;
        }
        let index = self.rng.random_range(0..self.living.len());
        match chance {
            35..65 => self.rename(program, index).await,
            65..75 => self.edit(program, index).await,
            75..93 => self.add_dependant(program, index).await,
            _ => self.withdraw(program, index).await,
        }
    }

    /// A customer and two dependants, one after the other.
    pub(super) async fn family(&mut self, program: &Writer) {
        self.insert(program).await;
        let newest = self.living.len() - 1;
        self.add_dependant(program, newest).await;
        self.add_dependant(program, newest).await;
    }

    /// A statement that takes room: a customer who is deleted at once, with much said of them.
    pub(super) fn ballast(&mut self) -> String {
        let id = new_id();
        let insert = crate::harness::insert_statement(&id, &"x".repeat(20_000));
        format!("{insert}; DELETE FROM customers WHERE \"id\" = '{id}'")
    }

    /// A name that sorts behind all names before it.
    fn name(&mut self) -> String {
        format!("{NAME} {}", self.number())
    }

    fn number(&mut self) -> String {
        self.told += 1;
        format!("{:07}", self.told)
    }

    async fn insert(&mut self, program: &Writer) {
        let id = new_id();
        let name = self.name();
        let statement = crate::harness::insert_statement(&id, &name);
        if self.said(program, "customers", statement).await {
            self.answered.insert(id.clone());
            self.living.push(id);
        }
    }

    /// The edit by which order is judged.
    pub(super) async fn rename(&mut self, program: &Writer, index: usize) {
        let (id, name) = (self.living[index].clone(), self.name());
        let statement =
            format!("UPDATE customers SET \"lastName\" = '{name}' WHERE \"id\" = '{id}'");
        self.said(program, "edits", statement).await;
    }

    async fn edit(&mut self, program: &Writer, index: usize) {
        let id = self.living[index].clone();
        let (column, value) = match self.rng.random_range(0..3) {
            // Unique in MicroBima.
            0 => ("email", format!("{}@example.org", new_id())),
            1 => ("middleName", format!("Edited {}", self.number())),
            _ => (
                "phoneNumber",
                format!("07{:08}", self.rng.random_range(0..100_000_000)),
            ),
        };
        let statement =
            format!("UPDATE customers SET \"{column}\" = '{value}' WHERE \"id\" = '{id}'");
        self.said(program, "edits", statement).await;
    }

    async fn add_dependant(&mut self, program: &Writer, index: usize) {
        let (id, customer, number) = (new_id(), self.living[index].clone(), self.number());
        let now = match program.engine() {
            Engine::Sqlite => Timestamp::now().as_microsecond().to_string(),
            Engine::Postgres => format!("'{}'", Timestamp::now().strftime("%Y-%m-%d %H:%M:%S.%3f")),
        };
        // Also when it is not answered: the row may be there.
        self.with_dependants.insert(customer.clone());
        let statement = format!(
            "INSERT INTO dependants (\"id\", \"customerId\", \"firstName\", \"lastName\", \"dateOfBirth\", \"relationship\", \
             \"createdByPartnerId\", \"createdAt\", \"updatedAt\") VALUES ('{id}', '{customer}', 'N{number}', '{NAME}', \
             '2015-03-09', 'CHILD', 1, {now}, {now})"
        );
        self.said(program, "dependants", statement).await;
    }

    /// Deleted, or turned into a test customer. Only customers without dependants, so that the notes to come stay countable.
    async fn withdraw(&mut self, program: &Writer, index: usize) {
        let id = self.living[index].clone();
        if self.with_dependants.contains(&id) {
            return self.rename(program, index).await;
        }
        self.living.swap_remove(index);
        let statement = match self.rng.random_bool(0.5) {
            true => {
                self.gone.insert(id.clone());
                format!("DELETE FROM customers WHERE \"id\" = '{id}'")
            }
            false => {
                format!("UPDATE customers SET \"isTestUser\" = TRUE WHERE \"id\" = '{id}'")
            }
        };
        self.said(program, "withdrawals", statement).await;
    }

    /// Whether the store answered that it is written.
    async fn said(&mut self, program: &Writer, what: &'static str, statement: String) -> bool {
        match program.try_sql(statement).await {
            Ok(()) => {
                *self.done.entry(what).or_default() += 1;
                true
            }
            Err(_) => {
                self.unanswered += 1;
                false
            }
        }
    }
}
