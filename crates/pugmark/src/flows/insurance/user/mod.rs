//! `user.create`, `user.update`, `user.password-reset`: staff accounts in Supabase, MicroBima and the CRM.
//!
//! Each is a saga. What one system has done is committed, under the operation's lease, before the next one is asked, so that
//! a finished step is never repeated: not after a crash, a retry or a lost lease. The password travels sealed in the
//! operation and is opened nowhere else than where it is sent.

mod attempt;
mod crm_user;
mod login;
mod names;
mod request;
mod status;

use std::sync::Arc;

use async_trait::async_trait;
use pugmark_queue::{Claimed, Effects, Handled, Handler, Sealer};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::plan::{USER, kind};
use crate::config::{self, Mode};
use crate::crm::calls::CallLog;
use crate::delivery::{Deliverer, Trouble, report};
use crate::logins::Logins;
use crate::problem::Code;
use crate::store::account_steps::Step;
use crate::store::links::{self, Agreement};
use attempt::Attempt;

pub use names::{FullName, split};
pub use request::{NewStaff, Request, create, reset, sync, update};

/// What the handlers and the API share about staff accounts.
pub struct Staff {
    /// Where logins live; `None` when no address is configured.
    pub logins: Option<Logins>,
    /// Seals passwords; `None` without `PUGMARK_SEAL_KEY`.
    pub sealer: Option<Arc<Sealer>>,
    /// What the operator chose.
    pub settings: config::Users,
    /// Told whenever an attempt at an account has ended in this process, so that a request need not look again and again.
    pub ended: Arc<Notify>,
}

/// Carries out operations on staff accounts.
pub struct UserHandler {
    deliverer: Deliverer,
    staff: Arc<Staff>,
}

impl UserHandler {
    /// A handler that works through this CRM and these logins.
    pub fn new(deliverer: Deliverer, staff: Arc<Staff>) -> Self {
        UserHandler { deliverer, staff }
    }

    async fn carry_out(&self, operation: &Claimed, calls: &Arc<CallLog>) -> Result<Value, Trouble> {
        if self.deliverer.mode == Mode::Shadow {
            return Ok(json!({ "result": "shadow", "would": operation.kind }));
        }
        let mut attempt = Attempt::begin(&self.deliverer, &self.staff, operation, calls).await?;
        match operation.kind.as_str() {
            kind::USER_CREATE => match Request::read(&operation.payload)? {
                Request::New(new) => attempt.create(&new).await,
                Request::Existing => attempt.sync().await,
            },
            kind::USER_PASSWORD_RESET => attempt.reset().await,
            _ => attempt.bring_in_step().await,
        }
    }
}

#[async_trait]
impl Handler for UserHandler {
    async fn run(&self, operation: &Claimed) -> Handled {
        let calls = CallLog::new(self.deliverer.crm.breaker.clone());
        let handled = match self.carry_out(operation, &calls).await {
            Ok(outcome) => done(operation, outcome, &calls),
            Err(trouble) => trouble.into_handled((USER, &operation.entity_id), &calls),
        };
        announced(handled, &self.staff.ended)
    }
}

/// Done; whatever was in the way is no more, which the link shows.
fn done(operation: &Claimed, outcome: Value, calls: &CallLog) -> Handled {
    let user = operation.entity_id.clone();
    let effects = Effects::new(move |conn| {
        let user = user.clone();
        Box::pin(async move { Ok(links::clear_trouble(conn, USER, &user).await?) })
    });
    Handled::Done {
        outcome,
        report: report(calls, "done"),
        effects: Some(effects),
    }
}

/// The same end; once it is committed, whoever waits for it is told.
fn announced(handled: Handled, ended: &Arc<Notify>) -> Handled {
    let telling = |effects: Option<Effects>| {
        let ended = ended.clone();
        Some(Effects::new(move |conn| {
            let (ended, effects) = (ended.clone(), effects.clone());
            Box::pin(async move {
                conn.after_commit(move || ended.notify_waiters());
                match effects {
                    Some(effects) => effects.apply(conn).await,
                    None => Ok(()),
                }
            })
        }))
    };
    match handled {
        Handled::Done {
            outcome,
            report,
            effects,
        } => Handled::Done {
            outcome,
            report,
            effects: telling(effects),
        },
        Handled::Release {
            why,
            report,
            effects,
        } => Handled::Release {
            why,
            report,
            effects: telling(effects),
        },
    }
}

impl Attempt<'_> {
    /// Login, ambassador and, if wanted, a user of the CRM with the same e-mail and password.
    async fn create(&mut self, new: &NewStaff) -> Result<Value, Trouble> {
        self.login(new).await?;
        self.login_password().await?;
        self.ambassador(new).await?;
        if !new.create_vtiger_user {
            return Ok(json!({ "result": "created", "vtigerId": null }));
        }
        let person = crm_user::Person {
            email: new.email.clone(),
            name: FullName {
                first: new.first_name.clone(),
                last: new.last_name.clone(),
            },
            phone: Some(new.phone_number.clone()),
        };
        let route = self.crm_route(&person).await?;
        let warnings = self.crm_user(route, &person).await?;
        self.bring_in_step().await?;
        self.crm_password().await?;
        Ok(json!({ "result": "created", "vtigerId": self.crm_id(), "warnings": warnings }))
    }

    /// A user of the CRM for somebody who has a login and an ambassador, with a new password in both systems.
    async fn sync(&mut self) -> Result<Value, Trouble> {
        let ambassador = self.the_ambassador().await?;
        let email = self.staff_email().await?;
        let person = crm_user::Person {
            email,
            name: split(&ambassador.display_name),
            phone: ambassador.phone_number,
        };
        // Somebody asked for the new password meanwhile, whatever becomes of the CRM's user.
        if self.progress.of(Step::LoginPassword).is_some() {
            self.login_password().await?;
        }
        // Otherwise before anything is touched: it is of no use to somebody whose CRM user cannot be made.
        let route = self.crm_route(&person).await?;
        self.login_password().await?;
        let warnings = self.crm_user(route, &person).await?;
        self.bring_in_step().await?;
        self.crm_password().await?;
        Ok(json!({ "result": "synced", "vtigerId": self.crm_id(), "warnings": warnings }))
    }

    /// The same password in both systems, Supabase first, because it judges it.
    async fn reset(&mut self) -> Result<Value, Trouble> {
        self.login_password().await?;
        if self.crm_id().is_none() {
            return Ok(json!({ "result": "password set", "systems": ["Supabase"] }));
        }
        self.crm_password().await?;
        Ok(
            json!({ "result": "password set", "systems": ["Supabase", "vTiger"], "vtigerId": self.crm_id() }),
        )
    }
}

/// The agreement of a link, for a user.
fn agreement(vtiger_id: &str, snapshot: status::Fields, warnings: &[String]) -> Agreement {
    Agreement {
        vtiger_id: Some(vtiger_id.to_owned()),
        snapshot,
        verified: false,
        withdrawn: false,
        warnings: json!(warnings),
        row_hash: None,
    }
}

/// What a person reads first about an operation that stopped half-way.
fn so_far(finished: impl Fn(Step) -> bool) -> &'static str {
    match (
        finished(Step::LoginPassword),
        finished(Step::CrmUser),
        finished(Step::CrmPassword),
    ) {
        (true, true, false) => {
            "The password is set in Supabase, and the user exists in vTiger, but its password there waits: "
        }
        (true, false, _) => "The password is set in Supabase; what concerns vTiger waits: ",
        _ => "",
    }
}

/// Which setting is missing.
fn not_configured(setting: &str, what: &str) -> Trouble {
    Trouble::blocked(
        format!("setting:{setting}"),
        std::time::Duration::from_secs(60),
        Code::AccountsNotConfigured,
        format!("{setting} is not set: {what}. Set it and start again; this goes on by itself"),
    )
}
