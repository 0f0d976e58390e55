//! What MicroBima writes around a customer: dependants, registrations, missing requirements.

use crate::harness::{Writer, new_id};

/// A registration of a customer by a brand ambassador; missing requirements belong to one.
pub(crate) struct Registration {
    pub(crate) id: String,
    pub(crate) customer: String,
}

/// Text as an SQL literal.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The statement by which several dependants are added at once; each is an id, a first and a last name.
pub(crate) fn insert_dependants(customer: &str, people: &[(&str, &str, &str)]) -> String {
    let rows: Vec<String> = people
        .iter()
        .map(|(id, first, last)| {
            let (first, last) = (literal(first), literal(last));
            format!("('{id}', '{customer}', {first}, {last}, 'CHILD', 1)")
        })
        .collect();
    format!(
        "INSERT INTO dependants (\"id\", \"customerId\", \"firstName\", \"lastName\", \"relationship\", \"createdByPartnerId\") \
         VALUES {}",
        rows.join(", ")
    )
}

impl Writer {
    /// Adds one dependant and gives the id.
    pub(crate) async fn add_dependant(&self, customer: &str, first: &str, last: &str) -> String {
        let id = new_id();
        self.sql(insert_dependants(customer, &[(&id, first, last)]))
            .await;
        id
    }

    /// Marks a row of `table` as deleted, as MicroBima removes people.
    pub(crate) async fn mark_deleted(&self, table: &str, id: &str) {
        self.sql(format!(
            "UPDATE {table} SET \"deletedAt\" = '2026-03-04 05:06:07' WHERE \"id\" = '{id}'"
        ))
        .await;
    }

    /// An agent registers the customer.
    pub(crate) async fn register(&self, customer: &str) -> Registration {
        let (ambassador, user, id) = (new_id(), new_id(), new_id());
        self.sql(format!(
            "INSERT INTO brand_ambassadors (\"id\", \"userId\", \"partnerId\", \"displayName\", \"perRegistrationRateCents\") \
             VALUES ('{ambassador}', '{user}', 1, 'Brian Kamau', 5000)"
        ))
        .await;
        self.sql(format!(
            "INSERT INTO agent_registrations (\"id\", \"baId\", \"customerId\", \"partnerId\") \
             VALUES ('{id}', '{ambassador}', '{customer}', 1)"
        ))
        .await;
        Registration {
            id,
            customer: customer.to_owned(),
        }
    }

    /// A field of somebody turns out to be blank. Gives the requirement's id.
    pub(crate) async fn require(
        &self,
        registration: &Registration,
        kind: &str,
        person: Option<&str>,
        field: &str,
    ) -> String {
        let id = new_id();
        self.sql(requirement(registration, &id, kind, person, field))
            .await;
        id
    }

    /// Sets one column of a requirement; `value` is an SQL literal.
    pub(crate) async fn set_requirement(&self, id: &str, column: &str, value: &str) {
        self.sql(format!(
            "UPDATE missing_requirements SET \"{column}\" = {value} WHERE \"id\" = '{id}'"
        ))
        .await;
    }
}

/// The statement that inserts an open requirement.
pub(crate) fn requirement(
    registration: &Registration,
    id: &str,
    kind: &str,
    person: Option<&str>,
    field: &str,
) -> String {
    let person = person.map_or("NULL".to_owned(), literal);
    let Registration {
        id: registration,
        customer,
    } = registration;
    format!(
        "INSERT INTO missing_requirements (\"id\", \"registrationId\", \"customerId\", \"partnerId\", \"entityKind\", \
         \"entityId\", \"fieldPath\") VALUES ('{id}', '{registration}', '{customer}', 1, '{kind}', {person}, '{field}')"
    )
}

/// The statement that inserts a policy of the customer without a number.
pub(crate) fn insert_policy(id: &str, customer: &str) -> String {
    format!(
        "INSERT INTO policies (\"id\", \"productName\", \"status\", \"premium\", \"frequency\", \"paymentCadence\", \"customerId\", \
         \"packageId\") VALUES ('{id}', 'Afya', 'PENDING_ACTIVATION', 1200.50, 'MONTHLY', 30, '{customer}', 1)"
    )
}
