//! `/api/internal/vtiger/sync-status`: how one thing stands: its link, what waits, what was done last, what is in the way.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use pugmark_queue::{Filter, OperationRecord, Status};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::operations::OperationBody;
use crate::crm;
use crate::http::AppState;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope, ErrorEnvelope};
use crate::store::links::{self, LinkView, SyncStatus};

/// Operations looked at, the newest.
const LAST: u32 = 20;

/// The routes of this resource.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(show))
}

/// How one thing stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncStatusBody {
    /// `CUSTOMER`, `USER`, `TASK`, `NOTE`, `PAYMENT_SUMMARY`.
    entity_type: String,
    /// Its id.
    entity_id: String,
    /// `PENDING`, `SYNCING`, `SYNCED` or `FAILED`; `null` when nothing was ever to be done about it.
    vtiger_sync_status: Option<SyncStatus>,
    /// Module of its record in vTiger.
    vtiger_module: Option<String>,
    /// Id of that record.
    vtiger_id: Option<String>,
    /// Address of that record in vTiger's own pages.
    vtiger_url: Option<String>,
    /// When both sides last agreed.
    vtiger_last_synced_at: Option<String>,
    /// Why it is not in step.
    vtiger_sync_error: Option<String>,
    /// The code of that reason, explained in docs/errors.md.
    vtiger_sync_error_code: Option<String>,
    /// What had to be adapted, or is not sent, by field.
    #[schema(value_type = Vec<String>)]
    vtiger_sync_warnings: serde_json::Value,
    /// Operations that wait or are being carried out, the next one first.
    waiting: Vec<OperationBody>,
    /// Operations that failed for good and wait for a person.
    dead: Vec<OperationBody>,
    /// The last operations that are over.
    last: Vec<OperationBody>,
}

/// How one thing stands.
#[utoipa::path(get, path = "/api/internal/vtiger/sync-status/{entityType}/{entityId}", tag = "queue",
    params(("entityType" = String, Path, description = "CUSTOMER, USER, TASK, NOTE, PAYMENT_SUMMARY"),
           ("entityId" = String, Path, description = "Its id")),
    responses((status = 200, body = Envelope<SyncStatusBody>), (status = 404, body = ErrorEnvelope)))]
async fn show(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Path((entity_type, entity_id)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let entity_type = entity_type.to_uppercase();
    let link = links::view(&mut state.db.read().await?, &entity_type, &entity_id).await?;
    let found = state
        .queue
        .list(&Filter {
            entity_type: Some(entity_type.clone()),
            entity_id: Some(entity_id.clone()),
            limit: LAST,
            ..Filter::default()
        })
        .await?;
    if link.is_none() && found.operations.is_empty() {
        return Err(ApiError::not_found(&entity_type.to_lowercase(), &entity_id));
    }
    let status = status_of(link.as_ref(), &found.operations);
    let (dead, rest): (Vec<_>, Vec<_>) = found
        .operations
        .into_iter()
        .partition(OperationRecord::is_dead);
    let (mut waiting, last): (Vec<_>, Vec<_>) = rest
        .into_iter()
        .partition(|operation| operation.is_waiting() || operation.status == Status::Processing);
    waiting.sort_by_key(|operation| operation.lane_seq);
    let bodies = |operations: Vec<OperationRecord>| {
        operations.into_iter().map(OperationBody::from).collect()
    };
    let link = link.unwrap_or_default();
    let body = SyncStatusBody {
        vtiger_sync_status: status,
        vtiger_url: link
            .vtiger_id
            .as_deref()
            .and_then(|id| crm::record_link(state.crm.as_deref()?, link.module.as_str(), id)),
        vtiger_module: Some(link.module).filter(|module| !module.is_empty()),
        vtiger_id: link.vtiger_id,
        vtiger_last_synced_at: link.last_synced_at.map(|at| at.timestamp().to_string()),
        vtiger_sync_error: link.sync_error,
        vtiger_sync_error_code: link.sync_error_code,
        vtiger_sync_warnings: link
            .warnings
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_else(|| serde_json::json!([])),
        waiting: bodies(waiting),
        dead: bodies(dead),
        last: bodies(last),
        entity_type,
        entity_id,
    };
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Sync status",
        body,
    ))
}

/// What is being done counts more than what was noted at the link before.
fn status_of(link: Option<&LinkView>, operations: &[OperationRecord]) -> Option<SyncStatus> {
    let any = |wanted: &dyn Fn(&OperationRecord) -> bool| operations.iter().any(wanted);
    if any(&|operation| operation.status == Status::Processing) {
        return Some(SyncStatus::Syncing);
    }
    if any(&OperationRecord::is_waiting) {
        return Some(SyncStatus::Pending);
    }
    if any(&OperationRecord::is_dead) {
        return Some(SyncStatus::Failed);
    }
    link.and_then(|link| SyncStatus::parse(&link.sync_status))
}
