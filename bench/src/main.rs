//! Pugmark's queue and four others under the same load, in one run: see docs/benchmarks.md.
//!
//! `bench/run` builds this, fetches the peers that run on Node.js, and starts it. It starts a PostgreSQL and a Redis of its own.

mod apalis;
mod chart;
mod contestant;
mod failure;
mod figures;
mod history;
mod machine;
mod measure;
mod plan;
mod process;
mod pugmark;
mod report;
mod services;
mod task;
mod wire;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::contestant::Contestant;
use crate::failure::Failure;
use crate::figures::Figures;
use crate::measure::Field;
use crate::plan::Plan;
use crate::services::Services;

/// Measures Pugmark's queue against BullMQ, pg-boss, graphile-worker and apalis.
///
/// Every contestant hands in the same jobs and works them off on this machine, with every commit on disk before it is
/// answered: PostgreSQL with synchronous_commit=on, Redis with appendfsync=always. The full run takes about twenty minutes on
/// two cores and should have the machine for itself.
#[derive(Debug, Parser)]
#[command(name = "bench/run", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    inside: Option<Inside>,
    /// A minute or two, to see whether everything works; its numbers mean little.
    #[arg(long)]
    quick: bool,
    /// Only these; Pugmark is always among them.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAMES")]
    only: Vec<Contestant>,
    /// Jobs of each cycle of handing in and working off.
    #[arg(long, value_parser = clap::value_parser!(u64).range(100..=1_000_000))]
    jobs: Option<u64>,
    /// How often each cycle is gone through.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: Option<u32>,
    /// Finished jobs that are in store, from few to many: 1000,1000000.
    #[arg(long, value_delimiter = ',', value_name = "ROWS")]
    histories: Option<Vec<u64>>,
    /// Where the servers keep their files; the disk below it is what is measured.
    #[arg(long, value_name = "FOLDER", default_value_os_t = std::env::temp_dir())]
    folder: PathBuf,
    /// Put the result into docs/benchmarks.md, docs/peers.svg and docs/peers-history.svg instead of only printing it.
    #[arg(long)]
    write: bool,
}

#[derive(Debug, Subcommand)]
enum Inside {
    /// One process of a contestant; the run starts these itself.
    #[command(hide = true)]
    Contestant {
        name: Contestant,
        mode: String,
        task: String,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<(), Failure> {
    if let Some(Inside::Contestant { name, mode, task }) = cli.inside {
        return contestant(name, &mode, &task).await;
    }
    let contestants: Vec<Contestant> = Contestant::value_variants()
        .iter()
        .copied()
        .filter(|one| cli.only.is_empty() || *one == Contestant::Pugmark || cli.only.contains(one))
        .collect();
    let mut plan = if cli.quick {
        Plan::quick()
    } else {
        Plan::full()
    };
    plan.jobs = cli.jobs.unwrap_or(plan.jobs);
    plan.rounds = cli.rounds.unwrap_or(plan.rounds);
    plan.histories = cli.histories.unwrap_or(plan.histories);
    if plan.histories.is_empty()
        || !plan.histories.is_sorted_by(|a, b| a < b)
        || plan.histories[0] == 0
    {
        return Err(Failure::new(
            "--histories goes from few to many, for example 1000,10000",
        ));
    }

    let services = Services::start(&cli.folder).await?;
    let measured = tokio::select! {
        measured = measured(&services, &contestants, &plan) => measured,
        () = told_to_stop() => Err(Failure::new("stopped before it was done")),
    };
    services.stop().await?;
    let (figures, section) = measured?;
    println!("{section}");
    if cli.write {
        write(&figures, &plan, &section)?;
    }
    Ok(())
}

/// Ctrl-C or SIGTERM: the servers must not be left behind.
async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

/// Everything of the benchmark that is no code of the contestants' own.
fn bench() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The figures and the section that tells them.
async fn measured(
    services: &Services,
    contestants: &[Contestant],
    plan: &Plan,
) -> Result<(Figures, String), Failure> {
    let field = Field {
        services,
        node: &bench().join("node"),
        contestants,
    };
    let figures = field.run(plan).await?;
    let machine = machine::here(services, bench()).await?;
    let section = report::section(&figures, plan, &machine);
    Ok((figures, section))
}

fn write(figures: &Figures, plan: &Plan, section: &str) -> Result<(), Failure> {
    let docs = bench().join("../docs");
    let page = docs.join("benchmarks.md");
    let document = std::fs::read_to_string(&page)?;
    std::fs::write(&page, report::replaced(&document, section)?)?;
    let smallest = plan.histories.first().copied().unwrap_or_default();
    std::fs::write(docs.join("peers.svg"), chart::bars(figures, smallest))?;
    std::fs::write(docs.join("peers-history.svg"), chart::lines(figures, plan))?;
    Ok(())
}

async fn contestant(name: Contestant, mode: &str, task: &str) -> Result<(), Failure> {
    let url = std::env::var("PEERS_URL")?;
    match (name, mode) {
        (Contestant::Pugmark, "reset") => pugmark::reset(&url).await,
        (Contestant::Pugmark, "produce") => {
            pugmark::produce(&url, serde_json::from_str(task)?).await
        }
        (Contestant::Pugmark, "work") => pugmark::work(&url, serde_json::from_str(task)?).await,
        (Contestant::Apalis, "reset") => apalis::reset(&url).await,
        (Contestant::Apalis, "produce") => apalis::produce(&url, serde_json::from_str(task)?).await,
        (Contestant::Apalis, "work") => apalis::work(&url, serde_json::from_str(task)?).await,
        (other, mode) => Err(Failure::new(format!("{} has no {mode} here", other.name()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
