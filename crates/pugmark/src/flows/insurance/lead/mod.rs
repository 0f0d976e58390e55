//! `lead.convert`: a contact that came out of a converted lead becomes a customer, linked to that very contact.
//!
//! What is to be done follows from the contact, our row and MicroBima's tables at the time, so that an attempt may be repeated:
//! a customer who is there under the contact's reference is never made a second time. Comments and tasks stay where they are.

pub mod draft;
mod making;
pub mod reservation;
mod still;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use pugmark_queue::db::{DbError, Ts};
use pugmark_queue::{Claimed, Effects, Handled, Handler, Queue, QueueError, Release};
use serde_json::{Value, json};
use vtiger::{CallError, Client, Condition, Filter, Query, Record, RecordId, RefusalReason};

use super::inbound::{LEAD, waits_for};
use super::plan::CUSTOMER;
use crate::config::{self, Insurance, Mode};
use crate::crm::calls::CallLog;
use crate::crm::contact_fields::ContactFields;
use crate::crm::{CONTACTS, LEADS};
use crate::delivery::{Deliverer, Trouble, report};
use crate::microbima::partner_api::Partner;
use crate::problem::Code;
use crate::store::alike;
use crate::store::customers::Customer;
use crate::store::field_mapping;
use crate::store::lead_conversions::{self, Conversion, Standstill, State};
use crate::store::{links, products};
use draft::{Known, draft};
use still::{TERMINATED, incomplete, is_converted, refused, same_document, taken};

/// How soon a conversion that waits for a person is looked at again all the same.
const LOOK_AGAIN: Duration = Duration::from_secs(3600);
/// How soon a setting is looked at again.
const SOON: Duration = Duration::from_secs(60);

/// Makes customers of converted leads.
pub struct LeadHandler {
    deliverer: Deliverer,
    insurance: Insurance,
    partner: Option<Partner>,
}

impl LeadHandler {
    /// A handler that works through this CRM.
    pub fn new(deliverer: Deliverer, insurance: Insurance) -> Self {
        let api = insurance.conversion.api.clone();
        let partner = api.and_then(|api| match Partner::new(api) {
            Ok(partner) => Some(partner),
            Err(error) => {
                tracing::error!(code = %Code::PartnerApiNotUsable, %error, "MicroBima's API cannot be used");
                None
            }
        });
        LeadHandler {
            deliverer,
            insurance,
            partner,
        }
    }
}

/// How an attempt ended that did not make a customer.
enum Stop {
    /// A person or another program has to do something first.
    Still(Standstill),
    /// It goes on by itself.
    Trouble(Trouble),
    /// Another attempt holds the lease.
    LeaseLost,
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        Stop::Trouble(trouble)
    }
}

impl From<DbError> for Stop {
    fn from(error: DbError) -> Self {
        let message = format!("the store did not answer: {error}");
        Stop::Trouble(Trouble::later(Code::StoreUnavailable, message))
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

#[async_trait]
impl Handler for LeadHandler {
    async fn run(&self, operation: &Claimed) -> Handled {
        let calls = CallLog::new(self.deliverer.crm.breaker.clone());
        let attempt = Attempt {
            handler: self,
            operation,
            client: self.deliverer.client(operation, &calls),
        };
        let ended = attempt.carry_out().await;
        self.deliverer.crm.heed_quota();
        match ended {
            Ok(outcome) => Handled::Done {
                outcome,
                report: report(&calls, "done"),
                effects: None,
            },
            Err(stop) => stopped(&self.deliverer.queue, &operation.entity_id, stop, &calls),
        }
    }
}

fn stopped(queue: &Queue, record: &str, stop: Stop, calls: &CallLog) -> Handled {
    match stop {
        Stop::LeaseLost => Handled::Release {
            why: Release::HandBack,
            report: report(calls, "lease lost"),
            effects: None,
        },
        Stop::Trouble(trouble) => {
            let noted = Arc::new((record.to_owned(), trouble.code.as_str(), trouble.message));
            let effects = Effects::new(move |conn| {
                let noted = noted.clone();
                Box::pin(async move {
                    let (record, code, message) = noted.as_ref();
                    Ok(
                        lead_conversions::set_trouble(conn, record, code, message, Ts::now())
                            .await?,
                    )
                })
            });
            Handled::Release {
                why: trouble.release,
                report: report(calls, trouble.code.as_str()),
                effects: Some(effects),
            }
        }
        Stop::Still(still) => stands_still(queue, record, still, calls),
    }
}

/// It waits for a person. Whoever waited for the reservation can go on.
fn stands_still(queue: &Queue, record: &str, still: Standstill, calls: &CallLog) -> Handled {
    let why = match still.state {
        State::Refused => Release::Refused {
            code: still.code.to_owned(),
            message: still.message.clone(),
        },
        _ => Release::Blocked {
            by: waits_for(record),
            recheck_after: LOOK_AGAIN,
        },
    };
    let report = report(calls, still.code);
    let noted = Arc::new((queue.clone(), record.to_owned(), still));
    let effects = Effects::new(move |conn| {
        let noted = noted.clone();
        Box::pin(async move {
            let (queue, record, still) = noted.as_ref();
            lead_conversions::set_still(conn, record, still, Ts::now()).await?;
            queue.unblock(conn, &reservation::key(record)).await?;
            Ok(())
        })
    });
    Handled::Release {
        why,
        report,
        effects: Some(effects),
    }
}

struct Attempt<'a> {
    handler: &'a LeadHandler,
    operation: &'a Claimed,
    client: Client,
}

impl Attempt<'_> {
    async fn carry_out(&self) -> Result<Value, Stop> {
        let settings = self.settings();
        let (conversion, linked) = {
            let mut conn = self.handler.deliverer.db.read().await?;
            let conversion = lead_conversions::get(&mut conn, self.record()).await?;
            let linked = links::of_record(&mut conn, CONTACTS, self.record()).await?;
            (conversion, linked)
        };
        let Some(conversion) = conversion else {
            return Ok(json!({ "result": "nothing to do", "why": "no conversion is known" }));
        };
        if let Some((CUSTOMER, customer)) = linked.as_ref().map(|(kind, id)| (kind.as_str(), id)) {
            self.finish(customer, &BTreeMap::new(), None).await?;
            return Ok(json!({ "result": "linked already", "customer": customer }));
        }
        if conversion.standing() == State::Done {
            return Ok(json!({ "result": "done before", "customer": conversion.customer_id }));
        }
        if !settings.enabled {
            let why = "conversion.enabled is false";
            return Err(blocked("conversion.enabled", why.to_owned()).into());
        }
        if self.operation.entity_type == LEAD {
            return Err(self.without_contact().await?);
        }
        let contact = self.contact().await?;
        is_converted(&conversion, &contact).map_err(Stop::Still)?;
        let fields = self.fields().await?;
        let given = conversion.given();
        let known = Known {
            contact: &contact,
            fields: &fields,
            given: &given,
        };
        if let Some(customer) = self.landed(&conversion).await? {
            let snapshot = known.snapshot();
            self.finish(&customer, &snapshot, None).await?;
            return Ok(json!({ "result": "found", "customer": customer }));
        }
        self.wait_for_late(&conversion)?;
        if let Some(customer) = &conversion.decided_id {
            return self.link_decided(customer, &known).await;
        }
        let today = Timestamp::now()
            .to_zoned(self.handler.insurance.zone.clone())
            .date();
        let draft = draft(&known, today, Ts::now()).map_err(|missing| {
            Stop::Still(incomplete(
                missing,
                "A customer needs more than the contact holds",
            ))
        })?;
        self.refuse_alike(&draft).await?;
        if self.handler.deliverer.mode == Mode::Shadow {
            return Ok(json!({ "result": "shadow", "would": "create a customer" }));
        }
        self.make(&conversion, &draft, known.snapshot()).await
    }

    fn record(&self) -> &str {
        &self.operation.entity_id
    }

    fn settings(&self) -> &config::Conversion {
        &self.handler.insurance.conversion
    }

    fn reference(&self) -> String {
        format!("{}{}", self.settings().reference_prefix, self.record())
    }

    fn correlation_id(&self) -> &str {
        self.operation
            .correlation_ids
            .first()
            .map_or("", String::as_str)
    }

    async fn contact(&self) -> Result<Record, Stop> {
        let gone = || {
            let message = format!(
                "The contact {} is gone from vTiger, or its user may not see it. Restore it from the recycle bin and retry",
                self.record()
            );
            Stop::Still(refused(Code::LeadContactGone, message))
        };
        let id: RecordId = self.record().parse().map_err(|_| gone())?;
        match self.client.retrieve(&id).await {
            Ok(contact) => {
                let module = self.describe().await?;
                if id.prefix() == module.id_prefix {
                    Ok(contact)
                } else {
                    let message = format!(
                        "{id} is no contact: contacts have ids like {}x5",
                        module.id_prefix
                    );
                    Err(Stop::Still(refused(Code::LeadContactGone, message)))
                }
            }
            Err(error) if says_missing(&error) => Err(gone()),
            Err(error) => Err(self.call_trouble(CONTACTS, &error)),
        }
    }

    async fn describe(&self) -> Result<Arc<vtiger::Module>, Stop> {
        let described = self.client.describe(CONTACTS).await;
        described.map_err(|error| self.call_trouble(CONTACTS, &error))
    }

    /// Every mapping that is used, whichever way it carries values: a new customer takes what the contact holds.
    async fn fields(&self) -> Result<ContactFields, Stop> {
        let mappings = {
            let mut conn = self.handler.deliverer.db.read().await?;
            field_mapping::list(&mut conn).await?
        };
        let mappings: Vec<_> = mappings
            .into_iter()
            .filter(|mapping| mapping.is_active && mapping.module == CONTACTS)
            .map(|mapping| mapping.field)
            .collect();
        Ok(ContactFields::resolve(self.describe().await?, &mappings))
    }

    fn call_trouble(&self, module: &str, error: &CallError) -> Stop {
        Trouble::of_call(&self.handler.deliverer.crm, module, error).into()
    }

    /// Why a conversion that names no contact comes to nothing.
    async fn without_contact(&self) -> Result<Stop, Stop> {
        let id: Result<RecordId, _> = self.record().parse();
        let still_a_lead = match id {
            Ok(id) => {
                let this = Filter::from(Condition::eq("id", id.as_str()));
                let query = Query::select(LEADS).fields(["id"]).filter(this).limit(1);
                match self.client.query(&query).await {
                    Ok(found) => !found.is_empty(),
                    Err(CallError::Refused(_)) => false,
                    Err(error) => return Err(self.call_trouble(LEADS, &error)),
                }
            }
            Err(_) => false,
        };
        let message = if still_a_lead {
            format!(
                "The lead {} is still a lead in vTiger: its conversion failed half-way or has not happened. Convert it (again), \
                 delete what was left behind, and retry",
                self.record()
            )
        } else {
            format!(
                "The conversion of the lead {} names no contact: in vTiger it became an organisation only, or failed half-way. \
                 Make the contact by hand and send its id, or discard this",
                self.record()
            )
        };
        Ok(Stop::Still(refused(Code::LeadWithoutContact, message)))
    }

    /// The customer whom MicroBima knows under the contact's reference: made by an attempt whose end nobody saw.
    async fn landed(&self, conversion: &Conversion) -> Result<Option<String>, Stop> {
        let reference = match &conversion.partner_reference {
            Some(reference) => reference.clone(),
            None => self.reference(),
        };
        let mut conn = self.handler.deliverer.db.read().await?;
        let found = alike::by_reference(&mut conn, self.settings().partner_id, &reference).await?;
        Ok(found.map(|customer| customer.id))
    }

    /// Nobody is made who looks like somebody there is.
    async fn refuse_alike(&self, draft: &Customer) -> Result<(), Stop> {
        let mut conn = self.handler.deliverer.db.read().await?;
        if let Some(same) = alike::by_document(&mut conn, &draft.id_type, &draft.id_number).await? {
            return Err(Stop::Still(same_document(&same)));
        }
        if let Some(email) = &draft.email
            && let Some(same) = alike::by_email(&mut conn, email).await?
        {
            let what = format!("customer {} has this e-mail", same.id);
            return Err(Stop::Still(taken("email", &what)));
        }
        let spellings = super::phone::spellings(&draft.phone_number);
        if let Some(same) = alike::by_phone(&mut conn, &spellings).await? {
            // Two people may share a phone under two spellings, but not with somebody who was terminated.
            let exact = alike::by_phone(&mut conn, &spellings[..1]).await?;
            if same.status == TERMINATED {
                let what = format!("the terminated customer {} has this phone", same.id);
                return Err(Stop::Still(taken("phoneNumber", &what)));
            }
            if let Some(exact) = exact {
                let what = format!("customer {} has this phone", exact.id);
                return Err(Stop::Still(taken("phoneNumber", &what)));
            }
        }
        Ok(())
    }

    async fn link_decided(&self, customer: &str, known: &Known<'_>) -> Result<Value, Stop> {
        let refresh = super::plan::refresh(customer, self.correlation_id(), "lead conversion");
        self.finish(customer, &known.snapshot(), Some(refresh))
            .await?;
        Ok(json!({ "result": "linked", "customer": customer }))
    }
}

/// A setting is missing or wrong.
fn blocked(setting: &str, what: String) -> Trouble {
    let key = format!("setting:{setting}");
    Trouble::blocked(key, SOON, Code::PartnerApiNotUsable, what)
}

/// vTiger answers alike for a record that was deleted, that never was, and that we may not see.
fn says_missing(error: &CallError) -> bool {
    matches!(
        error.reason(),
        Some(
            RefusalReason::MissingOrForbidden
                | RefusalReason::NotFound
                | RefusalReason::AccessDenied
                | RefusalReason::InvalidId
        )
    )
}

/// Whether partner and scheme of the settings are there.
async fn check_partner(
    conn: &mut pugmark_queue::db::Conn,
    settings: &config::Conversion,
) -> Result<(), Stop> {
    if !products::has_partner(conn, settings.partner_id).await? {
        let what = format!(
            "MicroBima has no partner {}; set conversion.partner_id",
            settings.partner_id
        );
        return Err(blocked("conversion.partner_id", what).into());
    }
    let scheme = settings.package_scheme_id;
    if scheme > 0 && !alike::has_scheme(conn, scheme).await? {
        let what =
            format!("MicroBima has no package scheme {scheme}; set conversion.package_scheme_id");
        return Err(blocked("conversion.package_scheme_id", what).into());
    }
    Ok(())
}
