//! `pugmark.webhook` and the cron task that sends the outbox: signed as Standard Webhooks, one message after the other.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::outbox::{Delivery, Kind, Row};
use super::{flag, invalid, module_names};
use crate::fault::mix;
use crate::vtiger::crm::Crm;
use crate::vtiger::failure::{Answer, Failure};
use crate::vtiger::records::Call;
use crate::vtiger::state::State;
use crate::webhook::{Courier, WebhookRequest};

/// Messages that one run of the cron task sends at most.
const BATCH: usize = 200;

/// Attempts for a message that the receiver refuses.
const ATTEMPTS: u32 = 8;

/// A message older than this is given up.
const LONGEST: SignedDuration = SignedDuration::from_hours(72);

/// The pause after the first failure; each further one doubles it.
const FIRST_PAUSE: u64 = 30;
const LONGEST_PAUSE: u64 = 3600;

/// Who receives the outbox.
pub(super) struct Receiver {
    url: String,
    /// `whsec_` and base64.
    secret: String,
    modules: Vec<String>,
    enabled: bool,
    installation: String,
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver")
            .field("url", &self.url)
            .field("modules", &self.modules)
            .field("enabled", &self.enabled)
            .finish_non_exhaustive()
    }
}

impl Receiver {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            url: String::new(),
            secret: String::new(),
            modules: Vec::new(),
            enabled: false,
            installation: format!("{:08x}", mix(seed, 0x7768, 0) as u32),
        }
    }

    pub(super) fn receives(&self, module: &str) -> bool {
        self.enabled && self.has(module)
    }

    fn has(&self, module: &str) -> bool {
        self.modules.iter().any(|own| own == module)
    }
}

/// What a run of the cron task did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CronReport {
    /// Messages that the receiver took, or that a fault let the CRM believe so.
    pub sent: usize,
    /// Messages for whose next attempt the queue waits: one at most, the others wait behind it.
    pub failed: usize,
    /// Messages given up: refused too often, too old, or of a module that was switched off.
    pub given_up: usize,
}

/// `pugmark.webhook`: sets what is given and leaves the rest.
pub(super) fn set_receiver(call: &mut Call<'_>, options: &Map<String, Value>) -> Answer {
    let known = &call.state.extension.receiver;
    let text = |name: &str, otherwise: &str| match options.get(name) {
        None => Ok(otherwise.to_owned()),
        Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(invalid(format!("{name} must be a text"))),
    };
    let (url, secret) = (text("url", &known.url)?, text("secret", &known.secret)?);
    let modules = match options.get("modules") {
        Some(list) => module_names(call, list)?,
        None => known.modules.clone(),
    };
    let enabled = flag(options, "enabled", known.enabled)?;
    if enabled && (url.is_empty() || secret.is_empty()) {
        return Err(invalid("Sending needs a url and a secret".to_owned()));
    }
    if !url.is_empty() && !is_address(&url) {
        let message = "webhook_url must be an http or https address without user and password";
        return Err(invalid(message.to_owned()));
    }
    if !secret.is_empty() {
        key(&secret)?;
    }
    let extension = &mut call.state.extension;
    extension.outbox.watch(&modules);
    let answer = json!({
        "url": url, "secret": !secret.is_empty(), "modules": modules, "enabled": enabled,
    });
    extension.receiver = Receiver {
        url,
        secret,
        modules,
        enabled,
        installation: extension.receiver.installation.clone(),
    };
    Ok(answer)
}

fn is_address(url: &str) -> bool {
    let parsed: Option<http::Uri> = url.parse().ok();
    parsed.is_some_and(|uri| {
        let scheme = matches!(uri.scheme_str(), Some("http" | "https"));
        scheme
            && uri
                .authority()
                .is_some_and(|host| !host.as_str().contains('@'))
    })
}

/// The bytes of a secret.
fn key(secret: &str) -> Result<Vec<u8>, Failure> {
    let bytes = secret
        .strip_prefix("whsec_")
        .and_then(|text| STANDARD.decode(text).ok());
    let bytes = bytes.filter(|bytes| (24..=64).contains(&bytes.len()));
    let message = "The secret must be whsec_ and the base64 of 24 to 64 bytes";
    bytes.ok_or_else(|| invalid(message.to_owned()))
}

/// The message of a row as it is sent at this second.
fn message(state: &State, row: &Row, now: Timestamp) -> Option<WebhookRequest> {
    let receiver = &state.extension.receiver;
    let id = format!("msg_{}_{}", receiver.installation, row.id);
    let record = |module: &str, number: u64| json!(state.canonical.id(module, number));
    let mut data = Map::new();
    data.insert("module".into(), json!(row.module));
    data.insert("id".into(), record(&row.module, row.number));
    for (name, module) in [("contact", "Contacts"), ("account", "Accounts")] {
        if let Some(number) = row.into.get(module) {
            data.insert(name.into(), record(module, *number));
        }
    }
    if row.kind != Kind::Converted {
        data.insert("crm_user".into(), record("Users", row.user));
    }
    let kind = match row.kind {
        Kind::Created => "record.created",
        Kind::Updated => "record.updated",
        Kind::Deleted => "record.deleted",
        Kind::Restored => "record.restored",
        Kind::Converted => "lead.converted",
    };
    let at = row.at().replace(' ', "T");
    let body =
        json!({ "id": id, "type": kind, "timestamp": format!("{at}Z"), "data": data }).to_string();
    let request = WebhookRequest::post(&receiver.url, "application/json", body);
    Some(request.signed_standard(&key(&receiver.secret).ok()?, &id, now))
}

/// What the first waiting row calls for.
enum Next {
    Nothing,
    GiveUp(u64),
    Send(u64, WebhookRequest),
}

impl Crm {
    /// One run of the extension's cron task.
    pub(in crate::vtiger) async fn run_cron(&self) -> CronReport {
        let _alone = self.cron.lock().await;
        let mut report = CronReport::default();
        let mut courier = Courier::new(self.webhook_faults().clone());
        while report.sent + report.given_up < BATCH {
            match self.next_message() {
                Next::Nothing => break,
                Next::GiveUp(row) => {
                    self.settle(row, |_| Delivery::GivenUp);
                    report.given_up += 1;
                }
                Next::Send(row, request) => match courier.carry(request).await {
                    Some(200..300) => {
                        self.settle(row, |_| Delivery::Sent);
                        report.sent += 1;
                    }
                    answer if self.fail(row, answer) => report.given_up += 1,
                    _ => {
                        report.failed += 1;
                        break;
                    }
                },
            }
        }
        courier.finish().await;
        report
    }

    fn next_message(&self) -> Next {
        let now = self.now();
        let mut state = self.state();
        if !state.extension.receiver.enabled || !state.registry.has_extension() {
            return Next::Nothing;
        }
        let Some(row) = state.extension.outbox.first_waiting().cloned() else {
            return Next::Nothing;
        };
        let wanted = state.extension.receiver.has(&row.module);
        if !wanted || now.duration_since(row.at) > LONGEST {
            return Next::GiveUp(row.id);
        }
        match row.delivery {
            Delivery::Waiting { next, .. } if next > now => Next::Nothing,
            _ => message(&state, &row, now)
                .map_or(Next::Nothing, |request| Next::Send(row.id, request)),
        }
    }

    /// What waits, signed as of now, without sending it; it counts as sent.
    pub(in crate::vtiger) fn take_outbox(&self) -> Vec<WebhookRequest> {
        let now = self.now();
        let mut state = self.state();
        let mut taken = Vec::new();
        while let Some(row) = state.extension.outbox.first_waiting() {
            row.delivery = Delivery::Sent;
            let row = row.clone();
            taken.extend(message(&state, &row, now));
        }
        taken
    }

    /// Notes a failure; says whether the message was given up with it.
    fn fail(&self, row: u64, answer: Option<u16>) -> bool {
        let refused = answer.is_some_and(|status| {
            (300..500).contains(&status) && !matches!(status, 408 | 425 | 429)
        });
        let now = self.now();
        let delivery = self.settle(row, |before| {
            let attempts = match before {
                Delivery::Waiting { attempts, .. } => attempts + 1,
                _ => 1,
            };
            if refused && attempts >= ATTEMPTS {
                return Delivery::GivenUp;
            }
            let doubled = FIRST_PAUSE << (attempts.min(12) - 1);
            let pause = Duration::from_secs(doubled.min(LONGEST_PAUSE));
            Delivery::Waiting {
                attempts,
                next: now.checked_add(pause).unwrap_or(Timestamp::MAX),
            }
        });
        delivery == Some(Delivery::GivenUp)
    }

    fn settle(&self, id: u64, to: impl FnOnce(Delivery) -> Delivery) -> Option<Delivery> {
        let mut state = self.state();
        let row = state.extension.outbox.row(id)?;
        row.delivery = to(row.delivery);
        Some(row.delivery)
    }
}
