//! `contact.apply`: an edit of a linked contact in the CRM, merged with the customer's row.
//!
//! The contact, the row and what was last agreed on are read as they are when the operation runs. What the CRM's side wins is
//! written to MicroBima's row, in one commit with what is agreed on from now on and the operation's completion; a row that
//! changed meanwhile is not overwritten. What MicroBima's side wins is left to the delivery of the customer, which this
//! enqueues: nothing is ever written to the CRM here.

pub mod back;
mod commit;
pub mod decide;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::civil::DateTime;
use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::{Claimed, Effects, Handled, Handler};
use serde_json::json;
use vtiger::{Client, Condition, Purpose, Query, Record, RecordId};

use super::customer::{Contact, Setting};
use super::mapping::contact_of;
use super::plan::CUSTOMER;
use super::sources::Values;
use crate::config::Mode;
use crate::crm::calls::CallLog;
use crate::crm::contact_fields::ContactFields;
use crate::crm::{CONTACTS, MapError};
use crate::delivery::merge::Newer;
use crate::delivery::{
    Deliverer, Shape, Trouble, nothing_to_do, report, says_missing, store_failed,
};
use crate::problem::Code;
use crate::store::conflicts::{self, Conflict};
use crate::store::customers::{self, Customer};
use crate::store::field_mapping::OnConflict;
use crate::store::link_merge::{self, MergeState};
use crate::store::links::Link;
use crate::store::{change_log, links};
use commit::{Commit, Refused};
use decide::{Decision, Situation};

/// So many times a row may move away under one attempt before the operation waits a moment.
const ROUNDS: usize = 4;
/// So many changes of a row are looked at to find out when a column was changed last.
const LATEST: u32 = 50;

/// Takes edits over from the CRM.
pub struct ApplyHandler {
    deliverer: Deliverer,
    setting: Setting,
}

/// What the store says about a customer, read together.
struct Known {
    link: Link,
    state: MergeState,
    conflicts: Vec<Conflict>,
    /// When a source was changed last, as far as anybody wrote it down.
    changed_at: BTreeMap<String, Ts>,
}

/// An attempt that ended before anything was decided.
type Ended = Box<Handled>;

impl ApplyHandler {
    /// A handler that works through this CRM.
    pub fn new(deliverer: Deliverer, setting: Setting) -> Self {
        ApplyHandler { deliverer, setting }
    }
}

#[async_trait]
impl Handler for ApplyHandler {
    async fn run(&self, operation: &Claimed) -> Handled {
        let attempt = Attempt {
            handler: self,
            operation,
            calls: CallLog::new(self.deliverer.crm.breaker.clone()),
        };
        let handled = attempt.run().await.unwrap_or_else(|ended| *ended);
        self.deliverer.crm.heed_quota();
        handled
    }
}

struct Attempt<'a> {
    handler: &'a ApplyHandler,
    operation: &'a Claimed,
    calls: Arc<CallLog>,
}

impl Attempt<'_> {
    fn customer(&self) -> &str {
        &self.operation.entity_id
    }

    fn deliverer(&self) -> &Deliverer {
        &self.handler.deliverer
    }

    fn store_failed(&self, error: &DbError) -> Ended {
        Box::new(store_failed(
            (CUSTOMER, self.customer()),
            error,
            &self.calls,
        ))
    }

    fn trouble(&self, trouble: Trouble) -> Ended {
        Box::new(trouble.into_handled((CUSTOMER, self.customer()), &self.calls))
    }

    async fn run(&self) -> Result<Handled, Ended> {
        let client = self.deliverer().client(self.operation, &self.calls);
        let mut record: Option<(RecordId, Record)> = None;
        let mut taken = BTreeSet::new();
        for _ in 0..ROUNDS {
            let Some(known) = self.known().await? else {
                return Ok(self.withdrawn());
            };
            let linked = known.link.vtiger_id.as_deref();
            let Some(id) = linked.and_then(|id| id.parse::<RecordId>().ok()) else {
                return Ok(nothing_to_do("the customer has no contact", &self.calls));
            };
            if record.as_ref().is_none_or(|(read, _)| *read != id) {
                match self.read(&client, &id).await? {
                    Some(found) => record = Some((id.clone(), found)),
                    None => return Ok(self.gone(&id)),
                }
            }
            let Some((_, record)) = &record else { continue };
            let Some((row, fields, shape)) = self.shape(&client).await? else {
                return Ok(self.withdrawn());
            };
            let decision = self.decide(&known, &row, &fields, &shape, record, &taken);
            if self.deliverer().mode == Mode::Shadow {
                return Ok(self.shadowed(&id, &decision));
            }
            let commit = Commit {
                attempt: self,
                record: &id,
                decision,
            };
            match commit.run().await {
                Ok(done) => return Ok(done),
                Err(Refused::Moved) => {}
                Err(Refused::Taken(columns)) => taken.extend(columns),
                Err(Refused::Ended(ended)) => return Err(ended),
            }
        }
        let message = "the customer's row changed again and again meanwhile".to_owned();
        Err(self.trouble(Trouble::later(Code::Contradiction, message)))
    }

    /// What the store says now; `None` when the customer is gone or must not be in the CRM.
    async fn known(&self) -> Result<Option<Known>, Ended> {
        let load = async {
            let mut conn = self.deliverer().db.read().await?;
            Known::load(&mut conn, self.customer()).await
        };
        load.await.map_err(|error| self.store_failed(&error))
    }

    /// The contact; `None` when it is gone. That is believed only when a second, differently shaped question agrees.
    async fn read(&self, client: &Client, id: &RecordId) -> Result<Option<Record>, Ended> {
        let call = |error| {
            let crm = &self.deliverer().crm;
            self.trouble(Trouble::of_call(crm, CONTACTS, &error))
        };
        match client.retrieve(id).await {
            Ok(record) => return Ok(Some(record)),
            Err(error) if says_missing(&error) => {}
            Err(error) => return Err(call(error)),
        }
        let same = Query::select(CONTACTS).filter(Condition::eq("id", id));
        match client.count(&same).await.map_err(call)? {
            0 => Ok(None),
            _ => Err(self.trouble(Trouble::later(
                Code::Contradiction,
                "vTiger counts the contact but does not show it; asked again in a moment"
                    .to_owned(),
            ))),
        }
    }

    /// The row, and what the contact should hold by it: of one reading, so that a decision about one is about the other.
    async fn shape(
        &self,
        client: &Client,
    ) -> Result<Option<(Customer, ContactFields, Shape)>, Ended> {
        let crm = &self.deliverer().crm;
        let made = async {
            let mut conn = self.deliverer().db.read().await?;
            let fields = crm.contact_fields(client, &mut conn).await?;
            let contact = Contact::load(&mut conn, self.customer(), &self.handler.setting).await?;
            let Some(row) = contact.customer().cloned() else {
                return Ok(None);
            };
            let defaults = &crm.settings.contact_defaults;
            let shape = contact
                .shape_of(fields.clone(), defaults, &mut conn)
                .await?;
            Ok(Some((row, fields, shape)))
        };
        made.await.map_err(|error| match error {
            MapError::Call(error) => self.trouble(Trouble::of_call(crm, CONTACTS, &error)),
            MapError::Db(error) => self.store_failed(&error),
        })
    }

    fn decide(
        &self,
        known: &Known,
        row: &Customer,
        fields: &ContactFields,
        shape: &Shape,
        record: &Record,
        taken: &BTreeSet<String>,
    ) -> Decision {
        let zone = &self.handler.setting.zone;
        let stored = |row: &Customer| {
            let mapped = contact_of(&Values::of(row, None), fields, zone);
            shape.module.adapt(&mapped.element, Purpose::Create).stored
        };
        let adapted = shape.module.adapt(&shape.wanted, Purpose::Create);
        let theirs = self.time_of(record);
        let newer = |source: &str| newer(known.changed_at.get(source).copied(), theirs);
        let situation = Situation {
            row,
            fields,
            ours: &adapted.stored,
            theirs: &record.fields,
            base: &known.link.snapshot,
            in_flight: &known.link.in_flight,
            overruled: &known.state.overruled,
            conflicts: &known.conflicts,
            taken,
            newer: &newer,
        };
        let mut decision = decide::decide(&situation, stored);
        decision
            .snapshot
            .retain(|name, _| shape.names.contains(name));
        let told = shape.unsent.iter().cloned();
        let adapted = adapted.warnings.iter().map(ToString::to_string);
        decision.warnings.extend(told.chain(adapted));
        decision
    }

    /// When the contact was changed last, by the CRM's clock and in its zone.
    fn time_of(&self, record: &Record) -> Option<Ts> {
        let text = record.get("modifiedtime")?.replace(' ', "T");
        let time: DateTime = text.parse().ok()?;
        let zone = self.deliverer().crm.settings.time_zone.clone();
        Some(Ts::from(time.to_zoned(zone).ok()?.timestamp()))
    }

    /// The contact is gone. Nothing is deleted in MicroBima for that; a person is told.
    fn gone(&self, id: &RecordId) -> Handled {
        let message = format!(
            "The linked contact {id} is gone from vTiger, or its user may not see it. Restore it from the recycle bin, or give the right; the customer stays as it is"
        );
        let outcome = json!({ "result": "gone", "vtigerId": id });
        let customer = Arc::new((self.customer().to_owned(), message));
        let live = self.deliverer().mode == Mode::Live;
        let effects = Effects::new(move |conn: &mut Conn| {
            let customer = customer.clone();
            Box::pin(async move {
                let (id, message) = customer.as_ref();
                let (now, code) = (Ts::now(), Code::LinkedRecordMissing.as_str());
                link_merge::set_gone(conn, CUSTOMER, id, code, message, now).await?;
                Ok(())
            })
        });
        Handled::Done {
            outcome,
            report: report(&self.calls, "gone"),
            effects: live.then_some(effects),
        }
    }

    /// There is no customer to whom anything could be written; the contact is marked by another operation.
    fn withdrawn(&self) -> Handled {
        let customer = Arc::new(self.customer().to_owned());
        let effects = Effects::new(move |conn: &mut Conn| {
            let customer = customer.clone();
            Box::pin(async move {
                conflicts::settle(conn, &customer, &[], &[], None, Ts::now()).await?;
                Ok(())
            })
        });
        let why = "the customer is gone, or a test customer: the contact is kept as it is";
        Handled::Done {
            outcome: json!({ "result": "nothing to do", "why": why }),
            report: report(&self.calls, "done"),
            effects: (self.deliverer().mode == Mode::Live).then_some(effects),
        }
    }

    fn shadowed(&self, id: &RecordId, decision: &Decision) -> Handled {
        let outcome = json!({
            "result": "shadow",
            "would": "apply",
            "vtigerId": id,
            "toMicrobima": decision.edits.iter().map(|edit| edit.column).collect::<Vec<_>>(),
            "toVtiger": decision.sent,
            "conflicts": decision.conflicts.iter().map(|found| &found.source).collect::<Vec<_>>(),
        });
        Handled::Done {
            outcome,
            report: report(&self.calls, "shadow"),
            effects: None,
        }
    }
}

/// By the clocks of both sides. The CRM's has steps of a second, and within one nobody can tell.
fn newer(ours: Option<Ts>, theirs: Option<Ts>) -> Newer {
    let second = |at: Ts| at.timestamp().as_second();
    match (ours.map(second), theirs.map(second)) {
        (Some(ours), Some(theirs)) if ours > theirs => Newer::Ours,
        (Some(ours), Some(theirs)) if ours < theirs => Newer::Theirs,
        _ => Newer::Unclear,
    }
}

impl Known {
    async fn load(conn: &mut Conn, customer: &str) -> Result<Option<Self>, DbError> {
        let row = customers::get(conn, customer).await?;
        let Some(row) = row.filter(|row| !row.is_test_user) else {
            return Ok(None);
        };
        let asked = crate::store::field_mapping::active(conn, CONTACTS)
            .await?
            .iter()
            .any(|mapping| mapping.on_conflict == OnConflict::Newest);
        let mut changed_at = BTreeMap::new();
        if asked {
            let latest = change_log::latest_of(conn, "customers", customer, LATEST).await?;
            for source in crate::store::customer_edits::WRITABLE {
                let last = latest.iter().find(|(change, _)| change.differs(source));
                let at = last.map_or(row.updated_at, |(_, at)| *at);
                changed_at.insert(source.to_owned(), at);
            }
        }
        Ok(Some(Known {
            link: links::get(conn, CUSTOMER, customer)
                .await?
                .unwrap_or_default(),
            state: link_merge::state(conn, CUSTOMER, customer).await?,
            conflicts: conflicts::unresolved(conn, customer).await?,
            changed_at,
        }))
    }
}
