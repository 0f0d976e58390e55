//! What the operator chooses for RabbitMQ.

use pugmark_queue::broker::{BrokerUrl, QueueType};
use serde::Deserialize;

use super::{ConfigProblem, sources};

/// The form of the queues, as settings write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum QueueTypeWord {
    Auto,
    Classic,
    Quorum,
}

/// Settings of RabbitMQ.
#[derive(Debug, Clone)]
pub struct Rabbitmq {
    /// Where it is. Shows no password.
    pub url: BrokerUrl,
    /// The form of the queues.
    pub queue_type: QueueType,
    /// Begins the names of the queues.
    pub prefix: String,
    /// The exchange.
    pub exchange: String,
    /// Messages that may be unacknowledged per queue and process.
    pub prefetch: u16,
}

/// Checks these settings; `None` where no broker is named.
pub(super) fn check(
    file: &sources::RabbitmqFile,
    problems: &mut Vec<ConfigProblem>,
) -> Option<Rabbitmq> {
    if file.url.trim().is_empty() {
        return None;
    }
    check_name("rabbitmq.prefix", &file.prefix, problems);
    check_name("rabbitmq.exchange", &file.exchange, problems);
    if file.prefetch == 0 {
        problems.push(ConfigProblem::new(
            "rabbitmq.prefetch",
            "is 0, which RabbitMQ takes for any number",
            "Use 1 or more; the default is 32",
        ));
    }
    let url = BrokerUrl::parse(&file.url).map_err(|what| {
        problems.push(ConfigProblem::new(
            "RABBITMQ_URL",
            what,
            "Write it like amqp://user:password@host:5672/vhost, with %2f for the virtual host /; amqps:// for TLS",
        ));
    });
    Some(Rabbitmq {
        url: url.ok()?,
        queue_type: match file.queue_type {
            QueueTypeWord::Auto => QueueType::Auto,
            QueueTypeWord::Classic => QueueType::Classic,
            QueueTypeWord::Quorum => QueueType::Quorum,
        },
        prefix: file.prefix.trim().to_owned(),
        exchange: file.exchange.trim().to_owned(),
        prefetch: file.prefetch,
    })
}

/// Names at RabbitMQ have up to 255 bytes; a kind and a dot come behind the prefix. Those that begin with `amq.` are its own.
fn check_name(setting: &str, name: &str, problems: &mut Vec<ConfigProblem>) {
    let name = name.trim();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    if name.is_empty() || name.len() > 200 || !name.bytes().all(plain) || name.starts_with("amq.") {
        problems.push(ConfigProblem::new(
            setting,
            format!("`{name}` is no name for something at RabbitMQ"),
            "Use up to 200 letters, digits, dots, colons, dashes and underscores, not beginning with amq.",
        ));
    }
}
