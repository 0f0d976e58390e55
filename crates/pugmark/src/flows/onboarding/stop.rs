//! How an attempt ends, and what the queue and the job are told of it.

use std::sync::Arc;

use pugmark_queue::db::{Conn, DbError};
use pugmark_queue::{Claimed, Effects, Handled, NotBefore, Queue, QueueError, Release};
use serde_json::{Value, json};
use uuid::Uuid;

use super::check::Faults;
use crate::crm::calls::CallLog;
use crate::delivery::{Trouble, report};
use crate::problem::Code;
use crate::store::sync_jobs;

/// Why an attempt is not done.
pub(super) enum Stop {
    /// The job has ended, or somebody else carries it out: nothing is left to do here.
    Over(String),
    /// The job ends without having been begun; nobody needs to look at it.
    CalledOff(Code, String),
    /// In shadow mode: what would have been done.
    Shadow(String),
    /// A person has to do something: what is wrong, by field.
    Failed(Code, String, Faults),
    /// It goes on by itself.
    Wait(Trouble),
    /// Another attempt holds the lease.
    LeaseLost,
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        if trouble.failed {
            Stop::Failed(trouble.code, trouble.message, Faults::new())
        } else {
            Stop::Wait(trouble)
        }
    }
}

impl From<DbError> for Stop {
    fn from(error: DbError) -> Self {
        let message = format!("the store did not answer: {error}");
        Stop::Wait(Trouble::later(Code::StoreUnavailable, message))
    }
}

impl From<QueueError> for Stop {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Db(error) => error.into(),
            _ => Stop::LeaseLost,
        }
    }
}

/// A write of unknown outcome, looked for again at `not_before` at the earliest.
pub(super) fn unclear(message: String, not_before: Option<NotBefore>) -> Stop {
    let code = Code::MaxioUnclear;
    Stop::Wait(Trouble {
        release: Release::Unknown {
            not_before,
            code: code.to_string(),
            message: message.clone(),
        },
        code,
        message,
        failed: false,
    })
}

/// Nothing was done; what was begun earlier may still arrive until then.
pub(super) fn settling(what: &str, until: pugmark_queue::db::Ts) -> Stop {
    let code = Code::MaxioUnclear;
    let message = format!(
        "An earlier call that was to make the {what} may still arrive in Maxio; that is waited out until {until}"
    );
    Stop::Wait(Trouble {
        release: Release::Later {
            not_before: NotBefore::At(until),
            code: code.to_string(),
            message: message.clone(),
        },
        code,
        message,
        failed: false,
    })
}

/// What the queue stores of an attempt at a job, and with it the job.
pub(super) fn handled(
    queue: &Queue,
    operation: &Claimed,
    job: Option<Uuid>,
    ended: Result<Value, Stop>,
    calls: &CallLog,
) -> Handled {
    let stop = match ended {
        Ok(outcome) => {
            return Handled::Done {
                outcome,
                report: report(calls, "done"),
                effects: None,
            };
        }
        Err(stop) => stop,
    };
    match stop {
        Stop::Over(why) => Handled::Done {
            outcome: json!({ "result": "nothing to do", "why": why }),
            report: report(calls, "done"),
            effects: None,
        },
        Stop::CalledOff(code, message) => Handled::Done {
            outcome: json!({ "result": "called off", "code": code.as_str(), "why": message }),
            report: report(calls, code.as_str()),
            effects: failing(job, code, message, Faults::new()),
        },
        Stop::Shadow(would) => Handled::Done {
            outcome: json!({ "result": "shadow", "would": would }),
            report: report(calls, "shadow"),
            effects: failing(
                job,
                Code::JobInShadow,
                format!(
                    "Shadow mode: it would {would}. Nothing was written; retry the job in live mode"
                ),
                Faults::new(),
            ),
        },
        Stop::Failed(code, message, faults) => Handled::Release {
            why: Release::Refused {
                code: code.to_string(),
                message: message.clone(),
            },
            report: report(calls, code.as_str()),
            effects: failing(job, code, message, faults),
        },
        Stop::Wait(trouble) => waiting(queue, operation, job, trouble, calls),
        Stop::LeaseLost => Handled::Release {
            why: Release::HandBack,
            report: report(calls, "lease lost"),
            effects: None,
        },
    }
}

fn failing(job: Option<Uuid>, code: Code, message: String, faults: Faults) -> Option<Effects> {
    let (job, ended) = (job?, Arc::new((message, faults)));
    Some(Effects::new(move |conn: &mut Conn| {
        let ended = ended.clone();
        Box::pin(async move {
            let (message, faults) = ended.as_ref();
            let now = pugmark_queue::db::Ts::now();
            sync_jobs::set_failed(conn, job, code.as_str(), message, faults, now).await?;
            Ok(())
        })
    }))
}

/// The job says what it waits for; and that it waits no more, should the queue have given its operation up.
fn waiting(
    queue: &Queue,
    operation: &Claimed,
    job: Option<Uuid>,
    trouble: Trouble,
    calls: &CallLog,
) -> Handled {
    let code = trouble.code;
    let effects = job.map(|job| {
        let (queue, operation) = (queue.clone(), operation.id);
        let message = Arc::new(trouble.message);
        Effects::new(move |conn: &mut Conn| {
            let (queue, message) = (queue.clone(), message.clone());
            Box::pin(async move {
                let now = pugmark_queue::db::Ts::now();
                let found = queue.get_in(conn, operation).await?;
                let given_up = found.is_some_and(|found| found.current().dead_at.is_some());
                if given_up {
                    let none = Faults::new();
                    sync_jobs::set_failed(conn, job, code.as_str(), &message, &none, now).await?;
                } else {
                    sync_jobs::set_trouble(conn, job, code.as_str(), &message, now).await?;
                }
                Ok(())
            })
        })
    });
    Handled::Release {
        why: trouble.release,
        report: report(calls, code.as_str()),
        effects,
    }
}
