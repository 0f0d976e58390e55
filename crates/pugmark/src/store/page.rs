//! Pages of lists by keyset, newest first, and reading rows by their key.

use pugmark_queue::db::{Conn, DbError, Engine};
use pugmark_queue::on;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, FromRow};

use super::dialect;

/// Where a row stands among the others, newest first. On SQLite another program may have written the time as text, and
/// then the text itself is what the rows are ordered by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Microseconds since 1970 in UTC.
    Instant(i64),
    /// As another program wrote it.
    Text(String),
}

impl Place {
    /// Reads what the column `place` of a list holds in a store of this kind; `None` when it is no place there, or no time that
    /// the database knows.
    pub fn parse(text: &str, engine: Engine) -> Option<Self> {
        // The years 1 to 9999.
        const SENSIBLE: std::ops::RangeInclusive<i64> =
            -62_135_596_800_000_000..=253_402_300_799_999_999;
        let (kind, rest) = text.split_at_checked(1)?;
        match kind {
            "i" => rest
                .parse()
                .ok()
                .filter(|micros| SENSIBLE.contains(micros))
                .map(Place::Instant),
            "t" if engine == Engine::Sqlite && !rest.contains('\0') => {
                Some(Place::Text(rest.to_owned()))
            }
            _ => None,
        }
    }
}

impl std::fmt::Display for Place {
    /// As the column `place` of a list holds it; [`Place::parse`] reads it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Instant(micros) => write!(f, "i{micros}"),
            Place::Text(text) => write!(f, "t{text}"),
        }
    }
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Continue after the row with this place and id.
    pub after: Option<(Place, String)>,
    /// Most rows to return.
    pub limit: u32,
}

impl Wanted {
    /// Place and id as parameters of a statement.
    pub(super) fn parameters(&self) -> (Option<String>, Option<&str>) {
        match &self.after {
            Some((Place::Instant(micros), id)) => (Some(micros.to_string()), Some(id)),
            Some((Place::Text(text), id)) => (Some(text.clone()), Some(id)),
            None => (None, None),
        }
    }
}

/// A row that both databases give.
pub(super) trait Readable:
    Send + Unpin + for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow>
{
}

impl<T> Readable for T where
    T: Send + Unpin + for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow>
{
}

/// The row that a statement finds by the parameter $1, if there is one.
pub(super) async fn one<T: Readable>(
    conn: &mut Conn,
    sql: String,
    key: &str,
) -> Result<Option<T>, DbError> {
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(key)
        .fetch_optional(c)
        .await)?)
}

/// Something that the rows of a list must fulfil: a condition on one parameter, and what the parameter is. Without a value
/// the condition is left out.
pub(super) struct Condition<'a> {
    /// For example `d."customerId" = $1`.
    pub(super) sql: String,
    pub(super) value: Option<&'a str>,
}

impl Condition<'_> {
    /// No condition.
    pub(super) const NONE: Condition<'static> = Condition {
        sql: String::new(),
        value: None,
    };
}

/// The page of a list as SQL with the parameters $1 and $2 (of the conditions), $3 (id), $4 (place), $5 (limit). `select` goes
/// up to the WHERE; `row` is the name of the listed table in it.
///
/// Every form names every parameter, so that one way of binding serves all.
pub(super) fn page_sql(
    engine: Engine,
    select: &str,
    row: &str,
    conditions: &[Condition<'_>; 2],
    after: Option<&Place>,
) -> String {
    let (created, id) = (format!("{row}.\"createdAt\""), format!("{row}.\"id\""));
    let conditions: Vec<String> = (1..)
        .zip(conditions)
        .map(|(number, condition)| match condition.value {
            Some(_) => condition.sql.clone(),
            None => format!("CAST(${number} AS TEXT) IS NULL"),
        })
        .collect();
    let further = match after {
        None => "CAST($3 AS TEXT) IS NULL AND CAST($4 AS TEXT) IS NULL".to_owned(),
        Some(place) => format!(
            "({created}, {id}) < ({}, {})",
            dialect::place_parameter(engine, 4, matches!(place, Place::Text(_))),
            dialect::uuid_parameter(engine, 3),
        ),
    };
    format!(
        "{select} WHERE {} AND {further} ORDER BY {created} DESC, {id} DESC LIMIT $5",
        conditions.join(" AND "),
    )
}

/// A page of a list, newest first; see [`page_sql`].
pub(super) async fn page<T: Readable>(
    conn: &mut Conn,
    select: &str,
    row: &str,
    conditions: [Condition<'_>; 2],
    wanted: &Wanted,
) -> Result<Vec<T>, DbError> {
    let after = wanted.after.as_ref().map(|(place, _)| place);
    let sql = page_sql(conn.engine(), select, row, &conditions, after);
    let (place, id) = wanted.parameters();
    let [first, second] = conditions.map(|condition| condition.value);
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(first)
        .bind(second)
        .bind(id)
        .bind(place)
        .bind(i64::from(wanted.limit))
        .fetch_all(c)
        .await)?)
}
