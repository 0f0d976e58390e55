//! Where subscriptions live, and what new customers subscribe to.

use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::values::{at_least, duration};
use super::{ConfigProblem, sources};

/// Settings of Maxio Advanced Billing.
#[derive(Debug, Clone)]
pub struct Maxio {
    /// The site's address.
    pub url: Url,
    /// Its API key.
    pub key: SecretString,
    /// The shared key that signs the site's webhooks; without one they are refused.
    pub webhook_secret: Option<SecretString>,
    /// Time after which an unanswered call counts as unknown.
    pub call_timeout: Duration,
    /// How long Maxio may still be working on a write without an answer.
    pub longest_execution: Duration,
    /// Calls in progress at once.
    pub at_once: usize,
    /// API handle of the product.
    pub product: String,
    /// API handle of the price point; `None` is the product's default.
    pub price_point: Option<String>,
    /// How new customers pay.
    pub collection: Collection,
    /// Who carries out direct debits.
    pub gateway: Gateway,
    /// When the first bill is due.
    pub next_billing: NextBilling,
    /// Days to pay an invoice; `None` is the site's default.
    pub net_terms: Option<u8>,
}

impl Maxio {
    /// How long after an unknown write an empty answer must still be doubted.
    pub fn settle_window(&self) -> Duration {
        self.call_timeout + self.longest_execution
    }
}

/// How new customers pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Collection {
    /// By direct debit; an IBAN is needed.
    Iban,
    /// By invoice.
    Remittance,
    /// By direct debit where there is an IBAN, by invoice otherwise.
    IbanOrRemittance,
}

/// Who carries out direct debits, and so what they need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gateway {
    /// Stripe SEPA Direct Debit: the IBAN.
    Stripe,
    /// `GoCardless`: the IBAN, the bank's name and a complete address with state.
    Gocardless,
    /// Maxio's own test gateway.
    Test,
}

/// When the first bill is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextBilling {
    /// At once.
    Now,
    /// On the first day of the next month, UTC.
    FirstOfNextMonth,
    /// So long after the subscription is made.
    After(Duration),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MaxioFile {
    url: String,
    call_timeout: String,
    longest_execution: String,
    at_once: usize,
    product: String,
    price_point: String,
    collection: Collection,
    gateway: Gateway,
    next_billing: String,
    net_terms: String,
}

/// Checks these settings. They are checked also where they are not used, so that a mistake is found before it matters.
pub(super) fn check(raw: &sources::Raw, problems: &mut Vec<ConfigProblem>) -> Option<Maxio> {
    let file = &raw.file.maxio;
    let least = Duration::from_millis(100);
    let call_timeout = at_least("maxio.call_timeout", &file.call_timeout, least, problems);
    let longest_execution = duration("maxio.longest_execution", &file.longest_execution, problems);
    let next_billing = next_billing(&file.next_billing, problems);
    let net_terms = net_terms(&file.net_terms, problems);
    let text = file.url.trim();
    if text.is_empty() {
        return None;
    }
    let url = site(text, problems);
    let key = raw.secrets.maxio_key.clone();
    if key.is_none() {
        problems.push(ConfigProblem::new(
            "MAXIO_API_KEY",
            "is missing",
            "Make one in Maxio under Config, Integrations, API Access; it is shown only once",
        ));
    }
    if file.product.trim().is_empty() {
        problems.push(ConfigProblem::new(
            "maxio.product",
            "is empty",
            "Set it to the API handle of the product that new customers subscribe to",
        ));
    }
    let price_point = Some(file.price_point.trim().to_owned()).filter(|handle| !handle.is_empty());
    Some(Maxio {
        url: url?,
        key: key?,
        webhook_secret: raw.secrets.maxio_webhook.clone(),
        call_timeout,
        longest_execution,
        at_once: file.at_once.clamp(1, 4),
        product: file.product.trim().to_owned(),
        price_point,
        collection: file.collection,
        gateway: file.gateway,
        next_billing: next_billing?,
        net_terms: net_terms?,
    })
}

fn site(text: &str, problems: &mut Vec<ConfigProblem>) -> Option<Url> {
    let with_scheme = if text.contains("://") {
        text.to_owned()
    } else {
        format!("https://{text}")
    };
    let found = problems.len();
    let mut wrong = |what: &str| {
        problems.push(ConfigProblem::new(
            "MAXIO_API_URL",
            what,
            "Write the site's own address: https://acme.chargify.com (US) or https://acme.ebilling.maxio.com (EU)",
        ));
    };
    let Ok(url) = Url::parse(&with_scheme) else {
        wrong("is no web address");
        return None;
    };
    let loopback = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    if url.scheme() != "https" && !(url.scheme() == "http" && loopback) {
        wrong("does not use https, so the API key would be sent in clear");
    }
    if url.host_str() == Some("api.maxio.com") {
        wrong(
            "names api.maxio.com, but every site of Maxio Advanced Billing has an address of its own",
        );
    }
    if !url.username().is_empty() || url.password().is_some() {
        wrong("holds a user name or a password; the key belongs into MAXIO_API_KEY");
    }
    (problems.len() == found).then_some(url)
}

fn next_billing(text: &str, problems: &mut Vec<ConfigProblem>) -> Option<NextBilling> {
    match text.trim() {
        "now" => return Some(NextBilling::Now),
        "first_of_next_month" => return Some(NextBilling::FirstOfNextMonth),
        _ => {}
    }
    let hours = |span: jiff::Span| {
        let days = jiff::SpanRelativeTo::days_are_24_hours();
        span.to_duration(days)
            .ok()
            .and_then(|span| Duration::try_from(span).ok())
    };
    let after = text.trim().parse::<jiff::Span>().ok().and_then(hours);
    if after.is_none() {
        problems.push(ConfigProblem::new(
            "maxio.next_billing",
            format!("`{text}` is no time for the first bill"),
            "Use now, first_of_next_month, or a time from now like 14d",
        ));
    }
    after.map(NextBilling::After)
}

fn net_terms(text: &str, problems: &mut Vec<ConfigProblem>) -> Option<Option<u8>> {
    let text = text.trim();
    if text.is_empty() {
        return Some(None);
    }
    let days = text.parse::<u8>().ok().filter(|days| *days <= 180);
    if days.is_none() {
        problems.push(ConfigProblem::new(
            "maxio.net_terms",
            format!("`{text}` is no number of days that Maxio knows"),
            "Use 0 to 180, or leave it empty",
        ));
    }
    days.map(Some)
}
