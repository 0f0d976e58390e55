//! `POST /onboarding/{token}`: the form is sent. Works without any script.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use uuid::Uuid;

use super::drafts::{self, Kept};
use super::guard::{Visitor, unavailable};
use super::{PAGE, page, taking, texts, view};
use crate::flows::onboarding::form::answers::{Insist, judge};
use crate::flows::onboarding::form::draft::Draft;
use crate::flows::onboarding::form::submission::Sent;
use crate::http::AppState;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::ApiError;

/// The input that holds the idempotency key; no question has such a name.
const KEY: &str = "_key";
/// How long somebody who has sent the form is kept waiting for "saved"; "we have it" is as good.
const PATIENCE: Duration = Duration::from_secs(4);

/// Takes the form in.
pub(super) async fn send(
    State(state): State<AppState>,
    visitor: Visitor,
    correlation_id: CorrelationId,
    body: Result<Form<BTreeMap<String, String>>, FormRejection>,
) -> Response {
    let Ok(Form(given)) = body else {
        return view::problem(&state.forms, StatusCode::BAD_REQUEST, &texts::ELSEWHERE);
    };
    match taken(&state, &visitor, &correlation_id, given).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(
                error = error.message,
                "an onboarding form could not be taken in"
            );
            unavailable(&state.forms)
        }
    }
}

async fn taken(
    state: &AppState,
    visitor: &Visitor,
    correlation_id: &CorrelationId,
    mut given: BTreeMap<String, String>,
) -> Result<Response, ApiError> {
    let settings = &state.forms.forms.settings;
    let key = given.remove(KEY).filter(|key| Uuid::parse_str(key).is_ok());
    let Kept { draft, tracking_id } = drafts::read(state, &visitor.client).await?;
    if tracking_id.is_some() && !settings.corrections {
        // Sent before; nothing is changed any more.
        return Ok(Redirect::to(&address(visitor)).into_response());
    }
    let modules = taking::modules(state).await;
    let module = modules
        .as_ref()
        .zip(visitor.client.parse().ok())
        .and_then(|(modules, id)| modules.of_id(&id).cloned());
    let sent = draft.sent_names();
    let insist = Insist::Required { sent: &sent };
    let typed = drafts::typed(settings, given);
    match judge(settings, module.as_deref(), &typed, insist) {
        Ok(answers) if answers.is_empty() => Ok(Redirect::to(&address(visitor)).into_response()),
        Ok(answers) => {
            let sent = Sent {
                client: &visitor.client,
                answers: &answers,
                source: "page",
                key: key.as_deref(),
                by: "onboarding page",
                correlation_id: &correlation_id.to_string(),
            };
            let id = match taking::take_in(state, &sent).await {
                // The page was gone back to and changed: another form from the same page.
                Err(error) if error.status == StatusCode::CONFLICT => {
                    taking::take_in(state, &Sent { key: None, ..sent }).await?
                }
                taken => taken?,
            };
            let after = draft.after(settings, &answers);
            drafts::put_sent(state, &visitor.client, &after, id).await?;
            taking::outcome(state, id, PATIENCE.min(settings.wait)).await?;
            Ok(Redirect::to(&address(visitor)).into_response())
        }
        Err(wrong) => {
            let draft = Draft {
                typed,
                sent: draft.sent,
            };
            drafts::put(state, &visitor.client, &draft).await?;
            let correcting = tracking_id.is_some();
            let shown = page::form(state, visitor, &draft, &wrong, correcting).await;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, shown).into_response())
        }
    }
}

fn address(visitor: &Visitor) -> String {
    format!("{PAGE}/{}", visitor.token)
}
