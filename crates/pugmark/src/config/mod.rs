//! Settings: commented defaults < `pugmark.toml` < environment with the names of the integration plan.
//!
//! Reading never stops at the first mistake: every problem is collected, each with the name of the setting and the fix,
//! so that `doctor` and `serve` can list them all at once.

mod conversion;
mod insurance;
mod logs;
mod mask;
mod reading;
mod sources;
mod webhooks;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use base64::Engine;
use jiff::tz::TimeZone;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use zeroize::Zeroizing;

pub use conversion::{Conversion, PartnerApi};
pub use insurance::{
    Assign, Insurance, NOTABLE, Notes, Payments, Reconcile, StoredTimes, Summary, SummaryAs,
    Supabase, Tasks, Users,
};
pub use logs::{Logs, StoredLevel};
pub use mask::mask_url;
pub use sources::{Environment, load};
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

/// Which vTiger is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrmEdition {
    /// `webservice.php` of an open-source vTiger.
    OpenSource,
    /// `restapi/v1` of vTiger Cloud.
    Cloud,
}

/// All settings, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Live or shadow.
    pub mode: Mode,
    /// The HTTP server.
    pub server: Server,
    /// The store.
    pub database: Database,
    /// The CRM; `None` when no address is configured.
    pub crm: Option<Crm>,
    /// Capture and planning.
    pub capture: Capture,
    /// The queue.
    pub queue: Queue,
    /// Kept log lines.
    pub logs: Logs,
    /// Receiving webhooks.
    pub webhooks: Webhooks,
    /// The insurer's flow.
    pub insurance: Insurance,
    /// Where logins live; `None` when no address is configured.
    pub supabase: Option<Supabase>,
    /// Key under which passwords are sealed while they wait: 32 bytes. Without one nothing secret is taken in.
    pub seal_key: Option<SealKey>,
}

/// Key under which passwords are sealed while they wait (`PUGMARK_SEAL_KEY`).
#[derive(Clone)]
pub struct SealKey(Zeroizing<[u8; 32]>);

impl SealKey {
    /// The 32 bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A key of these bytes.
    pub fn of(bytes: [u8; 32]) -> Self {
        SealKey(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

/// Settings of the HTTP server.
#[derive(Debug, Clone)]
pub struct Server {
    /// Address and port to listen on.
    pub address: SocketAddr,
    /// Where people see a customer, with `{id}` for the customer's id; contacts carry it as a link back.
    pub customer_url: Option<String>,
    /// Largest request body in bytes.
    pub max_body: usize,
    /// How long a shutdown waits for what is being delivered.
    pub shutdown_grace: Duration,
    /// Bearer token of the internal API (`APP_SECRET_TOKEN`). Without one the API refuses everybody.
    pub token: Option<SecretString>,
}

/// Settings of the store.
#[derive(Clone)]
pub struct Database {
    /// `sqlite:path` or `postgres://...`. May hold a password: print it with [`mask_url`].
    pub url: String,
    /// Connections for reading.
    pub connections: u32,
}

impl fmt::Debug for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Database")
            .field("url", &mask_url(&self.url))
            .field("connections", &self.connections)
            .finish()
    }
}

/// Settings of the CRM.
#[derive(Debug, Clone)]
pub struct Crm {
    /// Open source or Cloud.
    pub edition: CrmEdition,
    /// The address as configured.
    pub url: String,
    /// The CRM user.
    pub username: String,
    /// That user's access key, not the password.
    pub access_key: SecretString,
    /// Whether anything is sent.
    pub enabled: bool,
    /// Time after which an unanswered call counts as unknown.
    pub call_timeout: Duration,
    /// The longest the CRM's web server lets a request run.
    pub longest_execution: Duration,
    /// Parallel sessions and deliveries.
    pub sessions: usize,
    /// How long a module's description is trusted.
    pub describe_for: Duration,
    /// Look for a contact before every create, whatever is known of earlier attempts.
    pub look_first: bool,
    /// Owner of new contacts, or the API user.
    pub default_owner: Option<String>,
    /// The zone of vTiger's server, in which it takes times of day.
    pub time_zone: TimeZone,
    /// Values every new contact gets.
    pub contact_defaults: BTreeMap<String, String>,
    /// Asking it what changed.
    pub poll: Poll,
}

/// Settings of asking the CRM what changed.
#[derive(Debug, Clone)]
pub struct Poll {
    /// Whether it is asked.
    pub enabled: bool,
    /// How often.
    pub interval: Duration,
    /// So far before the last change it knows a poll begins.
    pub overlap: Duration,
    /// All linked contacts are looked for within this time, to find those that were deleted.
    pub deletions_within: Duration,
}

impl Crm {
    /// How long after an unknown create an empty answer must still be doubted.
    pub fn settle_window(&self) -> Duration {
        self.call_timeout + self.longest_execution
    }
}

/// Settings of capture and planning.
#[derive(Debug, Clone)]
pub struct Capture {
    /// Time a new customer is given before the contact is created.
    pub settle: Duration,
    /// Interval at which changes of other programs are looked for.
    pub poll: Duration,
    /// Changes planned in one transaction.
    pub batch: u32,
}

/// Settings of the queue.
#[derive(Debug, Clone)]
pub struct Queue {
    /// How long a worker may hold an operation.
    pub lease: Duration,
    /// Retries before an operation becomes a dead letter.
    pub max_retries: u32,
    /// First pause between retries.
    pub backoff: Duration,
    /// Longest pause between retries.
    pub backoff_max: Duration,
    /// Limit for outcomes that do not burn retries.
    pub give_up_after: Duration,
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
    let server = check_server(&raw, &mut problems);
    let database = check_database(&raw, &mut problems);
    let crm = check_crm(&raw, &mut problems);
    let capture = Capture {
        settle: duration("capture.settle", &raw.file.capture.settle, &mut problems),
        poll: at_least(
            "capture.poll",
            &raw.file.capture.poll,
            Duration::from_millis(10),
            &mut problems,
        ),
        batch: raw.file.capture.batch.clamp(1, 5_000),
    };
    let queue = Queue {
        lease: at_least(
            "queue.lease",
            &raw.file.queue.lease,
            Duration::from_secs(1),
            &mut problems,
        ),
        max_retries: raw.file.queue.max_retries,
        backoff: duration("queue.backoff", &raw.file.queue.backoff, &mut problems),
        backoff_max: duration(
            "queue.backoff_max",
            &raw.file.queue.backoff_max,
            &mut problems,
        ),
        give_up_after: duration(
            "queue.give_up_after",
            &raw.file.queue.give_up_after,
            &mut problems,
        ),
    };
    let logs = logs::check(&raw.file, &mut problems);
    let webhooks = webhooks::check(&raw.file, &raw.secrets, &mut problems);
    let mut insurance = insurance::check(&raw.file, &mut problems);
    let partner_api = conversion::check_api(&raw, &mut problems);
    if let Some(insurance) = &mut insurance {
        insurance.conversion.api = partner_api;
    }
    let supabase = insurance::check_supabase(&raw, &mut problems);
    let seal_key = check_seal_key(&raw, &mut problems);
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
            database,
            crm,
            capture,
            queue,
            logs,
            webhooks,
            insurance,
            supabase,
            seal_key,
        }),
        _ => Err(ConfigError(problems)),
    }
}

fn check_server(raw: &sources::Raw, problems: &mut Vec<ConfigProblem>) -> Option<Server> {
    let file = &raw.file.server;
    let host: Option<IpAddr> = match file.host.as_str() {
        "localhost" => Some(IpAddr::from([127, 0, 0, 1])),
        host => host.parse().ok(),
    };
    if host.is_none() {
        problems.push(ConfigProblem::new(
            "HOST",
            format!("`{}` is not an IP address", file.host),
            "Use 127.0.0.1 for this machine only, or 0.0.0.0 for every interface",
        ));
    }
    let customer_url = check_customer_url(&file.customer_url, problems);
    let shutdown_grace = duration("server.shutdown_grace", &file.shutdown_grace, problems);
    Some(Server {
        address: SocketAddr::new(host?, file.port),
        customer_url,
        max_body: file.max_body,
        shutdown_grace,
        token: raw.secrets.app_token.clone(),
    })
}

fn check_customer_url(text: &str, problems: &mut Vec<ConfigProblem>) -> Option<String> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let parsed = url::Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if parsed.is_none() || !text.contains("{id}") {
        problems.push(ConfigProblem::new(
            "PUGMARK_CUSTOMER_URL",
            format!("`{text}` is no web address with a place for the customer's id"),
            "Write it like https://agents.example.org/admin/customer/{id}",
        ));
        return None;
    }
    Some(text.to_owned())
}

fn check_database(raw: &sources::Raw, problems: &mut Vec<ConfigProblem>) -> Option<Database> {
    let url = raw.file.database.url.trim();
    let known = ["sqlite:", "postgres://", "postgresql://"]
        .iter()
        .any(|prefix| url.starts_with(prefix));
    if !known {
        problems.push(ConfigProblem::new(
            "DATABASE_URL",
            format!("`{}` names no database that Pugmark knows", mask_url(url)),
            "Use sqlite:path/to/file.db or postgres://user:password@host:5432/name",
        ));
        return None;
    }
    Some(Database {
        url: url.to_owned(),
        connections: raw.file.database.connections.clamp(1, 200),
    })
}

fn check_crm(raw: &sources::Raw, problems: &mut Vec<ConfigProblem>) -> Option<Crm> {
    let file = &raw.file.vtiger;
    let (edition, url) = match (file.url.trim(), file.api_url.trim()) {
        ("", "") => return None,
        (url, "") => (CrmEdition::OpenSource, url),
        ("", url) => (CrmEdition::Cloud, url),
        (url, _) => {
            problems.push(ConfigProblem::new(
                "VTIGER_URL, VTIGER_API_URL",
                "both are set",
                "One Pugmark serves one CRM: keep VTIGER_URL for an open-source vTiger or VTIGER_API_URL for vTiger Cloud",
            ));
            // The rest is checked all the same, so that everything is listed at once.
            (CrmEdition::OpenSource, url)
        }
    };
    let name = if edition == CrmEdition::Cloud {
        "VTIGER_API_URL"
    } else {
        "VTIGER_URL"
    };
    check_crm_url(name, url, file.allow_plain_http, problems);
    if file.username.trim().is_empty() {
        problems.push(ConfigProblem::new(
            "VTIGER_USERNAME",
            "is missing",
            "Set it to the login name of the CRM user that Pugmark works as",
        ));
    }
    let access_key = raw.secrets.vtiger_access_key.clone().or_else(|| {
        problems.push(ConfigProblem::new(
            "VTIGER_ACCESS_KEY",
            "is missing",
            "Copy it from the user's preferences in vTiger (My Preferences, Access Key); it is not the password",
        ));
        None
    });
    let default_owner =
        Some(file.default_owner.trim().to_owned()).filter(|owner| !owner.is_empty());
    if let Some(owner) = &default_owner
        && owner.parse::<vtiger::RecordId>().is_err()
    {
        problems.push(ConfigProblem::new(
            "VTIGER_DEFAULT_OWNER",
            format!("`{owner}` is not a vTiger id"),
            "Use the form 19x5 (a user) or 20x3 (a group); `pugmark doctor` lists them",
        ));
    }
    let call_timeout = at_least(
        "vtiger.call_timeout",
        &file.call_timeout,
        Duration::from_millis(100),
        problems,
    );
    let longest_execution = duration(
        "vtiger.longest_execution",
        &file.longest_execution,
        problems,
    );
    let describe_for = duration("vtiger.describe_for", &file.describe_for, problems);
    let poll = Poll {
        enabled: file.poll.enabled,
        interval: at_least(
            "vtiger.poll.interval",
            &file.poll.interval,
            Duration::from_secs(1),
            problems,
        ),
        overlap: duration("vtiger.poll.overlap", &file.poll.overlap, problems),
        deletions_within: duration(
            "vtiger.poll.deletions_within",
            &file.poll.deletions_within,
            problems,
        ),
    };
    let time_zone = time_zone("vtiger.time_zone", &file.time_zone, problems)?;
    Some(Crm {
        edition,
        url: url.to_owned(),
        username: file.username.trim().to_owned(),
        access_key: access_key?,
        enabled: file.enabled,
        call_timeout,
        longest_execution,
        sessions: file.sessions.clamp(1, 64),
        describe_for,
        look_first: file.look_first,
        default_owner,
        time_zone,
        contact_defaults: file.contact_defaults.clone(),
        poll,
    })
}

fn check_crm_url(name: &str, url: &str, allow_plain_http: bool, problems: &mut Vec<ConfigProblem>) {
    let with_scheme = if url.contains("://") {
        url.to_owned()
    } else {
        format!("https://{url}")
    };
    let parsed = match url::Url::parse(&with_scheme) {
        Ok(parsed) if parsed.has_host() => parsed,
        Ok(_) | Err(_) => {
            problems.push(ConfigProblem::new(
                name,
                format!("`{}` is not a web address", mask_url(url)),
                "Write it as in the browser, for example https://crm.example.org/vcrm",
            ));
            return;
        }
    };
    if !parsed.username().is_empty() || parsed.password().is_some() {
        problems.push(ConfigProblem::new(
            name,
            "holds a user name or a password",
            "Leave them out of the address: they belong into VTIGER_USERNAME and VTIGER_ACCESS_KEY",
        ));
    }
    let loopback = match parsed.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(domain)) => domain == "localhost",
        None => false,
    };
    match parsed.scheme() {
        "https" => {}
        "http" if loopback || allow_plain_http => {}
        "http" => problems.push(ConfigProblem::new(
            name,
            "uses http, which sends the access key's proof and all personal data in clear",
            "Use https, or set vtiger.allow_plain_http = true for a test system",
        )),
        other => problems.push(ConfigProblem::new(
            name,
            format!("the scheme `{other}` is not spoken here"),
            "Use https://",
        )),
    }
}

/// 32 bytes, written as 64 hexadecimal digits or in base64.
fn check_seal_key(raw: &sources::Raw, problems: &mut Vec<ConfigProblem>) -> Option<SealKey> {
    let text = raw.secrets.seal_key.as_ref()?.expose_secret().trim();
    let bytes = hex::decode(text)
        .ok()
        .or_else(|| base64::engine::general_purpose::STANDARD.decode(text).ok())
        .map(Zeroizing::new);
    let key = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
    if key.is_none() {
        problems.push(ConfigProblem::new(
            "PUGMARK_SEAL_KEY",
            "is no key of 32 bytes",
            "Make one with `openssl rand -hex 32` and keep it safe: what is sealed opens with no other",
        ));
    }
    key.map(SealKey::of)
}

fn duration(setting: &str, text: &str, problems: &mut Vec<ConfigProblem>) -> Duration {
    let parsed = text
        .parse::<jiff::SignedDuration>()
        .ok()
        .and_then(|signed| Duration::try_from(signed).ok());
    parsed.unwrap_or_else(|| {
        problems.push(ConfigProblem::new(
            setting,
            format!("`{text}` is not a duration"),
            "Write a number with its unit: 250ms, 2s, 5m, 24h",
        ));
        Duration::ZERO
    })
}

fn time_zone(setting: &str, name: &str, problems: &mut Vec<ConfigProblem>) -> Option<TimeZone> {
    let zone = TimeZone::get(name.trim()).ok();
    if zone.is_none() {
        problems.push(ConfigProblem::new(
            setting,
            format!("`{name}` is no time zone"),
            "Write it like Africa/Nairobi or UTC",
        ));
    }
    zone
}

fn at_least(
    setting: &str,
    text: &str,
    least: Duration,
    problems: &mut Vec<ConfigProblem>,
) -> Duration {
    let found = problems.len();
    let value = duration(setting, text, problems);
    if problems.len() == found && value < least {
        problems.push(ConfigProblem::new(
            setting,
            format!("`{text}` is too short"),
            format!("Use {least:?} or more"),
        ));
    }
    value
}
