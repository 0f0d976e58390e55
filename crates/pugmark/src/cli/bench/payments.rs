//! A week of payments through a `serve` of its own: CRM calls, time, memory; then the weekly summary.

use std::time::{Duration, Instant};

use clap::Args;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use pugmark_queue::db::Engine;
use pugmark_sandbox::{CustomField, CustomFieldKind, VtigerSandbox};
use reqwest::Method;
use serde_json::json;
use vtiger::{Client, ClientConfig, Element, RecordId};

use super::customers;
use super::line::Line;
use super::plain::Plain;
use super::process::Serve;
use super::stores::Stores;
use super::world::{insurers_crm, record_calls, start};
use crate::cli::CliError;
use crate::flows::insurance::week::Week;
use crate::flows::insurance::wording::money;

/// Payments and customers of a week.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct PaymentsArgs {
    /// Payments, spread evenly over the customers.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    payments: u32,
    /// Customers.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    customers: u32,
}

impl PaymentsArgs {
    /// Payments of each customer: at least one.
    fn rounds(self) -> u32 {
        (self.payments / self.customers).max(1)
    }

    /// What is really written.
    fn written(self) -> u32 {
        self.rounds() * self.customers
    }
}

const SUMMARIES: &str = "/api/internal/vtiger/payment-summaries";
const LOOK: Duration = Duration::from_millis(100);
const PER_TRANSACTION: usize = 100;
/// As many as `serve` opens.
const SESSIONS: usize = 4;
/// The figures reach the contact as soon as they can, and nothing happens by the clock.
const SETTINGS: [(&str, &str); 3] = [
    ("PUGMARK__PAYMENTS__SETTLE", "0s"),
    ("PUGMARK__CAPTURE__SETTLE", "0s"),
    ("PUGMARK__SUMMARY__ENABLED", "false"),
];

/// What one part of the measurement took.
struct Took {
    calls: f64,
    seconds: f64,
}

pub(super) async fn measure(
    stores: &Stores,
    engine: Engine,
    args: PaymentsArgs,
) -> Result<Vec<Line>, CliError> {
    let (crm, url) = (start_crm().await?, stores.fresh(engine).await?);
    let serve = Serve::start_with(&url, &crm, stores.folder(), &SETTINGS).await?;
    let mut program = Plain::open(&url).await?;
    let ids = customers::insert(&mut program, args.customers).await?;
    insert_policies(&mut program, engine, &ids).await?;
    customers::wait_until_in_step(&mut program).await?;
    let idle = serve.memory();
    let mut week = Payments {
        crm,
        serve,
        program,
        engine,
        ids,
        week: Week::of(Timestamp::now().to_zoned(TimeZone::UTC).date()).previous(),
        written: 0,
    };
    let one_by_one = week.one_by_one(args.rounds()).await?;
    let bare = bare_calls(&week.crm, args.customers).await?;
    let at_once = week.at_once(args.rounds()).await?;
    let first = week.sum_up(false).await?;
    let again = week.sum_up(true).await?;
    let peak = week.serve.peak_memory();
    week.expect_all(2 * args.written(), args).await?;
    week.serve.stop().await?;
    week.crm.shutdown().await;

    let (payments, people) = (f64::from(args.written()), f64::from(args.customers));
    let calls = |what: &str, took: &Took, peer: f64, against: &str| {
        Line::new(
            format!("CRM calls, {what}"),
            engine,
            "calls",
            took.calls,
            peer,
            against,
        )
    };
    let time = |what: &str, took: &Took| {
        let calls = took.calls.max(1.0);
        Line::new(
            format!("time, {what}"),
            engine,
            "s",
            took.seconds,
            bare * calls,
            "the same calls with nothing before them",
        )
    };
    let single = format!("{} payments one by one", args.written());
    let import = format!("{} payments at once", args.written());
    let summary = format!("summary of {} customers", args.customers);
    let mut lines = vec![
        calls(&single, &one_by_one, payments, "one call per payment"),
        time(&single, &one_by_one),
        calls(&import, &at_once, payments, "one call per payment"),
        calls(&import, &at_once, people, "one call per contact"),
        Line::alone(
            format!("time, {import}"),
            engine,
            "s",
            at_once.seconds,
            format!("{:.0} payments a second", payments / at_once.seconds),
        ),
        calls(
            &summary,
            &first,
            people,
            "one call per contact: its fields and its note",
        ),
        time(&summary, &first),
        calls(
            &format!("{summary}, again"),
            &again,
            people,
            "one call per contact",
        ),
        Line::alone(
            format!("time, {summary}, again"),
            engine,
            "s",
            again.seconds,
            "nothing had changed",
        ),
    ];
    if let (Some(peak), Some(idle)) = (peak, idle) {
        lines.push(Line::new(
            "serve, peak memory in all of this",
            engine,
            "MiB",
            peak,
            idle,
            "after the customers were made",
        ));
    }
    Ok(lines)
}

/// An insurer's vTiger whose contacts show payments.
async fn start_crm() -> Result<VtigerSandbox, CliError> {
    let amount = CustomFieldKind::Decimal {
        digits: 12,
        scale: 2,
    };
    let fields = [
        ("Payment Count", CustomFieldKind::Integer),
        ("Payment Total", amount.clone()),
        ("Last Payment Date", CustomFieldKind::Date),
        ("Weekly Payment Total", amount.clone()),
        ("Weekly Payment Count", CustomFieldKind::Integer),
        ("Weekly Payment Average", amount),
        ("Weekly Payment First", CustomFieldKind::Date),
        ("Weekly Payment Last", CustomFieldKind::Date),
        ("Weekly Payment Week", CustomFieldKind::Date),
    ];
    let crm = fields
        .into_iter()
        .fold(insurers_crm(), |crm, (label, kind)| {
            crm.custom_field(CustomField::new("Contacts", label, kind))
        });
    start(crm).await
}

/// A world in which payments are made.
struct Payments {
    crm: VtigerSandbox,
    serve: Serve,
    program: Plain,
    engine: Engine,
    ids: Vec<String>,
    week: Week,
    written: u32,
}

impl Payments {
    /// Everybody pays, and again when that is delivered: as when each payment comes alone.
    async fn one_by_one(&mut self, rounds: u32) -> Result<Took, CliError> {
        let before = record_calls(&self.crm);
        let begun = Instant::now();
        for round in 0..rounds {
            self.pay_all(round).await?;
            customers::wait_until_in_step(&mut self.program).await?;
        }
        Ok(self.took(before, begun))
    }

    /// Everybody pays many times without a pause: as when a statement is imported.
    async fn at_once(&mut self, rounds: u32) -> Result<Took, CliError> {
        let before = record_calls(&self.crm);
        let begun = Instant::now();
        for round in 0..rounds {
            self.pay_all(round).await?;
        }
        customers::wait_until_in_step(&mut self.program).await?;
        Ok(self.took(before, begun))
    }

    async fn sum_up(&mut self, again: bool) -> Result<Took, CliError> {
        let before = record_calls(&self.crm);
        let begun = Instant::now();
        let body = json!({ "week": self.week.to_string(), "again": again });
        let mut run = self.serve.ask(Method::POST, SUMMARIES, Some(&body)).await?;
        let path = format!("{SUMMARIES}/{}", run["data"]["id"]);
        // A request plans only for as long as a caller may be kept waiting.
        while run["data"]["allPlanned"] != true {
            tokio::time::sleep(LOOK).await;
            run = self.serve.ask(Method::GET, &path, None).await?;
        }
        customers::wait_until_in_step(&mut self.program).await?;
        let planned = run["data"]["planned"].as_u64().unwrap_or_default();
        if planned != self.ids.len() as u64 {
            return Err(CliError::Other(format!("{planned} summaries were planned")));
        }
        Ok(self.took(before, begun))
    }

    fn took(&self, calls_before: u64, begun: Instant) -> Took {
        Took {
            calls: (record_calls(&self.crm) - calls_before) as f64,
            seconds: begun.elapsed().as_secs_f64(),
        }
    }

    /// One payment of 50 shillings and 25 cents of each customer, on one of the days of the week.
    async fn pay_all(&mut self, round: u32) -> Result<(), CliError> {
        let day = self
            .week
            .monday()
            .saturating_add((i64::from(round) % 7).days());
        let at = time(self.engine, day);
        for chunk in self.ids.chunks(PER_TRANSACTION) {
            self.program.begin().await?;
            for id in chunk {
                self.written += 1;
                let reference = self.written;
                self.program
                    .sql(format!(
                        "INSERT INTO policy_payments (\"policyId\", \"paymentType\", \"transactionReference\", \"amount\", \
                         \"expectedPaymentDate\", \"actualPaymentDate\", \"paymentStatus\", \"createdAt\", \"updatedAt\") \
                         VALUES ('{id}', 'MPESA', 'R{reference}', 50.25, {at}, {at}, 'COMPLETED', {at}, {at})"
                    ))
                    .await?;
            }
            self.program.commit().await?;
        }
        Ok(())
    }

    /// A number says something only if every payment arrived.
    async fn expect_all(&self, payments: u32, args: PaymentsArgs) -> Result<(), CliError> {
        let cents = i64::from(payments / args.customers) * 5_025;
        let expected = format!("Total: {}", money(cents));
        let notes = self.crm.records("ModComments");
        let right = notes
            .iter()
            .filter(|note| note.value("commentcontent").contains(&expected))
            .count();
        if right == self.ids.len() && notes.len() == right {
            return Ok(());
        }
        Err(CliError::Other(format!(
            "{right} of {} notes tell {expected}",
            notes.len()
        )))
    }
}

/// A policy of each customer, with the customer's id.
async fn insert_policies(
    program: &mut Plain,
    engine: Engine,
    ids: &[String],
) -> Result<(), CliError> {
    let now = time(engine, Timestamp::now().to_zoned(TimeZone::UTC).date());
    for chunk in ids.chunks(PER_TRANSACTION) {
        program.begin().await?;
        for id in chunk {
            program
                .sql(format!(
                    "INSERT INTO policies (\"id\", \"productName\", \"premium\", \"frequency\", \"paymentCadence\", \
                     \"customerId\", \"packageId\", \"createdAt\", \"updatedAt\") \
                     VALUES ('{id}', 'Afya', 50, 'DAILY', 1, '{id}', 1, {now}, {now})"
                ))
                .await?;
        }
        program.commit().await?;
    }
    Ok(())
}

/// Eight o'clock on a day, as a literal of this database.
fn time(engine: Engine, day: Date) -> String {
    let at = day.at(8, 0, 0, 0);
    match engine {
        Engine::Postgres => format!("TIMESTAMP '{at}'"),
        Engine::Sqlite => at
            .to_zoned(TimeZone::UTC)
            .map_or(0, |at| at.timestamp().as_microsecond())
            .to_string(),
    }
}

/// Seconds that a revise of a contact takes when as many sessions as `serve` has do nothing else, per call.
async fn bare_calls(crm: &VtigerSandbox, contacts: u32) -> Result<f64, CliError> {
    let failed = |error: String| CliError::Other(format!("the bare calls: {error}"));
    let mut config = ClientConfig::open_source(
        &crm.url(),
        crm.username(),
        secrecy::SecretString::from(crm.access_key()),
    )
    .map_err(|error| failed(error.to_string()))?;
    config.sessions = SESSIONS;
    let client = Client::new(config).map_err(|error| failed(error.to_string()))?;
    let ids: Vec<RecordId> = crm
        .records("Contacts")
        .iter()
        .take(contacts as usize)
        .filter_map(|contact| contact.id.parse().ok())
        .collect();
    let begun = Instant::now();
    let workers = ids
        .chunks(ids.len().div_ceil(SESSIONS).max(1))
        .map(|chunk| {
            let client = client.clone();
            async move {
                for id in chunk {
                    let element = Element::new().with("department", "Measured");
                    client
                        .revise(id, &element)
                        .await
                        .map_err(|error| error.to_string())?;
                }
                Ok::<_, String>(())
            }
        });
    futures::future::try_join_all(workers)
        .await
        .map_err(failed)?;
    Ok(begun.elapsed().as_secs_f64() / ids.len().max(1) as f64)
}
