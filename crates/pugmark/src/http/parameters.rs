//! What a request says in its address: the id in the path and the parameters behind the question mark.

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::body::wrong_shape;
use super::envelope::ApiError;

/// The UUID in the path.
pub struct PathId(pub Uuid);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let refused =
            || ApiError::validation([("id".to_owned(), "must be a UUID".to_owned())].into());
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| refused())?;
        Uuid::parse_str(&text).map(PathId).map_err(|_| refused())
    }
}

/// The number in the path, of records that the database numbers.
pub struct PathNumber(pub i64);

impl<S: Send + Sync> FromRequestParts<S> for PathNumber {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let refused =
            || ApiError::validation([("id".to_owned(), "must be a number".to_owned())].into());
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| refused())?;
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number: i64 = text.parse().map_err(|_| refused())?;
        (digits && number > 0)
            .then_some(PathNumber(number))
            .ok_or_else(refused)
    }
}

/// The parameters behind the question mark, in the shape `T`.
pub struct Parameters<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let found = Query::<T>::from_request_parts(parts, state).await;
        found
            .map(|Query(found)| Parameters(found))
            .map_err(|rejection| {
                let said = rejection.body_text();
                let said = said
                    .strip_prefix("Failed to deserialize query string: ")
                    .unwrap_or(&said);
                // `limit: invalid digit found in string`
                match said.split_once(": ") {
                    Some((name, what)) if !name.contains(' ') => wrong_shape(name, what),
                    _ => wrong_shape("", said),
                }
            })
    }
}

/// Longest text that is searched for.
const LONGEST_SEARCH: usize = 100;

/// What to search for, when anything.
///
/// # Errors
/// 422 when it is too long, or holds the character NUL, which no database keeps.
pub fn search(text: Option<String>) -> Result<Option<String>, ApiError> {
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
        return Ok(None);
    };
    if text.chars().count() > LONGEST_SEARCH || text.contains('\0') {
        let what = format!("must have at most {LONGEST_SEARCH} characters, and no NUL among them");
        return Err(ApiError::validation([("search".to_owned(), what)].into()));
    }
    Ok(Some(text))
}
