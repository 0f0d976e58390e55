//! What is done to accounts: made, synced, enabled and disabled, given another password, tried again.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use pugmark_queue::db::Ts;
use pugmark_queue::{Enqueued, NewOperation, OperationId, Queue};
use secrecy::SecretString;
use uuid::Uuid;

use super::input::{
    NewUserBody, ResetBody, RetryBody, StatusBody, SyncBody, check_password, idempotency_key,
};
use super::placing::{Act, Wanted, again, at_rest, forget, forget_operation, place};
use super::waiting::{AccountBody, ActionResult, Answered, outcome};
use super::{AccountStatus, operation_id, vtiger_url};
use crate::config::Mode;
use crate::crm::USERS;
use crate::flows::insurance::plan::{USER, kind};
use crate::flows::insurance::user::{self as account, Request};
use crate::http::AppState;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope, ErrorEnvelope};
use crate::http::parameters::PathId;
use crate::logins::Logins;
use crate::passwords;
use crate::store::ambassadors::{self, Ambassador};
use crate::store::{change_log, links, products};

/// Makes a login, a brand ambassador and, unless told otherwise, a user of the CRM with the same e-mail and password.
///
/// Waits for the result for a while; then, or when something has to be waited for, the answer is 202 and everything goes on by
/// itself. A request with the same `Idempotency-Key` is the same request.
#[utoipa::path(post, path = "/api/internal/vtiger/users", tag = "users", request_body = NewUserBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 200 visible ASCII characters")),
    responses((status = 201, body = Envelope<AccountBody>), (status = 202, body = Envelope<AccountBody>),
              (status = 400, body = ErrorEnvelope), (status = 422, body = ErrorEnvelope),
              (status = 503, body = ErrorEnvelope)))]
pub(super) async fn create(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<NewUserBody>,
) -> Result<Response, ApiError> {
    let key = headers
        .get("idempotency-key")
        .map(|value| idempotency_key(value.to_str().unwrap_or_default()))
        .transpose();
    let made = make(&state, &correlation_id, caller, key, body).await?;
    Ok(made.respond(&correlation_id))
}

/// What [`create`] does, for the console as well.
///
/// # Errors
/// As the route answers them.
pub(crate) async fn make(
    state: &AppState,
    correlation_id: &CorrelationId,
    caller: Caller,
    key: Result<Option<String>, ApiError>,
    body: NewUserBody,
) -> Result<Answered, ApiError> {
    let (new, given) = body.check(&caller.author)?;
    ready(state)?;
    if new.create_vtiger_user && state.staff.settings.role.is_none() {
        return Err(missing(
            "users.role",
            "the vTiger role of new users, for example H5",
        ));
    }
    let key = key?;
    let password = Password::given_or_made(given)?;
    // Chosen before anything is done, so that what is done is always recognised.
    let user = Uuid::new_v4().to_string();
    let wanted = Request::New(new.clone());
    let operation = NewOperation {
        idempotency_key: key.map(|key| format!("user-create:{}:{key}", caller.author)),
        ..account::create(&user, new.clone(), &password.text)
    };
    let act = Act::new("user.create", caller, &user, None, correlation_id);
    let operation = act.ask(operation);
    let queue = state.queue.clone();
    let enqueued = state
        .db
        .write("create user", move |conn| {
            Box::pin(async move {
                if !products::has_partner(conn, new.partner_id).await? {
                    let what = "there is no such partner".to_owned();
                    return Err(ApiError::validation(
                        [("partnerId".to_owned(), what)].into(),
                    ));
                }
                let enqueued = queue.enqueue(conn, operation).await?;
                if matches!(enqueued, Enqueued::New(_)) {
                    if new.create_vtiger_user {
                        links::set_pending(conn, USER, &act.subject, USERS, false, Ts::now())
                            .await?;
                    }
                    act.note(conn).await?;
                }
                Ok::<_, ApiError>(enqueued)
            })
        })
        .await?;
    let first = matches!(enqueued, Enqueued::New(_));
    if !first {
        same_request(&state.queue, enqueued.id(), &wanted).await?;
    }
    let found = outcome(state, enqueued.id()).await?;
    if found.is_mere_refusal() {
        forget(state, found.id(), &user).await?;
        return Err(found.refusal("password"));
    }
    let generated = password.made().filter(|_| first);
    let done = (StatusCode::CREATED, "Account made");
    found.answer(state, done, generated).await
}

/// The operation of an earlier request with the same key must be for the same account.
async fn same_request(queue: &Queue, id: OperationId, wanted: &Request) -> Result<(), ApiError> {
    let earlier = queue.get(id).await?.map(|found| found.asked.payload);
    let earlier: Option<Request> = earlier.and_then(|payload| serde_json::from_value(payload).ok());
    if earlier.as_ref() == Some(wanted) {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "IDEMPOTENCY_KEY_REUSED",
        "Another account was asked for with this Idempotency-Key before; use a new one",
    ))
}

/// Gives an ambassador without a user in the CRM one, with a new password in Supabase and in the CRM.
#[utoipa::path(post, path = "/api/internal/vtiger/users/{userId}/sync", tag = "users", request_body = Option<SyncBody>,
    params(("userId" = String, Path, description = "Id of the login")),
    responses((status = 200, body = Envelope<AccountBody>), (status = 202, body = Envelope<AccountBody>),
              (status = 404, body = ErrorEnvelope), (status = 409, body = ErrorEnvelope),
              (status = 422, body = ErrorEnvelope), (status = 503, body = ErrorEnvelope)))]
pub(super) async fn sync(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    PathId(id): PathId,
    body: Option<JsonBody<SyncBody>>,
) -> Result<Response, ApiError> {
    let given = body.and_then(|JsonBody(body)| body.password);
    let synced = sync_account(&state, &correlation_id, caller, id, (given, None)).await?;
    Ok(synced.respond(&correlation_id))
}

/// What [`sync`] does, for the console as well, which gives a reason besides.
///
/// # Errors
/// As the route answers them.
pub(crate) async fn sync_account(
    state: &AppState,
    correlation_id: &CorrelationId,
    caller: Caller,
    id: Uuid,
    (given, reason): (Option<SecretString>, Option<String>),
) -> Result<Answered, ApiError> {
    let given = check_password("password", given)?;
    ready(state)?;
    if state.staff.settings.role.is_none() {
        return Err(missing(
            "users.role",
            "the vTiger role of new users, for example H5",
        ));
    }
    let user = id.to_string();
    let ambassador = the_ambassador(state, &user).await?;
    if !ambassador.is_active {
        return Err(conflict(
            "The account is disabled. Enable it first, then sync it",
        ));
    }
    let mut conn = state.db.read().await?;
    let linked = links::get(&mut conn, USER, &user)
        .await?
        .and_then(|link| link.vtiger_id);
    drop(conn);
    if let Some(vtiger_id) = linked {
        return Err(conflict(&format!(
            "The account has the vTiger user {vtiger_id} already; reset-password sets a password in both systems"
        )));
    }
    let password = Password::given_or_made(given)?;
    let act = Act::new("user.sync", caller, &user, reason, correlation_id);
    let wanted = Wanted {
        operation: account::sync(&user, &password.text),
        // One that waits for its turn goes on with the new password.
        goes_along_with: &[kind::USER_CREATE],
        login_first: false,
        for_a_crm_user: true,
    };
    let id = place(state, &act, &password.text, wanted).await?;
    finish(state, id, "Account synced", &password, "password").await
}

/// Sets the same new password in Supabase and, where there is a user, in the CRM.
#[utoipa::path(post, path = "/api/internal/vtiger/users/{userId}/reset-password", tag = "users",
    request_body = Option<ResetBody>, params(("userId" = String, Path, description = "Id of the login")),
    responses((status = 200, body = Envelope<AccountBody>), (status = 202, body = Envelope<AccountBody>),
              (status = 404, body = ErrorEnvelope), (status = 422, body = ErrorEnvelope),
              (status = 503, body = ErrorEnvelope)))]
pub(super) async fn reset_password(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    PathId(id): PathId,
    body: Option<JsonBody<ResetBody>>,
) -> Result<Response, ApiError> {
    let given = body.and_then(|JsonBody(body)| body.new_password);
    let reset = reset_account(&state, &correlation_id, caller, id, (given, None)).await?;
    Ok(reset.respond(&correlation_id))
}

/// What [`reset_password`] does, for the console as well, which gives a reason besides.
///
/// # Errors
/// As the route answers them.
pub(crate) async fn reset_account(
    state: &AppState,
    correlation_id: &CorrelationId,
    caller: Caller,
    id: Uuid,
    (given, reason): (Option<SecretString>, Option<String>),
) -> Result<Answered, ApiError> {
    let given = check_password("newPassword", given)?;
    ready(state)?;
    let user = id.to_string();
    the_ambassador(state, &user).await?;
    let password = Password::given_or_made(given)?;
    let act = Act::new("user.password-reset", caller, &user, reason, correlation_id);
    let wanted = Wanted {
        operation: account::reset(&user, &password.text),
        // What waits would give the CRM a password that is no more: it goes on with the new one.
        goes_along_with: &[kind::USER_CREATE, kind::USER_PASSWORD_RESET],
        login_first: true,
        for_a_crm_user: false,
    };
    let id = place(state, &act, &password.text, wanted).await?;
    let linked = {
        let mut conn = state.db.read().await?;
        links::get(&mut conn, USER, &user).await?
    };
    let message = match linked.and_then(|link| link.vtiger_id) {
        Some(_) => "Password set in Supabase and vTiger",
        None => "Password set in Supabase; the account has no user in vTiger",
    };
    finish(state, id, message, &password, "newPassword").await
}

/// Enables or disables an account, in MicroBima and, where there is a user, in the CRM. The login itself is left alone.
#[utoipa::path(patch, path = "/api/internal/vtiger/users/{userId}/status", tag = "users", request_body = StatusBody,
    params(("userId" = String, Path, description = "Id of the login")),
    responses((status = 200, body = Envelope<AccountBody>), (status = 202, body = Envelope<AccountBody>),
              (status = 404, body = ErrorEnvelope), (status = 422, body = ErrorEnvelope)))]
pub(super) async fn set_status(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    PathId(id): PathId,
    JsonBody(body): JsonBody<StatusBody>,
) -> Result<Response, ApiError> {
    let set = set_active(&state, &correlation_id, caller, id, (body.is_active, None)).await?;
    Ok(set.respond(&correlation_id))
}

/// What [`set_status`] does, for the console as well, which gives a reason besides.
///
/// # Errors
/// As the route answers them.
pub(crate) async fn set_active(
    state: &AppState,
    correlation_id: &CorrelationId,
    caller: Caller,
    id: Uuid,
    (active, reason): (bool, Option<String>),
) -> Result<Answered, ApiError> {
    let user = id.to_string();
    let ambassador = the_ambassador(state, &user).await?;
    let action = if active {
        "user.enable"
    } else {
        "user.disable"
    };
    let act = Act::new(action, caller, &user, reason, correlation_id);
    let operation = act.ask(account::update(&user));
    let queue = state.queue.clone();
    let enqueued = state
        .db
        .write("set user status", move |conn| {
            Box::pin(async move {
                let now = Ts::now();
                let (user, by) = (act.subject.clone(), act.caller.author.clone());
                if ambassadors::set_active(conn, &user, active, &by, now).await? {
                    let table = "brand_ambassadors";
                    change_log::correlate(conn, table, &ambassador.id, &act.correlation_id).await?;
                }
                act.note(conn).await?;
                let link = links::get(conn, USER, &user).await?;
                if link.and_then(|link| link.vtiger_id).is_none() {
                    return Ok::<_, ApiError>(None);
                }
                let enqueued = queue.enqueue(conn, operation).await?;
                if let Enqueued::Coalesced { into } = enqueued {
                    // What it waits for may be of no matter any more.
                    let who = act.caller.name.as_ref();
                    queue.retry_in(conn, into, who, act.action).await?;
                }
                Ok(Some(enqueued))
            })
        })
        .await?;
    state.relay.notify_one();
    let message = if active { "Enabled" } else { "Disabled" };
    match enqueued {
        Some(enqueued) => {
            let found = outcome(state, enqueued.id()).await?;
            found.answer(state, (StatusCode::OK, message), None).await
        }
        None => Ok(Answered::new(
            StatusCode::OK,
            &format!("{message}; the account has no user in vTiger"),
            nothing_in_the_crm(state, user),
        )),
    }
}

fn nothing_in_the_crm(state: &AppState, user_id: String) -> AccountBody {
    AccountBody {
        user_id,
        operation_id: None,
        result: ActionResult::Done,
        vtiger_user_id: None,
        vtiger_user_url: vtiger_url(state, None),
        vtiger_sync_status: AccountStatus::NotSynced,
        steps: Vec::new(),
        waiting_for: None,
        reason: None,
        reason_code: None,
        generated_password: None,
    }
}

/// Tries an operation on an account again, with a new password if its own was erased or another is given.
#[utoipa::path(post, path = "/api/internal/vtiger/users/{userId}/retry", tag = "users",
    request_body = Option<RetryBody>, params(("userId" = String, Path, description = "Id of the login")),
    responses((status = 200, body = Envelope<AccountBody>), (status = 202, body = Envelope<AccountBody>),
              (status = 404, body = ErrorEnvelope), (status = 409, body = ErrorEnvelope),
              (status = 422, body = ErrorEnvelope), (status = 503, body = ErrorEnvelope)))]
pub(super) async fn retry(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    PathId(id): PathId,
    body: Option<JsonBody<RetryBody>>,
) -> Result<Response, ApiError> {
    let body = body.map(|JsonBody(body)| body).unwrap_or_default();
    let retried = try_again(&state, &correlation_id, caller, id, body).await?;
    Ok(retried.respond(&correlation_id))
}

/// What [`retry`] does, for the console as well.
///
/// # Errors
/// As the route answers them.
pub(crate) async fn try_again(
    state: &AppState,
    correlation_id: &CorrelationId,
    caller: Caller,
    id: Uuid,
    body: RetryBody,
) -> Result<Answered, ApiError> {
    let given = check_password("password", body.password)?;
    ready(state)?;
    let user = id.to_string();
    let wanted = body.operation_id.as_deref().map(operation_id).transpose()?;
    let open = at_rest(state, &user, |record| {
        wanted.is_none_or(|wanted| record.id == wanted)
    })
    .await?;
    let operation = open
        .iter()
        .find(|record| wanted.is_none_or(|wanted| record.id == wanted))
        .ok_or_else(|| {
            ApiError::new(
                StatusCode::NOT_FOUND,
                "NOT_FOUND",
                "This account has no such operation that is not over",
            )
        })?;
    let erased = operation.secret_expires_at.is_some()
        && (!operation.sealed || operation.secret_expires_at <= Some(Ts::now()));
    if given.is_some() && operation.secret_expires_at.is_none() {
        let what = "is of no use: this operation sets none".to_owned();
        return Err(ApiError::validation([("password".to_owned(), what)].into()));
    }
    let password = match given {
        None if !erased => None,
        given => Some(Password::given_or_made(given)?),
    };
    let reason = body.reason.filter(|reason| !reason.trim().is_empty());
    let act = Act::new("user.retry", caller, &user, reason, correlation_id);
    let text = password.as_ref().map(|password| &password.text);
    let id = again(state, operation, &act, text, false).await?;
    let found = outcome(state, id).await?;
    let generated = password.as_ref().and_then(Password::made);
    let done = (StatusCode::OK, "Done");
    found.answer(state, done, generated).await
}

/// A password that the caller gave, or one that was made and has to be told.
struct Password {
    text: SecretString,
    made: bool,
}

impl Password {
    fn given_or_made(given: Option<SecretString>) -> Result<Self, ApiError> {
        match given {
            Some(text) => Ok(Password { text, made: false }),
            None => {
                let text = passwords::generate().map_err(|error| {
                    tracing::error!(%error, "the operating system gives no randomness");
                    ApiError::new(
                        StatusCode::INTERNAL_SERVER_ERROR,
                        "INTERNAL_SERVER_ERROR",
                        "No password could be made; give one",
                    )
                })?;
                Ok(Password { text, made: true })
            }
        }
    }

    fn made(&self) -> Option<&SecretString> {
        self.made.then_some(&self.text)
    }
}

/// Waits for what a password operation comes to, and answers.
async fn finish(
    state: &AppState,
    id: OperationId,
    message: &str,
    password: &Password,
    field: &str,
) -> Result<Answered, ApiError> {
    let found = outcome(state, id).await?;
    if found.is_mere_refusal() {
        let refusal = found.refusal(field);
        forget_operation(state, found.id()).await?;
        return Err(refusal);
    }
    let done = (StatusCode::OK, message);
    found.answer(state, done, password.made()).await
}

async fn the_ambassador(state: &AppState, user: &str) -> Result<Ambassador, ApiError> {
    let mut conn = state.db.read().await?;
    ambassadors::get(&mut conn, user)
        .await?
        .ok_or_else(|| ApiError::not_found("user", user))
}

/// Everything that any account needs.
fn ready(state: &AppState) -> Result<(), ApiError> {
    logins(state)?;
    if state.staff.sealer.is_none() {
        return Err(missing(
            "PUGMARK_SEAL_KEY",
            "the key that seals passwords while they wait (`openssl rand -hex 32` makes one)",
        ));
    }
    if state.crm.is_none() {
        return Err(missing("VTIGER_URL", "the address of vTiger"));
    }
    if state.mode == Mode::Shadow {
        return Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "SHADOW_MODE",
            "PUGMARK_MODE is shadow: nothing is written, accounts included",
        ));
    }
    Ok(())
}

/// Where logins live.
///
/// # Errors
/// 503 naming the setting.
pub(super) fn logins(state: &AppState) -> Result<&Logins, ApiError> {
    state.staff.logins.as_ref().ok_or_else(|| {
        missing(
            "SUPABASE_URL",
            "the address of the Supabase project, with SUPABASE_SERVICE_ROLE_KEY",
        )
    })
}

fn missing(setting: &'static str, what: &str) -> ApiError {
    ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "NOT_CONFIGURED",
        format!("{setting} is not set: {what}. Set it and start again"),
    )
    .field(setting, "is not set")
}

fn conflict(message: &str) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, "CONFLICT", message)
}
