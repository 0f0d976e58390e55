//! Cursors of keyset pagination: opaque to the caller, so that the key may change.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pugmark_queue::db::Ts;

use crate::http::envelope::ApiError;

/// The place in a list after which the next page begins.
pub(super) fn encode(at: Ts, id: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}:{id}", at.as_micros()))
}

/// Reads a cursor.
///
/// # Errors
/// 422 naming the parameter when it is not one of ours.
pub(super) fn decode(cursor: &str) -> Result<(Ts, String), ApiError> {
    let refused = || {
        let details = [(
            "cursor".to_owned(),
            "is not a cursor of this list; take it from the page before".to_owned(),
        )];
        ApiError::validation(details.into())
    };
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| refused())?;
    let text = String::from_utf8(bytes).map_err(|_| refused())?;
    let (micros, id) = text.split_once(':').ok_or_else(refused)?;
    let micros = micros.parse().map_err(|_| refused())?;
    if uuid::Uuid::parse_str(id).is_err() {
        return Err(refused());
    }
    Ok((Ts::from_micros(micros), id.to_owned()))
}
