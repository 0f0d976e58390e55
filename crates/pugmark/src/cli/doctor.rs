//! `pugmark doctor`: checks everything that can be checked, and says what is missing and what to do.

use std::process::ExitCode;

use clap::Args;

use super::CliError;
use crate::config::{ConfigError, Settings};
use crate::doctor::{self, Finding, Mark};

/// Checks settings, store and CRM. Changes nothing. Exit code 1 when something keeps Pugmark from working.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Print the findings as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs every check.
///
/// # Errors
/// None of what it finds: that is its result.
pub(super) async fn run(
    args: DoctorArgs,
    settings: Result<Settings, ConfigError>,
) -> Result<ExitCode, CliError> {
    let findings = doctor::check(settings.as_ref()).await;
    if args.json {
        println!(
            "{}",
            serde_json::to_string_pretty(&findings)
                .map_err(|error| CliError::Other(error.to_string()))?
        );
    } else {
        print(&findings);
    }
    let failed = count(&findings, Mark::Problem) > 0;
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn print(findings: &[Finding]) {
    for finding in findings {
        let mark = match finding.mark {
            Mark::Ok => "ok     ",
            Mark::Warning => "WARNING",
            Mark::Problem => "PROBLEM",
        };
        println!("{mark}  {}: {}", finding.what, finding.said);
        if let Some(fix) = &finding.fix {
            println!("         -> {fix}");
        }
    }
    println!(
        "\n{} problem(s), {} warning(s)",
        count(findings, Mark::Problem),
        count(findings, Mark::Warning)
    );
}

fn count(findings: &[Finding], mark: Mark) -> usize {
    findings
        .iter()
        .filter(|finding| finding.mark == mark)
        .count()
}
