//! `pugmark sandbox`, as compose.yaml and people who try Pugmark use it.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use secrecy::SecretString;

use crate::harness::{World, eventually};
use crate::program::{pugmark, run};

#[tokio::test]
async fn a_customer_becomes_a_contact_in_the_look_alike_that_runs_by_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = pugmark(folder.path(), &["sandbox", "--port", "0", "--latency", "0"]);
    let mut sandbox = Sandbox::start(&mut command);
    let [url, username, key] =
        ["VTIGER_URL", "VTIGER_USERNAME", "VTIGER_ACCESS_KEY"].map(|name| sandbox.value(name));

    let mut world = World::sqlite().await;
    let crm = world.crm_settings();
    crm.url = url;
    crm.username = username;
    crm.access_key = SecretString::from(key);
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    eventually("the link", || async {
        program
            .one(format!(
                "SELECT vtiger_id FROM crm_links WHERE entity_id = '{customer}'"
            ))
            .await
    })
    .await;
    running.shutdown().await;
    let (code, rest) = sandbox.stop();
    assert_eq!(code, Some(0));
    assert!(rest.contains("It held 1 contact(s)"), "{rest}");
}

#[test]
fn a_key_that_was_given_is_not_printed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = pugmark(folder.path(), &["sandbox", "--port", "0"]);
    command
        .env("VTIGER_USERNAME", "integration")
        .env("VTIGER_ACCESS_KEY", "a-key-of-this-test");
    let mut sandbox = Sandbox::start(&mut command);
    assert_eq!(sandbox.value("VTIGER_USERNAME"), "integration");
    let (_, rest) = sandbox.stop();
    assert!(!rest.contains("a-key-of-this-test"), "{rest}");
    assert!(!rest.contains("VTIGER_ACCESS_KEY"), "{rest}");
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_the_way_out() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let refused = run(pugmark(folder.path(), &["sandbox", "--port", &port])).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains(&port), "{refused:?}");
    assert!(refused.stderr.contains("--port"), "{refused:?}");
}

/// `pugmark sandbox`, killed when dropped.
struct Sandbox {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Sandbox {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Sandbox { child, output }
    }

    /// The value in the next line, which is of this name.
    fn value(&mut self, name: &str) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            let read = self.output.read_line(&mut line).expect("it writes text");
            assert_ne!(read, 0, "it ended before it said {name}");
            if let Some((found, value)) = line.trim_end().split_once('=')
                && found == name
            {
                return value.to_owned();
            }
        }
    }

    /// SIGTERM; its exit code and what it still says.
    fn stop(mut self) -> (Option<i32>, String) {
        let signalled = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status()
            .expect("kill runs");
        assert!(signalled.success());
        let mut rest = String::new();
        self.output
            .read_to_string(&mut rest)
            .expect("it writes text");
        (self.child.wait().expect("it ends").code(), rest)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
