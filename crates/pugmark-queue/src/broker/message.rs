use lapin::BasicProperties;
use lapin::message::Delivery;
use serde_json::json;

use crate::{Hint, Priority};

/// The AMQP property `type` of a wake-up.
const WAKE_UP: &str = "wake-up";
/// Not written to disk: the row is the truth.
const TRANSIENT: u8 = 1;
const JSON: &str = "application/json";

/// A message of another program.
#[derive(Clone)]
pub struct Message {
    /// The kind whose queue it came through.
    pub kind: String,
    /// Property `message_id`: the sender's name for this one message.
    pub message_id: Option<String>,
    /// Property `app_id`: the sender.
    pub app_id: Option<String>,
    /// Property `correlation_id`.
    pub correlation_id: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// Without the body, which may hold anything.
impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message")
            .field("kind", &self.kind)
            .field("message_id", &self.message_id)
            .field("app_id", &self.app_id)
            .field("correlation_id", &self.correlation_id)
            .field("bytes", &self.body.len())
            .finish()
    }
}

impl Message {
    pub(super) fn of(kind: &str, delivery: &mut Delivery) -> Self {
        let text = |property: &Option<lapin::types::ShortString>| {
            let text = property.as_ref().map(ToString::to_string);
            text.filter(|text| !text.is_empty())
        };
        let properties = &delivery.properties;
        Self {
            kind: kind.to_owned(),
            message_id: text(properties.message_id()),
            app_id: text(properties.app_id()),
            correlation_id: text(properties.correlation_id()),
            body: std::mem::take(&mut delivery.data),
        }
    }
}

/// Whether the message tells of an operation that is stored already. Whoever forges one causes a look.
pub(super) fn is_wake_up(delivery: &Delivery) -> bool {
    let kind = delivery.properties.kind();
    kind.as_ref().is_some_and(|kind| kind.as_str() == WAKE_UP)
}

/// The properties and the body of a wake-up.
pub(super) fn wake_up(hint: &Hint) -> (BasicProperties, Vec<u8>) {
    let mut properties = BasicProperties::default()
        .with_type(WAKE_UP.into())
        .with_content_type(JSON.into())
        .with_delivery_mode(TRANSIENT)
        .with_priority(rank(hint.priority));
    if let Some(id) = hint.operation {
        properties = properties.with_message_id(id.to_string().into());
    }
    // What AMQP cannot carry stands in the row.
    let correlation_id = hint.correlation_id.as_ref();
    if let Some(id) = correlation_id.filter(|id| id.len() <= usize::from(u8::MAX)) {
        properties = properties.with_correlation_id(id.as_str().into());
    }
    let body = json!({ "id": hint.operation, "kind": hint.kind }).to_string();
    (properties, body.into_bytes())
}

/// AMQP's higher number is the more urgent one.
fn rank(priority: Priority) -> u8 {
    match priority {
        Priority::Urgent => 3,
        Priority::High => 2,
        Priority::Normal => 1,
        Priority::Low => 0,
    }
}
