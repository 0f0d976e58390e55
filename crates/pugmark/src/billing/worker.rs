//! The worker for what needs Maxio. It has its own: a slow Maxio never holds up deliveries to the CRM.

use std::collections::HashMap;
use std::sync::Arc;

use pugmark_queue::{Gate, Handler, Queue, Sealer, Worker, WorkerOptions};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Billing;
use crate::config::Settings;
use crate::crm::Crm;
use crate::crm::breaker::{Breaker, Position};
use crate::delivery::Deliverer;
use crate::flows::onboarding::attempt::Tools;
use crate::flows::onboarding::kind;
use crate::flows::onboarding::lead::Leads;
use crate::flows::onboarding::onboard::OnboardHandler;
use crate::flows::onboarding::subscription_state::SubscriptionHandler;

/// The kinds of operations that need Maxio.
pub const KINDS: [&str; 2] = [kind::ONBOARD, kind::SUBSCRIPTION];

/// Starts it, on a handle on the queue whose wake-ups are its own.
pub fn start(
    settings: &Settings,
    queue: Queue,
    (crm, billing): (Arc<Crm>, Arc<Billing>),
    (sealer, owner): (Option<Arc<Sealer>>, String),
    cancelled: &CancellationToken,
    tasks: &mut JoinSet<()>,
) {
    // A call begins only if its whole timeout fits into the lease, and it may have waited for its turn before.
    let lease = settings.queue.lease.max(billing.settings.call_timeout * 3);
    let onboarding = Arc::new(settings.onboarding.clone());
    let tools = Tools {
        deliverer: Deliverer {
            db: queue.db().clone(),
            queue: queue.clone(),
            crm,
            mode: settings.mode,
            lease,
        },
        leads: Arc::new(Leads::new(onboarding.clone())),
        settings: onboarding,
        sealer,
        billing: billing.clone(),
    };
    let handlers: HashMap<String, Arc<dyn Handler>> = HashMap::from([
        (
            kind::ONBOARD.to_owned(),
            Arc::new(OnboardHandler::new(tools.clone())) as Arc<dyn Handler>,
        ),
        (
            kind::SUBSCRIPTION.to_owned(),
            Arc::new(SubscriptionHandler::new(tools)),
        ),
    ]);
    let options = WorkerOptions {
        owner,
        // While one job asks the CRM, another one can ask Maxio.
        concurrency: billing.settings.at_once * 2,
        lease,
        grace: settings.server.shutdown_grace,
        ..WorkerOptions::default()
    };
    let gate = Arc::new(MaxioGate(billing.breaker.clone()));
    tasks.spawn(Worker::new(queue, handlers, gate, options).run(cancelled.clone()));
}

/// While Maxio is left alone, what needs it is not claimed and burns no attempts.
struct MaxioGate(Arc<Breaker>);

impl Gate for MaxioGate {
    fn held_back(&self) -> Vec<String> {
        match self.0.position() {
            Position::Closed => Vec::new(),
            Position::Open { .. } => KINDS.map(str::to_owned).into(),
        }
    }
}
