//! Placing an operation on an account: as a new one, or by another password for one that waits.

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::{Filter, NewOperation, OperationId, OperationRecord, QueueError, Status};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::waiting::LOOK;
use crate::crm::USERS;
use crate::flows::insurance::plan::USER;
use crate::flows::insurance::user::Request;
use crate::http::AppState;
use crate::http::auth::Caller;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::ApiError;
use crate::store::account_steps::{self, Step};
use crate::store::{audit, links};

/// Most operations of one account that are looked through for those that are not over.
const RECENT: u32 = 50;

/// An operation with a password that is to be placed.
pub(super) struct Wanted<'a> {
    /// The operation, if it has to be a new one.
    pub(super) operation: NewOperation,
    /// Kinds whose waiting operation does this, too, once it has the new password.
    pub(super) goes_along_with: &'a [&'a str],
    /// Whether the login has to get the password at once.
    pub(super) login_first: bool,
    /// Whether a user of the CRM comes of it.
    pub(super) for_a_crm_user: bool,
}

/// Places an operation: no two of one account ever wait with different passwords.
///
/// # Errors
/// When the store does not answer.
pub(super) async fn place(
    state: &AppState,
    act: &Act,
    password: &SecretString,
    wanted: Wanted<'_>,
) -> Result<OperationId, ApiError> {
    let deadline = Instant::now() + state.staff.settings.wait;
    loop {
        let alike = |record: &OperationRecord| {
            record.secret_expires_at.is_some()
                && wanted.goes_along_with.contains(&record.kind.as_str())
        };
        let open = at_rest(state, &act.subject, alike).await?;
        let Some(waiting) = open
            .iter()
            .find(|record| record.is_waiting() && alike(record))
        else {
            let dead = dead(&open, &wanted.operation.kind);
            return start(state, act, &wanted, dead).await;
        };
        match again(state, waiting, act, Some(password), wanted.login_first).await {
            // It looked again in this very moment.
            Err(QueueError::Running(_) | QueueError::Finished(_)) if Instant::now() < deadline => {}
            placed => return Ok(placed?),
        }
    }
}

/// Operations on an account that are not over, newest first; waits a while for those of which `one` to end their attempt.
///
/// # Errors
/// When the store does not answer.
pub(super) async fn at_rest(
    state: &AppState,
    user: &str,
    one: impl Fn(&OperationRecord) -> bool,
) -> Result<Vec<OperationRecord>, ApiError> {
    let deadline = Instant::now() + state.staff.settings.wait;
    loop {
        let told = state.staff.ended.notified();
        tokio::pin!(told);
        told.as_mut().enable();
        let open = open_operations(state, user).await?;
        let running = open
            .iter()
            .any(|record| record.status == Status::Processing && one(record));
        if !running || Instant::now() >= deadline {
            return Ok(open);
        }
        tokio::select! {
            () = told => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Stores a new operation. A dead one of the same kind is given up: the new one does what it could not.
async fn start(
    state: &AppState,
    act: &Act,
    wanted: &Wanted<'_>,
    dead: Vec<OperationId>,
) -> Result<OperationId, ApiError> {
    let (queue, act) = (state.queue.clone(), act.clone());
    let operation = act.ask(wanted.operation.clone());
    let for_a_crm_user = wanted.for_a_crm_user;
    let enqueued = state
        .db
        .write("start account operation", move |conn| {
            Box::pin(async move {
                let who = act.caller.name.as_ref();
                for id in dead {
                    let why = "taken over by a newer request";
                    match queue.discard_in(conn, id, who, why).await {
                        Ok(()) | Err(QueueError::Finished(_) | QueueError::NotFound(_)) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                if for_a_crm_user {
                    links::set_pending(conn, USER, &act.subject, USERS, false, Ts::now()).await?;
                }
                let enqueued = queue.enqueue(conn, operation).await?;
                act.note(conn).await?;
                Ok::<_, ApiError>(enqueued)
            })
        })
        .await?;
    Ok(enqueued.id())
}

/// Lets an operation run again at once, with another password if one is given: then what set the old one is done again.
/// `login_first`: the login gets it also where the CRM would have had to be ready before.
///
/// # Errors
/// [`QueueError::Running`] while it is being carried out, and what else the queue says.
pub(super) async fn again(
    state: &AppState,
    operation: &OperationRecord,
    act: &Act,
    password: Option<&SecretString>,
    login_first: bool,
) -> Result<OperationId, QueueError> {
    let (queue, id, act) = (state.queue.clone(), operation.id, act.clone());
    let request: Option<Request> = serde_json::from_value(operation.payload.clone()).ok();
    let login_first = login_first && matches!(request, Some(Request::Existing));
    let secret = password
        .map(|password| zeroize::Zeroizing::new(password.expose_secret().as_bytes().to_vec()));
    state
        .db
        .write("retry account operation", move |conn| {
            Box::pin(async move {
                let (who, why) = (act.caller.name.as_ref(), act.reason.as_deref());
                let why = why.unwrap_or(act.action);
                let worker = match secret {
                    Some(secret) => {
                        let worker = queue
                            .retry_with_secret_in(conn, id, who, why, &secret)
                            .await?;
                        account_steps::forget_passwords(conn, worker).await?;
                        if login_first {
                            let step = Step::LoginPassword;
                            account_steps::begin(conn, worker, step, Ts::now()).await?;
                        }
                        worker
                    }
                    None => queue.retry_in(conn, id, who, why).await?,
                };
                act.note(conn).await?;
                Ok::<_, QueueError>(worker)
            })
        })
        .await
}

/// Gives up an operation whose refusal is the answer, and the link that was to come of it.
pub(super) async fn forget(state: &AppState, id: OperationId, user: &str) -> Result<(), ApiError> {
    forget_operation(state, id).await?;
    let user = user.to_owned();
    state
        .db
        .write("forget link", move |conn| {
            Box::pin(async move {
                links::forget_unlinked(conn, USER, &user).await?;
                Ok::<_, DbError>(())
            })
        })
        .await?;
    Ok(())
}

pub(super) async fn forget_operation(state: &AppState, id: OperationId) -> Result<(), ApiError> {
    let why = "refused at once; the answer to the request said why";
    match state.queue.discard(id, "pugmark", why).await {
        Ok(()) | Err(QueueError::Finished(_) | QueueError::NotFound(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Operations on an account that are not over, newest first.
async fn open_operations(state: &AppState, user: &str) -> Result<Vec<OperationRecord>, ApiError> {
    let filter = Filter {
        entity_type: Some(USER.to_owned()),
        entity_id: Some(user.to_owned()),
        limit: RECENT,
        ..Filter::default()
    };
    let found = state.queue.list(&filter).await?;
    Ok(found
        .operations
        .into_iter()
        .filter(|record| record.status != Status::Completed)
        .collect())
}

/// Those of a kind that failed for good.
fn dead(open: &[OperationRecord], kind: &str) -> Vec<OperationId> {
    open.iter()
        .filter(|record| record.failed_for_good() && record.kind == kind)
        .map(|record| record.id)
        .collect()
}

/// What a person does, with what the audit log keeps of it. It is committed with the act itself.
#[derive(Clone)]
pub(super) struct Act {
    pub(super) action: &'static str,
    pub(super) caller: Caller,
    pub(super) subject: String,
    reason: Option<String>,
    pub(super) correlation_id: String,
}

impl Act {
    pub(super) fn new(
        action: &'static str,
        caller: Caller,
        subject: &str,
        reason: Option<String>,
        correlation_id: &CorrelationId,
    ) -> Self {
        Act {
            action,
            caller,
            subject: subject.to_owned(),
            reason,
            correlation_id: correlation_id.to_string(),
        }
    }

    /// The operation, as asked for by this act.
    pub(super) fn ask(&self, operation: NewOperation) -> NewOperation {
        NewOperation {
            correlation_id: self.correlation_id.clone(),
            requested_by: Some(self.caller.name.to_string()),
            ..operation
        }
    }

    pub(super) async fn note(&self, conn: &mut Conn) -> Result<(), DbError> {
        let entry = audit::Entry {
            actor: &self.caller.name,
            action: self.action,
            subject: &self.subject,
            reason: self.reason.as_deref(),
            correlation_id: Some(&self.correlation_id),
        };
        audit::record(conn, Ts::now(), &entry).await
    }
}
