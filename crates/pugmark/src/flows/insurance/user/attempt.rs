//! One attempt at an operation on an account: what it has at hand, and how it commits what is done.

use std::sync::Arc;

use futures::future::BoxFuture;
use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::{Claimed, NotBefore, OperationId, QueueError, Release};
use secrecy::SecretString;
use vtiger::{CallError, Client, Deadline, RecordId};

use super::{Staff, not_configured, so_far};
use crate::crm::USERS;
use crate::crm::accounts::{self, Lack};
use crate::crm::breaker::Position;
use crate::crm::calls::CallLog;
use crate::delivery::{Deliverer, Trouble};
use crate::flows::insurance::plan::USER;
use crate::problem::Code;
use crate::store::account_steps::{self, Progress, Step};
use crate::store::ambassadors::{self, Ambassador};
use crate::store::links::{self, Link};

pub(super) struct Attempt<'a> {
    pub(super) deliverer: &'a Deliverer,
    pub(super) staff: &'a Staff,
    pub(super) operation: &'a Claimed,
    pub(super) progress: Progress,
    pub(super) link: Link,
    calls: &'a Arc<CallLog>,
}

impl<'a> Attempt<'a> {
    pub(super) async fn begin(
        deliverer: &'a Deliverer,
        staff: &'a Staff,
        operation: &'a Claimed,
        calls: &'a Arc<CallLog>,
    ) -> Result<Self, Trouble> {
        let (progress, link) = read_state(deliverer, operation)
            .await
            .map_err(|error| store_trouble(&error))?;
        Ok(Attempt {
            deliverer,
            staff,
            operation,
            progress,
            link,
            calls,
        })
    }

    /// The id of the login.
    pub(super) fn user(&self) -> &str {
        &self.operation.entity_id
    }

    /// The CRM, for a call that starts now.
    pub(super) fn crm(&self) -> Client {
        self.deliverer
            .crm
            .client
            .clone()
            .with_observer(self.calls.clone())
            .until(Deadline::moving(self.operation.moving_deadline()))
            .with_correlation_id(self.correlation_id())
    }

    /// Supabase, for a call that starts now.
    pub(super) fn logins(&self) -> Result<supabase_auth::Client, Trouble> {
        let logins = self.staff.logins.as_ref().ok_or_else(|| {
            not_configured(
                "SUPABASE_URL",
                "logins cannot be made or changed without it",
            )
        })?;
        Ok(logins
            .client
            .clone()
            .with_observer(self.calls.clone())
            .until(self.operation.deadline()))
    }

    pub(super) fn correlation_id(&self) -> &str {
        self.operation
            .correlation_ids
            .first()
            .map_or("", String::as_str)
    }

    /// The operation's password, opened for the call that needs it.
    pub(super) fn password(&self) -> Result<SecretString, Trouble> {
        let sealer = self.staff.sealer.as_ref().ok_or_else(|| {
            not_configured(
                "PUGMARK_SEAL_KEY",
                "the sealed password cannot be opened without it",
            )
        })?;
        let unreadable = |why: String| {
            Trouble::refused(
                Code::PasswordUnreadable,
                format!("The sealed password cannot be opened: {why}. Retry with a new password"),
            )
        };
        let opened = self
            .operation
            .open_secret(sealer)
            .map_err(|error| unreadable(error.to_string()))?;
        let text = std::str::from_utf8(&opened)
            .map_err(|_not_text| unreadable("it is no text".to_owned()))?;
        Ok(SecretString::from(text))
    }

    /// The user of the CRM, once there is one.
    pub(super) fn crm_id(&self) -> Option<RecordId> {
        self.link.vtiger_id.as_deref()?.parse().ok()
    }

    /// Makes no call while the CRM is being left alone.
    pub(super) fn crm_is_open(&self) -> Result<(), Trouble> {
        match self.deliverer.crm.breaker.position() {
            Position::Closed => Ok(()),
            Position::Open { remaining } => {
                let message = format!(
                    "{}vTiger is being left alone for a moment after several failures",
                    self.so_far()
                );
                Err(Trouble {
                    release: Release::Later {
                        not_before: NotBefore::After(remaining),
                        code: Code::CrmUnavailable.to_string(),
                        message: message.clone(),
                    },
                    code: Code::CrmUnavailable,
                    message,
                    failed: false,
                })
            }
        }
    }

    /// What waits for an ability of the CRM.
    pub(super) fn lacking(&self, lack: Lack) -> Trouble {
        Trouble::blocked(
            lack.ability.key().to_owned(),
            self.deliverer.crm.accounts.recheck(),
            lack.code(),
            format!(
                "{}{lack}. {}. That is noticed within minutes, and this goes on by itself",
                self.so_far(),
                lack.fix()
            ),
        )
    }

    fn so_far(&self) -> &'static str {
        so_far(|step| self.progress.finished(step))
    }

    /// What an answer of the CRM that is not "done" means here. A missing right to users concerns accounts alone, so nothing
    /// else is held back for it.
    pub(super) fn crm_trouble(&self, error: &CallError) -> Trouble {
        if !accounts::is_denial(error) {
            return Trouble::of_call(&self.deliverer.crm, USERS, error);
        }
        Trouble::unavailable(
            Code::CrmRights,
            format!(
                "{}{error}. The user that Pugmark works as must be an administrator of vTiger to manage users",
                self.so_far()
            ),
        )
    }

    pub(super) async fn the_ambassador(&self) -> Result<Ambassador, Trouble> {
        let found = self.ambassador_row().await?;
        found.ok_or_else(|| {
            Trouble::refused(
                Code::NotStaff,
                "there is no brand ambassador with this login (any more)".to_owned(),
            )
        })
    }

    pub(super) async fn ambassador_row(&self) -> Result<Option<Ambassador>, Trouble> {
        let read = async {
            let mut conn = self.deliverer.db.read().await?;
            ambassadors::get(&mut conn, self.user()).await
        };
        read.await.map_err(|error: DbError| store_trouble(&error))
    }

    /// Notes that these steps may have their effect from now on.
    pub(super) async fn begin_steps(&mut self, steps: &[Step]) -> Result<(), Trouble> {
        let steps = steps.to_vec();
        self.commit("begin step", move |conn, id, now| {
            Box::pin(async move {
                for step in steps {
                    account_steps::begin(conn, id, step, now).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Notes that these steps certainly had none.
    pub(super) async fn withdraw_steps(&mut self, steps: &[Step]) -> Result<(), Trouble> {
        let steps = steps.to_vec();
        self.commit("withdraw step", move |conn, id, _| {
            Box::pin(async move {
                for step in steps {
                    account_steps::withdraw(conn, id, step).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Notes that these steps are done.
    pub(super) async fn finish_steps(&mut self, steps: &[Step]) -> Result<(), Trouble> {
        let steps = steps.to_vec();
        self.commit("finish step", move |conn, id, now| {
            Box::pin(async move { finish_all(conn, id, &steps, now).await })
        })
        .await
    }

    /// Commits a part of the work, guarded by the lease, and reads again how far it has come.
    pub(super) async fn commit<F>(&mut self, label: &'static str, work: F) -> Result<(), Trouble>
    where
        F: for<'c> FnOnce(&'c mut Conn, OperationId, Ts) -> BoxFuture<'c, Result<(), QueueError>>
            + Send
            + 'static,
    {
        let (queue, lease) = (self.deliverer.queue.clone(), self.operation.lease.clone());
        let (id, user) = (self.operation.id, self.user().to_owned());
        let committed = self
            .deliverer
            .db
            .write(label, move |conn| {
                Box::pin(async move {
                    queue.check_lease(conn, &lease).await?;
                    let now = queue.now(conn).await?;
                    work(conn, id, now).await?;
                    let progress = account_steps::of(conn, id).await?;
                    let link = links::get(conn, USER, &user).await?;
                    Ok::<_, QueueError>((progress, link.unwrap_or_default()))
                })
            })
            .await;
        (self.progress, self.link) = committed.map_err(not_committed)?;
        Ok(())
    }
}

async fn read_state(
    deliverer: &Deliverer,
    operation: &Claimed,
) -> Result<(Progress, Link), DbError> {
    let mut conn = deliverer.db.read().await?;
    let progress = account_steps::of(&mut conn, operation.id).await?;
    let link = links::get(&mut conn, USER, &operation.entity_id).await?;
    Ok((progress, link.unwrap_or_default()))
}

pub(super) async fn finish_all(
    conn: &mut Conn,
    operation: OperationId,
    steps: &[Step],
    now: Ts,
) -> Result<(), QueueError> {
    for step in steps {
        account_steps::finish(conn, operation, *step, now).await?;
    }
    Ok(())
}

/// The next attempt finds out how far this one came.
fn not_committed(error: QueueError) -> Trouble {
    match error {
        QueueError::Db(error) if error.is_unique_violation() => Trouble::refused(
            Code::LinkedElsewhere,
            "the user of vTiger is linked to another ambassador already".to_owned(),
        ),
        QueueError::Db(error) => store_trouble(&error),
        // The attempt that holds the lease now reports.
        error => Trouble {
            release: Release::HandBack,
            code: Code::LeaseTooShort,
            message: error.to_string(),
            failed: false,
        },
    }
}

pub(super) fn store_trouble(error: &DbError) -> Trouble {
    match error {
        DbError::Sql(_) => Trouble::refused(
            Code::RowUnreadable,
            format!("the account's rows cannot be read or written: {error}"),
        ),
        _ => Trouble::later(
            Code::StoreUnavailable,
            format!("the store did not answer: {error}"),
        ),
    }
}
