//! Cursors of keyset pagination: opaque to the caller, so that the key may change.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use pugmark_queue::db::Engine;

use crate::http::envelope::ApiError;
use crate::store::page::Place;

/// The place in a list after which the next page begins.
pub(super) fn encode(place: &str, id: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{id}:{place}"))
}

/// Reads a cursor.
///
/// # Errors
/// 422 naming the parameter when it is not one of ours.
pub(super) fn decode(cursor: &str, store: Engine) -> Result<(Place, String), ApiError> {
    read(cursor, store).ok_or_else(not_ours)
}

/// The place in a list in the order of whole numbers.
pub(super) fn encode_number(number: i32) -> String {
    URL_SAFE_NO_PAD.encode(number.to_string())
}

/// Reads a cursor of [`encode_number`].
///
/// # Errors
/// 422 naming the parameter when it is not one of ours.
pub(super) fn decode_number(cursor: &str) -> Result<i32, ApiError> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| not_ours())?;
    let text = String::from_utf8(bytes).map_err(|_| not_ours())?;
    text.parse().map_err(|_| not_ours())
}

fn not_ours() -> ApiError {
    let what = "is not a cursor of this list; take it from the page before".to_owned();
    ApiError::validation([("cursor".to_owned(), what)].into())
}

fn read(cursor: &str, store: Engine) -> Option<(Place, String)> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (id, place) = text.split_once(':')?;
    let id = uuid::Uuid::parse_str(id).ok()?.to_string();
    Some((Place::parse(place, store)?, id))
}
