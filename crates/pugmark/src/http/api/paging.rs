//! Pages of longer lists, by keyset.

use serde::Deserialize;
use utoipa::IntoParams;

use super::cursor;
use crate::http::AppState;
use crate::http::envelope::{ApiError, Page, Pagination};
use crate::store::page::Wanted;

const LARGEST_PAGE: u32 = 200;

/// Which page of a list is wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageParameters {
    /// Entries of a page, 1 to 200; 50 when left out.
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Entries of a page that were asked for, within bounds.
pub(super) fn page_size(limit: Option<u32>) -> u32 {
    limit.unwrap_or(50).clamp(1, LARGEST_PAGE)
}

impl PageParameters {
    /// The same, for a list that takes other parameters besides.
    pub(super) fn new(limit: Option<u32>, cursor: Option<String>) -> Self {
        PageParameters { limit, cursor }
    }

    pub(super) fn size(&self) -> u32 {
        page_size(self.limit)
    }

    /// One more than the page holds, which shows whether another follows.
    ///
    /// # Errors
    /// 422 when the cursor is not one of ours.
    pub(super) fn wanted(&self, state: &AppState) -> Result<Wanted, ApiError> {
        let after = self
            .cursor
            .as_deref()
            .map(|cursor| cursor::decode(cursor, state.db.engine()))
            .transpose()?;
        Ok(Wanted {
            after,
            limit: self.size() + 1,
        })
    }

    /// As [`wanted`](Self::wanted), for a list in the order of whole numbers.
    ///
    /// # Errors
    /// 422 when the cursor is not one of ours.
    pub(super) fn before_number(&self) -> Result<Option<i32>, ApiError> {
        self.cursor
            .as_deref()
            .map(cursor::decode_number)
            .transpose()
    }
}

/// The page made of what was found, which may be one more than it holds. `at` gives the cursor after an entry.
pub(super) fn page<R, B>(
    mut found: Vec<R>,
    size: u32,
    at: impl Fn(&R) -> String,
    body: impl Fn(R) -> B,
) -> Page<B> {
    let has_next_page = found.len() > size as usize;
    found.truncate(size as usize);
    let next_cursor = found.last().filter(|_| has_next_page).map(at);
    Page {
        items: found.into_iter().map(body).collect(),
        pagination: Pagination {
            page_size: size,
            has_next_page,
            next_cursor,
        },
    }
}
