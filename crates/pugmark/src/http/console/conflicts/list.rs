//! The list of conflicts: those that wait for a person, or those that are settled.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use pugmark_queue::db::{DbError, Ts};
use serde::Deserialize;

use super::Shown;
use crate::http::AppState;
use crate::http::console::frame::{Frame, show, store_down};
use crate::http::console::moment::encoded;
use crate::http::console::person::Person;
use crate::store::conflicts::{self, Wanted};

/// Conflicts of a page.
const PAGE: u32 = 50;

/// What stands in the address.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::http::console) struct Asked {
    /// `settled`; without it those that wait.
    show: String,
    /// Only those of this customer.
    customer: String,
    /// Microseconds and id of the last conflict of the page before.
    after: String,
}

impl Asked {
    fn settled(&self) -> bool {
        self.show == "settled"
    }

    fn query(&self) -> String {
        format!(
            "show={}&customer={}",
            encoded(&self.show),
            encoded(self.customer.trim())
        )
    }

    fn after(&self) -> Option<(Ts, &str)> {
        let (micros, id) = self.after.split_once('~')?;
        let at = jiff::Timestamp::from_microsecond(micros.parse().ok()?).ok()?;
        Some((Ts::from(at), id))
    }
}

struct Results {
    conflicts: Vec<Shown>,
    settled: bool,
    filtered: bool,
    further: bool,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "console/conflicts/list.html")]
struct Page {
    frame: Frame,
    customer: String,
    show: String,
    refresh: String,
    results: Results,
}

#[derive(Template)]
#[template(path = "console/conflicts/list.html", block = "live")]
struct Live {
    results: Results,
}

/// `GET /conflicts`
pub(in crate::http::console) async fn page(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Query(asked): Query<Asked>,
) -> Response {
    match gather(&state, &person, &asked).await {
        Ok(results) => show(&Page {
            frame,
            refresh: format!(
                "/console/conflicts?{}&after={}",
                asked.query(),
                encoded(&asked.after)
            ),
            customer: asked.customer,
            show: asked.show,
            results,
        }),
        Err(error) => store_down(&frame, &error),
    }
}

/// `GET /console/conflicts`
pub(in crate::http::console) async fn fragment(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Query(asked): Query<Asked>,
) -> Response {
    match gather(&state, &person, &asked).await {
        Ok(results) => show(&Live { results }),
        Err(error) => store_down(&frame, &error),
    }
}

async fn gather(state: &AppState, person: &Person, asked: &Asked) -> Result<Results, DbError> {
    let (now, personal) = (Ts::now(), person.sees_personal());
    let customer: String = asked.customer.trim().replace('\0', "");
    let wanted = Wanted {
        resolved: asked.settled(),
        customer: Some(customer.as_str()).filter(|customer| !customer.is_empty()),
        after: asked.after(),
        limit: PAGE + 1,
    };
    let mut found = conflicts::list(&mut state.db.read().await?, &wanted).await?;
    let page = usize::try_from(PAGE).unwrap_or(usize::MAX);
    let more = found.len() > page;
    found.truncate(page);
    let last = found.last().filter(|_| more);
    let next = last.map(|last| {
        let micros = last.found_at.timestamp().as_microsecond();
        format!("/conflicts?{}&after={micros}~{}", asked.query(), last.id)
    });
    let shown = found.into_iter();
    Ok(Results {
        conflicts: shown
            .map(|conflict| Shown::of(conflict, personal, now))
            .collect(),
        settled: asked.settled(),
        filtered: !customer.is_empty(),
        further: wanted.after.is_some(),
        next,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_the_next_page_holds_time_and_id() {
        let asked = Asked {
            after: "1700000000123456~0190".into(),
            ..Asked::default()
        };
        let (at, id) = asked.after().expect("a place");
        assert_eq!(
            (at.timestamp().as_microsecond(), id),
            (1_700_000_000_123_456, "0190")
        );
        for wrong in ["", "x~y", "99999999999999999999~1", "5"] {
            let asked = Asked {
                after: wrong.into(),
                ..Asked::default()
            };
            assert!(asked.after().is_none(), "{wrong}");
        }
    }
}
