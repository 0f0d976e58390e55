use std::time::Duration;

use lapin::uri::AMQPUri;
use secrecy::{ExposeSecret, SecretString};

/// Where a broker is: `amqp://user:password@host:port/vhost`, or `amqps://` for TLS. Never shows the password.
#[derive(Clone)]
pub struct BrokerUrl {
    secret: SecretString,
    shown: String,
}

impl BrokerUrl {
    /// Reads an address as RabbitMQ defines it (<https://www.rabbitmq.com/docs/uri-spec>). Without a virtual host, and with an
    /// empty one, `/` is meant.
    ///
    /// # Errors
    /// What is wrong with it, without repeating it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let uri = read(text)?;
        let authority = &uri.authority;
        let vhost = match uri.vhost.as_str() {
            "/" => String::new(),
            other => format!("/{other}"),
        };
        Ok(Self {
            secret: SecretString::from(text.trim().to_owned()),
            shown: format!(
                "{}://{}:***@{}:{}{vhost}",
                uri.scheme, authority.userinfo.username, authority.host, authority.port
            ),
        })
    }

    /// For the connection itself.
    pub(super) fn uri(&self, heartbeat: Duration) -> Result<AMQPUri, String> {
        let mut uri = read(self.secret.expose_secret())?;
        let seconds = u16::try_from(heartbeat.as_secs().max(1)).unwrap_or(u16::MAX);
        uri.query.heartbeat.get_or_insert(seconds);
        Ok(uri)
    }
}

fn read(text: &str) -> Result<AMQPUri, String> {
    let text = text.trim();
    if !text.starts_with("amqp://") && !text.starts_with("amqps://") {
        return Err("it does not begin with amqp:// or amqps://".to_owned());
    }
    // The library's own words would repeat the address, and with it the password.
    let mut uri: AMQPUri = text
        .parse()
        .map_err(|_| "it is not written as amqp://user:password@host:5672/vhost".to_owned())?;
    if text.contains('[') {
        return Err("an IPv6 address is not supported; use a host name".to_owned());
    }
    if uri.vhost.is_empty() {
        "/".clone_into(&mut uri.vhost);
    }
    Ok(uri)
}

impl std::fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

impl std::fmt::Debug for BrokerUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

/// What kind of queue is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QueueType {
    /// A queue that exists is taken as it is; a new one becomes a quorum queue where the broker offers these, else a classic one.
    #[default]
    Auto,
    /// Classic queues, with priorities.
    Classic,
    /// Quorum queues, replicated between the nodes of a cluster.
    Quorum,
}

/// How a [`Broker`](super::Broker) is used.
#[derive(Debug, Clone)]
pub struct BrokerOptions {
    /// Where it is.
    pub url: BrokerUrl,
    /// Begins the names of the queues: `<prefix>.<kind>`, and `<prefix>.dead-letter` for what cannot be taken in. The exchange
    /// to which dead letters go has that name too.
    pub prefix: String,
    /// The direct exchange; routing keys are kinds.
    pub exchange: String,
    /// What is declared.
    pub queue_type: QueueType,
    /// Messages that may be unacknowledged per queue and process.
    pub prefetch: u16,
    /// The kinds of operations that have a queue. Others are woken for in this process only.
    pub kinds: Vec<String>,
    /// How long an answer of the broker is waited for.
    pub timeout: Duration,
    /// A connection over which nothing came for twice this time is given up. An address with `?heartbeat=` has its own.
    pub heartbeat: Duration,
    /// The longest pause before the connection is tried again.
    pub longest_pause: Duration,
    /// Shown in the broker's list of connections.
    pub name: String,
}

impl BrokerOptions {
    /// The usual options, with a queue for each of `kinds`.
    pub fn new(url: BrokerUrl, kinds: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            url,
            prefix: "vtiger".to_owned(),
            exchange: "vtiger".to_owned(),
            queue_type: QueueType::Auto,
            prefetch: 32,
            kinds: kinds.into_iter().map(Into::into).collect(),
            timeout: Duration::from_secs(10),
            heartbeat: Duration::from_secs(10),
            longest_pause: Duration::from_secs(10),
            name: format!("pugmark {}", std::process::id()),
        }
    }

    /// The queue of a kind.
    pub fn queue(&self, kind: &str) -> String {
        format!("{}.{kind}", self.prefix)
    }

    /// The exchange and the queue of what cannot be taken in.
    pub fn dead_letters(&self) -> String {
        format!("{}.dead-letter", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_never_shown() {
        let url = BrokerUrl::parse("amqp://user:s3cr%2Fet@broker:5673/crm").unwrap();
        assert_eq!(url.to_string(), "amqp://user:***@broker:5673/crm");
        assert_eq!(format!("{url:?}"), "amqp://user:***@broker:5673/crm");
        for wrong in [
            "amqp://user:s3cret@ho st/",
            "http://user:s3cret@host",
            "amqp://user:s3cret@[::1]/",
        ] {
            let said = BrokerUrl::parse(wrong).unwrap_err();
            assert!(!said.contains("s3cret"), "{said}");
        }
    }

    #[test]
    fn an_empty_virtual_host_is_the_default_one() {
        for text in ["amqp://host", "amqp://host/", "amqp://host/%2f"] {
            let uri = BrokerUrl::parse(text)
                .unwrap()
                .uri(Duration::from_secs(5))
                .unwrap();
            assert_eq!(
                (uri.vhost.as_str(), uri.query.heartbeat),
                ("/", Some(5)),
                "{text}"
            );
        }
    }
}
