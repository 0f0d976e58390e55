//! Waiting for what an operation comes to, and saying it.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use pugmark_queue::{OperationId, OperationRecord, Status};
use secrecy::SecretString;
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::{AccountStatus, System, input, steps, vtiger_url};
use crate::flows::insurance::plan::USER;
use crate::flows::insurance::user::Request;
use crate::http::AppState;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope};
use crate::problem::Code;
use crate::store::account_steps::{self, Progress};
use crate::store::links::{self, Link};

/// How often the store is asked. A worker in this process tells at once; one elsewhere cannot.
pub(super) const LOOK: Duration = Duration::from_millis(250);

/// What an action on an account came to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountBody {
    /// Id of the login.
    pub(crate) user_id: String,
    /// The operation that does it; `null` when there was nothing to do.
    pub(crate) operation_id: Option<String>,
    /// What it came to.
    pub(crate) result: ActionResult,
    /// Id of the user in vTiger.
    pub(crate) vtiger_user_id: Option<String>,
    /// Address of the user in vTiger.
    pub(crate) vtiger_user_url: Option<String>,
    /// Whether there is a user in vTiger, and whether anything waits.
    pub(crate) vtiger_sync_status: AccountStatus,
    /// What is done and what is not, in order.
    pub(crate) steps: Vec<StepBody>,
    /// Which system's part is still to be done.
    pub(crate) waiting_for: Option<System>,
    /// Why it waits or failed.
    pub(crate) reason: Option<String>,
    /// The code of that reason, explained in docs/errors.md.
    pub(crate) reason_code: Option<String>,
    /// The password that was made. It stands in this answer and nowhere else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) generated_password: Option<String>,
}

/// What an action came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ActionResult {
    /// All of it is done.
    Done,
    /// It goes on by itself.
    Waiting,
    /// It failed for good; a person is needed.
    Failed,
}

/// One step.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StepBody {
    /// `login`, `login-password`, `ambassador`, `crm-user` or `crm-password`.
    pub(crate) step: &'static str,
    /// When it was done, RFC 3339 in UTC.
    pub(crate) done_at: Option<String>,
}

/// An operation that ended, or that goes on without its caller.
pub(super) struct Outcome {
    record: OperationRecord,
    progress: Progress,
    link: Link,
}

/// Waits until the operation has ended or cannot go on now, at most as long as is configured.
///
/// # Errors
/// When the store does not answer.
pub(super) async fn outcome(state: &AppState, id: OperationId) -> Result<Outcome, ApiError> {
    let deadline = Instant::now() + state.staff.settings.wait;
    let record = loop {
        let told = state.staff.ended.notified();
        tokio::pin!(told);
        // From here on nothing is missed that ends while the store is being asked.
        told.as_mut().enable();
        let found = state
            .queue
            .get(id)
            .await?
            .ok_or_else(|| ApiError::not_found("operation", &id.to_string()))?;
        let record = found.current().clone();
        let over = record.status == Status::Completed || record.failed_for_good();
        // What waits for an administrator waits longer than any request.
        let stuck = record.is_waiting() && record.blocked_by.is_some();
        if over || stuck || Instant::now() >= deadline {
            break record;
        }
        tokio::select! {
            () = told => {}
            () = tokio::time::sleep(LOOK) => {}
            () = tokio::time::sleep_until(deadline) => {}
        }
    };
    of_record(state, record).await
}

async fn of_record(state: &AppState, record: OperationRecord) -> Result<Outcome, ApiError> {
    let mut conn = state.db.read().await?;
    Ok(Outcome {
        progress: account_steps::of(&mut conn, record.id).await?,
        link: links::get(&mut conn, USER, &record.entity_id)
            .await?
            .unwrap_or_default(),
        record,
    })
}

/// How an operation on an account stands at this moment; `None` when there is no such operation on it.
///
/// # Errors
/// When the store does not answer.
pub(crate) async fn standing(
    state: &AppState,
    user: &str,
    id: OperationId,
) -> Result<Option<Answered>, ApiError> {
    let Some(found) = state.queue.get(id).await? else {
        return Ok(None);
    };
    let record = found.current().clone();
    if record.entity_type != USER || record.entity_id != user {
        return Ok(None);
    }
    let outcome = of_record(state, record).await?;
    let answered = outcome
        .answer(state, (StatusCode::OK, "Done"), None)
        .await?;
    Ok(Some(answered))
}

impl Outcome {
    pub(super) fn id(&self) -> OperationId {
        self.record.id
    }

    /// Refused before anything was done: the answer says all there is to say, and nobody has to look at it again.
    pub(super) fn is_mere_refusal(&self) -> bool {
        const BY_INPUT: [Code; 4] = [
            Code::EmailTaken,
            Code::LoginRefused,
            Code::LoginMissing,
            Code::NotStaff,
        ];
        let code = self.record.error_code.as_deref();
        self.record.failed_for_good()
            && self.progress.is_empty()
            && BY_INPUT.iter().any(|known| code == Some(known.as_str()))
    }

    /// The refusal of the request.
    pub(super) fn refusal(&self, password_field: &str) -> ApiError {
        let code = self.record.error_code.as_deref().unwrap_or_default();
        let message = self.record.error_message.clone().unwrap_or_default();
        let refused = |status, word, field: &str| {
            ApiError::new(status, word, message.clone()).field(field, message.clone())
        };
        let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
        if code == Code::EmailTaken.as_str() {
            refused(unprocessable, "DUPLICATE_EMAIL", "email")
        } else if code == Code::LoginRefused.as_str() {
            refused(unprocessable, "WEAK_PASSWORD", password_field)
        } else if code == Code::LoginMissing.as_str() {
            refused(StatusCode::NOT_FOUND, "NOT_FOUND", "userId")
        } else {
            refused(unprocessable, "NOT_STAFF", "userId")
        }
    }

    /// The answer: 200 (or 201) when it is done, 202 when it goes on by itself or a person is needed.
    pub(super) async fn answer(
        self,
        state: &AppState,
        done: (StatusCode, &str),
        generated: Option<&SecretString>,
    ) -> Result<Answered, ApiError> {
        let Outcome {
            record,
            progress,
            link,
        } = self;
        let result = if record.status == Status::Completed {
            ActionResult::Done
        } else if record.failed_for_good() {
            ActionResult::Failed
        } else {
            ActionResult::Waiting
        };
        let (reason, reason_code) = match result {
            ActionResult::Done => (None, None),
            ActionResult::Failed => (record.error_message.clone(), record.error_code.clone()),
            // What waits for something says so at the link, also in the moment in which it looks again.
            ActionResult::Waiting => match reason_of_link(state, &record.entity_id).await? {
                (None, _) => (record.error_message.clone(), record.error_code.clone()),
                reason => reason,
            },
        };
        let request: Option<Request> = serde_json::from_value(record.payload.clone()).ok();
        let linked = link.vtiger_id.is_some();
        let steps = steps(&record.kind, request.as_ref(), linked);
        let waiting_for = (result != ActionResult::Done)
            .then(|| System::waited_for(&record.kind, request.as_ref(), linked, &progress))
            .flatten();
        let wants_user = linked || request.as_ref().is_some_and(Request::wants_crm_user);
        let body = AccountBody {
            user_id: record.entity_id,
            operation_id: Some(record.id.to_string()),
            vtiger_user_url: vtiger_url(state, link.vtiger_id.as_deref()),
            vtiger_user_id: link.vtiger_id,
            vtiger_sync_status: match result {
                _ if !wants_user => AccountStatus::NotSynced,
                ActionResult::Done => AccountStatus::Synced,
                ActionResult::Waiting => AccountStatus::Pending,
                ActionResult::Failed => AccountStatus::Failed,
            },
            steps: steps
                .iter()
                .map(|step| StepBody {
                    step: step.as_str(),
                    done_at: progress
                        .of(*step)
                        .and_then(|stand| stand.finished_at)
                        .map(|at| at.timestamp().to_string()),
                })
                .collect(),
            waiting_for,
            reason,
            reason_code,
            generated_password: generated.map(input::shown),
            result,
        };
        let (status, message) = match result {
            ActionResult::Done => done,
            ActionResult::Waiting => (StatusCode::ACCEPTED, "Accepted; it goes on by itself"),
            ActionResult::Failed => (
                StatusCode::ACCEPTED,
                "Stopped half-way; see the reason, mend it and retry the operation",
            ),
        };
        Ok(Answered::new(status, message, body))
    }
}

/// What an action on an account came to, before it is put into an envelope or on a page.
pub(crate) struct Answered {
    /// 200 or 201 when it is done, 202 when it is not.
    pub(crate) status: StatusCode,
    /// What was done, for people.
    pub(crate) message: String,
    /// The account.
    pub(crate) body: AccountBody,
}

impl Answered {
    pub(super) fn new(status: StatusCode, message: &str, body: AccountBody) -> Self {
        Answered {
            status,
            message: message.to_owned(),
            body,
        }
    }

    /// As the API answers it.
    pub(super) fn respond(self, correlation_id: &CorrelationId) -> Response {
        Envelope::of(self.status, correlation_id, &self.message, self.body)
    }
}

async fn reason_of_link(
    state: &AppState,
    user: &str,
) -> Result<(Option<String>, Option<String>), ApiError> {
    let mut conn = state.db.read().await?;
    Ok(links::trouble(&mut conn, USER, user).await?)
}
