//! `cargo xtask check`: what can be judged without running the program.

use std::env;
use std::process::{Command, ExitCode};

use crate::cargo::{cargo, exit_code_of, has_subcommand};

/// Runs every check, also after one failed, and ends with the list of those that did.
pub(crate) fn run() -> ExitCode {
    let mut failed = Vec::new();
    for (name, mut command) in source_checks() {
        judge(name, &mut command, &mut failed);
    }
    dependency_checks(&mut failed);
    conclude(&failed)
}

fn source_checks() -> Vec<(&'static str, Command)> {
    let mut fmt = cargo();
    fmt.args(["fmt", "--all", "--check"]);
    let mut clippy = cargo();
    clippy.args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]);
    let mut doc = cargo();
    doc.args([
        "doc",
        "--no-deps",
        "--workspace",
        "--document-private-items",
    ])
    .env(
        "RUSTDOCFLAGS",
        with_denied_warnings(env::var("RUSTDOCFLAGS").ok()),
    );
    vec![
        ("formatting", fmt),
        ("clippy", clippy),
        ("documentation", doc),
    ]
}

fn with_denied_warnings(flags: Option<String>) -> String {
    match flags {
        Some(flags) if !flags.trim().is_empty() => format!("{flags} -D warnings"),
        _ => "-D warnings".to_owned(),
    }
}

fn dependency_checks(failed: &mut Vec<&'static str>) {
    if !has_subcommand("deny") {
        headline("dependencies");
        eprintln!("not checked: cargo-deny is not installed (cargo install --locked cargo-deny)");
        return;
    }
    let mut rules = cargo();
    rules.args([
        "deny",
        "--workspace",
        "check",
        // Who depends on a duplicate is a question for `cargo tree`, not for this report.
        "--hide-inclusion-graph",
        "bans",
        "licenses",
        "sources",
    ]);
    judge("dependencies: bans, licences, sources", &mut rules, failed);
    advisories(failed);
}

fn advisories(failed: &mut Vec<&'static str>) {
    let name = "dependencies: advisories";
    let fetched = cargo().args(["deny", "fetch", "db"]).output();
    if !fetched.is_ok_and(|output| output.status.success()) {
        headline(name);
        eprintln!("not checked: the RustSec advisory database cannot be reached");
        return;
    }
    let mut check = cargo();
    check.args([
        "deny",
        "--workspace",
        "check",
        "--disable-fetch",
        "advisories",
    ]);
    judge(name, &mut check, failed);
}

fn judge(name: &'static str, command: &mut Command, failed: &mut Vec<&'static str>) {
    headline(name);
    match exit_code_of(command) {
        Ok(0) => {}
        Ok(_) => failed.push(name),
        Err(failure) => {
            eprintln!("error: {failure}");
            failed.push(name);
        }
    }
}

fn headline(name: &str) {
    eprintln!("\n== {name} ==");
}

fn conclude(failed: &[&str]) -> ExitCode {
    if failed.is_empty() {
        eprintln!("\nAll checks passed.");
        return ExitCode::SUCCESS;
    }
    eprintln!("\nFailed checks:");
    for name in failed {
        eprintln!("  {name}");
    }
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_set_outside_are_kept_when_warnings_are_denied() {
        assert_eq!(with_denied_warnings(None), "-D warnings");
        assert_eq!(with_denied_warnings(Some(" ".to_owned())), "-D warnings");
        let kept = with_denied_warnings(Some("--cfg docsrs".to_owned()));
        assert_eq!(kept, "--cfg docsrs -D warnings");
    }

    #[test]
    fn a_failed_check_is_named_and_the_ones_after_it_still_run() {
        let mut failed = Vec::new();
        judge("first", &mut Command::new("false"), &mut failed);
        judge("second", &mut Command::new("true"), &mut failed);
        judge("third", &mut Command::new("/no/such/program"), &mut failed);
        assert_eq!(failed, ["first", "third"]);
        assert_ne!(conclude(&failed), ExitCode::SUCCESS);
        assert_eq!(conclude(&[]), ExitCode::SUCCESS);
    }
}
