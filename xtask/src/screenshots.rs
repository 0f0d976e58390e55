//! `cargo xtask screenshots`: the pictures of README and docs, taken by the tests' own browser over the demonstration's store.

use std::path::Path;
use std::process::ExitCode;

use crate::cargo::{cargo, exit_code_of, report};
use crate::failure::Failure;
use crate::search::find_one;
use crate::service::Service;

/// The test that goes through every page.
const TEST: &str = "every_page_is_pictured_over_the_store_of_the_demonstration";
/// Where it puts the pictures that are kept.
const KEEP: &str = "PUGMARK_PICTURES";

/// Takes the pictures; the exit code is that of the test.
pub(crate) fn run() -> ExitCode {
    match take() {
        Ok(code) => ExitCode::from(code),
        Err(failure) => report(&failure),
    }
}

fn take() -> Result<u8, Failure> {
    let chromium = find_one(Service::Chromium)?;
    if !chromium.unmet(&[Service::Chromium]).is_empty() {
        return Err(Failure::new(
            "there is no Chromium; install one, or name it in PUGMARK_TEST_CHROMIUM".to_owned(),
        ));
    }
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let mut command = cargo();
    command
        .args(["test", "--workspace", "--test", "it", TEST])
        .envs(chromium.environment())
        .env(KEEP, &docs);
    let code = exit_code_of(&mut command)?;
    if code == 0 {
        eprintln!(
            "The pictures of the docs are in docs/, those of every page in target/screenshots/."
        );
    }
    Ok(code)
}
