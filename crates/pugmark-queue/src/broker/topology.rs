//! What there has to be at the broker: exchange, queues, bindings, and a place for what cannot be taken in.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ExchangeKind};

use super::connection::{Connected, within};
use super::error::is_not_found;
use super::{BrokerError, BrokerOptions, QueueType};

/// Header of a dead letter: why it is one.
pub const REASON: &str = "x-pugmark-reason";
/// Header of a dead letter: the queue it came through.
pub const SOURCE: &str = "x-pugmark-queue";
/// Header of a dead letter: `true` where the body was left out because it may hold a secret.
pub const WITHHELD: &str = "x-pugmark-withheld";

/// Priorities of messages in classic queues: 0 to 3.
const MOST_URGENT: u8 = 3;

/// Declares everything, and leaves what is there already as it is.
pub(super) async fn declare(
    connected: &Connected,
    options: &BrokerOptions,
) -> Result<(), BrokerError> {
    let dead = options.dead_letters();
    let mut declaring = Declaring {
        connected,
        options,
        channel: connected.channel().await?,
    };
    declaring
        .exchange(&options.exchange, ExchangeKind::Direct)
        .await?;
    declaring.exchange(&dead, ExchangeKind::Fanout).await?;
    declaring.queue(&dead, false).await?;
    declaring.bind(&dead, &dead, "").await?;
    for kind in &options.kinds {
        let queue = options.queue(kind);
        declaring.queue(&queue, true).await?;
        declaring.bind(&queue, &options.exchange, kind).await?;
    }
    Ok(())
}

struct Declaring<'a> {
    connected: &'a Connected,
    options: &'a BrokerOptions,
    channel: Channel,
}

impl Declaring<'_> {
    async fn exchange(&mut self, name: &str, kind: ExchangeKind) -> Result<(), BrokerError> {
        let options = ExchangeDeclareOptions {
            durable: true,
            ..ExchangeDeclareOptions::default()
        };
        let declared =
            self.channel
                .exchange_declare(name.into(), kind, options, FieldTable::default());
        within(self.options.timeout, "declaring an exchange", declared)
            .await?
            .map_err(|error| BrokerError::declaring(name, &error))
    }

    async fn bind(&mut self, queue: &str, exchange: &str, key: &str) -> Result<(), BrokerError> {
        let bound = self.channel.queue_bind(
            queue.into(),
            exchange.into(),
            key.into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        within(self.options.timeout, "binding a queue", bound)
            .await?
            .map_err(|error| BrokerError::declaring(queue, &error))
    }

    /// `letters`: what the broker itself gives up on goes to the dead letters.
    async fn queue(&mut self, name: &str, letters: bool) -> Result<(), BrokerError> {
        match self.options.queue_type {
            QueueType::Classic => self.queue_of("classic", name, letters).await,
            QueueType::Quorum => self.queue_of("quorum", name, letters).await,
            QueueType::Auto => match self.queue_of("quorum", name, letters).await {
                Err(BrokerError::Differs { .. }) => self.whatever_there_is(name, letters).await,
                other => other,
            },
        }
    }

    /// A quorum queue was refused: the broker does not know these, or the queue exists in another form.
    async fn whatever_there_is(&mut self, name: &str, letters: bool) -> Result<(), BrokerError> {
        self.channel = self.connected.channel().await?;
        let looked = inspect(&self.channel, name);
        match within(self.options.timeout, "looking at a queue", looked).await? {
            Ok(_) => Ok(()),
            Err(error) if is_not_found(&error) => {
                self.channel = self.connected.channel().await?;
                self.queue_of("classic", name, letters).await
            }
            Err(error) => Err(BrokerError::declaring(name, &error)),
        }
    }

    async fn queue_of(
        &mut self,
        queue_type: &str,
        name: &str,
        letters: bool,
    ) -> Result<(), BrokerError> {
        let text = |text: String| AMQPValue::LongString(text.into());
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), text(queue_type.to_owned()));
        if letters {
            let dead = self.options.dead_letters();
            arguments.insert("x-dead-letter-exchange".into(), text(dead));
        }
        // Quorum queues refuse the argument.
        if letters && queue_type == "classic" {
            let most = AMQPValue::ShortShortUInt(MOST_URGENT);
            arguments.insert("x-max-priority".into(), most);
        }
        let options = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        let declared = self.channel.queue_declare(name.into(), options, arguments);
        within(self.options.timeout, "declaring a queue", declared)
            .await?
            .map(drop)
            .map_err(|error| BrokerError::declaring(name, &error))
    }
}

/// Asks about a queue without making it. Closes the channel when there is none.
pub(super) async fn inspect(channel: &Channel, name: &str) -> lapin::Result<lapin::Queue> {
    let options = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    channel
        .queue_declare(name.into(), options, FieldTable::default())
        .await
}
