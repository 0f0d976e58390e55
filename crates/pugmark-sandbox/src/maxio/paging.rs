//! Pages of lists.

use super::call::Call;

/// The largest page there is; larger wishes are cut without a word.
const LARGEST_PAGE: usize = 200;

/// The rows of the page that is asked for: from page 1 on, so many by default. Behind the end there is nothing.
pub(super) fn page<T>(rows: Vec<T>, call: &Call<'_>, default: usize) -> Vec<T> {
    let number = |name| call.query(name).and_then(|text| text.parse::<usize>().ok());
    let size = number("per_page")
        .filter(|&size| size > 0)
        .unwrap_or(default)
        .min(LARGEST_PAGE);
    let page = number("page").unwrap_or(1).max(1);
    let from = (page - 1).saturating_mul(size);
    rows.into_iter().skip(from).take(size).collect()
}

/// In the order of creation, or against it with `direction=desc`.
pub(super) fn directed<T>(mut rows: Vec<T>, call: &Call<'_>) -> Vec<T> {
    if call.query("direction") == Some("desc") {
        rows.reverse();
    }
    rows
}
