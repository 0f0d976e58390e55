//! How an attempt ends: what the queue stores, what the link says, and in which words.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::{AttemptReport, Claimed, Effects, Handled, NotBefore, Queue, Release};
use serde_json::{Value, json};
use vtiger::{CallError, RecordId, RefusalReason};

use super::conversation::{Ended, Known, WouldDo};
use super::protocol::{Desired, Verdict};
use super::{Deliverer, Subject, Target, WhenGone, adopt};
use crate::crm::calls::CallLog;
use crate::crm::{CONTACTS, Crm};
use crate::problem::Code;
use crate::store::links::{self, Agreement};

/// How soon a question is asked again whose answers contradicted each other, or whose time ran out.
const SOON: Duration = Duration::from_secs(5);
/// How soon an installation is looked at again that cannot carry our reference.
const RECHECK: Duration = Duration::from_secs(60);

/// The row or its link could not be read: nothing was sent.
pub(super) fn store_failed(
    (entity_type, entity_id): (&'static str, &str),
    error: &DbError,
    calls: &CallLog,
) -> Handled {
    let trouble = match error {
        // A value that is no text, a label that cannot be read: the row has to be mended.
        DbError::Sql(_) => Trouble::refused(
            Code::RowUnreadable,
            format!(
                "the row of {} {entity_id} cannot be read: {error}",
                entity_type.to_lowercase()
            ),
        ),
        _ => Trouble::later(
            Code::StoreUnavailable,
            format!("the store did not answer: {error}"),
        ),
    };
    trouble.into_handled((entity_type, entity_id), calls)
}

/// Turns the end of a conversation into what the queue stores.
pub(super) fn handled(
    deliverer: &Deliverer,
    operation: &Claimed,
    subject: &dyn Subject,
    ended: Ended,
    calls: &Arc<CallLog>,
) -> Handled {
    let target = subject.target();
    match ended {
        Ended::Verdict(Verdict::LinkedRecordMissing(id), known)
            if subject.when_gone() == WhenGone::LeftAtThat =>
        {
            left_at_that(target, &id, known, calls)
        }
        Ended::Verdict(verdict, known) => {
            on_verdict(deliverer, operation, subject, verdict, known, calls)
        }
        Ended::Shadow(would) => shadowed(&would, calls),
        Ended::NoReferenceField => {
            no_reference_field(deliverer, target).into_handled(target.key(), calls)
        }
        Ended::Call(error) => Trouble::of_call(&deliverer.crm, target.module, &error)
            .into_handled(target.key(), calls),
        Ended::Store(error) => store_failed(target.key(), &error, calls),
        // The queue will refuse this too; the attempt that holds the lease now reports.
        Ended::LeaseLost => Handled::Release { why: Release::HandBack, report: report(calls, "lease lost"), effects: None },
        Ended::LinkedElsewhere(record) => Trouble::refused(
            Code::LinkedElsewhere,
            format!(
                "The {noun} {record} carries this {entity}'s reference but is linked to another {entity}; correct the reference in vTiger",
                noun = target.noun,
                entity = target.entity_type.to_lowercase(),
            ),
        )
        .into_handled(target.key(), calls),
    }
}

/// Nothing that was created could ever be found again.
fn no_reference_field(deliverer: &Deliverer, target: &Target) -> Trouble {
    let message = match target.module {
        CONTACTS => "vTiger's contacts have no field for the MicroBima customer id, so a contact that was created could \
                     never be found again. Make a text field of 36 characters or more labelled \"MicroBima Customer ID\" \
                     (Settings, Module Layouts, Contacts); it is noticed within minutes"
            .to_owned(),
        module => format!(
            "vTiger's {module} show no field that could carry our reference, so a {} that was created could never be found \
             again. Give the CRM user the right to all fields of {module}; it is noticed within minutes",
            target.noun
        ),
    };
    Trouble {
        release: Release::Blocked {
            by: format!("the {}'s reference field", target.noun),
            // Before the description is asked for again, nothing can have changed.
            recheck_after: deliverer.crm.settings.describe_for.min(RECHECK),
        },
        code: Code::NoReferenceField,
        message,
        failed: false,
    }
}

fn on_verdict(
    deliverer: &Deliverer,
    operation: &Claimed,
    subject: &dyn Subject,
    verdict: Verdict<RecordId>,
    known: Known,
    calls: &Arc<CallLog>,
) -> Handled {
    let target = subject.target();
    match verdict {
        Verdict::InStep { linked, also } => in_step(deliverer, subject, linked, &also, known, calls),
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
            let queue = deliverer.queue.clone();
            let adopted = linked.map(|record| Adopted { record, module: target.module, snapshot: known.snapshot, queue });
            trouble.into_handled_with(target.key(), calls, adopted)
        }
        Verdict::WaitForSettle => {
            let until = operation.unknown_at.map(|at| at.after(deliverer.crm.settings.settle_window()));
            Trouble {
                release: later(until, Code::Settling),
                code: Code::Settling,
                message: "an earlier write may still arrive in vTiger; its window is waited out".to_owned(),
                failed: false,
            }
            .into_handled(target.key(), calls)
        }
        Verdict::Contradiction => Trouble::later(
            Code::Contradiction,
            "vTiger counts other records under this reference than it shows; asked again in a moment".to_owned(),
        )
        .into_handled(target.key(), calls),
        Verdict::LinkedRecordMissing(id) => Trouble::refused(
            Code::LinkedRecordMissing,
            format!(
                "The linked {} {id} is gone from vTiger, or its user may not see it. Restore it from the recycle bin, or give the right, and retry",
                target.noun
            ),
        )
        .into_handled(target.key(), calls),
    }
}

fn in_step(
    deliverer: &Deliverer,
    subject: &dyn Subject,
    linked: Option<RecordId>,
    also: &[RecordId],
    mut known: Known,
    calls: &CallLog,
) -> Handled {
    let target = subject.target();
    let edit = known.edited.then(|| subject.take_edit_over()).flatten();
    for twin in also {
        known.warnings.push(format!(
            "A second {} {twin} carries the same reference and was edited by somebody; merge it by hand in vTiger",
            target.noun
        ));
    }
    let withdrawn = target.desired == Desired::Withdrawn;
    let result = match (&linked, known.created, known.written.is_empty()) {
        (None, _, _) => "nothing to do",
        (Some(_), true, _) => "created",
        (Some(_), false, true) => "unchanged",
        (Some(_), false, false) if withdrawn => "marked",
        (Some(_), false, false) => "updated",
    };
    if withdrawn && linked.is_some() && known.unmarkable {
        known.warnings.push(format!(
            "No status field is mapped, so the {} could not be marked",
            target.noun
        ));
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
        row_hash: target.row_hash.clone(),
    };
    // What waited for the record to be there can go on, or learns that it never will be.
    let decided = target.link.vtiger_id.is_none() && (agreement.vtiger_id.is_some() || withdrawn);
    let queue = deliverer.queue.clone();
    let synced = Arc::new((target.clone(), agreement, edit));
    let effects = Effects::new(move |conn: &mut Conn| {
        let (queue, synced) = (queue.clone(), synced.clone());
        Box::pin(async move {
            let (target, agreement, edit) = synced.as_ref();
            let (entity_type, entity_id) = target.key();
            let now = Ts::now();
            links::set_synced(conn, entity_type, entity_id, target.module, agreement, now).await?;
            if decided {
                queue.unblock(conn, &target.waited_for()).await?;
            }
            if let Some(edit) = edit {
                queue.enqueue(conn, edit.clone()).await?;
            }
            Ok(())
        })
    });
    Handled::Done {
        outcome,
        report: report(calls, "done"),
        effects: Some(effects),
    }
}

/// The record is gone, and that is for people to decide. The link keeps its id: nothing is created in its place.
fn left_at_that(target: &Target, id: &RecordId, known: Known, calls: &CallLog) -> Handled {
    let warnings = json!([format!(
        "The {} {id} is gone from vTiger, or its user may not see it; it is left at that",
        target.noun
    )]);
    let outcome = json!({ "result": "gone", "vtigerId": id, "warnings": warnings });
    let agreement = Agreement {
        vtiger_id: Some(id.to_string()),
        snapshot: known.snapshot,
        verified: false,
        withdrawn: true,
        warnings,
        row_hash: target.row_hash.clone(),
    };
    let left = Arc::new((target.clone(), agreement));
    let effects = Effects::new(move |conn: &mut Conn| {
        let left = left.clone();
        Box::pin(async move {
            let (target, agreement) = left.as_ref();
            let (entity_type, entity_id) = target.key();
            let now = Ts::now();
            links::set_synced(conn, entity_type, entity_id, target.module, agreement, now).await?;
            Ok(())
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
fn on_call_error(crm: &Crm, module: &str, error: &CallError) -> Trouble {
    let message = error.to_string();
    match error {
        CallError::Refused(refusal) => match refusal.reason {
            // Nothing is wrong with the record: our key or right is. Everything waits and nothing is burnt.
            RefusalReason::Credentials => {
                crm.breaker.refused();
                Trouble::unavailable(
                    Code::CrmCredentials,
                    format!("{message}. Check VTIGER_USERNAME and VTIGER_ACCESS_KEY"),
                )
            }
            RefusalReason::AccessDenied
            | RefusalReason::MissingOrForbidden
            | RefusalReason::UnknownModule => {
                crm.breaker.refused();
                Trouble::unavailable(
                    Code::CrmRights,
                    format!(
                        "{message}. The CRM user needs the right to read, create and edit {module}; `pugmark doctor` shows what is missing"
                    ),
                )
            }
            RefusalReason::Blocked => {
                crm.breaker.failed();
                Trouble::unavailable(Code::CrmUnavailable, message)
            }
            // A question that broke off inside vTiger. Ours are sound, so its own inside failed, its database for one.
            RefusalReason::BadInput => Trouble::unavailable(Code::CrmUnavailable, message),
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
            crm.breaker.throttled(*retry_after);
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
#[derive(Debug)]
pub struct Trouble {
    /// What the queue does with the operation.
    pub release: Release,
    /// The code that people see.
    pub code: Code,
    /// What happened and what to do, for people.
    pub message: String,
    /// Whether a person is needed.
    pub failed: bool,
}

/// A record that is known to be ours by now and must not be forgotten with the attempt.
struct Adopted {
    record: RecordId,
    module: &'static str,
    snapshot: BTreeMap<String, String>,
    queue: Queue,
}

impl Trouble {
    /// What an answer of the CRM that is not "done" means; tells the breaker. `module` is what was to be written.
    pub fn of_call(crm: &Crm, module: &str, error: &CallError) -> Self {
        on_call_error(crm, module, error)
    }

    /// Refused for good: a person is needed.
    pub fn refused(code: Code, message: String) -> Self {
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

    /// The other side cannot be used now; nothing was done.
    pub fn unavailable(code: Code, message: String) -> Self {
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

    /// Asked again in a moment, without burning a retry.
    pub fn later(code: Code, message: String) -> Self {
        Trouble {
            release: later(None, code),
            code,
            message,
            failed: false,
        }
    }

    /// It waits, without burning retries, until something is there: `by` is the key under which that is announced.
    pub fn blocked(by: String, recheck_after: Duration, code: Code, message: String) -> Self {
        Trouble {
            release: Release::Blocked { by, recheck_after },
            code,
            message,
            failed: false,
        }
    }

    /// What the queue stores; the reason is noted at the link of `key` (entity type and id), if there is one.
    pub fn into_handled(self, key: (&'static str, &str), calls: &CallLog) -> Handled {
        self.into_handled_with(key, calls, None)
    }

    fn into_handled_with(
        self,
        (entity_type, entity_id): (&'static str, &str),
        calls: &CallLog,
        adopted: Option<Adopted>,
    ) -> Handled {
        let classification = self.code.as_str();
        let stored = Arc::new((entity_id.to_owned(), self.message, adopted));
        let (code, failed) = (self.code.as_str(), self.failed);
        let effects = Effects::new(move |conn: &mut Conn| {
            let stored = stored.clone();
            Box::pin(async move {
                let (id, message, adopted) = stored.as_ref();
                let now = Ts::now();
                if let Some(ours) = adopted {
                    let record = (ours.module, ours.record.as_str());
                    adopt(conn, &ours.queue, (entity_type, id), record, &ours.snapshot).await?;
                }
                links::set_trouble(conn, entity_type, id, failed, code, message, now).await?;
                Ok(())
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

/// What the attempt said to the CRM and heard from it.
pub fn report(calls: &CallLog, classification: &str) -> AttemptReport {
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
