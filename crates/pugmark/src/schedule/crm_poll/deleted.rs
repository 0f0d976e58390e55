//! The search for linked contacts that are gone, bit by bit: no list of vTiger's tells of a deletion.

use std::collections::BTreeSet;

use pugmark_queue::QueueError;
use pugmark_queue::db::Ts;
use vtiger::{Client, Condition, Query, RecordId};

use super::PollError;
use super::{Poller, Round, notice};
use crate::crm::CONTACTS;
use crate::flows::insurance::inbound;
use crate::flows::insurance::plan::CUSTOMER;
use crate::store::crm_cursors::{self, Cursor, Linked};
use crate::store::field_mapping;

/// Contacts asked for in one question.
const BATCH: u32 = 100;
/// Questions of one poll at most.
const MOST_BATCHES: u32 = 20;

/// Looks for the next linked contacts and ends the poll. What is gone, or back again, is looked at by the operation that
/// merges, which asks the CRM in its own way before anything is believed.
pub(super) async fn look(
    poller: &Poller,
    client: &Client,
    mut cursor: Cursor,
    correlation_id: &str,
    round: &mut Round,
) -> Result<(), PollError> {
    let mut conn = poller.db.read().await?;
    let linked = field_mapping::linked(&mut conn, CUSTOMER).await?;
    drop(conn);
    for _ in 0..batches(poller, linked) {
        let mut conn = poller.db.read().await?;
        let batch =
            crm_cursors::linked_behind(&mut conn, CUSTOMER, &cursor.round_place, BATCH).await?;
        drop(conn);
        let there = there(client, &batch).await?;
        let changed: Vec<Linked> = batch
            .iter()
            .filter(|link| there.contains(&link.vtiger_id) == link.gone)
            .cloned()
            .collect();
        round.looked_for += batch.len();
        round.gone_or_back += changed.len();
        let ended = batch.len() < BATCH as usize;
        cursor.round_place = match (ended, batch.last()) {
            (false, Some(last)) => last.entity_id.clone(),
            _ => String::new(),
        };
        if ended {
            cursor.round_ended_at = Some(Ts::now());
        }
        cursor = commit(poller, cursor, changed, correlation_id).await?;
        if ended {
            break;
        }
    }
    cursor.polled_at = Some(Ts::now());
    cursor.trouble = None;
    commit(poller, cursor, Vec::new(), correlation_id).await?;
    Ok(())
}

/// So many that all linked contacts are looked for within the time set.
fn batches(poller: &Poller, linked: i64) -> u32 {
    let interval = poller.settings.interval.as_secs().max(1);
    let polls = (poller.settings.deletions_within.as_secs() / interval).max(1);
    let batches = u64::try_from(linked).unwrap_or_default() / u64::from(BATCH) + 1;
    let each = batches.div_ceil(polls);
    u32::try_from(each)
        .unwrap_or(MOST_BATCHES)
        .min(MOST_BATCHES)
}

/// Which of the contacts are there. An absence is believed only when a count agrees with what was shown.
async fn there(client: &Client, batch: &[Linked]) -> Result<BTreeSet<String>, PollError> {
    let ids: Vec<RecordId> = batch
        .iter()
        .filter_map(|link| link.vtiger_id.parse().ok())
        .collect();
    if ids.is_empty() {
        return Ok(BTreeSet::new());
    }
    let query = Query::select(CONTACTS)
        .fields(["id"])
        .filter(Condition::ids(&ids))
        .limit(BATCH);
    let shown: BTreeSet<String> = client
        .query(&query)
        .await?
        .into_iter()
        .map(|record| record.id.to_string())
        .collect();
    if shown.len() < ids.len() {
        let counted = client.count(&query).await?;
        if u64::try_from(shown.len()) != Ok(counted) {
            return Err(PollError::Contradiction {
                asked: ids.len(),
                shown: shown.len(),
                counted,
            });
        }
    }
    Ok(shown)
}

async fn commit(
    poller: &Poller,
    mut cursor: Cursor,
    changed: Vec<Linked>,
    correlation_id: &str,
) -> Result<Cursor, PollError> {
    let (queue, correlation_id) = (poller.queue.clone(), correlation_id.to_owned());
    cursor.noticed += i64::try_from(changed.len()).unwrap_or(i64::MAX);
    Ok(poller
        .db
        .write("poll deletions", move |conn| {
            Box::pin(async move {
                for link in &changed {
                    let Ok(id) = link.vtiger_id.parse::<RecordId>() else {
                        continue;
                    };
                    inbound::enqueue(conn, &queue, &notice(&id, false, &correlation_id)).await?;
                }
                crm_cursors::put(conn, CONTACTS, &cursor, Ts::now()).await?;
                Ok::<_, QueueError>(cursor)
            })
        })
        .await?)
}
