//! The site behind the server: takes a request, lets the fault plan have its way, executes, keeps the journal.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use tokio::sync::{mpsc, watch};

use super::call::{Answer, knows_key};
use super::config::Config;
use super::refusal::{Refusal, answer};
use super::routes::{self, Found};
use super::state::{Stage, State};
use super::times;
use super::traffic::{Slot, Traffic};
use super::webhooks::{Parcel, PostBox};
use crate::fault::{Fault, Faults, mix};
use crate::journal::{Journal, JournalKind, Moment, Outcome};
use crate::server::System;
use crate::wire::{Delivery, Reply, Request};

/// Largest body in bytes.
const LARGEST_BODY: usize = 1 << 20;

/// A site; shared by all connections.
pub(super) struct Site {
    pub(super) config: Config,
    pub(super) api_key: String,
    /// The shared key with which webhooks are signed.
    pub(super) webhook_key: String,
    pub(super) post: PostBox,
    pub(super) traffic: Arc<Traffic>,
    zone: TimeZone,
    faults: Faults,
    journal: Journal,
    state: Mutex<State>,
    requests: AtomicU64,
    /// Counts whenever something became of a webhook.
    webhooks_moved: watch::Sender<u64>,
}

/// A request, read as far as it was read, and its running number.
pub(super) struct Received {
    pub(super) request: Request,
    pub(super) too_large: bool,
    pub(super) found: Option<Found>,
    pub(super) number: u64,
}

impl Received {
    /// Name of the operation; empty for what is none.
    pub(super) fn operation(&self) -> &'static str {
        self.found.as_ref().map_or("", |found| found.route.name)
    }
}

/// What execution produced, before any fault spoils it.
pub(super) struct Done {
    pub(super) reply: Reply,
    pub(super) outcome: Outcome,
}

impl Site {
    /// The site, and what its post is to carry.
    pub(super) fn new(config: Config) -> io::Result<(Self, mpsc::UnboundedReceiver<Parcel>)> {
        let zone = TimeZone::get(&config.time_zone).map_err(io::Error::other)?;
        let (post, parcels) = PostBox::new();
        let now = times::whole_second(config.clock.now());
        let mut state = State::new(&config, now);
        let site = Self {
            api_key: format!("key{}", state.chance_text()),
            webhook_key: format!("hook{}", state.chance_text()),
            post,
            traffic: Arc::new(Traffic::new(config.limit)),
            zone,
            faults: Faults::default(),
            journal: Journal::default(),
            state: Mutex::new(state),
            requests: AtomicU64::new(0),
            webhooks_moved: watch::Sender::new(0),
            config,
        };
        Ok((site, parcels))
    }

    pub(super) fn faults(&self) -> &Faults {
        &self.faults
    }

    pub(super) fn journal(&self) -> &Journal {
        &self.journal
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with everything the site knows; `request_no` is none for the sandbox's owner.
    pub(super) fn on_stage<T>(
        &self,
        request_no: Option<u64>,
        act: impl FnOnce(&mut Stage<'_>) -> T,
    ) -> T {
        let mut state = self.state();
        act(&mut Stage {
            state: &mut state,
            journal: &self.journal,
            config: &self.config,
            zone: &self.zone,
            post: &self.post,
            webhook_key: &self.webhook_key,
            now: times::whole_second(self.config.clock.now()),
            request_no,
        })
    }

    pub(super) fn webhooks_moved(&self) {
        self.webhooks_moved.send_modify(|moved| *moved += 1);
    }

    /// Waits until the condition holds, looking again whenever something became of a webhook.
    pub(super) async fn wait_for_webhooks(
        &self,
        mut condition: impl FnMut(&Self) -> bool,
        timeout: Duration,
    ) -> bool {
        let mut moved = self.webhooks_moved.subscribe();
        let wait = moved.wait_for(|_| condition(self));
        tokio::time::timeout(timeout, wait).await.is_ok()
    }

    /// Answers a request. What it does happens even when the caller goes away meanwhile; as long as somebody waits for the
    /// answer or works on it, the call is in progress.
    async fn respond(self: &Arc<Self>, request: Request, too_large: bool) -> Reply {
        let received = Arc::new(Received {
            found: routes::find(&request),
            request,
            too_large,
            number: self.requests.fetch_add(1, Ordering::Relaxed) + 1,
        });
        let slot = Arc::new(self.traffic.arrive());
        let (site, working) = (Arc::clone(self), Arc::clone(&slot));
        let work = tokio::spawn(async move { site.process(&received, &working).await });
        let reply = work.await.unwrap_or_else(|_| Reply::nothing());
        if let Delivery::Held(time) = reply.delivery {
            // Ends early when the client closes: then this future is dropped.
            tokio::time::sleep(time).await;
            return Reply::nothing();
        }
        reply
    }

    async fn process(self: &Arc<Self>, received: &Arc<Received>, slot: &Slot) -> Reply {
        let operation = received.operation();
        if slot.take_turn().await {
            tokio::time::sleep(self.config.delay_after_queueing).await;
        }
        let started = Instant::now();
        self.note(
            received.number,
            JournalKind::Begun {
                operation: operation.to_owned(),
                in_progress: self.traffic.seen().in_progress,
            },
        );
        self.traffic
            .pass_gates(operation, Moment::BeforeEffect)
            .await;
        let fault = self.faults.decide(operation);
        let fault = fault.filter(|fault| self.applies(fault, received));
        let done = self.spoiled(received, fault).await;
        self.traffic
            .pass_gates(operation, Moment::AfterEffect)
            .await;
        self.note(
            received.number,
            JournalKind::Call {
                operation: operation.to_owned(),
                http: done.reply.status,
                outcome: done.outcome,
                duration: started.elapsed(),
                correlation_id: received.request.correlation_id(),
            },
        );
        done.reply
    }

    pub(super) async fn execute(&self, received: &Received, delay: Duration) -> Done {
        let wait = self.config.latency + delay;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let (reply, outcome) = match self.run(received) {
            Ok(success) => {
                let reply = match &success.body {
                    Some(body) => answer(success.status, body),
                    None => Reply::new(success.status, "", String::new()),
                };
                (reply, Outcome::Done)
            }
            Err(refused) => (refused.reply(), refused.outcome()),
        };
        Done { reply, outcome }
    }

    fn run(&self, received: &Received) -> Answer {
        let found = received.found.as_ref().ok_or(Refusal::NotFound)?;
        if !knows_key(&received.request, &self.api_key) {
            return Err(Refusal::AccessDenied);
        }
        if received.too_large {
            return Err(Refusal::TooLarge);
        }
        self.on_stage(Some(received.number), |stage| {
            routes::execute(stage, &received.request, found)
        })
    }

    /// What a support ticket would name the request by.
    pub(super) fn reference(&self, received: &Received) -> String {
        format!("{:016x}", mix(self.config.seed, 0x6964, received.number))
    }

    pub(super) fn note_fault(&self, received: &Received, fault: &Fault, moment: Moment) {
        let kind = JournalKind::FaultInjected {
            operation: received.operation().to_owned(),
            fault: fault.clone(),
            moment,
        };
        self.note(received.number, kind);
    }

    fn note(&self, number: u64, kind: JournalKind) {
        let now = self.config.clock.now();
        self.journal.append(now, Some(number), None, kind);
    }
}

impl System for Site {
    const NAME: &'static str = "cloudflare";

    fn max_body(&self) -> usize {
        LARGEST_BODY
    }

    async fn handle(self: &Arc<Self>, request: Request) -> Reply {
        self.respond(request, false).await
    }

    async fn too_large(self: &Arc<Self>, request: Request) -> Reply {
        self.respond(request, true).await
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site")
            .field("subdomain", &self.config.subdomain)
            .finish_non_exhaustive()
    }
}
