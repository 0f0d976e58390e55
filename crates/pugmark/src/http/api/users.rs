//! `/api/internal/vtiger/users`: staff accounts, in Supabase, MicroBima and the CRM.

mod acting;
mod input;
mod placing;
mod roles;
mod waiting;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use pugmark_queue::OperationId;
use pugmark_queue::db::Conn;
use serde::{Deserialize, Serialize};
use supabase_auth::CallError;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::cursor;
use super::paging::{PageParameters, page};
use crate::crm::{USERS, record_link};
use crate::flows::insurance::plan::kind;
use crate::flows::insurance::user::Request;
use crate::http::AppState;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope, ErrorEnvelope, Page};
use crate::http::parameters::{Parameters, PathId, search};
use crate::store::account_steps::{self, Progress, Step};
use crate::store::ambassadors::{self, AmbassadorFilter, AmbassadorView};

pub(crate) use acting::{make, reset_account, set_active, sync_account, try_again};
pub(crate) use input::{NewUserBody, RetryBody};
pub(crate) use roles::change as change_role;
pub(crate) use waiting::{ActionResult, Answered, standing};

/// The routes of this resource.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, acting::create))
        .routes(routes!(read))
        .routes(routes!(acting::sync))
        .routes(routes!(acting::set_status))
        .routes(routes!(acting::reset_password))
        .routes(routes!(acting::retry))
        .routes(routes!(roles::grant, roles::withdraw))
}

/// How an account stands to the CRM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AccountStatus {
    /// There is a user in vTiger, and nothing waits.
    Synced,
    /// There is none, and none is on the way.
    NotSynced,
    /// Something waits; `vtigerSyncError` says for what, if it is not just its turn.
    Pending,
    /// Something failed for good; a person is needed.
    Failed,
}

/// A member of the staff as the API shows it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserBody {
    /// Id of the login.
    pub(crate) user_id: String,
    /// First and last name.
    pub(crate) display_name: String,
    /// As MicroBima stores it.
    pub(crate) phone_number: Option<String>,
    /// The partner worked for.
    pub(crate) partner_id: i32,
    /// Pay per registration in cents of a Kenyan shilling.
    pub(crate) per_registration_rate_cents: i32,
    /// `false`: disabled.
    pub(crate) is_active: bool,
    /// RFC 3339 in UTC.
    pub(crate) created_at: String,
    /// RFC 3339 in UTC.
    pub(crate) updated_at: String,
    /// Id of the user in vTiger; `null`: there is none.
    pub(crate) vtiger_user_id: Option<String>,
    /// Address of the user in vTiger.
    pub(crate) vtiger_user_url: Option<String>,
    /// Whether there is a user in vTiger, and whether anything waits.
    pub(crate) vtiger_sync_status: AccountStatus,
    /// When both sides last agreed, RFC 3339 in UTC.
    pub(crate) vtiger_last_synced_at: Option<String>,
    /// Why it is not in step.
    pub(crate) vtiger_sync_error: Option<String>,
    /// The code of that reason, explained in docs/errors.md.
    pub(crate) vtiger_sync_error_code: Option<String>,
    /// The operation that waits or failed, if there is one.
    pub(crate) operation: Option<OpenOperation>,
    /// What Supabase says of the login; only where one account is asked for, and only while Supabase answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) login: Option<LoginBody>,
}

/// An operation on an account that is not over.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenOperation {
    /// UUIDv7.
    pub(crate) id: String,
    /// `user.create`, `user.update` or `user.password-reset`.
    pub(crate) kind: String,
    /// It failed for good and waits for a person.
    pub(crate) dead: bool,
    /// Which system's part is still to be done.
    pub(crate) waiting_for: Option<System>,
}

/// A login as Supabase shows it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoginBody {
    /// In lower case.
    pub(crate) email: Option<String>,
    /// MicroBima's roles. People can write them themselves: for show, never for access.
    pub(crate) roles: Vec<String>,
    /// RFC 3339 in UTC.
    pub(crate) last_sign_in_at: Option<String>,
}

/// One of the systems an account lives in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub enum System {
    /// The login and its password.
    Supabase,
    /// The brand ambassador.
    MicroBima,
    /// The user of the CRM and its password.
    #[serde(rename = "vTiger")]
    VTiger,
}

impl System {
    /// The system whose part an operation has not done yet.
    fn waited_for(
        kind: &str,
        request: Option<&Request>,
        linked: bool,
        progress: &Progress,
    ) -> Option<System> {
        steps(kind, request, linked)
            .iter()
            .find(|step| !progress.finished(**step))
            .map(|step| match step {
                Step::Login | Step::LoginPassword => System::Supabase,
                Step::Ambassador => System::MicroBima,
                Step::CrmUser | Step::CrmStatus | Step::CrmPassword => System::VTiger,
            })
            .or((kind == kind::USER_UPDATE).then_some(System::VTiger))
    }
}

/// The steps of an operation, in their order.
fn steps(kind: &str, request: Option<&Request>, linked: bool) -> &'static [Step] {
    const NEW: [Step; 5] = [
        Step::Login,
        Step::LoginPassword,
        Step::Ambassador,
        Step::CrmUser,
        Step::CrmPassword,
    ];
    const RESET: [Step; 2] = [Step::LoginPassword, Step::CrmPassword];
    const EXISTING: [Step; 3] = [Step::LoginPassword, Step::CrmUser, Step::CrmPassword];
    match (kind, request) {
        (kind::USER_CREATE, Some(Request::New(new))) if new.create_vtiger_user => &NEW,
        (kind::USER_CREATE, Some(Request::New(_))) => &NEW[..3],
        (kind::USER_CREATE, _) => &EXISTING,
        (kind::USER_PASSWORD_RESET, _) if linked => &RESET,
        (kind::USER_PASSWORD_RESET, _) => &RESET[..1],
        _ => &[],
    }
}

impl UserBody {
    pub(crate) async fn of(
        view: AmbassadorView,
        state: &AppState,
        conn: &mut Conn,
    ) -> Result<Self, ApiError> {
        let linked = view.vtiger_id.is_some();
        let request: Option<Request> = view
            .operation_payload
            .as_deref()
            .and_then(|payload| serde_json::from_str(payload).ok());
        let open = open_operation(&view, request.as_ref(), linked, conn).await?;
        let status = status_of(&view, request.as_ref(), linked);
        let (reason, code) = match &open {
            None => (None, None),
            Some(operation) if operation.dead => (view.operation_error, view.operation_error_code),
            // What waits for something says so at the link, also in the moment in which it looks again.
            Some(_) if view.sync_error.is_some() => (view.sync_error, view.sync_error_code),
            Some(_) => (view.operation_error, view.operation_error_code),
        };
        let row = view.ambassador;
        Ok(UserBody {
            user_id: row.user_id,
            display_name: row.display_name,
            phone_number: row.phone_number,
            partner_id: row.partner_id,
            per_registration_rate_cents: row.rate_cents,
            is_active: row.is_active,
            created_at: row.created_at.timestamp().to_string(),
            updated_at: row.updated_at.timestamp().to_string(),
            vtiger_user_url: vtiger_url(state, view.vtiger_id.as_deref()),
            vtiger_user_id: view.vtiger_id,
            vtiger_sync_status: status,
            vtiger_last_synced_at: view.last_synced_at.map(|at| at.timestamp().to_string()),
            vtiger_sync_error: reason,
            vtiger_sync_error_code: code,
            operation: open,
            login: None,
        })
    }
}

/// Address of a user in vTiger's own pages.
fn vtiger_url(state: &AppState, vtiger_id: Option<&str>) -> Option<String> {
    record_link(state.crm.as_deref()?, USERS, vtiger_id?)
}

async fn open_operation(
    view: &AmbassadorView,
    request: Option<&Request>,
    linked: bool,
    conn: &mut Conn,
) -> Result<Option<OpenOperation>, ApiError> {
    let (Some(id), Some(kind)) = (view.operation_id, &view.operation_kind) else {
        return Ok(None);
    };
    let progress = account_steps::of(conn, id).await?;
    Ok(Some(OpenOperation {
        id: id.to_string(),
        waiting_for: System::waited_for(kind, request, linked, &progress),
        kind: kind.clone(),
        dead: view.operation_dead.unwrap_or_default(),
    }))
}

fn status_of(view: &AmbassadorView, request: Option<&Request>, linked: bool) -> AccountStatus {
    let on_the_way = view.operation_kind.as_deref() == Some(kind::USER_CREATE)
        && request.is_none_or(Request::wants_crm_user);
    match (view.operation_id, view.operation_dead) {
        (None, _) if linked => AccountStatus::Synced,
        (None, _) => AccountStatus::NotSynced,
        // Nothing about the CRM.
        (Some(_), _) if !linked && !on_the_way => AccountStatus::NotSynced,
        (Some(_), Some(true)) => AccountStatus::Failed,
        (Some(_), _) => AccountStatus::Pending,
    }
}

/// What a list of accounts takes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListParameters {
    /// Part of a name or phone.
    search: Option<String>,
    /// Only accounts with a user in vTiger (`true`), or only those without (`false`).
    synced: Option<bool>,
    /// Entries of a page, 1 to 200; 50 when left out.
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Lists the staff, newest first.
#[utoipa::path(get, path = "/api/internal/vtiger/users", tag = "users", params(ListParameters),
    responses((status = 200, body = Envelope<Page<UserBody>>), (status = 422, body = ErrorEnvelope)))]
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
        items.push(UserBody::of(view, &state, &mut conn).await?);
    }
    let page = Page { items, pagination };
    Ok(Envelope::of(StatusCode::OK, &correlation_id, "Users", page))
}

/// One member of the staff, with what Supabase says of the login.
#[utoipa::path(get, path = "/api/internal/vtiger/users/{userId}", tag = "users",
    params(("userId" = String, Path, description = "Id of the login")),
    responses((status = 200, body = Envelope<UserBody>), (status = 404, body = ErrorEnvelope)))]
async fn read(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    PathId(id): PathId,
) -> Result<Response, ApiError> {
    let user = id.to_string();
    let view = {
        let mut conn = state.db.read().await?;
        let view = ambassadors::view(&mut conn, &user)
            .await?
            .ok_or_else(|| ApiError::not_found("user", &user))?;
        UserBody::of(view, &state, &mut conn).await?
    };
    let body = UserBody {
        login: login_of(&state, id).await,
        ..view
    };
    Ok(Envelope::of(StatusCode::OK, &correlation_id, "User", body))
}

/// What Supabase says, if it says anything: the rest is worth showing without it.
pub(crate) async fn login_of(state: &AppState, id: Uuid) -> Option<LoginBody> {
    let login = state.staff.logins.as_ref()?.client.get_user(id).await;
    match login {
        Ok(login) => Some(LoginBody {
            roles: login.roles().into_iter().map(str::to_owned).collect(),
            last_sign_in_at: login.last_sign_in_at.map(|at| at.to_string()),
            email: login.email,
        }),
        Err(error) => {
            tracing::warn!(%error, "a login could not be read");
            None
        }
    }
}

/// An answer of Supabase that is not "done", for whoever asked.
pub(super) fn logins_error(error: &CallError) -> ApiError {
    match error {
        CallError::Refused(_) | CallError::Invalid(_) => ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "LOGIN_REFUSED",
            error.to_string(),
        ),
        CallError::Credentials(_) => ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "NOT_CONFIGURED",
            "Supabase does not accept the key: check SUPABASE_SERVICE_ROLE_KEY",
        ),
        error => {
            tracing::warn!(%error, "Supabase did not do what it was asked");
            let mut answer = ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "LOGINS_UNAVAILABLE",
                "Supabase does not answer as it should; look whether it was done, and try again",
            );
            answer.retry_after = Some(5);
            answer
        }
    }
}

/// The id of an operation in a request.
fn operation_id(text: &str) -> Result<OperationId, ApiError> {
    text.parse().map_err(|_no_uuid| {
        let what = "must be the id of an operation (a UUID)".to_owned();
        ApiError::validation([("operationId".to_owned(), what)].into())
    })
}
