//! `customer.create`, `customer.update`, `customer.mark`: brings the contact of one customer to the state the row has now.
//!
//! All three kinds run the same way: what is to be done follows from the row, the link and what the CRM says at the time,
//! not from the kind.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::tz::TimeZone;
use pugmark_queue::db::{Conn, DbError};
use pugmark_queue::{Claimed, Handled, Handler, NewOperation, QueueError};
use uuid::Uuid;
use vtiger::{Client, Condition, Element, Filter};

use super::backfill::{UNDER_WAY, held_key};
use super::figures::FigureRules;
use super::inbound;
use super::lead::reservation::{self, Held};
use super::mapping::{Mapped, Withdrawal, contact_of, mark_of};
use super::plan::CUSTOMER;
use super::sources::Values;
use crate::config::Settings;
use crate::crm::calls::CallLog;
use crate::crm::contact_fields::ContactFields;
use crate::crm::{CONTACTS, Crm, MapError};
use crate::delivery::protocol::Desired;
use crate::delivery::{Deliverer, Shape, Subject, Target, Trouble, not_committed, store_failed};
use crate::problem::Code;
use crate::store::backfill::{self, Hold};
use crate::store::customers::{self, Customer};
use crate::store::links;

/// What the values of a contact need to know besides the store.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Where people find a customer, with `{id}` for the id, for the link that the contact carries.
    pub customer_url: Option<Arc<str>>,
    /// The zone in which people read points in time.
    pub zone: TimeZone,
    /// What is shown of payments.
    pub figures: FigureRules,
}

impl Setting {
    /// As the operator has set it.
    pub fn of(settings: &Settings) -> Self {
        Setting {
            customer_url: settings.server.customer_url.as_deref().map(Arc::from),
            zone: settings.insurance.zone.clone(),
            figures: FigureRules::of(&settings.insurance),
        }
    }
}

/// How soon a customer is looked at again who is held by the first sync; its end announces itself.
const RECHECK_HELD: Duration = Duration::from_secs(300);

/// Delivers the state of customers to the CRM.
pub struct CustomerHandler {
    deliverer: Deliverer,
    setting: Setting,
    /// The partner under whose name converted leads become customers.
    partner: i32,
}

impl CustomerHandler {
    /// A handler that works through this CRM.
    pub fn new(deliverer: Deliverer, setting: Setting, partner: i32) -> Self {
        CustomerHandler {
            deliverer,
            setting,
            partner,
        }
    }

    /// The customer's contact, or what it has to wait for: one who came out of a converted lead has a contact already.
    async fn load(&self, operation: &Claimed) -> Result<Loaded, QueueError> {
        let id = &operation.entity_id;
        let mut conn = self.deliverer.db.read().await?;
        let contact = Contact::load(&mut conn, id, &self.setting).await?;
        let Wanted::Present(customer) = &contact.wanted else {
            return Ok(Loaded::Contact(Box::new(contact)));
        };
        if contact.target.link.vtiger_id.is_some() {
            return Ok(Loaded::Contact(Box::new(contact)));
        }
        let (record, snapshot) = match reservation::held(&mut conn, customer, self.partner).await? {
            Held::No => return Ok(Loaded::Contact(Box::new(contact))),
            Held::Perhaps(record) => return Ok(Loaded::Reserved(record)),
            Held::Yes { record, snapshot } => (record, snapshot),
        };
        drop(conn);
        let (queue, lease) = (self.deliverer.queue.clone(), operation.lease.clone());
        let linked = id.clone();
        self.deliverer
            .db
            .write("link converted contact", move |conn| {
                Box::pin(async move {
                    queue.check_lease(conn, &lease).await?;
                    reservation::link(conn, &queue, &record, &linked, &snapshot).await
                })
            })
            .await?;
        let mut conn = self.deliverer.db.read().await?;
        let contact = Contact::load(&mut conn, id, &self.setting).await?;
        Ok(Loaded::Contact(Box::new(contact)))
    }
}

enum Loaded {
    Contact(Box<Contact>),
    /// A converted lead is just becoming a customer with the same document.
    Reserved(String),
}

/// How soon is looked again whether a customer is the one that a lead is becoming.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

#[async_trait]
impl Handler for CustomerHandler {
    async fn run(&self, operation: &Claimed) -> Handled {
        let calls = CallLog::new(self.deliverer.crm.breaker.clone());
        let id = &operation.entity_id;
        match self.load(operation).await {
            Ok(Loaded::Contact(contact)) => {
                let contact = contact.as_ref();
                match self.held(contact).await {
                    Ok(None) => self.deliverer.deliver(operation, contact, &calls).await,
                    Ok(Some(hold)) => held(id, hold).into_handled((CUSTOMER, id), &calls),
                    Err(error) => store_failed((CUSTOMER, id), &error, &calls),
                }
            }
            Ok(Loaded::Reserved(record)) => {
                let message = format!(
                    "The contact {record}, a converted lead, may be becoming this very customer; that is waited for"
                );
                let key = reservation::key(&record);
                Trouble::blocked(key, LOOK_AGAIN, Code::Reserved, message)
                    .into_handled((CUSTOMER, id), &calls)
            }
            Err(error) => not_committed((CUSTOMER, id), &error, &calls),
        }
    }
}

impl CustomerHandler {
    /// Whether no contact may be created now, because the first sync has not decided which one is the customer's.
    async fn held(&self, contact: &Contact) -> Result<Option<Hold>, DbError> {
        if contact.is_withdrawn() || contact.target.link.vtiger_id.is_some() {
            return Ok(None);
        }
        let mut conn = self.deliverer.db.read().await?;
        backfill::hold(&mut conn, &contact.target.entity_id).await
    }
}

fn held(customer: &str, hold: Hold) -> Trouble {
    let (by, message) = match hold {
        Hold::UnderWay => (
            UNDER_WAY.to_owned(),
            "The first sync is finding out which contact is the customer's; none is created meanwhile".to_owned(),
        ),
        Hold::Ambiguous => (
            held_key(customer),
            format!(
                "Which contact is the customer's is not certain. Put the customer's id into the reference field of the right one and run \
                 `pugmark backfill` again, or give the customer a contact of its own: pugmark backfill --release {customer}"
            ),
        ),
    };
    Trouble::blocked(by, RECHECK_HELD, Code::HeldByBackfill, message)
}

/// The contact of one customer.
pub struct Contact {
    target: Target,
    wanted: Wanted,
    /// The address at which people find the customer.
    page: Option<String>,
    setting: Setting,
}

/// The state the contact should have.
enum Wanted {
    /// It should carry the row's values.
    Present(Box<Customer>),
    /// There should be none; an existing one is marked and kept.
    Withdrawn(Withdrawal),
}

impl Contact {
    /// Reads the customer's row and link as they are now.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn load(conn: &mut Conn, id: &str, setting: &Setting) -> Result<Self, DbError> {
        let customer = customers::get(conn, id).await?;
        let row_hash = customer.as_ref().map(Customer::content_hash);
        let wanted = match customer {
            None => Wanted::Withdrawn(Withdrawal::Deleted),
            Some(customer) if customer.is_test_user => Wanted::Withdrawn(Withdrawal::Test),
            Some(customer) => Wanted::Present(Box::new(customer)),
        };
        let link = links::get(conn, CUSTOMER, id).await?.unwrap_or_default();
        Ok(Contact {
            target: Target {
                entity_type: CUSTOMER,
                entity_id: id.to_owned(),
                module: CONTACTS,
                noun: "contact",
                desired: match wanted {
                    Wanted::Present(_) => Desired::Present,
                    Wanted::Withdrawn(_) => Desired::Withdrawn,
                },
                link,
                row_hash,
            },
            wanted,
            page: setting
                .customer_url
                .as_deref()
                .map(|template| template.replace("{id}", id)),
            setting: setting.clone(),
        })
    }

    /// Whether there should be none, because the customer is gone or a test customer.
    pub fn is_withdrawn(&self) -> bool {
        matches!(self.wanted, Wanted::Withdrawn(_))
    }

    /// The customer's row, from which the contact is made; `None` when there should be no contact.
    pub fn customer(&self) -> Option<&Customer> {
        match &self.wanted {
            Wanted::Present(customer) => Some(customer),
            Wanted::Withdrawn(_) => None,
        }
    }

    /// What the contact should hold when its fields are these.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn shape_of(
        &self,
        fields: ContactFields,
        defaults: &BTreeMap<String, String>,
        conn: &mut Conn,
    ) -> Result<Shape, DbError> {
        let id = self.target.entity_id.as_str();
        let mapped = match &self.wanted {
            Wanted::Present(customer) => {
                let mut values = Values::of(customer, self.page.as_deref());
                let asked = fields.targets().map(|(source, _)| source);
                let figures = &self.setting.figures;
                values.complete(conn, id, asked, figures).await?;
                contact_of(&values, &fields, &self.setting.zone)
            }
            Wanted::Withdrawn(why) => Mapped {
                element: mark_of(*why, &fields).unwrap_or_default(),
                unsent: Vec::new(),
            },
        };
        let mut on_create = Element::new();
        for (field, value) in defaults {
            on_create.set(field.clone(), value.as_str());
        }
        let rules = fields
            .targets()
            .map(|(_, target)| (target.field.clone(), target.rule))
            .collect();
        Ok(Shape {
            rules,
            names: fields.names().map(str::to_owned).collect(),
            reference: fields
                .reference()
                .map(|field| Filter::from(Condition::eq(field, id))),
            wanted: mapped.element,
            unsent: mapped.unsent,
            on_create,
            module: fields.module,
        })
    }
}

#[async_trait]
impl Subject for Contact {
    fn target(&self) -> &Target {
        &self.target
    }

    fn take_edit_over(&self) -> Option<NewOperation> {
        Some(inbound::apply(
            &self.target.entity_id,
            &Uuid::now_v7().to_string(),
            "delivery",
        ))
    }

    async fn shape(&self, crm: &Crm, client: &Client, conn: &mut Conn) -> Result<Shape, MapError> {
        let fields = crm.contact_fields(client, conn).await?;
        let defaults = &crm.settings.contact_defaults;
        Ok(self.shape_of(fields, defaults, conn).await?)
    }
}
