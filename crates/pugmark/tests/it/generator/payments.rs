//! Payments as M-Pesa, the statement import and the administrators write them.

use rand::RngExt;

use super::sql::{amount, text};
use super::{Generator, Payment};
use crate::harness::new_id;

/// Where a payment's row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PaymentState {
    Placeholder,
    Paid,
    Detached,
}

impl Generator<'_> {
    /// A living member's policy, made when there is none: places of the member and the policy.
    async fn some_policy(&mut self) -> Option<(usize, usize)> {
        let index = self.someone()?;
        if self.members[index].policies.is_empty() {
            let customer = self.members[index].id.clone();
            let policy = self.new_policy(&customer, "1").await;
            self.members[index].policies.push(policy);
        }
        Some((index, 0))
    }

    fn some_amount(&mut self) -> i64 {
        if self.chance(20) {
            self.rng.random_range(1_000..9_999)
        } else {
            self.rng.random_range(10..200) * 100
        }
    }

    /// The day and the literal of a payment's time: the digits of Nairobi's clock, stored as if they were UTC.
    fn paid_at(&mut self) -> (String, String) {
        let there = self.now + jiff::SignedDuration::from_hours(3);
        (there.strftime("%Y-%m-%d").to_string(), self.sql.at(there))
    }

    fn receipt(&self) -> String {
        let id = new_id().replace('-', "").to_uppercase();
        format!("S{}", &id[..9])
    }

    async fn insert_payment(
        &mut self,
        (member, policy): (usize, usize),
        reference: String,
        status: &str,
        paid_at: Option<&str>,
        payment: Payment,
    ) {
        let now = self.tick();
        let id = self.members[member].policies[policy].id.clone();
        let expected = paid_at.map_or_else(|| now.clone(), str::to_owned);
        self.commit(format!(
            "INSERT INTO policy_payments (\"policyId\", \"paymentType\", \"transactionReference\", \"amount\", \
             \"expectedPaymentDate\", \"actualPaymentDate\", \"createdAt\", \"updatedAt\", \"paymentStatus\") \
             VALUES ('{id}', 'MPESA', {}, {}, {expected}, {}, {now}, {now}, '{status}')",
            text(&reference),
            amount(payment.cents),
            paid_at.unwrap_or("NULL"),
        ))
        .await;
        self.members[member].policies[policy].payments.push(payment);
    }

    /// No placeholder: the row is paid when it comes. Some are entered without a date.
    pub(super) async fn pay_bill(&mut self) {
        let Some(place) = self.some_policy().await else {
            return;
        };
        let (cents, reference) = (self.some_amount(), self.receipt());
        let (day, at) = self.paid_at();
        let payment = Payment {
            reference: reference.clone(),
            cents,
            day,
            state: PaymentState::Paid,
        };
        if self.chance(10) {
            // Entered by hand without the actual date: the expected one counts.
            let now = self.tick();
            let id = self.members[place.0].policies[place.1].id.clone();
            self.commit(format!(
                "INSERT INTO policy_payments (\"policyId\", \"paymentType\", \"transactionReference\", \"amount\", \
                 \"expectedPaymentDate\", \"createdAt\", \"updatedAt\", \"paymentStatus\") \
                 VALUES ('{id}', 'CHEQUE', {}, {}, {at}, {now}, {now}, 'COMPLETED')",
                text(&reference),
                amount(cents),
            ))
            .await;
            self.members[place.0].policies[place.1]
                .payments
                .push(payment);
        } else {
            self.insert_payment(place, reference, "COMPLETED", Some(&at), payment)
                .await;
        }
        self.expected.happens("payment completed");
        self.activate(place).await;
    }

    /// A placeholder, perhaps confirmed by query first, then the receipt.
    pub(super) async fn prompt_paid(&mut self) {
        let Some(place) = self.some_policy().await else {
            return;
        };
        let placeholder = format!("PENDING-STK-{}", new_id());
        let cents = self.some_amount();
        let waiting = Payment {
            reference: placeholder.clone(),
            cents,
            day: String::new(),
            state: PaymentState::Placeholder,
        };
        self.insert_payment(
            place,
            placeholder.clone(),
            "PENDING_STK_CALLBACK",
            None,
            waiting,
        )
        .await;
        let (day, at) = self.paid_at();
        let mut reference = placeholder;
        if self.chance(30) {
            let queried = format!("QUERY-PENDING-{}", new_id());
            let now = self.tick();
            self.commit(format!(
                "UPDATE policy_payments SET \"paymentStatus\" = 'COMPLETED_PENDING_RECEIPT', \"transactionReference\" = \
                 '{queried}', \"actualPaymentDate\" = {at}, \"expectedPaymentDate\" = {at}, \"updatedAt\" = {now} \
                 WHERE \"transactionReference\" = '{reference}'"
            ))
            .await;
            reference = queried;
        }
        let (receipt, now) = (self.receipt(), self.tick());
        self.commit(format!(
            "UPDATE policy_payments SET \"paymentStatus\" = 'COMPLETED', \"transactionReference\" = '{receipt}', \
             \"amount\" = {}, \"actualPaymentDate\" = {at}, \"expectedPaymentDate\" = {at}, \"updatedAt\" = {now} \
             WHERE \"transactionReference\" = '{reference}'",
            amount(cents)
        ))
        .await;
        self.expected.happens("payment completed");
        let payments = &mut self.members[place.0].policies[place.1].payments;
        if let Some(payment) = payments.last_mut() {
            payment.reference = receipt.clone();
            payment.day = day;
            payment.state = PaymentState::Paid;
        }
        let now = self.tick();
        self.commit(format!(
            "UPDATE policy_payments SET \"paymentSmsEnqueuedAt\" = {now}, \"updatedAt\" = {now} \
             WHERE \"transactionReference\" = '{receipt}'"
        ))
        .await;
        self.activate(place).await;
    }

    /// The placeholder stays for ever, is deleted, or is a slot that a product change wrote.
    pub(super) async fn prompt_unanswered(&mut self) {
        let Some(place) = self.some_policy().await else {
            return;
        };
        let which = self.rng.random_range(0..3);
        let (reference, status) = match which {
            0 => (format!("OUTSTANDING-{}-1", &new_id()[..12]), "OUTSTANDING"),
            _ => (format!("PENDING-STK-{}", new_id()), "PENDING_STK_CALLBACK"),
        };
        let cents = self.some_amount();
        let waiting = Payment {
            reference: reference.clone(),
            cents,
            day: String::new(),
            state: PaymentState::Placeholder,
        };
        self.insert_payment(place, reference.clone(), status, None, waiting)
            .await;
        if which == 1 {
            self.commit(format!(
                "DELETE FROM policy_payments WHERE \"transactionReference\" = '{reference}'"
            ))
            .await;
            self.members[place.0].policies[place.1].payments.pop();
        }
    }

    /// The first payment activates the policy and its member, in a transaction of its own.
    async fn activate(&mut self, (member, policy): (usize, usize)) {
        if self.members[member].policies[policy].status == "ACTIVE" {
            return;
        }
        let now = self.tick();
        let (customer, id) = (
            self.members[member].id.clone(),
            self.members[member].policies[policy].id.clone(),
        );
        self.commit(format!(
            "UPDATE policies SET \"status\" = 'ACTIVE', \"startDate\" = {now}, \"updatedAt\" = {now} WHERE \"id\" = '{id}'; \
             UPDATE customers SET \"status\" = 'ACTIVE', \"updatedAt\" = {now} WHERE \"id\" = '{customer}'"
        ))
        .await;
        self.members[member].policies[policy].status = "ACTIVE";
        self.expected.happens("policy status changed");
        if self.members[member].status != "ACTIVE" {
            self.members[member].status = "ACTIVE";
            self.expected.happens("customer updated");
        }
    }

    fn some_paid(&mut self) -> Option<(usize, usize, usize)> {
        let mut all = Vec::new();
        for (m, member) in self.members.iter().enumerate() {
            for (p, policy) in member.policies.iter().enumerate() {
                for (i, payment) in policy.payments.iter().enumerate() {
                    if payment.state == PaymentState::Paid && !member.deleted && !member.test {
                        all.push((m, p, i));
                    }
                }
            }
        }
        if all.is_empty() {
            return None;
        }
        let which = self.rng.random_range(0..all.len());
        Some(all[which])
    }

    /// The clock shifts by a second, the stamp of the SMS moves, a product change takes the row to another policy of the
    /// same member: no new payment.
    pub(super) async fn paid_row_touched(&mut self) {
        let Some((member, policy, which)) = self.some_paid() else {
            return;
        };
        let reference = self.members[member].policies[policy].payments[which]
            .reference
            .clone();
        let now = self.tick();
        match self.rng.random_range(0..3) {
            0 => {
                let day = self.members[member].policies[policy].payments[which]
                    .day
                    .clone();
                let at: jiff::Timestamp = format!("{day}T12:00:01Z").parse().expect("a time");
                let at = self.sql.at(at);
                self.commit(format!(
                    "UPDATE policy_payments SET \"actualPaymentDate\" = {at}, \"updatedAt\" = {now} \
                     WHERE \"transactionReference\" = '{reference}'"
                ))
                .await;
            }
            1 => {
                self.commit(format!(
                    "UPDATE policy_payments SET \"paymentSmsEnqueuedAt\" = {now}, \"details\" = 'sent', \"updatedAt\" = {now} \
                     WHERE \"transactionReference\" = '{reference}'"
                ))
                .await;
            }
            _ => {
                let customer = self.members[member].id.clone();
                if self.members[member].policies.len() < 2 {
                    let other = self.new_policy(&customer, "2").await;
                    self.members[member].policies.push(other);
                }
                let other = 1 - policy.min(1);
                let id = self.members[member].policies[other].id.clone();
                self.commit(format!(
                    "UPDATE policy_payments SET \"policyId\" = '{id}', \"updatedAt\" = {now} \
                     WHERE \"transactionReference\" = '{reference}'"
                ))
                .await;
                let payment = self.members[member].policies[policy].payments.remove(which);
                self.members[member].policies[other].payments.push(payment);
            }
        }
    }

    /// Taken off one member, and in the same transaction booked as a new row on another.
    pub(super) async fn payment_detached(&mut self) {
        let Some((member, policy, which)) = self.some_paid() else {
            return;
        };
        let Some(other) = self.some_policy().await else {
            return;
        };
        let payment = self.members[member].policies[policy].payments[which].clone();
        let (old, now) = (payment.reference.clone(), self.tick());
        let detached = format!("[d]{}-{old}", self.told);
        let id = self.members[other.0].policies[other.1].id.clone();
        let at: jiff::Timestamp = format!("{}T09:00:00Z", payment.day)
            .parse()
            .expect("a time");
        let at = self.sql.at(at);
        self.commit(format!(
            "UPDATE policy_payments SET \"paymentStatus\" = 'DETACHED', \"detachedAt\" = {now}, \"transactionReference\" = \
             '{detached}', \"details\" = 'wrong account', \"updatedAt\" = {now} WHERE \"transactionReference\" = '{old}'; \
             INSERT INTO policy_payments (\"policyId\", \"paymentType\", \"transactionReference\", \"amount\", \
             \"expectedPaymentDate\", \"actualPaymentDate\", \"createdAt\", \"updatedAt\", \"paymentStatus\") \
             VALUES ('{id}', 'MPESA', '{old}', {}, {at}, {at}, {now}, {now}, 'COMPLETED')",
            amount(payment.cents)
        ))
        .await;
        let taken = &mut self.members[member].policies[policy].payments[which];
        taken.state = PaymentState::Detached;
        taken.reference = detached;
        self.members[other.0].policies[other.1]
            .payments
            .push(payment);
        self.expected.happens("payment detached");
        self.expected.happens("payment completed");
        self.activate(other).await;
    }
}

impl super::Member {
    /// Paid payments: how many, what sum in cents, and the day of the last one.
    pub(crate) fn figures(&self) -> (u64, i64, Option<String>) {
        let paid = || {
            self.policies
                .iter()
                .flat_map(|policy| &policy.payments)
                .filter(|payment| payment.state == PaymentState::Paid)
        };
        (
            paid().count() as u64,
            paid().map(|payment| payment.cents).sum(),
            paid().map(|payment| payment.day.clone()).max(),
        )
    }
}
