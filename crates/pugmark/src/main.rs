//! The `pugmark` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    pugmark::cli::main()
}
