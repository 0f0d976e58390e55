//! Pugmark with a real RabbitMQ.

mod doctor;
mod messages;
mod processes;
mod status;

use pugmark::broker;
use pugmark::config::Rabbitmq;
use pugmark::flows::insurance::plan::KINDS;
use pugmark_queue::broker::{BrokerOptions, BrokerUrl, Found, QueueType, look};
use pugmark_queue::testing::TestBroker;
use pugmark_queue::testing::lapin::BasicProperties;
use pugmark_queue::testing::lapin::types::FieldTable;

use crate::harness::{World, eventually};

/// Makes `mod sqlite` and `mod postgres`, each with a test for every case named. A case takes a [`Site`].
macro_rules! with_a_broker {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $case() {
                    if let Some(site) = $crate::rabbitmq::Site::sqlite().await {
                        super::$case(site).await;
                    }
                }
            )+
        }
        mod postgres {
            $(
                #[tokio::test]
                async fn $case() {
                    if let Some(site) = $crate::rabbitmq::Site::postgres().await {
                        super::$case(site).await;
                    }
                }
            )+
        }
    };
}
pub(crate) use with_a_broker;

/// A world and a corner of the broker.
pub(crate) struct Site {
    broker: TestBroker,
    world: World,
}

impl Site {
    pub(crate) async fn sqlite() -> Option<Self> {
        let broker = TestBroker::new(&KINDS)?;
        Some(Self::of(broker, World::sqlite().await))
    }

    pub(crate) async fn postgres() -> Option<Self> {
        let broker = TestBroker::new(&KINDS)?;
        let world = World::postgres().await?;
        Some(Self::of(broker, world))
    }

    fn of(broker: TestBroker, mut world: World) -> Self {
        let url = broker.url().to_owned();
        world.settings.rabbitmq = Some(settings(&broker, &url));
        Self { broker, world }
    }

    /// The broker's options as the program has them.
    fn options(&self) -> BrokerOptions {
        broker::options(self.world.settings.rabbitmq.as_ref().expect("configured"))
    }

    /// What is at the broker.
    async fn found(&self) -> Found {
        look(&self.options()).await.expect("the broker answers")
    }

    /// Messages that wait, and workers, at the queue of `kind`.
    async fn at(&self, kind: &str) -> (u32, u32) {
        let name = self.options().queue(kind);
        let mut queues = self.found().await.queues.into_iter();
        let queue = queues.find(|queue| queue.name == name);
        queue.map_or((0, 0), |queue| (queue.messages, queue.consumers))
    }

    /// Waits until a worker takes messages.
    async fn wait_for_consumer(&self) {
        eventually("a worker at every queue", || async {
            let found = self.found().await;
            let served = found.queues.iter().all(|queue| queue.consumers > 0);
            (found.missing.is_empty() && served).then_some(())
        })
        .await;
    }

    /// Reason and body of the next dead letter.
    async fn dead_letter(&self) -> (FieldTable, Vec<u8>) {
        let letter = eventually("a dead letter", || self.broker.get("dead-letter")).await;
        (
            letter.properties.headers().clone().expect("headers"),
            letter.data,
        )
    }
}

pub(crate) fn settings(broker: &TestBroker, url: &str) -> Rabbitmq {
    Rabbitmq {
        url: BrokerUrl::parse(url).expect("an address"),
        queue_type: QueueType::Classic,
        prefix: broker.prefix().to_owned(),
        exchange: broker.prefix().to_owned(),
        prefetch: 8,
    }
}

/// A message by its name, from the insurer's API.
fn named(id: &str) -> BasicProperties {
    BasicProperties::default()
        .with_message_id(id.into())
        .with_app_id("microbima".into())
        .with_correlation_id("request-7".into())
}

/// Where nobody listens, with a password that must not be shown.
async fn nobody() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    format!("amqp://pugmark:very-secret@{address}/%2f")
}
