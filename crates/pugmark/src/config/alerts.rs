//! What people are told of by themselves, and by which way.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use lettre::message::Mailbox;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::values::at_least;
use super::{ConfigProblem, sources};

/// What can be written in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AlertsFile {
    rate: u32,
    window: String,
    least: u32,
    look: String,
    give_up_after: String,
    keep: String,
    email_to: String,
    email_from: String,
    smtp_host: String,
    smtp_port: u16,
    smtp_tls: MailTls,
    smtp_username: String,
}

/// Settings of alerts.
#[derive(Debug, Clone)]
pub struct Alerts {
    /// A flow of whose attempts a greater share than this failed is told of, 0 to 1.
    pub rate: f64,
    /// Attempts of so long are looked at.
    pub window: Duration,
    /// So many of them must have failed.
    pub least: i64,
    /// How often it is looked.
    pub look: Duration,
    /// A message that could not be sent is tried again for so long.
    pub give_up_after: Duration,
    /// How long alerts that are over are kept.
    pub keep: Duration,
    /// A webhook that takes Slack's JSON.
    pub webhook: Option<WebhookUrl>,
    /// E-mail.
    pub mail: Option<Mail>,
}

impl Default for Alerts {
    /// The commented defaults, for programs that bring their own settings.
    fn default() -> Self {
        checked(&sources::defaults(), None, None, &mut Vec::new())
    }
}

/// The address of a webhook. Whoever knows it may post there, so neither `Display` nor `Debug` shows more than the host.
#[derive(Clone)]
pub struct WebhookUrl {
    secret: SecretString,
    shown: String,
}

impl WebhookUrl {
    /// Reads it: https, or http on this machine.
    ///
    /// # Errors
    /// What is wrong with it, without repeating it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let url = url::Url::parse(text.trim())
            .map_err(|_| "is no address of the form https://host/path")?;
        let host = url.host_str().ok_or("names no host")?;
        match url.scheme() {
            "https" => {}
            "http" if on_this_machine(host) => {}
            "http" => {
                return Err("begins with http://, by which everybody on the way could read it");
            }
            _ => return Err("does not begin with https://"),
        }
        Ok(WebhookUrl {
            shown: format!("{}://{host}/***", url.scheme()),
            secret: SecretString::from(url.to_string()),
        })
    }

    /// Whether no proxy can be meant to be on the way: plain http is taken for nothing else.
    pub(crate) fn on_this_machine(&self) -> bool {
        self.shown.starts_with("http:")
    }

    /// For the request itself.
    pub(crate) fn expose(&self) -> &str {
        self.secret.expose_secret()
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.shown)
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.shown)
    }
}

/// How the connection to the mail server is kept secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// Plain at first, then TLS before anything is said.
    StartTls,
    /// TLS from the beginning.
    Tls,
    /// Not at all.
    None,
}

/// How e-mail is sent.
#[derive(Debug, Clone)]
pub struct Mail {
    /// To whom.
    pub to: Vec<Mailbox>,
    /// From whom.
    pub from: Mailbox,
    /// The server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is kept secret.
    pub tls: MailTls,
    /// Who signs in, and with what.
    pub login: Option<(String, SecretString)>,
}

/// Checks these settings.
pub(super) fn check(raw: &sources::Raw, problems: &mut Vec<ConfigProblem>) -> Alerts {
    let secrets = &raw.secrets;
    checked(
        &raw.file,
        secrets.alert_webhook.as_ref(),
        secrets.smtp_password.as_ref(),
        problems,
    )
}

fn checked(
    file: &sources::File,
    webhook: Option<&SecretString>,
    password: Option<&SecretString>,
    problems: &mut Vec<ConfigProblem>,
) -> Alerts {
    let file = &file.alerts;
    if !(1..=100).contains(&file.rate) {
        problems.push(ConfigProblem::new(
            "alerts.rate",
            format!("`{}` is no share in percent", file.rate),
            "Write a whole number from 1 to 100: 25 is a quarter of the attempts",
        ));
    }
    let minute = Duration::from_secs(60);
    let webhook = webhook.and_then(|url| {
        WebhookUrl::parse(url.expose_secret())
            .map_err(|what| {
                problems.push(ConfigProblem::new(
                    "ALERT_WEBHOOK_URL",
                    what,
                    "Copy the address that Slack, or whoever takes its JSON, gave you: https://...",
                ));
            })
            .ok()
    });
    Alerts {
        rate: f64::from(file.rate) / 100.0,
        window: at_least("alerts.window", &file.window, minute, problems),
        least: i64::from(file.least.max(1)),
        look: at_least(
            "alerts.look",
            &file.look,
            Duration::from_millis(100),
            problems,
        ),
        give_up_after: at_least(
            "alerts.give_up_after",
            &file.give_up_after,
            minute,
            problems,
        ),
        keep: at_least("alerts.keep", &file.keep, minute, problems),
        webhook,
        mail: mail(file, password, problems),
    }
}

/// `None` where nobody is to get any.
fn mail(
    file: &AlertsFile,
    password: Option<&SecretString>,
    problems: &mut Vec<ConfigProblem>,
) -> Option<Mail> {
    if file.email_to.trim().is_empty() {
        return None;
    }
    let host = file.smtp_host.trim().to_owned();
    if host.is_empty() {
        problems.push(ConfigProblem::new(
            "SMTP_HOST",
            "is not set, but ALERT_EMAIL_TO is",
            "Name the mail server, for example smtp.example.org",
        ));
    }
    let user = file.smtp_username.trim();
    if file.smtp_tls == MailTls::None && !host.is_empty() && !on_this_machine(&host) {
        problems.push(ConfigProblem::new(
            "SMTP_TLS",
            "is `none`, by which everybody on the way could read mail and password",
            "Use starttls or tls; none is for a server on this machine",
        ));
    }
    let login = match (user.is_empty(), password) {
        (true, _) => None,
        (false, Some(password)) => Some((user.to_owned(), password.clone())),
        (false, None) => {
            problems.push(ConfigProblem::new(
                "SMTP_PASSWORD",
                "is not set, but SMTP_USERNAME is",
                "Set SMTP_PASSWORD, or SMTP_PASSWORD_FILE to a file with it",
            ));
            None
        }
    };
    let mut to = Vec::new();
    for text in file
        .email_to
        .split(',')
        .filter(|text| !text.trim().is_empty())
    {
        to.extend(mailbox("ALERT_EMAIL_TO", text, problems));
    }
    let from = mailbox("ALERT_EMAIL_FROM", &file.email_from, problems)?;
    Some(Mail {
        to,
        from,
        host,
        port: match (file.smtp_port, file.smtp_tls) {
            (0, MailTls::StartTls) => 587,
            (0, MailTls::Tls) => 465,
            (0, MailTls::None) => 25,
            (port, _) => port,
        },
        tls: file.smtp_tls,
        login,
    })
}

fn mailbox(setting: &str, text: &str, problems: &mut Vec<ConfigProblem>) -> Option<Mailbox> {
    let parsed = text.trim().parse::<Mailbox>();
    if parsed.is_err() {
        problems.push(ConfigProblem::new(
            setting,
            format!("`{}` is no e-mail address", text.trim()),
            "Write it like ops@example.org, or Pugmark <ops@example.org>",
        ));
    }
    parsed.ok()
}

fn on_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
