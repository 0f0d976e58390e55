//! Who may call the internal API.
//!
//! A program shows APP_SECRET_TOKEN or a token of its own, a person the access token of a Supabase login. What a person may do follows from
//! Pugmark's own grants and from Supabase's `app_metadata`, as both are now: a token goes on verifying until it expires, so
//! rights that were withdrawn, bans and disabled accounts are looked up. `user_metadata` counts for nothing, because people
//! write it themselves.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use moka::future::Cache;
use pugmark_queue::db::Db;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use supabase_auth::{CallError, RefusalReason, TokenError};
use uuid::Uuid;

use super::AppState;
use super::envelope::ApiError;
use super::rights::Rights;
use super::tokens;
use crate::logins::Logins;
use crate::store::api_tokens::ApiToken;
use crate::store::{ambassadors, grants};

/// How long what Supabase says of a login is believed without asking again.
const BELIEVED_FOR: Duration = Duration::from_secs(5);
/// Most logins remembered for that time.
const REMEMBERED: u64 = 10_000;

/// Who a request comes from.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Name for the audit log: of the token, or e-mail address and id of the person.
    pub name: Arc<str>,
    /// What MicroBima's `createdBy` and `updatedBy` hold: the id of the person's login, or the name of the token.
    pub author: Arc<str>,
    /// A program with APP_SECRET_TOKEN.
    pub service: bool,
}

/// Tells who may call.
pub struct Access {
    token: Option<SecretString>,
    logins: Option<Logins>,
    live: Cache<Uuid, Arc<Live>>,
}

/// A login as Supabase sees it now.
struct Live {
    email: String,
    rights: Rights,
    /// Banned or deleted.
    barred: Option<&'static str>,
}

impl Access {
    /// Programs with `token`, and people of `logins`.
    pub fn new(token: Option<SecretString>, logins: Option<Logins>) -> Self {
        Access {
            token,
            logins,
            live: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(BELIEVED_FOR)
                .build(),
        }
    }

    /// Whether nobody can call but programs with tokens of their own.
    pub fn is_closed(&self) -> bool {
        self.token.is_none() && self.logins.is_none()
    }

    /// Who it is, if they may make a request of this method.
    async fn admit(
        &self,
        db: &Db,
        method: &Method,
        given: Option<&str>,
    ) -> Result<Caller, ApiError> {
        if let Some(shown) = given
            && let Some(program) = tokens::of_program(db, shown).await?
        {
            return admit_program(&program, method);
        }
        if self.is_closed() {
            return Err(unauthorized(
                "API_CLOSED",
                "The internal API is closed: set APP_SECRET_TOKEN (or SUPABASE_URL) and start again",
            ));
        }
        let given = given.ok_or_else(|| {
            unauthorized(
                "UNAUTHORIZED",
                "Send the token in the header `Authorization: Bearer <token>`",
            )
        })?;
        if self
            .token
            .as_ref()
            .is_some_and(|expected| matches(given, expected))
        {
            let name: Arc<str> = Arc::from("token:APP_SECRET_TOKEN");
            return Ok(Caller {
                author: name.clone(),
                name,
                service: true,
            });
        }
        match &self.logins {
            Some(logins) => self.admit_person(db, logins, method, given).await,
            None => Err(unauthorized("UNAUTHORIZED", "This is not the right token")),
        }
    }

    async fn admit_person(
        &self,
        db: &Db,
        logins: &Logins,
        method: &Method,
        token: &str,
    ) -> Result<Caller, ApiError> {
        let claims = logins.verifier.verify(token).await.map_err(not_accepted)?;
        let live = self.look_up(logins, claims.user_id).await?;
        if let Some(why) = live.barred {
            return Err(unauthorized("UNAUTHORIZED", why));
        }
        let user = claims.user_id.to_string();
        let (granted, disabled) = {
            let mut conn = db.read().await?;
            let granted = grants::of(&mut conn, &user).await?;
            let ambassador = ambassadors::get(&mut conn, &user).await?;
            (granted, ambassador.is_some_and(|row| !row.is_active))
        };
        if disabled {
            return Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "ACCOUNT_DISABLED",
                "Your account is disabled; an administrator can enable it",
            ));
        }
        let rights = Rights::named(granted.iter().map(String::as_str)).and(live.rights.clone());
        rights.allow(method)?;
        Ok(Caller {
            name: Arc::from(format!("{} ({user})", live.email)),
            author: Arc::from(user),
            service: false,
        })
    }

    /// The rights of the person behind a login, as they are now; `None` when the login is gone or barred, or the account disabled.
    ///
    /// # Errors
    /// 503 when Supabase or the store does not answer, or no Supabase is configured (any more).
    pub async fn rights_of(&self, db: &Db, user: &str) -> Result<Option<Rights>, ApiError> {
        let (Some(logins), Ok(id)) = (&self.logins, user.parse()) else {
            return Err(logins_unavailable());
        };
        let live = self.look_up(logins, id).await?;
        if live.barred.is_some() {
            return Ok(None);
        }
        let mut conn = db.read().await?;
        let ambassador = ambassadors::get(&mut conn, user).await?;
        if ambassador.is_some_and(|row| !row.is_active) {
            return Ok(None);
        }
        let granted = grants::of(&mut conn, user).await?;
        let granted = Rights::named(granted.iter().map(String::as_str));
        Ok(Some(granted.and(live.rights.clone())))
    }

    async fn look_up(&self, logins: &Logins, user: Uuid) -> Result<Arc<Live>, ApiError> {
        let read = async {
            match logins.client.get_user(user).await {
                Ok(user) => Ok(Arc::new(Live::of(&user))),
                Err(error) if error.reason() == Some(RefusalReason::NotFound) => {
                    Ok(Arc::new(Live {
                        email: String::new(),
                        rights: Rights::default(),
                        barred: Some("This login does not exist any more"),
                    }))
                }
                Err(error) => Err(error),
            }
        };
        let found = self.live.try_get_with(user, read).await;
        found.map_err(|error: Arc<CallError>| {
            tracing::warn!(%error, "a login could not be looked up");
            logins_unavailable()
        })
    }
}

impl Live {
    fn of(user: &supabase_auth::User) -> Self {
        let barred = if user.deleted_at.is_some() {
            Some("This login does not exist any more")
        } else if user.is_banned_at(Timestamp::now()) {
            Some("This login is banned")
        } else {
            None
        };
        Live {
            email: user.email.clone().unwrap_or_default(),
            rights: Rights::of_app_metadata(&user.app_metadata),
            barred,
        }
    }
}

/// A program with a token of its own may do what its right allows, and nothing that APP_SECRET_TOKEN alone may.
fn admit_program(program: &ApiToken, method: &Method) -> Result<Caller, ApiError> {
    let rights = Rights::named([program.right_name.as_str()]);
    rights.allow(method).map_err(|refused| ApiError {
        message: format!(
            "The token of {} has the right {} and may only look; make one with the right registration_admin for what changes \
             anything",
            program.name, program.right_name
        ),
        ..refused
    })?;
    Ok(Caller {
        name: Arc::from(format!("token:{} ({})", program.name, program.token_id)),
        author: Arc::from(format!("token:{}", program.name)),
        service: false,
    })
}

/// Lets only those pass who may make this request.
pub async fn let_pass(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let admitted = {
        let given = request
            .headers()
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim().to_owned());
        let method = request.method().clone();
        state
            .access
            .admit(&state.db, &method, given.as_deref())
            .await
    };
    match admitted {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(error) => refused(error),
    }
}

fn refused(error: ApiError) -> Response {
    let challenge = error.status == StatusCode::UNAUTHORIZED && error.code != "API_CLOSED";
    let mut response = error.into_response();
    if challenge {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn unauthorized(code: &'static str, message: &str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, code, message)
}

fn not_accepted(error: TokenError) -> ApiError {
    match error {
        TokenError::KeysUnavailable(error) => {
            tracing::warn!(%error, "the keys of the logins could not be fetched");
            logins_unavailable()
        }
        TokenError::Expired => unauthorized(
            "UNAUTHORIZED",
            "The access token has expired; sign in again or refresh it",
        ),
        error => unauthorized(
            "UNAUTHORIZED",
            &format!("This is neither the right token nor the access token of a login: {error}"),
        ),
    }
}

fn logins_unavailable() -> ApiError {
    let mut error = ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "LOGINS_UNAVAILABLE",
        "Supabase does not answer, so it is not known who you are; try again",
    );
    error.retry_after = Some(5);
    error
}

/// Compares digests, so that the time taken says nothing about how much of the token was right.
fn matches(given: &str, expected: &SecretString) -> bool {
    Sha256::digest(given.as_bytes()) == Sha256::digest(expected.expose_secret().as_bytes())
}
