//! A process of a contestant: it says "ready", waits for a line, and then says JSON until its input closes.

use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::failure::Failure;

/// Nobody is waited for longer than this.
const PATIENCE: Duration = Duration::from_secs(300);

/// What a contestant says.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(crate) struct Said {
    /// A producer, at its end: how long it took.
    pub(crate) ms: Option<f64>,
    /// A worker: how many jobs it has finished so far.
    pub(crate) finished: Option<u64>,
}

/// It runs, and is killed when dropped.
pub(crate) struct Process {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts it and waits until it is ready.
    pub(crate) async fn ready(name: &str, mut command: Command) -> Result<Self, Failure> {
        let mut child = command
            .spawn()
            .map_err(|error| Failure::new(format!("{name} cannot be started: {error}")))?;
        let output = child
            .stdout
            .take()
            .ok_or_else(|| Failure::new("no output"))?;
        let mut process = Process {
            name: name.to_owned(),
            input: child.stdin.take(),
            output: BufReader::new(output).lines(),
            child,
        };
        let line = process.line().await?;
        match line.as_str() {
            "ready" => Ok(process),
            other => Err(Failure::new(format!(
                "{name} said `{other}` instead of being ready"
            ))),
        }
    }

    /// Lets it begin.
    pub(crate) async fn go(&mut self) -> Result<(), Failure> {
        if let Some(input) = &mut self.input {
            input.write_all(b"go\n").await?;
        }
        Ok(())
    }

    /// What it says next.
    pub(crate) async fn next(&mut self) -> Result<Said, Failure> {
        let line = self.line().await?;
        serde_json::from_str(&line)
            .map_err(|error| Failure::new(format!("{} said `{line}`: {error}", self.name)))
    }

    async fn line(&mut self) -> Result<String, Failure> {
        match tokio::time::timeout(PATIENCE, self.output.next_line()).await {
            Ok(Ok(Some(line))) => Ok(line),
            Ok(Ok(None)) => Err(Failure::new(format!("{} ended early", self.name))),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(Failure::new(format!(
                "{} said nothing for {PATIENCE:?}",
                self.name
            ))),
        }
    }

    /// Tells it that nobody is interested any more, and waits for its end.
    pub(crate) async fn end(mut self) -> Result<(), Failure> {
        drop(self.input.take());
        match tokio::time::timeout(Duration::from_secs(20), self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(Failure::new(format!("{} ended with {status}", self.name))),
            Ok(Err(error)) => Err(error.into()),
            // Some wait for pauses of their own; what was to be measured is done.
            Err(_) => {
                self.child.kill().await?;
                Ok(())
            }
        }
    }
}

/// Runs a command that is to end by itself.
pub(crate) async fn run(name: &str, mut command: Command) -> Result<(), Failure> {
    let status = command
        .status()
        .await
        .map_err(|error| Failure::new(format!("{name} cannot be started: {error}")))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new(format!("{name} ended with {status}")))
    }
}

/// How long since.
pub(crate) fn seconds_since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64()
}
