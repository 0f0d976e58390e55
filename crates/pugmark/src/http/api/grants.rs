//! `/api/internal/vtiger/grants`: who may do what, beside what Supabase's `app_metadata` says.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use pugmark_queue::db::{Conn, DbError, Ts};
use serde::{Deserialize, Serialize};
use supabase_auth::RefusalReason;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::http::AppState;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope, ErrorEnvelope};
use crate::http::rights::Right;
use crate::store::audit;
use crate::store::grants::{self, Grant};

/// The routes of this resource.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(remove))
}

/// A right of a person.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrantBody {
    /// Id of the login.
    user_id: String,
    /// `registration_admin`, `customer_care` or `setup_admin`.
    right: String,
    /// Who granted it.
    granted_by: String,
    /// When, RFC 3339 in UTC.
    granted_at: String,
    /// Why.
    reason: Option<String>,
}

impl From<Grant> for GrantBody {
    fn from(grant: Grant) -> Self {
        GrantBody {
            user_id: grant.user_id,
            right: grant.right_name,
            granted_by: grant.granted_by,
            granted_at: grant.granted_at.timestamp().to_string(),
            reason: grant.reason,
        }
    }
}

/// A right to be granted: to a login by its id or by its e-mail address.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewGrantBody {
    /// Id of the login, or its e-mail address.
    user: String,
    /// `registration_admin`, `customer_care` or `setup_admin`.
    right: String,
    /// Kept with it.
    reason: Option<String>,
}

/// Lists every grant.
#[utoipa::path(get, path = "/api/internal/vtiger/grants", tag = "grants",
    responses((status = 200, body = Envelope<Vec<GrantBody>>), (status = 403, body = ErrorEnvelope)))]
async fn list(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ApiError> {
    only_the_service(&caller)?;
    let mut conn = state.db.read().await?;
    let found: Vec<GrantBody> = grants::all(&mut conn)
        .await?
        .into_iter()
        .map(GrantBody::from)
        .collect();
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Grants",
        found,
    ))
}

/// Grants a right. Only whoever has APP_SECRET_TOKEN can: a right to grant rights would be every right.
#[utoipa::path(post, path = "/api/internal/vtiger/grants", tag = "grants", request_body = NewGrantBody,
    responses((status = 201, body = Envelope<GrantBody>), (status = 200, body = Envelope<GrantBody>),
              (status = 403, body = ErrorEnvelope), (status = 422, body = ErrorEnvelope)))]
async fn add(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    JsonBody(body): JsonBody<NewGrantBody>,
) -> Result<Response, ApiError> {
    only_the_service(&caller)?;
    let right = right(&body.right)?;
    let user = login(&state, &body.user).await?;
    let reason = body.reason.filter(|reason| !reason.trim().is_empty());
    let grant = Grant {
        user_id: user.to_string(),
        right_name: right.to_string(),
        granted_by: caller.name.to_string(),
        granted_at: Ts::now(),
        reason,
    };
    let (stored, correlation) = (grant.clone(), correlation_id.to_string());
    let added = state
        .db
        .write("grant", move |conn| {
            Box::pin(async move {
                let added = grants::add(conn, &stored).await?;
                if added {
                    note(conn, "grant.add", &stored, &stored.granted_by, &correlation).await?;
                }
                Ok::<_, ApiError>(added)
            })
        })
        .await?;
    let (status, message) = match added {
        true => (StatusCode::CREATED, "Granted"),
        false => (StatusCode::OK, "Granted before"),
    };
    Ok(Envelope::of(
        status,
        &correlation_id,
        message,
        GrantBody::from(grant),
    ))
}

/// Takes a right away. It is gone with the next request.
#[utoipa::path(delete, path = "/api/internal/vtiger/grants/{user}/{right}", tag = "grants",
    params(("user" = String, Path, description = "Id of the login, or its e-mail address"),
           ("right" = String, Path, description = "Name of the right")),
    responses((status = 200, body = Envelope<Object>), (status = 403, body = ErrorEnvelope),
              (status = 404, body = ErrorEnvelope)))]
async fn remove(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    Path((user, word)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    only_the_service(&caller)?;
    let right = right(&word)?;
    let user = login(&state, &user).await?.to_string();
    let gone = Grant {
        user_id: user.clone(),
        right_name: right.to_string(),
        granted_by: caller.name.to_string(),
        granted_at: Ts::now(),
        reason: None,
    };
    let correlation = correlation_id.to_string();
    let removed = state
        .db
        .write("withdraw grant", move |conn| {
            Box::pin(async move {
                let removed = grants::remove(conn, &gone.user_id, &gone.right_name).await?;
                if removed {
                    note(conn, "grant.remove", &gone, &caller.name, &correlation).await?;
                }
                Ok::<_, ApiError>(removed)
            })
        })
        .await?;
    if !removed {
        return Err(ApiError::new(
            StatusCode::NOT_FOUND,
            "NOT_FOUND",
            format!("{user} has no grant of {right}"),
        ));
    }
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Taken away",
        serde_json::json!({ "userId": user, "right": right }),
    ))
}

fn only_the_service(caller: &Caller) -> Result<(), ApiError> {
    if caller.service {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::FORBIDDEN,
        "FORBIDDEN",
        "Grants are for whoever has APP_SECRET_TOKEN: `pugmark grant`",
    ))
}

fn right(word: &str) -> Result<Right, ApiError> {
    word.parse()
        .map_err(|what: String| ApiError::validation([("right".to_owned(), what)].into()))
}

/// The login by its id, or by its e-mail address where Supabase can be asked.
async fn login(state: &AppState, named: &str) -> Result<Uuid, ApiError> {
    let wrong = |what: &str| ApiError::validation([("user".to_owned(), what.to_owned())].into());
    if let Ok(id) = named.trim().parse() {
        return Ok(id);
    }
    let logins = state.staff.logins.as_ref().filter(|_| named.contains('@'));
    let logins = logins.ok_or_else(|| {
        wrong("must be the id of a login (a UUID), or its e-mail address where SUPABASE_URL is set")
    })?;
    match logins.client.find_by_email(named).await {
        Ok(Some(user)) => Ok(user.id),
        Ok(None) => Err(wrong("is the address of no login")),
        Err(error) if error.reason() == Some(RefusalReason::NotFound) => {
            Err(wrong("is the address of no login"))
        }
        Err(error) => Err(super::users::logins_error(&error)),
    }
}

async fn note(
    conn: &mut Conn,
    action: &'static str,
    grant: &Grant,
    actor: &str,
    correlation_id: &str,
) -> Result<(), DbError> {
    let subject = format!("{} {}", grant.user_id, grant.right_name);
    let entry = audit::Entry {
        actor,
        action,
        subject: &subject,
        reason: grant.reason.as_deref(),
        correlation_id: Some(correlation_id),
    };
    audit::record(conn, Ts::now(), &entry).await
}
