//! What a delivery leads to: a job for the lead, or nothing.

use pugmark_queue::QueueError;
use pugmark_queue::db::Conn;
use uuid::Uuid;

use super::arrived::Means;
use super::masking;
use super::reading::{Said, Verdict};
use crate::flows::onboarding::known::Known;
use crate::flows::onboarding::request::{NewRequest, Outcome, Requested, request};
use crate::http::webhooks::effect::BY;
use crate::store::webhook_deliveries::Became;

/// What is told of a job that a person cancelled.
pub(super) const CANCELLED: &str =
    "a person cancelled the job of this lead; it goes on only when a person has it tried again";

/// What a delivery became, and the lead's job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// As it is kept.
    pub became: Became,
    /// The lead's job, for a delivery that calls for one.
    pub job: Option<Uuid>,
    /// Whether a job began, or began anew.
    pub is_news: bool,
}

/// Does what a delivery calls for, in the caller's transaction.
///
/// # Errors
/// Whatever the database says.
pub async fn plan(
    conn: &mut Conn,
    means: &Means,
    said: &Result<Said, String>,
    correlation_id: &str,
) -> Result<Effect, QueueError> {
    let said = match said {
        Ok(said) => said,
        Err(why) => return Ok(Effect::without_job(Became::unusable(why))),
    };
    let lead = match said.verdict(&means.onboarding) {
        Verdict::Wanted(lead) => lead,
        Verdict::Ignored(why) => {
            return Ok(Effect::without_job(became(said, "IGNORED", Some(why))));
        }
        Verdict::Unusable(why) => {
            return Ok(Effect::without_job(became(said, "UNUSABLE", Some(why))));
        }
    };
    let new = request_of(said, lead, correlation_id);
    let requested = request(conn, &means.queue, means.sealer.as_deref(), &new).await?;
    Ok(Effect::of(said, &requested))
}

/// What a delivery asks for that wants this lead set up.
pub(super) fn request_of(said: &Said, lead: String, correlation_id: &str) -> NewRequest {
    NewRequest {
        lead,
        known: Known {
            received: said.values.clone(),
            ..Known::default()
        },
        by: BY.to_owned(),
        by_person: false,
        correlation_id: correlation_id.to_owned(),
    }
}

impl Effect {
    fn without_job(became: Became) -> Self {
        Effect {
            became,
            job: None,
            is_news: false,
        }
    }

    pub(super) fn of(said: &Said, requested: &Requested) -> Self {
        let (status, reason) = match requested.outcome {
            Outcome::Started | Outcome::TriedAgain => ("ACCEPTED", None),
            Outcome::Active => ("ACCEPTED", Some("the lead's job is under way already")),
            Outcome::Done => (
                "ACCEPTED",
                Some("the lead is set up already; nothing is repeated"),
            ),
            Outcome::Cancelled => ("IGNORED", Some(CANCELLED)),
        };
        Effect {
            became: Became {
                operation_id: requested.operation_id.filter(|_| status == "ACCEPTED"),
                ..became(said, status, reason)
            },
            job: Some(requested.job_id),
            is_news: matches!(requested.outcome, Outcome::Started | Outcome::TriedAgain),
        }
    }
}

fn became(said: &Said, status: &'static str, reason: Option<&str>) -> Became {
    // Bank data can stand in any place, also in a wrong one.
    let kept = |text: &String| -> String {
        let shown = masking::plain(text);
        let shown = shown.chars().filter(|letter| !letter.is_control());
        shown.take(100).collect()
    };
    Became {
        status,
        reason: reason.map(str::to_owned),
        event: said.event.as_ref().map(kept),
        module: said.module.as_ref().map(kept),
        record_id: said.record.as_ref().map(kept),
        operation_id: None,
    }
}
