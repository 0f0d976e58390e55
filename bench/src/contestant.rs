//! Who takes part, and what each of them needs.

use std::path::Path;
use std::process::Stdio;

use clap::ValueEnum;
use tokio::process::Command;

use crate::services::Services;

/// A queue under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Contestant {
    /// Pugmark's queue on PostgreSQL.
    Pugmark,
    /// apalis with apalis-postgres.
    Apalis,
    /// pg-boss.
    PgBoss,
    /// graphile-worker.
    GraphileWorker,
    /// BullMQ.
    Bullmq,
}

impl Contestant {
    pub(crate) const ALL: [Contestant; 5] = [
        Contestant::Pugmark,
        Contestant::Apalis,
        Contestant::PgBoss,
        Contestant::GraphileWorker,
        Contestant::Bullmq,
    ];

    /// Its name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Contestant::Pugmark => "Pugmark",
            Contestant::Apalis => "apalis",
            Contestant::PgBoss => "pg-boss",
            Contestant::GraphileWorker => "graphile-worker",
            Contestant::Bullmq => "BullMQ",
        }
    }

    /// Its database on PostgreSQL, one for each, so that nobody's rows are in anybody's way.
    pub(crate) fn database(self) -> Option<&'static str> {
        match self {
            Contestant::Pugmark => Some("pugmark"),
            Contestant::Apalis => Some("apalis"),
            Contestant::PgBoss => Some("pgboss"),
            Contestant::GraphileWorker => Some("graphile"),
            Contestant::Bullmq => None,
        }
    }

    /// Whether finished jobs stay where the next ones are looked for.
    pub(crate) fn keeps_history(self) -> bool {
        self != Contestant::GraphileWorker
    }

    /// True while something is left to be done, for those whose workers count a job before its end is committed.
    pub(crate) fn unfinished(self) -> Option<&'static str> {
        match self {
            Contestant::Pugmark => {
                Some("SELECT EXISTS (SELECT 1 FROM pugmark.vtiger_sync_queue WHERE unfinished = 1)")
            }
            // It has no index by status. Ids of the history sort before those that it makes itself, which begin with the time.
            Contestant::Apalis => Some(
                "SELECT EXISTS (SELECT 1 FROM apalis.jobs WHERE id > '01' AND status <> 'Done')",
            ),
            Contestant::GraphileWorker => {
                Some("SELECT EXISTS (SELECT 1 FROM graphile_worker._private_jobs)")
            }
            // Counted when the answer to the completion is there.
            Contestant::PgBoss | Contestant::Bullmq => None,
        }
    }

    /// A process of this contestant: `mode` is reset, produce or work, `task` is JSON.
    pub(crate) fn command(
        self,
        mode: &str,
        task: &serde_json::Value,
        services: &Services,
        node: &Path,
    ) -> std::io::Result<Command> {
        let script = match self {
            Contestant::Pugmark | Contestant::Apalis => None,
            Contestant::PgBoss => Some("pg-boss.mjs"),
            Contestant::GraphileWorker => Some("graphile-worker.mjs"),
            Contestant::Bullmq => Some("bullmq.mjs"),
        };
        let mut command = match script {
            Some(script) => {
                let mut command = Command::new(node.join("node_modules/.bin/node"));
                command.arg(node.join(script));
                command
            }
            None => {
                let mut command = Command::new(std::env::current_exe()?);
                command
                    .arg("contestant")
                    .arg(self.database().unwrap_or_default());
                command
            }
        };
        let url = match self.database() {
            Some(database) => services.postgres(database),
            None => services.redis(),
        };
        command
            .arg(mode)
            .arg(task.to_string())
            .env("PEERS_URL", url)
            .env("NODE_ENV", "production")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        Ok(command)
    }
}
