//! A PostgreSQL server of a campaign's own, which may be killed, restarted and starved.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

use crate::harness::{PATIENCE, eventually, new_id};

/// Names the directory of PostgreSQL's programs.
const PROGRAMS: &str = "PUGMARK_TEST_POSTGRES_PROGRAMS";
const DEBIAN: &str = "/usr/lib/postgresql";
/// Starts what follows as a process of its own and says its number. The server is ended by the signal that standard input names,
/// at the latest when that closes, which it does however the tests end.
const KEEPER: &str = r#""$@" >>log 2>&1 & server=$!; echo $server; read -r how || how=QUIT; kill -"$how" $server; wait $server"#;

/// A running server; dropping it ends the server and removes its files.
pub(super) struct Cluster {
    programs: PathBuf,
    home: tempfile::TempDir,
    account: Option<(u32, u32)>,
    port: u16,
    options: Vec<String>,
    keeper: Option<Keeper>,
}

struct Keeper {
    shell: Child,
    orders: ChildStdin,
}

/// The directory of PostgreSQL's programs, or why there is none.
pub(super) fn programs() -> Result<PathBuf, String> {
    if let Some(named) = std::env::var_os(PROGRAMS) {
        return Ok(named.into());
    }
    let mut versions: Vec<PathBuf> = std::fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .filter(|bin| bin.join("initdb").is_file() && bin.join("postgres").is_file())
        .collect();
    versions.sort();
    let newest = versions.pop();
    newest.ok_or_else(|| format!("{PROGRAMS} is not set and nothing is in {DEBIAN}"))
}

impl Cluster {
    /// Makes a cluster and starts its server with these settings (`name=value`).
    pub(super) async fn start(programs: PathBuf, settings: &[&str]) -> Self {
        // A socket's path must stay short, and another account has to get there.
        let home = tempfile::Builder::new()
            .prefix("pugmark-chaos-")
            .tempdir_in("/tmp")
            .expect("a folder");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(home.path(), mode).expect("ours");
        let account = account_to_become(home.path());
        if let Some((user, group)) = account {
            chown(home.path(), Some(user), Some(group)).expect("we may do everything");
        }
        let port = std::net::TcpListener::bind(("127.0.0.1", 0))
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let options = settings
            .iter()
            // The computer does not lose its power, only the server its processes.
            .chain(&["fsync=off"])
            .flat_map(|setting| ["-c".to_owned(), (*setting).to_owned()]);
        let mut cluster = Self {
            programs,
            home,
            account,
            port,
            options: options.collect(),
            keeper: None,
        };
        cluster.initialise();
        cluster.serve();
        cluster.ready().await;
        cluster
    }

    fn initialise(&self) {
        let mut initdb = self.program("initdb");
        initdb.args(["--username", "pugmark", "--auth", "trust", "--no-sync"]);
        initdb.args(["--encoding", "UTF8", "--no-locale", "--pgdata", "data"]);
        let made = initdb.output().expect("initdb starts");
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "{said}");
    }

    fn serve(&mut self) {
        let mut shell = self.program("sh");
        let postgres = self.programs.join("postgres");
        shell
            .args(["-c", KEEPER, "keeper"])
            .arg(postgres)
            .args(["-D", "data", "-k", ".", "-h", "127.0.0.1"])
            .args(["-p", &self.port.to_string()])
            .args(&self.options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0);
        let mut shell = shell.spawn().expect("a shell starts");
        let orders = shell.stdin.take().expect("piped");
        let mut said = String::new();
        BufReader::new(shell.stdout.take().expect("piped"))
            .read_line(&mut said)
            .expect("it says its number");
        self.keeper = Some(Keeper { shell, orders });
    }

    /// Ends the server with a signal: `INT` breaks off what runs, `QUIT` leaves a crash behind.
    pub(super) fn stop(&mut self, signal: &str) {
        let Some(Keeper {
            mut shell,
            mut orders,
        }) = self.keeper.take()
        else {
            return;
        };
        // When it has ended by itself nobody listens, and that is as well.
        let _ = writeln!(orders, "{signal}");
        drop(orders);
        let _ = shell.wait();
    }

    /// Ends it with a signal and starts it again on the same port.
    pub(super) async fn restart(&mut self, signal: &str) {
        self.stop(signal);
        self.serve();
        self.ready().await;
    }

    async fn ready(&self) {
        eventually("the server takes connections", || async {
            self.connect("postgres").await.ok().map(drop)
        })
        .await;
    }

    /// The address of a database.
    pub(super) fn url(&self, database: &str) -> String {
        self.url_as("pugmark", database)
    }

    /// The same for another user.
    pub(super) fn url_as(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}", self.port)
    }

    /// A connection of the administrator's.
    pub(super) async fn connect(&self, database: &str) -> Result<PgConnection, sqlx::Error> {
        let options: sqlx::postgres::PgConnectOptions = self.url(database).parse()?;
        tokio::time::timeout(PATIENCE, options.connect())
            .await
            .unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    /// Runs a statement as administrator. Gives how many rows it concerned, none when the server did not answer.
    pub(super) async fn run(&self, database: &str, sql: &str) -> Option<u64> {
        let mut connection = self.connect(database).await.ok()?;
        let sql = AssertSqlSafe(sql.to_owned());
        let ran = sqlx::raw_sql(sql).execute(&mut connection).await.ok();
        let _ = connection.close().await;
        ran.map(|done| done.rows_affected())
    }

    /// Makes a database that belongs to this user, and gives its name.
    pub(super) async fn database(&self, owner: &str) -> String {
        let name = format!("chaos_{}", &new_id()[..8]);
        let made = self
            .run("postgres", &format!("CREATE DATABASE {name} OWNER {owner}"))
            .await;
        assert!(made.is_some(), "the database is made");
        name
    }

    /// One of the programs in the cluster's folder, as the account it may run under.
    fn program(&self, name: &str) -> Command {
        let path = match name {
            "sh" => PathBuf::from("/bin/sh"),
            name => self.programs.join(name),
        };
        let mut command = Command::new(path);
        command.current_dir(self.home.path());
        for variable in ["PGDATA", "PGPORT", "PGHOST", "PGUSER", "PGOPTIONS"] {
            command.env_remove(variable);
        }
        if let Some((user, group)) = self.account {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop("QUIT");
    }
}

/// PostgreSQL refuses root: then it runs as `postgres` or `nobody`.
fn account_to_become(folder: &Path) -> Option<(u32, u32)> {
    if std::fs::metadata(folder).expect("it is there").uid() != 0 {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").expect("a list of users");
    let account = |name: &str| {
        let line = users
            .lines()
            .find(|line| line.starts_with(&format!("{name}:")))?;
        let mut words = line.split(':').skip(2);
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    };
    Some(
        account("postgres")
            .or_else(|| account("nobody"))
            .expect("a user who may run PostgreSQL"),
    )
}
