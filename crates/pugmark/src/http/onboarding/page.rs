//! `GET /onboarding/{token}`: the form, or, once it was sent, what became of it.

use std::collections::BTreeMap;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use uuid::Uuid;

use super::drafts::{self, Kept};
use super::guard::{Visitor, unavailable};
use super::taking::{self, Standing};
use super::texts;
use super::view::{DonePage, FormPage, Frame, Mistake, render, sections};
use crate::flows::onboarding::form::draft::Draft;
use crate::http::AppState;
use crate::http::envelope::ApiError;
use crate::store::onboarding_forms::State as FormState;

/// Shows the page.
pub(super) async fn show(
    State(state): State<AppState>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Response {
    let correcting = query.as_deref() == Some("correct") && state.forms.forms.settings.corrections;
    match shown(&state, &visitor, correcting).await {
        Ok(page) => page,
        Err(error) => {
            tracing::error!(error = error.message, "the onboarding page cannot be shown");
            unavailable(&state.forms)
        }
    }
}

async fn shown(
    state: &AppState,
    visitor: &Visitor,
    correcting: bool,
) -> Result<Response, ApiError> {
    let Kept { draft, tracking_id } = drafts::read(state, &visitor.client).await?;
    if let Some(id) = tracking_id.filter(|_| !correcting) {
        let standing = taking::standing(state, id).await?;
        return Ok(done(state, visitor, id, standing.as_ref()));
    }
    let wrong = BTreeMap::new();
    Ok(form(state, visitor, &draft, &wrong, tracking_id.is_some()).await)
}

/// The form with what was typed, and with what is wrong with it.
pub(super) async fn form(
    state: &AppState,
    visitor: &Visitor,
    draft: &Draft,
    wrong: &BTreeMap<String, String>,
    correcting: bool,
) -> Response {
    let modules = taking::modules(state).await;
    let desk = &state.forms;
    let sections = sections(desk, modules.as_ref(), &visitor.client, draft, wrong);
    let fields = || {
        let groups = sections.iter().flat_map(|section| &section.groups);
        groups.flat_map(|group| &group.fields)
    };
    let problems = fields()
        .filter_map(|field| {
            Some(Mistake {
                name: field.name.clone(),
                label: field.full_label.clone(),
                what: field.mistake.clone()?,
            })
        })
        .collect();
    let required = fields().filter(|field| field.required).count();
    render(&FormPage {
        frame: Frame::of(desk),
        token: visitor.token.clone(),
        key: Uuid::new_v4().to_string(),
        problems,
        words: &texts::SCRIPT,
        correcting,
        required,
        sections,
    })
}

/// What became of a form that was sent. One that is kept no more was saved.
pub(super) fn done(
    state: &AppState,
    visitor: &Visitor,
    tracking_id: Uuid,
    standing: Option<&Standing>,
) -> Response {
    let desk = &state.forms;
    let now = standing.map_or(FormState::Saved, |standing| standing.state);
    render(&DonePage {
        frame: Frame::of(desk),
        token: visitor.token.clone(),
        tracking_id: tracking_id.to_string(),
        saved: matches!(now, FormState::Saved | FormState::PartlySaved),
        stuck: now == FormState::Failed,
        corrections: desk.forms.settings.corrections,
    })
}
