//! What is believed of those who send webhooks, and how much of it.

use std::fmt;
use std::time::Duration;

use axum::http::HeaderName;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::values::at_least;
use super::{ConfigProblem, sources};

/// Fewer characters could be guessed.
const SHORTEST: usize = 16;
/// The form of keys of Standard Webhooks.
const SIGNING_PREFIX: &str = "whsec_";

/// The secrets of receivers. Of each kind several may be valid at once, so that one can be exchanged for another without a
/// delivery being refused; a kind without any is switched off.
#[derive(Clone, Default)]
pub struct WebhookSecrets {
    /// HMAC-SHA256 over the body in the header `X-Vtiger-Signature` (`VTIGER_WEBHOOK_SECRET`).
    pub hmac: Vec<SecretString>,
    /// Keys of Standard Webhooks (`VTIGER_WEBHOOK_SIGNING_KEY`), decoded.
    pub signing: Vec<Zeroizing<Vec<u8>>>,
    /// Sent as they are in a header (`VTIGER_WEBHOOK_HEADER_SECRET`).
    pub header: Vec<SecretString>,
    /// The last part of the address (`VTIGER_WEBHOOK_PATH_SECRET`).
    pub path: Vec<SecretString>,
}

impl WebhookSecrets {
    /// Whether no delivery can prove where it comes from.
    pub fn is_empty(&self) -> bool {
        self.hmac.is_empty()
            && self.signing.is_empty()
            && self.header.is_empty()
            && self.path.is_empty()
    }
}

impl fmt::Debug for WebhookSecrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("WebhookSecrets")
            .field("hmac", &self.hmac.len())
            .field("signing", &self.signing.len())
            .field("header", &self.header.len())
            .field("path", &self.path.len())
            .finish()
    }
}

/// Settings of receiving webhooks.
#[derive(Debug, Clone)]
pub struct Webhooks {
    /// What senders prove themselves with.
    pub secrets: WebhookSecrets,
    /// The header that carries a static secret.
    pub header: HeaderName,
    /// Whether a signature over the JSON as JavaScript would write it again is taken as well as one over the bytes.
    pub reserialised: bool,
    /// How far the time in Standard Webhooks headers may be from ours, either way.
    pub tolerance: Duration,
    /// Largest body in bytes.
    pub max_body: usize,
    /// Deepest nesting of a body.
    pub max_depth: usize,
    /// Most deliveries a minute from everybody together.
    pub per_minute: u32,
    /// Most deliveries a minute from one address.
    pub per_peer: u32,
    /// How long deliveries are kept.
    pub keep: Duration,
}

impl Default for Webhooks {
    /// The commented defaults, for programs that bring their own settings.
    fn default() -> Self {
        let secrets = sources::Secrets::default();
        check(&sources::defaults(), &secrets, &mut Vec::new())
    }
}

/// Checks these settings.
pub(super) fn check(
    file: &sources::File,
    secrets: &sources::Secrets,
    problems: &mut Vec<ConfigProblem>,
) -> Webhooks {
    let file = &file.webhooks;
    let header = file.header.trim().parse::<HeaderName>();
    if header.is_err() {
        problems.push(ConfigProblem::new(
            "webhooks.header",
            format!("`{}` is no name of a header", file.header),
            "Write it like X-Webhook-Secret",
        ));
    }
    let least = Duration::from_secs(1);
    Webhooks {
        secrets: WebhookSecrets {
            hmac: list(
                "VTIGER_WEBHOOK_SECRET",
                secrets.webhook_hmac.as_ref(),
                problems,
            ),
            signing: signing_keys(secrets.webhook_signing.as_ref(), problems),
            header: list(
                "VTIGER_WEBHOOK_HEADER_SECRET",
                secrets.webhook_header.as_ref(),
                problems,
            ),
            path: path_secrets(secrets.webhook_path.as_ref(), problems),
        },
        header: header.unwrap_or(HeaderName::from_static("x-webhook-secret")),
        reserialised: file.reserialised,
        tolerance: at_least("webhooks.tolerance", &file.tolerance, least, problems),
        max_body: file.max_body.clamp(1 << 10, 16 << 20),
        max_depth: file.max_depth.clamp(2, 100),
        per_minute: file.per_minute.max(1),
        per_peer: file.per_peer.max(1),
        keep: at_least("webhooks.keep", &file.keep, least * 3600, problems),
    }
}

/// Secrets parted by commas.
fn parts(secret: Option<&SecretString>) -> impl Iterator<Item = &str> {
    let text = secret.map_or("", |secret| secret.expose_secret());
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

fn list(
    name: &str,
    secret: Option<&SecretString>,
    problems: &mut Vec<ConfigProblem>,
) -> Vec<SecretString> {
    if parts(secret).any(|part| part.len() < SHORTEST) {
        problems.push(ConfigProblem::new(
            name,
            format!("holds a secret of fewer than {SHORTEST} characters"),
            "Make one with `openssl rand -hex 32`; several are parted by commas",
        ));
    }
    parts(secret).map(SecretString::from).collect()
}

/// What stands in an address must not have to be escaped there.
fn path_secrets(
    secret: Option<&SecretString>,
    problems: &mut Vec<ConfigProblem>,
) -> Vec<SecretString> {
    let name = "VTIGER_WEBHOOK_PATH_SECRET";
    let plain = |part: &str| {
        part.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte))
    };
    if !parts(secret).all(plain) {
        problems.push(ConfigProblem::new(
            name,
            "holds a character that does not stand in an address as it is",
            "Use letters, digits and - _ . ~ only, for example from `openssl rand -hex 32`",
        ));
    }
    list(name, secret, problems)
}

fn signing_keys(
    secret: Option<&SecretString>,
    problems: &mut Vec<ConfigProblem>,
) -> Vec<Zeroizing<Vec<u8>>> {
    let decode = |part: &str| {
        let bytes = STANDARD.decode(part.strip_prefix(SIGNING_PREFIX)?).ok()?;
        (bytes.len() >= SHORTEST).then(|| Zeroizing::new(bytes))
    };
    let keys: Vec<_> = parts(secret).map(decode).collect();
    if keys.iter().any(Option::is_none) {
        problems.push(ConfigProblem::new(
            "VTIGER_WEBHOOK_SIGNING_KEY",
            "holds what is no key of Standard Webhooks",
            format!(
                "Write it as {SIGNING_PREFIX} and the base64 of {SHORTEST} bytes or more: echo {SIGNING_PREFIX}$(openssl rand -base64 32)"
            ),
        ));
    }
    keys.into_iter().flatten().collect()
}
