//! `/api/onboarding`: forms that a portal sends, in the bodies that the onboarding guide shows.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use pugmark_queue::QueueError;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::actor;
use crate::desk::{self, Actor};
use crate::flows::onboarding::form::answers::{Answers, Insist, judge};
use crate::flows::onboarding::form::submission::{self, Sent};
use crate::http::AppState;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, ErrorEnvelope};
use crate::http::onboarding::taking::{self, Standing};
use crate::http::parameters::PathId;
use crate::problem::Code;
use crate::store::onboarding_forms::{self, State as FormState};

const CLIENT: &str = "clientId";
const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const LONGEST_KEY: usize = 255;

/// The routes of this resource.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(submit))
        .routes(routes!(read))
        .routes(routes!(retry))
}

/// What a portal is answered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubmitBody {
    /// `success`: saved to the CRM. `accepted`: stored, and saved by itself as soon as the CRM answers.
    status: &'static str,
    /// The same for people.
    message: String,
    /// By which `GET /api/onboarding/submissions/{trackingId}` tells what became of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    tracking_id: Option<String>,
    /// Answers that are not in the CRM, with the reason. They are kept.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    not_saved: BTreeMap<String, String>,
    /// Answers that the CRM holds in another form, with the reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    changed: BTreeMap<String, String>,
}

/// A form that was sent.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubmissionBody {
    /// By which it is asked for.
    tracking_id: String,
    /// The lead or contact it was sent for.
    client_id: String,
    /// `api`: a portal sent it; `page`: the page of Pugmark.
    source: String,
    /// `waiting`, `saved`, `partly_saved` or `failed`.
    status: &'static str,
    /// The record that was written: the lead, or the contact it became.
    record_id: Option<String>,
    /// Answers that are not in the CRM, with the reason.
    not_saved: BTreeMap<String, String>,
    /// Answers that the CRM holds in another form, with the reason.
    changed: BTreeMap<String, String>,
    /// Why it waits or failed.
    reason: Option<String>,
    /// The code of that reason, explained in docs/errors.md.
    reason_code: Option<String>,
    /// The operation that writes it.
    operation_id: Option<String>,
    /// RFC 3339 in UTC.
    created_at: String,
    /// RFC 3339 in UTC.
    updated_at: String,
    /// RFC 3339 in UTC.
    ended_at: Option<String>,
}

impl From<Standing> for SubmissionBody {
    fn from(standing: Standing) -> Self {
        let form = &standing.form;
        SubmissionBody {
            tracking_id: form.tracking_id.to_string(),
            client_id: form.client_id.clone(),
            source: form.source.clone(),
            status: standing.state.as_str(),
            record_id: form.record_id.clone(),
            not_saved: form.not_saved(),
            changed: form.changed(),
            operation_id: form.operation_id.map(|id| id.to_string()),
            created_at: form.created_at.timestamp().to_string(),
            updated_at: form.updated_at.timestamp().to_string(),
            ended_at: form.ended_at.map(|at| at.timestamp().to_string()),
            reason: standing.message,
            reason_code: standing.code,
        }
    }
}

/// Saves what a client answered to the lead or contact. The body holds `clientId` and answers by the names of
/// `onboarding.form.fields`; empty ones change nothing. The same answers sent again are the same form.
#[utoipa::path(post, path = "/api/onboarding/submit", tag = "onboarding",
    params(("Idempotency-Key" = Option<String>, Header, description = "A second request with the same key is the same form")),
    request_body(content = Object, description = "clientId and answers"),
    responses((status = 200, body = SubmitBody), (status = 202, body = SubmitBody), (status = 404, body = ErrorEnvelope),
              (status = 409, body = ErrorEnvelope), (status = 422, body = ErrorEnvelope), (status = 502, body = ErrorEnvelope),
              (status = 503, body = ErrorEnvelope)))]
async fn submit(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<Map<String, Value>>,
) -> Result<Response, ApiError> {
    state.forms.keys()?;
    let key = key(&headers)?;
    let (client, answers) = judged(&state, body).await?;
    let sent = Sent {
        client: &client,
        answers: &answers,
        source: "api",
        key: key.as_deref(),
        by: &caller.name,
        correlation_id: &correlation_id.to_string(),
    };
    let id = taking::take_in(&state, &sent).await?;
    let wait = state.forms.forms.settings.wait;
    let standing = taking::outcome(&state, id, wait).await?;
    answer(&state, id, standing).await
}

fn key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(given) = headers.get(KEY) else {
        return Ok(None);
    };
    let text = given.to_str().map(str::trim).unwrap_or_default();
    if text.is_empty() || text.len() > LONGEST_KEY {
        let what = format!("must be 1 to {LONGEST_KEY} visible characters of ASCII");
        return Err(ApiError::validation([(KEY.to_string(), what)].into()));
    }
    Ok(Some(text.to_owned()))
}

/// The client and the answers, or everything that is wrong with them.
async fn judged(state: &AppState, body: Map<String, Value>) -> Result<(String, Answers), ApiError> {
    let mut wrong = BTreeMap::new();
    let mut given = BTreeMap::new();
    let mut client = None;
    for (name, value) in body {
        let text = match value {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(yes) => if yes { "Yes" } else { "No" }.to_owned(),
            Value::Null => continue,
            Value::Array(_) | Value::Object(_) => {
                wrong.insert(name, "must be a text or a number".to_owned());
                continue;
            }
        };
        match name.as_str() {
            CLIENT => client = Some(text.trim().to_owned()),
            _ => drop(given.insert(name, text)),
        }
    }
    let modules = taking::modules(state).await;
    let id = match client.as_deref() {
        None | Some("") => Err("must be the id of the client's lead or contact".to_owned()),
        Some(text) => taking::client_id(text, modules.as_ref()),
    };
    let module = match (&id, &modules) {
        (Ok(id), Some(modules)) => modules.of_id(id).cloned(),
        _ => None,
    };
    let settings = &state.forms.forms.settings;
    let answers = judge(settings, module.as_deref(), &given, Insist::Given)
        .map_err(|mistakes| wrong.extend(mistakes));
    match (id, answers) {
        (Ok(id), Ok(answers)) if wrong.is_empty() && !answers.is_empty() => {
            Ok((id.to_string(), answers))
        }
        (id, answers) => {
            if let Err(what) = id {
                wrong.insert(CLIENT.to_owned(), what);
            }
            if wrong.is_empty() && answers.is_ok() {
                return Err(ApiError::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "VALIDATION_ERROR",
                    "No field is filled in, so there is nothing to save",
                ));
            }
            Err(ApiError::validation(wrong))
        }
    }
}

async fn answer(
    state: &AppState,
    id: Uuid,
    standing: Option<Standing>,
) -> Result<Response, ApiError> {
    let Some(standing) = standing else {
        // Another request with the same form was told why, and the form was forgotten.
        return Err(no_client(
            "There is no such lead or contact in vTiger".to_owned(),
        ));
    };
    match standing.state {
        FormState::Saved | FormState::PartlySaved => Ok(saved(id, &standing)),
        FormState::Waiting => Ok(accepted(id, &standing)),
        FormState::Failed => Err(failed(state, id, standing).await?),
    }
}

fn saved(id: Uuid, standing: &Standing) -> Response {
    let (not_saved, changed) = (standing.form.not_saved(), standing.form.changed());
    let message = if not_saved.is_empty() {
        "Data saved to CRM.".to_owned()
    } else {
        let names: Vec<&str> = not_saved.keys().map(String::as_str).collect();
        format!("Data saved to CRM, except: {}.", names.join(", "))
    };
    let exact = not_saved.is_empty() && changed.is_empty();
    let body = SubmitBody {
        status: "success",
        message,
        tracking_id: (!exact).then(|| id.to_string()),
        not_saved,
        changed,
    };
    located(StatusCode::OK, id, body)
}

fn accepted(id: Uuid, standing: &Standing) -> Response {
    let why = standing.message.as_deref().map_or_else(
        || "as soon as the CRM answers".to_owned(),
        |why| format!("when it can be: {why}"),
    );
    let body = SubmitBody {
        status: "accepted",
        message: format!("Data stored; it is saved to the CRM by itself {why}"),
        tracking_id: Some(id.to_string()),
        not_saved: BTreeMap::new(),
        changed: BTreeMap::new(),
    };
    located(StatusCode::ACCEPTED, id, body)
}

/// The body that the guide shows has no place for the form's address.
fn located(status: StatusCode, id: Uuid, body: SubmitBody) -> Response {
    let mut response = (status, Json(body)).into_response();
    if let Ok(place) = HeaderValue::from_str(&format!("/api/onboarding/submissions/{id}")) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}

fn no_client(message: String) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "CLIENT_NOT_FOUND", message.clone()).field(CLIENT, message)
}

/// A client that does not exist is the caller's to mend, so nothing of the form is kept; everything else is.
async fn failed(state: &AppState, id: Uuid, standing: Standing) -> Result<ApiError, ApiError> {
    let code = standing.code.unwrap_or_default();
    let message = standing.message.unwrap_or_default();
    if code == Code::FormClientUnknown.as_str() {
        forget(state, &standing.form).await?;
        return Ok(no_client(message));
    }
    if code == Code::FormClientUnclear.as_str() {
        forget(state, &standing.form).await?;
        let error = ApiError::new(StatusCode::CONFLICT, "CLIENT_UNCLEAR", message.clone());
        return Ok(error.field(CLIENT, message));
    }
    let said = format!("The data is stored, but could not be saved to the CRM: {message}");
    let error = ApiError::new(StatusCode::BAD_GATEWAY, "NOT_SAVED", said);
    Ok(error
        .field("trackingId", id.to_string())
        .field("reasonCode", code))
}

async fn forget(state: &AppState, form: &onboarding_forms::Submission) -> Result<(), ApiError> {
    let (queue, id, operation) = (state.queue.clone(), form.tracking_id, form.operation_id);
    state
        .db
        .write("forget form", move |conn| {
            Box::pin(async move {
                if let Some(operation) = operation {
                    let why = "refused at once; the answer to the request said why";
                    match queue.discard_in(conn, operation, "pugmark", why).await {
                        Ok(()) | Err(QueueError::Finished(_) | QueueError::NotFound(_)) => {}
                        Err(error) => return Err(error),
                    }
                }
                onboarding_forms::forget(conn, id).await?;
                Ok::<_, QueueError>(())
            })
        })
        .await?;
    Ok(())
}

/// What became of a form.
#[utoipa::path(get, path = "/api/onboarding/submissions/{trackingId}", tag = "onboarding",
    params(("trackingId" = String, Path, description = "As answered by submit")),
    responses((status = 200, body = SubmissionBody), (status = 404, body = ErrorEnvelope)))]
async fn read(State(state): State<AppState>, PathId(id): PathId) -> Result<Response, ApiError> {
    let standing = taking::standing(&state, id).await?;
    let standing = standing.ok_or_else(|| ApiError::not_found("submission", &id.to_string()))?;
    Ok(Json(SubmissionBody::from(standing)).into_response())
}

/// Has a form written again that failed or was saved in part, for example after a missing field was made in vTiger.
#[utoipa::path(post, path = "/api/onboarding/submissions/{trackingId}/retry", tag = "onboarding",
    params(("trackingId" = String, Path, description = "As answered by submit")),
    responses((status = 200, body = SubmissionBody), (status = 404, body = ErrorEnvelope), (status = 409, body = ErrorEnvelope)))]
async fn retry(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    PathId(id): PathId,
) -> Result<Response, ApiError> {
    write_again(&state, id, actor(&caller, None, &correlation_id)).await?;
    let wait = state.forms.forms.settings.wait;
    let standing = taking::outcome(&state, id, wait).await?;
    let standing = standing.ok_or_else(|| ApiError::not_found("submission", &id.to_string()))?;
    Ok(Json(SubmissionBody::from(standing)).into_response())
}

/// Has a form written again that failed or was saved in part.
///
/// # Errors
/// 404 without such a form, 409 when it is on its way or saved.
pub(in crate::http) async fn write_again(
    state: &AppState,
    id: Uuid,
    actor: Actor,
) -> Result<(), ApiError> {
    let queue = state.queue.clone();
    let again = state
        .db
        .write("retry form", move |conn| {
            Box::pin(async move {
                let Some(form) = onboarding_forms::get(conn, id).await? else {
                    return Ok(None);
                };
                let request = &actor.correlation_id;
                let again = submission::again(conn, &queue, &form, &actor.name, request).await?;
                if again {
                    desk::note(conn, "onboarding.retry", &id.to_string(), &actor).await?;
                }
                Ok::<_, QueueError>(Some(again))
            })
        })
        .await?;
    match again {
        None => Err(ApiError::not_found("submission", &id.to_string())),
        Some(false) => Err(ApiError::conflict(
            "The form is on its way or saved; there is nothing to try again",
        )),
        Some(true) => Ok(()),
    }
}
