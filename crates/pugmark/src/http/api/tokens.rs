//! `/api/internal/tokens`: tokens of programs, for whoever has APP_SECRET_TOKEN: `pugmark token`.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::desk::Actor;
use crate::http::AppState;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope, ErrorEnvelope};
use crate::http::tokens::{self, Refusal, Wanted};
use crate::store::api_tokens::{self, ApiToken};

/// The routes of this resource.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(revoke))
}

/// A token, without what would let anybody in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenBody {
    /// Its id.
    token_id: String,
    /// What the program is called.
    name: String,
    /// `registration_admin`, `customer_care` or `setup_admin`.
    right: String,
    /// When it was made, RFC 3339 in UTC.
    created_at: String,
    /// By whom.
    created_by: String,
    /// When it stops working; `null`: when it is revoked.
    expires_at: Option<String>,
    /// When it was last used, exact to a minute.
    seen_at: Option<String>,
    /// Since when it works no more.
    revoked_at: Option<String>,
}

impl From<ApiToken> for TokenBody {
    fn from(token: ApiToken) -> Self {
        let text = |at: pugmark_queue::db::Ts| at.timestamp().to_string();
        TokenBody {
            token_id: token.token_id.to_string(),
            name: token.name,
            right: token.right_name,
            created_at: text(token.created_at),
            created_by: token.created_by,
            expires_at: token.expires_at.map(text),
            seen_at: token.seen_at.map(text),
            revoked_at: token.revoked_at.map(text),
        }
    }
}

/// A token to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewTokenBody {
    /// What the program is called.
    name: String,
    /// `registration_admin`: everything; `customer_care`, `setup_admin`: looking.
    right: String,
    /// How many days it works, 1 to 3650; left out: until it is revoked.
    days: Option<u32>,
    /// Kept in the audit log.
    reason: Option<String>,
}

/// What was made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MadeTokenBody {
    /// Its id.
    token_id: String,
    /// What the program sends as bearer. It is in this answer and nowhere else.
    token: String,
}

/// Why it is done.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RevokeBody {
    /// Kept in the audit log.
    reason: Option<String>,
}

/// Lists the tokens of programs, those that were revoked last.
#[utoipa::path(get, path = "/api/internal/tokens", tag = "tokens",
    responses((status = 200, body = Envelope<Vec<TokenBody>>), (status = 403, body = ErrorEnvelope)))]
async fn list(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ApiError> {
    only_the_service(&caller)?;
    let all = api_tokens::all(&mut state.db.read().await?).await?;
    let all: Vec<TokenBody> = all.into_iter().map(TokenBody::from).collect();
    Ok(Envelope::of(StatusCode::OK, &correlation_id, "Tokens", all))
}

/// Makes a token for a program.
#[utoipa::path(post, path = "/api/internal/tokens", tag = "tokens", request_body = NewTokenBody,
    responses((status = 201, body = Envelope<MadeTokenBody>), (status = 403, body = ErrorEnvelope),
              (status = 409, body = ErrorEnvelope), (status = 422, body = ErrorEnvelope)))]
async fn add(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    JsonBody(body): JsonBody<NewTokenBody>,
) -> Result<Response, ApiError> {
    only_the_service(&caller)?;
    let right = body
        .right
        .parse()
        .map_err(|what: String| ApiError::validation([("right".to_owned(), what)].into()))?;
    let wanted = Wanted {
        name: body.name,
        right,
        days: body.days,
    };
    let actor = actor(&caller, &correlation_id, body.reason);
    let (id, token) = tokens::make(&state.db, wanted, actor)
        .await
        .map_err(refused)?;
    let made = MadeTokenBody {
        token_id: id.to_string(),
        token,
    };
    let message = "Token made";
    Ok(Envelope::of(
        StatusCode::CREATED,
        &correlation_id,
        message,
        made,
    ))
}

/// Revokes a token: it works no more from the next request on.
#[utoipa::path(post, path = "/api/internal/tokens/{token}/revoke", tag = "tokens", request_body = RevokeBody,
    params(("token" = String, Path, description = "Id or name of the token")),
    responses((status = 200, body = Envelope<TokenBody>), (status = 403, body = ErrorEnvelope),
              (status = 404, body = ErrorEnvelope)))]
async fn revoke(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    Path(named): Path<String>,
    JsonBody(body): JsonBody<RevokeBody>,
) -> Result<Response, ApiError> {
    only_the_service(&caller)?;
    let id = named_token(&state, &named).await?;
    let actor = actor(&caller, &correlation_id, body.reason);
    tokens::revoke(&state.db, id, actor)
        .await
        .map_err(refused)?;
    let token = api_tokens::get(&mut state.db.read().await?, id).await?;
    let token = token.ok_or_else(|| ApiError::not_found("token", &named))?;
    let message = "Token revoked";
    let body = TokenBody::from(token);
    Ok(Envelope::of(StatusCode::OK, &correlation_id, message, body))
}

async fn named_token(state: &AppState, named: &str) -> Result<Uuid, ApiError> {
    if let Ok(id) = named.parse() {
        return Ok(id);
    }
    let all = api_tokens::all(&mut state.db.read().await?).await?;
    let found = all.iter().find(|token| token.name == named);
    let found = found.map(|token| token.token_id);
    found.ok_or_else(|| ApiError::not_found("token", named))
}

fn actor(caller: &Caller, correlation_id: &CorrelationId, reason: Option<String>) -> Actor {
    Actor {
        name: caller.name.clone(),
        reason: reason.unwrap_or_default().trim().to_owned(),
        correlation_id: correlation_id.to_string(),
    }
}

fn refused(error: Refusal) -> ApiError {
    match error {
        Refusal::Store(error) => error.into(),
        Refusal::Wrong(field, what) => {
            ApiError::validation([(field.to_owned(), what.to_owned())].into())
        }
        Refusal::Taken => ApiError::conflict(error.to_string()),
        Refusal::NoSuch => ApiError::new(StatusCode::NOT_FOUND, "NOT_FOUND", error.to_string()),
    }
}

fn only_the_service(caller: &Caller) -> Result<(), ApiError> {
    if caller.service {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::FORBIDDEN,
        "FORBIDDEN",
        "Tokens are made and revoked by whoever has APP_SECRET_TOKEN (`pugmark token`), and by administrators in the console",
    ))
}
