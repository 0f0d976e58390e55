//! What cannot be taken in, with the reason, for people to look at.

use lapin::options::BasicPublishOptions;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation};

use super::connection::within;
use super::topology::{REASON, SOURCE, WITHHELD};
use super::{BrokerError, BrokerOptions};

const PERSISTENT: u8 = 2;
/// Longer reasons are cut: headers must fit into one frame.
const LONGEST_REASON: usize = 500;
/// Headers of the sender beyond this are left out, for the same reason.
const LARGEST_HEADERS: usize = 16 * 1024;

/// A message that will never be taken in.
pub(super) struct Rubbish {
    pub(super) reason: String,
    /// The body may hold a secret.
    pub(super) withhold: bool,
}

/// Stores a copy of the message among the dead letters; done when the broker has confirmed it.
pub(super) async fn publish(
    channel: &Channel,
    options: &BrokerOptions,
    (queue, properties, body): (&str, &BasicProperties, &[u8]),
    rubbish: &Rubbish,
) -> Result<(), BrokerError> {
    let dead = options.dead_letters();
    let body = if rubbish.withhold { &[][..] } else { body };
    let how = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let properties = labelled(properties, queue, rubbish);
    let published =
        channel.basic_publish(dead.as_str().into(), queue.into(), how, body, properties);
    let stored = async { published.await?.await };
    let confirmed = within(options.timeout, "storing a dead letter", stored)
        .await?
        .map_err(|error| BrokerError::lost(&error))?;
    match confirmed {
        Confirmation::Ack(None) => Ok(()),
        _ => Err(BrokerError::QueueGone(dead)),
    }
}

/// The sender's properties, as far as the broker takes them from somebody else: not `user_id`, which it compares with the
/// connection's, no life time, and no headers by which it would route to further queues.
fn labelled(sent: &BasicProperties, queue: &str, rubbish: &Rubbish) -> BasicProperties {
    let mut headers = FieldTable::default();
    if !rubbish.withhold
        && let Some(table) = sent.headers()
        && format!("{table:?}").len() <= LARGEST_HEADERS
    {
        for (name, value) in table.inner() {
            if !["CC", "BCC"].contains(&name.as_str()) {
                headers.insert(name.clone(), value.clone());
            }
        }
    }
    let reason: String = rubbish.reason.chars().take(LONGEST_REASON).collect();
    headers.insert(REASON.into(), AMQPValue::LongString(reason.into()));
    headers.insert(
        SOURCE.into(),
        AMQPValue::LongString(queue.to_owned().into()),
    );
    if rubbish.withhold {
        headers.insert(WITHHELD.into(), AMQPValue::Boolean(true));
    }
    let mut properties = BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_headers(headers);
    if let Some(id) = sent.message_id() {
        properties = properties.with_message_id(id.clone());
    }
    if let Some(id) = sent.correlation_id() {
        properties = properties.with_correlation_id(id.clone());
    }
    if let Some(id) = sent.app_id() {
        properties = properties.with_app_id(id.clone());
    }
    if let Some(kind) = sent.kind() {
        properties = properties.with_type(kind.clone());
    }
    if let Some(content_type) = sent.content_type() {
        properties = properties.with_content_type(content_type.clone());
    }
    properties
}
