//! A call as it reaches the application: who makes it, and what its body holds.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::fields::Fields;
use super::refusal::Refusal;
use crate::wire::Request;

/// A request that belongs to a route.
pub(super) struct Call<'a> {
    pub(super) request: &'a Request,
    /// What stands in the variable parts of the path.
    pub(super) ids: &'a [String],
    /// The body; null when there is none, or none that the service reads.
    body: Value,
}

/// What a call succeeds with.
pub(super) struct Success {
    pub(super) status: u16,
    /// None for an answer without a body.
    pub(super) body: Option<Value>,
}

impl Success {
    pub(super) fn ok(body: Value) -> Self {
        Self {
            status: 200,
            body: Some(body),
        }
    }

    pub(super) fn created(body: Value) -> Self {
        Self {
            status: 201,
            body: Some(body),
        }
    }

    pub(super) fn no_content() -> Self {
        Self {
            status: 204,
            body: None,
        }
    }
}

/// Result of an operation.
pub(super) type Answer = Result<Success, Refusal>;

impl<'a> Call<'a> {
    /// Reads the body. Form-encoded bodies are not accepted: they count as none.
    pub(super) fn read(request: &'a Request, ids: &'a [String]) -> Result<Self, Refusal> {
        let body = if request.is_json() && !request.body.is_empty() {
            serde_json::from_slice(&request.body).map_err(|_| Refusal::NoJson)?
        } else {
            Value::Null
        };
        Ok(Self { request, ids, body })
    }

    /// Whether it is a write that a `uniqueness_token` can protect, and the token.
    pub(super) fn uniqueness_token(&self) -> Option<&str> {
        let guarded = matches!(self.request.method.as_str(), "POST" | "PUT");
        let token = self.body.get("uniqueness_token")?.as_str()?;
        Some(token).filter(|token| guarded && !token.is_empty())
    }

    /// The wrapped object; refused when it is missing, empty or no object.
    pub(super) fn wrapped(&self, wrapper: &'static str) -> Result<Fields, Refusal> {
        let fields = self.wrapped_or_nothing(wrapper);
        if fields.is_empty() {
            return Err(Refusal::Blank(wrapper));
        }
        Ok(fields)
    }

    /// The wrapped object, where it may be left out.
    pub(super) fn wrapped_or_nothing(&self, wrapper: &str) -> Fields {
        let object = self.body.get(wrapper).and_then(Value::as_object);
        Fields::new(object.cloned().unwrap_or_default())
    }

    /// The body without a wrapper.
    pub(super) fn bare(&self) -> Fields {
        let object: Option<&Map<String, Value>> = self.body.as_object();
        Fields::new(object.cloned().unwrap_or_default())
    }

    /// The n-th variable part of the path as an id; what is no number is nobody's id.
    pub(super) fn id(&self, position: usize) -> Result<u64, Refusal> {
        let text = self.ids.get(position).ok_or(Refusal::NotFound)?;
        text.parse().map_err(|_| Refusal::NotFound)
    }

    /// A parameter of the query string that is not blank.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        let text = self.request.query.text(name)?;
        Some(text).filter(|text| !text.is_empty())
    }
}

/// Whether the request carries the site's key. The password is the letter x.
pub(super) fn knows_key(request: &Request, key: &str) -> bool {
    let header = request.headers.get(http::header::AUTHORIZATION);
    let encoded = header
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
        .map(|(_, encoded)| encoded.trim());
    let Some(decoded) = encoded.and_then(|text| STANDARD.decode(text).ok()) else {
        return false;
    };
    let expected = |password: &str| format!("{key}:{password}").into_bytes();
    decoded == expected("x") || decoded == expected("X")
}
