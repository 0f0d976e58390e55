//! Taking a form in and waiting for what it comes to: the same for the page and for portals.

use std::time::Duration;

use axum::http::StatusCode;
use pugmark_queue::Status;
use tokio::time::Instant;
use uuid::Uuid;
use vtiger::RecordId;

use crate::flows::onboarding::form::modules::Modules;
use crate::flows::onboarding::form::submission::{self, NotTaken, Sent, Taken};
use crate::http::AppState;
use crate::http::envelope::ApiError;
use crate::store::onboarding_forms::{self, State, Submission};

/// How often the store is asked. A worker in this process tells at once; one elsewhere cannot.
const LOOK: Duration = Duration::from_millis(250);
/// How long a description of the modules is waited for. Without it everything is judged that can be, and the rest is found out
/// when the form is written.
const DESCRIBED_WITHIN: Duration = Duration::from_secs(3);

/// What vTiger says of the modules, if it says so soon.
pub async fn modules(state: &AppState) -> Option<Modules> {
    let forms = &state.forms.forms;
    let crm = state.vtiger.as_ref()?;
    let open = matches!(
        crm.breaker.position(),
        crate::crm::breaker::Position::Open { .. }
    );
    if open || !crm.settings.enabled {
        return forms.modules.known();
    }
    let asked = forms.modules.get(&crm.client, crm.settings.describe_for);
    let patience = DESCRIBED_WITHIN.min(forms.settings.wait);
    match tokio::time::timeout(patience, asked).await {
        Ok(Ok(modules)) => Some(modules),
        Ok(Err(_)) | Err(_) => forms.modules.known(),
    }
}

/// Whether this can be the id of a client.
///
/// # Errors
/// What is wrong with it.
pub fn client_id(text: &str, modules: Option<&Modules>) -> Result<RecordId, String> {
    let id: RecordId = text.parse().map_err(|_| match modules {
        Some(modules) => format!("must be an id of vTiger, like {}", modules.prefixes()),
        None => "must be an id of vTiger, like 10x42".to_owned(),
    })?;
    match modules {
        Some(modules) if modules.of_id(&id).is_none() => Err(format!(
            "is neither a lead nor a contact; ids of clients look like {}",
            modules.prefixes()
        )),
        _ => Ok(id),
    }
}

/// Takes a form in.
///
/// # Errors
/// 409 when its idempotency key belongs to other answers; 503 when it cannot be stored.
pub async fn take_in(state: &AppState, sent: &Sent<'_>) -> Result<Uuid, ApiError> {
    let (sealer, keys) = state.forms.keys()?;
    match submission::take_in(&state.db, &state.queue, (sealer, keys), sent).await {
        Ok(Taken::New(id) | Taken::Same(id)) => Ok(id),
        Ok(Taken::KeyTaken) => Err(ApiError::new(
            StatusCode::CONFLICT,
            "IDEMPOTENCY_KEY_REUSED",
            "This idempotency key was used for other answers of the same client; use a new one for a new form",
        )),
        Err(NotTaken::Queue(error)) => Err(error.into()),
        Err(NotTaken::Seal(error)) => Err(ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL_SERVER_ERROR",
            format!("The form could not be sealed, so it was not stored: {error}"),
        )),
    }
}

/// How a form stands, with what its operation says.
pub struct Standing {
    /// The form.
    pub form: Submission,
    /// Where it is.
    pub state: State,
    /// The code of why it waits or failed.
    pub code: Option<String>,
    /// The same in words.
    pub message: Option<String>,
    /// It cannot go on before somebody has done something, though it waits.
    pub stuck: bool,
}

impl Standing {
    /// As the form itself says.
    pub fn of(form: Submission) -> Self {
        Standing {
            state: form.standing(),
            code: form.error_code.clone(),
            message: form.error_message.clone(),
            stuck: false,
            form,
        }
    }
}

/// How a form stands now; `None` when there is none.
///
/// # Errors
/// When the store does not answer.
pub async fn standing(state: &AppState, id: Uuid) -> Result<Option<Standing>, ApiError> {
    let mut conn = state.db.read().await?;
    let Some(form) = onboarding_forms::get(&mut conn, id).await? else {
        return Ok(None);
    };
    let mut standing = Standing::of(form);
    let (State::Waiting, Some(operation)) = (standing.state, standing.form.operation_id) else {
        return Ok(Some(standing));
    };
    let Some(found) = state.queue.get_in(&mut conn, operation).await? else {
        return Ok(Some(standing));
    };
    let operation = found.current();
    standing.stuck = operation.is_waiting() && operation.blocked_by.is_some();
    if !operation.failed_for_good() && operation.status != Status::Completed {
        return Ok(Some(standing));
    }
    // It may have ended since the form was read; what it came to was committed with its end.
    let Some(now) = onboarding_forms::get(&mut conn, id).await? else {
        return Ok(None);
    };
    let mut standing = Standing::of(now);
    // A form that still waits was given up by the queue, or by a person.
    if standing.state == State::Waiting && standing.form.operation_id == Some(operation.id) {
        standing.state = State::Failed;
        standing.code = operation.error_code.clone().or(standing.code);
        standing.message = operation.error_message.clone().or(standing.message);
    }
    Ok(Some(standing))
}

/// Waits until the form is written or refused, or cannot go on now, at most for `patience`.
///
/// # Errors
/// When the store does not answer.
pub async fn outcome(
    state: &AppState,
    id: Uuid,
    patience: Duration,
) -> Result<Option<Standing>, ApiError> {
    let deadline = Instant::now() + patience;
    loop {
        let told = state.forms.forms.ended.notified();
        tokio::pin!(told);
        // From here on nothing is missed that ends while the store is being asked.
        told.as_mut().enable();
        let found = standing(state, id).await?;
        let over = found
            .as_ref()
            .is_none_or(|standing| standing.state != State::Waiting || standing.stuck);
        if over || Instant::now() >= deadline {
            return Ok(found);
        }
        tokio::select! {
            () = told => {}
            () = tokio::time::sleep(LOOK) => {}
            () = tokio::time::sleep_until(deadline) => {}
        }
    }
}
