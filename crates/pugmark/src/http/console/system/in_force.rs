//! `/system/settings`: the settings in force in this process, and where each value comes from.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;

use crate::config::{InForce, Origin};
use crate::http::AppState;
use crate::http::console::frame::{Frame, show};

/// What is looked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::http::console) struct Asked {
    q: String,
    changed: String,
}

#[derive(Template)]
#[template(path = "console/system/in_force.html")]
struct Page {
    frame: Frame,
    q: String,
    changed: bool,
    /// Whether anything is known: the demonstration brings settings of its own.
    known: bool,
    lines: Vec<Line>,
    chosen: bool,
}

struct Line {
    setting: String,
    value: String,
    secret: bool,
    origin: String,
    class: &'static str,
}

/// `GET /system/settings`
pub(in crate::http::console) async fn page(
    State(state): State<AppState>,
    frame: Frame,
    Query(asked): Query<Asked>,
) -> Response {
    let all = &state.system.settings.in_force;
    let (q, changed) = (asked.q.trim().to_lowercase(), asked.changed == "yes");
    let meant = all.iter().filter(|one| {
        let differs = !matches!(one.origin, Origin::Default | Origin::Missing);
        one.setting.to_lowercase().contains(&q) && (differs || !changed)
    });
    show(&Page {
        frame,
        known: !all.is_empty(),
        lines: meant.map(line).collect(),
        chosen: changed || !q.is_empty(),
        q: asked.q,
        changed,
    })
}

fn line(one: &InForce) -> Line {
    let (origin, class) = match &one.origin {
        Origin::Default => ("default".to_owned(), ""),
        Origin::Missing => ("not set".to_owned(), ""),
        Origin::File(path) => (format!("file {path}"), "brand"),
        Origin::Variable(name) => (format!("environment {name}"), "brand"),
    };
    Line {
        setting: one.setting.clone(),
        secret: one.value.is_none(),
        value: match (&one.value, &one.origin) {
            (Some(value), _) => value.clone(),
            (None, Origin::Missing) => String::new(),
            (None, _) => "set, never shown".to_owned(),
        },
        origin,
        class,
    }
}
