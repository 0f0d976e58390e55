//! Settings: commented defaults < `pugmark.toml` < environment with the names of the integration plan.
//!
//! Reading never stops at the first mistake: every problem is collected, each with the name of the setting and the fix,
//! so that `doctor` and `serve` can list them all at once.

mod alerts;
mod console;
mod conversion;
mod crm;
mod database;
mod form;
mod in_force;
mod insurance;
mod logs;
mod mask;
mod maxio;
mod onboarding;
mod queue;
mod rabbitmq;
mod reading;
mod redis;
mod seal_key;
mod server;
mod sources;
mod values;
mod webhooks;

use std::fmt;

use serde::Deserialize;

pub use alerts::{Alerts, Mail, MailTls, WebhookUrl};
pub use console::Console;
pub use conversion::{Conversion, PartnerApi};
pub use crm::{Crm, CrmEdition, Poll};
pub use database::Database;
pub use form::{FieldKind, Form, FormField, Section};
pub use in_force::{InForce, Origin};
pub use insurance::{
    Assign, Insurance, NOTABLE, Notes, Payments, Reconcile, StoredTimes, Summary, SummaryAs,
    Supabase, Tasks, Users,
};
pub use logs::{Logs, StoredLevel};
pub use mask::mask_url;
pub use maxio::{Collection, Gateway, Maxio, NextBilling};
pub use onboarding::{LeadFields, Onboarding, WrittenFields};
pub use queue::{Capture, Queue, Scheduler};
pub use rabbitmq::Rabbitmq;
pub use redis::{Redis, RedisUrl};
pub use seal_key::SealKey;
pub use server::Server;
pub use sources::{Environment, load, reads_variable};
pub use webhooks::{WebhookSecrets, Webhooks};

/// The commented defaults, as `pugmark config` prints them.
pub const DEFAULTS: &str = include_str!("defaults.toml");

/// Whether the CRM is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Changes are written to the CRM.
    Live,
    /// Reads, plans and compares, but writes nothing and reports what it would have done.
    Shadow,
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Mode::Live => "live",
            Mode::Shadow => "shadow",
        })
    }
}

/// All settings, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Live or shadow.
    pub mode: Mode,
    /// The HTTP server.
    pub server: Server,
    /// The console.
    pub console: Console,
    /// The store.
    pub database: Database,
    /// The CRM; `None` when no address is configured.
    pub crm: Option<Crm>,
    /// Capture and planning.
    pub capture: Capture,
    /// The queue.
    pub queue: Queue,
    /// RabbitMQ; `None`: workers are woken inside their process, and others find work by looking.
    pub rabbitmq: Option<Rabbitmq>,
    /// Redis; `None`: sessions, call budget and pauses are each process's own.
    pub redis: Option<Redis>,
    /// Work by the clock.
    pub scheduler: Scheduler,
    /// Kept log lines.
    pub logs: Logs,
    /// What people are told of by themselves, and how.
    pub alerts: Alerts,
    /// Receiving webhooks.
    pub webhooks: Webhooks,
    /// The insurer's flow.
    pub insurance: Insurance,
    /// Maxio; `None` when no address is configured.
    pub maxio: Option<Maxio>,
    /// The onboarding flow.
    pub onboarding: Onboarding,
    /// Where logins live; `None` when no address is configured.
    pub supabase: Option<Supabase>,
    /// Key under which passwords are sealed while they wait: 32 bytes. Without one nothing secret is taken in.
    pub seal_key: Option<SealKey>,
    /// Every setting as it was read, with where it comes from; empty for programs that bring their own settings.
    pub in_force: Vec<InForce>,
}

/// One thing wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The setting, by the name a person would change: `VTIGER_URL`, `server.port`.
    pub setting: String,
    /// What is wrong with it.
    pub what: String,
    /// What to do.
    pub fix: String,
}

impl ConfigProblem {
    fn new(setting: impl Into<String>, what: impl Into<String>, fix: impl Into<String>) -> Self {
        ConfigProblem {
            setting: setting.into(),
            what: what.into(),
            fix: fix.into(),
        }
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}. {}", self.setting, self.what, self.fix)
    }
}

/// Everything wrong with the settings, at once.
#[derive(Debug, Clone, thiserror::Error)]
#[error("PUG-1001: the configuration has {} problem(s):{}", .0.len(), .0.iter().map(|problem| format!("\n  - {problem}")).collect::<String>())]
pub struct ConfigError(pub Vec<ConfigProblem>);

/// Checks what was read and turns it into [`Settings`].
fn check(raw: sources::Raw) -> Result<Settings, ConfigError> {
    let mut problems = Vec::new();
    let server = server::check(&raw, &mut problems);
    let database = database::check(&raw.file.database, &mut problems);
    let console = console::check(&raw.file, &mut problems);
    let crm = crm::check(&raw, &mut problems);
    let capture = queue::check_capture(&raw.file.capture, &mut problems);
    let queue = queue::check(&raw.file.queue, &mut problems);
    let rabbitmq = rabbitmq::check(&raw.file.rabbitmq, &mut problems);
    let redis = redis::check(&raw.file, &mut problems);
    let scheduler = queue::check_scheduler(&raw.file.scheduler, &mut problems);
    let logs = logs::check(&raw.file, &mut problems);
    let alerts = alerts::check(&raw, &mut problems);
    let webhooks = webhooks::check(&raw.file, &raw.secrets, &mut problems);
    let mut insurance = insurance::check(&raw.file, &mut problems);
    let partner_api = conversion::check_api(&raw, &mut problems);
    if let Some(insurance) = &mut insurance {
        insurance.conversion.api = partner_api;
    }
    let supabase = insurance::check_supabase(&raw, &mut problems);
    let seal_key = seal_key::check(&raw, &mut problems);
    let maxio = maxio::check(&raw, &mut problems);
    let onboarding = onboarding::check(&raw.file, &mut problems);
    if let Some(crm) = &crm
        && !queue.lease.is_zero()
        && queue.lease < crm.call_timeout * 2
    {
        problems.push(ConfigProblem::new(
            "queue.lease",
            format!("{:?} is less than twice vtiger.call_timeout ({:?})", queue.lease, crm.call_timeout),
            "A call starts only if its whole timeout fits into the lease; make the lease longer or the timeout shorter",
        ));
    }
    match (problems.is_empty(), server, database, insurance) {
        (true, Some(server), Some(database), Some(insurance)) => Ok(Settings {
            mode: raw.file.mode,
            server,
            console,
            database,
            crm,
            capture,
            queue,
            rabbitmq,
            redis,
            scheduler,
            logs,
            alerts,
            webhooks,
            insurance,
            maxio,
            onboarding,
            supabase,
            seal_key,
            in_force: Vec::new(),
        }),
        _ => Err(ConfigError(problems)),
    }
}
