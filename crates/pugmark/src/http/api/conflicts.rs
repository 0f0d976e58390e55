//! `/api/internal/vtiger/conflicts`: fields about which a person has to decide.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use pugmark_queue::db::{Conn, DbError, Ts};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::paging::{PageParameters, page};
use super::{actor, cursor};
use crate::crm::CONTACTS;
use crate::desk::{Actor, mapping_history};
use crate::flows::insurance::contact::back;
use crate::flows::insurance::inbound;
use crate::http::AppState;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope, ErrorEnvelope, Page};
use crate::http::parameters::{Parameters, PathId};
use crate::store::conflicts::{self, Choice, Conflict, Decision, Kind, Wanted};
use crate::store::field_mapping::{self, Direction, Mapping, OnConflict};
use crate::store::page::Place;
use crate::store::{audit, customers};

/// So many other customers are looked at again when a choice becomes the rule.
const MOST_SETTLED_BY_RULE: u32 = 1_000;

/// The routes of this resource.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(decide))
}

/// A field about which a person has to decide, or had to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConflictBody {
    /// UUID.
    id: String,
    /// UUID of the customer.
    customer_id: String,
    /// The value of MicroBima, by the name that mappings use.
    source: String,
    /// API name of vTiger's field.
    field: String,
    /// What people call it.
    label: String,
    /// `both_changed`, or `not_accepted`: MicroBima cannot take what stands in vTiger.
    kind: String,
    /// What was last agreed on, as vTiger shows it; null when nothing ever was.
    agreed: Option<String>,
    /// MicroBima's value, as vTiger would show it.
    microbima: String,
    /// vTiger's value.
    vtiger: String,
    /// Why MicroBima cannot take it.
    reason: Option<String>,
    /// `OPEN`, `DECIDED` (chosen, about to be carried out) or `RESOLVED`.
    status: String,
    /// `microbima`, `vtiger` or `value`.
    choice: Option<&'static str>,
    /// Who chose.
    decided_by: Option<String>,
    /// When, RFC 3339 in UTC.
    decided_at: Option<String>,
    /// Why.
    decided_why: Option<String>,
    /// How it ended: `decided`, or `by itself` when both sides came to agree, or a rule settled it.
    resolution: Option<String>,
    /// When it ended.
    resolved_at: Option<String>,
    /// When it was found.
    found_at: String,
}

impl From<Conflict> for ConflictBody {
    fn from(conflict: Conflict) -> Self {
        let time = |at: Option<Ts>| at.map(|at| at.timestamp().to_string());
        ConflictBody {
            id: conflict.id,
            customer_id: conflict.customer_id,
            source: conflict.source,
            field: conflict.field,
            label: conflict.label,
            kind: conflict.kind,
            agreed: conflict.base,
            microbima: conflict.ours,
            vtiger: conflict.theirs,
            reason: conflict.reason,
            status: conflict.status,
            choice: conflict.choice.map(Choice::as_str),
            decided_by: conflict.decided_by,
            decided_at: time(conflict.decided_at),
            decided_why: conflict.decided_why,
            resolution: conflict.resolution,
            resolved_at: time(conflict.resolved_at),
            found_at: conflict.found_at.timestamp().to_string(),
        }
    }
}

/// Which conflicts are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListParameters {
    /// `open` (when left out) or `resolved`.
    status: Option<String>,
    /// Only those of this customer.
    customer_id: Option<String>,
    /// Entries of a page, 1 to 200; 50 when left out.
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Lists what waits for a decision, or what was decided, newest first.
#[utoipa::path(get, path = "/api/internal/vtiger/conflicts", tag = "conflicts", params(ListParameters),
    responses((status = 200, body = Envelope<Page<ConflictBody>>), (status = 422, body = ErrorEnvelope)))]
async fn list(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Parameters(parameters): Parameters<ListParameters>,
) -> Result<Response, ApiError> {
    let resolved = match parameters.status.as_deref().map(str::to_ascii_lowercase) {
        None => false,
        Some(word) if word == "open" => false,
        Some(word) if word == "resolved" => true,
        Some(_) => return Err(wrong("status", "must be open or resolved")),
    };
    let paging = PageParameters::new(parameters.limit, parameters.cursor.clone());
    let after = match parameters.cursor.as_deref() {
        Some(text) => match cursor::decode(text, state.db.engine())? {
            (Place::Instant(micros), id) => jiff::Timestamp::from_microsecond(micros)
                .ok()
                .map(|at| (Ts::from(at), id)),
            (Place::Text(_), _) => None,
        },
        None => None,
    };
    let wanted = Wanted {
        resolved,
        customer: parameters.customer_id.as_deref(),
        after: after.as_ref().map(|(at, id)| (*at, id.as_str())),
        limit: paging.size() + 1,
    };
    let found = conflicts::list(&mut state.db.read().await?, &wanted).await?;
    let page = page(
        found,
        paging.size(),
        |last| {
            let micros = last.found_at.timestamp().as_microsecond();
            cursor::encode(&format!("i{micros}"), &last.id)
        },
        ConflictBody::from,
    );
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Conflicts",
        page,
    ))
}

/// One conflict.
#[utoipa::path(get, path = "/api/internal/vtiger/conflicts/{id}", tag = "conflicts",
    params(("id" = String, Path, description = "UUID of the conflict")),
    responses((status = 200, body = Envelope<ConflictBody>), (status = 404, body = ErrorEnvelope)))]
async fn show(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    PathId(id): PathId,
) -> Result<Response, ApiError> {
    let conflict = found(&mut state.db.read().await?, &id.to_string()).await?;
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Conflict",
        ConflictBody::from(conflict),
    ))
}

/// A person's decision.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DecisionBody {
    /// `microbima`, `vtiger`, or `value`.
    choice: String,
    /// The value that both sides are to have, as MicroBima or vTiger would write it; with `value` alone.
    value: Option<String>,
    /// Whether this side wins from now on wherever both change this field.
    #[serde(default)]
    make_rule: bool,
    /// Why; kept with the decision and in the audit log.
    reason: Option<String>,
}

/// Decides. It is carried out at once, unless one of the two values has changed by then: then the field is asked about again.
#[utoipa::path(post, path = "/api/internal/vtiger/conflicts/{id}/decision", tag = "conflicts", request_body = DecisionBody,
    params(("id" = String, Path, description = "UUID of the conflict")),
    responses((status = 202, body = Envelope<ConflictBody>), (status = 404, body = ErrorEnvelope),
              (status = 409, body = ErrorEnvelope), (status = 422, body = ErrorEnvelope)))]
async fn decide(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    PathId(id): PathId,
    JsonBody(body): JsonBody<DecisionBody>,
) -> Result<Response, ApiError> {
    let choice = Choice::parse(body.choice.trim())
        .ok_or_else(|| wrong("choice", "must be microbima, vtiger or value"))?;
    let ruling = Ruling {
        choice,
        value: body.value,
        make_rule: body.make_rule,
    };
    let actor = actor(&caller, body.reason, &correlation_id);
    let decided = decide_conflict(&state, &id.to_string(), ruling, actor).await?;
    Ok(Envelope::of(
        StatusCode::ACCEPTED,
        &correlation_id,
        "Decided",
        ConflictBody::from(decided),
    ))
}

/// What a person decides.
#[derive(Debug, Clone)]
pub(in crate::http) struct Ruling {
    /// Whose value it is to be.
    pub(in crate::http) choice: Choice,
    /// The value that both sides are to have; with [`Choice::Value`] alone.
    pub(in crate::http) value: Option<String>,
    /// Whether this side wins from now on wherever both change this field.
    pub(in crate::http) make_rule: bool,
}

/// Decides a conflict and has the decision carried out.
///
/// # Errors
/// 404 without such a conflict, 409 when it is decided or resolved, 422 for a decision that cannot be carried out.
pub(in crate::http) async fn decide_conflict(
    state: &AppState,
    id: &str,
    ruling: Ruling,
    actor: Actor,
) -> Result<Conflict, ApiError> {
    let Ruling {
        choice,
        value,
        make_rule,
    } = ruling;
    if (choice == Choice::Value) != value.is_some() {
        return Err(wrong(
            "value",
            "belongs to the choice `value`, and only to it",
        ));
    }
    let decision = Decision {
        choice,
        value,
        by: actor.name.to_string(),
        why: Some(actor.reason).filter(|reason| !reason.trim().is_empty()),
    };
    let (id, queue) = (id.to_owned(), state.queue.clone());
    let request = actor.correlation_id;
    state
        .db
        .write("decide conflict", move |conn| {
            Box::pin(async move {
                let conflict = found(conn, &id).await?;
                let mapping = mapping_of(conn, &conflict).await?;
                check(conn, &conflict, mapping.as_ref(), &decision, make_rule).await?;
                if !conflicts::decide(conn, &id, &decision, Ts::now()).await? {
                    return Err(ApiError::new(
                        StatusCode::CONFLICT,
                        "CONFLICT",
                        "Somebody has decided, or both sides have come to agree",
                    ));
                }
                note(conn, &conflict, &decision, make_rule, &request).await?;
                let apply = inbound::apply(&conflict.customer_id, &request, &decision.by);
                queue.enqueue(conn, apply).await?;
                if make_rule {
                    let rule = rule_of(choice);
                    let now = Ts::now();
                    mapping_history::before(conn, now).await?;
                    field_mapping::set_on_conflict(conn, CONTACTS, &conflict.source, rule).await?;
                    let act = (decision.by.as_str(), "mapping.update");
                    let why = decision.why.as_deref();
                    mapping_history::after(conn, act, why, &request, now).await?;
                    let source = &conflict.source;
                    let others =
                        conflicts::customers_asked(conn, source, MOST_SETTLED_BY_RULE).await?;
                    for other in others {
                        let apply = inbound::apply(&other, &request, &decision.by);
                        queue.enqueue(conn, apply).await?;
                    }
                }
                found(conn, &id).await
            })
        })
        .await
}

fn rule_of(choice: Choice) -> OnConflict {
    match choice {
        Choice::Vtiger => OnConflict::Vtiger,
        Choice::Microbima | Choice::Value => OnConflict::Microbima,
    }
}

async fn found(conn: &mut Conn, id: &str) -> Result<Conflict, ApiError> {
    conflicts::get(conn, id)
        .await?
        .ok_or_else(|| ApiError::not_found("conflict", id))
}

async fn mapping_of(conn: &mut Conn, conflict: &Conflict) -> Result<Option<Mapping>, DbError> {
    let active = field_mapping::active(conn, CONTACTS).await?;
    Ok(active
        .into_iter()
        .find(|mapping| mapping.field.microbima_field == conflict.source))
}

/// That the decision can be carried out.
async fn check(
    conn: &mut Conn,
    conflict: &Conflict,
    mapping: Option<&Mapping>,
    decision: &Decision,
    make_rule: bool,
) -> Result<(), ApiError> {
    let not_accepted = conflict.kind == Kind::NotAccepted.as_str();
    if decision.choice == Choice::Vtiger && not_accepted {
        let why = conflict.reason.as_deref().unwrap_or("it cannot");
        let what = format!(
            "MicroBima cannot take that value: {why}. Mend it in vTiger, or choose another"
        );
        return Err(wrong("choice", &what));
    }
    if mapping.is_some_and(|mapping| mapping.direction == Direction::FromCrm) {
        let what = "the field is vTiger's (from_crm) and nothing is sent to it: mend the value there, or change the mapping";
        return Err(wrong("choice", what));
    }
    if make_rule && (decision.choice == Choice::Value || not_accepted) {
        let what =
            "only microbima or vtiger can be made the rule, for a field that both sides changed";
        return Err(wrong("makeRule", what));
    }
    if let Some(value) = &decision.value {
        let row = customers::get(conn, &conflict.customer_id)
            .await?
            .ok_or_else(|| ApiError::not_found("customer", &conflict.customer_id))?;
        let middle_apart = field_mapping::active(conn, CONTACTS)
            .await?
            .iter()
            .any(|mapping| mapping.field.microbima_field == "middleName");
        back::columns(&conflict.source, value, &row, middle_apart)
            .map_err(|why| wrong("value", &why))?;
    }
    Ok(())
}

/// Who, when, why. No values: they are kept with the conflict.
async fn note(
    conn: &mut Conn,
    conflict: &Conflict,
    decision: &Decision,
    make_rule: bool,
    correlation_id: &str,
) -> Result<(), DbError> {
    let choice = decision.choice.as_str();
    let (customer, source) = (&conflict.customer_id, &conflict.source);
    let mut entries = vec![(
        "conflict.decide",
        format!("customer {customer} {source}: {choice}"),
    )];
    if make_rule {
        entries.push(("conflict.rule", format!("{CONTACTS} {source}: {choice}")));
    }
    for (action, subject) in entries {
        let entry = audit::Entry {
            actor: &decision.by,
            action,
            subject: &subject,
            reason: decision.why.as_deref(),
            correlation_id: Some(correlation_id),
        };
        audit::record(conn, Ts::now(), &entry).await?;
    }
    Ok(())
}

fn wrong(field: &str, what: &str) -> ApiError {
    ApiError::validation([(field.to_owned(), what.to_owned())].into())
}
