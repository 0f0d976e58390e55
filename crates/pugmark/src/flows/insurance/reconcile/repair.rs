//! Putting right what is out of step: only ever through the ordinary operations of the queue, and only where nothing is under way.

use pugmark_queue::db::{Conn, Ts};
use pugmark_queue::{NewOperation, Operation, Priority, Queue, QueueError};

use super::compare::Different;
use crate::crm::CONTACTS;
use crate::flows::insurance::inbound::{self, Noticed};
use crate::flows::insurance::plan::{self, CUSTOMER, kind};
use crate::store::links;
use crate::store::standing::{self, Standing};

/// Who repairs, and for which run.
#[derive(Debug, Clone)]
pub struct Repairer {
    /// The queue.
    pub queue: Queue,
    /// The run's id; every operation carries it.
    pub correlation_id: String,
    /// Who asked for it.
    pub requested_by: String,
}

/// What is to be put right.
#[derive(Debug, Clone)]
pub enum Repair {
    /// There is no contact, or one that carries the reference and is not linked: it is looked for before one is created.
    Create,
    /// The linked contact is gone: another one is created.
    Recreate,
    /// The row is gone or a test customer's: the contact is marked and kept.
    Mark,
    /// Fields differ. What is MicroBima's is put back; what may be edited in the CRM goes through the merge.
    Differing(Box<Different>),
}

impl Repairer {
    /// Queues what puts it right, in the caller's transaction. `false` when something has moved since `seen`: then nothing is done,
    /// and the next comparison looks again.
    ///
    /// # Errors
    /// Whatever the database or the queue says.
    pub async fn repair(
        &self,
        conn: &mut Conn,
        seen: &Standing,
        repair: &Repair,
    ) -> Result<bool, QueueError> {
        let now = standing::of(conn, &seen.id).await?;
        if !now.is_quiet_since(seen) {
            return Ok(false);
        }
        match self.put_right(conn, seen, repair).await {
            // Waiting would not make the id better, and everybody behind would wait, too.
            Err(QueueError::Invalid(reason)) => {
                tracing::error!(
                    reason,
                    "a customer's id cannot be queued; it is not repaired"
                );
                Ok(false)
            }
            done => done.map(|()| true),
        }
    }

    /// The operation comes first: an id that cannot be queued changes nothing else.
    async fn put_right(
        &self,
        conn: &mut Conn,
        seen: &Standing,
        repair: &Repair,
    ) -> Result<(), QueueError> {
        let (id, now) = (seen.id.as_str(), Ts::now());
        match repair {
            Repair::Create | Repair::Recreate => {
                self.deliver(conn, id, kind::CUSTOMER_CREATE, Operation::Create)
                    .await?;
                if matches!(repair, Repair::Recreate) {
                    standing::unlink(conn, id, now).await?;
                }
                links::set_pending(conn, CUSTOMER, id, CONTACTS, true, now).await?;
                Ok(())
            }
            Repair::Mark => {
                self.deliver(conn, id, kind::CUSTOMER_MARK, Operation::Delete)
                    .await
            }
            Repair::Differing(different) => self.put_back(conn, seen, different).await,
        }
    }

    /// A delivery sends what differs from what both sides last agreed on. An edit in the CRM is not part of that yet, so what the
    /// CRM holds is noted first; of fields that may be edited there it is not, because the merge needs what was agreed on.
    async fn put_back(
        &self,
        conn: &mut Conn,
        seen: &Standing,
        different: &Different,
    ) -> Result<(), QueueError> {
        let id = seen.id.as_str();
        let (ours, theirs): (Vec<_>, Vec<_>) =
            different.fields.iter().partition(|field| field.is_ours());
        if !theirs.is_empty()
            && let Some(contact) = &seen.vtiger_id
        {
            let noticed = Noticed {
                contact: contact.clone(),
                converted: false,
                correlation_id: self.correlation_id.clone(),
                by: "reconcile",
            };
            inbound::enqueue(conn, &self.queue, &noticed).await?;
        }
        if ours.is_empty() {
            return Ok(());
        }
        self.deliver(conn, id, kind::CUSTOMER_UPDATE, Operation::Update)
            .await?;
        let mut snapshot = different.snapshot.clone();
        for field in ours {
            snapshot.insert(field.field.clone(), field.theirs.clone());
        }
        standing::note_held(conn, id, &snapshot, Ts::now()).await?;
        Ok(())
    }

    async fn deliver(
        &self,
        conn: &mut Conn,
        customer: &str,
        kind: &str,
        operation: Operation,
    ) -> Result<(), QueueError> {
        let refresh = plan::refresh(customer, &self.correlation_id, &self.requested_by);
        let operation = NewOperation {
            kind: kind.to_owned(),
            operation,
            priority: Priority::Low,
            ..refresh
        };
        self.queue.enqueue(conn, operation).await.map(drop)
    }
}
