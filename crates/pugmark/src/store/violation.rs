//! What a refused write ran into, by the names of the columns: MicroBima's own database names its constraints in its own way.

use pugmark_queue::db::DbError;
use sqlx::postgres::PgDatabaseError;

/// A constraint that a row did not fulfil.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// Another row has these values in these columns.
    Taken(Vec<String>),
    /// There is no such row to point to, from this column where the database tells it.
    Missing(Option<String>),
    /// Other rows point to this one.
    StillNeeded,
}

impl Violation {
    /// Reads an error; `None` when no such constraint was in the way.
    pub fn of(error: &DbError) -> Option<Self> {
        let DbError::Sql(error) = error else {
            return None;
        };
        let error = error.as_database_error()?;
        let detail = error
            .try_downcast_ref::<PgDatabaseError>()
            .and_then(PgDatabaseError::detail);
        if error.is_unique_violation() {
            let columns = match detail {
                Some(detail) => key_columns(detail),
                None => failed_columns(error.message()),
            };
            return Some(Violation::Taken(columns));
        }
        if !error.is_foreign_key_violation() {
            return None;
        }
        Some(match detail {
            Some(detail) if detail.contains("is still referenced") => Violation::StillNeeded,
            Some(detail) => Violation::Missing(key_columns(detail).into_iter().next()),
            None => Violation::Missing(None),
        })
    }

    /// Whether the column is one of those whose values another row has.
    pub fn is_taken(&self, column: &str) -> bool {
        matches!(self, Violation::Taken(columns) if columns.iter().any(|taken| taken == column))
    }
}

/// PostgreSQL: `Key ("customerId", "packageId")=(..., 1) already exists.`
fn key_columns(detail: &str) -> Vec<String> {
    let listed = detail
        .strip_prefix("Key (")
        .and_then(|rest| rest.split(")=(").next())
        .unwrap_or_default();
    named(listed)
}

/// SQLite: `UNIQUE constraint failed: policies.customerId, policies.packageId`
fn failed_columns(message: &str) -> Vec<String> {
    named(message.rsplit(": ").next().unwrap_or_default())
}

fn named(listed: &str) -> Vec<String> {
    listed
        .split(", ")
        .map(|name| name.rsplit('.').next().unwrap_or(name).trim_matches('"'))
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}
