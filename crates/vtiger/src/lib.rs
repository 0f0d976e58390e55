//! A client for vTiger CRM: the open-source `webservice.php` and the hosted (Cloud) `restapi/v1` behind one [`Client`].
//!
//! vTiger has no idempotency and, since version 8, no transactions, so the client's first duty is to say honestly how a
//! call ended. Everything that is not done is a [`CallError`] with a [`Class`]: refused, session lost, throttled,
//! unavailable, **unknown** or not sent. A write that was sent is settled only by a readable answer of vTiger itself;
//! timeouts, cut connections, gateway errors and PHP noise leave it unknown, to be looked up before it is repeated.
//! Reads are never unknown.
//!
//! What a write answers is not what was stored: it is shown before the database cut it and decoded once too often.
//! [`Module::adapt`] turns values into what vTiger can keep, predicts the stored form and warns about every difference;
//! [`Client::retrieve`] and [`Client::query`] show the truth.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use vtiger::{Client, ClientConfig, Condition, Element, Purpose, Query};
//!
//! let config = ClientConfig::open_source("crm.example.com/vcrm", "integration", "key".into())?;
//! let client = Client::new(config)?;
//! let me = client.identify().await?;
//! let contacts = client.describe("Contacts").await?;
//! let wanted = Element::new().with("lastname", "O'Brien").with("assigned_user_id", me.user_id);
//! let adapted = contacts.adapt(&wanted, Purpose::Create);
//! let created = client.create("Contacts", &adapted.element).await?;
//! let found = client.query(&Query::select("Contacts").filter(Condition::eq("lastname", "O'Brien"))).await?;
//! assert!(found.iter().any(|record| record.id == created.id));
//! # Ok(())
//! # }
//! ```

mod adapt;
mod answer;
mod budget;
mod classify;
mod client;
mod config;
mod counting;
mod deadline;
mod element;
mod error;
mod extension;
mod gate;
mod id;
mod identity;
mod limits;
mod metadata;
mod module;
mod observe;
mod operation;
mod probe;
mod querying;
mod quota;
mod record;
mod records;
mod redact;
mod refusal;
mod related;
mod session;
mod session_store;
mod spelling;
mod transport;
mod upserting;
mod users;
mod vtql;

pub use adapt::{Adapted, Purpose, Warning, WarningKind};
pub use answer::Envelope;
pub use budget::{CallBudget, OverBudget, Spent};
pub use client::{Client, LONGEST_URL};
pub use config::{ClientConfig, ConfigError, Edition};
pub use deadline::Deadline;
pub use element::{Element, Value};
pub use error::{CallError, Class, Failure, Invalid, NotSent, Refusal, RefusalReason};
pub use extension::{
    Change, ChangeKind, Changes, ChangesFrom, Extension, MAX_CHANGES, SetUp, SetUpField,
    WebhookReceiver,
};
pub use gate::{GateError, InProcessGate, LoginGate, LoginTurn, LoginUser};
pub use id::{InvalidRecordId, RecordId};
pub use identity::{Identity, ServerTime};
pub use limits::FieldLimits;
pub use module::{Field, FieldType, ListTypes, Module, PicklistValue, TypeInfo};
pub use observe::{CallObserver, CallReport};
pub use operation::{Effect, Method, Operation};
pub use quota::Quota;
pub use record::Record;
pub use related::{LeadConversion, RelatedType, SyncBatch, SyncScope};
pub use session_store::{IdleSession, SessionStore};
pub use upserting::{MAX_UPSERT, Upsert, UpsertTarget, Upserted};
pub use users::{User, UserCreation};
pub use vtql::{
    Condition, Direction, Filter, KeysetQuery, Literal, MAX_ROWS, PageStart, Query, quote,
};
