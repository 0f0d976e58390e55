//! The ways by which people are told of alerts.

use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message as Letter, Tokio1Executor};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::config::{Alerts, Mail, MailTls, WebhookUrl};
use crate::problem::Code;
use crate::store::alerts::Message;

/// Nobody is waited for any longer.
const PATIENCE: Duration = Duration::from_secs(15);

/// A way by which people are told.
pub enum Channel {
    /// The log.
    Log,
    /// A webhook that takes Slack's JSON.
    Webhook(WebhookUrl),
    /// E-mail.
    Mail(Box<Mail>),
}

/// Names of the ways that are configured.
pub fn names(settings: &Alerts) -> Vec<&'static str> {
    Channel::all(settings).iter().map(Channel::name).collect()
}

impl Channel {
    /// Every way that is configured.
    pub fn all(settings: &Alerts) -> Vec<Channel> {
        let mut all = vec![Channel::Log];
        all.extend(settings.webhook.clone().map(Channel::Webhook));
        all.extend(settings.mail.clone().map(Box::new).map(Channel::Mail));
        all
    }

    /// Its word in the store.
    pub fn name(&self) -> &'static str {
        match self {
            Channel::Log => "log",
            Channel::Webhook(_) => "webhook",
            Channel::Mail(_) => "email",
        }
    }

    /// Where it leads, without secrets.
    pub fn place(&self) -> String {
        match self {
            Channel::Log => "the log, and Logs of the console".to_owned(),
            Channel::Webhook(url) => url.to_string(),
            Channel::Mail(mail) => {
                let to: Vec<String> = mail.to.iter().map(|to| to.email.to_string()).collect();
                format!("{} through {}:{}", to.join(", "), mail.host, mail.port)
            }
        }
    }

    /// Sends a message.
    ///
    /// # Errors
    /// Why it was not sent, without secrets. A timeout leaves open whether it was; it is sent once more then.
    pub async fn send(&self, message: &Message) -> Result<(), String> {
        let sending = async {
            match self {
                Channel::Log => {
                    log(message);
                    Ok(())
                }
                Channel::Webhook(url) => call(url, message).await,
                Channel::Mail(mail) => write(mail, message).await,
            }
        };
        tokio::time::timeout(PATIENCE, sending)
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}")))
    }
}

fn log(message: &Message) {
    let (title, body) = (message.title.as_str(), message.body.as_str());
    let code = body.split(':').next().unwrap_or_default();
    match message.phase.as_str() {
        "raised" => tracing::error!(code, alert = message.alert_id, "{title}"),
        "recovered" => tracing::info!(code, alert = message.alert_id, "{title}"),
        _ => tracing::info!("{title}. {body}"),
    }
}

async fn call(url: &WebhookUrl, message: &Message) -> Result<(), String> {
    let mut client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    if url.on_this_machine() {
        client = client.no_proxy();
    }
    let client = client.build().map_err(|error| said(&error))?;
    let text = for_slack(&format!("{}\n{}", message.title, message.body));
    let sent = client
        .post(url.expose())
        .json(&json!({ "text": text }))
        .send();
    // The library's own words would repeat the address, which is a secret.
    let answer = sent.await.map_err(|error| said(&error.without_url()))?;
    match answer.status() {
        status if status.is_success() => Ok(()),
        status => Err(format!("{url} answered {status}")),
    }
}

/// Slack takes these three for signs of its own.
fn for_slack(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

async fn write(mail: &Mail, message: &Message) -> Result<(), String> {
    let letter = letter(mail, message)?;
    let transport = transport(mail).map_err(|error| said(&error))?;
    transport
        .send(letter)
        .await
        .map(drop)
        .map_err(|error| said(&error))
}

/// The same message has the same id, so that a server which gets it twice can know.
fn letter(mail: &Mail, message: &Message) -> Result<Letter, String> {
    let place = mail.from.email.domain();
    let id = format!(
        "<alert-{}-{}@{place}>",
        message.id,
        message.created_at.as_micros()
    );
    let mut builder = Letter::builder()
        .from(mail.from.clone())
        .message_id(Some(id))
        .subject(message.title.as_str())
        .header(ContentType::TEXT_PLAIN);
    for to in &mail.to {
        builder = builder.to(to.clone());
    }
    let text = format!("{}\n\n{}\n", message.title, message.body);
    builder.body(text).map_err(|error| error.to_string())
}

fn transport(
    mail: &Mail,
) -> Result<AsyncSmtpTransport<Tokio1Executor>, lettre::transport::smtp::Error> {
    type Transport = AsyncSmtpTransport<Tokio1Executor>;
    let builder = match mail.tls {
        MailTls::StartTls => Transport::starttls_relay(&mail.host)?,
        MailTls::Tls => Transport::relay(&mail.host)?,
        MailTls::None => Transport::builder_dangerous(mail.host.as_str()),
    };
    let builder = builder.port(mail.port).timeout(Some(PATIENCE));
    let login = mail.login.as_ref();
    Ok(match login {
        Some((user, password)) => {
            let password = password.expose_secret().to_owned();
            builder
                .credentials(Credentials::new(user.clone(), password))
                .build()
        }
        None => builder.build(),
    })
}

/// An error with everything behind it.
fn said(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut behind = error.source();
    while let Some(error) = behind {
        text.push_str(&format!(": {error}"));
        behind = error.source();
    }
    text
}

/// Tells every way that is configured that this is a test, at once and past the store. Gives name, place and what came of it.
pub async fn try_all(
    settings: &Alerts,
    who: &str,
) -> Vec<(&'static str, String, Result<(), String>)> {
    let (title, body) = super::test_words(who);
    let now = pugmark_queue::db::Ts::now();
    let message = Message {
        id: 0,
        alert_id: None,
        phase: "test".to_owned(),
        channel: String::new(),
        title,
        body,
        created_at: now,
        next_attempt_at: now,
        attempts: 0,
        sent_at: None,
        given_up_at: None,
        error: None,
    };
    let mut results = Vec::new();
    for channel in Channel::all(settings) {
        let came = channel.send(&message).await;
        let came = came.map_err(|why| format!("{why} [{}]", Code::AlertNotSent));
        results.push((channel.name(), channel.place(), came));
    }
    results
}
