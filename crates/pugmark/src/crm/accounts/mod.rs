//! What this CRM can do for user accounts, and doing it.
//!
//! No two vTigers are alike here: stock open source can neither create a user nor set a password nor enable one again, an
//! administrator may have repaired the one or the other, Pugmark's extension adds all of it, and Cloud documents nothing. So
//! it is asked, never assumed, and asked again from time to time.

mod lack;
mod users;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;
use vtiger::{
    CallError, Client, Edition, Module, Operation, RecordId, RefusalReason, UserCreation,
};

use super::USERS;

pub use lack::{Ability, Lack};
pub use users::{Account, NewAccount, change, create, find, set_password};

/// How soon it is asked again for what is missing.
const RECHECK: Duration = Duration::from_secs(60);

/// The extension's operation that tells what it can do.
const INFO: &str = "pugmark.info";

/// By what a change to a user is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Pugmark's vTiger extension.
    Extension,
    /// vTiger's own web service.
    WebService,
}

/// What the CRM can do for accounts, for people.
#[derive(Debug, Clone)]
pub struct Abilities {
    /// Version of the extension, where it is installed.
    pub extension: Option<String>,
    /// Making users.
    pub create: Result<Way, Lack>,
    /// Setting passwords.
    pub password: Result<Way, Lack>,
    /// Enabling a disabled user.
    pub enable: Result<Way, Lack>,
    /// Disabling a user.
    pub disable: Result<Way, Lack>,
}

/// Learns and remembers what the CRM can do for accounts. Clones share what was learned.
#[derive(Clone)]
pub struct Accounts {
    learned: Arc<Mutex<Learned>>,
    trusted_for: Duration,
}

#[derive(Default)]
struct Learned {
    extension: Option<(Instant, Extension)>,
    password_operation: Option<(Instant, bool)>,
}

#[derive(Debug, Clone)]
enum Extension {
    Installed {
        version: String,
        operations: Vec<String>,
    },
    /// It is there, but not for a user without an administrator's rights.
    Denied,
    Absent,
}

impl Extension {
    fn can(&self, operation: &str) -> bool {
        matches!(self, Extension::Installed { operations, .. } if operations.iter().any(|own| own == operation))
    }
}

impl Accounts {
    /// Nothing is known yet. What is learned is trusted for this long; that something is missing, for a minute at most.
    pub fn new(trusted_for: Duration) -> Self {
        Accounts {
            learned: Arc::default(),
            trusted_for,
        }
    }

    /// How soon an operation looks again that waits for an ability.
    pub fn recheck(&self) -> Duration {
        self.trusted_for.min(RECHECK)
    }

    /// How users can be made.
    ///
    /// # Errors
    /// [`CallError`] when the CRM cannot be asked.
    pub async fn create(&self, client: &Client) -> Result<Result<Way, Lack>, CallError> {
        if cloud(client) {
            return Ok(Err(Lack::cloud(Ability::Create)));
        }
        let extension = self.extension(client).await?;
        if extension.can("pugmark.user_create") {
            return Ok(Ok(Way::Extension));
        }
        let described = described(client).await?;
        Ok(match described.map(|users| users.user_creation()) {
            Some(UserCreation::Possible) => Ok(Way::WebService),
            None | Some(UserCreation::NotPermitted) => Err(Lack::rights(Ability::Create)),
            Some(_) => Err(Lack::stock(Ability::Create)),
        })
    }

    /// How passwords can be set.
    ///
    /// # Errors
    /// As [`Accounts::create`].
    pub async fn password(&self, client: &Client) -> Result<Result<Way, Lack>, CallError> {
        if cloud(client) {
            return Ok(Err(Lack::cloud(Ability::Password)));
        }
        let extension = self.extension(client).await?;
        if extension.can("pugmark.user_password") {
            return Ok(Ok(Way::Extension));
        }
        if described(client).await?.is_none() {
            return Ok(Err(Lack::rights(Ability::Password)));
        }
        Ok(match self.password_operation(client).await? {
            true => Ok(Way::WebService),
            false => Err(Lack::stock(Ability::Password)),
        })
    }

    /// How a disabled user can be enabled again.
    ///
    /// # Errors
    /// As [`Accounts::create`].
    pub async fn enable(&self, client: &Client) -> Result<Result<Way, Lack>, CallError> {
        if cloud(client) {
            return Ok(Err(Lack::cloud(Ability::Enable)));
        }
        let extension = self.extension(client).await?;
        Ok(if extension.can("pugmark.user_update") {
            Ok(Way::Extension)
        } else if matches!(extension, Extension::Denied) {
            Err(Lack::rights(Ability::Enable))
        } else {
            Err(Lack::stock(Ability::Enable))
        })
    }

    /// How an active user can be changed, and so disabled.
    ///
    /// # Errors
    /// As [`Accounts::create`].
    pub async fn change(&self, client: &Client) -> Result<Result<Way, Lack>, CallError> {
        if cloud(client) {
            return Ok(Err(Lack::cloud(Ability::Disable)));
        }
        let extension = self.extension(client).await?;
        if extension.can("pugmark.user_update") {
            return Ok(Ok(Way::Extension));
        }
        Ok(match described(client).await? {
            Some(users) if users.updateable => Ok(Way::WebService),
            _ => Err(Lack::rights(Ability::Disable)),
        })
    }

    /// Everything at once.
    ///
    /// # Errors
    /// As [`Accounts::create`].
    pub async fn abilities(&self, client: &Client) -> Result<Abilities, CallError> {
        let extension = match cloud(client) {
            true => None,
            false => match self.extension(client).await? {
                Extension::Installed { version, .. } => Some(version),
                Extension::Denied | Extension::Absent => None,
            },
        };
        Ok(Abilities {
            extension,
            create: self.create(client).await?,
            password: self.password(client).await?,
            enable: self.enable(client).await?,
            disable: self.change(client).await?,
        })
    }

    /// Whether users can be found by name also when they are inactive.
    ///
    /// # Errors
    /// As [`Accounts::create`].
    pub async fn sees_inactive(&self, client: &Client) -> Result<bool, CallError> {
        Ok(!cloud(client) && self.extension(client).await?.can("pugmark.user_find"))
    }

    /// What was learned may not be so any more: an operation that should be there did not answer as one.
    pub async fn doubt(&self) {
        *self.learned.lock().await = Learned::default();
    }

    async fn extension(&self, client: &Client) -> Result<Extension, CallError> {
        // Held while asking: those who come meanwhile want the same answer.
        let mut learned = self.learned.lock().await;
        if let Some((at, extension)) = &learned.extension {
            let complete = matches!(extension, Extension::Installed { .. });
            if at.elapsed() < self.trust(complete) {
                return Ok(extension.clone());
            }
        }
        let extension = match client.probe(&Operation::read(INFO)).await {
            Ok(Some(told)) => told_by_extension(&told),
            Ok(None) => Extension::Absent,
            Err(error) if is_denial(&error) => Extension::Denied,
            Err(error) => return Err(error),
        };
        learned.extension = Some((Instant::now(), extension.clone()));
        Ok(extension)
    }

    /// Whether `changePassword` works. Asked for a user who cannot exist, with two new passwords that differ: a working one
    /// refuses that, and none can change anything by it.
    async fn password_operation(&self, client: &Client) -> Result<bool, CallError> {
        let mut learned = self.learned.lock().await;
        if let Some((at, works)) = learned.password_operation
            && at.elapsed() < self.trust(works)
        {
            return Ok(works);
        }
        let prefix = client.describe(USERS).await?.id_prefix.clone();
        let probe = Operation::write("changePassword")
            .param("id", format!("{prefix}x0"))
            .param("newPassword", "a-password-of-nobody")
            .param("confirmPassword", "another-password-of-nobody");
        let works = match client.call_operation(&probe).await {
            Ok(Value::Null) => false,
            Ok(_) => true,
            Err(CallError::Unknown(failure)) if failure.hint.is_some() => false,
            Err(CallError::Refused(refusal)) => refusal.reason == RefusalReason::PasswordChange,
            Err(error) => return Err(error),
        };
        learned.password_operation = Some((Instant::now(), works));
        Ok(works)
    }

    fn trust(&self, there: bool) -> Duration {
        if there {
            self.trusted_for
        } else {
            self.recheck()
        }
    }
}

/// The description of users; `None` where the user Pugmark works as may not see them, being no administrator.
async fn described(client: &Client) -> Result<Option<Arc<Module>>, CallError> {
    match client.describe(USERS).await {
        Ok(users) => Ok(Some(users)),
        Err(error) if is_denial(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether somebody else could have done it.
pub fn is_denial(error: &CallError) -> bool {
    matches!(
        error.reason(),
        Some(
            RefusalReason::AccessDenied
                | RefusalReason::MissingOrForbidden
                | RefusalReason::UnknownModule
        )
    )
}

fn cloud(client: &Client) -> bool {
    client.config().edition == Edition::Cloud
}

fn told_by_extension(told: &Value) -> Extension {
    let names = told.get("operations").and_then(Value::as_array);
    Extension::Installed {
        version: told
            .get("version")
            .and_then(Value::as_str)
            .unwrap_or("unknown")
            .to_owned(),
        operations: names
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
    }
}

/// The id of a user in an answer of the extension.
fn id_in(answer: &Value) -> Option<RecordId> {
    answer.get("id")?.as_str()?.parse().ok()
}
