//! Single columns of MicroBima's `customers`, written back from an edit in the CRM.

use pugmark_queue::db::{Conn, DbError, Engine, Ts};
use pugmark_queue::on;
use sqlx::AssertSqlSafe;

use super::dialect;

/// The columns that an edit in the CRM may change. No other column is ever written for one.
pub const WRITABLE: [&str; 9] = [
    "firstName",
    "middleName",
    "lastName",
    "email",
    "phoneNumber",
    "dateOfBirth",
    "gender",
    "idType",
    "idNumber",
];

/// One column's change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// One of [`WRITABLE`].
    pub column: &'static str,
    /// What the row held when it was decided, as text.
    pub before: Option<String>,
    /// What it is to hold.
    pub after: Option<String>,
}

/// Writes the changes, and says whether the row still held what it held when they were decided. If not, nothing is written.
///
/// # Errors
/// [`DbError`] with the violated constraint when the e-mail or the document is taken.
pub async fn apply(conn: &mut Conn, id: &str, edits: &[Edit], now: Ts) -> Result<bool, DbError> {
    let engine = conn.engine();
    let mut number = 2;
    let mut sets = vec![format!(
        "\"updatedAt\" = {}",
        dialect::instant_parameter(engine, 2)
    )];
    let mut guards = vec![format!("\"id\" = {}", dialect::uuid_parameter(engine, 1))];
    for edit in edits.iter().filter(|edit| WRITABLE.contains(&edit.column)) {
        let column = edit.column;
        sets.push(format!(
            "\"{column}\" = {}",
            parameter(engine, number + 1, column)
        ));
        guards.push(format!(
            "CAST(\"{column}\" AS TEXT) IS NOT DISTINCT FROM ${}",
            number + 2
        ));
        number += 2;
    }
    let sql = format!(
        "UPDATE customers SET {} WHERE {}",
        sets.join(", "),
        guards.join(" AND ")
    );
    let rows = on!(conn, |c| {
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(id).bind(now);
        for edit in edits.iter().filter(|edit| WRITABLE.contains(&edit.column)) {
            query = query.bind(edit.after.clone()).bind(edit.before.clone());
        }
        query.execute(c).await.map(|done| done.rows_affected())
    })?;
    Ok(rows > 0)
}

fn parameter(engine: Engine, number: u8, column: &str) -> String {
    match column {
        "gender" => dialect::enum_parameter(engine, number, "Gender"),
        "idType" => dialect::enum_parameter(engine, number, "IdType"),
        "dateOfBirth" => dialect::date_parameter(engine, number),
        _ => format!("${number}"),
    }
}
