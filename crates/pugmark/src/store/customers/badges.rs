//! Customers by their badge: all that stand in one status, found along the indexes of links and queue, however many customers there
//! are.

use std::collections::BTreeSet;

use pugmark_queue::db::{Conn, DbError, Engine};
use pugmark_queue::on;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::{CustomerView, LINK_JOIN, SYNC_STATUS, view_columns};
use crate::store::dialect;
use crate::store::links::SyncStatus;

/// Candidates looked at together.
const BATCH: u32 = 200;
/// Batches looked at for one page.
const BATCHES: u32 = 25;

/// Customers whose badge shows this status, in the order of their ids.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// The customers.
    pub customers: Vec<CustomerView>,
    /// The id behind which the next page begins; `None` on the last one.
    pub next: Option<String>,
}

/// A page of the customers whose badge shows `status`, in the order of their ids, behind `after`: a list newest first would read
/// all customers for a status that few of them have.
///
/// # Errors
/// Whatever the database says.
pub async fn standing(
    conn: &mut Conn,
    status: SyncStatus,
    after: &str,
    limit: u32,
) -> Result<Standing, DbError> {
    let mut found: Vec<CustomerView> = Vec::new();
    let mut place = after.to_owned();
    for _ in 0..BATCHES {
        let candidates = candidates(conn, status, &place).await?;
        let ended = candidates.len() < BATCH as usize;
        if let Some(last) = candidates.last() {
            place.clone_from(last);
        }
        let mut batch = with_badge(conn, status, &candidates).await?;
        batch.sort_by(|one, other| one.customer.id.cmp(&other.customer.id));
        found.append(&mut batch);
        if found.len() > limit as usize {
            found.truncate(limit as usize);
            let next = found.last().map(|last| last.customer.id.clone());
            return Ok(Standing {
                customers: found,
                next,
            });
        }
        if ended {
            return Ok(Standing {
                customers: found,
                next: None,
            });
        }
    }
    Ok(Standing {
        customers: found,
        next: Some(place),
    })
}

/// Where customers of a status are found, each in the order of the customers' ids: the link says it, or what is in the queue.
pub fn candidates_sql(engine: Engine, status: SyncStatus) -> Vec<String> {
    let collated = match engine {
        Engine::Sqlite => "entity_id",
        Engine::Postgres => "entity_id COLLATE \"C\"",
    };
    let links = format!(
        "SELECT entity_id FROM crm_links WHERE entity_type = 'CUSTOMER' AND sync_status = '{}' AND {collated} > $1 \
         ORDER BY {collated} LIMIT {BATCH}",
        status.as_str()
    );
    // Ids begin with digits and the letters up to f.
    let lanes = |condition: &str| {
        format!(
            "SELECT substr(lane, 10) FROM vtiger_sync_queue WHERE {condition} AND lane > 'customer:' || $1 \
             AND lane < 'customer:g' ORDER BY lane LIMIT {BATCH}"
        )
    };
    match status {
        SyncStatus::Synced => vec![links],
        SyncStatus::Pending => vec![links, lanes("head = 1")],
        SyncStatus::Syncing => vec![lanes("status = 'PROCESSING'")],
        SyncStatus::Failed => vec![
            links,
            format!(
                "SELECT DISTINCT entity_id FROM vtiger_sync_queue WHERE status = 'FAILED' AND dead_at IS NOT NULL AND heir IS NULL \
                 AND lane_seq >= 0 AND entity_type = 'CUSTOMER' AND entity_id > $1 ORDER BY entity_id LIMIT {BATCH}"
            ),
        ],
    }
}

async fn candidates(
    conn: &mut Conn,
    status: SyncStatus,
    after: &str,
) -> Result<Vec<String>, DbError> {
    let mut all = BTreeSet::new();
    for sql in candidates_sql(conn.engine(), status) {
        let ids: Vec<String> = on!(conn, |c| sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(after)
            .fetch_all(c)
            .await)?;
        all.extend(ids);
    }
    Ok(all.into_iter().take(BATCH as usize).collect())
}

async fn with_badge(
    conn: &mut Conn,
    status: SyncStatus,
    candidates: &[String],
) -> Result<Vec<CustomerView>, DbError> {
    let engine = conn.engine();
    // PostgreSQL reads them as UUIDs.
    let ids: Vec<&String> = candidates
        .iter()
        .filter(|id| Uuid::parse_str(id).is_ok())
        .collect();
    let sql = format!(
        "SELECT {} FROM customers c {LINK_JOIN} WHERE {} AND {SYNC_STATUS} = '{}'",
        view_columns(engine),
        dialect::uuid_in(engine, "c.\"id\"", 1),
        status.as_str(),
    );
    let ids = dialect::json_text(&ids)?;
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(ids)
        .fetch_all(c)
        .await)?)
}
