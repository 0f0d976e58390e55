//! `payment.summary`: what a customer paid in one week, in the contact's fields and as a note.
//!
//! The figures are those of the time of delivery. There is one note per customer and week for ever: a later run of the same
//! week revises it.

use async_trait::async_trait;
use pugmark_queue::db::DbError;
use pugmark_queue::{Claimed, Handled, Handler};
use serde_json::Value;

use super::customer::{Contact, Setting};
use super::note::{Note, WithoutContact, contact_of, without_contact};
use super::plan::NOTE;
use super::week::{PaymentDays, Week};
use super::wording;
use crate::config::{self, SummaryAs};
use crate::crm::calls::CallLog;
use crate::delivery::{Deliverer, Subject, Trouble, store_failed};
use crate::problem::Code;
use crate::store::{customers, payments};

/// The key of the note about a customer's week.
pub fn note_key(customer: &str, week: Week) -> String {
    format!("summary:{customer}:{week}")
}

/// Delivers weekly summaries.
pub struct SummaryHandler {
    deliverer: Deliverer,
    contacts: Setting,
    days: PaymentDays,
    shown_as: SummaryAs,
}

impl SummaryHandler {
    /// A handler that works through this CRM. `contacts` is how contacts are delivered.
    pub fn new(deliverer: Deliverer, contacts: Setting, insurance: &config::Insurance) -> Self {
        SummaryHandler {
            deliverer,
            contacts,
            days: PaymentDays::of(insurance),
            shown_as: insurance.summary.shown_as,
        }
    }

    async fn load(
        &self,
        operation: &Claimed,
        customer: &str,
        week: Week,
    ) -> Result<Result<Vec<Box<dyn Subject>>, WithoutContact>, DbError> {
        let mut conn = self.deliverer.db.read().await?;
        if customers::get(&mut conn, customer).await?.is_none() {
            return Ok(Err(WithoutContact::Never("the customer was deleted")));
        }
        let contact = match contact_of(&mut conn, customer).await? {
            Ok(contact) => contact,
            Err(without) => return Ok(Err(without)),
        };
        let mut subjects: Vec<Box<dyn Subject>> = Vec::new();
        if self.shown_as != SummaryAs::Note {
            let contact = Contact::load(&mut conn, customer, &self.contacts).await?;
            subjects.push(Box::new(contact));
        }
        if self.shown_as != SummaryAs::Fields {
            let window = self.days.window(week);
            let paid = payments::within(&mut conn, customer, window).await?;
            let text = wording::week_summary(week, &paid, &self.days);
            let key = note_key(customer, week);
            let note = Note::load(&mut conn, &key, contact, text).await?;
            // Nobody is told that nothing was paid, but a note that says otherwise is corrected; and a note whose writing was
            // unclear may exist.
            if paid.count > 0 {
                subjects.push(Box::new(note));
            } else if note.is_linked() || operation.earlier_attempts > 0 {
                subjects.push(Box::new(note.only_if_there()));
            }
        }
        Ok(Ok(subjects))
    }
}

#[async_trait]
impl Handler for SummaryHandler {
    async fn run(&self, operation: &Claimed) -> Handled {
        let calls = CallLog::new(self.deliverer.crm.breaker.clone());
        let told = |name: &str| operation.payload.get(name).and_then(Value::as_str);
        let key = (NOTE, operation.entity_id.as_str());
        let Some((customer, week)) = told("customer").zip(told("week").and_then(read_week)) else {
            let message = "the operation names no customer and week".to_owned();
            return Trouble::refused(Code::SummaryUnreadable, message).into_handled(key, &calls);
        };
        let note = note_key(customer, week);
        match self.load(operation, customer, week).await {
            Ok(Ok(subjects)) => {
                self.deliverer
                    .deliver_all(operation, &subjects, &calls)
                    .await
            }
            Ok(Err(without)) => {
                let key = (NOTE, note.as_str());
                without_contact(&self.deliverer, &without, customer, key, &calls)
            }
            Err(error) => store_failed((NOTE, &note), &error, &calls),
        }
    }
}

fn read_week(text: &str) -> Option<Week> {
    text.parse().ok()
}
