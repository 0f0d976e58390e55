//! `pugmark alert`: whether people are told of alerts.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::CliError;
use crate::config::Settings;
use crate::telemetry::alerts::channel;

/// See whether people are told of alerts.
#[derive(Debug, Args)]
pub(super) struct AlertArgs {
    #[command(subcommand)]
    command: AlertCommand,
}

#[derive(Debug, Subcommand)]
enum AlertCommand {
    /// Send a test by every way that is configured here, at once, and say what came of it. Needs no running Pugmark.
    Test,
}

/// Runs the command; 1 when a way does not work.
///
/// # Errors
/// Settings that cannot be used.
pub(super) async fn run(
    args: AlertArgs,
    settings: impl FnOnce() -> Result<Settings, CliError>,
) -> Result<ExitCode, CliError> {
    let AlertCommand::Test = args.command;
    let settings = settings()?;
    let results = channel::try_all(&settings.alerts, "Whoever ran `pugmark alert test`").await;
    let mut failed = false;
    for (name, place, came) in &results {
        match came {
            Ok(()) => println!("{name}: sent to {place}"),
            Err(why) => {
                failed = true;
                println!("{name}: NOT sent to {place}: {why}");
            }
        }
    }
    if results.len() == 1 {
        println!(
            "Neither a webhook (ALERT_WEBHOOK_URL) nor e-mail (ALERT_EMAIL_TO, ALERT_EMAIL_FROM, SMTP_HOST) is configured."
        );
    }
    Ok(match failed {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}
