//! Linking what is matched and queueing what is new, both behind everything else.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::try_join_all;
use pugmark_queue::db::{Conn, Ts};
use pugmark_queue::{NewOperation, Operation, Queue, QueueError};

use vtiger::Client;

use super::upserting::{self, Made};
use super::{Backfiller, PAGE, Page, UNDER_WAY, held_key};
use crate::config::Mode;
use crate::crm::CONTACTS;
use crate::delivery;
use crate::flows::insurance::plan::{self, CUSTOMER, kind};
use crate::flows::insurance::reconcile::CompareError;
use crate::problem::Code;
use crate::store::backfill::{self, Match, Run};
use crate::store::{links, standing};

/// So many upserts are made at the same time at most: a real vTiger gets no faster with more.
const MOST_UPSERTS: usize = 4;

impl Backfiller {
    /// Links and queues the customers behind the place of the run, or makes their contacts, where the extension can do that a hundred at a
    /// time.
    pub(super) async fn link_page(&self, run: &Run, client: &Client) -> Result<Page, CompareError> {
        let upserts = self.can_upsert(client).await?;
        let at_a_time = match upserts {
            true => self.crm.settings.sessions.clamp(1, MOST_UPSERTS),
            false => 1,
        };
        let limit = PAGE * u32::try_from(at_a_time).unwrap_or(1);
        let mut conn = self.db.read().await?;
        let page = backfill::matches(&mut conn, run.id, None, &run.place, limit).await?;
        drop(conn);
        let mut moved = run.clone();
        moved.customers += i64::try_from(page.len()).unwrap_or(i64::MAX);
        match page.last() {
            Some(last) if page.len() >= limit as usize => moved.place = last.customer_id.clone(),
            _ => {
                moved.phase = "ended".to_owned();
                moved.ended_at = Some(Ts::now());
            }
        }
        let new: Vec<&Match> = page.iter().filter(|found| found.outcome == "new").collect();
        let made: Vec<Made> = match upserts {
            true => {
                let calls = new
                    .chunks(PAGE as usize)
                    .map(|new| self.upsert(run, client, new));
                try_join_all(calls).await?.into_iter().flatten().collect()
            }
            false => Vec::new(),
        };
        let (run, queue, live) = (run.clone(), self.queue.clone(), self.mode == Mode::Live);
        Ok(Page {
            moved,
            effects: Box::new(move |conn| {
                Box::pin(async move {
                    let done: BTreeSet<String> =
                        made.iter().map(|made| made.customer().to_owned()).collect();
                    for made in made {
                        upserting::settle(conn, &queue, &run, made).await?;
                    }
                    for found in page.iter().filter(|_| live) {
                        if !done.contains(&found.customer_id) {
                            link(conn, &queue, &run, found).await?;
                        }
                    }
                    Ok(())
                })
            }),
        })
    }

    /// A person decides that a customer who is held gets a contact of its own.
    ///
    /// # Errors
    /// Whatever the database or the queue says.
    pub async fn release(
        queue: &Queue,
        conn: &mut Conn,
        run: &Run,
        customer: &str,
    ) -> Result<bool, QueueError> {
        if !backfill::release(conn, run.id, customer).await? {
            return Ok(false);
        }
        create(conn, queue, run, customer, false).await?;
        for key in [held_key(customer), UNDER_WAY.to_owned()] {
            queue.unblock(conn, &key).await?;
        }
        Ok(true)
    }
}

async fn link(conn: &mut Conn, queue: &Queue, run: &Run, found: &Match) -> Result<(), QueueError> {
    let customer = found.customer_id.as_str();
    let now = standing::of(conn, customer).await?;
    // It was linked in the meantime, deleted, or has become a test customer.
    let still_open = now.is_member() && now.vtiger_id.is_none();
    match (found.outcome.as_str(), &found.vtiger_id) {
        _ if !still_open => {}
        ("matched", Some(contact)) => {
            if !adopt(conn, queue, run, found, contact).await? {
                return Ok(());
            }
        }
        ("new", _) => create(conn, queue, run, customer, false).await?,
        // It is held.
        _ => return Ok(()),
    }
    backfill::note_done(conn, run.id, customer).await?;
    Ok(())
}

/// Links the contact with what it holds as what both sides agree on, so that the delivery sends the difference and nothing else.
/// `false` when something else of ours was linked to it meanwhile.
async fn adopt(
    conn: &mut Conn,
    queue: &Queue,
    run: &Run,
    found: &Match,
    contact: &str,
) -> Result<bool, QueueError> {
    let customer = found.customer_id.as_str();
    if let Some((entity_type, other)) = links::of_record(conn, CONTACTS, contact).await? {
        tracing::warn!(
            code = %Code::LinkedElsewhere,
            customer,
            contact,
            "the contact was linked to {entity_type} {other} in the meantime; the customer is left as it is"
        );
        return Ok(false);
    }
    let snapshot: BTreeMap<String, String> =
        serde_json::from_value(found.detail["snapshot"].clone()).unwrap_or_default();
    delivery::adopt(
        conn,
        queue,
        (CUSTOMER, customer),
        (CONTACTS, contact),
        &snapshot,
    )
    .await?;
    let operation = plan::refresh(customer, &run.correlation_id, &run.requested_by);
    queue.enqueue(conn, operation).await?;
    links::set_pending(conn, CUSTOMER, customer, CONTACTS, false, Ts::now()).await?;
    Ok(true)
}

/// Queues the creation of a contact. All contacts were read a moment ago, so it is looked for once more only with `look_first`: where an
/// upsert may have made it.
pub(super) async fn create(
    conn: &mut Conn,
    queue: &Queue,
    run: &Run,
    customer: &str,
    look_first: bool,
) -> Result<(), QueueError> {
    let operation = NewOperation {
        kind: kind::CUSTOMER_CREATE.to_owned(),
        operation: Operation::Create,
        ..plan::refresh(customer, &run.correlation_id, &run.requested_by)
    };
    queue.enqueue(conn, operation).await?;
    let now = Ts::now();
    links::set_pending(conn, CUSTOMER, customer, CONTACTS, look_first, now).await?;
    Ok(())
}
