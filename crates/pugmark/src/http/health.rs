//! Health: `/health/live` (the process runs), `/health/ready` and `/health` (it can do its work).
//!
//! The same answers are given beside the API and, where `PUGMARK_HEALTH` names an address, on a port of their own, which is
//! there from before the store is opened until after it is closed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use pugmark_queue::db::{Db, DbError};
use serde_json::json;

use crate::config;
use crate::crm::breaker::{Breaker, Position};
use crate::store::{self, change_log};

/// Who probes waits a few seconds; a store that takes longer is as good as away.
const PATIENCE: Duration = Duration::from_secs(4);

/// How far this process is: starting, at work, stopping. Clones speak of the same process.
#[derive(Clone, Default)]
pub struct Health(Arc<Inner>);

#[derive(Default)]
struct Inner {
    parts: OnceLock<Parts>,
    stopping: AtomicBool,
}

/// What is looked at once everything has been started.
pub struct Parts {
    /// The store.
    pub db: Db,
    /// The CRM's settings, when one is configured.
    pub crm: Option<Arc<config::Crm>>,
    /// Whether the CRM is being left alone for a while; only where a worker runs in this process.
    pub breaker: Option<Arc<Breaker>>,
}

impl Health {
    /// The store is migrated and the roles run. Says nothing new when it is called again.
    pub fn started(&self, parts: Parts) {
        drop(self.0.parts.set(parts));
    }

    /// From now on nothing new is to be sent here.
    pub fn stopping(&self) {
        self.0.stopping.store(true, Ordering::Relaxed);
    }
}

/// The health routes.
pub fn routes<S>(health: Health) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new()
        .route("/health", get(ready))
        .route("/health/ready", get(ready))
        .route("/health/live", get(live))
        .with_state(health)
}

/// Answered as long as anything is. A part of the program that ends by itself ends the process, so there is nothing between; a
/// store or a CRM that is away is no reason to be started anew.
async fn live() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

/// Ready means that requests can be stored. A CRM that is away does not make it less ready: nothing is lost, it waits.
async fn ready(State(health): State<Health>) -> Response {
    let Some(parts) = health.0.parts.get() else {
        return not_ready(json!({ "status": "starting" }));
    };
    let crm = match (&parts.crm, &parts.breaker) {
        (None, _) => "not configured",
        (Some(crm), _) if !crm.enabled => "disabled",
        (Some(_), Some(breaker)) if breaker.position() != Position::Closed => "paused",
        (Some(_), _) => "ok",
    };
    if health.0.stopping.load(Ordering::Relaxed) {
        return not_ready(json!({ "status": "stopping", "crm": crm }));
    }
    match look(&parts.db).await {
        Ok(()) => Json(json!({ "status": "ok", "store": "ok", "crm": crm })).into_response(),
        Err(error) => {
            tracing::warn!(error = %error, "not ready");
            let store = match error {
                DbError::NotMigrated { .. } => "not migrated",
                _ => "does not answer",
            };
            not_ready(json!({ "status": "unavailable", "store": store, "crm": crm }))
        }
    }
}

/// A store that a newer Pugmark has migrated already is fine: migrations leave what older ones need.
async fn look(db: &Db) -> Result<(), DbError> {
    let looking = async {
        match db.check_version(&store::migrations(db.engine())).await {
            Ok(()) | Err(DbError::NewerThanProgram { .. }) => {}
            Err(error) => return Err(error),
        }
        let mut conn = db.read().await?;
        change_log::any_waiting(&mut conn).await.map(drop)
    };
    tokio::time::timeout(PATIENCE, looking)
        .await
        .unwrap_or(Err(DbError::Busy))
}

fn not_ready(body: serde_json::Value) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
}
