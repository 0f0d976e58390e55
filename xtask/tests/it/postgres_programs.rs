use std::env;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// The directory of PostgreSQL's programs, named by `cargo xtask test`.
fn programs() -> Option<PathBuf> {
    let named = env::var_os("PUGMARK_TEST_POSTGRES_PROGRAMS").map(PathBuf::from);
    let required = env::var("PUGMARK_REQUIRE").unwrap_or_default();
    let required = required.split(',').any(|key| key == "postgres_programs");
    assert!(
        named.is_some() || !required,
        "PUGMARK_TEST_POSTGRES_PROGRAMS is not set"
    );
    if named.is_none() {
        eprintln!("left out: run it by `cargo xtask test`, which looks for PostgreSQL's programs");
    }
    named
}

fn keeper(programs: &Path) -> (Child, ChildStdin, String) {
    let mut keeper = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("throwaway-postgres")
        .arg(programs)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("xtask runs");
    let lifeline = keeper.stdin.take().expect("piped");
    let mut line = String::new();
    let stdout = keeper.stdout.take().expect("piped");
    BufReader::new(stdout)
        .read_line(&mut line)
        .expect("the keeper speaks");
    (keeper, lifeline, line)
}

/// `host:port` of the URL that the keeper said.
fn address(line: &str) -> &str {
    let url = line
        .trim_end()
        .strip_prefix("ready ")
        .expect("a cluster that is ready");
    let (_, rest) = url.split_once('@').expect("a role");
    rest.split('/').next().expect("an address")
}

#[test]
fn a_throwaway_cluster_takes_connections_until_its_lifeline_closes() {
    let Some(programs) = programs() else {
        return;
    };
    let (mut keeper, lifeline, line) = keeper(&programs);
    let address = address(&line);
    TcpStream::connect(address).expect("the cluster listens");
    drop(lifeline);
    assert!(keeper.wait().expect("the keeper ends").success());
    TcpStream::connect(address).expect_err("the cluster is gone");
}

#[test]
fn a_cluster_is_open_to_nobody_who_lacks_its_password() {
    let Some(programs) = programs() else {
        return;
    };
    let (mut keeper, lifeline, line) = keeper(&programs);
    let url = line
        .trim_end()
        .strip_prefix("ready ")
        .expect("a cluster that is ready");
    let psql = |url: &str| {
        Command::new(programs.join("psql"))
            .args([
                "--no-password",
                "--no-psqlrc",
                "-Atc",
                "SELECT rolsuper FROM pg_roles WHERE rolname = current_user",
                url,
            ])
            .output()
            .expect("psql runs")
    };
    let known = psql(url);
    assert_eq!(String::from_utf8_lossy(&known.stdout).trim(), "t");
    let unknown = psql(&format!("postgres://postgres@{}/postgres", address(&line)));
    assert!(!unknown.status.success(), "let in without a password");
    drop(lifeline);
    keeper.wait().expect("the keeper ends");
}

#[test]
fn programs_that_do_not_exist_are_a_reason_not_a_silence() {
    let Some(_) = programs() else {
        return;
    };
    let (mut keeper, _lifeline, line) = keeper(Path::new("/no/such/directory"));
    assert!(line.starts_with("failed cannot start initdb"), "{line}");
    assert!(!keeper.wait().expect("the keeper ends").success());
}
