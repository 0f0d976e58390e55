//! `/api/internal/console/users`: accounts of the console, for whoever has APP_SECRET_TOKEN: `pugmark user`.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::http::AppState;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::console::accounts::{self, By, NewAccount, Refusal};
use crate::http::console::first::LINK;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope, ErrorEnvelope};
use crate::people::Role;
use crate::people::token::Token;
use crate::store::console_users::{self, User};

/// The routes of this resource.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(act))
}

/// An account of the console.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConsoleUserBody {
    /// Its id.
    user_id: String,
    /// Name.
    name: String,
    /// E-mail address.
    email: String,
    /// `viewer`, `customer_care`, `registration_admin` or `admin`.
    role: String,
    /// Whether the person signs in with a login of Supabase, which then decides about the role.
    supabase: bool,
    /// Whether a password was chosen.
    has_password: bool,
    /// Whether the account is disabled.
    disabled: bool,
    /// When the person was last seen, RFC 3339 in UTC.
    seen_at: Option<String>,
    /// Who made the account.
    created_by: String,
}

impl From<User> for ConsoleUserBody {
    fn from(user: User) -> Self {
        ConsoleUserBody {
            user_id: user.user_id.to_string(),
            name: user.name,
            email: user.email,
            role: user.role,
            supabase: user.login_id.is_some(),
            has_password: user.has_password,
            disabled: user.disabled_at.is_some(),
            seen_at: user.seen_at.map(|seen| seen.timestamp().to_string()),
            created_by: user.created_by,
        }
    }
}

/// An account to be made.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewConsoleUserBody {
    /// Name.
    name: String,
    /// E-mail address.
    email: String,
    /// `viewer`, `customer_care`, `registration_admin` or `admin`.
    role: String,
    /// Without one a one-time link is made, by which the person chooses it.
    #[schema(value_type = Option<String>)]
    password: Option<SecretString>,
    /// Kept in the audit log.
    reason: Option<String>,
}

/// What was made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MadeBody {
    /// Id of the account.
    user_id: String,
    /// Path of the one-time link, if one was made. It is in this answer and nowhere else.
    link: Option<String>,
    /// The whole address, where `server.public_url` is set.
    url: Option<String>,
    /// How many sessions were ended.
    ended: Option<u64>,
}

/// What else an action says.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ActBody {
    /// The new role, for `role`.
    role: Option<String>,
    /// Kept in the audit log.
    reason: Option<String>,
}

/// Lists the accounts of the console.
#[utoipa::path(get, path = "/api/internal/console/users", tag = "console",
    responses((status = 200, body = Envelope<Vec<ConsoleUserBody>>), (status = 403, body = ErrorEnvelope)))]
async fn list(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ApiError> {
    only_the_service(&caller)?;
    let mut conn = state.db.read().await?;
    let found = console_users::all(&mut conn).await?;
    let found: Vec<ConsoleUserBody> = found.into_iter().map(ConsoleUserBody::from).collect();
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "People",
        found,
    ))
}

/// Makes an account of the console, with a password or with a one-time link to choose one.
#[utoipa::path(post, path = "/api/internal/console/users", tag = "console", request_body = NewConsoleUserBody,
    responses((status = 201, body = Envelope<MadeBody>), (status = 403, body = ErrorEnvelope),
              (status = 409, body = ErrorEnvelope), (status = 422, body = ErrorEnvelope)))]
async fn add(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    JsonBody(body): JsonBody<NewConsoleUserBody>,
) -> Result<Response, ApiError> {
    only_the_service(&caller)?;
    let by = by(&caller, &correlation_id, body.reason);
    let new = NewAccount {
        name: body.name,
        email: body.email,
        role: role(&body.role)?,
        password: body.password,
    };
    let (id, token) = accounts::add(&state, new, by).await.map_err(refused)?;
    let made = made(&state, id, token.as_ref(), None);
    Ok(Envelope::of(
        StatusCode::CREATED,
        &correlation_id,
        "Added",
        made,
    ))
}

/// Changes an account: `role`, `disable`, `enable`, `link` (a one-time link to choose a new password) or `sign-out` (everywhere).
#[utoipa::path(post, path = "/api/internal/console/users/{user}/{action}", tag = "console", request_body = ActBody,
    params(("user" = String, Path, description = "E-mail address or id of the account"),
           ("action" = String, Path, description = "`role`, `disable`, `enable`, `link` or `sign-out`")),
    responses((status = 200, body = Envelope<MadeBody>), (status = 403, body = ErrorEnvelope),
              (status = 404, body = ErrorEnvelope), (status = 409, body = ErrorEnvelope), (status = 422, body = ErrorEnvelope)))]
async fn act(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    Path((named, action)): Path<(String, String)>,
    JsonBody(body): JsonBody<ActBody>,
) -> Result<Response, ApiError> {
    only_the_service(&caller)?;
    let id = user(&state, &named).await?;
    let by = by(&caller, &correlation_id, body.reason);
    let (message, body) = match action.as_str() {
        "role" => {
            let role = role(body.role.as_deref().unwrap_or_default())?;
            accounts::set_role(&state, id, role, by)
                .await
                .map_err(refused)?;
            ("Role changed", made(&state, id, None, None))
        }
        "disable" => {
            accounts::disable(&state, id, by).await.map_err(refused)?;
            (
                "Disabled, and signed out everywhere",
                made(&state, id, None, None),
            )
        }
        "enable" => {
            accounts::enable(&state, id, by).await.map_err(refused)?;
            ("Enabled", made(&state, id, None, None))
        }
        "link" => {
            let (_, token) = accounts::link(&state, id, by).await.map_err(refused)?;
            ("Link made", made(&state, id, Some(&token), None))
        }
        "sign-out" => {
            let done = accounts::sign_out(&state, id, None, by).await;
            let (_, ended) = done.map_err(refused)?;
            ("Signed out", made(&state, id, None, Some(ended)))
        }
        other => return Err(ApiError::not_found("action", other)),
    };
    Ok(Envelope::of(StatusCode::OK, &correlation_id, message, body))
}

fn made(state: &AppState, id: Uuid, token: Option<&Token>, ended: Option<u64>) -> MadeBody {
    let link = token.map(|token| format!("{LINK}/{}", token.reveal()));
    let public = state.console.public_url.as_deref();
    MadeBody {
        user_id: id.to_string(),
        url: link
            .as_ref()
            .zip(public)
            .map(|(link, base)| format!("{base}{link}")),
        link,
        ended,
    }
}

fn by(caller: &Caller, correlation_id: &CorrelationId, reason: Option<String>) -> By {
    By {
        actor: caller.name.to_string(),
        correlation_id: correlation_id.to_string(),
        reason: reason.filter(|reason| !reason.trim().is_empty()),
    }
}

async fn user(state: &AppState, named: &str) -> Result<Uuid, ApiError> {
    let mut conn = state.db.read().await?;
    let found = match named.parse() {
        Ok(id) => console_users::get(&mut conn, id).await?,
        Err(_) => console_users::by_email(&mut conn, named).await?,
    };
    let found = found.map(|user| user.user_id);
    found.ok_or_else(|| {
        let message = format!("Nobody in the console has the address or id {named}");
        ApiError::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
    })
}

fn role(word: &str) -> Result<Role, ApiError> {
    word.parse()
        .map_err(|what: String| ApiError::validation([("role".to_owned(), what)].into()))
}

fn refused(error: Refusal) -> ApiError {
    match error {
        Refusal::Store(error) => error.into(),
        Refusal::Wrong(field, what) => {
            let field = match field {
                "The name" => "name",
                "The e-mail address" => "email",
                "The password" => "password",
                other => return ApiError::conflict(format!("{other} {what}")),
            };
            ApiError::validation([(field.to_owned(), what)].into())
        }
        Refusal::NoSuch => ApiError::new(StatusCode::NOT_FOUND, "NOT_FOUND", error.to_string()),
        Refusal::Taken | Refusal::LastAdmin | Refusal::Supabase => {
            ApiError::conflict(error.to_string())
        }
        Refusal::Hash => ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL_SERVER_ERROR",
            error.to_string(),
        ),
    }
}

fn only_the_service(caller: &Caller) -> Result<(), ApiError> {
    if caller.service {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::FORBIDDEN,
        "FORBIDDEN",
        "Accounts of the console are for whoever has APP_SECRET_TOKEN (`pugmark user`), and for administrators in the console",
    ))
}
