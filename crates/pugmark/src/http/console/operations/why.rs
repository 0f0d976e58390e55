//! Why an operation stands as it does, and why its next attempt is when it is. Pure.

use pugmark_queue::db::Ts;
use pugmark_queue::{KindPolicy, OperationRecord, Pause, Status, codes};

use crate::http::api::status::age;

/// What is to be known of an operation besides its row.
pub(super) struct Around<'a> {
    /// How failures of its kind are treated.
    pub(super) policy: &'a KindPolicy,
    /// Its kind is paused.
    pub(super) pause: Option<&'a Pause>,
    /// Why the system that it needs is being left alone just now.
    pub(super) left_alone: Option<&'a str>,
    /// By what clock.
    pub(super) now: Ts,
}

/// One or more sentences for people.
pub(super) fn why(record: &OperationRecord, around: &Around<'_>) -> Vec<String> {
    match record.status {
        Status::Completed => vec![finished(record)],
        Status::Processing => vec![running(record, around)],
        Status::Failed if record.dead_at.is_some() => dead(record),
        Status::Pending | Status::Failed => waiting(record, around),
    }
}

fn finished(record: &OperationRecord) -> String {
    if record.superseded_by.is_some() {
        return "It was merged into a newer operation on the same record, which does the work of both."
            .to_owned();
    }
    if record.error_code.as_deref() == Some(codes::DISCARDED) {
        return "A person decided that it is not to be carried out.".to_owned();
    }
    "It is done. Nothing more happens to it.".to_owned()
}

fn running(record: &OperationRecord, around: &Around<'_>) -> String {
    let worker = record.lease_owner.as_deref().unwrap_or("a worker");
    match record.lease_expires_at {
        Some(until) if until > around.now => format!(
            "`{worker}` is at it. Should it fall silent, another worker takes over in {}.",
            span(around.now, until)
        ),
        _ => format!("`{worker}` has fallen silent; another worker takes over at the next look."),
    }
}

fn dead(record: &OperationRecord) -> Vec<String> {
    if record.heir.is_some() {
        return vec![
            "It failed for good, and a newer operation on the same record took over its work."
                .to_owned(),
        ];
    }
    let why = match record.error_code.as_deref() {
        Some(codes::SECRET_EXPIRED) => {
            "The password it carried was kept as long as it may be and is erased; it needs a new one.".to_owned()
        }
        Some(code) if code.starts_with("GAVE_UP_") => {
            "What was in the way lasted longer than Pugmark waits for such a thing.".to_owned()
        }
        _ if record.max_retries > 0 && record.retry_count >= record.max_retries => {
            format!("All {} retries are used up.", record.max_retries)
        }
        _ => "It failed for a reason that trying again does not change.".to_owned(),
    };
    vec![
        why,
        "It is not tried again by itself: it waits for a person.".to_owned(),
    ]
}

fn waiting(record: &OperationRecord, around: &Around<'_>) -> Vec<String> {
    let mut said = Vec::new();
    if record.status == Status::Failed {
        said.push(failed(record, around));
    }
    if let Some(pause) = around.pause {
        said.push(format!(
            "Operations of this kind are paused by {} and are not begun until somebody resumes them.",
            pause.paused_by
        ));
    }
    if !record.head && record.blocked_by.is_none() {
        said.push(
            "Operations on one record run one at a time, in order: it waits until the one before it has ended."
                .to_owned(),
        );
        return said;
    }
    if let Some(key) = &record.blocked_by {
        said.push(format!(
            "It waits for `{key}` and goes on in the moment that is there; Pugmark looks again in {} in any case.",
            span(around.now, record.next_attempt_at)
        ));
        return said;
    }
    if record.next_attempt_at > around.now {
        let wait = span(around.now, record.next_attempt_at);
        said.push(match record.status {
            Status::Failed => format!("The next attempt is in {wait}."),
            _ if record.error_code.is_some() => {
                format!("It is given time until then, through nobody's fault: the next attempt is in {wait}.")
            }
            _ => format!("It was queued to begin later: in {wait}."),
        });
    } else if around.pause.is_none() {
        said.push(match around.left_alone {
            Some(why) => format!("It is due, and waits: {why}."),
            None => "It is due: the next free worker takes it.".to_owned(),
        });
    }
    said
}

/// How the last failure was treated.
fn failed(record: &OperationRecord, around: &Around<'_>) -> String {
    let policy = around.policy;
    if record.deferrals > 0 {
        let since = record.troubled_since.unwrap_or(record.updated_at);
        return format!(
            "The last attempt failed through no fault of the operation, which burns no retry. It has been so for {}; Pugmark \
             goes on trying for up to {}.",
            span(since, around.now),
            age(policy.max_age.as_secs())
        );
    }
    let failures = record.retry_count.unsigned_abs();
    let bound = policy.backoff_bound(failures.saturating_sub(1));
    format!(
        "Failure {failures} of {} that count. The wait grows with each one, and is drawn by lot so that what failed together \
         does not come back together: this time between nothing and {}.",
        record.max_retries,
        age(bound.as_secs())
    )
}

/// How long it is from one instant to another.
pub(super) fn span(from: Ts, to: Ts) -> String {
    age(to.since(from).as_secs())
}
