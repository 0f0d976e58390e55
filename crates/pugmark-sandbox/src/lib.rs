//! Look-alikes of the outside systems, served on loopback, for tests and the demonstration.
//!
//! Each look-alike answers over real HTTP the way the real system was observed to answer, oddities included,
//! breaks on demand ([`fault`]), and keeps a [`journal`] of every effect, so that "nothing was lost, nothing was
//! made twice" can be judged by what the outside system holds and not by what its client believes.
//!
//! This crate depends on no client crate: it is a second, independent reading of how the outside systems behave.
//!
//! ```no_run
//! use pugmark_sandbox::{Fault, FaultPlan, VtigerSandbox};
//!
//! # async fn example() -> std::io::Result<()> {
//! let crm = VtigerSandbox::builder().seed(7).start().await?;
//! println!("{} as {}", crm.url(), crm.username());
//! crm.faults().set(FaultPlan::new(7).nth("create", 2, Fault::HttpAfterEffect(502)));
//! // ... drive a client against it ...
//! assert!(crm.journal().count_distinct_by("Contacts", "lastname").values().all(|ids| ids.len() == 1));
//! crm.shutdown().await;
//! # Ok(()) }
//! ```
//!
//! ```no_run
//! use pugmark_sandbox::{Fault, FaultPlan, SupabaseSandbox, UserSeed};
//!
//! # async fn example() -> std::io::Result<()> {
//! let accounts = SupabaseSandbox::builder().min_password_length(8).start().await?;
//! let id = accounts.seed_user(UserSeed::new("amina@example.com").password("S3cret-Pass!"));
//! println!("{} with {} for {id:?}", accounts.url(), accounts.service_key());
//! accounts.faults().set(FaultPlan::new(0).nth("update", 1, Fault::HttpAfterEffect(502)));
//! // ... drive a client against it ...
//! assert!(accounts.user_by_email("amina@example.com").is_some_and(|user| user.banned_until.is_none()));
//! # Ok(()) }
//! ```
//!
//! ```no_run
//! use pugmark_sandbox::{Fault, FaultPlan, MaxioSandbox, ProductSeed};
//!
//! # async fn example() -> std::io::Result<()> {
//! let billing = MaxioSandbox::builder().product(ProductSeed::monthly("default-hr-package", 29_900)).start().await?;
//! println!("{} with {}", billing.url(), billing.api_key());
//! billing.faults().set(FaultPlan::new(0).nth("subscription.create", 1, Fault::CutAfterEffect));
//! // ... drive a client against it ...
//! assert!(billing.journal().count_distinct_by("subscriptions", "reference").values().all(|ids| ids.len() == 1));
//! assert!(billing.traffic().most_in_progress <= 4);
//! # Ok(()) }
//! ```

pub mod clock;
pub mod fault;
pub mod journal;
pub mod maxio;
mod server;
pub mod supabase;
pub mod vtiger;
pub mod webhook;
mod wire;

pub use clock::{Clock, ManualClock};
pub use fault::{Fault, FaultPlan, Faults, Match, Occurrence, Rule};
pub use journal::{Journal, JournalEntry, JournalKind, Moment, Outcome};
pub use maxio::{
    MaxioGate, MaxioSandbox, MaxioSandboxBuilder, MaxioTraffic, MaxioWebhook, ProductSeed,
    SubscriptionState,
};
pub use supabase::{
    PasswordRules, RequiredCharacters, Signing, SupabaseSandbox, SupabaseSandboxBuilder,
    SupabaseUser, UserSeed,
};
pub use vtiger::{
    CloudQuota, CronReport, CustomField, CustomFieldKind, Edition, Latency, NewUser, Release,
    StoredRecord, StoredUser, UserSpec, Variant, VtigerSandbox, VtigerSandboxBuilder, Workflow,
};
pub use webhook::{HexSignature, WebhookFault, WebhookFaults, WebhookRequest, send_webhooks};
