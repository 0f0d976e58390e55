//! Saying something of a problem: acknowledge, snooze, resolve, open again.

use std::time::Duration;

use axum::Form;
use axum::extract::State;
use axum::response::Response;
use pugmark_queue::QueueError;
use pugmark_queue::db::Ts;
use serde::Deserialize;

use crate::desk::{self, Actor};
use crate::http::AppState;
use crate::http::console::frame::{Frame, go, not_taken, store_down};
use crate::http::console::person::Person;
use crate::store::problems::{self, Mark};

/// What is said.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::http::console) struct Said {
    kind: String,
    code: String,
    act: String,
    /// For how long it is snoozed.
    span: String,
    reason: String,
}

/// Longest name of a kind or code that is kept.
const LONGEST: usize = 100;

/// `POST /problems/mark`
pub(in crate::http::console) async fn mark(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Form(said): Form<Said>,
) -> Response {
    let reason: String = said
        .reason
        .trim()
        .chars()
        .filter(|it| *it != '\0')
        .take(1_000)
        .collect();
    let now = Ts::now();
    let meant = match meaning(&said, &reason, now) {
        Ok(meant) => meant,
        Err(wrong) => return not_taken(&frame, wrong),
    };
    let actor = Actor {
        name: person.actor().into(),
        reason: reason.clone(),
        correlation_id: frame.correlation_id.clone(),
    };
    let written = state.db.write("mark problem", move |conn| {
        Box::pin(async move {
            match meant.state {
                Some(word) => {
                    let mark = Mark {
                        kind: said.kind.clone(),
                        error_code: said.code.clone(),
                        state: word.to_owned(),
                        until: meant.until,
                        marked_by: actor.name.to_string(),
                        reason,
                        marked_at: now,
                    };
                    problems::mark(conn, &mark).await?;
                }
                None => {
                    problems::unmark(conn, &said.kind, &said.code).await?;
                }
            }
            let subject = format!("{} {}", said.kind, said.code);
            desk::note(conn, meant.action, &subject, &actor).await?;
            Ok::<_, QueueError>(())
        })
    });
    match written.await {
        Ok(()) => go("/problems", meant.answer),
        Err(error) => store_down(&frame, &error),
    }
}

/// What is to be written.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
struct Meant {
    /// `None`: what was said before is taken back.
    state: Option<&'static str>,
    until: Option<Ts>,
    action: &'static str,
    answer: &'static str,
}

fn meaning(said: &Said, reason: &str, now: Ts) -> Result<Meant, &'static str> {
    let named = |text: &str| !text.is_empty() && text.len() <= LONGEST && !text.contains('\0');
    if !named(&said.kind) || !named(&said.code) {
        return Err("Which problem is meant is missing; use the buttons on the page of problems.");
    }
    let plain = |state, action, answer| Meant {
        state,
        until: None,
        action,
        answer,
    };
    match said.act.as_str() {
        "acknowledge" => Ok(plain(
            Some("acknowledged"),
            "problem.acknowledge",
            "Acknowledged: everybody sees that you are at it.",
        )),
        "snooze" | "resolve" if reason.is_empty() => {
            Err("A reason is needed: the problem disappears from everybody's list.")
        }
        "snooze" => {
            let span = span(&said.span).ok_or("Say for how long: 1h, 4h, 1d or 7d.")?;
            Ok(Meant {
                until: Some(now.after(span)),
                ..plain(
                    Some("snoozed"),
                    "problem.snooze",
                    "Snoozed; it comes back by itself.",
                )
            })
        }
        "resolve" => Ok(plain(
            Some("resolved"),
            "problem.resolve",
            "Resolved. Should it fail once more, it comes back by itself.",
        )),
        "reopen" => Ok(plain(None, "problem.reopen", "It is open again.")),
        _ => Err("Say acknowledge, snooze, resolve or reopen."),
    }
}

fn span(word: &str) -> Option<Duration> {
    let hours = match word {
        "1h" => 1,
        "4h" => 4,
        "1d" => 24,
        "7d" => 7 * 24,
        _ => return None,
    };
    Some(Duration::from_secs(hours * 3_600))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_a_problem_needs_a_reason() {
        let now = Ts::from_micros(0);
        let said = |act: &str, span: &str| Said {
            kind: "note.create".into(),
            code: "PUG-2006".into(),
            act: act.into(),
            span: span.into(),
            reason: String::new(),
        };
        assert!(meaning(&said("acknowledge", ""), "", now).is_ok());
        assert!(meaning(&said("reopen", ""), "", now).is_ok());
        for act in ["snooze", "resolve"] {
            assert!(meaning(&said(act, "1h"), "", now).is_err(), "{act}");
        }
        let snoozed = meaning(&said("snooze", "4h"), "waits for Monday", now).expect("it is whole");
        assert_eq!(
            snoozed.until,
            Some(now.after(Duration::from_secs(4 * 3_600)))
        );
        assert!(meaning(&said("snooze", "1y"), "x", now).is_err());
        assert!(meaning(&said("explode", ""), "x", now).is_err());
        let unnamed = Said {
            kind: String::new(),
            ..said("acknowledge", "")
        };
        assert!(meaning(&unnamed, "", now).is_err());
    }
}
