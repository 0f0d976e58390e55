//! `/api/internal/brand-ambassadors`: who registers customers. Logins and users of the CRM are made by the routes of
//! `/api/internal/vtiger/users`.

mod input;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use pugmark_queue::db::{Conn, Ts};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::cursor;
use super::edit::check;
use super::paging::{PageParameters, page};
use super::users::UserBody;
use crate::http::AppState;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope, ErrorEnvelope, Page};
use crate::http::parameters::{Parameters, PathId, search};
use crate::store::ambassadors::{self, AmbassadorFilter, AmbassadorView};
use crate::store::{audit, change_log, products};
pub(crate) use input::AmbassadorPatchBody;
use input::NewAmbassadorBody;

const TABLE: &str = "brand_ambassadors";

/// The routes of this resource.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read, patch))
}

/// A brand ambassador as the API shows it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AmbassadorBody {
    /// UUID of the row; the login has another.
    #[schema(example = "5f1d8f5e-7a0b-4f0e-9a53-0c9c1c6f0b12")]
    id: String,
    /// The account, with its user in vTiger.
    #[serde(flatten)]
    account: UserBody,
}

impl AmbassadorBody {
    async fn of(view: AmbassadorView, state: &AppState, conn: &mut Conn) -> Result<Self, ApiError> {
        Ok(AmbassadorBody {
            id: view.ambassador.id.clone(),
            account: UserBody::of(view, state, conn).await?,
        })
    }
}

/// What a list of brand ambassadors takes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListParameters {
    /// Part of a name or phone.
    search: Option<String>,
    /// Only those with a user in vTiger (`true`), or only those without (`false`).
    synced: Option<bool>,
    /// Entries of a page, 1 to 200; 50 when left out.
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Lists brand ambassadors, newest first.
#[utoipa::path(get, path = "/api/internal/brand-ambassadors", tag = "brand ambassadors", params(ListParameters),
    responses((status = 200, body = Envelope<Page<AmbassadorBody>>), (status = 422, body = ErrorEnvelope)))]
async fn list(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Parameters(parameters): Parameters<ListParameters>,
) -> Result<Response, ApiError> {
    let paging = PageParameters::new(parameters.limit, parameters.cursor);
    let filter = AmbassadorFilter {
        search: search(parameters.search)?,
        linked: parameters.synced,
        wanted: paging.wanted(&state)?,
    };
    let mut conn = state.db.read().await?;
    let found = ambassadors::list(&mut conn, &filter).await?;
    let Page {
        items: found,
        pagination,
    } = page(
        found,
        paging.size(),
        |last| cursor::encode(&last.place, &last.ambassador.user_id),
        |view| view,
    );
    let mut items = Vec::with_capacity(found.len());
    for view in found {
        items.push(AmbassadorBody::of(view, &state, &mut conn).await?);
    }
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Brand ambassadors",
        Page { items, pagination },
    ))
}

/// Makes a brand ambassador for a login that exists. The phone is stored as `254` and nine digits. No login is made, and no
/// user of the CRM: `POST /api/internal/vtiger/users` makes all three, `.../{userId}/sync` the user later.
#[utoipa::path(post, path = "/api/internal/brand-ambassadors", tag = "brand ambassadors", request_body = NewAmbassadorBody,
    responses((status = 201, body = Envelope<AmbassadorBody>), (status = 400, body = ErrorEnvelope),
              (status = 422, body = ErrorEnvelope)))]
async fn create(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    JsonBody(body): JsonBody<NewAmbassadorBody>,
) -> Result<Response, ApiError> {
    let edited = body.edited();
    check(&edited, None)?;
    let new = edited.into_row(uuid::Uuid::new_v4().to_string(), Ts::now());
    let (correlation, answering) = (correlation_id.to_string(), state.clone());
    let body = state
        .db
        .write("make brand ambassador", move |conn| {
            Box::pin(async move {
                refuse_unknown_partner(conn, new.partner_id).await?;
                if !ambassadors::insert(conn, &new, Some(&caller.author)).await? {
                    let what = "This login has a brand ambassador already";
                    let status = StatusCode::UNPROCESSABLE_ENTITY;
                    return Err(
                        ApiError::new(status, "DUPLICATE_USER_ID", what).field("userId", what)
                    );
                }
                change_log::correlate(conn, TABLE, &new.id, &correlation).await?;
                after_write(conn, &new.id, &answering).await
            })
        })
        .await?;
    state.relay.notify_one();
    Ok(Envelope::of(
        StatusCode::CREATED,
        &correlation_id,
        "Brand ambassador made",
        body,
    ))
}

/// One brand ambassador.
#[utoipa::path(get, path = "/api/internal/brand-ambassadors/{id}", tag = "brand ambassadors",
    params(("id" = String, Path, description = "UUID of the brand ambassador's row")),
    responses((status = 200, body = Envelope<AmbassadorBody>), (status = 404, body = ErrorEnvelope)))]
async fn read(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    PathId(id): PathId,
) -> Result<Response, ApiError> {
    let mut conn = state.db.read().await?;
    let body = after_write(&mut conn, &id.to_string(), &state).await?;
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Brand ambassador",
        body,
    ))
}

/// Changes a brand ambassador. What is left out stays, `null` clears. A user in vTiger follows `isActive` by itself. After an
/// edit the phone stands as it was typed, as in MicroBima; names are not edited.
#[utoipa::path(patch, path = "/api/internal/brand-ambassadors/{id}", tag = "brand ambassadors",
    request_body = AmbassadorPatchBody,
    params(("id" = String, Path, description = "UUID of the brand ambassador's row")),
    responses((status = 200, body = Envelope<AmbassadorBody>), (status = 400, body = ErrorEnvelope),
              (status = 404, body = ErrorEnvelope), (status = 422, body = ErrorEnvelope)))]
async fn patch(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    PathId(id): PathId,
    JsonBody(body): JsonBody<AmbassadorPatchBody>,
) -> Result<Response, ApiError> {
    let change_of = (id.to_string(), body, None);
    let body = change(&state, &correlation_id, caller, change_of).await?;
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Brand ambassador changed",
        body,
    ))
}

/// What [`patch`] does, for the console as well, which gives a reason besides. The change and its entry in the audit log are one
/// commit.
///
/// # Errors
/// As the route answers them.
pub(crate) async fn change(
    state: &AppState,
    correlation_id: &CorrelationId,
    caller: Caller,
    (id, body, reason): (String, AmbassadorPatchBody, Option<String>),
) -> Result<AmbassadorBody, ApiError> {
    let (correlation, answering) = (correlation_id.to_string(), state.clone());
    let body = state
        .db
        .write("change brand ambassador", move |conn| {
            Box::pin(async move {
                let row = ambassadors::get_by_id_for_update(conn, &id)
                    .await?
                    .ok_or_else(|| ApiError::not_found("brand ambassador", &id))?;
                let partner = row.partner_id;
                let (edited, over) = body.edited(&row);
                check(&edited, Some(&over))?;
                let changed = edited.over_row(row);
                if changed.partner_id != partner {
                    refuse_unknown_partner(conn, changed.partner_id).await?;
                }
                ambassadors::update(conn, &changed, &caller.author, Ts::now()).await?;
                change_log::correlate(conn, TABLE, &id, &correlation).await?;
                let entry = audit::Entry {
                    actor: &caller.name,
                    action: "user.edit",
                    subject: &changed.user_id,
                    reason: reason.as_deref(),
                    correlation_id: Some(&correlation),
                };
                audit::record(conn, Ts::now(), &entry).await?;
                after_write(conn, &id, &answering).await
            })
        })
        .await?;
    state.relay.notify_one();
    Ok(body)
}

async fn after_write(
    conn: &mut Conn,
    id: &str,
    state: &AppState,
) -> Result<AmbassadorBody, ApiError> {
    let view = ambassadors::view_by_id(conn, id)
        .await?
        .ok_or_else(|| ApiError::not_found("brand ambassador", id))?;
    AmbassadorBody::of(view, state, conn).await
}

async fn refuse_unknown_partner(conn: &mut Conn, partner: i32) -> Result<(), ApiError> {
    if products::has_partner(conn, partner).await? {
        return Ok(());
    }
    let details = [(
        "partnerId".to_owned(),
        "there is no such partner".to_owned(),
    )];
    Err(ApiError::validation(details.into()))
}
