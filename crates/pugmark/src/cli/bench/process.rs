//! This program as a process of its own.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use pugmark_sandbox::VtigerSandbox;
use reqwest::Method;
use serde_json::Value;
use tokio::process::{Child, Command};

use super::world::throwaway_secret;
use crate::cli::CliError;

const PATIENCE: Duration = Duration::from_secs(60);
const LOG: &str = "serve.log";

/// A `pugmark serve` that answers.
pub(super) struct Serve {
    child: Child,
    /// From spawning it until `/health` answered 200.
    pub(super) took: Duration,
    /// Where it listens.
    address: String,
    token: String,
}

impl Serve {
    /// Starts `serve` on `store`, with nothing of this process's settings, and waits until it is healthy. `folder` becomes its
    /// working folder.
    pub(super) async fn start(
        store: &str,
        crm: &VtigerSandbox,
        folder: &Path,
    ) -> Result<Self, CliError> {
        Self::start_with(store, crm, folder, &[]).await
    }

    /// The same with settings, by the names they have in the environment.
    pub(super) async fn start_with(
        store: &str,
        crm: &VtigerSandbox,
        folder: &Path,
        settings: &[(&str, &str)],
    ) -> Result<Self, CliError> {
        let port = free_port()?;
        let token = throwaway_secret();
        let client = client()?;
        let log = std::fs::File::create(folder.join(LOG)).map_err(cannot_spawn)?;
        let mut command = this_program()?;
        command
            .arg("serve")
            .current_dir(folder)
            .env("HOST", "127.0.0.1")
            .env("PORT", port.to_string())
            .env("DATABASE_URL", store)
            .env("VTIGER_URL", crm.url())
            .env("VTIGER_USERNAME", crm.username())
            .env("VTIGER_ACCESS_KEY", crm.access_key())
            .env("APP_SECRET_TOKEN", &token)
            // Its calls would be counted.
            .env("PUGMARK__RECONCILE__VERIFY", "false")
            .env("PUGMARK__RECONCILE__NIGHTLY", "false")
            .envs(settings.iter().copied())
            .stdout(Stdio::null())
            .stderr(log);
        let started = Instant::now();
        let child = command.spawn().map_err(cannot_spawn)?;
        let mut serve = Serve {
            child,
            took: Duration::ZERO,
            address: format!("http://127.0.0.1:{port}"),
            token,
        };
        let health = format!("{}/health", serve.address);
        loop {
            let answer = client.get(&health).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                serve.took = started.elapsed();
                return Ok(serve);
            }
            if let Some(status) = serve.child.try_wait().map_err(cannot_spawn)? {
                let said = std::fs::read_to_string(folder.join(LOG)).unwrap_or_default();
                return Err(CliError::Other(format!(
                    "serve ended with {status}:\n{said}"
                )));
            }
            if started.elapsed() > PATIENCE {
                return Err(CliError::Other(format!(
                    "serve was not healthy within {PATIENCE:?}"
                )));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Asks its API.
    ///
    /// # Errors
    /// What it said, if it did not agree.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, CliError> {
        let failed = |what: String| CliError::Other(format!("{path}: {what}"));
        let mut request = client()?
            .request(method, format!("{}{path}", self.address))
            .bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let unanswered = |error: reqwest::Error| failed(error.to_string());
        let answer = request.send().await.map_err(unanswered)?;
        let status = answer.status();
        let body: Value = answer.json().await.map_err(unanswered)?;
        match status.is_success() {
            true => Ok(body),
            false => Err(failed(body.to_string())),
        }
    }

    /// Resident memory in MiB; `None` where the system has no `/proc`.
    pub(super) fn memory(&self) -> Option<f64> {
        self.status_line("VmRSS:")
    }

    /// The most resident memory it ever had, in MiB.
    pub(super) fn peak_memory(&self) -> Option<f64> {
        self.status_line("VmHWM:")
    }

    fn status_line(&self, name: &str) -> Option<f64> {
        let id = self.child.id()?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let line = status.lines().find(|line| line.starts_with(name))?;
        let kibibytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kibibytes / 1024.0)
    }

    /// Asks it to stop, as an operator does, and kills it if it does not.
    pub(super) async fn stop(mut self) -> Result<(), CliError> {
        if let Some(id) = self.child.id().filter(|_| cfg!(unix)) {
            let asked = Command::new("kill")
                .args(["-TERM", &id.to_string()])
                .status()
                .await;
            if asked.is_ok_and(|status| status.success()) {
                let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
                if ended.is_ok() {
                    return Ok(());
                }
            }
        }
        self.child.kill().await.map_err(cannot_spawn)
    }
}

/// How long this program takes to start and say its version: what any process of this file costs.
pub(super) async fn bare_start() -> Result<Duration, CliError> {
    let mut command = this_program()?;
    command.arg("--version").stdout(Stdio::null());
    let started = Instant::now();
    let status = command.status().await.map_err(cannot_spawn)?;
    if status.success() {
        return Ok(started.elapsed());
    }
    Err(CliError::Other(format!("--version ended with {status}")))
}

/// Without this process's environment: its settings, an installation's perhaps, must not reach the measured one.
fn this_program() -> Result<Command, CliError> {
    // On Linux the running program itself, even if its file was replaced meanwhile, as a build does.
    let running = Path::new("/proc/self/exe");
    let mut command = if running.exists() {
        Command::new(running)
    } else {
        Command::new(std::env::current_exe().map_err(cannot_spawn)?)
    };
    command.env_clear().stdin(Stdio::null()).kill_on_drop(true);
    // Windows finds no network without it.
    if let Some(root) = std::env::var_os("SystemRoot") {
        command.env("SystemRoot", root);
    }
    Ok(command)
}

fn client() -> Result<reqwest::Client, CliError> {
    reqwest::Client::builder()
        .no_proxy()
        .build()
        .map_err(|error| CliError::Other(error.to_string()))
}

fn free_port() -> Result<u16, CliError> {
    std::net::TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| CliError::Other(format!("no free port on loopback: {error}")))
}

fn cannot_spawn(error: std::io::Error) -> CliError {
    CliError::Other(format!("this program cannot be run a second time: {error}"))
}
