//! `customer.create`, `customer.update`, `customer.mark`: brings the contact of one customer to the state the row has now.
//!
//! All three kinds run the same way: what is to be done follows from the row, the link and what the CRM says at the time,
//! not from the kind. [`crate::delivery::protocol`] decides; `conversation` does what it asks for; `ending` turns the
//! result into what the queue stores.

mod conversation;
mod ending;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pugmark_queue::db::{Db, DbError};
use pugmark_queue::{Claimed, Handled, Handler, Queue};

use crate::config::Mode;
use crate::crm::Crm;
use crate::crm::calls::CallLog;
use crate::flows::insurance::mapping::Withdrawal;
use crate::flows::insurance::plan::CUSTOMER;
use crate::store::customers::{self, Customer};
use crate::store::links::{self, Link};
use conversation::Conversation;

/// Delivers the state of customers to the CRM.
pub struct CustomerHandler {
    db: Db,
    queue: Queue,
    crm: Arc<Crm>,
    mode: Mode,
    customer_url: Option<String>,
    lease: Duration,
}

/// What this attempt is about.
struct Task {
    id: String,
    wanted: Wanted,
    link: Link,
    /// Hash of the row as it was read, for the gap sweep; `None` when there is no row.
    row_hash: Option<String>,
}

/// The state the contact should have.
enum Wanted {
    /// It should carry the row's values.
    Present(Box<Customer>),
    /// There should be none; an existing one is marked and kept.
    Withdrawn(Withdrawal),
}

impl CustomerHandler {
    /// A handler that writes (or, in shadow mode, only looks) through this CRM. `customer_url` is where people find a
    /// customer, for the link that the contact carries; `lease` is how long an operation is claimed for.
    pub fn new(
        db: Db,
        queue: Queue,
        crm: Arc<Crm>,
        mode: Mode,
        customer_url: Option<String>,
        lease: Duration,
    ) -> Self {
        CustomerHandler {
            db,
            queue,
            crm,
            mode,
            customer_url,
            lease,
        }
    }

    async fn load(&self, id: &str) -> Result<Task, DbError> {
        let mut conn = self.db.read().await?;
        let customer = customers::get(&mut conn, id).await?;
        let row_hash = customer.as_ref().map(Customer::content_hash);
        let wanted = match customer {
            None => Wanted::Withdrawn(Withdrawal::Deleted),
            Some(customer) if customer.is_test_user => Wanted::Withdrawn(Withdrawal::Test),
            Some(customer) => Wanted::Present(Box::new(customer)),
        };
        let link = links::get(&mut conn, CUSTOMER, id)
            .await?
            .unwrap_or_default();
        Ok(Task {
            id: id.to_owned(),
            wanted,
            link,
            row_hash,
        })
    }

    fn link_of(&self, id: &str) -> Option<String> {
        Some(self.customer_url.as_ref()?.replace("{id}", id))
    }

    /// Whether the settle window of an earlier unknown write had passed when the operation was claimed, by the database's
    /// clock.
    fn settled(&self, operation: &Claimed) -> bool {
        let claimed_at = operation.lease.expires_at.before(self.lease);
        operation
            .unknown_at
            .is_none_or(|at| claimed_at >= at.after(self.crm.settings.settle_window()))
    }
}

#[async_trait]
impl Handler for CustomerHandler {
    async fn run(&self, operation: &Claimed) -> Handled {
        let calls = CallLog::new(self.crm.breaker.clone());
        let task = match self.load(&operation.entity_id).await {
            Ok(task) => task,
            Err(error) => return ending::store_failed(&operation.entity_id, &error, &calls),
        };
        let ended = Conversation::begin(self, operation, &task, &calls)
            .run()
            .await;
        self.crm.heed_quota();
        ending::handled(self, operation, &task, ended, &calls)
    }
}
