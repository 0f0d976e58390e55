//! `/api/internal/onboarding/links`: links to the page on which a client fills in the onboarding form.

use std::time::Duration;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use pugmark_queue::db::Ts;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::actor;
use crate::desk::{self, Actor};
use crate::http::AppState;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope, ErrorEnvelope};
use crate::http::onboarding::{MadeLink, taking};
use crate::store::onboarding_drafts;

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
    let actor = actor(&caller, None, &correlation_id);
    let (client, made) =
        make_link(&state, &body.client_id, body.valid_for.as_deref(), actor).await?;
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

/// Makes a link for a lead or contact, and gives it with the client's id. It is kept nowhere.
///
/// # Errors
/// 422 for an id that cannot be a client's and for a time that is none, 503 without a key to sign with.
pub(in crate::http) async fn make_link(
    state: &AppState,
    client: &str,
    valid_for: Option<&str>,
    actor: Actor,
) -> Result<(String, MadeLink), ApiError> {
    state.forms.keys()?;
    let modules = taking::modules(state).await;
    let client = taking::client_id(client.trim(), modules.as_ref());
    let valid_for = match valid_for {
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
    let subject = client.clone();
    let generation = state
        .db
        .write("make onboarding link", move |conn| {
            Box::pin(async move {
                desk::note(conn, "onboarding.link", &subject, &actor).await?;
                onboarding_drafts::generation(conn, &subject).await
            })
        })
        .await?;
    let made = state.forms.link(&client, generation, valid_for)?;
    Ok((client, made))
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
    let client = revoke_links(&state, &client, actor(&caller, None, &correlation_id)).await?;
    let data = serde_json::json!({ "clientId": client });
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Every link of this client is revoked",
        data,
    ))
}

/// Revokes every link of a client, and gives the client's id.
///
/// # Errors
/// 422 for what is no id.
pub(in crate::http) async fn revoke_links(
    state: &AppState,
    client: &str,
    actor: Actor,
) -> Result<String, ApiError> {
    let client = taking::client_id(client.trim(), None)
        .map_err(|what| ApiError::validation([("clientId".to_owned(), what)].into()))?;
    let subject = client.to_string();
    state
        .db
        .write("revoke onboarding links", move |conn| {
            Box::pin(async move {
                onboarding_drafts::revoke(conn, &subject, &actor.name, Ts::now()).await?;
                desk::note(conn, "onboarding.revoke", &subject, &actor).await
            })
        })
        .await?;
    Ok(client.to_string())
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
