//! The half of an account that lives in the CRM: the user and its password.

use pugmark_queue::NotBefore;
use pugmark_queue::QueueError;
use pugmark_queue::db::Ts;
use vtiger::{CallError, Class, RecordId, RefusalReason};

use super::attempt::{Attempt, finish_all};
use super::names::FullName;
use super::status::{self, Fields};
use super::{agreement, not_configured};
use crate::crm::USERS;
use crate::crm::accounts::{self, Ability, Account, NewAccount, Way};
use crate::delivery::Trouble;
use crate::flows::insurance::plan::USER;
use crate::problem::Code;
use crate::store::account_steps::{self, Step};
use crate::store::links;

/// Who the user is to be.
pub(super) struct Person {
    /// Login name and e-mail, in lower case.
    pub(super) email: String,
    pub(super) name: FullName,
    pub(super) phone: Option<String>,
}

/// How the person comes to a user.
#[derive(Debug)]
pub(super) enum Route {
    /// There is one, and it is linked.
    Linked,
    /// There is one that is not linked yet.
    TakeUp(Account),
    /// One is made.
    Make(Way),
}

/// A user that is to be linked.
struct Found {
    account: Account,
    /// By this very attempt, with the person's phone.
    made: bool,
    /// With the operation's password.
    with_password: bool,
    warnings: Vec<String>,
}

impl Found {
    /// One that was there.
    fn there(account: Account, with_password: bool) -> Self {
        Found {
            account,
            made: false,
            with_password,
            warnings: Vec::new(),
        }
    }
}

impl Attempt<'_> {
    /// Finds out how the person can come to a user, without changing anything.
    pub(super) async fn crm_route(&mut self, person: &Person) -> Result<Route, Trouble> {
        if self.progress.finished(Step::CrmUser) || self.crm_id().is_some() {
            return Ok(Route::Linked);
        }
        self.crm_is_open()?;
        let (client, abilities) = (self.crm(), &self.deliverer.crm.accounts);
        let way = abilities.create(&client).await;
        match way.map_err(|error| self.crm_trouble(&error))? {
            // It looks itself, and makes one user for each reference.
            Ok(Way::Extension) => Ok(Route::Make(Way::Extension)),
            Ok(Way::WebService) => match self.find_user(person, false).await? {
                Some(account) => Ok(Route::TakeUp(account)),
                None => self.may_be_made().await,
            },
            Err(lack) if !lack.may_look() => Err(self.lacking(lack)),
            Err(lack) => match self.find_user(person, false).await? {
                Some(account) => Ok(Route::TakeUp(account)),
                None => Err(self.lacking(lack)),
            },
        }
    }

    /// Whether a user that is not to be seen can be made by a web service that checks nothing: only when none is on the way.
    async fn may_be_made(&mut self) -> Result<Route, Trouble> {
        let make = Ok(Route::Make(Way::WebService));
        let Some(stand) = self.progress.of(Step::CrmUser).copied() else {
            return make;
        };
        // It was found out that it cannot be found out; somebody has looked since and wants it tried again.
        if stand.doubted_at.is_some() {
            return make;
        }
        let settled_at = stand
            .begun_at
            .after(self.deliverer.crm.settings.settle_window());
        if self.now().await? < settled_at {
            return Err(waiting_until(settled_at));
        }
        self.commit("doubt", |conn, id, now| {
            Box::pin(async move {
                account_steps::doubt(conn, id, Step::CrmUser, now).await?;
                Ok::<_, QueueError>(())
            })
        })
        .await?;
        Err(Trouble::refused(
            Code::UserUnclear,
            "vTiger did not answer when it was asked to make the user, and shows none by that name among the active ones; \
             inactive ones it never shows. Look in vTiger (Settings, Users, also Inactive Users): if the user is there, set it \
             active and retry, and it is taken up; if not, retry, and it is made"
                .to_owned(),
        ))
    }

    /// Goes the way that was found, links the user, and gives what had to be adapted.
    pub(super) async fn crm_user(
        &mut self,
        route: Route,
        person: &Person,
    ) -> Result<Vec<String>, Trouble> {
        match route {
            Route::Linked => {
                self.finish_steps(&[Step::CrmUser]).await?;
                Ok(Vec::new())
            }
            Route::TakeUp(account) => {
                let with_password = self.made_with_password().await?;
                self.link(Found::there(account, with_password), person)
                    .await?;
                Ok(Vec::new())
            }
            Route::Make(way) => self.make(way, person).await,
        }
    }

    async fn make(&mut self, way: Way, person: &Person) -> Result<Vec<String>, Trouble> {
        self.password_is_current().await?;
        let new = self.new_account(person)?;
        let in_doubt = self.progress.of(Step::CrmUser).is_some();
        // As with the login: what may still arrive, or is there already, may have another password.
        let same_password = !in_doubt || self.progress.of(Step::CrmPassword).is_some();
        let steps: &[Step] = if same_password {
            &[Step::CrmUser, Step::CrmPassword]
        } else {
            &[Step::CrmUser]
        };
        self.begin_steps(steps).await?;
        match accounts::create(&self.crm(), way, &new).await {
            Ok((id, warnings)) => {
                let account = Account {
                    id,
                    user_name: new.email,
                    email: person.email.clone(),
                    active: true,
                };
                let found = Found {
                    account,
                    made: true,
                    with_password: same_password,
                    warnings: warnings.clone(),
                };
                self.link(found, person).await?;
                Ok(warnings)
            }
            Err(error) if error.reason() == Some(RefusalReason::Duplicate) => {
                self.withdraw_steps(steps).await?;
                match self.find_user(person, way == Way::Extension).await? {
                    Some(account) => {
                        self.link(Found::there(account, false), person).await?;
                        Ok(Vec::new())
                    }
                    None => Err(self.crm_trouble(&error)),
                }
            }
            Err(error) => {
                if error.class() == Class::Unknown {
                    // Perhaps what should have answered is no longer installed.
                    self.deliverer.crm.accounts.doubt().await;
                } else {
                    self.withdraw_steps(steps).await?;
                }
                Err(self.crm_trouble(&error))
            }
        }
    }

    fn new_account(&self, person: &Person) -> Result<NewAccount, Trouble> {
        let role = self.staff.settings.role.clone().ok_or_else(|| {
            not_configured(
                "users.role",
                "a new vTiger user needs a role, for example H5",
            )
        })?;
        Ok(NewAccount {
            email: person.email.clone(),
            first_name: person.name.first.clone(),
            last_name: person.name.last.clone(),
            phone: person.phone.clone(),
            role,
            password: self.password()?,
            reference: self.user().to_owned(),
        })
    }

    /// The user of this name, if it is the person's: its e-mail says so.
    async fn find_user(
        &self,
        person: &Person,
        through_extension: bool,
    ) -> Result<Option<Account>, Trouble> {
        let found = accounts::find(&self.crm(), through_extension, &person.email).await;
        let found = found.map_err(|error| self.crm_trouble(&error))?;
        let Some(first) = found.first().cloned() else {
            return Ok(None);
        };
        let theirs = |account: &Account| account.email.trim().to_lowercase() == person.email;
        let (active, inactive): (Vec<_>, Vec<_>) = found
            .into_iter()
            .filter(theirs)
            .partition(|account| account.active);
        if let Some(account) = active.into_iter().chain(inactive).next() {
            return Ok(Some(account));
        }
        Err(Trouble::refused(
            Code::UserNameTaken,
            format!(
                "vTiger has a user {} ({}) whose primary e-mail is {}, so it is taken for somebody else's. If it is this \
                 person's, correct the e-mail there and retry; if not, rename it",
                first.user_name,
                first.id,
                match first.email.as_str() {
                    "" => "empty",
                    _ => "another one",
                },
            ),
        ))
    }

    /// Whether the user that is taken up has the operation's password, because an unclear create of ours made it. Where
    /// passwords can be set, it is rather set once more than believed.
    async fn made_with_password(&mut self) -> Result<bool, Trouble> {
        if self.progress.of(Step::CrmPassword).is_none() {
            return Ok(false);
        }
        let abilities = &self.deliverer.crm.accounts;
        let settable = abilities.password(&self.crm()).await;
        Ok(settable.map_err(|error| self.crm_trouble(&error))?.is_err())
    }

    /// Links the user, in one commit with the note that the step is done.
    async fn link(&mut self, found: Found, person: &Person) -> Result<(), Trouble> {
        let Found {
            account,
            made,
            with_password,
            warnings,
        } = found;
        let mut snapshot: Fields = status::fields(account.active, None);
        if let Some(phone) = person.phone.as_ref().filter(|_| made) {
            snapshot.insert(status::PHONE.to_owned(), phone.clone());
        }
        let agreement = agreement(account.id.as_str(), snapshot, &warnings);
        let queue = self.deliverer.queue.clone();
        let user = self.user().to_owned();
        self.commit("link user", move |conn, operation, now| {
            Box::pin(async move {
                links::set_synced(conn, USER, &user, USERS, &agreement, now).await?;
                if with_password {
                    let done = [Step::CrmUser, Step::CrmPassword];
                    finish_all(conn, operation, &done, now).await?;
                } else {
                    account_steps::withdraw(conn, operation, Step::CrmPassword).await?;
                    finish_all(conn, operation, &[Step::CrmUser], now).await?;
                }
                if made {
                    queue.unblock(conn, Ability::Create.key()).await?;
                }
                Ok::<_, QueueError>(())
            })
        })
        .await
    }

    /// The operation's password, unless the CRM's user has it.
    pub(super) async fn crm_password(&mut self) -> Result<(), Trouble> {
        let Some(user) = self.crm_id() else {
            return Ok(());
        };
        if self.progress.finished(Step::CrmPassword) {
            return Ok(());
        }
        self.password_is_current().await?;
        self.crm_is_open()?;
        let (client, abilities) = (self.crm(), &self.deliverer.crm.accounts);
        let way = abilities.password(&client).await;
        let way = match way.map_err(|error| self.crm_trouble(&error))? {
            Ok(way) => way,
            Err(lack) => return Err(self.lacking(lack)),
        };
        match accounts::set_password(&client, way, &user, &self.password()?).await {
            Ok(true) => self.password_is_set().await,
            Ok(false) => Err(self.user_is_gone(&user)),
            Err(error) => {
                if is_missing(&error) {
                    abilities.doubt().await;
                    return Err(self.crm_trouble_of_missing(&error));
                }
                Err(self.crm_trouble(&error))
            }
        }
    }

    async fn password_is_set(&mut self) -> Result<(), Trouble> {
        let queue = self.deliverer.queue.clone();
        self.commit("finish step", move |conn, operation, now| {
            Box::pin(async move {
                finish_all(conn, operation, &[Step::CrmPassword], now).await?;
                queue.unblock(conn, Ability::Password.key()).await?;
                Ok::<_, QueueError>(())
            })
        })
        .await
    }

    fn user_is_gone(&self, user: &RecordId) -> Trouble {
        Trouble::refused(
            Code::LinkedRecordMissing,
            format!(
                "The linked user {user} is not among vTiger's active users, so its password could not be set there; Supabase \
                 has the new one. Set the user active in vTiger (Settings, Users) and retry, or discard this"
            ),
        )
    }

    /// What was there a moment ago is not: asked anew at once.
    fn crm_trouble_of_missing(&self, error: &CallError) -> Trouble {
        Trouble::later(
            Code::CannotSetPasswords,
            format!("{error}. What vTiger can do is asked again"),
        )
    }

    /// The present instant by the clock that wrote when a step began.
    pub(super) async fn now(&self) -> Result<Ts, Trouble> {
        let asked = async {
            let mut conn = self.deliverer.db.read().await?;
            self.deliverer.queue.now(&mut conn).await
        };
        asked.await.map_err(|error| {
            Trouble::later(
                Code::StoreUnavailable,
                format!("the store did not answer: {error}"),
            )
        })
    }
}

/// Whether an operation of the CRM turned out not to be there.
fn is_missing(error: &CallError) -> bool {
    matches!(
        error.reason(),
        Some(RefusalReason::NotAvailable | RefusalReason::NotSupported)
    )
}

fn waiting_until(settled_at: Ts) -> Trouble {
    let message = "vTiger did not answer when it was asked to make the user; it may still appear, so that is waited for before \
                   anything is repeated"
        .to_owned();
    Trouble {
        release: pugmark_queue::Release::Later {
            not_before: NotBefore::At(settled_at),
            code: Code::Settling.to_string(),
            message: message.clone(),
        },
        code: Code::Settling,
        message,
        failed: false,
    }
}
