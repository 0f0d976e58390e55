//! The HTTP server.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use secrecy::SecretString;

use super::values::duration;
use super::{ConfigProblem, sources};

/// Settings of the HTTP server.
#[derive(Debug, Clone)]
pub struct Server {
    /// Address and port to listen on.
    pub address: SocketAddr,
    /// Where people see a customer, with `{id}` for the customer's id; contacts carry it as a link back.
    pub customer_url: Option<String>,
    /// Where people reach this server from outside, without a slash at the end; links to forms begin with it.
    pub public_url: Option<String>,
    /// Where health is answered besides, also by processes without the role api; `None`: beside the API alone.
    pub health: Option<SocketAddr>,
    /// Largest request body in bytes.
    pub max_body: usize,
    /// How long a shutdown waits for what is being delivered.
    pub shutdown_grace: Duration,
    /// Bearer token of the internal API (`APP_SECRET_TOKEN`). Without one the API refuses everybody.
    pub token: Option<SecretString>,
}

pub(super) fn check(raw: &sources::Raw, problems: &mut Vec<ConfigProblem>) -> Option<Server> {
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
    let public_url = check_public_url(&file.public_url, problems);
    let shutdown_grace = duration("server.shutdown_grace", &file.shutdown_grace, problems);
    Some(Server {
        address: SocketAddr::new(host?, file.port),
        customer_url,
        public_url,
        health: check_health(&file.health, problems),
        max_body: file.max_body,
        shutdown_grace,
        token: raw.secrets.app_token.clone(),
    })
}

fn check_health(text: &str, problems: &mut Vec<ConfigProblem>) -> Option<SocketAddr> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let address = text.parse().ok();
    if address.is_none() {
        problems.push(ConfigProblem::new(
            "PUGMARK_HEALTH",
            format!("`{text}` is not an IP address with a port"),
            "Write it like 0.0.0.0:3001, or leave it empty to have health beside the API alone",
        ));
    }
    address
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

fn check_public_url(text: &str, problems: &mut Vec<ConfigProblem>) -> Option<String> {
    let text = text.trim().trim_end_matches('/');
    if text.is_empty() {
        return None;
    }
    let usable = url::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    if !usable {
        problems.push(ConfigProblem::new(
            "PUGMARK_PUBLIC_URL",
            format!("`{text}` is no web address that others could be put behind"),
            "Write it like https://sync.example.org",
        ));
        return None;
    }
    Some(text.to_owned())
}
