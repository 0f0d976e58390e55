//! `pugmark serve`.

use std::process::ExitCode;

use clap::Args;

use super::{CliError, stop_signal};
use crate::app::{self, Roles};
use crate::config::Settings;

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
    let mut stop = std::pin::pin!(stop_signal());
    let mut running = tokio::select! {
        started = app::start(settings, args.roles) => started?,
        // Nothing is being delivered yet.
        () = &mut stop => return Ok(ExitCode::SUCCESS),
    };
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
