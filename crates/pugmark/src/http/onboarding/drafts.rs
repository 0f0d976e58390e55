//! Keeping what is typed, so that it is there again after a reload, also on another device.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use pugmark_queue::db::{DbError, Ts};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::Desk;
use super::guard::Visitor;
use crate::config::Form;
use crate::flows::onboarding::form::draft::Draft;
use crate::http::AppState;
use crate::http::body::JsonBody;
use crate::http::envelope::ApiError;
use crate::store::onboarding_drafts;

/// Longest text that is kept of one answer, in characters; more is no answer to anything.
const LONGEST: usize = 20_000;

/// What the script sends.
#[derive(Deserialize)]
pub(super) struct DraftBody {
    answers: BTreeMap<String, String>,
}

/// What is stored of a client.
pub(super) struct Kept {
    pub(super) draft: Draft,
    /// The form that was sent last.
    pub(super) tracking_id: Option<Uuid>,
}

/// `PUT /onboarding/{token}/draft`
pub(super) async fn save(
    State(state): State<AppState>,
    visitor: Visitor,
    JsonBody(body): JsonBody<DraftBody>,
) -> Result<Response, ApiError> {
    let kept = read(&state, &visitor.client).await?;
    let draft = Draft {
        typed: typed(&state.forms.forms.settings, body.answers),
        sent: kept.draft.sent,
    };
    put(&state, &visitor.client, &draft).await?;
    let now = Ts::now().timestamp().to_string();
    Ok(Json(json!({ "status": "saved", "savedAt": now })).into_response())
}

/// What was typed in answer to questions of the form, right or not.
pub(super) fn typed(form: &Form, answers: BTreeMap<String, String>) -> BTreeMap<String, String> {
    answers
        .into_iter()
        .filter(|(name, text)| !text.trim().is_empty() && form.field(name).is_some())
        .map(|(name, text)| (name, text.chars().take(LONGEST).collect()))
        .collect()
}

/// Reads what is kept. A draft that was sealed under another key is as good as none; it is said in the log.
///
/// # Errors
/// When the store does not answer.
pub(super) async fn read(state: &AppState, client: &str) -> Result<Kept, ApiError> {
    let (sealer, _) = state.forms.keys()?;
    let mut conn = state.db.read().await?;
    let Some(found) = onboarding_drafts::get(&mut conn, client).await? else {
        return Ok(Kept {
            draft: Draft::default(),
            tracking_id: None,
        });
    };
    let draft = Draft::open(sealer, found.draft_id, &found.sealed).unwrap_or_else(|error| {
        tracing::warn!(%error, client, "a draft of the onboarding form cannot be opened; it begins anew");
        Draft::default()
    });
    Ok(Kept {
        draft,
        tracking_id: found.tracking_id,
    })
}

/// Stores a draft in place of the one there was.
///
/// # Errors
/// When the store does not answer.
pub(super) async fn put(state: &AppState, client: &str, draft: &Draft) -> Result<(), ApiError> {
    let (client, id) = (client.to_owned(), Uuid::now_v7());
    let sealed = sealed(&state.forms, draft, id)?;
    state
        .db
        .write("keep draft", move |conn| {
            Box::pin(async move {
                onboarding_drafts::put(conn, &client, id, &sealed, Ts::now()).await?;
                Ok::<_, DbError>(())
            })
        })
        .await?;
    Ok(())
}

/// Stores what is remembered after a form was sent.
///
/// # Errors
/// When the store does not answer.
pub(super) async fn put_sent(
    state: &AppState,
    client: &str,
    draft: &Draft,
    tracking_id: Uuid,
) -> Result<(), ApiError> {
    let (client, id) = (client.to_owned(), Uuid::now_v7());
    let sealed = sealed(&state.forms, draft, id)?;
    state
        .db
        .write("keep sent draft", move |conn| {
            Box::pin(async move {
                onboarding_drafts::put(conn, &client, id, &sealed, Ts::now()).await?;
                onboarding_drafts::set_sent(conn, &client, tracking_id).await?;
                Ok::<_, DbError>(())
            })
        })
        .await?;
    Ok(())
}

fn sealed(desk: &Desk, draft: &Draft, id: Uuid) -> Result<Vec<u8>, ApiError> {
    let (sealer, _) = desk.keys()?;
    draft.seal(sealer, id).map_err(|error| {
        ApiError::new(
            axum::http::StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL_SERVER_ERROR",
            format!("What was typed could not be sealed, so it was not stored: {error}"),
        )
    })
}
