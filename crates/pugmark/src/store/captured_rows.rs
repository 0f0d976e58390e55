//! What was captured of each row, as it was last planned: what the gap sweep compares with the row itself.

use pugmark_queue::db::{Conn, DbError, Engine};
use pugmark_queue::on;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use super::dialect;
use crate::capture::change::{Change, Event};
use crate::capture::image;
use crate::capture::watched::{Watched, kept};

/// Notes what these changes, in the order in which they are planned, left of their rows.
///
/// # Errors
/// Whatever the database says.
pub async fn record(conn: &mut Conn, changes: &[Change]) -> Result<(), DbError> {
    let Record { kept, gone } = Record::of(changes);
    if !gone.is_empty() {
        forget(conn, &gone).await?;
    }
    if !kept.is_empty() {
        keep(conn, &kept).await?;
    }
    Ok(())
}

/// What a batch leaves behind.
#[derive(Debug, Default, PartialEq)]
struct Record {
    /// The last change of each row that is still there.
    kept: Vec<i64>,
    /// Rows that are gone: table and key.
    gone: Vec<Value>,
}

impl Record {
    fn of(changes: &[Change]) -> Self {
        let mut last = std::collections::BTreeMap::new();
        for change in changes.iter().filter(|change| is_kept(&change.table)) {
            if let Some(previous) = change.previous_key() {
                last.insert((change.table.as_str(), previous), None);
            }
            let left = (change.event != Event::Delete && change.new.is_some()).then_some(change.id);
            last.insert((change.table.as_str(), change.key.clone()), left);
        }
        let mut record = Record::default();
        for ((table, key), left) in last {
            match left {
                Some(id) => record.kept.push(id),
                None => record.gone.push(json!([table, key])),
            }
        }
        record
    }
}

fn is_kept(table: &str) -> bool {
    kept().any(|watched| watched.table == table)
}

async fn forget(conn: &mut Conn, gone: &[Value]) -> Result<(), DbError> {
    let sql = match conn.engine() {
        Engine::Sqlite => {
            "DELETE FROM captured_rows WHERE (table_name, row_key) IN \
             (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each($1))"
        }
        Engine::Postgres => {
            "DELETE FROM captured_rows WHERE (table_name, row_key) IN \
             (SELECT value->>0, value->>1 FROM jsonb_array_elements(CAST($1 AS JSONB)))"
        }
    };
    on!(conn, |c| sqlx::query(sql)
        .bind(json!(gone).to_string())
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

async fn keep(conn: &mut Conn, changes: &[i64]) -> Result<(), DbError> {
    let engine = conn.engine();
    let sql = format!(
        "INSERT INTO captured_rows (table_name, row_key, image) \
         SELECT table_name, row_key, {seen} FROM change_log WHERE {among} \
         ON CONFLICT (table_name, row_key) DO UPDATE SET image = excluded.image",
        seen = image::seen_of(engine, "new_row", &kept().collect::<Vec<_>>()),
        among = dialect::id_in(engine, 1),
    );
    on!(conn, |c| sqlx::query(AssertSqlSafe(sql))
        .bind(json!(changes).to_string())
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// A page of a table, in the order of its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// How many rows there are.
    pub rows: i64,
    /// How many of them differ from what was captured.
    pub differing: i64,
    /// The key of the last one; `None` when there is none.
    pub last: Option<String>,
}

/// The rows of a page: those after `after`, up to `last`.
#[derive(Debug, Clone)]
pub struct Range {
    /// Key before the first row; `None` at the beginning.
    pub after: Option<String>,
    /// Key of the last row.
    pub last: String,
}

/// Looks at the next page of a table, without changing anything.
///
/// # Errors
/// Whatever the database says.
pub async fn look(
    conn: &mut Conn,
    watched: &Watched,
    after: Option<&str>,
    limit: u32,
) -> Result<Page, DbError> {
    let engine = conn.engine();
    let key = format!("r.\"{}\"", watched.key);
    let sql = format!(
        "WITH page AS (SELECT r.*, {captured} FROM {table} r WHERE {further} ORDER BY {key} LIMIT $2) \
         SELECT COUNT(*), CAST(COALESCE(SUM(CASE WHEN {differs} THEN 1 ELSE 0 END), 0) AS BIGINT), \
                (SELECT CAST({key} AS TEXT) FROM page r ORDER BY {key} DESC LIMIT 1) FROM page r",
        captured = captured(watched),
        table = image::table(engine, watched.table),
        further = further(&key, &dialect::uuid_parameter(engine, 1), after.is_some()),
        differs = differs(engine, watched),
    );
    let (rows, differing, last): (i64, i64, Option<String>) =
        on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
            .bind(after)
            .bind(i64::from(limit))
            .fetch_one(c)
            .await)?;
    Ok(Page {
        rows,
        differing,
        last,
    })
}

/// The condition for what comes after parameter 1, or for everything. Not `$1 IS NULL OR ...`: a plan that does not know the
/// parameter would read the table from its beginning for each page.
fn further(key: &str, parameter: &str, is_further: bool) -> String {
    if is_further {
        format!("{key} > {parameter}")
    } else {
        "CAST($1 AS TEXT) IS NULL".to_owned()
    }
}

/// What was captured of row `r`, as one more column of it. Not a join: one page must not read everything that was captured.
fn captured(watched: &Watched) -> String {
    format!(
        "(SELECT c.image FROM captured_rows c WHERE c.table_name = '{}' AND c.row_key = CAST(r.\"{}\" AS TEXT)) AS {CAPTURED}",
        watched.table, watched.key
    )
}

const CAPTURED: &str = "pugmark_captured";

/// Whether row `r` is not what was captured of it.
fn differs(engine: Engine, watched: &Watched) -> String {
    let image = format!("r.{CAPTURED}");
    format!(
        "({image} IS NULL OR {})",
        image::differs_from(engine, watched, "r", &image)
    )
}

fn waits(name: &str, key: &str) -> String {
    format!(
        "EXISTS (SELECT 1 FROM change_log g WHERE g.table_name = '{name}' AND g.row_key = {key} AND g.processed_at IS NULL)"
    )
}

fn in_range(key: &str, parameters: [String; 2], range: &Range) -> String {
    let [after, last] = parameters;
    let further = further(key, &after, range.after.is_some());
    format!("{further} AND {key} <= {last}")
}

fn keys(engine: Engine) -> [String; 2] {
    [1, 2].map(|number| dialect::uuid_parameter(engine, number))
}

/// Writes the changes of these rows that nobody captured. Rows with a change that waits to be planned are left alone: when it
/// is planned, what was captured of the row is what it is.
///
/// # Errors
/// Whatever the database says.
pub async fn heal(conn: &mut Conn, watched: &Watched, range: &Range) -> Result<u64, DbError> {
    let engine = conn.engine();
    let (name, key) = (watched.table, format!("r.\"{}\"", watched.key));
    let text = format!("CAST({key} AS TEXT)");
    let sql = format!(
        "INSERT INTO change_log (table_name, row_key, event, old_row, new_row, correlation_id, healed) \
         SELECT '{name}', {text}, CASE WHEN r.{CAPTURED} IS NULL THEN 'INSERT' ELSE 'UPDATE' END, r.{CAPTURED}, {whole}, \
                'gap-sweep-' || {text}, TRUE \
         FROM (SELECT r.*, {captured} FROM {table} r WHERE {in_range}) r WHERE {differs} AND NOT {waits}",
        whole = image::whole(engine, watched, "r"),
        captured = captured(watched),
        table = image::table(engine, name),
        in_range = in_range(&key, keys(engine), range),
        differs = differs(engine, watched),
        waits = waits(name, &text),
    );
    in_page(conn, sql, range).await
}

/// Notes rows as captured that were there before anything was: they are no event. `except` is a condition on row `r` for
/// those that are one all the same.
///
/// # Errors
/// Whatever the database says.
pub async fn note(
    conn: &mut Conn,
    watched: &Watched,
    except: Option<&str>,
    range: &Range,
) -> Result<u64, DbError> {
    let engine = conn.engine();
    let (name, key) = (watched.table, format!("r.\"{}\"", watched.key));
    let text = format!("CAST({key} AS TEXT)");
    let except = except
        .map(|condition| format!("AND NOT ({condition})"))
        .unwrap_or_default();
    let sql = format!(
        "INSERT INTO captured_rows (table_name, row_key, image) \
         SELECT '{name}', {text}, {seen} FROM {table} r WHERE {in_range} {except} AND NOT {waits} \
         ON CONFLICT (table_name, row_key) DO NOTHING",
        seen = image::seen(engine, watched, "r"),
        table = image::table(engine, name),
        in_range = in_range(&key, keys(engine), range),
        waits = waits(name, &text),
    );
    in_page(conn, sql, range).await
}

async fn in_page(conn: &mut Conn, sql: String, range: &Range) -> Result<u64, DbError> {
    Ok(on!(conn, |c| sqlx::query(AssertSqlSafe(sql))
        .bind(range.after.as_deref())
        .bind(&range.last)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?)
}

/// Looks at the next page of what was captured of a table and counts the rows that are gone.
///
/// # Errors
/// Whatever the database says.
pub async fn look_for_gone(
    conn: &mut Conn,
    watched: &Watched,
    after: Option<&str>,
    limit: u32,
) -> Result<Page, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "WITH page AS (SELECT c.row_key FROM captured_rows c WHERE c.table_name = '{name}' \
                       AND {further} ORDER BY c.row_key LIMIT $2) \
         SELECT COUNT(*), CAST(COALESCE(SUM(CASE WHEN {gone} THEN 1 ELSE 0 END), 0) AS BIGINT), MAX(c.row_key) FROM page c",
        name = watched.table,
        further = further("c.row_key", "$1", after.is_some()),
        gone = gone(engine, watched),
    );
    let (rows, differing, last): (i64, i64, Option<String>) =
        on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
            .bind(after)
            .bind(i64::from(limit))
            .fetch_one(c)
            .await)?;
    Ok(Page {
        rows,
        differing,
        last,
    })
}

fn gone(engine: Engine, watched: &Watched) -> String {
    let key = match engine {
        Engine::Sqlite => "c.row_key",
        Engine::Postgres => "CAST(c.row_key AS UUID)",
    };
    format!(
        "NOT EXISTS (SELECT 1 FROM {} r WHERE r.\"{}\" = {key})",
        image::table(engine, watched.table),
        watched.key
    )
}

/// Writes the deletes of this range of captured rows that nobody captured.
///
/// # Errors
/// Whatever the database says.
pub async fn heal_gone(conn: &mut Conn, watched: &Watched, range: &Range) -> Result<u64, DbError> {
    let name = watched.table;
    let sql = format!(
        "INSERT INTO change_log (table_name, row_key, event, old_row, correlation_id, healed) \
         SELECT c.table_name, c.row_key, 'DELETE', c.image, 'gap-sweep-' || c.row_key, TRUE FROM captured_rows c \
         WHERE c.table_name = '{name}' AND {in_range} AND {gone} AND NOT {waits}",
        in_range = in_range("c.row_key", ["$1", "$2"].map(str::to_owned), range),
        gone = gone(conn.engine(), watched),
        waits = waits(name, "c.row_key"),
    );
    in_page(conn, sql, range).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(id: i64, table: &str, key: &str, event: Event) -> Change {
        let image = json!({ "id": key }).as_object().cloned();
        Change {
            id,
            table: table.to_owned(),
            key: key.to_owned(),
            event,
            old: (event != Event::Insert).then(|| image.clone()).flatten(),
            new: (event != Event::Delete).then_some(image).flatten(),
            correlation_id: None,
            healed: false,
        }
    }

    #[test]
    fn only_the_last_change_of_a_row_is_kept() {
        let changes = [
            change(1, "dependants", "a", Event::Insert),
            change(2, "dependants", "b", Event::Insert),
            change(3, "dependants", "a", Event::Update),
            change(4, "dependants", "b", Event::Delete),
            change(5, "dependants", "c", Event::Delete),
            change(6, "dependants", "c", Event::Insert),
            change(7, "customers", "d", Event::Insert),
            change(8, "policy_payments", "9", Event::Insert),
        ];
        let record = Record::of(&changes);
        assert_eq!(record.kept, [3, 6]);
        assert_eq!(record.gone, [json!(["dependants", "b"])]);
    }

    #[test]
    fn a_row_whose_key_changed_is_gone_under_the_old_one() {
        let mut renamed = change(1, "policies", "new", Event::Update);
        renamed.old = json!({ "id": "old" }).as_object().cloned();
        let record = Record::of(&[renamed]);
        assert_eq!(record.kept, [1]);
        assert_eq!(record.gone, [json!(["policies", "old"])]);
    }
}
