//! A mapping tried on real contacts, and then stored.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::form::{self, Written};
use super::{Diff, HERE, actor, wrong};
use crate::http::AppState;
use crate::http::api::field_mappings::dry_run::{Customers, try_out};
use crate::http::api::field_mappings::{Way, add, change_one};
use crate::http::console::frame::{Frame, go, show};
use crate::http::console::person::Person;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::ApiError;
use crate::store::field_mapping::{self, Direction, Mapping};

/// Contacts that a mapping is tried on when nobody says.
const TRIED_ON: u32 = 10;

#[derive(Template)]
#[template(path = "console/mapping/try.html")]
struct Page {
    frame: Frame,
    written: Written,
    diff: Option<Diff>,
    /// Why it could not be tried.
    away: Option<String>,
    /// Nothing is sent by it to contacts that are there.
    silent: bool,
}

/// `POST /mapping/try`: writes nothing.
pub(in crate::http::console) async fn attempt(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    frame: Frame,
    Form(written): Form<Written>,
) -> Response {
    let tried = try_it(&state, &correlation_id, &written).await;
    let (diff, away, silent) = match tried {
        Ok((diff, silent)) => (Some(diff), None, silent),
        Err(error)
            if error.status == StatusCode::SERVICE_UNAVAILABLE
                && error.code == "CRM_UNAVAILABLE" =>
        {
            (None, Some(wrong(&error)), false)
        }
        Err(error) => return form::again(&state, &correlation_id, frame, written, &error).await,
    };
    let field = written.field().to_owned();
    let written = Written { field, ..written };
    show(&Page {
        frame,
        written,
        diff,
        away,
        silent,
    })
}

async fn try_it(
    state: &AppState,
    correlation_id: &CorrelationId,
    written: &Written,
) -> Result<(Diff, bool), ApiError> {
    let mapping = written.to_new().into_mapping()?;
    let silent = !mapping.is_active || mapping.direction == Direction::FromCrm;
    let all = laid_over(state, written, &mapping).await?;
    let customers = match written.customers.split_whitespace().collect::<Vec<_>>() {
        ids if ids.is_empty() => Customers::Some(TRIED_ON),
        ids => Customers::These(ids.into_iter().map(str::to_owned).collect()),
    };
    let tried = try_out(state, correlation_id, &[mapping], Some(all), customers).await?;
    Ok((Diff::of(tried), silent))
}

/// The whole mapping as it would be. One that is changed may get another source, so it goes by its number.
async fn laid_over(
    state: &AppState,
    written: &Written,
    mapping: &Mapping,
) -> Result<Vec<Mapping>, ApiError> {
    let mut all = field_mapping::list(&mut state.db.read().await?).await?;
    all.retain(|one| one.id.to_string() != written.id);
    all.push(mapping.clone());
    Ok(all)
}

/// `POST /mapping/save`
pub(in crate::http::console) async fn save(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    frame: Frame,
    person: Person,
    Form(written): Form<Written>,
) -> Response {
    if written.tried != "yes" {
        let said = "Try it first: nothing counts before somebody has seen what it does.".to_owned();
        return form::shown(&state, &correlation_id, frame, written, Some(said)).await;
    }
    if written.reason.trim().is_empty() {
        let said = "Say why, for the audit log.".to_owned();
        return form::shown(&state, &correlation_id, frame, written, Some(said)).await;
    }
    let way = Way {
        unchecked: written.unchecked == "yes",
        actor: actor(&person, &frame, &written.reason),
    };
    let done = match written.id.parse::<i64>() {
        Ok(id) => change_one(&state, &correlation_id, id, written.to_changed(), way).await,
        Err(_) => add(&state, &correlation_id, written.to_new(), way).await,
    };
    match done {
        Ok((mapping, _)) => {
            let said = format!(
                "{} goes to {} from now on, with each customer's next delivery. Bring the others up to date below.",
                mapping.field.microbima_field, mapping.field.vtiger_field_name
            );
            go(HERE, &said)
        }
        Err(error) => form::again(&state, &correlation_id, frame, written, &error).await,
    }
}
