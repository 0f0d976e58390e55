//! Where settings come from, and how they are laid over one another.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use secrecy::SecretString;
use serde::Deserialize;

use super::alerts::AlertsFile;
use super::insurance::{Assign, StoredTimes, SummaryAs};
use super::logs::StoredLevel;
use super::maxio::MaxioFile;
use super::onboarding::OnboardingFile;
use super::rabbitmq::QueueTypeWord;
use super::redis::RedisFile;
use super::{ConfigError, ConfigProblem, DEFAULTS, Mode, Settings, check, in_force, reading};

/// What the library calls the environment when it says where a value came from.
pub(super) const ENVIRONMENT: &str = "the environment";

/// The environment, as a value: tests hand in their own.
#[derive(Clone, Default)]
pub struct Environment {
    values: BTreeMap<String, String>,
    /// Variables of ours whose values are no text.
    garbled: Vec<String>,
}

/// Names only: the values may be secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.values.keys()).finish()
    }
}

impl Environment {
    /// The process's environment. Variables that are not UTF-8 are reported by [`load`] only if they are ours.
    pub fn of_process() -> Self {
        let mut environment = Environment::default();
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else {
                continue;
            };
            match value.into_string() {
                Ok(value) => drop(environment.values.insert(name, value)),
                Err(_) if is_ours(&name) => environment.garbled.push(name),
                Err(_) => {}
            }
        }
        environment
    }

    /// An environment made of these pairs.
    pub fn of<const N: usize>(pairs: [(&str, &str); N]) -> Self {
        Environment {
            values: pairs
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            garbled: Vec::new(),
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.values
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.trim().is_empty())
    }

    /// Whether a variable is set to anything.
    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The name of a variable as it is written, in letters of any case.
    pub(super) fn name_like(&self, name: &str) -> Option<String> {
        let mut names = self.values.keys();
        names
            .find(|known| known.eq_ignore_ascii_case(name))
            .cloned()
    }

    fn unreadable(&self) -> Vec<ConfigProblem> {
        self.garbled
            .iter()
            .map(|name| {
                ConfigProblem::new(name, "is not valid UTF-8", "Set it again as plain text")
            })
            .collect()
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Environment {
            values: pairs.into_iter().collect(),
            garbled: Vec::new(),
        }
    }
}

/// Whether a variable of this name sets anything: one of the plan's names, a secret or the file it is in, or
/// `PUGMARK__SECTION__NAME`, which may still name no setting; [`load`] says so then.
pub fn reads_variable(name: &str) -> bool {
    is_ours(name)
}

fn is_ours(name: &str) -> bool {
    let plain = name.strip_suffix("_FILE").unwrap_or(name);
    name.starts_with("PUGMARK__")
        || NAMES.iter().any(|(known, _)| *known == name)
        || SECRETS.contains(&plain)
}

/// Secrets, which come from the environment or from a file named by it, never from the file of settings.
pub(super) const SECRETS: [&str; 14] = [
    "VTIGER_ACCESS_KEY",
    "APP_SECRET_TOKEN",
    "SUPABASE_SERVICE_ROLE_KEY",
    "SUPABASE_JWT_SECRET",
    "PUGMARK_SEAL_KEY",
    "VTIGER_WEBHOOK_SECRET",
    "VTIGER_WEBHOOK_SIGNING_KEY",
    "VTIGER_WEBHOOK_HEADER_SECRET",
    "VTIGER_WEBHOOK_PATH_SECRET",
    "MICROBIMA_API_KEY",
    "MAXIO_API_KEY",
    "MAXIO_WEBHOOK_SECRET",
    "ALERT_WEBHOOK_URL",
    "SMTP_PASSWORD",
];

/// Names of the integration plan and the setting each one sets.
pub(super) const NAMES: [(&str, &str); 25] = [
    ("PUGMARK_MODE", "mode"),
    ("HOST", "server.host"),
    ("PORT", "server.port"),
    ("PUGMARK_CUSTOMER_URL", "server.customer_url"),
    ("DATABASE_URL", "database.url"),
    ("DATABASE_DIRECT_URL", "database.direct_url"),
    ("VTIGER_URL", "vtiger.url"),
    ("VTIGER_API_URL", "vtiger.api_url"),
    ("VTIGER_USERNAME", "vtiger.username"),
    ("VTIGER_ENABLED", "vtiger.enabled"),
    ("VTIGER_DEFAULT_OWNER", "vtiger.default_owner"),
    ("PUGMARK_LEASE", "queue.lease"),
    ("RABBITMQ_URL", "rabbitmq.url"),
    ("REDIS_URL", "redis.url"),
    ("SUPABASE_URL", "supabase.url"),
    ("MICROBIMA_URL", "conversion.api_url"),
    ("MAXIO_API_URL", "maxio.url"),
    ("PUGMARK_PUBLIC_URL", "server.public_url"),
    ("PUGMARK_HEALTH", "server.health"),
    ("ALERT_EMAIL_TO", "alerts.email_to"),
    ("ALERT_EMAIL_FROM", "alerts.email_from"),
    ("SMTP_HOST", "alerts.smtp_host"),
    ("SMTP_PORT", "alerts.smtp_port"),
    ("SMTP_TLS", "alerts.smtp_tls"),
    ("SMTP_USERNAME", "alerts.smtp_username"),
];

/// What was read, before it is checked.
pub(super) struct Raw {
    pub(super) file: File,
    pub(super) secrets: Secrets,
}

#[derive(Default)]
pub(super) struct Secrets {
    pub(super) vtiger_access_key: Option<SecretString>,
    pub(super) app_token: Option<SecretString>,
    pub(super) supabase_service_key: Option<SecretString>,
    pub(super) supabase_jwt_secret: Option<SecretString>,
    pub(super) seal_key: Option<SecretString>,
    pub(super) webhook_hmac: Option<SecretString>,
    pub(super) webhook_signing: Option<SecretString>,
    pub(super) webhook_header: Option<SecretString>,
    pub(super) webhook_path: Option<SecretString>,
    pub(super) microbima_key: Option<SecretString>,
    pub(super) maxio_key: Option<SecretString>,
    pub(super) maxio_webhook: Option<SecretString>,
    pub(super) alert_webhook: Option<SecretString>,
    pub(super) smtp_password: Option<SecretString>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) mode: Mode,
    pub(super) server: ServerFile,
    pub(super) console: ConsoleFile,
    pub(super) database: DatabaseFile,
    pub(super) vtiger: VtigerFile,
    pub(super) capture: CaptureFile,
    pub(super) queue: QueueFile,
    pub(super) rabbitmq: RabbitmqFile,
    pub(super) redis: RedisFile,
    pub(super) scheduler: SchedulerFile,
    pub(super) logs: LogsFile,
    pub(super) alerts: AlertsFile,
    pub(super) webhooks: WebhooksFile,
    pub(super) insurance: InsuranceFile,
    pub(super) notes: NotesFile,
    pub(super) payments: PaymentsFile,
    pub(super) summary: SummaryFile,
    pub(super) tasks: TasksFile,
    pub(super) users: UsersFile,
    pub(super) conversion: ConversionFile,
    pub(super) reconcile: ReconcileFile,
    pub(super) supabase: SupabaseFile,
    pub(super) maxio: MaxioFile,
    pub(super) onboarding: OnboardingFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerFile {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) customer_url: String,
    pub(super) public_url: String,
    pub(super) health: String,
    pub(super) max_body: usize,
    pub(super) shutdown_grace: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConsoleFile {
    pub(super) idle: String,
    pub(super) absolute: String,
    pub(super) link: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DatabaseFile {
    pub(super) url: String,
    pub(super) connections: u32,
    pub(super) acquire_timeout: String,
    pub(super) lock_timeout: String,
    pub(super) statement_timeout: String,
    pub(super) idle_in_transaction_timeout: String,
    pub(super) pooler: super::database::PoolerWord,
    pub(super) direct_url: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VtigerFile {
    pub(super) url: String,
    pub(super) api_url: String,
    pub(super) username: String,
    pub(super) enabled: bool,
    pub(super) call_timeout: String,
    pub(super) longest_execution: String,
    pub(super) sessions: usize,
    pub(super) describe_for: String,
    pub(super) look_first: bool,
    pub(super) default_owner: String,
    pub(super) time_zone: String,
    pub(super) allow_plain_http: bool,
    pub(super) contact_defaults: BTreeMap<String, String>,
    pub(super) poll: PollFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PollFile {
    pub(super) enabled: bool,
    pub(super) interval: String,
    pub(super) overlap: String,
    pub(super) deletions_within: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CaptureFile {
    pub(super) settle: String,
    pub(super) poll: String,
    pub(super) batch: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogsFile {
    pub(super) store: StoredLevel,
    pub(super) attempts: bool,
    pub(super) keep: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhooksFile {
    pub(super) header: String,
    pub(super) reserialised: bool,
    pub(super) tolerance: String,
    pub(super) max_body: usize,
    pub(super) max_depth: usize,
    pub(super) per_minute: u32,
    pub(super) per_peer: u32,
    pub(super) keep: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QueueFile {
    pub(super) lease: String,
    pub(super) max_retries: u32,
    pub(super) backoff: String,
    pub(super) backoff_max: String,
    pub(super) give_up_after: String,
    pub(super) keep: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RabbitmqFile {
    pub(super) url: String,
    pub(super) queue_type: QueueTypeWord,
    pub(super) prefix: String,
    pub(super) exchange: String,
    pub(super) prefetch: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SchedulerFile {
    pub(super) lease: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InsuranceFile {
    pub(super) zone: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NotesFile {
    pub(super) significant: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PaymentsFile {
    pub(super) settle: String,
    pub(super) stored_times: StoredTimes,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SummaryFile {
    pub(super) enabled: bool,
    pub(super) day: String,
    pub(super) time: String,
    pub(super) shown_as: SummaryAs,
    pub(super) catch_up: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TasksFile {
    pub(super) enabled: bool,
    pub(super) assign: Assign,
    pub(super) users: Vec<String>,
    pub(super) role: String,
    pub(super) group: String,
    pub(super) due_days: u16,
    pub(super) open_status: String,
    pub(super) closed_status: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UsersFile {
    pub(super) role: String,
    pub(super) wait: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConversionFile {
    pub(super) enabled: bool,
    pub(super) partner_id: i32,
    pub(super) package_scheme_id: i32,
    pub(super) product_id: String,
    pub(super) plan_id: String,
    pub(super) reference_prefix: String,
    pub(super) api_url: String,
    pub(super) call_timeout: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReconcileFile {
    pub(super) nightly: bool,
    pub(super) time: String,
    pub(super) verify: bool,
    pub(super) verify_every: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SupabaseFile {
    pub(super) url: String,
    pub(super) call_timeout: String,
    pub(super) allow_plain_http: bool,
}

/// Reads and checks the settings.
///
/// `file` is a path given by the user, which must exist; without one, `pugmark.toml` of the working directory is read
/// when it is there.
///
/// # Errors
/// Every problem found, at once.
pub fn load(file: Option<&Path>, environment: &Environment) -> Result<Settings, ConfigError> {
    let defaults = config::Config::builder()
        .add_source(config::File::from_str(DEFAULTS, config::FileFormat::Toml))
        .build()
        .map_err(|error| unreadable("configuration", &error))?;
    let path = file.unwrap_or(Path::new("pugmark.toml"));
    let given = layers(path, file.is_some(), environment)?;
    let mut problems = environment.unreadable();
    let file: File = reading::typed(
        &given.cache,
        &defaults.cache,
        &path.display().to_string(),
        &mut problems,
    )
    .map_err(|error| {
        let problem = ConfigProblem::new(
            "configuration",
            error.to_string(),
            "This is a defect: please report it",
        );
        ConfigError(vec![problem])
    })?;
    let secrets = Secrets {
        vtiger_access_key: secret(environment, SECRETS[0], &mut problems),
        app_token: secret(environment, SECRETS[1], &mut problems),
        supabase_service_key: secret(environment, SECRETS[2], &mut problems),
        supabase_jwt_secret: secret(environment, SECRETS[3], &mut problems),
        seal_key: secret(environment, SECRETS[4], &mut problems),
        webhook_hmac: secret(environment, SECRETS[5], &mut problems),
        webhook_signing: secret(environment, SECRETS[6], &mut problems),
        webhook_header: secret(environment, SECRETS[7], &mut problems),
        webhook_path: secret(environment, SECRETS[8], &mut problems),
        microbima_key: secret(environment, SECRETS[9], &mut problems),
        maxio_key: secret(environment, SECRETS[10], &mut problems),
        maxio_webhook: secret(environment, SECRETS[11], &mut problems),
        alert_webhook: secret(environment, SECRETS[12], &mut problems),
        smtp_password: secret(environment, SECRETS[13], &mut problems),
    };
    match (check(Raw { file, secrets }), problems.is_empty()) {
        (Ok(settings), true) => Ok(Settings {
            in_force: in_force::list(
                &reading::laid(&given.cache, &defaults.cache),
                &given.cache,
                &path.display().to_string(),
                environment,
            ),
            ..settings
        }),
        (Ok(_), false) => Err(ConfigError(problems)),
        (Err(ConfigError(mut more)), _) => {
            problems.append(&mut more);
            Err(ConfigError(problems))
        }
    }
}

/// The commented defaults alone, for programs that bring their own settings.
#[allow(
    clippy::expect_used,
    reason = "the text is part of the program, and a test reads it"
)]
pub(super) fn defaults() -> File {
    config::Config::builder()
        .add_source(config::File::from_str(DEFAULTS, config::FileFormat::Toml))
        .build()
        .and_then(config::Config::try_deserialize)
        .expect("the commented defaults can be read")
}

/// A secret from the environment, or from the file named by the variable with `_FILE` behind it.
fn secret(
    environment: &Environment,
    name: &str,
    problems: &mut Vec<ConfigProblem>,
) -> Option<SecretString> {
    let file_variable = format!("{name}_FILE");
    if let Some(value) = environment.get(name) {
        return Some(SecretString::from(value.trim().to_owned()));
    }
    let path = environment.get(&file_variable)?;
    match std::fs::read_to_string(path) {
        Ok(content) if !content.trim().is_empty() => {
            Some(SecretString::from(content.trim().to_owned()))
        }
        Ok(_) => {
            problems.push(ConfigProblem::new(
                file_variable,
                format!("the file {path} is empty"),
                "Put the secret on its first line",
            ));
            None
        }
        Err(error) => {
            problems.push(ConfigProblem::new(
                file_variable,
                format!("the file {path} cannot be read ({error})"),
                "Check the path and that Pugmark's user may read it",
            ));
            None
        }
    }
}

/// Everything that was set, the later over the earlier: file, `PUGMARK__...`, the plan's names.
fn layers(
    path: &Path,
    required: bool,
    environment: &Environment,
) -> Result<config::Config, ConfigError> {
    let mut builder = config::Config::builder().add_source(
        config::File::from(path)
            .format(config::FileFormat::Toml)
            .required(required),
    );
    let prefixed: std::collections::HashMap<String, String> = environment
        .values
        .iter()
        .filter(|(name, _)| name.starts_with("PUGMARK__"))
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect();
    builder = builder.add_source(
        config::Environment::with_prefix("PUGMARK")
            .prefix_separator("__")
            .separator("__")
            .source(Some(prefixed)),
    );
    for (name, setting) in NAMES {
        if let Some(value) = environment.get(name) {
            builder = builder
                .set_override(setting, value)
                .map_err(|error| unreadable(name, &error))?;
        }
    }
    builder
        .build()
        .map_err(|error| unreadable(&path.display().to_string(), &error))
}

fn unreadable(setting: &str, error: &config::ConfigError) -> ConfigError {
    ConfigError(vec![ConfigProblem::new(
        setting,
        format!("cannot be read: {}", error.to_string().trim_end()),
        "`pugmark config` prints every setting with its default and its meaning",
    )])
}

/// The name under which a person sets a setting: the plan's, where it has one.
pub(super) fn name_of(setting: &str) -> String {
    NAMES
        .iter()
        .find(|(_, known)| *known == setting)
        .map_or_else(|| setting.to_owned(), |(name, _)| (*name).to_owned())
}
