//! Linking a row of ours to a record of the CRM before both sides agree on what it holds.

use std::collections::BTreeMap;

use pugmark_queue::db::{Conn, Ts};
use pugmark_queue::{Queue, QueueError};

use super::waited_for;
use crate::store::links;

/// Notes that `record` of `module` is `key`'s (entity type and id), and frees what waited for the link: notes and tasks need no
/// more than the id, and an attempt that finds the link made does not announce it again.
///
/// # Errors
/// Whatever the database says; a unique violation when another row is linked to that record already.
pub async fn adopt(
    conn: &mut Conn,
    queue: &Queue,
    (entity_type, entity_id): (&str, &str),
    (module, record): (&str, &str),
    snapshot: &BTreeMap<String, String>,
) -> Result<(), QueueError> {
    let now = Ts::now();
    links::adopt(conn, entity_type, entity_id, module, record, snapshot, now).await?;
    queue
        .unblock(conn, &waited_for(entity_type, entity_id))
        .await?;
    Ok(())
}
