//! Filling in what a conversion lacks, looking at it once more, and deciding who it is, by the functions of the API's routes.

use std::collections::BTreeMap;

use axum::Form;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use crate::http::AppState;
use crate::http::api::lead_conversions::{Changes, FILLABLE, complete, decide_customer};
use crate::http::console::answered::{actor, refused};
use crate::http::console::frame::{Frame, go, not_taken};
use crate::http::console::moment::encoded;
use crate::http::console::person::Person;

/// Why somebody acts, and on whom they decide.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::http::console) struct Typed {
    customer: String,
    reason: String,
}

/// `POST /conversions/{record}/fill-in`
pub(in crate::http::console) async fn fill_in(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Path(record): Path<String>,
    Form(typed): Form<BTreeMap<String, String>>,
) -> Response {
    let changes = changes(&typed);
    if changes.is_empty() {
        return not_taken(
            &frame,
            "Nothing is filled in. To look at the contact once more as it is, use Look again.",
        );
    }
    let reason = typed.get("reason").map_or("", String::as_str);
    let actor = actor(&person, &frame, reason);
    if actor.reason.is_empty() {
        return not_taken(&frame, "A reason is needed: say how you know these values.");
    }
    match complete(&state, &record, changes, actor).await {
        Ok(_) => go(
            &page_of(&record),
            "It is filled in, and the conversion goes on.",
        ),
        Err(error) => refused(&frame, &error),
    }
}

/// What was typed into fields that there are. A field that held something and was emptied is taken back; the page says in a hidden
/// field what it held.
fn changes(typed: &BTreeMap<String, String>) -> Changes {
    let said = FILLABLE.into_iter().filter_map(|name| {
        let text = |key: &str| typed.get(key).map_or("", |text| text.trim());
        let (now, before) = (text(name), text(&format!("was_{name}")));
        match now {
            now if now == before => None,
            "" => Some((name.to_owned(), None)),
            now => Some((name.to_owned(), Some(now.to_owned()))),
        }
    });
    said.collect()
}

/// `POST /conversions/{record}/look-again`
pub(in crate::http::console) async fn look_again(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Path(record): Path<String>,
    Form(typed): Form<Typed>,
) -> Response {
    let actor = actor(&person, &frame, &typed.reason);
    if actor.reason.is_empty() {
        return not_taken(
            &frame,
            "A reason is needed: say what has changed since the last look.",
        );
    }
    match complete(&state, &record, Changes::new(), actor).await {
        Ok(_) => go(
            &page_of(&record),
            "The contact is read once more, and the conversion goes on if it can.",
        ),
        Err(error) => refused(&frame, &error),
    }
}

/// `POST /conversions/{record}/link`
pub(in crate::http::console) async fn link(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Path(record): Path<String>,
    Form(typed): Form<Typed>,
) -> Response {
    let actor = actor(&person, &frame, &typed.reason);
    if actor.reason.is_empty() {
        return not_taken(
            &frame,
            "A reason is needed: say how you know that they are the same person.",
        );
    }
    match decide_customer(&state, &record, &typed.customer, actor).await {
        Ok(_) => go(
            &page_of(&record),
            "It is decided: the two are being linked.",
        ),
        Err(error) => refused(&frame, &error),
    }
}

fn page_of(record: &str) -> String {
    format!("/conversions/{}", encoded(record))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_emptied_is_taken_back_and_what_is_as_it_was_is_no_change() {
        let typed = [
            ("firstName", "Achieng"),
            ("lastName", ""),
            ("was_lastName", "Otieno"),
            ("gender", "female"),
            ("was_gender", "female"),
            ("email", "  "),
            ("unknown", "x"),
        ];
        let typed = typed.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let changes = changes(&BTreeMap::from(typed));
        let expected = [
            ("firstName".to_owned(), Some("Achieng".to_owned())),
            ("lastName".to_owned(), None),
        ];
        assert_eq!(changes, Changes::from(expected));
    }
}
