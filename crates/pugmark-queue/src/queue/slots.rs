//! A slot is a kind together with a priority. Looking for work slot by slot, each with one probe of the index `queue_claim`, costs
//! the same however many rows are finished, in backoff, behind a blocked head, or of a kind that is paused or held back.

use crate::QueueError;
use crate::db::{Conn, Engine, Ts};
use crate::on;
use crate::queue::Queue;

/// The common table expressions `kinds` (kinds that have heads waiting, found by hopping through the index) and `slots` (those of
/// them that may be claimed, times the priorities). `$held_back` and `$only` read a JSON list as a table with a column `value`.
macro_rules! slots {
    (hint: $hint:literal, held_back: $held_back:literal, only: $only:literal) => {
        concat!(
            "WITH RECURSIVE kinds(kind) AS (SELECT min(kind) FROM vtiger_sync_queue ",
            $hint,
            " WHERE head = 1 AND waiting = 1 UNION ALL SELECT (SELECT min(n.kind) FROM vtiger_sync_queue AS n ",
            $hint,
            " WHERE n.head = 1 AND n.waiting = 1 AND n.kind > kinds.kind) FROM kinds WHERE kinds.kind IS NOT NULL), \
             slots(kind, priority) AS MATERIALIZED (SELECT k.kind, p.priority FROM kinds AS k CROSS JOIN \
             (SELECT 0 AS priority UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3) AS p \
             WHERE k.kind IS NOT NULL AND k.kind NOT IN (SELECT kind FROM queue_pauses) \
             AND k.kind NOT IN (SELECT value FROM ",
            $held_back,
            ") AND (",
            $only
        )
    };
}
pub(super) use slots;

/// $1 kinds held back, $2 the only kinds wanted or NULL.
pub(crate) const NEXT_DUE_SQLITE: &str = concat!(
    slots!(
        hint: "INDEXED BY queue_claim",
        held_back: "json_each($1)",
        only: "$2 IS NULL OR k.kind IN (SELECT value FROM json_each($2))))"
    ),
    " SELECT min((SELECT min(i.next_attempt_at) FROM vtiger_sync_queue AS i INDEXED BY queue_claim WHERE i.head = 1 \
      AND i.waiting = 1 AND i.kind = s.kind AND i.priority = s.priority)) FROM slots AS s"
);

/// As [`NEXT_DUE_SQLITE`].
pub(crate) const NEXT_DUE_POSTGRES: &str = concat!(
    slots!(
        hint: "",
        held_back: "json_array_elements_text($1::json) AS h(value)",
        only: "$2::text IS NULL OR k.kind IN (SELECT value FROM json_array_elements_text($2::json) AS o(value))))"
    ),
    " SELECT min((SELECT min(i.next_attempt_at) FROM vtiger_sync_queue AS i WHERE i.head = 1 \
      AND i.waiting = 1 AND i.kind = s.kind AND i.priority = s.priority)) FROM slots AS s"
);

impl Queue {
    /// When the next operation that may be claimed is due; `None` when none waits. `only`: of these kinds.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn next_due(
        &self,
        conn: &mut Conn,
        held_back: &[String],
        only: Option<&[String]>,
    ) -> Result<Option<Ts>, QueueError> {
        let sql = match conn.engine() {
            Engine::Sqlite => NEXT_DUE_SQLITE,
            Engine::Postgres => NEXT_DUE_POSTGRES,
        };
        let (held_back, only) = (json_list(held_back), only.map(json_list));
        Ok(on!(conn, |c| sqlx::query_scalar(sql)
            .bind(held_back)
            .bind(only)
            .fetch_one(c)
            .await)?)
    }
}

pub(super) fn json_list(words: &[String]) -> String {
    serde_json::Value::from(words).to_string()
}
