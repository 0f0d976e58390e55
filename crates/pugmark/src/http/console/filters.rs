//! Filters that a person keeps under a name: each is a link to an address, which can be sent to others as well.

use axum::Form;
use axum::extract::State;
use axum::response::Response;
use pugmark_queue::db::{Conn, DbError, Ts};
use serde::Deserialize;

use super::frame::{Frame, go, not_taken, store_down};
use super::person::Person;
use super::texts;
use crate::http::AppState;
use crate::store::saved_filters::{self, SavedFilter};

/// Longer names are refused.
const LONGEST_NAME: usize = 60;
/// Longer addresses are refused.
const LONGEST: usize = 4_000;
/// More than this nobody finds again.
const MOST: usize = 50;
/// What may stand in the address of a screen that has filters.
const PARTS: [&str; 2] = ["q", "show"];

/// A screen whose filters can be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filtered {
    Operations,
    Problems,
}

impl Filtered {
    fn of(word: &str) -> Option<Self> {
        [Filtered::Operations, Filtered::Problems]
            .into_iter()
            .find(|screen| screen.word() == word)
    }

    fn word(self) -> &'static str {
        match self {
            Filtered::Operations => "operations",
            Filtered::Problems => "problems",
        }
    }
}

/// What a page shows of kept filters.
pub(super) struct Kept {
    pub(super) screen: &'static str,
    pub(super) filters: Vec<SavedFilter>,
    /// The filter that is shown now, as part of the address; empty for none.
    pub(super) now: String,
    /// It is one of those that are kept.
    pub(super) known: bool,
}

impl Kept {
    /// What this person keeps for a screen that shows `now`.
    pub(super) async fn read(
        conn: &mut Conn,
        person: &Person,
        screen: Filtered,
        now: &[(&str, &str)],
    ) -> Result<Self, DbError> {
        let filters = saved_filters::of(conn, person.id, screen.word()).await?;
        let now = address(now.iter().copied());
        Ok(Kept {
            screen: screen.word(),
            known: filters.iter().any(|filter| filter.query == now),
            filters,
            now,
        })
    }
}

/// The parts of an address that say something, in their order.
fn address<'a>(parts: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in parts.filter(|(_, value)| !value.trim().is_empty()) {
        query.append_pair(name, value.trim());
    }
    query.finish()
}

/// What is kept or forgotten.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Said {
    screen: String,
    name: String,
    query: String,
}

/// `POST /filters/keep`
pub(super) async fn keep(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Form(said): Form<Said>,
) -> Response {
    let (screen, filter) = match meaning(&said) {
        Ok(meant) => meant,
        Err(wrong) => return not_taken(&frame, wrong),
    };
    let back = format!("/{}?{}", screen.word(), filter.query);
    let kept = state.db.write("keep filter", move |conn| {
        Box::pin(async move {
            let known = saved_filters::of(conn, person.id, screen.word()).await?;
            if known.len() >= MOST && !known.iter().any(|known| known.name == filter.name) {
                return Ok(false);
            }
            saved_filters::keep(conn, person.id, screen.word(), &filter, Ts::now()).await?;
            Ok::<_, DbError>(true)
        })
    });
    match kept.await {
        Ok(true) => go(&back, texts::FILTER_KEPT),
        Ok(false) => not_taken(&frame, texts::TOO_MANY_FILTERS),
        Err(error) => store_down(&frame, &error),
    }
}

/// `POST /filters/forget`
pub(super) async fn forget(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Form(said): Form<Said>,
) -> Response {
    let Some(screen) = Filtered::of(&said.screen) else {
        return not_taken(&frame, texts::NO_SUCH_SCREEN);
    };
    let forgotten = state.db.write("forget filter", move |conn| {
        Box::pin(
            async move { saved_filters::forget(conn, person.id, screen.word(), &said.name).await },
        )
    });
    let back = format!("/{}", screen.word());
    match forgotten.await {
        Ok(true) => go(&back, texts::FILTER_FORGOTTEN),
        Ok(false) => go(&back, texts::NO_SUCH_FILTER),
        Err(error) => store_down(&frame, &error),
    }
}

fn meaning(said: &Said) -> Result<(Filtered, SavedFilter), &'static str> {
    let screen = Filtered::of(&said.screen).ok_or(texts::NO_SUCH_SCREEN)?;
    let name: String = said.name.split_whitespace().collect::<Vec<_>>().join(" ");
    let unfit = |letter: char| letter.is_control();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.contains(unfit) {
        return Err(texts::FILTER_NAME);
    }
    let parts: Vec<_> = url::form_urlencoded::parse(said.query.as_bytes())
        .filter(|(name, _)| PARTS.contains(&name.as_ref()))
        .collect();
    let query = address(
        parts
            .iter()
            .map(|(name, value)| (name.as_ref(), value.as_ref())),
    );
    if query.is_empty() || query.len() > LONGEST {
        return Err(texts::NO_FILTER);
    }
    Ok((screen, SavedFilter { name, query }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_the_filter_alone_and_leads_nowhere_else() {
        let said = |screen: &str, name: &str, query: &str| Said {
            screen: screen.into(),
            name: name.into(),
            query: query.into(),
        };
        let (screen, filter) = meaning(&said(
            "operations",
            "  dead   notes ",
            "q=status%3Adead+kind%3Anote.create&cursor=abc",
        ))
        .expect("it is whole");
        assert_eq!(
            (screen, filter.name.as_str()),
            (Filtered::Operations, "dead notes")
        );
        assert_eq!(filter.query, "q=status%3Adead+kind%3Anote.create");
        for (screen, name, query) in [
            ("people", "x", "q=a"),
            ("operations", " ", "q=a"),
            ("operations", "x", ""),
            ("problems", "x", "cursor=a"),
        ] {
            assert!(
                meaning(&said(screen, name, query)).is_err(),
                "{screen} {name} {query}"
            );
        }
    }
}
