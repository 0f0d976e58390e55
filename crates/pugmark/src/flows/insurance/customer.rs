//! `customer.create`, `customer.update`, `customer.mark`: brings the contact of one customer to the state the row has now.
//!
//! All three kinds run the same way: what is to be done follows from the row, the link and what the CRM says at the time,
//! not from the kind.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::tz::TimeZone;
use pugmark_queue::db::{Conn, DbError};
use pugmark_queue::{Claimed, Handled, Handler, NewOperation};
use uuid::Uuid;
use vtiger::{Client, Condition, Element, Filter};

use super::figures::FigureRules;
use super::inbound;
use super::mapping::{Mapped, Withdrawal, contact_of, mark_of};
use super::plan::CUSTOMER;
use super::sources::Values;
use crate::config::Settings;
use crate::crm::calls::CallLog;
use crate::crm::contact_fields::ContactFields;
use crate::crm::{CONTACTS, Crm, MapError};
use crate::delivery::protocol::Desired;
use crate::delivery::{Deliverer, Shape, Subject, Target, store_failed};
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

/// Delivers the state of customers to the CRM.
pub struct CustomerHandler {
    deliverer: Deliverer,
    setting: Setting,
}

impl CustomerHandler {
    /// A handler that works through this CRM.
    pub fn new(deliverer: Deliverer, setting: Setting) -> Self {
        CustomerHandler { deliverer, setting }
    }
}

#[async_trait]
impl Handler for CustomerHandler {
    async fn run(&self, operation: &Claimed) -> Handled {
        let calls = CallLog::new(self.deliverer.crm.breaker.clone());
        let id = &operation.entity_id;
        let loaded = match self.deliverer.db.read().await {
            Ok(mut conn) => Contact::load(&mut conn, id, &self.setting).await,
            Err(error) => Err(error),
        };
        match loaded {
            Ok(contact) => self.deliverer.deliver(operation, &contact, &calls).await,
            Err(error) => store_failed((CUSTOMER, id), &error, &calls),
        }
    }
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
