//! What capture costs the program that writes: the same statements on the same tables, with and without Pugmark's triggers.
//!
//! Payments are what MicroBima writes most, and their trigger does most: it looks up the customer of the policy.

use std::time::{Duration, Instant};

use pugmark_queue::db::{Db, DbOptions, Engine};

use super::Size;
use super::line::Line;
use super::plain::Plain;
use super::rounds::{Rates, Round, alternate};
use super::stores::Stores;
use crate::capture::watched::PAYMENTS;
use crate::cli::CliError;
use crate::store;

const PER_STATEMENT: u32 = 500;

pub(super) async fn measure(
    stores: &Stores,
    engine: Engine,
    size: Size,
) -> Result<Vec<Line>, CliError> {
    let mut watched = Insurer::open(&stores.fresh(engine).await?).await?;
    let mut plain = Insurer::open(&stores.fresh(engine).await?).await?;
    plain.stop_capture(engine).await?;

    let single = alternate(
        (size.operations / 20).max(1),
        async |payments| watched.pay_one_by_one(payments).await,
        async |payments, _| Ok(plain.pay_one_by_one(payments).await?.elapsed),
    )
    .await?;
    let many = alternate(
        size.operations,
        async |payments| watched.pay_many(payments).await,
        async |payments, _| Ok(plain.pay_many(payments).await?.elapsed),
    )
    .await?;
    let edits = alternate(
        (size.operations / 20).max(1),
        async |edits| watched.touch_one_by_one(edits).await,
        async |edits, _| Ok(plain.touch_one_by_one(edits).await?.elapsed),
    )
    .await?;

    let line = |name: String, rates: Rates| {
        let against = "the same without triggers";
        Line::new(name, engine, "row/s", rates.ours, rates.peer, against)
    };
    Ok(vec![
        line("captured payments, one per transaction".to_owned(), single),
        line(
            format!("captured payments, {PER_STATEMENT} per statement"),
            many,
        ),
        line(
            "edits without a change, one per transaction".to_owned(),
            edits,
        ),
    ])
}

/// A program that writes payments of one policy.
struct Insurer {
    program: Plain,
    policy: String,
    /// How many payments there are, for receipts that nobody has had.
    payments: u32,
}

impl Insurer {
    /// Over a new store at `url`.
    async fn open(url: &str) -> Result<Self, CliError> {
        let db = Db::open(url, DbOptions::default()).await?;
        store::migrate(&db).await?;
        db.close().await;
        let mut program = Plain::open(url).await?;
        let customers = super::customers::insert(&mut program, 1).await?;
        let policy = uuid::Uuid::new_v4().to_string();
        for customer in customers {
            program
                .sql(format!(
                    "INSERT INTO policies (\"id\", \"productName\", \"premium\", \"frequency\", \"paymentCadence\", \
                     \"customerId\", \"packageId\") VALUES ('{policy}', 'Family', 50, 'DAILY', 1, '{customer}', 1)"
                ))
                .await?;
        }
        Ok(Insurer {
            program,
            policy,
            payments: 0,
        })
    }

    async fn stop_capture(&mut self, engine: Engine) -> Result<(), CliError> {
        let table = PAYMENTS.table;
        match engine {
            Engine::Sqlite => {
                for event in ["insert", "update", "delete"] {
                    self.program
                        .sql(format!("DROP TRIGGER pugmark_{table}_{event}"))
                        .await?;
                }
                Ok(())
            }
            Engine::Postgres => {
                self.program
                    .sql(format!("ALTER TABLE {table} DISABLE TRIGGER USER"))
                    .await
            }
        }
    }

    async fn pay_one_by_one(&mut self, payments: u32) -> Result<Round, CliError> {
        let started = Instant::now();
        for _ in 0..payments {
            self.pay(1).await?;
        }
        Ok(round(started.elapsed(), payments))
    }

    async fn pay_many(&mut self, payments: u32) -> Result<Round, CliError> {
        let started = Instant::now();
        let (mut left, mut statements) = (payments, 0);
        while left > 0 {
            let now = left.min(PER_STATEMENT);
            self.pay(now).await?;
            left -= now;
            statements += 1;
        }
        Ok(round(started.elapsed(), statements))
    }

    /// So many payments in one statement, which is a transaction of its own.
    async fn pay(&mut self, payments: u32) -> Result<(), CliError> {
        let values: Vec<String> = (0..payments)
            .map(|number| {
                let receipt = self.payments + number;
                format!(
                    "('{}', 'MPESA', 'QK{receipt:08}', 50.25, '2026-11-02 09:00:00', '2026-11-02 09:00:00', 'COMPLETED')",
                    self.policy
                )
            })
            .collect();
        self.payments += payments;
        self.program
            .sql(format!(
                "INSERT INTO policy_payments (\"policyId\", \"paymentType\", \"transactionReference\", \"amount\", \
                 \"expectedPaymentDate\", \"actualPaymentDate\", \"paymentStatus\") VALUES {}",
                values.join(", ")
            ))
            .await
    }

    /// What a program sends that writes a row as it was.
    async fn touch_one_by_one(&mut self, edits: u32) -> Result<Round, CliError> {
        let started = Instant::now();
        for number in 0..edits {
            let receipt = number % self.payments.max(1);
            self.program
                .sql(format!(
                    "UPDATE policy_payments SET \"amount\" = 50.25, \"details\" = 'edit {number}' \
                     WHERE \"transactionReference\" = 'QK{receipt:08}'"
                ))
                .await?;
        }
        Ok(round(started.elapsed(), edits))
    }
}

fn round(elapsed: Duration, transactions: u32) -> Round {
    Round {
        elapsed,
        transactions: u64::from(transactions),
    }
}
