//! `lead.update`: writes a form to the client's record, by difference, and reads it back.
//!
//! An attempt always looks at the record first and writes only what differs, so that it may be repeated. After a write whose
//! outcome nobody knows, the window in which it may still arrive is waited out before anything is written again.

use std::sync::Arc;

use async_trait::async_trait;
use pugmark_queue::db::{DbError, Ts};
use pugmark_queue::{Claimed, Effects, Handled, Handler, NotBefore, Release};
use serde_json::{Value, json};
use uuid::Uuid;
use vtiger::{CallError, Client, Deadline, Record};

use super::Forms;
use super::answers::Answers;
use super::client::{Found, NotFound, Search};
use super::modules::Modules;
use super::writing::Plan;
use crate::config::{FieldKind, Mode, Section};
use crate::crm::CONTACTS;
use crate::crm::calls::{CallLog, NamesOnly};
use crate::delivery::{Deliverer, Trouble, report, says_missing};
use crate::problem::Code;
use crate::store::onboarding_forms::{self, Submission, Written};

/// How soon is looked again whether a setting is there or the mode has changed.
const SOON: std::time::Duration = std::time::Duration::from_secs(60);

/// Writes forms.
pub struct FormHandler {
    deliverer: Deliverer,
    forms: Arc<Forms>,
}

impl FormHandler {
    /// A handler that works through this CRM.
    pub fn new(deliverer: Deliverer, forms: Arc<Forms>) -> Self {
        FormHandler { deliverer, forms }
    }
}

#[async_trait]
impl Handler for FormHandler {
    async fn run(&self, operation: &Claimed) -> Handled {
        let calls = CallLog::new(self.deliverer.crm.breaker.clone());
        let attempt = Attempt {
            handler: self,
            operation,
            client: self.client(operation, &calls),
        };
        let ended = attempt.carry_out().await;
        self.deliverer.crm.heed_quota();
        let form = operation.entity_id.parse().unwrap_or_default();
        let ended_here = self.forms.ended.clone();
        match ended {
            Ok(Outcome::Nothing(why)) => Handled::Done {
                outcome: json!({ "result": "nothing to do", "why": why }),
                report: report(&calls, "done"),
                effects: None,
            },
            Ok(Outcome::Written(written, fields)) => Handled::Done {
                outcome: outcome(&written, &fields),
                report: report(&calls, "done"),
                effects: Some(then_tell(ended_here, move |conn| {
                    let written = written.clone();
                    Box::pin(async move {
                        onboarding_forms::set_written(conn, form, &written, Ts::now()).await
                    })
                })),
            },
            Err(trouble) => Handled::Release {
                report: report(&calls, trouble.code.as_str()),
                effects: Some(then_tell(ended_here, move |conn| {
                    let (failed, code) = (trouble.failed, trouble.code.as_str());
                    let message = trouble.message.clone();
                    Box::pin(async move {
                        onboarding_forms::set_trouble(conn, form, failed, code, &message, Ts::now())
                            .await
                    })
                })),
                why: trouble.release,
            },
        }
    }
}

impl FormHandler {
    /// Answers hold bank data, so of its calls only names are kept.
    fn client(&self, operation: &Claimed, calls: &Arc<CallLog>) -> Client {
        let client = self
            .deliverer
            .crm
            .client
            .clone()
            .with_observer(Arc::new(NamesOnly(calls.clone())))
            .until(Deadline::moving(operation.moving_deadline()));
        match operation.correlation_ids.first() {
            Some(id) => client.with_correlation_id(id),
            None => client,
        }
    }
}

/// How an attempt ended that is over.
enum Outcome {
    Nothing(&'static str),
    /// Names of the fields that were written.
    Written(Written, Vec<String>),
}

fn outcome(written: &Written, fields: &[String]) -> Value {
    json!({
        "result": if fields.is_empty() { "unchanged" } else { "updated" },
        "vtigerId": written.record_id,
        "fields": fields,
        "notSaved": written.not_saved,
        "changed": written.changed,
    })
}

/// The effect, and after its commit whoever waits is told.
fn then_tell<F>(ended: Arc<tokio::sync::Notify>, effect: F) -> Effects
where
    F: for<'c> Fn(
            &'c mut pugmark_queue::db::Conn,
        ) -> futures::future::BoxFuture<'c, Result<bool, DbError>>
        + Clone
        + Send
        + Sync
        + 'static,
{
    Effects::new(move |conn| {
        let (ended, effect) = (ended.clone(), effect.clone());
        Box::pin(async move {
            conn.after_commit(move || ended.notify_waiters());
            effect(conn).await?;
            Ok(())
        })
    })
}

struct Attempt<'a> {
    handler: &'a FormHandler,
    operation: &'a Claimed,
    client: Client,
}

impl Attempt<'_> {
    async fn carry_out(&self) -> Result<Outcome, Trouble> {
        let Some(form) = self.form().await? else {
            return Ok(Outcome::Nothing("the form is not there any more"));
        };
        if form.operation_id != Some(self.operation.id) {
            return Ok(Outcome::Nothing("another operation writes the form"));
        }
        if self.handler.deliverer.mode == Mode::Shadow {
            let why = "Pugmark runs in shadow mode and writes nothing; the form is kept and written when the mode is live";
            return Err(blocked("mode", Code::FormHeld, why));
        }
        let Some(answers) = self.answers(&form)? else {
            return Ok(Outcome::Nothing("every answer was written before"));
        };
        self.write(&form, &answers)
            .await
            .map_err(|trouble| without_bank_data(trouble, &self.handler.forms, &answers))
    }

    async fn form(&self) -> Result<Option<Submission>, Trouble> {
        let Ok(id) = self.operation.entity_id.parse::<Uuid>() else {
            return Ok(None);
        };
        let read = async {
            let mut conn = self.handler.deliverer.db.read().await?;
            onboarding_forms::get(&mut conn, id).await
        };
        read.await.map_err(|error| store_trouble(&error))
    }

    fn answers(&self, form: &Submission) -> Result<Option<Answers>, Trouble> {
        let Some(sealed) = &form.sealed_fields else {
            return Ok(None);
        };
        let Some(sealer) = &self.handler.forms.sealer else {
            let why = "PUGMARK_SEAL_KEY is not set, so the sealed form cannot be opened. Set it and start again; this goes on by itself";
            return Err(blocked("PUGMARK_SEAL_KEY", Code::FormUnreadable, why));
        };
        let id = pugmark_queue::OperationId(form.tracking_id);
        let opened = sealer.open(id, sealed).map_err(|error| {
            let why = format!(
                "The sealed form cannot be opened: {error}. Start Pugmark with the key it was sealed under and retry, or have the client send it again"
            );
            Trouble::refused(Code::FormUnreadable, why)
        })?;
        serde_json::from_slice(&opened).map(Some).map_err(|_| {
            let why =
                "The sealed form holds something else than answers; have the client send it again";
            Trouble::refused(Code::FormUnreadable, why.to_owned())
        })
    }

    async fn write(&self, form: &Submission, answers: &Answers) -> Result<Outcome, Trouble> {
        let modules = self.modules().await?;
        let Found { module, record } = self.find(form, answers, &modules).await?;
        let mut plan = Plan::of(&self.handler.forms.settings, &module, answers);
        let changed = plan.difference(&module, &record);
        if changed.is_empty() {
            return Ok(Outcome::Written(written(&record, plan), Vec::new()));
        }
        self.wait_for_late_writes()?;
        let fields = changed.iter().map(|(name, _)| name.to_owned()).collect();
        match self.client.revise(&record.id, &changed).await {
            Ok(_) => {}
            // Converted or deleted in this very moment: the next attempt looks where it went.
            Err(error) if says_missing(&error) => {
                let why = format!(
                    "The record {} went away while it was being written: {error}",
                    record.id
                );
                return Err(Trouble::later(Code::FormClientUnknown, why));
            }
            Err(error) => return Err(self.trouble(&module.name, &error)),
        }
        let after = self.client.retrieve(&record.id).await;
        let after = after.map_err(|error| self.trouble(&module.name, &error))?;
        plan.verify(&module, &record, &after);
        Ok(Outcome::Written(written(&record, plan), fields))
    }

    async fn modules(&self) -> Result<Modules, Trouble> {
        let keep = self.handler.deliverer.crm.settings.describe_for;
        let known = self.handler.forms.modules.get(&self.client, keep).await;
        known.map_err(|error| self.trouble(CONTACTS, &error))
    }

    async fn find(
        &self,
        form: &Submission,
        answers: &Answers,
        modules: &Modules,
    ) -> Result<Found, Trouble> {
        let search = Search {
            client: &self.client,
            db: &self.handler.deliverer.db,
            form: &self.handler.forms.settings,
            answers,
            modules,
        };
        search.find(&form.client_id).await.map_err(|why| match why {
            NotFound::Call(module, error) => self.trouble(module, &error),
            NotFound::Store(error) => store_trouble(&error),
            NotFound::Unknown(code, message) => Trouble::refused(code, message),
        })
    }

    /// What an earlier attempt sent may still arrive, and must not arrive after something newer.
    fn wait_for_late_writes(&self) -> Result<(), Trouble> {
        let deliverer = &self.handler.deliverer;
        if deliverer.settled(self.operation) {
            return Ok(());
        }
        let window = deliverer.crm.settings.settle_window();
        let until = self.operation.unknown_at.map(|at| at.after(window));
        let message = "an earlier write may still arrive in vTiger; its window is waited out";
        Err(Trouble {
            release: Release::Later {
                not_before: until.map_or(NotBefore::After(window), NotBefore::At),
                code: Code::Settling.to_string(),
                message: message.to_owned(),
            },
            code: Code::Settling,
            message: message.to_owned(),
            failed: false,
        })
    }

    fn trouble(&self, module: &str, error: &CallError) -> Trouble {
        Trouble::of_call(&self.handler.deliverer.crm, module, error)
    }
}

fn written(record: &Record, plan: Plan) -> Written {
    Written {
        record_id: record.id.to_string(),
        not_saved: plan.not_saved,
        changed: plan.changed,
    }
}

fn blocked(setting: &str, code: Code, why: &str) -> Trouble {
    Trouble::blocked(format!("setting:{setting}"), SOON, code, why.to_owned())
}

fn store_trouble(error: &DbError) -> Trouble {
    Trouble::later(
        Code::StoreUnavailable,
        format!("the store did not answer: {error}"),
    )
}

/// What vTiger says may repeat what it was sent.
fn without_bank_data(mut trouble: Trouble, forms: &Forms, answers: &Answers) -> Trouble {
    let secret = |name: &String| {
        let question = forms.settings.field(name);
        question.is_none_or(|field| field.kind == FieldKind::Iban || field.section == Section::Bank)
    };
    let secrets: Vec<&String> = answers
        .iter()
        .filter(|(name, answer)| secret(name) && answer.len() >= 4)
        .map(|(_, answer)| answer)
        .collect();
    let clean = |text: &mut String| {
        for secret in &secrets {
            if text.contains(secret.as_str()) {
                *text = text.replace(secret.as_str(), "***");
            }
        }
    };
    clean(&mut trouble.message);
    match &mut trouble.release {
        Release::Counted { message, .. }
        | Release::Refused { message, .. }
        | Release::Unavailable { message, .. }
        | Release::Throttled { message, .. }
        | Release::SessionLost { message, .. }
        | Release::Unknown { message, .. }
        | Release::Later { message, .. } => clean(message),
        Release::Blocked { .. } | Release::HandBack => {}
    }
    trouble
}
