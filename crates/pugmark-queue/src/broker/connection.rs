//! One connection, made again for as long as the program runs.

use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::time::Duration;

use futures::{Stream, StreamExt};
use lapin::{Channel, ConnectionProperties, Event};
use rand::RngExt;
use tokio_util::sync::CancellationToken;

use super::state::{Side, States};
use super::{BrokerError, BrokerOptions};

/// How soon the connection is tried again for the first time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// How often is looked whether a connection still stands that reports nothing.
const CHECK: Duration = Duration::from_secs(1);
/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// A connection that stands, or did a moment ago.
pub(super) struct Connected {
    connection: lapin::Connection,
    /// Locked by nobody: so that the connection can be shared, which the stream alone could not.
    events: Mutex<Pin<Box<dyn Stream<Item = Event> + Send>>>,
    timeout: Duration,
}

impl Connected {
    /// Connects, within the time there is.
    pub(super) async fn open(options: &BrokerOptions, purpose: &str) -> Result<Self, BrokerError> {
        let uri = options
            .url
            .uri(options.heartbeat)
            .map_err(BrokerError::Url)?;
        let name = format!("{} {purpose}", options.name);
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let connecting = lapin::Connection::connect_uri(uri, properties);
        let connection = within(options.timeout, "connecting", connecting)
            .await?
            .map_err(|error| BrokerError::connecting(&error))?;
        let events = Mutex::new(Box::pin(connection.events_listener()) as _);
        Ok(Self {
            connection,
            events,
            timeout: options.timeout,
        })
    }

    /// A channel of its own, for an error closes the channel on which it happens.
    pub(super) async fn channel(&self) -> Result<Channel, BrokerError> {
        self.answer("opening a channel", self.connection.create_channel())
            .await
    }

    /// Waits for an answer of the broker, within the time there is.
    pub(super) async fn answer<T>(
        &self,
        what: &'static str,
        asked: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T, BrokerError> {
        within(self.timeout, what, asked)
            .await?
            .map_err(|error| BrokerError::lost(&error))
    }

    /// Waits until the connection is lost, and notes when the broker blocks it.
    pub(super) async fn lost(&mut self, states: &States, side: Side) -> BrokerError {
        let mut check = tokio::time::interval(CHECK);
        let events = self
            .events
            .get_mut()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                _ = check.tick() => None,
            };
            match event {
                Some(Event::Error(error)) => return BrokerError::lost(&error),
                Some(Event::ConnectionBlocked(why)) => states.blocked(side, Some(why)),
                Some(Event::ConnectionUnblocked) => states.blocked(side, None),
                _ if !self.connection.status().connected() => {
                    return BrokerError::Lost("it was closed".to_owned());
                }
                _ => {}
            }
        }
    }

    /// Says goodbye, so that the broker hands what is unacknowledged to others at once.
    pub(super) async fn close(&self) {
        let farewell = self.connection.close(200, "stopping".into());
        match tokio::time::timeout(FAREWELL, farewell).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(%error, "the connection to the broker was not closed in order")
            }
            Err(_) => tracing::debug!("the broker did not answer the farewell"),
        }
    }
}

/// Waits for `work`, but no longer than this.
pub(super) async fn within<T>(
    timeout: Duration,
    what: &'static str,
    work: impl Future<Output = T>,
) -> Result<T, BrokerError> {
    tokio::time::timeout(timeout, work)
        .await
        .map_err(|_| BrokerError::TimedOut(timeout, what))
}

/// The pauses between one connection and the next, which grow while none comes up.
pub(super) struct Again<'a> {
    states: &'a States,
    side: Side,
    pause: Duration,
    longest: Duration,
    cancelled: &'a CancellationToken,
}

impl<'a> Again<'a> {
    pub(super) fn new(
        states: &'a States,
        side: Side,
        longest: Duration,
        cancelled: &'a CancellationToken,
    ) -> Self {
        Self {
            states,
            side,
            pause: FIRST_PAUSE,
            longest: longest.max(FIRST_PAUSE),
            cancelled,
        }
    }

    /// Notes why there is no connection, and waits. `false` when cancelled.
    pub(super) async fn after(&mut self, error: BrokerError) -> bool {
        if self.states.is_up(self.side) {
            self.pause = FIRST_PAUSE;
        }
        if self.states.down(self.side, error.clone()) {
            tracing::warn!(%error, side = ?self.side, "RabbitMQ is not used for the moment: work is found by looking, and the connection is tried again");
        }
        let jittered = self.pause.mul_f64(0.5 + rand::rng().random::<f64>() / 2.0);
        self.pause = (self.pause * 2).min(self.longest);
        tokio::select! {
            () = self.cancelled.cancelled() => false,
            () = tokio::time::sleep(jittered) => true,
        }
    }
}
