//! Links to the page on which a client fills in the form: made, shown once, and revoked.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;

use crate::http::AppState;
use crate::http::api::onboarding_links::{make_link, revoke_links};
use crate::http::console::answered::{actor, refused};
use crate::http::console::frame::{Frame, go, not_taken, show};
use crate::http::console::moment::encoded;
use crate::http::console::person::Person;
use crate::http::console::when;

/// How long a link can be made to work, besides what the settings say.
pub(super) const SPANS: [(&str, &str); 5] = [
    ("1d", "a day"),
    ("3d", "3 days"),
    ("7d", "a week"),
    ("14d", "two weeks"),
    ("30d", "30 days"),
];

/// How long a link works unless somebody says otherwise.
pub(super) fn default_span(state: &AppState) -> String {
    when::span(state.forms.forms.settings.link_for)
}

/// What is typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::http::console) struct Typed {
    client: String,
    /// Empty for what the settings say.
    valid_for: String,
    reason: String,
}

#[derive(Template)]
#[template(path = "console/forms/link.html")]
struct Handed {
    frame: Frame,
    client: String,
    address: String,
    until: String,
    lasts: String,
    /// Opens the person's own mail program with the link in the text.
    mail: String,
}

/// `POST /forms/link`
pub(in crate::http::console) async fn make(
    State(state): State<AppState>,
    headers: HeaderMap,
    frame: Frame,
    person: Person,
    Form(typed): Form<Typed>,
) -> Response {
    let chosen = Some(typed.valid_for.as_str()).filter(|span| !span.is_empty());
    let actor = actor(&person, &frame, &typed.reason);
    let (client, made) = match make_link(&state, &typed.client, chosen, actor).await {
        Ok(made) => made,
        Err(error) => return refused(&frame, &error),
    };
    // Without a setting it is the address by which whoever asks has come here.
    let origin = headers
        .get("origin")
        .and_then(|origin| origin.to_str().ok())
        .unwrap_or_default();
    let address = made.url.unwrap_or_else(|| format!("{origin}{}", made.path));
    let lasts = SPANS.iter().find(|(word, _)| Some(*word) == chosen);
    show(&Handed {
        frame,
        client,
        until: format!("{:.0}", made.expires),
        lasts: lasts.map_or_else(|| default_span(&state), |(_, words)| (*words).to_owned()),
        mail: mail(&address),
        address,
    })
}

/// Mail programs take blanks as `%20` alone.
fn mail(address: &str) -> String {
    let body = encoded(&format!(
        "Please fill in this form. The link is for you alone:\n\n{address}\n"
    ));
    format!(
        "mailto:?subject={}&body={}",
        encoded("Your onboarding form").replace('+', "%20"),
        body.replace('+', "%20")
    )
}

/// `POST /forms/revoke`
pub(in crate::http::console) async fn revoke(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Form(typed): Form<Typed>,
) -> Response {
    let actor = actor(&person, &frame, &typed.reason);
    if actor.reason.is_empty() {
        return not_taken(
            &frame,
            "A reason is needed: whoever has one of these links finds it closed.",
        );
    }
    match revoke_links(&state, &typed.client, actor).await {
        Ok(client) => go(
            "/forms",
            &format!("Every link of {client} that was made so far is revoked."),
        ),
        Err(error) => refused(&frame, &error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_holds_the_link_whole() {
        let mail = mail("https://sync.example.org/onboarding/ab-c_d");
        assert!(mail.starts_with("mailto:?subject=Your%20onboarding%20form&body="));
        assert!(mail.contains("https%3A%2F%2Fsync.example.org%2Fonboarding%2Fab-c_d%0A"));
        assert!(!mail.contains('+'));
    }
}
