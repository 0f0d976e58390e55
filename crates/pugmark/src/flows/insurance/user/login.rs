//! The half of an account that lives in Supabase and MicroBima: the login, its password, the ambassador.

use pugmark_queue::db::{DbError, Ts};
use pugmark_queue::{QueueError, Release};
use serde_json::json;
use supabase_auth::{CallError, Changes, Class, Metadata, NewUser, RefusalReason, User};
use uuid::Uuid;

use super::attempt::{Attempt, store_trouble};
use super::request::NewStaff;
use crate::delivery::Trouble;
use crate::problem::Code;
use crate::store::account_steps::{self, Step};
use crate::store::ambassadors::{self, Ambassador};
use crate::store::change_log;

/// Members of the insurance have logins, too, with addresses of this domain.
pub(crate) const MEMBERS: &str = "@maishapoa.customer";

impl Attempt<'_> {
    /// The login. Its id was chosen before anything was done, so one that was made already is recognised.
    pub(super) async fn login(&mut self, new: &NewStaff) -> Result<(), Trouble> {
        if self.progress.finished(Step::Login) {
            return Ok(());
        }
        let in_doubt = self.progress.of(Step::Login).is_some();
        if in_doubt && self.find_login().await?.is_some() {
            return self.login_is_there().await;
        }
        // An earlier create that may still arrive carried another password, if that was replaced since.
        let same_password = !in_doubt || self.progress.of(Step::LoginPassword).is_some();
        let steps: &[Step] = if same_password {
            &[Step::Login, Step::LoginPassword]
        } else {
            &[Step::Login]
        };
        let user = self.new_login(new)?;
        self.begin_steps(steps).await?;
        match self.logins()?.create_user(&user).await {
            Ok(_) => self.login_is_there().await,
            Err(error) if error.reason() == Some(RefusalReason::EmailExists) => {
                self.address_is_taken(new).await
            }
            Err(error) => {
                // After these nothing was made; after anything else it may have been.
                if !matches!(error.class(), Class::Unknown) {
                    self.withdraw_steps(steps).await?;
                }
                Err(trouble(&error))
            }
        }
    }

    fn new_login(&self, new: &NewStaff) -> Result<NewUser, Trouble> {
        let metadata = [
            ("roles", json!(new.roles)),
            ("phone", json!(new.phone_number)),
            ("displayName", json!(new.display_name())),
        ];
        Ok(NewUser {
            id: Some(self.login_id()?),
            password: Some(self.password()?),
            email_confirm: true,
            user_metadata: metadata
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect::<Metadata>(),
            ..NewUser::new(new.email.as_str())
        })
    }

    /// It is ours when it has the id we chose: then an earlier create arrived whose answer was lost. With which password is
    /// not known, so that is set once more.
    async fn address_is_taken(&mut self, new: &NewStaff) -> Result<(), Trouble> {
        if self.find_login().await?.is_some() {
            self.withdraw_steps(&[Step::LoginPassword]).await?;
            return self.login_is_there().await;
        }
        self.withdraw_steps(&[Step::Login, Step::LoginPassword])
            .await?;
        Err(Trouble::refused(
            Code::EmailTaken,
            format!(
                "{} has a login already. Use another address, or sync the account that has it",
                new.email
            ),
        ))
    }

    async fn login_is_there(&mut self) -> Result<(), Trouble> {
        // Begun together with it: the create carried the operation's password.
        let with_password = self.progress.of(Step::LoginPassword).is_some();
        let steps: &[Step] = if with_password {
            &[Step::Login, Step::LoginPassword]
        } else {
            &[Step::Login]
        };
        self.finish_steps(steps).await
    }

    /// The operation's password, unless the login has it. A change ends the person's sessions, so none is made twice.
    pub(super) async fn login_password(&mut self) -> Result<(), Trouble> {
        if self.progress.finished(Step::LoginPassword) {
            return Ok(());
        }
        let changes = Changes::password(self.password()?);
        let (client, id) = (self.logins()?, self.login_id()?);
        client
            .update_user(id, &changes)
            .await
            .map_err(|error| trouble(&error))?;
        self.finish_steps(&[Step::LoginPassword]).await
    }

    /// The ambassador, committed together with the note that it is there.
    pub(super) async fn ambassador(&mut self, new: &NewStaff) -> Result<(), Trouble> {
        if self.progress.finished(Step::Ambassador) {
            return Ok(());
        }
        let now = Ts::now();
        let row = Ambassador {
            id: Uuid::new_v4().to_string(),
            user_id: self.user().to_owned(),
            partner_id: new.partner_id,
            display_name: new.display_name(),
            phone_number: Some(new.phone_number.clone()),
            rate_cents: new.per_registration_rate_cents,
            is_active: true,
            created_at: now,
            updated_at: now,
        };
        let by = new.created_by.clone();
        let correlation = self.correlation_id().to_owned();
        let stored = self
            .commit("store ambassador", move |conn, operation, now| {
                Box::pin(async move {
                    ambassadors::insert(conn, &row, Some(&by)).await?;
                    change_log::correlate(conn, "brand_ambassadors", &row.id, &correlation).await?;
                    account_steps::finish(conn, operation, Step::Ambassador, now).await?;
                    Ok::<_, QueueError>(())
                })
            })
            .await;
        stored.map_err(|trouble| match trouble.code {
            Code::RowUnreadable => Trouble::refused(
                Code::AmbassadorRefused,
                format!(
                    "The login exists, but MicroBima's database refuses the ambassador: {}. Mend it and retry",
                    trouble.message
                ),
            ),
            _ => trouble,
        })
    }

    /// The address of a login that is there, in lower case. Members of the insurance are no staff.
    pub(super) async fn staff_email(&self) -> Result<String, Trouble> {
        let login = self.find_login().await?.ok_or_else(|| {
            Trouble::refused(
                Code::LoginMissing,
                "Supabase has no login with this id. Make the account anew".to_owned(),
            )
        })?;
        let email = login.email.unwrap_or_default().to_lowercase();
        if email.is_empty() || email.ends_with(MEMBERS) {
            return Err(Trouble::refused(
                Code::NotStaff,
                "the login has no e-mail address of its own, so it belongs to a member or signs in by phone".to_owned(),
            ));
        }
        Ok(email)
    }

    /// Whether the login has this operation's password still. An operation that stopped half-way and is tried again after
    /// another one has set a password must not give the CRM the one that is gone.
    pub(super) async fn password_is_current(&self) -> Result<(), Trouble> {
        let Some(set_at) = self
            .progress
            .of(Step::LoginPassword)
            .and_then(|stand| stand.finished_at)
        else {
            return Ok(());
        };
        let asked = async {
            let mut conn = self.deliverer.db.read().await?;
            account_steps::password_set_by_others(&mut conn, self.user(), self.operation.id).await
        };
        let others: Option<Ts> = asked
            .await
            .map_err(|error: DbError| store_trouble(&error))?;
        if others.is_none_or(|at| at <= set_at) {
            return Ok(());
        }
        Err(Trouble::refused(
            Code::PasswordOutdated,
            "Another password was set in Supabase since this operation began; retry it with a new one, so that both systems \
             have the same"
                .to_owned(),
        ))
    }

    async fn find_login(&self) -> Result<Option<User>, Trouble> {
        match self.logins()?.get_user(self.login_id()?).await {
            Ok(user) => Ok(Some(user)),
            Err(error) if error.reason() == Some(RefusalReason::NotFound) => Ok(None),
            Err(error) => Err(trouble(&error)),
        }
    }

    fn login_id(&self) -> Result<Uuid, Trouble> {
        self.user().parse().map_err(|_no_uuid| {
            Trouble::refused(
                Code::RowUnreadable,
                "the id of the login is no UUID".to_owned(),
            )
        })
    }
}

/// What an answer of Supabase that is not "done" means. Its texts hold no password.
fn trouble(error: &CallError) -> Trouble {
    let message = error.to_string();
    match error {
        CallError::Refused(refusal) => match refusal.reason {
            RefusalReason::NotFound => Trouble::refused(
                Code::LoginMissing,
                "Supabase has no login with this id (any more)".to_owned(),
            ),
            RefusalReason::EmailExists => Trouble::refused(Code::EmailTaken, message),
            _ => Trouble::refused(Code::LoginRefused, message),
        },
        CallError::Invalid(_) => Trouble::refused(Code::LoginRefused, message),
        CallError::Credentials(_) => Trouble::unavailable(
            Code::LoginsCredentials,
            format!("{message}. Check SUPABASE_SERVICE_ROLE_KEY"),
        ),
        CallError::Throttled { retry_after, .. } => Trouble {
            release: Release::Throttled {
                retry_after: *retry_after,
                code: Code::LoginsUnavailable.to_string(),
                message: message.clone(),
            },
            code: Code::LoginsUnavailable,
            message,
            failed: false,
        },
        CallError::Unavailable(_) | CallError::Unreadable(_) => {
            Trouble::unavailable(Code::LoginsUnavailable, message)
        }
        CallError::NotSent(_) => Trouble::later(Code::LeaseTooShort, message),
        CallError::Unknown(_) => Trouble {
            release: Release::Unknown {
                not_before: None,
                code: Code::LoginUnclear.to_string(),
                message: message.clone(),
            },
            code: Code::LoginUnclear,
            message,
            failed: false,
        },
    }
}
