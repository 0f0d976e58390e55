//! A call as it reaches the server: its body as parameters, and who makes it.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::refusal::Refusal;
use super::state::Stage;
use super::tokens::Claims;
use super::users::User;
use crate::wire::Request;

/// Largest body in bytes.
pub(super) const LARGEST_BODY: usize = 1 << 20;

/// Roles whose tokens open the admin routes.
const ADMIN_ROLES: [&str; 2] = ["service_role", "supabase_admin"];

/// A request that the gateway let through.
pub(super) struct Call<'a> {
    pub(super) request: &'a Request,
    /// Whether the body is above the limit, and therefore left out.
    pub(super) too_large: bool,
    /// The header as the gateway hands it on.
    pub(super) authorization: Option<String>,
}

/// What a call succeeds with.
pub(super) struct Success {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Option<Value>,
}

impl Success {
    pub(super) fn ok(body: Value) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: Some(body),
        }
    }

    pub(super) fn no_content() -> Self {
        Self {
            status: 204,
            headers: Vec::new(),
            body: None,
        }
    }

    pub(super) fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// Result of an operation.
pub(super) type Answer = Result<Success, Refusal>;

/// Who calls with an access token.
pub(super) struct Caller {
    pub(super) user: User,
    pub(super) session: Option<Uuid>,
}

impl Call<'_> {
    /// The body's parameters. Unknown keys are ignored, null counts as absent, the last of equal keys counts.
    pub(super) fn params<T: DeserializeOwned + Default>(&self) -> Result<T, Refusal> {
        if self.too_large {
            return Err(Refusal::error(
                413,
                "request_entity_too_large",
                format!("Request body too large (max {LARGEST_BODY} bytes)"),
            ));
        }
        let unreadable = |error: serde_json::Error| {
            let text = format!("Could not parse request body as JSON: {error}");
            Refusal::error(400, "bad_json", text)
        };
        let object: Option<Map<String, Value>> =
            serde_json::from_slice(&self.request.body).map_err(unreadable)?;
        object.map_or_else(
            || Ok(T::default()),
            |object| serde_json::from_value(Value::Object(object)).map_err(unreadable),
        )
    }

    pub(super) fn has_body(&self) -> bool {
        self.too_large || !self.request.body.is_empty()
    }

    /// Lets administrators pass.
    pub(super) fn require_admin(&self, stage: &mut Stage<'_>) -> Result<(), Refusal> {
        let claims = self.claims(stage)?;
        let role = text(&claims, "role");
        if !ADMIN_ROLES.contains(&role) {
            return Err(Refusal::error(403, "not_admin", "User not allowed"));
        }
        stage.actor = Some(role.to_owned());
        Ok(())
    }

    /// The user whose access token it is, living session and all.
    pub(super) fn require_user(&self, stage: &mut Stage<'_>) -> Result<Caller, Refusal> {
        let claims = self.claims(stage)?;
        let bad = |why: &str| Refusal::error(403, "bad_jwt", why);
        let subject = text(&claims, "sub");
        if subject.is_empty() {
            return Err(bad("invalid claim: missing sub claim"));
        }
        let id = Uuid::parse_str(subject).map_err(|_| {
            Refusal::error(400, "bad_jwt", "invalid claim: sub claim must be a UUID")
        })?;
        let user = stage.state.users.get(id).cloned().ok_or_else(|| {
            let message = "User from sub claim in JWT does not exist";
            Refusal::error(403, "user_not_found", message)
        })?;
        let session = session_of(&claims)
            .map_err(|_| bad("invalid claim: session_id claim must be a UUID"))?;
        if session.is_some_and(|session| stage.state.sessions.get(session).is_none()) {
            let message = "Session from session_id claim in JWT does not exist";
            return Err(Refusal::error(403, "session_not_found", message));
        }
        if user.is_banned(stage.now) {
            return Err(Refusal::error(403, "user_banned", "User is banned"));
        }
        stage.actor = Some(user.email.clone());
        Ok(Caller { user, session })
    }

    /// The session that the bearer token names, if it is a good one.
    pub(super) fn session(&self, stage: &Stage<'_>) -> Option<Uuid> {
        session_of(&self.claims(stage).ok()?).ok()?
    }

    fn claims(&self, stage: &Stage<'_>) -> Result<Claims, Refusal> {
        let now: Timestamp = stage.now;
        stage.state.signing.verify(self.bearer()?, now)
    }

    fn bearer(&self) -> Result<&str, Refusal> {
        let header = self.authorization.as_deref().unwrap_or_default();
        header
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token)
            .filter(|token| !token.is_empty() && !token.contains(char::is_whitespace))
            .ok_or_else(|| {
                let message = "This endpoint requires a valid Bearer token";
                Refusal::error(401, "no_authorization", message)
            })
    }
}

fn text<'a>(claims: &'a Claims, name: &str) -> &'a str {
    claims.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn session_of(claims: &Claims) -> Result<Option<Uuid>, uuid::Error> {
    match text(claims, "session_id") {
        "" => Ok(None),
        id => Uuid::parse_str(id).map(|id| Some(id).filter(|id| !id.is_nil())),
    }
}

/// For parameters that are absent when they are null.
pub(super) fn null_is_absent<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
