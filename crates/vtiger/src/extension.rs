//! Pugmark's own vTiger extension, where an administrator installed it: many records in one call, each once for our
//! reference; changes and deletions since a cursor; set-up; and who receives its webhooks.
//!
//! Nothing here is part of vTiger. [`Client::extension`] tells whether it is there and what it can do.

use std::collections::BTreeSet;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value as Json};

use crate::classify::unexpected_result;
use crate::client::Client;
use crate::config::Edition;
use crate::error::CallError;
use crate::id::RecordId;
use crate::operation::Operation;
use crate::upserting::UPSERT;

/// Most changes of one [`Client::changes`].
pub const MAX_CHANGES: u16 = 500;

const INFO: &str = "pugmark.info";
const CHANGES: &str = "pugmark.changes";
const SETUP: &str = "pugmark.setup";
const WEBHOOK: &str = "pugmark.webhook";

/// What the extension tells of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// Its version.
    pub version: String,
    /// The version of vTiger it runs in, where it tells.
    pub vtiger: Option<String>,
    /// The operations that the calling user may use, such as `pugmark.upsert`.
    pub operations: BTreeSet<String>,
    /// The modules whose changes it writes down.
    pub modules: Vec<String>,
    /// Whether the calling user may set passwords through it.
    pub passwords: bool,
}

impl Extension {
    /// Whether the calling user may use this operation.
    #[must_use]
    pub fn can(&self, operation: &str) -> bool {
        self.operations.contains(operation)
    }

    /// Whether [`Client::upsert`] works.
    #[must_use]
    pub fn can_upsert(&self) -> bool {
        self.can(UPSERT)
    }

    /// Whether [`Client::changes`] works for this module.
    #[must_use]
    pub fn tells_changes_of(&self, module: &str) -> bool {
        self.can(CHANGES) && self.modules.iter().any(|watched| watched == module)
    }
}

/// What happened to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChangeKind {
    /// It was made.
    Created,
    /// It was saved again.
    Updated,
    /// It was moved to the recycle bin.
    Deleted,
    /// It was taken out of the recycle bin.
    Restored,
    /// It was a lead and was converted.
    Converted,
    /// Something that a newer extension tells.
    Other,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The record.
    pub id: RecordId,
    /// What happened.
    pub kind: ChangeKind,
    /// When, in UTC: `YYYY-MM-DD HH:MM:SS`.
    pub at: String,
}

/// Some changes of a module, in the order of the saves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The changes.
    pub changes: Vec<Change>,
    /// Where to go on.
    pub cursor: String,
    /// Whether there are further ones already.
    pub more: bool,
}

/// From where on changes are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangesFrom<'a> {
    /// From now on: no change, but a cursor.
    Now,
    /// Everything that is still kept.
    Beginning,
    /// After what an earlier answer told: its cursor.
    Cursor(&'a str),
}

/// A field that the extension's set-up made or found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetUpField {
    /// The module.
    pub module: String,
    /// The field's name.
    pub name: String,
    /// Its label.
    pub label: String,
    /// Whether it was made now.
    pub created: bool,
}

/// What the extension's set-up did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetUp {
    /// The fields.
    pub fields: Vec<SetUpField>,
    /// Whether an index on the reference field was made now.
    pub index_created: bool,
}

/// Who receives the extension's webhooks. What is `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct WebhookReceiver {
    /// An `http` or `https` address.
    pub url: Option<String>,
    /// `whsec_` and the base64 of 24 to 64 bytes.
    pub secret: Option<SecretString>,
    /// The modules whose changes are sent.
    pub modules: Option<Vec<String>>,
    /// Whether anything is sent.
    pub enabled: Option<bool>,
}

impl Client {
    /// What the extension tells of itself; `None` where it is not installed, and on Cloud, which takes none.
    ///
    /// # Errors
    /// [`CallError::Refused`] with `AccessDenied` where it is installed but the calling user is no administrator; otherwise as
    /// every read.
    pub async fn extension(&self) -> Result<Option<Extension>, CallError> {
        if self.config().edition == Edition::Cloud {
            return Ok(None);
        }
        let operation = Operation::read(INFO);
        let Some(told) = self.probe(&operation).await? else {
            return Ok(None);
        };
        extension(&told).map(Some).ok_or_else(|| {
            unexpected_result(&operation, "the extension does not tell its operations")
        })
    }

    /// Changes of a module, at most so many (up to [`MAX_CHANGES`]); `None` when what follows the cursor is not kept any more,
    /// so that only a comparison of everything can tell.
    ///
    /// # Errors
    /// As every read; [`CallError::Refused`] with the code `MODULE_NOT_WATCHED` where changes of this module are not written
    /// down.
    pub async fn changes(
        &self,
        module: &str,
        from: ChangesFrom<'_>,
        limit: u16,
    ) -> Result<Option<Changes>, CallError> {
        let cursor = match from {
            ChangesFrom::Now => "",
            ChangesFrom::Beginning => "0",
            ChangesFrom::Cursor(cursor) => cursor,
        };
        let operation = Operation::read(CHANGES)
            .param("elementType", module)
            .param("cursor", cursor)
            .param("limit", limit.clamp(1, MAX_CHANGES).to_string());
        match self.call_operation(&operation).await {
            Ok(answer) => changes(&answer)
                .map(Some)
                .ok_or_else(|| unexpected_result(&operation, "the answer is no list of changes")),
            Err(CallError::Refused(refusal)) if refusal.code == "CURSOR_EXPIRED" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes the custom fields that the synchronisation needs on these modules, and an index on the one with our reference
    /// (`reference_field`, or the one made for it). What is there already is left alone.
    ///
    /// # Errors
    /// As every write. Doing it again does no harm.
    pub async fn set_up_extension(
        &self,
        modules: &[&str],
        reference_field: Option<&str>,
    ) -> Result<SetUp, CallError> {
        let mut options = Map::new();
        options.insert("modules".to_owned(), modules.into());
        if let Some(field) = reference_field {
            options.insert("referenceField".to_owned(), field.into());
        }
        let operation = Operation::write(SETUP).param("options", Json::Object(options).to_string());
        let answer = self.call_operation(&operation).await?;
        set_up(&answer).ok_or_else(|| unexpected_result(&operation, "the answer lists no fields"))
    }

    /// Sets who receives the extension's webhooks.
    ///
    /// # Errors
    /// As every write; [`CallError::Refused`] with the code `INVALID_INPUT` for an address or a secret of another form. Doing it
    /// again does no harm.
    pub async fn set_webhook(&self, receiver: &WebhookReceiver) -> Result<(), CallError> {
        let mut options = Map::new();
        let mut set = |name: &str, value: Option<Json>| {
            options.extend(value.map(|value| (name.to_owned(), value)));
        };
        let secret = receiver
            .secret
            .as_ref()
            .map(|secret| secret.expose_secret().into());
        set("url", receiver.url.clone().map(Json::from));
        set("secret", secret);
        set("modules", receiver.modules.clone().map(Json::from));
        set("enabled", receiver.enabled.map(Json::from));
        let operation =
            Operation::write(WEBHOOK).param("options", Json::Object(options).to_string());
        self.call_operation(&operation).await.map(drop)
    }
}

fn extension(told: &Json) -> Option<Extension> {
    let texts = |name: &str| -> Option<Vec<String>> {
        let list = told.get(name)?.as_array()?;
        list.iter()
            .map(|text| Some(text.as_str()?.to_owned()))
            .collect()
    };
    Some(Extension {
        version: told.get("version")?.as_str()?.to_owned(),
        vtiger: told.get("vtiger").and_then(Json::as_str).map(str::to_owned),
        operations: texts("operations")?.into_iter().collect(),
        modules: texts("modules").unwrap_or_default(),
        passwords: told
            .get("passwords")
            .and_then(Json::as_bool)
            .unwrap_or(false),
    })
}

fn changes(answer: &Json) -> Option<Changes> {
    let list = answer.get("changes")?.as_array()?;
    Some(Changes {
        changes: list.iter().map(change).collect::<Option<_>>()?,
        cursor: answer.get("cursor")?.as_str()?.to_owned(),
        more: answer.get("more")?.as_bool()?,
    })
}

fn change(change: &Json) -> Option<Change> {
    let text = |name: &str| change.get(name)?.as_str();
    Some(Change {
        id: text("id")?.parse().ok()?,
        kind: match text("kind")? {
            "created" => ChangeKind::Created,
            "updated" => ChangeKind::Updated,
            "deleted" => ChangeKind::Deleted,
            "restored" => ChangeKind::Restored,
            "converted" => ChangeKind::Converted,
            _ => ChangeKind::Other,
        },
        at: text("at")?.to_owned(),
    })
}

fn set_up(answer: &Json) -> Option<SetUp> {
    let field = |field: &Json| {
        let text = |name: &str| Some(field.get(name)?.as_str()?.to_owned());
        Some(SetUpField {
            module: text("module")?,
            name: text("name")?,
            label: text("label")?,
            created: field.get("created")?.as_bool()?,
        })
    };
    let fields = answer.get("fields")?.as_array()?;
    Some(SetUp {
        fields: fields.iter().map(field).collect::<Option<_>>()?,
        index_created: answer.get("index")?.get("created")?.as_bool()?,
    })
}
