//! `pugmark bench`: what Pugmark costs, as ratios against a peer measured in the same run on the same machine.

mod backfill;
mod calls;
mod capture;
mod claim;
mod console;
mod customers;
mod enqueue;
mod line;
mod overhead;
mod payments;
mod plain;
mod process;
mod rounds;
mod sender;
mod serve;
mod stores;
mod webhook;
mod world;

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use pugmark_queue::db::Engine;
use serde_json::json;

use super::{CliError, stop_signal};
use line::{Line, Report};
use stores::Stores;

/// Measures what Pugmark costs, each time against a peer in the same run.
///
/// Nothing is needed: SQLite is measured in a temporary folder, and the CRM is a look-alike on loopback inside this program.
/// PostgreSQL is measured where a server is named, in databases that are made for it and dropped again. Build with
/// --release before believing a number.
#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    /// A PostgreSQL server whose user may create databases; left out without one.
    #[arg(
        long,
        value_name = "URL",
        env = "PUGMARK_TEST_POSTGRES_URL",
        hide_env_values = true,
        global = true
    )]
    postgres: Option<String>,
    /// Operations per side of a throughput line. A tenth of it is the number of customers; a hundredth, at least 5, the
    /// number of edits whose delay is measured.
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(10..=10_000_000))]
    operations: u32,
    /// End with everything as one line of JSON on standard output.
    #[arg(long, global = true)]
    json: bool,
    /// Only this measurement; may be given several times.
    #[arg(long, value_name = "NAME", value_enum)]
    only: Vec<Measurement>,
    #[command(subcommand)]
    apart: Option<Apart>,
}

/// What takes long and is measured only when it is asked for.
#[derive(Debug, Subcommand)]
enum Apart {
    /// A week of payments, and its summary, through a `serve` of its own.
    Payments(payments::PaymentsArgs),
    /// The first sync of a base at the speed of a real vTiger, without and with the extension.
    Backfill(backfill::BackfillArgs),
    /// The pages of the console over a million operations.
    Console(console::ConsoleArgs),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measurement {
    /// Storing operations, against plain INSERTs.
    Enqueue,
    /// Claiming and completing them, against plain UPDATEs.
    Claim,
    /// What capture costs the program that writes, against the same writes without triggers.
    Capture,
    /// CRM calls per changed customer.
    Calls,
    /// From a commit to the CRM's receiving the request.
    Overhead,
    /// Start-up time and memory of `serve`.
    Serve,
    /// Receiving leads, against plain INSERTs of their jobs.
    Webhook,
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Size {
    operations: u32,
    customers: u32,
    edits: u32,
}

impl Size {
    fn of(operations: u32) -> Self {
        Size {
            operations,
            customers: operations / 10,
            edits: (operations / 100).max(5),
        }
    }
}

/// Runs the measurements. What was made on the PostgreSQL server is dropped again, also after a failure or Ctrl-C.
///
/// # Errors
/// [`CliError`] when something could not be measured. A slow machine is no error.
pub(super) async fn run(args: BenchArgs) -> Result<ExitCode, CliError> {
    let mut report = Report::new(args.json);
    let stores = Stores::new(args.postgres.clone())?;
    if cfg!(debug_assertions) {
        eprintln!(
            "note: this is a debug build; its numbers say little. Use cargo run --release -- bench"
        );
    }
    if args.postgres.is_none() {
        eprintln!(
            "PostgreSQL is left out: name a server with --postgres or PUGMARK_TEST_POSTGRES_URL"
        );
    }
    let measured = tokio::select! {
        measured = measure(&args, &stores, &mut report) => measured,
        () = stop_signal() => Err(CliError::Other("interrupted".to_owned())),
    };
    let removed = stores.remove().await;
    measured?;
    removed?;
    report.end(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "debugBuild": cfg!(debug_assertions),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "system": format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        "operations": args.operations,
        "postgres": args.postgres.is_some(),
    }));
    Ok(ExitCode::SUCCESS)
}

async fn measure(args: &BenchArgs, stores: &Stores, report: &mut Report) -> Result<(), CliError> {
    if let Some(apart) = &args.apart {
        for engine in stores.engines() {
            let lines = match apart {
                Apart::Payments(payments) => payments::measure(stores, engine, *payments).await?,
                Apart::Backfill(backfill) => backfill::measure(stores, engine, *backfill).await?,
                Apart::Console(console) => console::measure(stores, engine, *console).await?,
            };
            lines.into_iter().for_each(|line: Line| report.add(line));
        }
        return Ok(());
    }
    let size = Size::of(args.operations);
    for measurement in Measurement::value_variants() {
        if !args.only.is_empty() && !args.only.contains(measurement) {
            continue;
        }
        for engine in stores.engines() {
            let lines = match measurement {
                Measurement::Enqueue => enqueue::measure(stores, engine, size).await?,
                Measurement::Claim => claim::measure(stores, engine, size).await?,
                Measurement::Capture => capture::measure(stores, engine, size).await?,
                Measurement::Calls => calls::measure(stores, engine, size).await?,
                Measurement::Overhead => overhead::measure(stores, engine, size).await?,
                Measurement::Serve => serve::measure(stores, engine, size).await?,
                Measurement::Webhook => webhook::measure(stores, engine, size).await?,
            };
            lines.into_iter().for_each(|line: Line| report.add(line));
        }
    }
    Ok(())
}

/// The database's name for people.
fn name_of(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => "SQLite",
        Engine::Postgres => "PostgreSQL",
    }
}
