//! The list of agents, as MicroBima shows it, with how each stands towards vTiger.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use pugmark_queue::db::Ts;
use serde::Deserialize;

use super::refused;
use super::shown::Agent;
use crate::http::AppState;
use crate::http::api::users::UserBody;
use crate::http::console::frame::{Frame, show};
use crate::http::console::moment::encoded;
use crate::http::console::person::Person;
use crate::http::envelope::ApiError;
use crate::store::ambassadors::{self, AmbassadorFilter};
use crate::store::page::{Place, Wanted};
use crate::store::products;

/// Agents of a page.
const PAGE: u32 = 50;

/// What stands in the address.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::http::console) struct Asked {
    /// Part of a name or phone.
    q: String,
    /// `yes`, `no`, or nothing for all.
    synced: String,
    after: String,
}

struct Choice {
    label: &'static str,
    address: String,
    current: bool,
}

struct Results {
    agents: Vec<Agent>,
    next: Option<String>,
    narrowed: bool,
    may_change: bool,
}

#[derive(Template)]
#[template(path = "console/agents/list.html")]
struct Page {
    frame: Frame,
    q: String,
    synced: String,
    personal: bool,
    choices: Vec<Choice>,
    refresh: String,
    results: Results,
}

#[derive(Template)]
#[template(path = "console/agents/list.html", block = "live")]
struct Live {
    results: Results,
}

/// `GET /agents`
pub(in crate::http::console) async fn page(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Query(asked): Query<Asked>,
) -> Response {
    let results = match gather(&state, &person, &asked).await {
        Ok(results) => results,
        Err(error) => return refused(&frame, &error),
    };
    let q = typed(&asked.q);
    let choices = [("All", ""), ("Synced", "yes"), ("Not Synced", "no")];
    show(&Page {
        choices: choices
            .map(|(label, synced)| Choice {
                label,
                address: address(&q, synced, ""),
                current: asked.synced == synced,
            })
            .into(),
        refresh: format!("/console{}", address(&q, &asked.synced, &asked.after)),
        frame,
        personal: person.sees_personal(),
        synced: asked.synced,
        q,
        results,
    })
}

/// `GET /console/agents`
pub(in crate::http::console) async fn fragment(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Query(asked): Query<Asked>,
) -> Response {
    match gather(&state, &person, &asked).await {
        Ok(results) => show(&Live { results }),
        Err(error) => refused(&frame, &error),
    }
}

fn typed(text: &str) -> String {
    let kept = text.chars().filter(|letter| *letter != '\0');
    kept.take(100).collect::<String>().trim().to_owned()
}

fn address(q: &str, synced: &str, after: &str) -> String {
    let given = [("q", q), ("synced", synced), ("after", after)];
    let parts: Vec<String> = given
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect();
    match parts.is_empty() {
        true => "/agents".to_owned(),
        false => format!("/agents?{}", parts.join("&")),
    }
}

async fn gather(state: &AppState, person: &Person, asked: &Asked) -> Result<Results, ApiError> {
    let personal = person.sees_personal();
    // A search would tell letter by letter what is masked.
    let q = typed(&asked.q);
    let search = Some(q.clone()).filter(|q| personal && !q.is_empty());
    let linked = match asked.synced.as_str() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    };
    let after = asked.after.split_once(':').and_then(|(id, place)| {
        let id = uuid::Uuid::parse_str(id).ok()?.to_string();
        Some((Place::parse(place, state.db.engine())?, id))
    });
    let filter = AmbassadorFilter {
        search,
        linked,
        wanted: Wanted {
            after,
            limit: PAGE + 1,
        },
    };
    let mut conn = state.db.read().await?;
    let mut found = ambassadors::list(&mut conn, &filter).await?;
    let partners = products::partners(&mut conn).await?;
    let more = found.len() > PAGE as usize;
    found.truncate(PAGE as usize);
    let next = found.last().filter(|_| more).map(|last| {
        let place = format!("{}:{}", last.ambassador.user_id, last.place);
        address(&q, &asked.synced, &place)
    });
    let now = Ts::now();
    let mut agents = Vec::with_capacity(found.len());
    for view in found {
        let user = UserBody::of(view, state, &mut conn).await?;
        agents.push(Agent::of(&user, &partners, personal, now));
    }
    Ok(Results {
        agents,
        next,
        narrowed: filter.search.is_some() || linked.is_some(),
        may_change: person.may_change(),
    })
}
