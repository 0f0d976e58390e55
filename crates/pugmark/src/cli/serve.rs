//! `pugmark serve`.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use pugmark_queue::db::Db;

use super::{CliError, stop_signal};
use crate::app::{self, Roles};
use crate::config::Settings;
use crate::http::console::first::{LINK, founding_link};
use crate::http::console::when;

/// Runs until SIGTERM or Ctrl-C; then what is being delivered is finished within server.shutdown_grace and the rest handed
/// back to the queue.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Parts to run in this process: api, worker, scheduler (separated by commas), or all.
    ///
    /// api: the REST API, webhooks and the console. worker: plans captured changes and carries operations out. scheduler: what is done by
    /// the clock. Any number of processes may have each role when the store is PostgreSQL; of those with the role scheduler one leads, and
    /// another one takes over when it ends or falls silent (scheduler.lease).
    #[arg(long, default_value = "all", env = "PUGMARK_ROLES")]
    roles: Roles,
}

/// Serves until told to stop.
///
/// # Errors
/// What kept it from starting.
pub(super) async fn run(args: ServeArgs, settings: Settings) -> Result<ExitCode, CliError> {
    let (public_url, lasts) = (settings.server.public_url.clone(), settings.console.link);
    let mut stop = std::pin::pin!(stop_signal());
    let mut running = tokio::select! {
        started = app::start(settings, args.roles) => started?,
        // Nothing is being delivered yet.
        () = &mut stop => return Ok(ExitCode::SUCCESS),
    };
    if let Some(address) = running.address {
        let base = public_url.unwrap_or_else(|| format!("http://{address}"));
        first_link(&running.db, &base, lasts).await;
    }
    let code = tokio::select! {
        () = &mut stop => {
            tracing::info!("stopping: finishing what is being delivered");
            ExitCode::SUCCESS
        }
        () = running.failed() => ExitCode::FAILURE,
    };
    running.shutdown().await;
    tracing::info!("stopped");
    Ok(code)
}

/// As long as nobody has an account, a link is printed by which the first administrator is made. Printed, not logged: the log is kept in
/// the store.
async fn first_link(db: &Db, base: &str, lasts: Duration) {
    match founding_link(db, lasts).await {
        Ok(Some(token)) => eprintln!(
            "\nNobody can sign in to the console yet. This link makes the first administrator; it works once, for {}:\n{base}{LINK}/{}\n",
            when::span(lasts),
            token.reveal()
        ),
        Ok(None) => {}
        Err(error) => tracing::error!(%error, "no link for the first administrator could be made"),
    }
}
