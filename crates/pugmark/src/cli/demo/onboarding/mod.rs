//! `pugmark demo onboarding`: the road from a lead that is ready to a customer with a subscription, judged by the journals of Maxio
//! and vTiger.

mod leads;
mod made;
mod office;
mod show;
mod site;
mod verdict;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use secrecy::ExposeSecret;

use super::{Folder, random_key};
use crate::app::{self, Roles, Running};
use crate::cli::{CliError, stop_signal};
use office::Office;
use show::Show;
use site::Site;

/// What `pugmark demo onboarding` is told.
#[derive(Debug, Args)]
pub(super) struct OnboardingArgs {
    /// How many leads become ready. Every kind of trouble is among the first nine.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(9..=10_000))]
    leads: u32,
    /// Seed of everything left to chance; the same seed writes the same leads.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Make vTiger and Maxio misbehave: 5xx before and after the write, cut and hanging answers after it, 429.
    #[arg(long)]
    faults: bool,
    /// Keep the store in this folder instead of a temporary one.
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Port of the API and the webhooks; 0 lets the system choose.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Leave the server up at the end and print its address. Ctrl-C stops it.
    #[arg(long)]
    keep_running: bool,
    /// End with the table as one line of JSON on standard output.
    #[arg(long)]
    json: bool,
    /// Give up after this many seconds without any progress.
    #[arg(long, default_value_t = 90, value_name = "SECONDS")]
    patience: u64,
}

/// Runs the demonstration.
///
/// # Errors
/// [`CliError`] when it could not run; a lost or doubled subscription is an exit code, not an error.
pub(super) async fn run(args: OnboardingArgs) -> Result<ExitCode, CliError> {
    let folder = Folder::choose(args.data.clone())?;
    let secret = random_key();
    let site = Site::start(&args).await?;
    let settings = site.settings(&args, &folder, &secret);
    let token = settings
        .server
        .token
        .as_ref()
        .map(|token| token.expose_secret().to_owned())
        .unwrap_or_default();
    let running = app::start(settings, Roles::ALL).await?;
    let address = running
        .address
        .ok_or_else(|| CliError::Other("the API does not listen".to_owned()))?;
    site.add_workflow(address, &secret)?;
    site.misbehave(&args);
    let show = Show::start(&args, &site);

    let started = Instant::now();
    let patience = Duration::from_secs(args.patience);
    let leads = leads::draw(args.seed, args.leads);
    let mut office = Office::open(&site, &running, &token, leads, patience)?;
    office.work(&show).await?;
    let settled = office.wait_until_settled(&show).await?;
    let verdict = verdict::judge(&office, &site, settled, started.elapsed()).await?;
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
    if args.keep_running {
        keep_running(&running, &site, &token, args.json).await;
    }
    running.shutdown().await;
    site.shutdown().await;
    Ok(code)
}

async fn keep_running(running: &Running, site: &Site, token: &str, json: bool) {
    let say = |line: String| {
        if json {
            eprintln!("{line}")
        } else {
            println!("{line}")
        }
    };
    if let Some(address) = running.address {
        say(format!(
            "\nPugmark still runs at http://{address}/; its jobs: pugmark jobs --server http://{address} --token {token} list"
        ));
        say(super::entrance(&running.db, address).await);
    }
    say(format!(
        "The look-alikes: vTiger {}, Maxio {}",
        site.crm.url(),
        site.maxio.url()
    ));
    say("Press Ctrl-C to stop.".to_owned());
    stop_signal().await;
}
