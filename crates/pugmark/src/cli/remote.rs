//! A running Pugmark, as commands speak to it: through its API.

use std::time::Duration;

use clap::Args;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

use super::CliError;

/// The server itself gives a request up after this time.
const PATIENCE: Duration = Duration::from_secs(65);

/// Where it is, and how to be let in.
#[derive(Debug, Args)]
pub(super) struct Remote {
    /// Address of the running Pugmark.
    #[arg(
        long,
        env = "PUGMARK_SERVER",
        default_value = "http://127.0.0.1:3000",
        global = true
    )]
    server: String,
    /// Its API token.
    #[arg(long, env = "APP_SECRET_TOKEN", hide_env_values = true, global = true)]
    token: Option<String>,
}

impl Remote {
    /// Gets ready. Nothing is sent yet.
    ///
    /// # Errors
    /// What is wrong with the address.
    pub(super) fn connect(&self) -> Result<Server<'_>, CliError> {
        let base = base_address(&self.server)?;
        let client = client(&base)?;
        Ok(Server {
            remote: self,
            base,
            client,
        })
    }
}

/// A server that can be asked.
pub(super) struct Server<'a> {
    remote: &'a Remote,
    base: String,
    client: Client,
}

impl Server<'_> {
    /// Its address, without a slash at the end.
    pub(super) fn address(&self) -> &str {
        &self.base
    }

    /// A request to this path.
    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// Sends a request and gives the body of a good answer.
    ///
    /// # Errors
    /// What the server said, field by field, or that there is none.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Value, CliError> {
        let request = match &self.remote.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let server = &self.remote.server;
        let response = request.send().await.map_err(|error| {
            CliError::Other(format!(
                "no Pugmark answers at {server} ({}). Start `pugmark serve`, or name its address with --server or PUGMARK_SERVER",
                error.without_url()
            ))
        })?;
        let status = response.status();
        let body: Value = response.json().await.map_err(|_| {
            CliError::Other(format!(
                "{server} answers, but is no Pugmark (HTTP {status})"
            ))
        })?;
        if status.is_success() {
            return Ok(body);
        }
        let error = &body["error"];
        let mut message = format!("{} ({})", text(&error["message"]), text(&error["code"]));
        for (field, what) in error["details"].as_object().into_iter().flatten() {
            message.push_str(&format!("\n  {field} {}", text(what)));
        }
        Err(CliError::Other(message))
    }
}

/// The address with a scheme and without a slash at its end.
pub(super) fn base_address(server: &str) -> Result<String, CliError> {
    let server = server.trim().trim_end_matches('/');
    let address = match server.contains("://") {
        true => server.to_owned(),
        false => format!("http://{server}"),
    };
    match url::Url::parse(&address) {
        Ok(parsed) if parsed.has_host() && parsed.scheme().starts_with("http") => Ok(address),
        _ => Err(CliError::Other(format!(
            "`{server}` is not the address of a server; --server (PUGMARK_SERVER) is written like http://127.0.0.1:3000"
        ))),
    }
}

/// A proxy that is configured for the internet knows nothing of what runs on this machine.
pub(super) fn client(base: &str) -> Result<Client, CliError> {
    let loopback = url::Url::parse(base)
        .ok()
        .is_some_and(|url| match url.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            Some(url::Host::Domain(domain)) => domain == "localhost",
            None => false,
        });
    let builder = Client::builder().timeout(PATIENCE);
    let builder = if loopback {
        builder.no_proxy()
    } else {
        builder
    };
    builder
        .build()
        .map_err(|error| CliError::Other(error.to_string()))
}

/// A value for people: text without quotes, nothing for null.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
