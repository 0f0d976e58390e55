//! The command line.

mod alert;
mod attach;
mod backfill;
mod bench;
mod demo;
mod doctor;
mod grant;
mod health;
mod jobs;
mod mapping;
mod migrate;
mod migrate_store;
mod onboarding;
mod queue;
mod reconcile;
mod remote;
mod sandbox;
mod serve;
mod summary;
mod sweep;
mod token;
mod user;
mod vtiger_module;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::app::StartError;
use crate::config::{self, ConfigError, Environment, Settings};
use pugmark_queue::QueueError;
use pugmark_queue::db::DbError;

/// Durable two-way sync between vTiger CRM and the systems that run a business.
///
/// Try `pugmark demo` first: it needs nothing. To serve a real vTiger set VTIGER_URL, VTIGER_USERNAME, VTIGER_ACCESS_KEY and
/// DATABASE_URL, run `pugmark doctor`, then `pugmark serve`.
#[derive(Debug, Parser)]
#[command(name = "pugmark", version, max_term_width = 100)]
struct Cli {
    /// Settings file; `pugmark.toml` of the working folder is read when there is one.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run Pugmark: API, workers, scheduler, or all of them.
    Serve(serve::ServeArgs),
    /// Show the whole road on this machine, with a look-alike of vTiger: nothing is needed.
    Demo(demo::DemoArgs),
    /// Bring the store to this program's version and install capture.
    Migrate,
    /// Move the whole store from SQLite to PostgreSQL.
    MigrateStore(migrate_store::MigrateStoreArgs),
    /// Watch a PostgreSQL database that MicroBima made.
    Attach(attach::AttachArgs),
    /// Remove every trigger and function that `attach` has made.
    Detach(attach::DetachArgs),
    /// Look once for changes that no trigger saw, and queue them.
    Sweep,
    /// Check settings, store and CRM, and say what is missing and what to do.
    Doctor(doctor::DoctorArgs),
    /// Ask the Pugmark on this machine whether it is ready; for supervisors and containers.
    Health(health::HealthArgs),
    /// Look at the queue of a running Pugmark, retry or discard operations.
    Queue(queue::QueueArgs),
    /// Look at leads on their way into Maxio, retry or cancel their jobs.
    Jobs(jobs::JobsArgs),
    /// Sum up a week of payments by hand, or list the weeks that were.
    Summary(summary::SummaryArgs),
    /// First sync of a base that is there on both sides: match, link, create.
    Backfill(backfill::BackfillArgs),
    /// Compare both sides as a whole, say what is out of step, and repair it with --fix.
    Reconcile(reconcile::ReconcileArgs),
    /// See and change which value goes to which field of the CRM.
    Mapping(mapping::MappingArgs),
    /// Give people rights in a running Pugmark, take them away, list them.
    Grant(grant::GrantArgs),
    /// Let people into the console: accounts, roles, one-time links.
    User(user::UserArgs),
    /// Make, list and revoke tokens with which programs call the API of a running Pugmark.
    Token(token::TokenArgs),
    /// See whether people are told of alerts: send a test.
    Alert(alert::AlertArgs),
    /// Make and revoke links to the onboarding form, and see what became of a form.
    Onboarding(onboarding::OnboardingArgs),
    /// Serve a look-alike of vTiger on loopback, to try Pugmark on.
    Sandbox(sandbox::SandboxArgs),
    /// Measure what Pugmark costs, as ratios against plain SQL and the like in the same run.
    Bench(bench::BenchArgs),
    /// The extension for an open-source vTiger: write its archive, set it up, have it send webhooks.
    VtigerModule(vtiger_module::VtigerModuleArgs),
    /// Print the description of the REST API.
    Openapi,
    /// Print every setting with its default and its meaning.
    Config,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// It did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Anything else, in words for the person at the terminal.
    #[error("{0}")]
    Other(String),
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        CliError::Start(error.into())
    }
}

impl From<DbError> for CliError {
    fn from(error: DbError) -> Self {
        CliError::Start(error.into())
    }
}

impl From<QueueError> for CliError {
    fn from(error: QueueError) -> Self {
        CliError::Start(error.into())
    }
}

impl From<sqlx::Error> for CliError {
    fn from(error: sqlx::Error) -> Self {
        CliError::Start(DbError::from(error).into())
    }
}

impl CliError {
    /// 2: the configuration, 3: the store, 1: anything else.
    fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            CliError::Start(
                StartError::Config(_)
                | StartError::Crm(_)
                | StartError::Logins(_)
                | StartError::Listen { .. }
                | StartError::Store(DbError::UnsupportedUrl { .. }),
            ) => 2,
            CliError::Start(_) => 3,
            CliError::Other(_) => 1,
        })
    }
}

/// Runs the program and gives its exit code.
pub fn main() -> ExitCode {
    // One TLS provider for everything; a second call would only mean that it is there already.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let cli = Cli::parse();
    // A demonstration is watched: only what is wrong may break into its progress display, or into a benchmark's table.
    let watched = matches!(cli.command, Command::Demo(_) | Command::Bench(_));
    crate::telemetry::init(if watched { "error" } else { "info" });
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the program's threads cannot be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            error.exit_code()
        }
    }
}

async fn run(cli: Cli) -> Result<ExitCode, CliError> {
    let settings = || -> Result<Settings, CliError> {
        Ok(config::load(
            cli.config.as_deref(),
            &Environment::of_process(),
        )?)
    };
    match cli.command {
        Command::Serve(args) => serve::run(args, settings()?).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Bench(args) => bench::run(args).await,
        Command::Migrate => migrate::run(settings()?).await,
        Command::MigrateStore(args) => migrate_store::run(args, settings).await,
        Command::Attach(args) => attach::attach(args, settings()?).await,
        Command::Detach(args) => attach::detach(args, settings()?).await,
        Command::Sweep => sweep::run(settings()?).await,
        Command::Doctor(args) => {
            doctor::run(
                args,
                config::load(cli.config.as_deref(), &Environment::of_process()),
            )
            .await
        }
        Command::Health(args) => health::run(args, settings).await,
        Command::Sandbox(args) => sandbox::run(args).await,
        Command::Queue(args) => queue::run(args).await,
        Command::Jobs(args) => jobs::run(args).await,
        Command::Summary(args) => summary::run(args).await,
        Command::Backfill(args) => backfill::run(args).await,
        Command::Reconcile(args) => reconcile::run(args).await,
        Command::Mapping(args) => mapping::run(args).await,
        Command::Grant(args) => grant::run(args).await,
        Command::User(args) => user::run(args).await,
        Command::Token(args) => token::run(args).await,
        Command::Alert(args) => alert::run(args, settings).await,
        Command::Onboarding(args) => onboarding::run(args).await,
        Command::VtigerModule(args) => vtiger_module::run(args, settings).await,
        Command::Openapi => {
            let document = crate::http::openapi();
            println!(
                "{}",
                document
                    .to_pretty_json()
                    .map_err(|error| CliError::Other(error.to_string()))?
            );
            Ok(ExitCode::SUCCESS)
        }
        Command::Config => {
            print!("{}", config::DEFAULTS);
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Waits for Ctrl-C or, on Unix, SIGTERM. From the call on, also before the first poll, these no longer end the process.
#[cfg(unix)]
fn stop_signal() -> impl Future<Output = ()> {
    use tokio::signal::unix::{Signal, SignalKind, signal};
    async fn came(signal: Option<Signal>) {
        match signal {
            Some(mut signal) => {
                signal.recv().await;
            }
            None => std::future::pending().await,
        }
    }
    let [terminate, interrupt] =
        [SignalKind::terminate(), SignalKind::interrupt()].map(|kind| signal(kind).ok());
    async move {
        tokio::select! {
            () = came(terminate) => {}
            () = came(interrupt) => {}
        }
    }
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
async fn stop_signal() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
