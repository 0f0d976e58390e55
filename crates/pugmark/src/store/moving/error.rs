//! Why a store was not moved.

use pugmark_queue::db::DbError;

use super::report::Unfit;
use crate::app::code_of;
use crate::problem::Code;

/// Why a store was not moved.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// One of the two stores is not fit for it, or not now.
    #[error("{code}: {0}", code = Code::MoveRefused)]
    Refused(String),
    /// Values that PostgreSQL cannot keep.
    #[error("{code}: {}", unfit_text(.0), code = Code::MoveUnfit)]
    Unfit(Vec<Unfit>),
    /// A store could not be used.
    #[error("{code}: {0}", code = code_of(.0))]
    Store(#[from] DbError),
}

impl From<sqlx::Error> for MoveError {
    fn from(error: sqlx::Error) -> Self {
        MoveError::Store(error.into())
    }
}

impl MoveError {
    pub(super) fn differing_tables(name: &str) -> Self {
        MoveError::Refused(format!(
            "table {name} is not the same in both stores, or has no primary key there; both must have been made by this version of Pugmark"
        ))
    }

    /// PostgreSQL's reasons name values; its constraint and column are enough to find them.
    pub(super) fn refused_rows(table: &str, error: sqlx::Error) -> Self {
        let Some(told) = error.as_database_error() else {
            return error.into();
        };
        let constraint = told
            .constraint()
            .map(|name| format!(" (constraint {name})"));
        MoveError::Refused(format!(
            "PostgreSQL does not take rows of {table}: {}{}. Mend them in the source and run this again with --restart",
            told.message(),
            constraint.unwrap_or_default()
        ))
    }
}

fn unfit_text(unfit: &[Unfit]) -> String {
    let lines: Vec<String> = unfit
        .iter()
        .map(|one| {
            format!(
                "\n  {} [{}], {}: {}",
                one.table, one.row, one.column, one.why
            )
        })
        .collect();
    format!(
        "PostgreSQL cannot keep these values; mend them in the source and run this again:{}",
        lines.concat()
    )
}
