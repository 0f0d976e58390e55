//! How an attempt ends: what the queue stores, what the link says, and in which words.

use std::sync::Arc;
use std::time::Duration;

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::{AttemptReport, Claimed, Effects, Handled, NotBefore, Release};
use serde_json::{Value, json};
use vtiger::{CallError, RecordId, RefusalReason};

use super::conversation::{Ended, Known, WouldDo};
use super::{CustomerHandler, Task, Wanted};
use crate::crm::CONTACTS;
use crate::crm::calls::CallLog;
use crate::delivery::protocol::Verdict;
use crate::flows::insurance::plan::CUSTOMER;
use crate::problem::Code;
use crate::store::links::{self, Agreement};

/// How soon a question is asked again whose answers contradicted each other, or whose time ran out.
const SOON: Duration = Duration::from_secs(5);
/// How soon an installation is looked at again that cannot carry our reference.
const RECHECK: Duration = Duration::from_secs(60);

/// The row or its link could not be read: nothing was sent.
pub(super) fn store_failed(customer: &str, error: &DbError, calls: &CallLog) -> Handled {
    let trouble = match error {
        // A value that is no text, a label that cannot be read: the row has to be mended.
        DbError::Sql(_) => Trouble::refused(
            Code::RowUnreadable,
            format!("customers row {customer} cannot be read: {error}"),
        ),
        _ => Trouble::later(
            Code::StoreUnavailable,
            format!("the store did not answer: {error}"),
        ),
    };
    trouble.into_handled(customer, calls)
}

/// Turns the end of a conversation into what the queue stores.
pub(super) fn handled(
    handler: &CustomerHandler,
    operation: &Claimed,
    task: &Task,
    ended: Ended,
    calls: &Arc<CallLog>,
) -> Handled {
    match ended {
        Ended::Verdict(verdict, known) => on_verdict(handler, operation, task, verdict, known, calls),
        Ended::Shadow(would) => shadowed(&would, calls),
        Ended::NoReferenceField => Trouble {
            release: Release::Blocked {
                by: "the contact's reference field".to_owned(),
                // Before the description is asked for again, nothing can have changed.
                recheck_after: handler.crm.settings.describe_for.min(RECHECK),
            },
            code: Code::NoReferenceField,
            message: "vTiger's contacts have no field for the MicroBima customer id, so a contact that was created could \
                      never be found again. Make a text field of 36 characters or more labelled \"MicroBima Customer ID\" \
                      (Settings, Module Layouts, Contacts); it is noticed within minutes"
                .to_owned(),
            failed: false,
        }
        .into_handled(&task.id, calls),
        Ended::Call(error) => on_call_error(handler, &error).into_handled(&task.id, calls),
        Ended::Store(error) => store_failed(&task.id, &error, calls),
        // The queue will refuse this too; the attempt that holds the lease now reports.
        Ended::LeaseLost => Handled::Release { why: Release::HandBack, report: report(calls, "lease lost"), effects: None },
        Ended::LinkedElsewhere(record) => Trouble::refused(
            Code::LinkedElsewhere,
            format!("The contact {record} carries this customer's reference but is linked to another customer; correct the reference in vTiger"),
        )
        .into_handled(&task.id, calls),
    }
}

fn on_verdict(
    handler: &CustomerHandler,
    operation: &Claimed,
    task: &Task,
    verdict: Verdict<RecordId>,
    known: Known,
    calls: &Arc<CallLog>,
) -> Handled {
    match verdict {
        Verdict::InStep { linked, also } => in_step(task, linked, &also, known, calls),
        Verdict::Unknown { linked } => {
            let (code, what) = match &known.unclear {
                Some(error) => (error.code().to_owned(), error.to_string()),
                None => (String::new(), "the outcome of a write is unknown".to_owned()),
            };
            let message = format!("{what}. Pugmark looks in vTiger before it writes again");
            let trouble = Trouble {
                release: Release::Unknown { not_before: None, code: Code::OutcomeUnknown.to_string(), message: format!("{message} [{code}]") },
                code: Code::OutcomeUnknown,
                message,
                failed: false,
            };
            trouble.into_handled_with(&task.id, calls, linked.map(|id| (id, known)))
        }
        Verdict::WaitForSettle => {
            let until = operation.unknown_at.map(|at| at.after(handler.crm.settings.settle_window()));
            Trouble {
                release: later(until, Code::Settling),
                code: Code::Settling,
                message: "an earlier write may still arrive in vTiger; its window is waited out".to_owned(),
                failed: false,
            }
            .into_handled(&task.id, calls)
        }
        Verdict::Contradiction => Trouble::later(
            Code::Contradiction,
            "vTiger counts other records under this reference than it shows; asked again in a moment".to_owned(),
        )
        .into_handled(&task.id, calls),
        Verdict::LinkedRecordMissing(id) => Trouble::refused(
            Code::LinkedRecordMissing,
            format!("The linked contact {id} is gone from vTiger, or its user may not see it. Restore it from the recycle bin, or give the right, and retry"),
        )
        .into_handled(&task.id, calls),
    }
}

fn in_step(
    task: &Task,
    linked: Option<RecordId>,
    also: &[RecordId],
    mut known: Known,
    calls: &CallLog,
) -> Handled {
    for twin in also {
        known.warnings.push(format!(
            "A second contact {twin} carries the same reference and was edited by somebody; merge it by hand in vTiger"
        ));
    }
    let withdrawn = matches!(task.wanted, Wanted::Withdrawn(_));
    let result = match (&linked, known.created, known.written.is_empty()) {
        (None, _, _) => "nothing to do",
        (Some(_), true, _) => "created",
        (Some(_), false, true) => "unchanged",
        (Some(_), false, false) if withdrawn => "marked",
        (Some(_), false, false) => "updated",
    };
    if withdrawn && linked.is_some() && known.unmarkable {
        known
            .warnings
            .push("No status field is mapped, so the contact could not be marked".to_owned());
    }
    let outcome = json!({
        "result": result,
        "vtigerId": linked,
        "fields": known.written,
        "warnings": known.warnings,
        "also": also,
    });
    let agreement = Agreement {
        vtiger_id: linked.map(|id| id.to_string()),
        snapshot: known.snapshot,
        verified: known.verified,
        withdrawn,
        warnings: json!(known.warnings),
        row_hash: task.row_hash.clone(),
    };
    let customer = task.id.clone();
    let synced = Arc::new((customer, agreement));
    let effects = Effects::new(move |conn: &mut Conn| {
        let synced = synced.clone();
        Box::pin(async move {
            let (customer, agreement) = synced.as_ref();
            links::set_synced(conn, CUSTOMER, customer, CONTACTS, agreement, Ts::now()).await
        })
    });
    Handled::Done {
        outcome,
        report: report(calls, "done"),
        effects: Some(effects),
    }
}

fn shadowed(would: &WouldDo, calls: &CallLog) -> Handled {
    let outcome = json!({
        "result": "shadow",
        "would": would.action,
        "vtigerId": would.record,
        "fields": would.fields,
    });
    Handled::Done {
        outcome,
        report: report(calls, "shadow"),
        effects: None,
    }
}

/// What an answer that is not "done" means for the operation.
fn on_call_error(handler: &CustomerHandler, error: &CallError) -> Trouble {
    let message = error.to_string();
    match error {
        CallError::Refused(refusal) => match refusal.reason {
            // Nothing is wrong with the record: our key or right is. Everything waits and nothing is burnt.
            RefusalReason::Credentials => {
                handler.crm.breaker.refused();
                Trouble::unavailable(
                    Code::CrmCredentials,
                    format!("{message}. Check VTIGER_USERNAME and VTIGER_ACCESS_KEY"),
                )
            }
            RefusalReason::AccessDenied
            | RefusalReason::MissingOrForbidden
            | RefusalReason::UnknownModule => {
                handler.crm.breaker.refused();
                Trouble::unavailable(
                    Code::CrmRights,
                    format!(
                        "{message}. The CRM user needs the right to read, create and edit Contacts; `pugmark doctor` shows what is missing"
                    ),
                )
            }
            RefusalReason::Blocked => {
                handler.crm.breaker.failed();
                Trouble::unavailable(Code::CrmUnavailable, message)
            }
            _ => {
                let field = refusal
                    .field
                    .as_deref()
                    .map(|field| format!(" (field {field})"))
                    .unwrap_or_default();
                Trouble::refused(Code::CrmRefused, format!("{message}{field}"))
            }
        },
        CallError::Throttled { retry_after, .. } => {
            handler.crm.breaker.throttled(*retry_after);
            Trouble {
                release: Release::Throttled {
                    retry_after: *retry_after,
                    code: Code::CrmThrottled.to_string(),
                    message: message.clone(),
                },
                code: Code::CrmThrottled,
                message,
                failed: false,
            }
        }
        CallError::SessionLost(_) => Trouble {
            release: Release::SessionLost {
                code: Code::CrmSession.to_string(),
                message: message.clone(),
            },
            code: Code::CrmSession,
            message,
            failed: false,
        },
        CallError::Unavailable(_) | CallError::Unreadable(_) => {
            Trouble::unavailable(Code::CrmUnavailable, message)
        }
        CallError::NotSent(_) => Trouble::later(Code::LeaseTooShort, message),
        CallError::Unknown(_) => Trouble {
            release: Release::Unknown {
                not_before: None,
                code: Code::OutcomeUnknown.to_string(),
                message: message.clone(),
            },
            code: Code::OutcomeUnknown,
            message,
            failed: false,
        },
        CallError::Invalid(_) => Trouble::refused(Code::CrmRefused, message),
    }
}

/// An attempt that did not bring the record in step.
struct Trouble {
    release: Release,
    code: Code,
    message: String,
    /// Whether a person is needed.
    failed: bool,
}

impl Trouble {
    fn refused(code: Code, message: String) -> Self {
        let release = Release::Refused {
            code: code.to_string(),
            message: message.clone(),
        };
        Trouble {
            release,
            code,
            message,
            failed: true,
        }
    }

    fn unavailable(code: Code, message: String) -> Self {
        let release = Release::Unavailable {
            code: code.to_string(),
            message: message.clone(),
        };
        Trouble {
            release,
            code,
            message,
            failed: false,
        }
    }

    fn later(code: Code, message: String) -> Self {
        Trouble {
            release: later(None, code),
            code,
            message,
            failed: false,
        }
    }

    fn into_handled(self, customer: &str, calls: &CallLog) -> Handled {
        self.into_handled_with(customer, calls, None)
    }

    /// `adopted`: a record that is known to be ours by now and must not be forgotten.
    fn into_handled_with(
        self,
        customer: &str,
        calls: &CallLog,
        adopted: Option<(RecordId, Known)>,
    ) -> Handled {
        let classification = self.code.as_str();
        let stored = Arc::new((customer.to_owned(), self.message, adopted));
        let (code, failed) = (self.code, self.failed);
        let effects = Effects::new(move |conn: &mut Conn| {
            let stored = stored.clone();
            Box::pin(async move {
                let (customer, message, adopted) = stored.as_ref();
                let now = Ts::now();
                if let Some((id, known)) = adopted {
                    links::adopt(
                        conn,
                        CUSTOMER,
                        customer,
                        CONTACTS,
                        id.as_str(),
                        &known.snapshot,
                        now,
                    )
                    .await?;
                }
                links::set_trouble(
                    conn,
                    CUSTOMER,
                    customer,
                    failed,
                    code.as_str(),
                    message,
                    now,
                )
                .await
            })
        });
        Handled::Release {
            why: self.release,
            report: report(calls, classification),
            effects: Some(effects),
        }
    }
}

fn later(until: Option<Ts>, code: Code) -> Release {
    Release::Later {
        not_before: until.map_or(NotBefore::After(SOON), NotBefore::At),
        code: code.to_string(),
        message: code.meaning().to_owned(),
    }
}

fn report(calls: &CallLog, classification: &str) -> AttemptReport {
    AttemptReport {
        crm_calls: calls.count(),
        classification: classification.to_owned(),
        request: calls.requests(),
        answer: match calls.answers() {
            Value::Array(answers) if answers.is_empty() => Value::Null,
            answers => answers,
        },
    }
}
