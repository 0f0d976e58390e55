//! What a mapping can carry to the CRM: every source that `microbimaField` may name, in one list.
//!
//! A source names its kind of value and where it is read. What every delivery reads anyway costs nothing; the rest is read
//! only when a mapping asks for it. A source without a value clears its field; one that could not be read leaves the field as
//! it is, and the reason is told on the record.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use pugmark_queue::db::{Conn, DbError, Ts};

use super::events::WATCHED_CUSTOMER_COLUMNS;
use super::figures::FigureRules;
use crate::store::customer_facts;
use crate::store::customers::Customer;

/// What kind of value a source gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Free text.
    Text,
    /// A label of one of MicroBima's enums; people see it in words.
    Label,
    /// A decimal number.
    Number,
    /// A day of the calendar.
    Date,
    /// A point in time; people see it in the zone of `[insurance]`.
    Instant,
    /// Yes or no.
    Flag,
}

impl Kind {
    /// What it is, for people.
    pub fn words(self) -> &'static str {
        match self {
            Kind::Text => "a text",
            Kind::Label => "one of a list of words",
            Kind::Number => "a number",
            Kind::Date => "a date",
            Kind::Instant => "a point in time",
            Kind::Flag => "yes or no",
        }
    }
}

/// Where a source is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The customer's row, as every delivery reads it. A change of it is delivered by itself.
    Row,
    /// The address at which people find the customer (`PUGMARK_CUSTOMER_URL`).
    Page,
    /// Columns of the same row whose change is no update of the customer.
    RestOfRow,
    /// The partner who registered the customer.
    Partner,
    /// The latest registration by an agent.
    Registration,
    /// All payments.
    Payments,
    /// The payments of the week that was summed up last.
    Week,
}

/// Something a mapping can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// The name that `microbimaField` uses.
    pub name: &'static str,
    /// Kind of value.
    pub kind: Kind,
    /// Where it is read.
    pub origin: Origin,
    /// What it is, for people.
    pub meaning: &'static str,
}

const fn source(name: &'static str, kind: Kind, origin: Origin, meaning: &'static str) -> Source {
    Source {
        name,
        kind,
        origin,
        meaning,
    }
}

/// Every source.
pub const SOURCES: &[Source] = &[
    source(
        "id",
        Kind::Text,
        Origin::Row,
        "MicroBima's id of the customer; contacts are found by it",
    ),
    source("firstName", Kind::Text, Origin::Row, "First name"),
    source("middleName", Kind::Text, Origin::Row, "Middle name"),
    source("lastName", Kind::Text, Origin::Row, "Last name"),
    source("email", Kind::Text, Origin::Row, "E-mail"),
    source(
        "phoneNumber",
        Kind::Text,
        Origin::Row,
        "Phone number as typed",
    ),
    source("dateOfBirth", Kind::Date, Origin::Row, "Date of birth"),
    source("gender", Kind::Label, Origin::Row, "Gender"),
    source(
        "idType",
        Kind::Label,
        Origin::Row,
        "Kind of identity document",
    ),
    source(
        "idNumber",
        Kind::Text,
        Origin::Row,
        "Number of that document",
    ),
    source(
        "status",
        Kind::Label,
        Origin::Row,
        "Status of the customer; marks a withdrawn one",
    ),
    source(
        "isTestUser",
        Kind::Flag,
        Origin::Row,
        "Test customer; always no on a contact",
    ),
    source(
        "createdAt",
        Kind::Instant,
        Origin::Row,
        "When the customer was registered",
    ),
    source(
        "updatedAt",
        Kind::Instant,
        Origin::Row,
        "When the row was last written, whether or not anything changed",
    ),
    source(
        "link",
        Kind::Text,
        Origin::Page,
        "Address at which people find the customer",
    ),
    source(
        "onboardingStep",
        Kind::Label,
        Origin::RestOfRow,
        "Step of the registration",
    ),
    source(
        "createdByPartnerId",
        Kind::Number,
        Origin::RestOfRow,
        "Number of the partner who registered the customer",
    ),
    source(
        "hasMissingRequirements",
        Kind::Flag,
        Origin::RestOfRow,
        "Whether a requirement is missing",
    ),
    source(
        "createdBy",
        Kind::Text,
        Origin::RestOfRow,
        "Login id of the agent who registered the customer",
    ),
    source(
        "updatedBy",
        Kind::Text,
        Origin::RestOfRow,
        "Login id of who last edited the customer",
    ),
    source(
        "defaultMessagingLanguage",
        Kind::Text,
        Origin::RestOfRow,
        "Language of messages: en or sw",
    ),
    source(
        "portalPinSetupCompletedAt",
        Kind::Instant,
        Origin::RestOfRow,
        "When the customer set up the portal",
    ),
    source(
        "deactivatedAt",
        Kind::Instant,
        Origin::RestOfRow,
        "When the customer was deactivated",
    ),
    source(
        "partnerName",
        Kind::Text,
        Origin::Partner,
        "Name of the partner who registered the customer",
    ),
    source(
        "partnerCustomerId",
        Kind::Text,
        Origin::Partner,
        "The partner's own id of the customer",
    ),
    source(
        "registrationAgent",
        Kind::Text,
        Origin::Registration,
        "Name of the agent of the latest registration",
    ),
    source(
        "registrationStatus",
        Kind::Label,
        Origin::Registration,
        "Status of that registration",
    ),
    source(
        "registrationCompletedAt",
        Kind::Instant,
        Origin::Registration,
        "When that registration was completed",
    ),
    source(
        "paymentCount",
        Kind::Number,
        Origin::Payments,
        "How many payments the customer has made",
    ),
    source(
        "paymentTotal",
        Kind::Number,
        Origin::Payments,
        "What they come to, in shillings",
    ),
    source(
        "lastPaymentDate",
        Kind::Date,
        Origin::Payments,
        "Day of the last one",
    ),
    source(
        "weeklyPaymentTotal",
        Kind::Number,
        Origin::Week,
        "What was paid in the week that was summed up last, in shillings",
    ),
    source(
        "weeklyPaymentCount",
        Kind::Number,
        Origin::Week,
        "How many payments there were in that week",
    ),
    source(
        "weeklyPaymentAverage",
        Kind::Number,
        Origin::Week,
        "Their average, in shillings",
    ),
    source(
        "weeklyFirstPaymentDate",
        Kind::Date,
        Origin::Week,
        "Day of the first of them",
    ),
    source(
        "weeklyLastPaymentDate",
        Kind::Date,
        Origin::Week,
        "Day of the last of them",
    ),
    source(
        "weeklyPaymentWeek",
        Kind::Date,
        Origin::Week,
        "Monday of that week",
    ),
];

impl Source {
    /// Whether a change of it is delivered by itself. Others are brought up to date with the customer's next delivery.
    pub fn is_watched(&self) -> bool {
        match self.origin {
            Origin::Row => WATCHED_CUSTOMER_COLUMNS.contains(&self.name),
            _ => self.is_figure(),
        }
    }

    /// Whether it says something about payments.
    pub fn is_figure(&self) -> bool {
        matches!(self.origin, Origin::Payments | Origin::Week)
    }
}

/// The source of this name.
pub fn find(name: &str) -> Option<&'static Source> {
    SOURCES.iter().find(|source| source.name == name)
}

/// The value of a source for one customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// There is none: the field is cleared.
    Absent,
    /// Free text.
    Text(String),
    /// A label of an enum.
    Label(String),
    /// A decimal number as text.
    Number(String),
    /// A day as the row holds it, `YYYY-MM-DD` when it is one.
    Date(String),
    /// A point in time.
    Instant(Ts),
    /// Yes or no.
    Flag(bool),
}

impl From<Date> for Known {
    fn from(date: Date) -> Self {
        Known::Date(date.to_string())
    }
}

/// The values of one customer, by source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values {
    known: BTreeMap<&'static str, Known>,
    /// Sources that could not be read, and why.
    pub unread: BTreeMap<&'static str, String>,
}

impl Values {
    /// What the row and the page say.
    pub fn of(customer: &Customer, page: Option<&str>) -> Self {
        let mut values = Values::default();
        values.text("id", Some(&customer.id));
        values.text("firstName", Some(&customer.first_name));
        values.text("middleName", customer.middle_name.as_ref());
        values.text("lastName", Some(&customer.last_name));
        values.text("email", customer.email.as_ref());
        values.text("phoneNumber", Some(&customer.phone_number));
        values.set(
            "dateOfBirth",
            customer.date_of_birth.clone().map(Known::Date),
        );
        values.label("gender", customer.gender.as_ref());
        values.label("idType", Some(&customer.id_type));
        values.text("idNumber", Some(&customer.id_number));
        values.label("status", Some(&customer.status));
        values.set("isTestUser", Some(Known::Flag(customer.is_test_user)));
        values.set("createdAt", Some(Known::Instant(customer.created_at)));
        values.set("updatedAt", Some(Known::Instant(customer.updated_at)));
        if let Some(page) = page {
            values.set("link", Some(Known::Text(page.to_owned())));
        }
        values
    }

    /// Adds what the sources in `wanted` need besides the row. A table that may not be read, or a column that holds what is no
    /// value, is noted and costs its own fields only.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn complete<'n>(
        &mut self,
        conn: &mut Conn,
        id: &str,
        wanted: impl Iterator<Item = &'n str>,
        figures: &FigureRules,
    ) -> Result<(), DbError> {
        let origins: BTreeSet<Origin> = wanted
            .filter_map(find)
            .map(|source| source.origin)
            .collect();
        for origin in origins {
            match self.read(conn, id, origin, figures).await {
                Ok(()) => {}
                // The statement itself is refused, now and on every retry.
                Err(DbError::Sql(error)) => self.not_read(origin, &error.to_string()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn read(
        &mut self,
        conn: &mut Conn,
        id: &str,
        origin: Origin,
        figures: &FigureRules,
    ) -> Result<(), DbError> {
        match origin {
            Origin::Row | Origin::Page => {}
            Origin::Payments => figures.add_all(conn, id, self).await?,
            Origin::Week => figures.add_week(conn, id, self).await?,
            Origin::RestOfRow => {
                // A row that is gone by now is marked by the next operation.
                if let Some(rest) = customer_facts::rest_of_row(conn, id).await? {
                    self.label("onboardingStep", rest.onboarding_step.as_ref());
                    self.set(
                        "createdByPartnerId",
                        Some(Known::Number(rest.partner_id.to_string())),
                    );
                    self.set(
                        "hasMissingRequirements",
                        Some(Known::Flag(rest.has_missing_requirements)),
                    );
                    self.text("createdBy", rest.created_by.as_ref());
                    self.text("updatedBy", rest.updated_by.as_ref());
                    self.text("defaultMessagingLanguage", rest.messaging_language.as_ref());
                    self.set(
                        "portalPinSetupCompletedAt",
                        rest.portal_pin_set_up_at.map(Known::Instant),
                    );
                    self.set("deactivatedAt", rest.deactivated_at.map(Known::Instant));
                }
            }
            Origin::Partner => {
                let partner = customer_facts::partner(conn, id).await?.unwrap_or_default();
                self.text("partnerName", partner.name.as_ref());
                self.text("partnerCustomerId", partner.customer_id.as_ref());
            }
            Origin::Registration => {
                let latest = customer_facts::registration(conn, id)
                    .await?
                    .unwrap_or_default();
                self.text("registrationAgent", latest.agent.as_ref());
                self.label("registrationStatus", latest.status.as_ref());
                self.set(
                    "registrationCompletedAt",
                    latest.completed_at.map(Known::Instant),
                );
            }
        }
        Ok(())
    }

    /// What is known of a source; `None` leaves its field as it is.
    pub fn get(&self, name: &str) -> Option<&Known> {
        self.known.get(name)
    }

    /// Sets a source's value; without one its field is cleared.
    pub fn set(&mut self, name: &'static str, value: Option<Known>) {
        self.known.insert(name, value.unwrap_or(Known::Absent));
    }

    fn text(&mut self, name: &'static str, value: Option<&String>) {
        self.set(name, value.cloned().map(Known::Text));
    }

    fn label(&mut self, name: &'static str, value: Option<&String>) {
        self.set(name, value.cloned().map(Known::Label));
    }

    fn not_read(&mut self, origin: Origin, why: &str) {
        for source in SOURCES.iter().filter(|source| source.origin == origin) {
            self.unread.insert(source.name, why.to_owned());
        }
    }
}
