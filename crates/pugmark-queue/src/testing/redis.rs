//! A Redis server of one test's own, which may be emptied, stopped and started again.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::{REQUIRE, must};

/// Names the program `redis-server`; otherwise it is looked for on `PATH`.
pub const REDIS_SERVER: &str = "PUGMARK_TEST_REDIS_SERVER";

const PATIENCE: Duration = Duration::from_secs(60);
/// Starts what follows and says its number. The server is ended when standard input closes, which it does however the test ends.
const KEEPER: &str =
    r#""$@" >log 2>&1 & server=$!; echo $server; read -r end; kill -KILL $server; wait $server"#;

/// A running server that keeps nothing on disk; dropping it ends it.
pub struct TestRedis {
    program: PathBuf,
    home: TempDir,
    port: u16,
    keeper: Mutex<Option<(Child, ChildStdin)>>,
}

impl TestRedis {
    /// Starts one; `None`, with a line on standard error, where the program is not installed.
    ///
    /// # Panics
    /// When it is not installed although [`REQUIRE`] lists `redis`, or does not start.
    pub async fn start() -> Option<Self> {
        let Some(program) = program() else {
            let required = std::env::var(REQUIRE).unwrap_or_default();
            assert!(
                !required.split(',').any(|word| word.trim() == "redis"),
                "there is no redis-server on PATH"
            );
            eprintln!("left out: there is no redis-server on PATH");
            return None;
        };
        let free = must(std::net::TcpListener::bind(("127.0.0.1", 0)));
        let port = must(free.local_addr()).port();
        drop(free);
        let redis = Self {
            program,
            home: must(tempfile::tempdir()),
            port,
            keeper: Mutex::default(),
        };
        redis.serve().await;
        Some(redis)
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Starts it again, empty, after [`stop`](Self::stop).
    ///
    /// # Panics
    /// When it does not start.
    pub async fn serve(&self) {
        let port = self.port.to_string();
        let mut shell = Command::new("/bin/sh");
        shell
            .args(["-c", KEEPER, "keeper"])
            .arg(&self.program)
            .args(["--port", &port, "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no"])
            .current_dir(self.home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // The shell says that the server was killed.
            .stderr(Stdio::null());
        let mut shell = must(shell.spawn());
        let (Some(orders), Some(said)) = (shell.stdin.take(), shell.stdout.take()) else {
            panic!("they are piped");
        };
        must(BufReader::new(said).read_line(&mut String::new()));
        *self.keeper() = Some((shell, orders));
        let deadline = Instant::now() + PATIENCE;
        while self.say("PING").await.as_deref() != Some("+PONG") {
            assert!(Instant::now() < deadline, "redis-server does not answer");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Ends it without giving it time for anything; what it held is lost.
    pub fn stop(&self) {
        let Some((mut shell, mut orders)) = self.keeper().take() else {
            return;
        };
        // When it has ended by itself nobody listens, and that is as well.
        drop(orders.write_all(b"end\n"));
        drop(orders);
        drop(shell.wait());
    }

    /// Empties it, its scripts included.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn flush(&self) {
        for command in ["FLUSHALL", "SCRIPT FLUSH"] {
            let said = self.say(command).await;
            assert_eq!(said.as_deref(), Some("+OK"), "{command}");
        }
    }

    /// Sends one command and gives the first line of the answer; `None` when nobody answers.
    pub async fn say(&self, command: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.ok()?;
        let line = format!("{command}\r\n");
        stream.write_all(line.as_bytes()).await.ok()?;
        let mut said = Vec::new();
        while !said.ends_with(b"\r\n") {
            said.push(stream.read_u8().await.ok()?);
        }
        Some(String::from_utf8_lossy(&said).trim_end().to_owned())
    }

    fn keeper(&self) -> std::sync::MutexGuard<'_, Option<(Child, ChildStdin)>> {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        self.stop();
    }
}

fn program() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(REDIS_SERVER) {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join("redis-server"))
        .find(|file| file.is_file())
}
