//! One call, before it is sent.

use http::Method;
use secrecy::SecretString;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::error::RefusalReason;

/// What a call may do to the server's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Nothing that matters: it can be repeated at will. A sign-in counts here; a lost answer leaves an unused session.
    Read,
    /// A change; when its answer is lost, whether it happened is unknown.
    Write,
}

/// Whose right a call uses.
pub(crate) enum Bearer {
    /// The admin key's.
    Admin,
    /// Nobody's: signing in and refreshing.
    Public,
    /// That of the user with this access token.
    User(SecretString),
}

/// A call. It has no `Debug`: its body may hold a password.
pub(crate) struct Call {
    pub(crate) operation: &'static str,
    pub(crate) effect: Effect,
    pub(crate) method: Method,
    /// Below `/auth/v1`, without a leading slash.
    pub(crate) path: String,
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) body: Option<Map<String, Json>>,
    pub(crate) bearer: Bearer,
    /// The user concerned, for the observer.
    pub(crate) user_id: Option<Uuid>,
    /// What a 500 to this call usually means.
    pub(crate) suspicion: Option<RefusalReason>,
    /// What must not appear in any text, beside the keys.
    pub(crate) secrets: Vec<SecretString>,
}

impl Call {
    pub(crate) fn read(operation: &'static str, method: Method, path: impl Into<String>) -> Self {
        Self {
            operation,
            effect: Effect::Read,
            method,
            path: path.into(),
            query: Vec::new(),
            body: None,
            bearer: Bearer::Admin,
            user_id: None,
            suspicion: None,
            secrets: Vec::new(),
        }
    }

    pub(crate) fn write(operation: &'static str, method: Method, path: impl Into<String>) -> Self {
        Self {
            effect: Effect::Write,
            ..Self::read(operation, method, path)
        }
    }

    /// A parameter of the query; they keep the order they are added in.
    pub(crate) fn query(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    pub(crate) fn body(mut self, body: Map<String, Json>) -> Self {
        self.body = Some(body);
        self
    }

    pub(crate) fn bearer(mut self, bearer: Bearer) -> Self {
        self.bearer = bearer;
        self
    }

    pub(crate) fn about(mut self, user: Option<Uuid>) -> Self {
        self.user_id = user;
        self
    }

    pub(crate) fn suspecting(mut self, reason: Option<RefusalReason>) -> Self {
        self.suspicion = reason;
        self
    }

    pub(crate) fn hiding<'s>(
        mut self,
        secrets: impl IntoIterator<Item = &'s SecretString>,
    ) -> Self {
        self.secrets.extend(secrets.into_iter().cloned());
        self
    }
}
