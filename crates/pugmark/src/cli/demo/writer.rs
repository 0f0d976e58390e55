//! "Any program": writes MicroBima's tables over a connection of its own, knowing nothing of Pugmark.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::family::{self, Belongings};
use super::people::{Chance, Person};
use super::show::Show;
use crate::cli::CliError;

/// Longest time the stream of writes takes, however many customers.
const STREAM: Duration = Duration::from_secs(6);
const SLOWEST_PACE: Duration = Duration::from_millis(60);

/// What was written, counted as it was committed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Written {
    /// INSERT, UPDATE and DELETE statements.
    pub(super) rows: u64,
    /// Of these, changes to customers that belong in the CRM.
    pub(super) relevant: u64,
    pub(super) customers: u64,
    pub(super) tests: u64,
    pub(super) gone_at_once: u64,
}

/// Edits by customer that somebody who works in the CRM is told of: phone and status.
type Told = HashMap<String, u64>;

pub(super) struct Writer {
    connection: SqliteConnection,
    chance: Chance,
    customers: u32,
    pace: Duration,
    pub(super) written: Written,
    pub(super) told: Told,
}

/// A customer row as the oracle reads it, with nothing of Pugmark in between.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct LiveCustomer {
    pub(super) id: String,
    pub(super) first: String,
    pub(super) middle: Option<String>,
    pub(super) last: String,
    pub(super) email: Option<String>,
    pub(super) phone: String,
    pub(super) born: Option<String>,
    pub(super) id_number: String,
    pub(super) is_test: bool,
}

impl Writer {
    pub(super) async fn open(database: &Path, seed: u64, customers: u32) -> Result<Self, CliError> {
        let connection = SqliteConnectOptions::new()
            .filename(database)
            .journal_mode(SqliteJournalMode::Wal)
            .busy_timeout(Duration::from_secs(20))
            .connect()
            .await?;
        let pace = (STREAM / customers).min(SLOWEST_PACE);
        Ok(Writer {
            connection,
            chance: Chance::new(seed),
            customers,
            pace,
            written: Written::default(),
            told: Told::new(),
        })
    }

    /// Writes the whole stream: registrations, edits of earlier customers, bursts, test customers, rows that go at once.
    pub(super) async fn run(&mut self, show: &Show) -> Result<(), CliError> {
        let mut known: Vec<String> = Vec::new();
        family::begin(&mut self.connection).await?;
        self.count(false);
        for number in 0..self.customers {
            let person = self.chance.person(number);
            // The second and the third are always of the rare kinds, so that the smallest demonstration has them.
            if number == 1 || self.chance.percent(4) {
                self.insert(&person, true).await?;
                self.written.tests += 1;
            } else if number == 2 || self.chance.percent(4) {
                self.insert(&person, false).await?;
                self.delete(&person.id).await?;
                self.written.gone_at_once += 1;
            } else {
                self.insert(&person, false).await?;
                known.push(person.id.clone());
                self.written.rows += family::grow(
                    &mut self.connection,
                    &mut self.chance,
                    &person.id,
                    number == 0,
                )
                .await?;
                if number == 3 || self.chance.percent(15) {
                    self.burst(&person.id).await?;
                }
            }
            if self.chance.percent(35) && !known.is_empty() {
                let index = self.chance.between(0, known.len() as u32 - 1) as usize;
                self.edit_one_field(&known[index]).await?;
            }
            show.wrote(self.written.rows);
            tokio::time::sleep(self.pace).await;
        }
        self.written.customers = u64::from(self.customers);
        // Some registrations of long ago change again, when their contacts have settled.
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        for index in (0..known.len()).step_by(5) {
            self.edit_one_field(&known[index]).await?;
        }
        if let Some(last) = known.last().cloned() {
            self.touch_without_change(&last).await?;
        }
        show.wrote(self.written.rows);
        Ok(())
    }

    pub(super) async fn live_customers(&mut self) -> Result<Vec<LiveCustomer>, CliError> {
        Ok(sqlx::query_as(
            "SELECT \"id\" AS id, \"firstName\" AS first, \"middleName\" AS middle, \"lastName\" AS last, \"email\" AS email, \
             \"phoneNumber\" AS phone, \"dateOfBirth\" AS born, \"idNumber\" AS id_number, \"isTestUser\" AS is_test FROM customers",
        )
        .fetch_all(&mut self.connection)
        .await?)
    }

    pub(super) async fn belongings(&mut self) -> Result<Vec<Belongings>, CliError> {
        family::belongings(&mut self.connection).await
    }

    pub(super) async fn close(self) -> Result<(), CliError> {
        Ok(self.connection.close().await?)
    }

    async fn insert(&mut self, person: &Person, test: bool) -> Result<(), CliError> {
        sqlx::query(
            "INSERT INTO customers (\"id\", \"firstName\", \"middleName\", \"lastName\", \"email\", \"phoneNumber\", \
             \"dateOfBirth\", \"gender\", \"idType\", \"idNumber\", \"status\", \"isTestUser\", \"createdByPartnerId\") \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'PENDING_ACTIVATION', ?, 1)",
        )
        .bind(&person.id)
        .bind(&person.first)
        .bind(&person.middle)
        .bind(&person.last)
        .bind(&person.email)
        .bind(&person.phone)
        .bind(&person.born)
        .bind(person.gender)
        .bind(person.id_type)
        .bind(&person.id_number)
        .bind(test)
        .execute(&mut self.connection)
        .await?;
        self.count(!test);
        Ok(())
    }

    async fn delete(&mut self, id: &str) -> Result<(), CliError> {
        sqlx::query("DELETE FROM customers WHERE \"id\" = ?")
            .bind(id)
            .execute(&mut self.connection)
            .await?;
        self.count(true);
        Ok(())
    }

    /// Several edits of one customer within a second.
    async fn burst(&mut self, id: &str) -> Result<(), CliError> {
        for _ in 0..self.chance.between(3, 6) {
            self.edit_one_field(id).await?;
        }
        Ok(())
    }

    async fn edit_one_field(&mut self, id: &str) -> Result<(), CliError> {
        let which = self.chance.between(0, 2);
        let (sql, value) = match which {
            0 => (
                "UPDATE customers SET \"phoneNumber\" = ?1, \"updatedAt\" = unixepoch() * 1000000 WHERE \"id\" = ?2",
                self.chance.phone(),
            ),
            1 => (
                "UPDATE customers SET \"lastName\" = ?1, \"updatedAt\" = unixepoch() * 1000000 WHERE \"id\" = ?2",
                format!(
                    "{} {}",
                    self.chance.last_name(),
                    self.chance.between(2, 99_999)
                ),
            ),
            _ => (
                "UPDATE customers SET \"status\" = CASE \"status\" WHEN 'ACTIVE' THEN 'SUSPENDED' ELSE 'ACTIVE' END, \
                 \"updatedBy\" = ?1 WHERE \"id\" = ?2",
                "demo".to_owned(),
            ),
        };
        sqlx::query(sql)
            .bind(value)
            .bind(id)
            .execute(&mut self.connection)
            .await?;
        self.count(true);
        if which != 1 {
            *self.told.entry(id.to_owned()).or_default() += 1;
        }
        Ok(())
    }

    /// MicroBima rewrites a row with its own values all the time; nothing may follow from it.
    async fn touch_without_change(&mut self, id: &str) -> Result<(), CliError> {
        sqlx::query(
            "UPDATE customers SET \"firstName\" = \"firstName\", \"hasMissingRequirements\" = 1, \"updatedAt\" = unixepoch() * 1000000 WHERE \"id\" = ?",
        )
        .bind(id)
        .execute(&mut self.connection)
        .await?;
        self.count(false);
        Ok(())
    }

    fn count(&mut self, relevant: bool) {
        self.written.rows += 1;
        self.written.relevant += u64::from(relevant);
    }
}
