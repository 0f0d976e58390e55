//! `pugmark demo`: the whole road from a written row to a contact, on this machine alone, judged by the CRM's own journal;
//! `pugmark demo onboarding`: the road from a lead to a subscription.

mod family;
mod onboarding;
mod people;
mod show;
mod verdict;
mod writer;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use pugmark_queue::db::Db;
use pugmark_queue::{Count, Status};
use pugmark_sandbox::{
    CustomField, CustomFieldKind, FaultPlan, Latency, UserSpec, VtigerSandbox, VtigerSandboxBuilder,
};
use secrecy::{ExposeSecret, SecretString};

use super::CliError;
use crate::app::{self, Roles, Running};
use crate::config::{self, CrmEdition, Mode, Settings};
use crate::http::console::first::{LINK, demo_link};
use crate::store::change_log;
use show::Show;
use writer::Writer;

/// Share of calls that go wrong with `--faults`.
const FAULT_RATE: f64 = 0.12;
const CALL_TIMEOUT: Duration = Duration::from_millis(1_500);
const LONGEST_EXECUTION: Duration = Duration::from_millis(1_500);

/// Writes customers like MicroBima does, with Pugmark between them and a look-alike of vTiger, and counts what arrived.
///
/// Nothing is needed: the look-alike runs on loopback inside this program, the store is a SQLite file. The numbers at the
/// end come from the look-alike's journal of effects, not from what Pugmark believes. Exit code 1 when anything was lost
/// or made twice.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct DemoArgs {
    #[command(subcommand)]
    other: Option<OtherDemo>,
    /// How many customers are written, most of them with dependants, payments or something missing.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    customers: u32,
    /// Seed of everything left to chance; the same seed writes the same customers.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Make the CRM misbehave: 5xx before and after the write, answers that never come, broken bodies, lost sessions, 429.
    #[arg(long)]
    faults: bool,
    /// Keep the store in this folder instead of a temporary one.
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Port of the API and the console; 0 lets the system choose.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Leave the server up at the end and print its address. Ctrl-C stops it.
    #[arg(long)]
    keep_running: bool,
    /// End with the table as one line of JSON on standard output.
    #[arg(long)]
    json: bool,
    /// Give up waiting for the queue to drain after this many seconds without any progress.
    #[arg(long, default_value_t = 90, value_name = "SECONDS")]
    patience: u64,
}

/// Demonstrations of other flows.
#[derive(Debug, Subcommand)]
enum OtherDemo {
    /// Set leads to "Ready for Finance Setup" in a look-alike of vTiger Cloud; count what comes of them in one of Maxio.
    ///
    /// Workflows send what the onboarding guide describes, signed. Some webhooks are lost, some come five times at once, some are
    /// forged; some leads lack something and are corrected, or not; one is cancelled. Nothing is needed: both look-alikes run on
    /// loopback inside this program, the store is a SQLite file. Exit code 1 when anything was lost, made twice or told wrongly.
    Onboarding(onboarding::OnboardingArgs),
}

/// Runs the demonstration.
///
/// # Errors
/// [`CliError`] when the demonstration could not run; a lost or doubled customer is an exit code, not an error.
pub(super) async fn run(args: DemoArgs) -> Result<ExitCode, CliError> {
    if let Some(OtherDemo::Onboarding(args)) = args.other {
        return onboarding::run(args).await;
    }
    let folder = Folder::choose(args.data.clone())?;
    let sandbox = start_sandbox(&args).await?;
    let settings = settings(&args, &sandbox, &folder);
    let token = settings.server.token.clone();
    let database = folder.database();
    let running = app::start(settings, Roles::ALL).await?;
    let show = Show::start(&args, &sandbox);

    let started = Instant::now();
    let mut writer = Writer::open(&database, args.seed, args.customers).await?;
    writer.run(&show).await?;
    let drained = wait_until_drained(&running, &show, Duration::from_secs(args.patience)).await?;
    let elapsed = started.elapsed();
    let verdict = verdict::judge(&mut writer, &sandbox, drained, elapsed).await?;
    show.finish();
    if args.json {
        println!("{}", verdict.to_json());
    } else {
        println!("{}", verdict.to_table());
    }
    let code = if verdict.is_fine() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    };
    writer.close().await?;
    if args.keep_running {
        keep_running(&running, &sandbox, token.as_ref(), args.json).await;
    }
    running.shutdown().await;
    sandbox.shutdown().await;
    Ok(code)
}

/// Where the store lives: a folder of the user's, or one that goes when the demonstration ends.
enum Folder {
    Given(PathBuf),
    Temporary(tempfile::TempDir),
}

impl Folder {
    fn choose(given: Option<PathBuf>) -> Result<Self, CliError> {
        match given {
            Some(path) => {
                std::fs::create_dir_all(&path).map_err(|error| {
                    CliError::Other(format!(
                        "the folder {} cannot be made: {error}",
                        path.display()
                    ))
                })?;
                if path.join("pugmark.db").exists() {
                    return Err(CliError::Other(format!(
                        "{} holds a store already; a demonstration wants an empty folder, or every number would be mixed up",
                        path.display()
                    )));
                }
                Ok(Folder::Given(path))
            }
            None => tempfile::Builder::new()
                .prefix("pugmark-demo-")
                .tempdir()
                .map(Folder::Temporary)
                .map_err(|error| {
                    CliError::Other(format!("no temporary folder can be made: {error}"))
                }),
        }
    }

    fn database(&self) -> PathBuf {
        match self {
            Folder::Given(path) => path.join("pugmark.db"),
            Folder::Temporary(folder) => folder.path().join("pugmark.db"),
        }
    }
}

/// A vTiger as an insurer sets it up, with the custom fields of the integration plan.
pub(super) fn insurers_vtiger() -> VtigerSandboxBuilder {
    [
        ("MicroBima Customer ID", CustomFieldKind::Text),
        ("Middle Name", CustomFieldKind::Text),
        ("Gender", CustomFieldKind::Text),
        ("ID Type", CustomFieldKind::Text),
        ("ID Number", CustomFieldKind::Text),
        ("MicroBima Status", CustomFieldKind::Text),
        ("MicroBima Link", CustomFieldKind::Url),
        ("Payment Count", CustomFieldKind::Integer),
        (
            "Payment Total",
            CustomFieldKind::Decimal {
                digits: 10,
                scale: 2,
            },
        ),
        ("Last Payment Date", CustomFieldKind::Date),
    ]
    .into_iter()
    .fold(VtigerSandbox::builder(), |builder, (label, kind)| {
        builder.custom_field(CustomField::new("Contacts", label, kind))
    })
}

async fn start_sandbox(args: &DemoArgs) -> Result<VtigerSandbox, CliError> {
    let builder = insurers_vtiger()
        .seed(args.seed)
        .user(UserSpec::admin("pugmark", &random_key()))
        .hang_limit(CALL_TIMEOUT * 2)
        .latency(Latency::Fixed(Duration::from_millis(4)));
    let sandbox = builder.start().await.map_err(|error| {
        CliError::Other(format!("the look-alike of vTiger cannot start: {error}"))
    })?;
    if args.faults {
        sandbox
            .faults()
            .set(FaultPlan::typical(args.seed, FAULT_RATE));
    }
    Ok(sandbox)
}

fn settings(args: &DemoArgs, sandbox: &VtigerSandbox, folder: &Folder) -> Settings {
    Settings {
        insurance: config::Insurance {
            // The verdict counts calls; comparing both sides would add to them. Who looks on afterwards sees it at work.
            reconcile: config::Reconcile {
                verify: args.keep_running,
                verify_every: Duration::from_secs(2),
                ..config::Reconcile::off()
            },
            ..config::Insurance::default()
        },
        ..base_settings(
            args.port,
            folder,
            crm_settings(sandbox, CrmEdition::OpenSource, sandbox.url()),
        )
    }
}

/// What every demonstration runs with.
fn base_settings(port: u16, folder: &Folder, crm: config::Crm) -> Settings {
    Settings {
        mode: Mode::Live,
        server: config::Server {
            address: ([127, 0, 0, 1], port).into(),
            customer_url: None,
            public_url: None,
            health: None,
            max_body: 1 << 20,
            shutdown_grace: Duration::from_secs(5),
            token: Some(SecretString::from(random_key())),
        },
        console: config::Console::default(),
        database: config::Database::new(format!("sqlite:{}", folder.database().display())),
        crm: Some(crm),
        capture: config::Capture {
            settle: Duration::from_secs(2),
            poll: Duration::from_millis(50),
            batch: 500,
        },
        queue: config::Queue {
            lease: Duration::from_secs(20),
            max_retries: 5,
            backoff: Duration::from_millis(200),
            backoff_max: Duration::from_secs(3),
            give_up_after: Duration::from_secs(3600),
            keep: Duration::from_secs(90 * 24 * 3600),
        },
        rabbitmq: None,
        redis: None,
        scheduler: config::Scheduler::default(),
        insurance: config::Insurance {
            reconcile: config::Reconcile::off(),
            ..config::Insurance::default()
        },
        maxio: None,
        onboarding: config::Onboarding::default(),
        supabase: None,
        seal_key: None,
        in_force: Vec::new(),
        logs: config::Logs::default(),
        alerts: config::Alerts::default(),
        webhooks: config::Webhooks::default(),
    }
}

fn crm_settings(sandbox: &VtigerSandbox, edition: CrmEdition, url: String) -> config::Crm {
    config::Crm {
        edition,
        url,
        username: sandbox.username().to_owned(),
        access_key: SecretString::from(sandbox.access_key().to_owned()),
        enabled: true,
        call_timeout: CALL_TIMEOUT,
        longest_execution: LONGEST_EXECUTION,
        sessions: 8,
        describe_for: Duration::from_secs(600),
        look_first: false,
        default_owner: None,
        time_zone: jiff::tz::TimeZone::UTC,
        contact_defaults: Default::default(),
        poll: config::Poll {
            enabled: false,
            interval: Duration::from_secs(60),
            overlap: Duration::from_secs(60),
            deletions_within: Duration::from_secs(86_400),
        },
    }
}

/// A throwaway secret for this run.
pub(super) fn random_key() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// Waits until every change is planned and every operation finished, for as long as there is progress.
async fn wait_until_drained(
    running: &Running,
    show: &Show,
    patience: Duration,
) -> Result<bool, CliError> {
    let mut last = (u64::MAX, Instant::now());
    loop {
        let mut conn = running.db.read().await?;
        let unplanned = change_log::any_waiting(&mut conn).await?;
        drop(conn);
        let unfinished = unfinished(&running.queue.counts().await?);
        if !unplanned && unfinished == 0 {
            return Ok(true);
        }
        let progress = show.refresh(Some(unfinished));
        if progress != last.0 {
            last = (progress, Instant::now());
        }
        if last.1.elapsed() > patience {
            return Ok(false);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Operations that will still be attempted.
fn unfinished(counts: &[Count]) -> u64 {
    let open = counts
        .iter()
        .filter(|count| count.status != Status::Completed && !count.dead);
    open.map(|count| count.operations.unsigned_abs()).sum()
}

/// How the looker-on gets into the console.
async fn entrance(db: &Db, address: SocketAddr) -> String {
    match demo_link(db, Duration::from_secs(24 * 3600)).await {
        Ok(token) => format!(
            "Console, by a link that works once: http://{address}{LINK}/{}",
            token.reveal()
        ),
        Err(error) => format!("No link into the console could be made: {error}"),
    }
}

async fn keep_running(
    running: &Running,
    sandbox: &VtigerSandbox,
    token: Option<&SecretString>,
    json: bool,
) {
    let say = |line: String| {
        if json {
            eprintln!("{line}")
        } else {
            println!("{line}")
        }
    };
    if let Some(address) = running.address {
        say(format!(
            "\nPugmark still runs at http://{address}/, API description at http://{address}/openapi.json"
        ));
        say(entrance(&running.db, address).await);
        if let Some(token) = token {
            say(format!("API token of this run: {}", token.expose_secret()));
        }
    }
    say(format!(
        "The look-alike of vTiger: {}  user {}",
        sandbox.url(),
        sandbox.username()
    ));
    say("Press Ctrl-C to stop.".to_owned());
    super::stop_signal().await;
}
