//! Comparing both sides as a whole, page by page, and putting right what is out of step.
//!
//! A run first reads the CRM's contacts in the order of their ids, for what only they can show: a second contact under one
//! reference, a reference of no customer, a contact that is ours and not linked. Then it reads our customers in the order of
//! theirs and compares each page with its contacts in one query. How far it is stands in the store after each page, so that any
//! process goes on with it, after a crash as well.

mod compare;
mod contacts;
mod repair;
mod run;
mod verify;

use std::sync::Arc;
use std::time::Duration;

use pugmark_queue::db::{Conn, Db};
use pugmark_queue::{Queue, QueueError};
use serde_json::Value;

use super::customer::Setting;
use crate::config::{self, Mode};
use crate::crm::Crm;
use crate::crm::calls::CallLog;
use crate::store::reconcile::Finding;
use crate::store::standing::Standing;

pub use compare::{
    Beside, CompareError, Compared, Comparer, Different, DifferentField, FieldBeside, Verdict,
};
pub use repair::{Repair, Repairer};

/// Records of a page, on both sides.
const PAGE: u32 = vtiger::MAX_ROWS;
/// So many repairs of a run may wait at the same time.
const AHEAD: i64 = 300;

/// Compares both sides.
#[derive(Clone)]
pub struct Reconciler {
    db: Db,
    queue: Queue,
    crm: Arc<Crm>,
    setting: Setting,
    mode: Mode,
    rules: config::Reconcile,
}

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A page is done, and there may be more.
    Done,
    /// There is nothing to do now.
    Idle,
    /// It has to wait so long: the CRM is to be left alone, or enough repairs wait.
    Wait(Duration),
}

impl Reconciler {
    /// A reconciler between this store and this CRM.
    pub fn new(
        db: Db,
        queue: Queue,
        crm: Arc<Crm>,
        setting: Setting,
        mode: Mode,
        rules: config::Reconcile,
    ) -> Self {
        Reconciler {
            db,
            queue,
            crm,
            setting,
            mode,
            rules,
        }
    }

    /// The settings.
    pub fn rules(&self) -> &config::Reconcile {
        &self.rules
    }

    /// The store.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// A client whose calls are counted, told to the breaker, and found under this correlation id.
    fn client(&self, correlation_id: &str) -> (vtiger::Client, Arc<CallLog>) {
        let calls = CallLog::new(self.crm.breaker.clone());
        let client = self.crm.client.clone().with_observer(calls.clone());
        (client.with_correlation_id(correlation_id), calls)
    }

    /// Who puts right what is found; nobody in shadow mode.
    fn repairer(&self, correlation_id: &str, requested_by: &str) -> Option<Repairer> {
        (self.mode == Mode::Live).then(|| Repairer {
            queue: self.queue.clone(),
            correlation_id: correlation_id.to_owned(),
            requested_by: requested_by.to_owned(),
        })
    }
}

/// Something out of step, with what would put it right where there is a rule for it.
#[derive(Debug, Clone)]
struct Found {
    finding: Finding,
    repair: Option<(Standing, Repair)>,
}

impl Found {
    fn new(kind: &str, customer: &str, contact: &str, detail: Value) -> Self {
        let finding = Finding {
            id: 0,
            kind: kind.to_owned(),
            entity_id: customer.to_owned(),
            vtiger_id: contact.to_owned(),
            detail,
            repaired: false,
        };
        Found {
            finding,
            repair: None,
        }
    }

    fn repaired_by(mut self, seen: &Standing, repair: Option<Repair>) -> Self {
        self.repair = repair.map(|repair| (seen.clone(), repair));
        self
    }

    /// Queues what puts it right, if there is somebody who may, and gives what is to be told of it.
    async fn settle(
        mut self,
        conn: &mut Conn,
        repairer: Option<&Repairer>,
    ) -> Result<Finding, QueueError> {
        if let (Some(repairer), Some((seen, repair))) = (repairer, &self.repair) {
            self.finding.repaired = repairer.repair(conn, seen, repair).await?;
        }
        Ok(self.finding)
    }
}
