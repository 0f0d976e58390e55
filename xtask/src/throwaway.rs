//! A PostgreSQL cluster that lives for one test run.
//!
//! It is kept by a second process of this program, in a process group of its own, that stops the cluster as soon as its standard
//! input closes. The operating system closes it however the test run ends: by itself, by Ctrl-C or by `kill -9`.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Context, Failure};
use crate::postgres_programs::{Account, account_to_become};
use crate::probe::postgres_login::try_socket;

const SUPERUSER: &str = "postgres";
const READY: &str = "ready ";
const FAILED: &str = "failed ";
/// For `initdb` and the first start together these take about two seconds on an idle machine.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Another program may take the chosen port between choosing and starting.
const START_TRIES: usize = 3;

/// The keeper as its starter sees it; dropping it stops the cluster and waits until it is gone.
pub(crate) struct Throwaway {
    keeper: Child,
    lifeline: Option<ChildStdin>,
    url: String,
}

impl Throwaway {
    /// Starts a cluster and waits until it takes connections.
    pub(crate) fn start(programs: &Path) -> Result<Self, Failure> {
        let program = std::env::current_exe().context("cannot find the own program file")?;
        let mut keeper = Command::new(program)
            .arg("throwaway-postgres")
            .arg(programs)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .context("cannot start the keeper of the throwaway cluster")?;
        let lifeline = keeper.stdin.take();
        let mut line = String::new();
        if let Some(stdout) = keeper.stdout.take() {
            BufReader::new(stdout)
                .read_line(&mut line)
                .context("cannot hear the keeper")?;
        }
        // Made before the verdict, so that a failed keeper is waited for as well.
        let mut throwaway = Self {
            keeper,
            lifeline,
            url: String::new(),
        };
        throwaway.url = url_in(&line)?.to_owned();
        Ok(throwaway)
    }

    /// Holds a password that nobody else knows, valid until the cluster is gone.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Throwaway {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        // Nothing is left to be done about a keeper that cannot be waited for.
        let _ = self.keeper.wait();
    }
}

fn url_in(line: &str) -> Result<&str, Failure> {
    let line = line.trim_end();
    line.strip_prefix(READY).ok_or_else(|| {
        Failure::new(
            line.strip_prefix(FAILED)
                .unwrap_or("its keeper ended without a word"),
        )
    })
}

/// The keeper: starts a cluster, says where it is, and stops it when standard input closes.
pub(crate) fn keep(programs: &Path) -> ExitCode {
    let cluster = match Cluster::start(programs.to_owned()) {
        Ok(cluster) => cluster,
        Err(failure) => {
            println!("{FAILED}{}", failure.to_string().replace('\n', " "));
            return ExitCode::FAILURE;
        }
    };
    println!("{READY}{}", cluster.url());
    // An error ends the wait as well as an end of input: either way nobody needs the cluster any more.
    let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
    ExitCode::SUCCESS
}

/// A running server and its files; dropping it ends both.
struct Cluster {
    home: Home,
    programs: PathBuf,
    account: Option<Account>,
    password: String,
    port: u16,
    server: Option<Child>,
}

impl Cluster {
    fn start(programs: PathBuf) -> Result<Self, Failure> {
        let account = account_to_become()?;
        let home = Home::create(account)?;
        let password = random_hex()?;
        let mut cluster = Self {
            home,
            programs,
            account,
            password,
            port: 0,
            server: None,
        };
        cluster.initialise()?;
        cluster.serve()?;
        Ok(cluster)
    }

    fn url(&self) -> String {
        format!(
            "postgres://{SUPERUSER}:{}@127.0.0.1:{}/postgres",
            self.password, self.port
        )
    }

    /// Every other local user can reach the port, and a superuser of PostgreSQL can run programs: hence the password on TCP.
    /// The local socket lies in a directory of our own and needs none.
    fn initialise(&self) -> Result<(), Failure> {
        let password_file = self.home.0.join("password");
        write_private(&password_file, &self.password, self.account)?;
        let mut initdb = self.program("initdb");
        initdb
            .args(["--username", SUPERUSER, "--encoding", "UTF8", "--no-sync"])
            .args(["--auth-local", "trust", "--auth-host", "password"])
            .arg(if cfg!(target_os = "linux") {
                "--locale=C.UTF-8"
            } else {
                "--no-locale"
            })
            .arg("--pwfile")
            .arg(&password_file)
            .arg("--pgdata")
            .arg(self.data());
        let output = initdb.output().context("cannot start initdb")?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Failure::new(format!("initdb failed: {said}")))
    }

    fn serve(&mut self) -> Result<(), Failure> {
        let mut outcome = Ok(());
        for _ in 0..START_TRIES {
            self.port = free_port()?;
            let server = self.spawn_server()?;
            self.server = Some(server);
            outcome = self.wait_until_ready();
            if outcome.is_ok() {
                break;
            }
            self.stop();
        }
        outcome
    }

    fn spawn_server(&self) -> Result<Child, Failure> {
        let log = fs::File::create(self.log()).context("cannot write the server's log")?;
        let errors = log.try_clone().context("cannot write the server's log")?;
        let mut server = self.program("postgres");
        server
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(&self.home.0)
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string()])
            // The data is thrown away, so nothing has to survive a power cut.
            .args([
                "-c",
                "fsync=off",
                "-c",
                "synchronous_commit=off",
                "-c",
                "full_page_writes=off",
            ])
            // Test programs run side by side, each with pools of its own.
            .args(["-c", "max_connections=300"])
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors);
        server.spawn().context("cannot start postgres")
    }

    fn wait_until_ready(&mut self) -> Result<(), Failure> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let Err(why) = try_socket(&self.home.0, self.port, SUPERUSER) else {
                return Ok(());
            };
            let ended = match &mut self.server {
                Some(server) => server
                    .try_wait()
                    .context("cannot watch postgres")?
                    .is_some(),
                None => true,
            };
            if ended || Instant::now() > deadline {
                let log = last_line(&self.log());
                return Err(Failure::new(format!(
                    "postgres did not start ({why}): {log}"
                )));
            }
            thread::sleep(Duration::from_millis(25));
        }
    }

    fn stop(&mut self) {
        let Some(mut server) = self.server.take() else {
            return;
        };
        let mut stop = self.program("pg_ctl");
        stop.args(["stop", "--mode", "immediate", "--timeout", "20", "--pgdata"])
            .arg(self.data());
        if !stop.output().is_ok_and(|output| output.status.success()) {
            // It has ended already, or it hangs; killing settles both.
            let _ = server.kill();
        }
        let _ = server.wait();
    }

    /// One of PostgreSQL's programs, as the account it may run under, in a directory that account can enter.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.current_dir(&self.home.0);
        // Settings meant for other clusters must not reach this one.
        for variable in ["PGDATA", "PGPORT", "PGHOST", "PGUSER", "PGOPTIONS"] {
            command.env_remove(variable);
        }
        if let Some(Account { uid, gid }) = self.account {
            command.uid(uid).gid(gid);
        }
        command
    }

    fn data(&self) -> PathBuf {
        self.home.0.join("data")
    }

    fn log(&self) -> PathBuf {
        self.home.0.join("log")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A new private directory, removed with all that is in it when dropped.
struct Home(PathBuf);

impl Home {
    fn create(account: Option<Account>) -> Result<Self, Failure> {
        // TMPDIR may lie where the other account cannot go, and a socket's path must stay under about 100 bytes.
        let path = Path::new("/tmp").join(format!("pugmark-postgres-{}", &random_hex()?[..12]));
        let said = || format!("cannot make {}", path.display());
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .context(said())?;
        let home = Self(path.clone());
        if let Some(Account { uid, gid }) = account {
            chown(&path, Some(uid), Some(gid)).context(said())?;
        }
        Ok(home)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // The keeper has nobody left to tell; /tmp is emptied by the system in any case.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn write_private(file: &Path, text: &str, owner: Option<Account>) -> Result<(), Failure> {
    let said = || format!("cannot write {}", file.display());
    let mut options = fs::OpenOptions::new();
    let mut opened = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .context(said())?;
    opened.write_all(text.as_bytes()).context(said())?;
    if let Some(Account { uid, gid }) = owner {
        chown(file, Some(uid), Some(gid)).context(said())?;
    }
    Ok(())
}

fn random_hex() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    let mut source = fs::File::open("/dev/urandom").context("cannot open /dev/urandom")?;
    source
        .read_exact(&mut bytes)
        .context("cannot read /dev/urandom")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn free_port() -> Result<u16, Failure> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port on loopback")?;
    Ok(listener
        .local_addr()
        .context("no free port on loopback")?
        .port())
}

fn last_line(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .next_back()
        .unwrap_or("its log is empty")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_keeper_says_is_an_address_or_a_reason() {
        assert_eq!(url_in("ready postgres://x/\n").ok(), Some("postgres://x/"));
        let reason = |line| url_in(line).map_err(|failure| failure.to_string());
        assert_eq!(
            reason("failed no space left\n"),
            Err("no space left".to_owned())
        );
        assert_eq!(
            reason(""),
            Err("its keeper ended without a word".to_owned())
        );
    }

    #[test]
    fn the_home_of_a_cluster_is_private_and_goes_with_it() {
        use std::os::unix::fs::PermissionsExt;
        let home = Home::create(None).expect("a directory below /tmp");
        let path = home.0.clone();
        let mode = path.metadata().expect("it exists").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        fs::write(path.join("file"), "x").expect("own directory");
        drop(home);
        assert!(!path.exists());
    }
}
