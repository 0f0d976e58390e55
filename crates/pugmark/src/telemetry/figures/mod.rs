//! Figures of each flow (kind of operation): what became of its attempts by minute and hour, what waits, how fresh it is.
//!
//! The process that leads makes them of the attempts themselves ([`rolling`]), a minute at a time and again while the minute is
//! young; nothing is counted where operations are carried out. Pages read them ([`standing`]), and count by themselves only what is
//! few.

pub mod rolling;
pub mod standing;

use crate::problem::Code;

/// Whether an attempt that ended like this failed. Those that only had to wait, for a link, for time to settle or for their turn,
/// neither failed nor did anything.
pub fn failed(ended: &str, classification: &str) -> bool {
    match ended {
        "COMPLETED" => false,
        "EXPIRED" => true,
        _ => {
            !WAITED.contains(&classification)
                && !WAITED_FOR
                    .iter()
                    .any(|code| code.as_str() == classification)
        }
    }
}

/// How attempts are filed that had to wait through nobody's fault.
const WAITED: [&str; 5] = ["blocked", "handed_back", "later", "lease lost", "shadow"];
const WAITED_FOR: [Code; 6] = [
    Code::Settling,
    Code::LeaseTooShort,
    Code::Reserved,
    Code::HeldByBackfill,
    Code::NoContactYet,
    Code::LeadUndecided,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_for_something_has_not_failed() {
        assert!(!failed("COMPLETED", "done"));
        assert!(failed("EXPIRED", ""));
        assert!(failed("RELEASED", Code::CrmRefused.as_str()));
        assert!(failed("RELEASED", "unknown"));
        assert!(!failed("RELEASED", "blocked"));
        assert!(!failed("RELEASED", Code::Settling.as_str()));
    }
}
