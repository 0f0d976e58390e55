//! The SQLite side: rows in the order of their primary keys, already in the form that PostgreSQL reads.

use futures::TryStreamExt;
use pugmark_queue::db::{Conn, DbError};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Row};
use std::sync::Arc;

use super::catalogue::{Kind, Table};
use super::images::Images;
use super::sides::sqlite;
use super::value::{Raw, convert};
use super::{MoveError, Unfit};

/// The most text that one batch holds, in bytes: rows of payloads are larger than rows of numbers.
const MOST_BYTES: usize = 4 << 20;

/// Rows that follow each other.
#[derive(Default)]
pub(super) struct Batch {
    pub rows: Vec<Vec<Option<String>>>,
    /// Values that PostgreSQL cannot keep; their rows are not among `rows`.
    pub unfit: Vec<Unfit>,
    /// The primary key of the last row, fit or not; `None` when there was none.
    pub last: Option<Vec<Raw>>,
}

/// At most `limit` rows behind `after`.
pub(super) async fn batch(
    conn: &mut Conn,
    table: &Table,
    images: &Images,
    after: Option<&[Raw]>,
    limit: u32,
) -> Result<Batch, MoveError> {
    let mut arguments = SqliteArguments::default();
    for value in after.unwrap_or_default() {
        bind(&mut arguments, value)?;
    }
    let sql = select(table, after.is_some(), limit);
    let mut rows = sqlx::query_with(AssertSqlSafe(sql), arguments).fetch(sqlite(conn)?);
    let (mut batch, mut bytes) = (Batch::default(), 0);
    while let Some(row) = rows.try_next().await? {
        let mut values = read(&row, table)?;
        let key: Vec<Raw> = table
            .key
            .iter()
            .filter_map(|name| table.columns.iter().position(|column| column.name == *name))
            .filter_map(|at| values.get(at).cloned())
            .collect();
        images.translate(table, &mut values);
        match texts(table, &key, &values) {
            Ok(texts) => {
                bytes += texts.iter().flatten().map(String::len).sum::<usize>();
                batch.rows.push(texts);
            }
            Err(unfit) => batch.unfit.extend(unfit),
        }
        batch.last = Some(key);
        if bytes > MOST_BYTES {
            break;
        }
    }
    Ok(batch)
}

/// How many rows a table has.
pub(super) async fn count(conn: &mut Conn, table: &str) -> Result<u64, MoveError> {
    let sql = format!("SELECT count(*) FROM \"{table}\"");
    let count: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
        .fetch_one(sqlite(conn)?)
        .await?;
    Ok(u64::try_from(count).unwrap_or_default())
}

/// The highest number that a table of numbered rows has given out, also to rows that are gone.
pub(super) async fn last_number(conn: &mut Conn, table: &str) -> Result<i64, MoveError> {
    let sql = "SELECT seq FROM sqlite_sequence WHERE name = $1";
    let last: Option<i64> = sqlx::query_scalar(sql)
        .bind(table)
        .fetch_optional(sqlite(conn)?)
        .await?;
    Ok(last.unwrap_or_default())
}

fn select(table: &Table, continued: bool, limit: u32) -> String {
    let columns: Vec<String> = table
        .columns
        .iter()
        .map(|column| shown(&column.name, &column.kind))
        .collect();
    let key = table
        .key
        .iter()
        .map(|name| format!("\"{name}\""))
        .collect::<Vec<_>>();
    let key = key.join(", ");
    let behind = if continued {
        let places: Vec<String> = (1..=table.key.len())
            .map(|number| format!("${number}"))
            .collect();
        format!("WHERE ({key}) > ({})", places.join(", "))
    } else {
        String::new()
    };
    format!(
        "SELECT {} FROM \"{}\" {behind} ORDER BY {key} LIMIT {limit}",
        columns.join(", "),
        table.name
    )
}

/// Other programs may have written an instant as text; it is read as the program itself reads it.
fn shown(name: &str, kind: &Kind) -> String {
    match kind {
        Kind::Instant { .. } => format!(
            "CASE typeof(\"{name}\") WHEN 'text' \
             THEN COALESCE(CAST(unixepoch(\"{name}\", 'subsec') * 1000000 AS INTEGER), \"{name}\") ELSE \"{name}\" END"
        ),
        _ => format!("\"{name}\""),
    }
}

fn read(row: &SqliteRow, table: &Table) -> Result<Vec<Raw>, MoveError> {
    let unreadable = |source| DbError::Sql(Arc::new(sqlx::Error::Decode(source)));
    (0..table.columns.len())
        .map(|at| {
            let value = row.try_get_raw(at).map_err(DbError::from)?;
            Ok(Raw::read(value).map_err(unreadable)?)
        })
        .collect()
}

fn texts(table: &Table, key: &[Raw], values: &[Raw]) -> Result<Vec<Option<String>>, Vec<Unfit>> {
    let (mut texts, mut unfit) = (Vec::with_capacity(values.len()), Vec::new());
    for (column, value) in table.columns.iter().zip(values) {
        match convert(&column.kind, value) {
            Ok(text) => texts.push(text),
            Err(why) => unfit.push(Unfit {
                table: table.name.clone(),
                row: key.iter().map(Raw::shown).collect::<Vec<_>>().join(", "),
                column: column.name.clone(),
                why,
            }),
        }
    }
    if unfit.is_empty() {
        Ok(texts)
    } else {
        Err(unfit)
    }
}

fn bind(arguments: &mut SqliteArguments, value: &Raw) -> Result<(), MoveError> {
    let bound = match value {
        Raw::Null => arguments.add(None::<i64>),
        Raw::Integer(number) => arguments.add(*number),
        Raw::Real(number) => arguments.add(*number),
        Raw::Text(text) => arguments.add(text.clone()),
        Raw::Bytes(bytes) => arguments.add(bytes.clone()),
    };
    bound.map_err(|error| DbError::Sql(Arc::new(sqlx::Error::Encode(error))).into())
}
