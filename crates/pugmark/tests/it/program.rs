//! The real binary, started as a person starts it.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::harness::{PATIENCE, TOKEN, World};

/// `pugmark` with these arguments, in `folder`, with nothing of this process's environment but the path.
pub(crate) fn pugmark(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pugmark"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("TMPDIR", std::env::temp_dir())
        .stdin(Stdio::null());
    command
}

/// The same, configured for a world's store and CRM.
pub(crate) fn configured(world: &World, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = pugmark(folder, arguments);
    command
        .env("DATABASE_URL", world.store.url())
        .env("PORT", "0")
        .env("APP_SECRET_TOKEN", TOKEN)
        .env("VTIGER_URL", world.crm.url())
        .env("VTIGER_USERNAME", world.crm.username())
        .env("VTIGER_ACCESS_KEY", world.crm.access_key())
        .env(
            "PUGMARK_CUSTOMER_URL",
            "https://agents.example.org/admin/customer/{id}",
        )
        .env("PUGMARK__CAPTURE__SETTLE", "50ms")
        .env("PUGMARK__CAPTURE__POLL", "20ms");
    command
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit code; -1 when a signal ended it.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs to the end, without stopping the look-alike that runs in the same thread as the test.
pub(crate) async fn run(command: Command) -> Ended {
    tokio::task::spawn_blocking(move || run_now(command))
        .await
        .expect("no panic")
}

pub(crate) fn run_now(mut command: Command) -> Ended {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let stdout = collect(child.stdout.take().expect("piped"));
    let stderr = collect(child.stderr.take().expect("piped"));
    let code = wait(&mut child, PATIENCE * 2);
    Ended {
        code,
        stdout: stdout.join().expect("no panic"),
        stderr: stderr.join().expect("no panic"),
    }
}

fn collect(mut from: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).expect("the output has an end");
        String::from_utf8(bytes).expect("the program writes text")
    })
}

fn wait(child: &mut Child, patience: Duration) -> i32 {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait().expect("the child is ours") {
            return status.code().unwrap_or(-1);
        }
        if Instant::now() > deadline {
            child.kill().expect("the child is ours");
            panic!("the program did not end in {patience:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// `pugmark serve`, killed when dropped.
pub(crate) struct Serving {
    child: Child,
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<String>>,
}

impl Serving {
    /// Starts it and waits until it listens.
    pub(crate) async fn start(command: Command) -> Self {
        tokio::task::spawn_blocking(move || Self::start_now(command))
            .await
            .expect("no panic")
    }

    fn start_now(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let log = Arc::new(Mutex::new(String::new()));
        let (found, address) = std::sync::mpsc::channel();
        let lines = log.clone();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if let Some((_, address)) = line.split_once("listening on http://") {
                    let _ = found.send(address.trim().parse::<SocketAddr>());
                }
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                lines.push_str(&line);
                lines.push('\n');
            }
        });
        let text = || log.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match address.recv_timeout(PATIENCE) {
            Ok(Ok(address)) => Serving {
                child,
                address,
                log,
            },
            other => {
                let _ = child.kill();
                panic!("it does not listen ({other:?}): {}", text());
            }
        }
    }

    /// What it has written to its log so far.
    pub(crate) fn log(&self) -> String {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Its process id, as the names of processes carry it.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name, STOP for instance.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &pid])
            .status();
        assert!(sent.expect("kill runs").success());
    }

    /// SIGTERM; gives the exit code.
    pub(crate) async fn stop(mut self) -> i32 {
        tokio::task::spawn_blocking(move || {
            let signalled = Command::new("kill")
                .args(["-TERM", &self.child.id().to_string()])
                .status()
                .expect("kill runs");
            assert!(signalled.success());
            wait(&mut self.child, PATIENCE)
        })
        .await
        .expect("no panic")
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether this process may do everything; then permissions of files keep it from nothing.
pub(crate) fn is_root(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(folder).expect("it is there").uid() == 0
}

/// As a user to whom permissions apply.
pub(crate) fn as_ordinary_user(command: &mut Command, folder: &Path) {
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65_534;
    if is_root(folder) {
        command.uid(NOBODY).gid(NOBODY);
    }
}
