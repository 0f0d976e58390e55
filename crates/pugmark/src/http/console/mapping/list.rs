//! `/mapping`: every mapping, and whether it works in this CRM; and removing one.

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::run::{Shown, shown as run_shown};
use super::{HERE, actor, told};
use crate::http::AppState;
use crate::http::api::field_mappings::asking::Asked;
use crate::http::api::field_mappings::bodies::MappingBody;
use crate::http::api::field_mappings::{Way, remove_one};
use crate::http::console::frame::{Frame, go, not_found, not_taken, show};
use crate::http::console::person::Person;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::ApiError;
use crate::store::field_mapping;

#[derive(Template)]
#[template(path = "console/mapping/list.html")]
struct Page {
    frame: Frame,
    may_change: bool,
    mappings: Vec<MappingBody>,
    away: Option<String>,
    run: Shown,
}

#[derive(Template)]
#[template(path = "console/mapping/remove.html")]
struct RemovePage {
    frame: Frame,
    mapping: MappingBody,
    away: bool,
}

/// `GET /mapping`
pub(in crate::http::console) async fn page(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    frame: Frame,
    person: Person,
) -> Response {
    let asked = Asked::kept(&state, &correlation_id).await;
    let gathered =
        async { Ok::<_, ApiError>((mappings(&state, &asked).await?, run_shown(&state).await?)) };
    match gathered.await {
        Ok((mappings, run)) => show(&Page {
            may_change: person.may_change(),
            frame,
            mappings,
            away: asked.trouble().map(str::to_owned),
            run,
        }),
        Err(error) => told(&frame, &error),
    }
}

pub(super) async fn mappings(
    state: &AppState,
    asked: &Asked,
) -> Result<Vec<MappingBody>, ApiError> {
    let all = field_mapping::list(&mut state.db.read().await?).await?;
    Ok(all
        .iter()
        .map(|mapping| MappingBody::of(mapping, &all, asked))
        .collect())
}

/// `GET /mapping/{id}/remove`
pub(in crate::http::console) async fn remove_page(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    frame: Frame,
    Path(id): Path<String>,
) -> Response {
    let asked = Asked::kept(&state, &correlation_id).await;
    match mappings(&state, &asked).await {
        Ok(all) => match all.into_iter().find(|one| one.id.to_string() == id) {
            Some(mapping) => show(&RemovePage {
                frame,
                mapping,
                away: asked.trouble().is_some(),
            }),
            None => not_found(&frame, "There is no such mapping."),
        },
        Err(error) => told(&frame, &error),
    }
}

/// Why, and whether without asking the CRM.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::http::console) struct Sure {
    reason: String,
    unchecked: String,
}

/// `POST /mapping/{id}/remove`
pub(in crate::http::console) async fn remove(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    frame: Frame,
    person: Person,
    Path(id): Path<String>,
    Form(sure): Form<Sure>,
) -> Response {
    let Ok(id) = id.parse() else {
        return not_found(&frame, "There is no such mapping.");
    };
    if sure.reason.trim().is_empty() {
        return not_taken(&frame, "Say why, for the audit log.");
    }
    let way = Way {
        unchecked: sure.unchecked == "yes",
        actor: actor(&person, &frame, &sure.reason),
    };
    match remove_one(&state, &correlation_id, id, way).await {
        Ok((mapping, _)) => {
            let (source, field) = (
                &mapping.field.microbima_field,
                &mapping.field.vtiger_field_name,
            );
            let said = format!("{source} is not sent any more. {field} keeps what it holds.");
            go(HERE, &said)
        }
        Err(error) => told(&frame, &error),
    }
}
