//! Developer commands: `cargo xtask test`, `cargo xtask check`, `cargo xtask ci`, `cargo xtask chaos`, `cargo xtask scaling`,
//! `cargo xtask screenshots`.

mod cargo;
mod chaos;
mod check;
mod failure;
mod postgres_programs;
mod probe;
mod scaling;
mod screenshots;
mod search;
mod service;
mod test;
mod throwaway;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::service::Service;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Developer commands of Pugmark"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run all tests, with every outside service that this machine offers.
    Test {
        /// Services that must be there; without them nothing runs.
        ///
        /// Those that the variable PUGMARK_REQUIRE lists are required as well.
        #[arg(long, value_delimiter = ',', value_name = "SERVICES")]
        require: Vec<Service>,
        /// Handed on to cargo-nextest, or to `cargo test` where it is not installed.
        #[arg(last = true, value_name = "RUNNER ARGS")]
        runner_args: Vec<String>,
    },
    /// Formatting, lints, documentation, and the rules for dependencies.
    Check,
    /// Everything a change must pass: `check`, then `test` with every service required.
    Ci,
    /// Do the worst to Pugmark and look for what was lost, done twice or came out of order.
    Chaos(chaos::Chaos),
    /// Compute what sizes beyond one machine would cost: the tables of docs/scaling.md.
    Scaling,
    /// Take the pictures of README and docs anew, and one of every page of the console into target/screenshots/.
    Screenshots,
    /// Serve a PostgreSQL cluster until standard input closes (`test` starts this itself).
    #[command(hide = true)]
    ThrowawayPostgres {
        /// The directory of `initdb`, `postgres` and `pg_ctl`.
        programs: PathBuf,
    },
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Test {
            require,
            runner_args,
        } => test::run(&require, &runner_args),
        Command::Check => check::run(),
        Command::Ci => ci(),
        Command::Chaos(chaos) => chaos::run(&chaos),
        Command::Scaling => scaling::run(),
        Command::Screenshots => screenshots::run(),
        Command::ThrowawayPostgres { programs } => throwaway::keep(&programs),
    }
}

/// The tests run even when a check failed, so that one run shows everything that is wrong.
fn ci() -> ExitCode {
    let checks = check::run();
    let tests = test::run(Service::ALL, &[]);
    if tests == ExitCode::SUCCESS && checks != ExitCode::SUCCESS {
        eprintln!("The tests passed, the checks did not: see above.");
        return checks;
    }
    tests
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parsed(args: &[&str]) -> Result<Command, clap::Error> {
        Cli::try_parse_from(std::iter::once(&"xtask").chain(args)).map(|cli| cli.command)
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn required_services_come_as_one_list() {
        let Ok(Command::Test { require, .. }) = parsed(&["test", "--require", "postgres,redis"])
        else {
            panic!("a list of known services must parse");
        };
        assert_eq!(require, [Service::Postgres, Service::Redis]);
    }

    #[test]
    fn an_unknown_service_is_refused_and_the_known_ones_are_named() {
        let Err(error) = parsed(&["test", "--require", "postgres,mysql"]) else {
            panic!("mysql is no service of the tests");
        };
        let text = error.to_string();
        for part in ["mysql", "postgres", "rabbitmq", "redis", "chromium"] {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
    }

    #[test]
    fn everything_after_two_dashes_belongs_to_the_runner() {
        let Ok(Command::Test { runner_args, .. }) =
            parsed(&["test", "--", "-p", "vtiger", "--", "--exact"])
        else {
            panic!("runner arguments must parse");
        };
        assert_eq!(runner_args, ["-p", "vtiger", "--", "--exact"]);
    }
}
