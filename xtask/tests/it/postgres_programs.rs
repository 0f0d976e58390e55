use std::env;
use std::io::{BufRead, BufReader};
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

fn url(line: &str) -> &str {
    line.trim_end()
        .strip_prefix("ready ")
        .expect("a cluster that is ready")
}

/// What psql prints for a question that only a superuser answers with `t`; `None` if it is not let in.
fn superuser(programs: &Path, url: &str) -> Option<String> {
    let output = Command::new(programs.join("psql"))
        .args([
            "--no-password",
            "--no-psqlrc",
            "--tuples-only",
            "--no-align",
        ])
        .args([
            "--command",
            "SELECT rolsuper FROM pg_roles WHERE rolname = current_user",
        ])
        .arg(url)
        .output()
        .expect("psql runs");
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(said)
}

#[test]
fn a_throwaway_cluster_serves_until_its_lifeline_closes() {
    let Some(programs) = programs() else {
        return;
    };
    let (mut keeper, lifeline, line) = keeper(&programs);
    assert_eq!(superuser(&programs, url(&line)).as_deref(), Some("t"));
    drop(lifeline);
    assert!(keeper.wait().expect("the keeper ends").success());
    assert_eq!(superuser(&programs, url(&line)), None);
}

#[test]
fn a_throwaway_cluster_lets_nobody_in_without_its_password() {
    let Some(programs) = programs() else {
        return;
    };
    let (mut keeper, lifeline, line) = keeper(&programs);
    assert!(superuser(&programs, url(&line)).is_some(), "it is there");
    let (_, address) = url(&line).split_once('@').expect("a role");
    assert_eq!(
        superuser(&programs, &format!("postgres://postgres@{address}")),
        None
    );
    drop(lifeline);
    assert!(keeper.wait().expect("the keeper ends").success());
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
