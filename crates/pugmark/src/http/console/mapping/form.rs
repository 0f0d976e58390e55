//! The form for one mapping: sources and fields to choose from, the fields as the CRM describes them now.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::told;
use crate::flows::insurance::mapping_check::type_word;
use crate::flows::insurance::sources::{SOURCES, Source};
use crate::http::AppState;
use crate::http::api::field_mappings::asking::Asked;
use crate::http::api::field_mappings::bodies::{ChangedMapping, NewMapping};
use crate::http::console::frame::{Frame, not_found, show, store_down};
use crate::http::correlation::CorrelationId;
use crate::store::field_mapping::{self, Mapping};

/// A mapping as somebody writes it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(in crate::http::console) struct Written {
    /// Number of the mapping; empty for a new one.
    pub(super) id: String,
    pub(super) source: String,
    pub(super) field: String,
    pub(super) kind: String,
    pub(super) direction: String,
    pub(super) on_conflict: String,
    pub(super) active: String,
    /// Ids of customers to try it on; empty: those delivered last.
    pub(super) customers: String,
    pub(super) reason: String,
    pub(super) unchecked: String,
    pub(super) tried: String,
}

impl From<&Mapping> for Written {
    fn from(mapping: &Mapping) -> Self {
        Written {
            id: mapping.id.to_string(),
            source: mapping.field.microbima_field.clone(),
            field: mapping.field.vtiger_field_name.clone(),
            kind: mapping.field.kind.as_str().to_owned(),
            direction: mapping.direction.as_str().to_owned(),
            on_conflict: mapping.on_conflict.as_str().to_owned(),
            active: if mapping.is_active { "yes" } else { "" }.to_owned(),
            ..Written::default()
        }
    }
}

impl Written {
    /// As the API takes a new one.
    pub(super) fn to_new(&self) -> NewMapping {
        NewMapping {
            microbima_field: self.source.trim().to_owned(),
            vtiger_field_name: self.field().to_owned(),
            vtiger_module: None,
            is_active: Some(self.active == "yes"),
            field_type: Some(self.kind.clone()),
            direction: Some(self.direction.clone()),
            on_conflict: Some(self.on_conflict.clone()),
        }
    }

    /// As the API takes a change of one.
    pub(super) fn to_changed(&self) -> ChangedMapping {
        let new = self.to_new();
        ChangedMapping {
            microbima_field: Some(new.microbima_field),
            vtiger_field_name: Some(new.vtiger_field_name),
            vtiger_module: None,
            is_active: new.is_active,
            field_type: new.field_type,
            direction: new.direction,
            on_conflict: new.on_conflict,
        }
    }

    /// The field alone: what is offered reads `cf_861 (ID Number, string)`.
    pub(super) fn field(&self) -> &str {
        let typed = self.field.trim();
        typed.split_once(" (").map_or(typed, |(name, _)| name)
    }
}

#[derive(Template)]
#[template(path = "console/mapping/form.html")]
struct Page {
    frame: Frame,
    written: Written,
    wrong: Option<String>,
    sources: &'static [Source],
    /// `cf_861 (ID Number, string)`
    fields: Vec<String>,
    away: Option<String>,
    kinds: &'static [&'static str],
    directions: [(&'static str, &'static str); 3],
    winners: [(&'static str, &'static str); 4],
}

const DIRECTIONS: [(&str, &str); 3] = [
    (
        "to_crm",
        "MicroBima's: sent to vTiger, edits there are not taken over",
    ),
    ("both", "Both: people may edit it on either side"),
    (
        "from_crm",
        "vTiger's: sent when the contact is made, then taken over",
    ),
];
const WINNERS: [(&str, &str); 4] = [
    ("microbima", "MicroBima's value"),
    ("vtiger", "vTiger's value"),
    ("newest", "The newer one"),
    ("ask", "A person decides, at the conflicts desk"),
];

/// `GET /mapping/new`
pub(in crate::http::console) async fn new(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    frame: Frame,
) -> Response {
    let written = Written {
        kind: "TEXT".to_owned(),
        direction: "to_crm".to_owned(),
        on_conflict: "microbima".to_owned(),
        active: "yes".to_owned(),
        ..Written::default()
    };
    shown(&state, &correlation_id, frame, written, None).await
}

/// `GET /mapping/{id}`
pub(in crate::http::console) async fn edit(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    frame: Frame,
    Path(id): Path<String>,
) -> Response {
    let read = async {
        let mut conn = state.db.read().await?;
        field_mapping::list(&mut conn).await
    };
    let all = match read.await {
        Ok(all) => all,
        Err(error) => return store_down(&frame, &error),
    };
    match all.iter().find(|one| one.id.to_string() == id) {
        Some(mapping) => shown(&state, &correlation_id, frame, mapping.into(), None).await,
        None => not_found(&frame, "There is no such mapping."),
    }
}

/// The form with what was written in it, and what is wrong with that.
pub(super) async fn shown(
    state: &AppState,
    correlation_id: &CorrelationId,
    frame: Frame,
    written: Written,
    wrong: Option<String>,
) -> Response {
    let asked = Asked::kept(state, correlation_id).await;
    let fields = asked.module().map_or_else(Vec::new, |module| {
        let editable = module.fields.iter().filter(|field| field.editable);
        editable
            .map(|field| {
                let kind = type_word(&field.field_type);
                format!("{} ({}, {kind})", field.name, field.label)
            })
            .collect()
    });
    let status = match wrong {
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
        None => StatusCode::OK,
    };
    let page = show(&Page {
        frame,
        written,
        wrong,
        sources: SOURCES,
        fields,
        away: asked.trouble().map(str::to_owned),
        kinds: field_mapping::FieldKind::WORDS,
        directions: DIRECTIONS,
        winners: WINNERS,
    });
    (status, page).into_response()
}

/// The form again when the API would refuse it, or another page when that is not its fault.
pub(super) async fn again(
    state: &AppState,
    correlation_id: &CorrelationId,
    frame: Frame,
    written: Written,
    error: &crate::http::envelope::ApiError,
) -> Response {
    match error.status {
        StatusCode::UNPROCESSABLE_ENTITY | StatusCode::CONFLICT => {
            let wrong = Some(super::wrong(error));
            shown(state, correlation_id, frame, written, wrong).await
        }
        _ => told(&frame, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_what_was_offered_or_what_was_typed() {
        let of = |typed: &str| {
            let written = Written {
                field: typed.to_owned(),
                ..Written::default()
            };
            written.field().to_owned()
        };
        assert_eq!(of("cf_861 (ID Number, string)"), "cf_861");
        assert_eq!(of(" ID Number "), "ID Number");
    }
}
