//! Wake-ups between processes through RabbitMQ (AMQP 0-9-1), and operations that other programs hand in there.
//!
//! The row is the truth, and a message is a hint: one that is lost, repeated, late or out of order changes nothing but the delay,
//! because workers look by themselves from time to time. So nothing here ever blocks or fails the caller who stores an
//! operation, and a broker that is away costs no more than that delay.
//!
//! * **Wake-ups** are published after the commit, in a pipelined window of publisher confirms, to a durable queue per kind
//!   (`<prefix>.<kind>`). They carry ids only, and are not persistent: after a restart of the broker every process looks anyway.
//! * **What an acknowledged wake-up means**: a [`Worker`](crate::Worker) of the consuming process has looked for work since the
//!   message came, and its claim is committed. It does not mean that this very operation was claimed: it may not be due, its lane
//!   may be busy, more urgent ones may have taken the place. A worker with no hand free does not look, so its messages stay
//!   unacknowledged, and as many as `prefetch` per queue; what is beyond them goes to other processes.
//! * **Operations of other programs** come through the same queues. [`Intake`] stores them, and only then are they acknowledged.
//!   What can never be taken in goes to the dead-letter queue with the reason in a header.
//! * **Two connections**, one to publish and one to consume, because a broker short of memory stops reading from those who
//!   publish. Each is made again with a growing pause for as long as the program runs, and declares the topology each time.

mod connection;
mod consuming;
mod dead_letters;
mod error;
mod intake;
mod look;
mod message;
mod options;
mod publishing;
mod state;
mod topology;
mod wakes;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use error::BrokerError;
pub use intake::{Intake, NotTaken};
pub use look::{Found, FoundQueue, look};
pub use message::Message;
pub use options::{BrokerOptions, BrokerUrl, QueueType};
pub use state::{BrokerState, Link};
pub use topology::{REASON, SOURCE, WITHHELD};

use crate::Waker;
use state::States;
use wakes::Wakes;

/// A broker, as this process uses it. Cloning is cheap; nothing happens before [`run`](Self::run).
#[derive(Clone)]
pub struct Broker {
    options: Arc<BrokerOptions>,
    wakes: Arc<Wakes>,
    states: Arc<States>,
}

impl Broker {
    /// A broker with these options.
    pub fn new(options: BrokerOptions) -> Self {
        Self {
            wakes: Arc::new(Wakes::new(&options.kinds)),
            states: Arc::new(States::new()),
            options: Arc::new(options),
        }
    }

    /// Wakes the workers of this process at once, and those of others through the broker. For
    /// [`QueueOptions::waker`](crate::QueueOptions::waker).
    pub fn waker(&self) -> Arc<dyn Waker> {
        self.wakes.waker(&[])
    }

    /// The same for a second worker of this process that carries out these kinds alone, on a handle of its own: a hint that one
    /// worker takes would be lost to the other. To be asked for before [`run`](Self::run), and once for each such worker.
    pub fn waker_of(&self, kinds: &[&str]) -> Arc<dyn Waker> {
        self.wakes.waker(kinds)
    }

    /// How the connections stand now.
    pub fn state(&self) -> BrokerState {
        self.states.now()
    }

    /// Waits until the state is as `wanted`.
    pub async fn until(&self, wanted: impl Fn(&BrokerState) -> bool) -> BrokerState {
        self.states.until(wanted).await
    }

    /// Publishes wake-ups, and with an `intake` consumes too, until cancelled. Consuming is for processes with a
    /// [`Worker`](crate::Worker) on the queue that has [`waker`](Self::waker): nobody else would ever look.
    pub async fn run(self, intake: Option<Arc<dyn Intake>>, cancelled: CancellationToken) {
        if intake.is_some() {
            self.states.consumes();
        }
        let consuming = async {
            if let Some(intake) = intake {
                consuming::run(&self, intake, &cancelled).await;
            }
        };
        tokio::join!(publishing::run(&self, &cancelled), consuming);
    }
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker")
            .field("options", &self.options)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
