//! A PostgreSQL cluster and a Redis of our own, both with every commit on disk before it is answered, gone at the end.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::contestant::Contestant;
use crate::failure::Failure;

/// Settings that differ from PostgreSQL's own. Durability is left as it is by default and said once more, so that the log of a
/// run shows it.
const POSTGRES_SETTINGS: [&str; 8] = [
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "shared_buffers=512MB",
    "max_wal_size=4GB",
    "checkpoint_timeout=30min",
    "max_connections=200",
    "autovacuum_naptime=10s",
];

/// Both servers. [`Services::stop`] ends them and removes their files; dropping this kills them.
pub(crate) struct Services {
    postgres_port: u16,
    redis_port: u16,
    servers: Vec<Child>,
    folder: tempfile::TempDir,
}

impl Services {
    /// Starts both, and makes a database for each contestant. Files lie below `folder`, whose disk is the one that is measured.
    pub(crate) async fn start(folder: &Path) -> Result<Self, Failure> {
        let folder = tempfile::Builder::new()
            .prefix("pugmark-peers-")
            .tempdir_in(folder)?;
        let programs = postgres_programs().await?;
        let account = account().await?;
        let data = folder.path().join("postgres");
        std::fs::create_dir(&data)?;
        if let Some((user, group)) = account {
            std::os::unix::fs::chown(folder.path(), Some(user), Some(group))?;
            std::os::unix::fs::chown(&data, Some(user), Some(group))?;
        }
        let as_account = |program: &str| {
            let mut command = Command::new(programs.join(program));
            command.current_dir(folder.path()).kill_on_drop(true);
            if let Some((user, group)) = account {
                command.uid(user).gid(group);
            }
            command
        };
        let made = as_account("initdb")
            .args([
                "--username",
                "bench",
                "--encoding",
                "UTF8",
                "--locale=C",
                "--auth",
                "trust",
                "--pgdata",
            ])
            .arg(&data)
            .output()
            .await?;
        if !made.status.success() {
            let said = String::from_utf8_lossy(&made.stderr).trim().to_owned();
            return Err(Failure::new(format!("initdb failed: {said}")));
        }
        let (postgres_port, redis_port) = (free_port()?, free_port()?);
        let mut postgres = as_account("postgres");
        postgres
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(folder.path())
            .args(["-h", "127.0.0.1", "-p", &postgres_port.to_string()])
            .args(POSTGRES_SETTINGS.iter().flat_map(|setting| ["-c", setting]))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("postgres.log"))?);
        let mut redis = Command::new("redis-server");
        redis
            .args([
                "--bind",
                "127.0.0.1",
                "--port",
                &redis_port.to_string(),
                "--dir",
            ])
            .arg(folder.path())
            .args([
                "--appendonly",
                "yes",
                "--appendfsync",
                "always",
                "--save",
                "",
            ])
            .args(["--maxmemory-policy", "noeviction"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        let started = |name: &'static str| {
            move |error| Failure::new(format!("{name} cannot be started: {error}"))
        };
        let servers = vec![
            postgres.spawn().map_err(started("postgres"))?,
            redis.spawn().map_err(started("redis-server"))?,
        ];
        let services = Services {
            postgres_port,
            redis_port,
            servers,
            folder,
        };
        services.wait_until_ready().await?;
        services.make_databases().await?;
        Ok(services)
    }

    /// The address of a database.
    pub(crate) fn postgres(&self, database: &str) -> String {
        format!(
            "postgres://bench@127.0.0.1:{}/{database}?sslmode=disable",
            self.postgres_port
        )
    }

    /// The address of the Redis.
    pub(crate) fn redis(&self) -> String {
        format!("redis://127.0.0.1:{}", self.redis_port)
    }

    /// A connection to a database.
    pub(crate) async fn connect(&self, database: &str) -> Result<PgConnection, Failure> {
        Ok(PgConnection::connect(&self.postgres(database)).await?)
    }

    /// Ends both and removes their files, once nobody writes to them any more.
    pub(crate) async fn stop(mut self) -> Result<(), Failure> {
        for server in &mut self.servers {
            if let Some(id) = server.id() {
                // To PostgreSQL this is a fast shutdown: connections are cut.
                Command::new("kill")
                    .args(["-INT", &id.to_string()])
                    .status()
                    .await?;
            }
            if tokio::time::timeout(Duration::from_secs(60), server.wait())
                .await
                .is_err()
            {
                server.kill().await?;
            }
        }
        Ok(self.folder.close()?)
    }

    async fn wait_until_ready(&self) -> Result<(), Failure> {
        let ready = async {
            while self.connect("postgres").await.is_err() || !self.redis_answers().await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), ready)
            .await
            .map_err(|_| Failure::new("PostgreSQL or Redis did not start within a minute"))
    }

    async fn redis_answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.redis_port)).await else {
            return false;
        };
        let mut answer = [0; 5];
        stream.write_all(b"PING\r\n").await.is_ok()
            && stream.read_exact(&mut answer).await.is_ok()
            && &answer == b"+PONG"
    }

    async fn make_databases(&self) -> Result<(), Failure> {
        let mut connection = self.connect("postgres").await?;
        for database in Contestant::ALL.into_iter().filter_map(Contestant::database) {
            let sql = format!("CREATE DATABASE {database}");
            sqlx::raw_sql(AssertSqlSafe(sql))
                .execute(&mut connection)
                .await?;
        }
        Ok(())
    }

    /// What is measured on, for the report: the versions of both.
    pub(crate) async fn versions(&self) -> Result<String, Failure> {
        let mut connection = self.connect("postgres").await?;
        let postgres: String = sqlx::query_scalar("SHOW server_version")
            .fetch_one(&mut connection)
            .await?;
        let output = Command::new("redis-server")
            .arg("--version")
            .output()
            .await?;
        let redis = String::from_utf8_lossy(&output.stdout).into_owned();
        let redis = redis
            .split_whitespace()
            .find_map(|word| word.strip_prefix("v="));
        let postgres = postgres.split(' ').next().unwrap_or_default().to_owned();
        Ok(format!(
            "PostgreSQL {postgres}, Redis {}",
            redis.unwrap_or("?")
        ))
    }
}

/// The folder of `initdb` and `postgres`.
async fn postgres_programs() -> Result<PathBuf, Failure> {
    let mut candidates = Vec::new();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output().await {
        candidates.push(PathBuf::from(
            String::from_utf8_lossy(&output.stdout).trim(),
        ));
    }
    for entry in std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
    {
        candidates.push(entry.path().join("bin"));
    }
    candidates.extend(std::env::split_paths(
        &std::env::var_os("PATH").unwrap_or_default(),
    ));
    let complete = |folder: &&PathBuf| {
        ["initdb", "postgres"]
            .iter()
            .all(|program| folder.join(program).is_file())
    };
    candidates.iter().find(complete).cloned().ok_or_else(|| {
        Failure::new("PostgreSQL's server programs (initdb, postgres) are not installed")
    })
}

/// PostgreSQL does not run as root; then it runs as the user postgres.
async fn account() -> Result<Option<(u32, u32)>, Failure> {
    if id(&["-u"]).await != Some(0) {
        return Ok(None);
    }
    match (id(&["-u", "postgres"]).await, id(&["-g", "postgres"]).await) {
        (Some(user), Some(group)) => Ok(Some((user, group))),
        _ => Err(Failure::new(
            "PostgreSQL does not run as root, and there is no user postgres: run this as an ordinary user",
        )),
    }
}

async fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).output().await.ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

fn free_port() -> Result<u16, Failure> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
