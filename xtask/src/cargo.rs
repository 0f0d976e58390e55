//! Calling cargo from a program that cargo itself started.

use std::env;
use std::process::{Command, ExitCode};

use crate::failure::{Context, Failure};

/// A `cargo` command as if typed in a terminal.
///
/// `cargo run` describes xtask's own package in the environment. Build scripts that watch those variables
/// (ring's does) would see another value than in a plain `cargo build` and compile again each time.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(describes_a_package) {
            command.env_remove(name);
        }
    }
    command
}

fn describes_a_package(variable: &str) -> bool {
    variable.starts_with("CARGO_PKG_") || variable.starts_with("CARGO_MANIFEST_")
}

/// Whether `cargo <name>` is an installed extra command.
pub(crate) fn has_subcommand(name: &str) -> bool {
    cargo()
        .args([name, "--version"])
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Runs a command with this terminal and gives the code it ended with.
pub(crate) fn exit_code_of(command: &mut Command) -> Result<u8, Failure> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command
        .status()
        .context(format!("cannot start {program}"))?;
    // A runner ended by a signal has no code of its own; that is never a success.
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1))
}

/// Prints a failure and gives the exit code for it.
pub(crate) fn report(failure: &Failure) -> ExitCode {
    eprintln!("error: {failure}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_description_of_the_own_package_is_hidden_from_cargo() {
        assert!(describes_a_package("CARGO_PKG_VERSION"));
        assert!(describes_a_package("CARGO_MANIFEST_DIR"));
        assert!(!describes_a_package("CARGO_TARGET_DIR"));
        assert!(!describes_a_package("CARGO_HOME"));
    }

    #[test]
    fn the_exit_code_of_a_command_is_handed_on() {
        let code = exit_code_of(Command::new("sh").args(["-c", "exit 100"]));
        assert_eq!(code.ok(), Some(100));
    }

    #[test]
    fn a_command_ended_by_a_signal_has_failed() {
        let code = exit_code_of(Command::new("sh").args(["-c", "kill -9 $$"]));
        assert_eq!(code.ok(), Some(1));
    }

    #[test]
    fn an_extra_command_that_is_not_installed_is_not_there() {
        assert!(has_subcommand("fmt"));
        assert!(!has_subcommand("surely-no-command-of-this-name"));
    }
}
