//! What a person asks the broker, without changing anything there.

use super::connection::{Connected, within};
use super::error::is_not_found;
use super::{BrokerError, BrokerOptions, topology};

/// A queue as it stands at the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundQueue {
    /// Its name.
    pub name: String,
    /// Messages that wait.
    pub messages: u32,
    /// Who consumes it.
    pub consumers: u32,
}

/// What there is at the broker.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// The queues of the kinds.
    pub queues: Vec<FoundQueue>,
    /// Names of queues that do not exist yet.
    pub missing: Vec<String>,
    /// Messages that could not be taken in.
    pub dead_letters: u32,
}

/// Connects and looks at every queue. Declares nothing.
///
/// # Errors
/// What keeps the broker from being used.
pub async fn look(options: &BrokerOptions) -> Result<Found, BrokerError> {
    let connected = Connected::open(options, "looking").await?;
    let dead = options.dead_letters();
    let mut found = Found::default();
    for kind in &options.kinds {
        let name = options.queue(kind);
        match queue(&connected, options, &name).await? {
            Some(queue) => found.queues.push(queue),
            None => found.missing.push(name),
        }
    }
    match queue(&connected, options, &dead).await? {
        Some(queue) => found.dead_letters = queue.messages,
        None => found.missing.push(dead),
    }
    connected.close().await;
    Ok(found)
}

async fn queue(
    connected: &Connected,
    options: &BrokerOptions,
    name: &str,
) -> Result<Option<FoundQueue>, BrokerError> {
    let channel = connected.channel().await?;
    let asked = topology::inspect(&channel, name);
    match within(options.timeout, "looking at a queue", asked).await? {
        Ok(queue) => Ok(Some(FoundQueue {
            name: name.to_owned(),
            messages: queue.message_count(),
            consumers: queue.consumer_count(),
        })),
        Err(error) if is_not_found(&error) => Ok(None),
        Err(error) => Err(BrokerError::declaring(name, &error)),
    }
}
