//! Telling the lead what came of it: the ids, and how things stand with the subscription.
//!
//! The record is read as it is now, only what differs is written, and what was written is read back. The same values written
//! twice are the values once, so after a write of unknown outcome it is enough to look.

use pugmark_queue::{NotBefore, Release};
use serde_json::{Value, json};
use vtiger::{CallError, Class, Element, Purpose};

use super::attempt::Attempt;
use super::check::Faults;
use super::fields;
use super::lead::{Found, Lead, Leads};
use super::stop::Stop;
use crate::crm::CONTACTS;
use crate::delivery::{Trouble, says_missing};
use crate::problem::Code;
use crate::store::maxio_debits;
use crate::store::sync_jobs::{Reached, Step};

/// What the lead is told: names of `[onboarding.write]` with their values.
#[derive(Debug, Clone, Default)]
pub(super) struct News {
    pub(super) values: Vec<(&'static str, String)>,
    /// Whether the lead's status is to say that everything is done.
    pub(super) done: bool,
}

/// What a record is to be written, and what of it cannot.
struct Message {
    element: Element,
    /// Fields whose values must be kept as they are written.
    ids: Vec<String>,
    warnings: Vec<String>,
}

impl Attempt<'_> {
    /// The last step: the lead carries the ids.
    pub(super) async fn tell(&mut self) -> Result<(), Stop> {
        let news = self.news(true).await?;
        self.write_news(&news, true).await?;
        self.reached(Step::LeadUpdated, Reached::default()).await
    }

    /// What there is to tell. Of the ids only where they are wanted.
    pub(super) async fn news(&self, with_ids: bool) -> Result<News, Stop> {
        let write = &self.tools.settings.write;
        let mut news = News {
            done: with_ids,
            ..News::default()
        };
        if with_ids {
            let ids = [
                ("customer_id", &self.job.maxio_customer_id),
                ("subscription_id", &self.job.maxio_subscription_id),
            ];
            news.values.extend(
                ids.into_iter()
                    .filter_map(|(name, id)| Some((name, id.clone()?))),
            );
        }
        let Some(id) = self.job.maxio_subscription_id.clone() else {
            return Ok(news);
        };
        if !write.subscription_state.trim().is_empty()
            && let Ok(id) = id.parse()
        {
            let id = &id;
            let subscription = self
                .read(|maxio| async move { maxio.subscription(id).await })
                .await?;
            let state = subscription.map_or("deleted".to_owned(), |one| one.state.to_string());
            news.values.push(("subscription_state", state));
        }
        if !write.direct_debit.trim().is_empty() {
            let mut conn = self.tools.deliverer.db.read().await?;
            if let Some(said) = maxio_debits::said(&mut conn, &id).await? {
                news.values.push(("direct_debit", said));
            }
        }
        Ok(news)
    }

    /// Writes what differs. `of_job`: it is a step of the job.
    pub(super) async fn write_news(&mut self, news: &News, of_job: bool) -> Result<Value, Stop> {
        let lead = self.record_to_tell().await?;
        let message = self.message(&lead, news)?;
        let changed = self.differing(&lead, &message)?;
        let outcome = |fields: Vec<&str>| json!({ "result": "told", "record": lead.record.id, "fields": fields, "warnings": message.warnings });
        if changed.is_empty() {
            return Ok(outcome(Vec::new()));
        }
        let names: Vec<&str> = changed.iter().map(|(name, _)| name).collect();
        self.not_in_shadow(format!("write {} to {}", names.join(", "), lead.record.id))?;
        if of_job {
            self.begin_step(Step::LeadUpdated, None).await?;
        }
        let client = self.crm()?;
        let adapted = lead.module.adapt(&changed, Purpose::Revise).element;
        match client.revise(&lead.record.id, &adapted).await {
            Ok(_) => {}
            // Read back below: the answer may have been lost, the values not.
            Err(error) if error.class() == Class::Unknown => {
                return match self.is_kept(&lead, &changed, &message).await {
                    Ok(()) => Ok(outcome(names)),
                    Err(Stop::Failed(..)) => Err(unclear(&error)),
                    Err(stop) => Err(stop),
                };
            }
            // It was converted or deleted this very moment.
            Err(error) if says_missing(&error) => {
                let message = format!("the lead was moved while it was being told: {error}");
                return Err(Stop::Wait(Trouble::later(Code::LeadGone, message)));
            }
            Err(error) => return Err(self.crm_trouble(&lead.module.name, &error)),
        }
        self.is_kept(&lead, &changed, &message).await?;
        Ok(outcome(names))
    }

    /// The lead, or the contact that came out of it.
    async fn record_to_tell(&self) -> Result<Lead, Stop> {
        let (leads, client) = (&self.tools.leads, self.crm()?);
        let failed = |error: CallError| self.crm_trouble(CONTACTS, &error);
        let modules = leads.modules(&client).await.map_err(failed)?;
        let id = Leads::id(self.lead(), &modules)
            .map_err(|fault| Stop::Failed(Code::LeadUnfit, fault, Faults::new()))?;
        let known = leads.values_known(&self.known).get("email");
        let found = leads.find(&client, &modules, &id, known.as_deref()).await;
        if let Found::There(lead) = found.map_err(failed)? {
            return Ok(lead);
        }
        // Maxio knows the address, too.
        let reference = self.lead();
        let customer = self
            .read(|maxio| async move { maxio.customer_by_reference(reference).await })
            .await?;
        let email = customer.and_then(|customer| customer.email);
        let found = leads.find(&client, &modules, &id, email.as_deref()).await;
        match found.map_err(failed)? {
            Found::There(lead) => Ok(lead),
            Found::Gone => Err(self.gone()),
        }
    }

    fn message(&self, lead: &Lead, news: &News) -> Result<Message, Stop> {
        let settings = &self.tools.settings;
        let mut message = Message {
            element: Element::new(),
            ids: Vec::new(),
            warnings: Vec::new(),
        };
        let mut missing = Vec::new();
        for (name, configured) in fields::told(&settings.write) {
            let value = news.values.iter().find(|(told, _)| *told == name);
            let (Some((_, value)), false) = (value, configured.trim().is_empty()) else {
                continue;
            };
            let is_id = name.ends_with("_id");
            match fields::field(&lead.module, configured) {
                Some(field) => {
                    message.element.set(&field.name, value.as_str());
                    if is_id {
                        message.ids.push(field.name.clone());
                    }
                }
                None if is_id => missing.push(configured.trim()),
                None => message.warnings.push(format!(
                    "vTiger's {} have no field named or labelled `{configured}` (onboarding.write.{name})",
                    lead.module.name
                )),
            }
        }
        if !missing.is_empty() {
            return Err(self.no_field(&lead.module.name, &missing));
        }
        // A status that somebody has changed meanwhile is left alone.
        let status = fields::status_field(&lead.module, settings.status_field.as_deref());
        let shown = self.tools.leads.status(lead);
        if let (true, Some(done), Some(field), Some(shown)) =
            (news.done, &settings.done, status, shown)
            && self.tools.leads.is_ready(&shown)
        {
            message.element.set(&field.name, done.as_str());
        }
        Ok(message)
    }

    /// The part of the message that the record does not hold yet.
    fn differing(&self, lead: &Lead, message: &Message) -> Result<Element, Stop> {
        let adapted = lead.module.adapt(&message.element, Purpose::Create);
        let mut changed = Element::new();
        for (name, value) in message.element.iter() {
            let Some(stored) = adapted.stored.get(name) else {
                if message.ids.iter().any(|id| id == name) {
                    return Err(not_kept(
                        name,
                        "it cannot be set through vTiger's web service",
                    ));
                }
                continue;
            };
            let held = lead.record.get(name).unwrap_or_default();
            let same = lead
                .module
                .field(name)
                .is_some_and(|field| field.same_value(held, stored));
            if !same {
                changed.set(name, value.clone());
            }
        }
        Ok(changed)
    }

    /// Reads the record back: what vTiger answers to a write is not what it keeps.
    async fn is_kept(&self, lead: &Lead, changed: &Element, message: &Message) -> Result<(), Stop> {
        let read = self.crm()?.retrieve(&lead.record.id).await;
        let record = read.map_err(|error| self.crm_trouble(&lead.module.name, &error))?;
        for (name, value) in changed.iter() {
            let (wanted, held) = (value.as_text(), record.get(name).unwrap_or_default());
            let field = lead.module.field(name);
            let same = field.is_some_and(|field| field.same_value(held, &wanted));
            // Other fields may have been changed by a person or a workflow since.
            if !same && message.ids.iter().any(|id| id == name) {
                return Err(not_kept(
                    name,
                    &format!("it shows `{held}` after `{wanted}` was written"),
                ));
            }
        }
        Ok(())
    }
}

fn not_kept(field: &str, what: &str) -> Stop {
    Stop::Failed(
        Code::LeadNotTold,
        format!(
            "vTiger does not keep the id in the field {field}: {what}. Make it a text field that Pugmark's user may edit, or set \
             [onboarding.write] to another one, and retry the job"
        ),
        Faults::new(),
    )
}

fn unclear(error: &CallError) -> Stop {
    let message = format!("{error}. Pugmark looks at the lead before it writes again");
    Stop::Wait(Trouble {
        release: Release::Unknown {
            not_before: None::<NotBefore>,
            code: Code::OutcomeUnknown.to_string(),
            message: message.clone(),
        },
        code: Code::OutcomeUnknown,
        message,
        failed: false,
    })
}
