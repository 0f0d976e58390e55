//! RabbitMQ, as this program uses it: wake-ups between its processes, and operations of other programs.
//!
//! [`pugmark_queue::broker`] does the work; here is what it has to be told: the queues there are, what other programs may ask for
//! ([`asked`]) and how that is stored ([`intake`]).

pub mod asked;
pub mod intake;

use std::sync::Arc;

use pugmark_queue::Queue;
use pugmark_queue::broker::{Broker, BrokerError, BrokerOptions, Intake};
use pugmark_queue::db::Db;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::{Rabbitmq, Settings};
use crate::flows::{insurance, onboarding};
use crate::problem::Code;
use intake::Messages;

/// Every kind of operation there is: each has a queue.
fn kinds() -> impl Iterator<Item = &'static str> {
    insurance::plan::KINDS.into_iter().chain(onboarding::KINDS)
}

/// The broker's options by these settings.
pub fn options(settings: &Rabbitmq) -> BrokerOptions {
    BrokerOptions {
        prefix: settings.prefix.clone(),
        exchange: settings.exchange.clone(),
        queue_type: settings.queue_type,
        prefetch: settings.prefetch,
        ..BrokerOptions::new(settings.url.clone(), kinds())
    }
}

/// The broker that is configured, not connected yet.
pub fn configured(settings: &Settings) -> Option<Broker> {
    settings.rabbitmq.as_ref().map(options).map(Broker::new)
}

/// Connects, now and whenever it has to be. Messages are taken only where a worker runs: nobody else would answer a wake-up.
pub fn start(
    broker: Option<&Broker>,
    settings: &Settings,
    (db, queue): (&Db, &Queue),
    works: bool,
    cancelled: &CancellationToken,
    tasks: &mut JoinSet<()>,
) {
    let Some(broker) = broker else { return };
    let tasks_enabled = settings.insurance.tasks.enabled;
    let intake = works.then(|| {
        let messages = Messages::new(db.clone(), queue.clone(), tasks_enabled);
        Arc::new(messages) as Arc<dyn Intake>
    });
    tasks.spawn(broker.clone().run(intake, cancelled.clone()));
}

/// The code of what keeps the broker from being used.
pub fn code_of(error: &BrokerError) -> Code {
    match error {
        BrokerError::Credentials | BrokerError::VirtualHost(_) | BrokerError::Rights(_) => {
            Code::BrokerRefused
        }
        BrokerError::Differs { .. } => Code::BrokerDiffers,
        BrokerError::Url(_) => Code::Configuration,
        _ => Code::BrokerUnavailable,
    }
}
