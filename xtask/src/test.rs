//! `cargo xtask test`: finds or starts what the tests need, says what is missing, and runs them.

use std::env;
use std::process::{Command, ExitCode};

use crate::cargo::{cargo, exit_code_of, has_subcommand, report};
use crate::failure::Failure;
use crate::search::find_all;
use crate::service::{Findings, Service};

/// Runs the tests; the exit code is the runner's.
pub(crate) fn run(required: &[Service], runner_args: &[String]) -> ExitCode {
    match prepare_and_run(required, runner_args) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => report(&failure),
    }
}

fn prepare_and_run(required: &[Service], runner_args: &[String]) -> Result<u8, Failure> {
    let mut required = required.to_vec();
    required.extend(Service::list(
        &env::var("PUGMARK_REQUIRE").unwrap_or_default(),
    )?);
    // Holds the throwaway cluster, so it must live until the runner has ended.
    let search = find_all()?;
    let findings = &search.findings;
    for line in findings.lines() {
        eprintln!("{line}");
    }
    demand(findings, &required)?;
    let runner = if has_subcommand("nextest") {
        Runner::Nextest
    } else {
        Runner::CargoTest
    };
    for args in invocations(runner, runner_args, &findings.left_out()) {
        eprintln!("\n$ cargo {}", args.join(" "));
        let code = exit_code_of(with_environment(cargo().args(&args), findings))?;
        if code != 0 {
            return Ok(code);
        }
    }
    Ok(0)
}

fn with_environment<'a>(command: &'a mut Command, findings: &Findings) -> &'a mut Command {
    command.envs(findings.environment())
}

fn demand(findings: &Findings, required: &[Service]) -> Result<(), Failure> {
    let unmet = findings.unmet(required);
    if unmet.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = unmet
        .iter()
        .map(|(service, _)| service.to_string())
        .collect();
    Err(Failure::new(format!(
        "required, but not found: {}; nothing was run",
        names.join(", ")
    )))
}

#[derive(Clone, Copy)]
enum Runner {
    Nextest,
    CargoTest,
}

/// The calls of cargo, in order. The runner comes last, so that its summary is the last thing on the terminal.
///
/// Arguments for the runner choose a part of the tests; documentation tests, which it does not know, are not part of that.
fn invocations(runner: Runner, runner_args: &[String], left_out: &[String]) -> Vec<Vec<String>> {
    let mut calls = Vec::new();
    if runner_args.is_empty() {
        calls.push(owned(&["test", "--workspace", "--doc"]));
    }
    calls.push(runner_call(runner, runner_args, left_out));
    calls
}

fn runner_call(runner: Runner, runner_args: &[String], left_out: &[String]) -> Vec<String> {
    let (for_cargo, for_tests) = split_at_dashes(runner_args);
    let mut call = match runner {
        Runner::Nextest => owned(&["nextest", "run"]),
        Runner::CargoTest => owned(&["test", "--no-fail-fast"]),
    };
    if !for_cargo.iter().any(|arg| chooses_packages(arg)) {
        call.push("--workspace".to_owned());
    }
    // Documentation tests have had their turn.
    if matches!(runner, Runner::CargoTest) && runner_args.is_empty() {
        call.push("--tests".to_owned());
    }
    call.extend_from_slice(for_cargo);
    let skips = left_out
        .iter()
        .flat_map(|part| ["--skip".to_owned(), part.clone()]);
    let for_tests: Vec<String> = for_tests.iter().cloned().chain(skips).collect();
    if !for_tests.is_empty() {
        call.push("--".to_owned());
        call.extend(for_tests);
    }
    call
}

/// Cargo takes what stands before the first `--`, the test programs what follows it.
fn split_at_dashes(args: &[String]) -> (&[String], &[String]) {
    match args.iter().position(|arg| arg == "--") {
        Some(dashes) => (&args[..dashes], &args[dashes + 1..]),
        None => (args, &[]),
    }
}

/// Beside `--workspace` cargo would not heed a choice of packages.
fn chooses_packages(arg: &str) -> bool {
    arg.starts_with("--package") || (arg.starts_with("-p") && !arg.starts_with("--"))
}

fn owned(args: &[&str]) -> Vec<String> {
    args.iter().map(|arg| (*arg).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Finding;

    fn calls(runner: Runner, args: &[&str], left_out: &[&str]) -> Vec<String> {
        let calls = invocations(runner, &owned(args), &owned(left_out));
        calls.iter().map(|call| call.join(" ")).collect()
    }

    #[test]
    fn documentation_tests_run_before_the_runner() {
        assert_eq!(
            calls(Runner::Nextest, &[], &[]),
            ["test --workspace --doc", "nextest run --workspace"]
        );
    }

    #[test]
    fn without_nextest_no_test_runs_twice() {
        assert_eq!(
            calls(Runner::CargoTest, &[], &[]),
            [
                "test --workspace --doc",
                "test --no-fail-fast --workspace --tests"
            ]
        );
    }

    #[test]
    fn tests_of_missing_services_are_skipped_by_the_runner_itself() {
        assert_eq!(
            calls(Runner::Nextest, &[], &["postgres::", "chromium::"])[1],
            "nextest run --workspace -- --skip postgres:: --skip chromium::"
        );
    }

    #[test]
    fn skips_join_the_arguments_that_are_already_meant_for_the_tests() {
        assert_eq!(
            calls(
                Runner::CargoTest,
                &["a_name", "--", "--nocapture"],
                &["redis::"]
            ),
            ["test --no-fail-fast --workspace a_name -- --nocapture --skip redis::"]
        );
    }

    #[test]
    fn a_choice_of_packages_is_not_overruled_by_the_workspace() {
        assert_eq!(
            calls(Runner::Nextest, &["-p", "vtiger", "a_name"], &[]),
            ["nextest run -p vtiger a_name"]
        );
        assert!(chooses_packages("-pvtiger") && chooses_packages("--package=vtiger"));
        assert!(!chooses_packages("--profile") && !chooses_packages("-P"));
    }

    #[test]
    fn a_required_service_that_is_missing_stops_everything_and_is_named() {
        let findings = Findings(vec![
            (Service::Redis, Finding::missing("nobody there")),
            (Service::Chromium, Finding::missing("not installed")),
        ]);
        demand(&findings, &[Service::Postgres]).expect("neither of them is required");
        let failure = demand(&findings, &[Service::Redis]).expect_err("Redis is required");
        assert_eq!(
            failure.to_string(),
            "required, but not found: Redis; nothing was run"
        );
    }
}
