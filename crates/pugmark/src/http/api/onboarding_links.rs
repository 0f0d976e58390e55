//! `/api/internal/onboarding/links`: links to the page on which a client fills in the onboarding form.

use std::time::Duration;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use pugmark_queue::db::{Conn, DbError, Ts};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::AppState;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope, ErrorEnvelope};
use crate::http::onboarding::taking;
use crate::store::{audit, onboarding_drafts};

const DAY: Duration = Duration::from_secs(24 * 3600);
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);
const SHORTEST: Duration = Duration::from_secs(60);

/// The routes of this resource.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(make))
        .routes(routes!(revoke))
}

/// For whom a link is made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewLinkBody {
    /// Id of the lead or contact, as `10x42`.
    client_id: String,
    /// How long it works, like `14d` or `48h`; `onboarding.form.link_for` unless given.
    valid_for: Option<String>,
}

/// A link that was made. It stands in this answer and nowhere else.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LinkBody {
    /// The lead or contact.
    client_id: String,
    /// The whole address; `null` as long as `server.public_url` (PUGMARK_PUBLIC_URL) is not set.
    url: Option<String>,
    /// The path on this server.
    path: String,
    /// Until when it works, RFC 3339 in UTC.
    expires_at: String,
}

/// Makes a link. Whoever has it can see and send the form of this client, until it expires or is revoked.
#[utoipa::path(post, path = "/api/internal/onboarding/links", tag = "onboarding", request_body = NewLinkBody,
    responses((status = 201, body = Envelope<LinkBody>), (status = 422, body = ErrorEnvelope), (status = 503, body = ErrorEnvelope)))]
async fn make(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    JsonBody(body): JsonBody<NewLinkBody>,
) -> Result<Response, ApiError> {
    state.forms.keys()?;
    let modules = taking::modules(&state).await;
    let client = taking::client_id(body.client_id.trim(), modules.as_ref());
    let valid_for = match body.valid_for.as_deref() {
        None => Ok(state.forms.forms.settings.link_for),
        Some(text) => span(text),
    };
    let (client, valid_for) = match (client, valid_for) {
        (Ok(client), Ok(valid_for)) => (client.to_string(), valid_for),
        (client, valid_for) => {
            let wrong = [
                client.err().map(|what| ("clientId".to_owned(), what)),
                valid_for.err().map(|what| ("validFor".to_owned(), what)),
            ];
            return Err(ApiError::validation(wrong.into_iter().flatten().collect()));
        }
    };
    let (subject, correlation) = (client.clone(), correlation_id.to_string());
    let generation = state
        .db
        .write("make onboarding link", move |conn| {
            Box::pin(async move {
                note(conn, &caller, "onboarding.link", &subject, &correlation).await?;
                onboarding_drafts::generation(conn, &subject).await
            })
        })
        .await?;
    let made = state.forms.link(&client, generation, valid_for)?;
    let body = LinkBody {
        client_id: client,
        url: made.url,
        path: made.path,
        expires_at: made.expires.to_string(),
    };
    Ok(Envelope::of(
        StatusCode::CREATED,
        &correlation_id,
        "Link made",
        body,
    ))
}

/// Revokes every link of a client that was made so far. What was typed is kept, and there for a new link.
#[utoipa::path(delete, path = "/api/internal/onboarding/links/{clientId}", tag = "onboarding",
    params(("clientId" = String, Path, description = "Id of the lead or contact")),
    responses((status = 200, body = Envelope<Object>), (status = 422, body = ErrorEnvelope)))]
async fn revoke(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    Path(client): Path<String>,
) -> Result<Response, ApiError> {
    let client = taking::client_id(client.trim(), None)
        .map_err(|what| ApiError::validation([("clientId".to_owned(), what)].into()))?;
    let (subject, correlation) = (client.to_string(), correlation_id.to_string());
    state
        .db
        .write("revoke onboarding links", move |conn| {
            Box::pin(async move {
                onboarding_drafts::revoke(conn, &subject, &caller.name, Ts::now()).await?;
                note(conn, &caller, "onboarding.revoke", &subject, &correlation).await
            })
        })
        .await?;
    let data = serde_json::json!({ "clientId": client.as_str() });
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Every link of this client is revoked",
        data,
    ))
}

async fn note(
    conn: &mut Conn,
    caller: &Caller,
    action: &str,
    client: &str,
    correlation_id: &str,
) -> Result<(), DbError> {
    let entry = audit::Entry {
        actor: &caller.name,
        action,
        subject: client,
        reason: None,
        correlation_id: Some(correlation_id),
    };
    audit::record(conn, Ts::now(), &entry).await
}

/// A number of days (`14d`), or what settings take as a duration.
fn span(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let days = text
        .strip_suffix('d')
        .and_then(|days| days.parse::<u32>().ok());
    let span = match days {
        Some(days) => DAY.checked_mul(days),
        None => text
            .parse::<jiff::SignedDuration>()
            .ok()
            .and_then(|span| Duration::try_from(span).ok()),
    };
    span.filter(|span| (SHORTEST..=LONGEST).contains(span))
        .ok_or_else(|| "must be a time from 1m to 366d, like 14d or 48h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_days_or_durations_within_a_year() {
        assert_eq!(span("14d"), Ok(DAY * 14));
        assert_eq!(span(" 48h "), Ok(DAY * 2));
        for text in ["", "14", "0d", "367d", "-3h", "5s", "4294967296d", "soon"] {
            assert!(span(text).is_err(), "{text}");
        }
    }
}
