//! Payments: the figures that a contact shows, and the summary of a week.

mod api;
mod by_hand;
mod cloud;
mod figures;
mod notes;
mod schedule;
mod summary;
mod traps;
mod weeks;

use pugmark_queue::db::Engine;
use pugmark_queue::testing::TestDb;
use pugmark_sandbox::{CustomField, CustomFieldKind, StoredRecord};

use crate::harness::{FIELDS, World, Writer, sandbox};

/// Labels of the fields that show payments, in the order in which this CRM numbers them behind [`FIELDS`].
const FIGURES: [(&str, CustomFieldKind); 9] = [
    ("Payment Count", CustomFieldKind::Integer),
    (
        "Payment Total",
        CustomFieldKind::Currency {
            digits: 12,
            scale: 2,
        },
    ),
    ("Last Payment Date", CustomFieldKind::Date),
    (
        "Weekly Payment Total",
        CustomFieldKind::Decimal {
            digits: 10,
            scale: 2,
        },
    ),
    ("Weekly Payment Count", CustomFieldKind::Integer),
    (
        "Weekly Payment Average",
        CustomFieldKind::Decimal {
            digits: 10,
            scale: 2,
        },
    ),
    ("Weekly Payment First", CustomFieldKind::Date),
    ("Weekly Payment Last", CustomFieldKind::Date),
    ("Weekly Payment Week", CustomFieldKind::Date),
];

/// The same world before a vTiger whose contacts show payments.
async fn showing_payments(world: World) -> World {
    let World { store, .. } = world;
    before_vtiger_with_figures(store).await
}

async fn before_vtiger_with_figures(store: TestDb) -> World {
    let crm = FIGURES.iter().fold(sandbox(), |builder, (label, kind)| {
        builder.custom_field(CustomField::new("Contacts", label, kind.clone()))
    });
    World::over(store, crm).await
}

/// What a contact shows in the field with this label.
fn shown<'a>(contact: &'a StoredRecord, label: &str) -> &'a str {
    let index = FIGURES
        .iter()
        .position(|(known, _)| *known == label)
        .expect("a field that shows payments");
    contact.value(&format!("cf_{}", 853 + 2 * (FIELDS.len() + index)))
}

/// Number, total and last day of all payments, as a contact shows them.
fn ever(contact: &StoredRecord) -> (&str, &str, &str) {
    (
        shown(contact, "Payment Count"),
        shown(contact, "Payment Total"),
        shown(contact, "Last Payment Date"),
    )
}

/// Week, number, total, average, first and last day, as a contact shows them.
fn weekly(contact: &StoredRecord) -> [&str; 6] {
    [
        shown(contact, "Weekly Payment Week"),
        shown(contact, "Weekly Payment Count"),
        shown(contact, "Weekly Payment Total"),
        shown(contact, "Weekly Payment Average"),
        shown(contact, "Weekly Payment First"),
        shown(contact, "Weekly Payment Last"),
    ]
}

/// A payment as MicroBima writes it. Values are SQL literals but for the times.
#[derive(Clone)]
struct NewPayment<'a> {
    policy: &'a str,
    reference: &'a str,
    amount: &'a str,
    status: &'a str,
    expected: &'a str,
    actual: Option<&'a str>,
}

impl<'a> NewPayment<'a> {
    /// A pay bill notification without placeholder: paid from the start.
    fn paid(policy: &'a str, reference: &'a str, amount: &'a str, at: &'a str) -> Self {
        NewPayment {
            policy,
            reference,
            amount,
            status: "COMPLETED",
            expected: at,
            actual: Some(at),
        }
    }

    /// A prompt on a phone: no money yet.
    fn prompt(policy: &'a str, reference: &'a str, expected: &'a str) -> Self {
        NewPayment {
            policy,
            reference,
            amount: "50.00",
            status: "PENDING_STK_CALLBACK",
            expected,
            actual: None,
        }
    }
}

impl Writer {
    /// A stored time as an SQL literal.
    fn time(&self, at: &str) -> String {
        match self.engine() {
            Engine::Postgres => format!("TIMESTAMP '{at}'"),
            Engine::Sqlite => {
                let at: jiff::civil::DateTime = at.parse().expect("a time");
                let at = at.to_zoned(jiff::tz::TimeZone::UTC).expect("a time in UTC");
                at.timestamp().as_microsecond().to_string()
            }
        }
    }

    /// A policy of the customer.
    async fn policy(&self, customer: &str) -> String {
        let id = uuid::Uuid::new_v4().to_string();
        // Ended policies are not limited to one.
        self.sql(format!(
            "INSERT INTO policies (\"id\", \"productName\", \"status\", \"premium\", \"frequency\", \"paymentCadence\", \
             \"customerId\", \"packageId\", \"createdAt\", \"updatedAt\") \
             VALUES ('{id}', 'Afya', 'EXPIRED', 50, 'DAILY', 1, '{customer}', 1, {now}, {now})",
            now = self.time("2026-11-01T08:00:00")
        ))
        .await;
        id
    }

    /// The statement that inserts a payment.
    fn payment_statement(&self, new: &NewPayment<'_>) -> String {
        let actual = new.actual.map_or("NULL".to_owned(), |at| self.time(at));
        format!(
            "INSERT INTO policy_payments (\"policyId\", \"paymentType\", \"transactionReference\", \"amount\", \
             \"expectedPaymentDate\", \"actualPaymentDate\", \"paymentStatus\", \"createdAt\", \"updatedAt\") \
             VALUES ('{}', 'MPESA', '{}', {}, {expected}, {actual}, '{}', {now}, {now})",
            new.policy,
            new.reference,
            new.amount,
            new.status,
            expected = self.time(new.expected),
            now = self.time("2026-11-01T08:00:00"),
        )
    }

    /// Inserts a payment in a transaction of its own.
    async fn pay(&self, new: NewPayment<'_>) {
        self.sql(self.payment_statement(&new)).await;
    }

    /// Changes the payment with this reference; `set` is SQL.
    async fn change_payment(&self, reference: &str, set: &str) {
        self.sql(format!(
            "UPDATE policy_payments SET {set}, \"updatedAt\" = {} WHERE \"transactionReference\" = '{reference}'",
            self.time("2026-11-02T08:00:00")
        ))
        .await;
    }

    /// A customer with one policy: both ids.
    async fn member(&self, last_name: &str) -> (String, String) {
        let customer = self.insert_customer(last_name).await;
        let policy = self.policy(&customer).await;
        (customer, policy)
    }
}

/// The texts of the notes on a contact.
fn notes_on(world: &World, contact: &StoredRecord) -> Vec<String> {
    let mut notes: Vec<String> = world
        .crm
        .records("ModComments")
        .into_iter()
        .filter(|note| note.value("related_to") == contact.id)
        .map(|note| note.value("commentcontent").to_owned())
        .collect();
    notes.sort();
    notes
}
