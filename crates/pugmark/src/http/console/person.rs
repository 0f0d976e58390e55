//! Who is signed in.

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use super::frame::Visit;
use crate::people::{May, Role};

/// Somebody who is signed in. Handlers behind [`May`] take it as an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Id of the account.
    pub id: Uuid,
    /// Name.
    pub name: String,
    /// E-mail address.
    pub email: String,
    /// What they may do, as it is now.
    pub role: Role,
    /// The session of this request.
    pub session: Uuid,
}

impl Person {
    /// Whether they may do that; routes ask by themselves, templates to leave out what would be refused.
    pub fn may(&self, what: May) -> bool {
        self.role.may(what)
    }

    /// Whether they see customers' personal data as it is.
    pub fn sees_personal(&self) -> bool {
        self.may(May::SeePersonal)
    }

    /// Whether they may care for what is stuck.
    pub fn may_care(&self) -> bool {
        self.may(May::Care)
    }

    /// Whether they may change what is delivered.
    pub fn may_change(&self) -> bool {
        self.may(May::Change)
    }

    /// Whether they say who may do what.
    pub fn may_govern(&self) -> bool {
        self.may(May::Govern)
    }

    /// Their name in the audit log: address and id, as people of the API have.
    pub fn actor(&self) -> String {
        format!("{} ({})", self.email, self.id)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Person {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Response> {
        let visit = parts.extensions.get::<Visit>();
        let person = visit.and_then(|visit| visit.person.clone());
        person.ok_or_else(|| StatusCode::UNAUTHORIZED.into_response())
    }
}
