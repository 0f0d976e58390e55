//! `pugmark sandbox`.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use pugmark_sandbox::{FaultPlan, Latency, UserSpec};
use secrecy::{ExposeSecret, SecretString};

use super::{CliError, demo, stop_signal};

/// Share of calls that go wrong with `--faults`.
const FAULT_RATE: f64 = 0.12;

/// Serves a look-alike of an open-source vTiger on this machine's loopback, to try Pugmark on; Ctrl-C ends it.
///
/// It has the custom fields that docs/setup.md names. All it holds is in memory and gone with it. Nobody reaches it from other
/// machines: a container that is to use it shares its network (compose.yaml does).
#[derive(Debug, Args)]
pub(super) struct SandboxArgs {
    /// Port on 127.0.0.1; 0 lets the system choose one.
    #[arg(long, default_value_t = 8801)]
    port: u16,
    /// The user that Pugmark is to work as, an administrator.
    #[arg(long, env = "VTIGER_USERNAME", default_value = "pugmark")]
    username: String,
    /// That user's access key; without one a key is made and printed.
    #[arg(long, env = "VTIGER_ACCESS_KEY", hide_env_values = true)]
    access_key: Option<SecretString>,
    /// Milliseconds that each call takes.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(0..=60_000))]
    latency: u64,
    /// Misbehave: 5xx before and after the write, answers that never come, broken bodies, lost sessions, 429.
    #[arg(long)]
    faults: bool,
    /// Seed of everything left to chance.
    #[arg(long, default_value_t = 7)]
    seed: u64,
}

/// Serves until told to stop.
///
/// # Errors
/// What kept it from starting: the port is taken.
pub(super) async fn run(args: SandboxArgs) -> Result<ExitCode, CliError> {
    let stop = stop_signal();
    let given = args
        .access_key
        .filter(|key| !key.expose_secret().is_empty());
    let key = given.clone().unwrap_or_else(|| demo::random_key().into());
    let crm = demo::insurers_vtiger()
        .seed(args.seed)
        .port(Some(args.port))
        .user(UserSpec::admin(&args.username, key.expose_secret()))
        .latency(Latency::Fixed(Duration::from_millis(args.latency)))
        .start()
        .await
        .map_err(|error| {
            CliError::Other(format!(
                "the look-alike of vTiger cannot start on port {}: {error}. Choose another with --port",
                args.port
            ))
        })?;
    if args.faults {
        crm.faults().set(FaultPlan::typical(args.seed, FAULT_RATE));
    }
    println!("VTIGER_URL={}", crm.url());
    println!("VTIGER_USERNAME={}", crm.username());
    if given.is_none() {
        println!("VTIGER_ACCESS_KEY={}", crm.access_key());
    }
    println!("A look-alike of vTiger. What it holds is gone when it ends; Ctrl-C ends it.");
    stop.await;
    println!(
        "It held {} contact(s) after {} call(s).",
        crm.records("Contacts").len(),
        crm.journal().count_calls(None)
    );
    crm.shutdown().await;
    Ok(ExitCode::SUCCESS)
}
