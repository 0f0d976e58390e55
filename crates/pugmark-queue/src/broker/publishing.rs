//! Wake-ups on their way out.

use std::collections::VecDeque;
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{Channel, Confirmation, PublisherConfirm};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::connection::{Again, Connected};
use super::state::Side;
use super::{Broker, BrokerError, message, topology};
use crate::Hint;

/// So many wake-ups may be unconfirmed.
const WINDOW: usize = 256;

/// A wake-up that the broker has not confirmed yet.
struct Unconfirmed {
    hint: Hint,
    confirm: PublisherConfirm,
    until: Instant,
}

pub(super) async fn run(broker: &Broker, cancelled: &CancellationToken) {
    let longest = broker.options.longest_pause;
    let mut again = Again::new(&broker.states, Side::Publishing, longest, cancelled);
    loop {
        let mut window = VecDeque::with_capacity(WINDOW);
        let ended = session(broker, &mut window, cancelled).await;
        // What was not confirmed may not have arrived, and what waits is old by the time somebody hears of it.
        broker
            .wakes
            .fold(window.into_iter().map(|unconfirmed| unconfirmed.hint));
        let Err(error) = ended else { return };
        if !again.after(error).await {
            return;
        }
    }
}

/// Ends well only when cancelled.
async fn session(
    broker: &Broker,
    window: &mut VecDeque<Unconfirmed>,
    cancelled: &CancellationToken,
) -> Result<(), BrokerError> {
    let options = &broker.options;
    let opened = tokio::select! {
        opened = open(broker) => opened?,
        () = cancelled.cancelled() => return Ok(()),
    };
    let (mut connected, channel) = opened;
    broker.states.up(Side::Publishing);
    tracing::info!(broker = %options.url, "wake-ups go through RabbitMQ");
    loop {
        tokio::select! {
            () = cancelled.cancelled() => {
                connected.close().await;
                return Ok(());
            }
            error = connected.lost(&broker.states, Side::Publishing) => return Err(error),
            confirmed = confirmation(window, options.timeout), if !window.is_empty() => {
                confirmed?;
                window.pop_front();
            }
            hint = broker.wakes.next(), if window.len() < WINDOW => {
                let confirm = publish(broker, &connected, &channel, &hint).await;
                match confirm {
                    Ok(confirm) => window.push_back(Unconfirmed { hint, confirm, until: Instant::now() + options.timeout }),
                    Err(error) => {
                        broker.wakes.fold([hint]);
                        return Err(error);
                    }
                }
            }
        }
    }
}

async fn open(broker: &Broker) -> Result<(Connected, Channel), BrokerError> {
    let connected = Connected::open(&broker.options, "publishing").await?;
    topology::declare(&connected, &broker.options).await?;
    let channel = connected.channel().await?;
    let confirms = channel.confirm_select(ConfirmSelectOptions::default());
    connected.answer("asking for confirms", confirms).await?;
    Ok((connected, channel))
}

async fn publish(
    broker: &Broker,
    connected: &Connected,
    channel: &Channel,
    hint: &Hint,
) -> Result<PublisherConfirm, BrokerError> {
    let (properties, body) = message::wake_up(hint);
    // Returned when the queue is gone, instead of vanishing.
    let options = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let exchange = broker.options.exchange.as_str().into();
    let key = hint.kind.as_str().into();
    let published = channel.basic_publish(exchange, key, options, &body, properties);
    connected.answer("publishing", published).await
}

/// Waits until the oldest wake-up is confirmed. May be dropped and asked again.
async fn confirmation(
    window: &mut VecDeque<Unconfirmed>,
    timeout: Duration,
) -> Result<(), BrokerError> {
    let Some(oldest) = window.front_mut() else {
        return std::future::pending().await;
    };
    let confirmed = tokio::time::timeout_at(oldest.until, &mut oldest.confirm)
        .await
        .map_err(|_| BrokerError::TimedOut(timeout, "confirming a wake-up"))?
        .map_err(|error| BrokerError::lost(&error))?;
    match confirmed {
        Confirmation::Ack(None) | Confirmation::NotRequested => Ok(()),
        // No queue takes it, or not now: everything is declared again.
        Confirmation::Ack(Some(_)) | Confirmation::Nack(_) => {
            Err(BrokerError::QueueGone(oldest.hint.kind.clone()))
        }
    }
}
