//! Which operation a request asks for, and how it is executed.

use super::account;
use super::admin;
use super::call::{Answer, Call, Success};
use super::refusal::Refusal;
use super::state::Stage;
use crate::wire::Request;

/// Where the platform serves the server.
pub(super) const PREFIX: &str = "/auth/v1";

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// `POST /admin/users`
    Create,
    /// `GET /admin/users`
    List,
    /// `GET /admin/users/{id}`
    Get(String),
    /// `PUT /admin/users/{id}`
    Update(String),
    /// `DELETE /admin/users/{id}`
    Delete(String),
    /// `POST /token?grant_type=password`
    SignIn,
    /// `POST /token?grant_type=refresh_token`
    Refresh,
    /// `POST /token` with another grant
    OtherGrant,
    /// `GET /user`
    GetUser,
    /// `PUT /user`
    UpdateUser,
    /// `POST /logout`
    Logout,
    /// `GET /.well-known/jwks.json`
    KeySet,
    /// A known path with a method that it does not know.
    NoMethod,
    /// A path that the server does not know.
    NoRoute,
    /// A path outside of the server.
    Elsewhere,
}

impl Operation {
    pub(super) fn of(request: &Request) -> Self {
        let Some(path) = request.path.strip_prefix(PREFIX) else {
            return Self::Elsewhere;
        };
        let path = path.strip_suffix('/').unwrap_or(path);
        let method = request.method.as_str();
        match (path, path.strip_prefix("/admin/users/")) {
            ("/admin/users", _) => match method {
                "POST" => Self::Create,
                "GET" => Self::List,
                _ => Self::NoMethod,
            },
            (_, Some(id)) if !id.contains('/') => match method {
                "GET" => Self::Get(id.to_owned()),
                "PUT" => Self::Update(id.to_owned()),
                "DELETE" => Self::Delete(id.to_owned()),
                _ => Self::NoMethod,
            },
            ("/token", _) if method == "POST" => match request.either("grant_type") {
                Some("password") => Self::SignIn,
                Some("refresh_token") => Self::Refresh,
                _ => Self::OtherGrant,
            },
            ("/user", _) => match method {
                "GET" => Self::GetUser,
                "PUT" => Self::UpdateUser,
                _ => Self::NoMethod,
            },
            ("/logout", _) if method == "POST" => Self::Logout,
            ("/.well-known/jwks.json", _) if method == "GET" => Self::KeySet,
            ("/token" | "/logout" | "/.well-known/jwks.json", _) => Self::NoMethod,
            _ => Self::NoRoute,
        }
    }

    /// The name by which the journal and fault plans know it; empty for what is no operation.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::List => "list",
            Self::Get(_) => "get",
            Self::Update(_) => "update",
            Self::Delete(_) => "delete",
            Self::SignIn => "sign_in",
            Self::Refresh => "refresh",
            Self::OtherGrant => "token",
            Self::GetUser => "get_user",
            Self::UpdateUser => "update_user",
            Self::Logout => "logout",
            Self::KeySet => "key_set",
            Self::NoMethod | Self::NoRoute | Self::Elsewhere => "",
        }
    }

    /// Whether the gateway lets everybody through.
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::KeySet)
    }

    fn is_for_admins(&self) -> bool {
        matches!(
            self,
            Self::Create | Self::List | Self::Get(_) | Self::Update(_) | Self::Delete(_)
        )
    }
}

/// Executes an operation that the gateway let through.
pub(super) fn execute(stage: &mut Stage<'_>, operation: &Operation, call: &Call<'_>) -> Answer {
    if operation.is_for_admins() {
        call.require_admin(stage)?;
    }
    match operation {
        Operation::Create => admin::create(stage, call),
        Operation::List => admin::list(stage, call),
        Operation::Get(id) => admin::get(stage, id),
        Operation::Update(id) => admin::update(stage, call, id),
        Operation::Delete(id) => admin::delete(stage, call, id),
        Operation::SignIn => account::sign_in(stage, call),
        Operation::Refresh => account::refresh(stage, call),
        Operation::OtherGrant => Err(Refusal::error(
            400,
            "invalid_credentials",
            "unsupported_grant_type",
        )),
        Operation::GetUser => account::get(stage, call),
        Operation::UpdateUser => account::update(stage, call),
        Operation::Logout => account::logout(stage, call),
        Operation::KeySet => Ok(key_set(stage)),
        Operation::NoMethod => Err(Refusal::NoMethod),
        Operation::NoRoute | Operation::Elsewhere => Err(Refusal::NoRoute),
    }
}

fn key_set(stage: &Stage<'_>) -> Success {
    Success::ok(stage.state.signing.key_set())
        .header("cache-control", "public, max-age=600".to_owned())
}
