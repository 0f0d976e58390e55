//! Messages on their way in: wake-ups, and operations of other programs.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, ConfirmSelectOptions};
use lapin::types::FieldTable;
use lapin::{Acker, Channel, Consumer};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::connection::{Again, Connected};
use super::dead_letters::{self, Rubbish};
use super::intake::{Intake, NotTaken};
use super::state::Side;
use super::{Broker, BrokerError, Message, message, topology};

/// A body beyond this is rubbish: no operation needs so much.
const LARGEST: usize = 256 * 1024;
/// How soon a message is tried again that could not be stored; doubles up to [`LONGEST_RETRY`].
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(5);

pub(super) async fn run(broker: &Broker, intake: Arc<dyn Intake>, cancelled: &CancellationToken) {
    let longest = broker.options.longest_pause;
    let mut again = Again::new(&broker.states, Side::Consuming, longest, cancelled);
    while let Err(error) = session(broker, &intake, cancelled).await {
        if !again.after(error).await {
            return;
        }
    }
}

/// Ends well only when cancelled.
async fn session(
    broker: &Broker,
    intake: &Arc<dyn Intake>,
    cancelled: &CancellationToken,
) -> Result<(), BrokerError> {
    let opened = tokio::select! {
        opened = open(broker, intake) => opened?,
        () = cancelled.cancelled() => return Ok(()),
    };
    let (mut connected, inlets) = opened;
    let mut running = JoinSet::new();
    for inlet in inlets {
        running.spawn(inlet.run());
    }
    broker.states.up(Side::Consuming);
    // Whatever was said while nobody listened.
    broker.wakes.look();
    let ended = tokio::select! {
        () = cancelled.cancelled() => Ok(()),
        error = connected.lost(&broker.states, Side::Consuming) => Err(error),
        Some(ended) = running.join_next() => Err(why(ended)),
    };
    running.shutdown().await;
    connected.close().await;
    ended
}

fn why(ended: Result<BrokerError, tokio::task::JoinError>) -> BrokerError {
    ended.unwrap_or_else(|error| {
        tracing::error!(%error, "taking in a message ended abnormally");
        BrokerError::Lost("taking in a message ended abnormally".to_owned())
    })
}

async fn open(
    broker: &Broker,
    intake: &Arc<dyn Intake>,
) -> Result<(Connected, Vec<Inlet>), BrokerError> {
    let connected = Connected::open(&broker.options, "consuming").await?;
    topology::declare(&connected, &broker.options).await?;
    let mut inlets = Vec::with_capacity(broker.options.kinds.len());
    for kind in &broker.options.kinds {
        let queue = broker.options.queue(kind);
        // Each queue has a channel of its own: a prefetch of its own, and none waits for another.
        let channel = connected.channel().await?;
        let qos = channel.basic_qos(broker.options.prefetch, BasicQosOptions::default());
        connected.answer("setting the prefetch", qos).await?;
        let confirms = channel.confirm_select(ConfirmSelectOptions::default());
        connected.answer("asking for confirms", confirms).await?;
        let consumed = channel.basic_consume(
            queue.as_str().into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let consumer = connected.answer("consuming", consumed).await?;
        inlets.push(Inlet {
            broker: broker.clone(),
            intake: intake.clone(),
            kind: kind.clone(),
            queue,
            channel,
            consumer,
            pending: VecDeque::new(),
        });
    }
    Ok((connected, inlets))
}

/// One queue, as it is consumed.
struct Inlet {
    broker: Broker,
    intake: Arc<dyn Intake>,
    kind: String,
    queue: String,
    channel: Channel,
    consumer: Consumer,
    /// Wake-ups that are acknowledged once a look has reached their mark.
    pending: VecDeque<(u64, Acker)>,
}

impl Inlet {
    async fn run(mut self) -> BrokerError {
        let mut looks = self.broker.wakes.looks(&self.kind);
        loop {
            if let Err(error) = self.turn(&mut looks).await {
                return error;
            }
        }
    }

    async fn turn(&mut self, looks: &mut watch::Receiver<u64>) -> Result<(), BrokerError> {
        let seen = *looks.borrow_and_update();
        self.acknowledge(seen).await?;
        let delivery = tokio::select! {
            // Its sender lives as long as the broker that this holds.
            _ = looks.changed(), if !self.pending.is_empty() => return Ok(()),
            delivery = self.consumer.next() => delivery,
        };
        match delivery {
            Some(Ok(delivery)) => self.receive(delivery).await,
            Some(Err(error)) => Err(BrokerError::lost(&error)),
            None => Err(BrokerError::QueueGone(self.queue.clone())),
        }
    }

    async fn receive(&mut self, delivery: Delivery) -> Result<(), BrokerError> {
        if message::is_wake_up(&delivery) {
            let mark = self.broker.wakes.came(&self.kind);
            self.pending.push_back((mark, delivery.acker));
            return Ok(());
        }
        self.take(delivery).await
    }

    async fn acknowledge(&mut self, seen: u64) -> Result<(), BrokerError> {
        while let Some((_, acker)) = self.pending.pop_front_if(|(mark, _)| *mark <= seen) {
            ack(&acker).await?;
        }
        Ok(())
    }

    async fn take(&self, mut delivery: Delivery) -> Result<(), BrokerError> {
        let message = Message::of(&self.kind, &mut delivery);
        if let Some(rubbish) = self.judge(&message).await {
            tracing::warn!(
                queue = self.queue,
                message_id = message.message_id,
                reason = rubbish.reason,
                "a message goes to the dead letters"
            );
            let options = &self.broker.options;
            let letter = dead_letters::publish(
                &self.channel,
                options,
                (&self.queue, &delivery.properties, &message.body),
                &rubbish,
            );
            letter.await?;
        }
        // Stored here, or stored there: only now may the broker forget it.
        ack(&delivery.acker).await
    }

    /// Takes the message in, however long that takes; what can never be taken in is rubbish.
    async fn judge(&self, message: &Message) -> Option<Rubbish> {
        if message.body.len() > LARGEST {
            return Some(Rubbish {
                reason: format!("the body is larger than {LARGEST} bytes"),
                withhold: true,
            });
        }
        let mut pause = FIRST_RETRY;
        loop {
            match self.intake.take(message).await {
                Ok(()) => return None,
                Err(NotTaken::Rubbish { reason, withhold }) => {
                    return Some(Rubbish { reason, withhold });
                }
                Err(NotTaken::Later(why)) => {
                    tracing::warn!(queue = self.queue, message_id = message.message_id, %why, "a message is stored again in a moment");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_RETRY);
                }
            }
        }
    }
}

async fn ack(acker: &Acker) -> Result<(), BrokerError> {
    acker
        .ack(BasicAckOptions::default())
        .await
        .map(drop)
        .map_err(|error| BrokerError::lost(&error))
}
