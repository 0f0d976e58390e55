//! How an executed call of `webservice.php` looks on the wire.

use serde_json::{Value, json};

use super::failure::{Answer, Failure, RESTRICTED};
use super::release::Release;
use crate::journal::Outcome;
use crate::wire::{PHP_HTML, Reply, php_json};

const JSON: &str = "application/json";

/// The path of the web service.
pub(super) const PATH: &str = "/webservice.php";

/// Writes an answer as PHP does.
pub(super) fn reply(release: Release, answer: &Answer) -> Reply {
    match answer {
        Ok(result) => Reply::new(200, JSON, success(release, result)),
        Err(Failure::Refused { code, message }) => Reply::new(200, JSON, failure(code, message)),
        Err(Failure::Fatal) => Reply::fatal(),
        Err(Failure::Restricted) => Reply::new(200, PHP_HTML, RESTRICTED.to_owned()),
        Err(Failure::Noise(line)) => Reply::new(200, JSON, format!("{line}{}", unknown_error())),
    }
}

/// How an answer counts in the journal.
pub(super) fn outcome(answer: &Answer) -> Outcome {
    match answer {
        Ok(_) => Outcome::Done,
        Err(Failure::Refused { code, .. }) => Outcome::Refused(
            code.as_str()
                .map_or_else(|| code.to_string(), str::to_owned),
        ),
        Err(Failure::Fatal | Failure::Restricted) => Outcome::Fatal,
        Err(Failure::Noise(_)) => Outcome::Refused("INTERNAL_SERVER_ERROR".to_owned()),
    }
}

/// `success:true` with this result.
pub(super) fn success(release: Release, result: &Value) -> String {
    release.json(&json!({ "success": true, "result": result }))
}

/// The error for an exception nobody foresaw.
pub(super) fn unknown_error() -> String {
    failure(
        &json!("INTERNAL_SERVER_ERROR"),
        "Unknown Error while processing request",
    )
}

fn failure(code: &Value, message: &str) -> String {
    php_json(&json!({ "success": false, "error": { "message": message, "code": code } }))
}
