//! One agent: the account in MicroBima, Supabase and vTiger, how far the last act came in each, and what can be done.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use pugmark_queue::OperationId;
use pugmark_queue::db::Ts;
use serde::Deserialize;
use uuid::Uuid;

use super::refused;
use super::shown::{Agent, Halves};
use crate::http::AppState;
use crate::http::api::users::{self, UserBody};
use crate::http::console::frame::{Frame, show};
use crate::http::console::masking;
use crate::http::console::person::Person;
use crate::http::envelope::ApiError;
use crate::store::ambassadors;
use crate::store::products::{self, Partner};

/// What stands in the address: the act whose halves are shown.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::http::console) struct Asked {
    operation: String,
}

/// What changes while it is looked at.
struct Standing {
    agent: Agent,
    halves: Option<Halves>,
}

/// What Supabase says of the login.
struct Login {
    email: String,
    roles: Vec<String>,
    customer_care: bool,
}

#[derive(Template)]
#[template(path = "console/agents/detail.html")]
struct Page {
    frame: Frame,
    refresh: String,
    standing: Standing,
    partners: Vec<Partner>,
    /// `None`: Supabase is not configured, or does not answer.
    login: Option<Login>,
    may_change: bool,
}

#[derive(Template)]
#[template(path = "console/agents/detail.html", block = "live")]
struct Live {
    standing: Standing,
}

/// `GET /agents/{id}`
pub(in crate::http::console) async fn page(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    let loaded = match load(&state, &person, &id, &asked).await {
        Ok(loaded) => loaded,
        Err(error) => return refused(&frame, &error),
    };
    let (standing, partners) = loaded;
    let login = match Uuid::parse_str(&standing.agent.user_id) {
        Ok(id) => users::login_of(&state, id).await,
        Err(_) => None,
    };
    let personal = person.sees_personal();
    let operation = asked.operation.parse::<OperationId>().ok();
    let operation = operation.map_or_else(String::new, |id| format!("?operation={id}"));
    show(&Page {
        refresh: format!("/console/agents/{}{operation}", standing.agent.user_id),
        login: login.map(|login| Login {
            email: match (login.email, personal) {
                (Some(email), true) => email,
                (Some(email), false) => masking::word(&email),
                (None, _) => String::new(),
            },
            customer_care: login.roles.iter().any(|role| role == "customer_care"),
            roles: login.roles,
        }),
        frame,
        standing,
        partners,
        may_change: person.may_change(),
    })
}

/// `GET /console/agents/{id}`
pub(in crate::http::console) async fn fragment(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    match load(&state, &person, &id, &asked).await {
        Ok((standing, _)) => show(&Live { standing }),
        Err(error) => refused(&frame, &error),
    }
}

async fn load(
    state: &AppState,
    person: &Person,
    id: &str,
    asked: &Asked,
) -> Result<(Standing, Vec<Partner>), ApiError> {
    let nobody = || ApiError::not_found("agent", "given");
    let user = Uuid::parse_str(id).map_err(|_| nobody())?.to_string();
    let mut conn = state.db.read().await?;
    let view = ambassadors::view(&mut conn, &user)
        .await?
        .ok_or_else(nobody)?;
    let open = view.operation_id;
    let body = UserBody::of(view, state, &mut conn).await?;
    let partners = products::partners(&mut conn).await?;
    drop(conn);
    let (personal, now) = (person.sees_personal(), Ts::now());
    let meant = asked.operation.parse().ok().or(open);
    let halves = match meant {
        Some(id) => users::standing(state, &user, id).await?,
        None => None,
    };
    let standing = Standing {
        agent: Agent::of(&body, &partners, personal, now),
        halves: halves.map(|answered| Halves::of(answered, personal, now)),
    };
    Ok((standing, partners))
}
