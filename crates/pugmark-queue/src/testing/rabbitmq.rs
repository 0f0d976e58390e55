//! A corner of a RabbitMQ server for one test, and a line to it that can be cut.

use std::net::SocketAddr;
use std::sync::Arc;

use lapin::message::Delivery;
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeleteOptions,
    QueueDeleteOptions,
};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::{REQUIRE, block_on, must};
use crate::broker::{BrokerOptions, BrokerUrl, QueueType};

/// Names the RabbitMQ server that tests may make queues on.
pub const RABBITMQ_URL: &str = "PUGMARK_TEST_RABBITMQ_URL";

/// Names of queues and exchanges that no other test uses; removed when dropped.
pub struct TestBroker {
    url: String,
    prefix: String,
    kinds: Vec<String>,
}

impl TestBroker {
    /// On the server named by [`RABBITMQ_URL`], for operations of these kinds; `None`, with a line on standard error, where none
    /// is named.
    ///
    /// # Panics
    /// When none is named although [`REQUIRE`] lists `rabbitmq`.
    pub fn new(kinds: &[&str]) -> Option<Self> {
        let Ok(url) = std::env::var(RABBITMQ_URL) else {
            let required = std::env::var(REQUIRE).unwrap_or_default();
            assert!(
                !required.split(',').any(|word| word.trim() == "rabbitmq"),
                "{RABBITMQ_URL} is not set"
            );
            eprintln!("left out: {RABBITMQ_URL} is not set");
            return None;
        };
        Some(Self {
            url,
            prefix: format!("pugmark_test_{}", uuid::Uuid::now_v7().simple()),
            kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        })
    }

    /// Where the server is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Begins the names of the queues; also the name of the exchange.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Options for a broker in this corner.
    pub fn options(&self) -> BrokerOptions {
        self.options_at(&self.url)
    }

    /// The same, at another address.
    ///
    /// # Panics
    /// When the address is none.
    pub fn options_at(&self, url: &str) -> BrokerOptions {
        BrokerOptions {
            prefix: self.prefix.clone(),
            exchange: self.prefix.clone(),
            // Quicker to make than quorum queues.
            queue_type: QueueType::Classic,
            longest_pause: std::time::Duration::from_millis(500),
            ..BrokerOptions::new(must(BrokerUrl::parse(url)), self.kinds.clone())
        }
    }

    /// A channel on a connection of its own, straight to the server, to do what others do.
    ///
    /// # Panics
    /// When there is no connection.
    pub async fn channel(&self) -> Channel {
        channel(&self.url).await
    }

    /// Takes the next message out of the queue of `kind` (or `dead-letter`), if there is one.
    ///
    /// # Panics
    /// When there is no such queue.
    pub async fn get(&self, kind: &str) -> Option<Delivery> {
        let channel = self.channel().await;
        let how = BasicGetOptions { no_ack: true };
        must(channel.basic_get(self.queue(kind).into(), how).await).map(|message| message.delivery)
    }

    /// Hands a message in at the queue of `kind`, as another program would; done when the server has it.
    ///
    /// # Panics
    /// When the server does not take it.
    pub async fn send(&self, kind: &str, body: &[u8], properties: BasicProperties) {
        let channel = self.channel().await;
        must(
            channel
                .confirm_select(ConfirmSelectOptions::default())
                .await,
        );
        let how = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let queue = self.queue(kind).into();
        let sent = channel.basic_publish("".into(), queue, how, body, properties);
        let confirmed = must(must(sent.await).await);
        assert_eq!(confirmed, Confirmation::Ack(None), "there is no such queue");
    }

    /// Deletes the queue of `kind` (or `dead-letter`).
    ///
    /// # Panics
    /// When the server does not answer.
    pub async fn delete(&self, kind: &str) {
        delete_queue(&self.channel().await, &self.queue(kind)).await;
    }

    fn queue(&self, kind: &str) -> String {
        format!("{}.{kind}", self.prefix)
    }
}

async fn channel(url: &str) -> Channel {
    let connection = must(Connection::connect(url, ConnectionProperties::default()).await);
    must(connection.create_channel().await)
}

async fn delete_queue(channel: &Channel, queue: &str) {
    let deleted = channel.queue_delete(queue.into(), QueueDeleteOptions::default());
    must(deleted.await);
}

async fn remove(url: String, queues: Vec<String>, exchanges: [String; 2]) {
    let channel = channel(&url).await;
    for queue in queues {
        delete_queue(&channel, &queue).await;
    }
    for exchange in exchanges {
        let deleted = channel.exchange_delete(exchange.into(), ExchangeDeleteOptions::default());
        must(deleted.await);
    }
}

impl Drop for TestBroker {
    fn drop(&mut self) {
        let dead = "dead-letter".to_owned();
        let queues = self
            .kinds
            .iter()
            .chain([&dead])
            .map(|kind| self.queue(kind));
        let queues = queues.collect();
        let exchanges = [self.prefix.clone(), self.queue(&dead)];
        let url = self.url.clone();
        // Dropping happens inside a test's runtime, which must not be blocked on.
        let removed = std::thread::spawn(move || block_on(remove(url, queues, exchanges)));
        if removed.join().is_err() {
            eprintln!("the queues of a test could not be removed");
        }
    }
}

/// A line to a server that can be cut and mended.
pub struct Line {
    address: SocketAddr,
    whole: watch::Sender<bool>,
}

impl Line {
    /// A line to the server at this address.
    ///
    /// # Panics
    /// When the address names no host, or no port is free.
    pub async fn to(url: &str) -> Self {
        let target = target(url);
        let listener = must(TcpListener::bind("127.0.0.1:0").await);
        let line = Self {
            address: must(listener.local_addr()),
            whole: watch::Sender::new(true),
        };
        tokio::spawn(serve(listener, target, line.whole.subscribe()));
        line
    }

    /// `url` over this line.
    ///
    /// # Panics
    /// When it names no host.
    pub fn over(&self, url: &str) -> String {
        url.replacen(&target(url), &self.address.to_string(), 1)
    }

    /// Cuts every connection, and every new one too, as a server does that is away.
    pub fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.whole.send_replace(true);
    }
}

/// Host and port of an address.
fn target(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    host.to_owned()
}

async fn serve(listener: TcpListener, target: String, whole: watch::Receiver<bool>) {
    let target: Arc<str> = match target.contains(':') {
        true => target.into(),
        false => format!("{target}:5672").into(),
    };
    while let Ok((near, _)) = listener.accept().await {
        let (target, mut whole) = (target.clone(), whole.clone());
        tokio::spawn(async move {
            if !*whole.borrow() {
                return;
            }
            tokio::select! {
                _ = carry(near, &target) => {}
                _ = whole.wait_for(|whole| !whole) => {}
            }
        });
    }
}

async fn carry(mut near: TcpStream, target: &str) -> std::io::Result<()> {
    let mut far = TcpStream::connect(target).await?;
    tokio::io::copy_bidirectional(&mut near, &mut far).await?;
    Ok(())
}
