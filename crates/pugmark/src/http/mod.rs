//! The HTTP side: REST API, console, health.

pub mod api;
pub mod auth;
pub mod body;
pub mod console;
pub mod correlation;
pub mod envelope;
pub mod health;
pub mod onboarding;
pub mod parameters;
pub mod rights;
pub mod system;
pub mod tokens;
pub mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use pugmark_queue::Queue;
use pugmark_queue::broker::Broker;
use pugmark_queue::db::Db;
use tokio::sync::Notify;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::config::{self, Mode};
use crate::crm::Crm;
use crate::crm::breaker::Breaker;
use crate::flows::insurance::customer::Setting;
use crate::flows::insurance::summary_run::Summaries;
use crate::flows::insurance::user::Staff;
use crate::flows::onboarding::lead::Leads;
use crate::shared::Shared;
use envelope::ApiError;

/// What handlers share.
#[derive(Clone)]
pub struct AppState {
    /// The store.
    pub db: Db,
    /// The queue.
    pub queue: Queue,
    /// Wakes the relay after a write of our own.
    pub relay: Arc<Notify>,
    /// Plans weekly summaries.
    pub summaries: Summaries,
    /// The name by which this process stands for election.
    pub process: Arc<str>,
    /// The CRM's settings, when one is configured.
    pub crm: Option<Arc<config::Crm>>,
    /// The CRM itself, for what is asked of it while somebody waits.
    pub vtiger: Option<Arc<Crm>>,
    /// What the values of a contact need to know besides the store.
    pub contacts: Setting,
    /// Whether the CRM is being left alone for a while; only where a worker runs in this process.
    pub breaker: Option<Arc<Breaker>>,
    /// RabbitMQ, where it is used.
    pub broker: Option<Broker>,
    /// Redis, where it is used.
    pub shared: Option<Shared>,
    /// The onboarding flow's settings.
    pub onboarding: Arc<config::Onboarding>,
    /// Which module of the CRM leads are in.
    pub leads: Arc<Leads>,
    /// Maxio's settings, when one is configured.
    pub maxio: Option<Arc<config::Maxio>>,
    /// Whether Maxio is being left alone for a while; only where a worker runs in this process.
    pub maxio_breaker: Option<Arc<Breaker>>,
    /// Live or shadow.
    pub mode: Mode,
    /// Who may call the internal API, and what for.
    pub access: Arc<auth::Access>,
    /// Staff accounts.
    pub staff: Arc<Staff>,
    /// Takes webhooks.
    pub webhooks: Arc<webhooks::Receiver>,
    /// Takes onboarding forms.
    pub forms: Arc<onboarding::Desk>,
    /// The console's settings and what it hashes passwords with.
    pub console: Arc<console::Console>,
    /// This process itself: its settings, and what was found when it was checked.
    pub system: Arc<system::System>,
    /// How far this process is.
    pub health: health::Health,
    /// What people are told of by themselves, and how.
    pub alerts: Arc<config::Alerts>,
}

/// The document that describes the API, without the routes that it is merged with.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Pugmark",
        description = "Durable two-way sync between vTiger CRM and the systems that run a business.\n\n\
            Every answer carries the header `x-correlation-id`: the caller's own or one made here. Errors have one key \
            `error`; `details` maps each field to what is wrong with it.",
        license(name = "MIT OR Apache-2.0")
    ),
    modifiers(&BearerToken)
)]
struct Document;

struct BearerToken;

impl utoipa::Modify for BearerToken {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{
            HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
        };
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "APP_SECRET_TOKEN, the token of a program, or the Supabase access token of somebody with a right",
            ))
            .build();
        let components = document.components.get_or_insert_with(Default::default);
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
        document.security = Some(vec![SecurityRequirement::new(
            "token",
            Vec::<String>::new(),
        )]);
    }
}

/// Routes of the internal API with their description.
fn internal_api() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(api::backfill::routes())
        .merge(api::customers::routes())
        .merge(api::conflicts::routes())
        .merge(api::console_users::routes())
        .merge(api::field_mappings::routes())
        .merge(api::lead_conversions::routes())
        .merge(api::logs::routes())
        .merge(api::dependants::routes())
        .merge(api::beneficiaries::routes())
        .merge(api::policies::routes())
        .merge(api::payments::routes())
        .merge(api::missing_requirements::routes())
        .merge(api::brand_ambassadors::routes())
        .merge(api::grants::routes())
        .merge(api::onboarding_jobs::routes())
        .merge(api::onboarding_forms::routes())
        .merge(api::onboarding_links::routes())
        .merge(api::operations::routes())
        .merge(api::sync_status::routes())
        .merge(api::payment_summaries::routes())
        .merge(api::reconcile::routes())
        .merge(api::status::routes())
        .merge(api::tokens::routes())
        .merge(api::users::routes())
        .merge(api::webhook_deliveries::routes())
}

/// The description of the API, as `/openapi.json` serves it and `pugmark openapi` prints it.
pub fn openapi() -> utoipa::openapi::OpenApi {
    internal_api().merge(webhooks::routes()).split_for_parts().1
}

/// Everything this server answers.
pub fn router(state: AppState, settings: &config::Server) -> Router {
    let (api, _) = internal_api().split_for_parts();
    let (received, _) = webhooks::routes().split_for_parts();
    let api = api.route_layer(axum::middleware::from_fn_with_state(
        state.clone(),
        auth::let_pass,
    ));
    let document = Arc::new(openapi());
    let routes = Router::new()
        .merge(api)
        .merge(received)
        .merge(console::routes())
        .merge(onboarding::routes())
        .merge(health::routes(state.health.clone()))
        .route(
            "/openapi.json",
            get(move || async move { axum::Json(document.as_ref().clone()) }),
        )
        .fallback(nothing_here)
        .with_state(state);
    layered(routes, settings)
}

/// What every answer goes through, whatever route gives it: limits, the envelope of errors and panics, the correlation
/// id, the security headers.
pub fn layered(routes: Router, settings: &config::Server) -> Router {
    routes
        .layer(DefaultBodyLimit::max(settings.max_body))
        .layer(axum::middleware::from_fn_with_state(settings.max_body, body::refuse_too_large))
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_secs(60)))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(axum::middleware::from_fn(correlation::layer))
        .layer(SetResponseHeaderLayer::if_not_present(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")))
        .layer(SetResponseHeaderLayer::if_not_present(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")))
        .layer(SetResponseHeaderLayer::if_not_present(header::REFERRER_POLICY, HeaderValue::from_static("same-origin")))
        .layer(SetResponseHeaderLayer::if_not_present(
            HeaderName::from_static("content-security-policy"),
            HeaderValue::from_static("default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"),
        ))
        .layer(SetResponseHeaderLayer::if_not_present(header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
}

async fn nothing_here(method: Method, uri: Uri) -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "NOT_FOUND",
        format!(
            "There is nothing at {method} {}",
            correlation::shown(uri.path())
        ),
    )
}

fn panicked(_cause: Box<dyn std::any::Any + Send + 'static>) -> Response {
    ApiError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "INTERNAL_SERVER_ERROR",
        "The request failed; the log has its correlation id",
    )
    .into_response()
}
