//! Rows of MicroBima's tables, in SQL that both databases understand.

use pugmark_queue::db::Engine;

use crate::harness::{Writer, new_id};

/// A customer with a policy, and what a missing requirement needs.
pub(super) struct Family {
    pub(super) customer: String,
    pub(super) policy: String,
    registration: String,
}

impl Family {
    pub(super) async fn insert(program: &Writer) -> Self {
        let customer = program.insert_customer("Kamau").await;
        let (policy, registration, ambassador) = (new_id(), new_id(), new_id());
        program.sql(insert_policy(&policy, &customer)).await;
        program.sql(insert_ambassador(&ambassador, &new_id())).await;
        program
            .sql(format!(
                "INSERT INTO agent_registrations (\"id\", \"baId\", \"customerId\", \"partnerId\") \
                 VALUES ('{registration}', '{ambassador}', '{customer}', 1)"
            ))
            .await;
        Family {
            customer,
            policy,
            registration,
        }
    }

    pub(super) fn dependant(&self, id: &str) -> String {
        format!(
            "INSERT INTO dependants (\"id\", \"customerId\", \"firstName\", \"lastName\", \"relationship\", \
             \"createdByPartnerId\") VALUES ('{id}', '{}', ' Zuri ', 'Otieno', 'CHILD', 1)",
            self.customer
        )
    }

    pub(super) fn beneficiary(&self, id: &str) -> String {
        format!(
            "INSERT INTO beneficiaries (\"id\", \"customerId\", \"firstName\", \"lastName\", \"relationship\") \
             VALUES ('{id}', '{}', 'Ng''ang''a', 'Otieno', NULL)",
            self.customer
        )
    }

    pub(super) fn requirement(&self, id: &str, status: &str) -> String {
        format!(
            "INSERT INTO missing_requirements (\"id\", \"registrationId\", \"customerId\", \"partnerId\", \"entityKind\", \
             \"fieldPath\", \"status\") VALUES ('{id}', '{}', '{}', 1, 'CHILD', 'dateOfBirth', '{status}')",
            self.registration, self.customer
        )
    }

    pub(super) fn payment(
        &self,
        engine: Engine,
        receipt: &str,
        amount: &str,
        status: &str,
    ) -> String {
        let at = instant(engine, 1_793_610_000);
        format!(
            "INSERT INTO policy_payments (\"policyId\", \"paymentType\", \"transactionReference\", \"amount\", \
             \"expectedPaymentDate\", \"actualPaymentDate\", \"paymentStatus\") \
             VALUES ('{}', 'MPESA', '{receipt}', {amount}, {at}, {at}, '{status}')",
            self.policy
        )
    }
}

pub(super) fn insert_policy(id: &str, customer: &str) -> String {
    format!(
        "INSERT INTO policies (\"id\", \"productName\", \"premium\", \"frequency\", \"paymentCadence\", \"customerId\", \
         \"packageId\") VALUES ('{id}', 'Family', 50, 'DAILY', 1, '{customer}', 1)"
    )
}

pub(super) fn insert_ambassador(id: &str, user: &str) -> String {
    format!(
        "INSERT INTO brand_ambassadors (\"id\", \"userId\", \"partnerId\", \"displayName\", \"phoneNumber\", \
         \"perRegistrationRateCents\") VALUES ('{id}', '{user}', 1, 'Wanjiru Mwangi', '254712345678', 5000)"
    )
}

/// Seconds since 1970 as a column of instants stores them.
pub(super) fn instant(engine: Engine, seconds: i64) -> String {
    match engine {
        Engine::Sqlite => format!("{}", seconds * 1_000_000),
        Engine::Postgres => format!("(to_timestamp({seconds}) AT TIME ZONE 'UTC')"),
    }
}

/// This moment, to the next full second, as such a column stores it.
pub(super) fn now(engine: Engine) -> String {
    instant(engine, jiff::Timestamp::now().as_second() + 1)
}
