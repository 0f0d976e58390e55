//! The CRM behind the server: takes a request, lets the fault plan have its way, executes, keeps the journal.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::auth::SessionLock;
use super::cloud::{self, Meter};
use super::config::{Config, Edition, Variant};
use super::failure::{Answer, Failure};
use super::latency::Cost;
use super::noise;
use super::operations::{self, Stage};
use super::state::State;
use super::store::StoredRecord;
use super::users::{self, StoredUser};
use super::workflow::Workflow;
use super::{principals, roles, webservice};
use crate::clock::Clock;
use crate::fault::{Fault, Faults};
use crate::journal::{Journal, JournalKind, Moment, Outcome};
use crate::server::System;
use crate::webhook::WebhookFaults;
use crate::wire::{Delivery, Reply, Request};

/// A CRM; shared by all connections.
#[derive(Debug)]
pub(super) struct Crm {
    pub(super) config: Config,
    faults: Faults,
    journal: Journal,
    clock: Mutex<Clock>,
    state: Mutex<State>,
    meter: Mutex<Meter>,
    /// Held by the call that keeps the machine busy.
    machine: tokio::sync::Mutex<()>,
    /// Held while the cron task runs.
    pub(super) cron: tokio::sync::Mutex<()>,
    webhook_faults: Mutex<WebhookFaults>,
    requests: AtomicU64,
}

/// Which interface a request came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interface {
    WebService,
    Rest,
}

/// What execution produced, before any fault spoils it.
pub(super) struct Done {
    pub(super) reply: Reply,
    pub(super) outcome: Outcome,
    pub(super) user: Option<String>,
    pub(super) failure: Option<Failure>,
    /// What the call costs beyond what it cost before its effect.
    rest: Cost,
}

impl Crm {
    pub(super) fn new(config: Config) -> io::Result<Self> {
        let state = State::new(&config)?;
        Ok(Self {
            clock: Mutex::new(config.clock.clone()),
            config,
            faults: Faults::default(),
            journal: Journal::default(),
            state: Mutex::new(state),
            meter: Mutex::default(),
            machine: tokio::sync::Mutex::default(),
            cron: tokio::sync::Mutex::default(),
            webhook_faults: Mutex::default(),
            requests: AtomicU64::new(0),
        })
    }

    pub(super) fn faults(&self) -> &Faults {
        &self.faults
    }

    pub(super) fn journal(&self) -> &Journal {
        &self.journal
    }

    pub(super) fn records(&self, module: &str) -> Vec<StoredRecord> {
        let state = self.state();
        let Some(module) = state.catalogue.find(module) else {
            return Vec::new();
        };
        state
            .store
            .rows(module)
            .filter(|(number, _)| !state.converted.contains(number))
            .map(|(number, _)| state.stored_record(module, number))
            .collect()
    }

    pub(super) fn record(&self, id: &str) -> Option<StoredRecord> {
        let state = self.state();
        let (module, number) = state.locate(state.canonical, id)?;
        Some(state.stored_record(module, number))
    }

    pub(super) fn add_workflow(&self, workflow: Workflow) -> bool {
        let mut state = self.state();
        let hidden = !self.config.cloud_leads && workflow.is_about("Leads");
        let hosted = self.config.edition != Edition::OpenSource;
        let possible = hosted && !hidden && workflow.is_possible(&state);
        if possible {
            state.workflows.push(workflow);
        }
        possible
    }

    pub(super) fn webhook_faults(&self) -> MutexGuard<'_, WebhookFaults> {
        lock(&self.webhook_faults)
    }

    pub(super) fn now(&self) -> Timestamp {
        lock(&self.clock).now()
    }

    pub(super) fn set_clock(&self, clock: Clock) {
        *lock(&self.clock) = clock;
    }

    pub(super) fn users(&self) -> Vec<StoredUser> {
        users::all(&self.state())
    }

    pub(super) fn user_password_is(&self, id: &str, password: &str) -> bool {
        let state = self.state();
        let number = users::located(&state, id);
        number.is_some_and(|number| users::password_is(&state, number, password))
    }

    pub(super) fn roles(&self) -> Vec<(String, String)> {
        roles::all(&self.state())
    }

    pub(super) fn add_role(&self, id: &str, name: &str) -> bool {
        roles::add(&mut self.state(), id, name)
    }

    pub(super) fn add_group(&self, name: &str) -> String {
        principals::add_group(&mut self.state(), name, "")
    }

    pub(super) fn skip_to_record_number(&self, number: u64) {
        self.state().store.skip_to(number);
    }

    pub(super) fn set_unique(&self, module: &str, field: &str, unique: bool) -> bool {
        self.state().catalogue.set_unique(module, field, unique)
    }

    pub(super) fn drop_all_sessions(&self) {
        self.state().auth.drop_all_sessions();
    }

    fn interface(&self, path: &str) -> Option<Interface> {
        let edition = self.config.edition;
        if path == webservice::PATH && edition != Edition::Cloud {
            Some(Interface::WebService)
        } else if path.starts_with(cloud::PATH) && edition != Edition::OpenSource {
            Some(Interface::Rest)
        } else {
            None
        }
    }

    async fn process(
        self: &Arc<Self>,
        interface: Interface,
        request: Arc<Request>,
        number: u64,
    ) -> Reply {
        let started = Instant::now();
        let operation = match interface {
            Interface::WebService => operations::name_of(&request),
            Interface::Rest => cloud::name_of(&request),
        };
        let fault = self
            .faults
            .decide(&operation)
            .filter(|fault| self.applies(fault, &operation, interface));
        let (mut reply, outcome, user) = self
            .spoiled(interface, &request, number, &operation, fault)
            .await;
        if interface == Interface::Rest && reply.status != 0 && reply.delivery != Delivery::Nothing
        {
            self.show_quota(&mut reply);
        }
        let took = started.elapsed();
        self.note_call(
            number,
            user,
            call(&operation, &request, &reply, outcome, took),
        );
        reply
    }

    pub(super) async fn execute(
        &self,
        interface: Interface,
        request: &Request,
        number: u64,
        operation: &str,
        delay: Duration,
    ) -> Done {
        // PHP's session lock: held while the program runs.
        let lock = self.session_lock(interface, request);
        let _held = match &lock {
            Some(lock) => Some(lock.lock().await),
            None => None,
        };
        let began_at = self.state().store.upcoming();
        self.spend(self.config.latency.before(operation, request))
            .await;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let done = match interface {
            Interface::WebService => self.execute_webservice(request, number, operation, began_at),
            Interface::Rest => self.execute_rest(request, number, began_at),
        };
        self.spend(done.rest).await;
        done
    }

    fn rest(&self, operation: &str, request: &Request, answer: &Answer) -> Cost {
        let result = answer.as_ref().ok();
        result.map_or(Cost::default(), |result| {
            self.config.latency.after(operation, request, result)
        })
    }

    /// Lets time pass; while the machine is busy with one call, the others wait.
    async fn spend(&self, cost: Cost) {
        if !cost.alone.is_zero() {
            tokio::time::sleep(cost.alone).await;
        }
        if !cost.busy.is_zero() {
            let _machine = self.machine.lock().await;
            tokio::time::sleep(cost.busy).await;
        }
    }

    fn session_lock(&self, interface: Interface, request: &Request) -> Option<SessionLock> {
        let session =
            operations::session_of(request).filter(|_| interface == Interface::WebService)?;
        self.state().auth.lock_of(session)
    }

    fn execute_webservice(
        &self,
        request: &Request,
        number: u64,
        operation: &str,
        began_at: u64,
    ) -> Done {
        let mut state = self.state();
        let executed = operations::execute(self.stage(&mut state, number, began_at), request);
        drop(state);
        let mut reply = webservice::reply(self.config.release, &executed.answer);
        let outcome = webservice::outcome(&executed.answer);
        let rest = self.rest(operation, request, &executed.answer);
        let failure = executed.answer.err();
        if self.config.variant == Variant::DisplayErrors {
            noise::add(&mut reply, operation, failure.as_ref());
        }
        Done {
            reply,
            outcome,
            user: executed.user,
            failure,
            rest,
        }
    }

    fn execute_rest(&self, request: &Request, number: u64, began_at: u64) -> Done {
        let remaining = lock(&self.meter).count(self.config.quota, self.now());
        let mut done = if remaining.exceeded {
            let reply = cloud::refused(429, "TOO_MANY_REQUESTS", "API call limit exceeded");
            Done {
                reply,
                outcome: Outcome::Refused("TOO_MANY_REQUESTS".into()),
                user: None,
                failure: None,
                rest: Cost::default(),
            }
        } else {
            let mut state = self.state();
            let served = cloud::execute(self.stage(&mut state, number, began_at), request);
            drop(state);
            let reply = cloud::reply(&served);
            let outcome = webservice::outcome(&served.executed.answer);
            Done {
                reply,
                outcome,
                user: served.executed.user,
                rest: self.rest(&cloud::name_of(request), request, &served.executed.answer),
                failure: served.executed.answer.err(),
            }
        };
        remaining.show_on(&mut done.reply);
        done
    }

    /// Every answer of the hosted edition shows the quotas, also one that a fault made.
    fn show_quota(&self, reply: &mut Reply) {
        if !reply
            .headers
            .iter()
            .any(|(name, _)| *name == "x-floodcontrol-remaining")
        {
            lock(&self.meter)
                .count(self.config.quota, self.now())
                .show_on(reply);
        }
    }

    fn stage<'a>(&'a self, state: &'a mut State, request_no: u64, began_at: u64) -> Stage<'a> {
        Stage {
            state,
            journal: &self.journal,
            config: &self.config,
            now: self.now(),
            request_no,
            began_at,
        }
    }

    fn note_call(&self, number: u64, user: Option<String>, call: JournalKind) {
        self.journal.append(self.now(), Some(number), user, call);
    }

    pub(super) fn note_fault(&self, number: u64, operation: &str, fault: &Fault, moment: Moment) {
        let kind = JournalKind::FaultInjected {
            operation: operation.to_owned(),
            fault: fault.clone(),
            moment,
        };
        self.journal.append(self.now(), Some(number), None, kind);
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl System for Crm {
    const NAME: &'static str = "nginx/1.22.1";

    fn max_body(&self) -> usize {
        self.config.max_body
    }

    /// What a request does to the store happens even when the caller goes away meanwhile, as in PHP.
    async fn handle(self: &Arc<Self>, request: Request) -> Reply {
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let Some(interface) = self.interface(&request.path) else {
            let reply = Reply::web_server_page(404);
            let call = call("", &request, &reply, Outcome::WebServer, Duration::ZERO);
            self.note_call(number, None, call);
            return reply;
        };
        let crm = Arc::clone(self);
        let work =
            tokio::spawn(async move { crm.process(interface, Arc::new(request), number).await });
        work.await.unwrap_or_else(|_| Reply::fatal())
    }

    /// PHP sees no parameters at all.
    async fn too_large(self: &Arc<Self>, request: Request) -> Reply {
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let reply = Reply::fatal();
        let call = call("", &request, &reply, Outcome::Fatal, Duration::ZERO);
        self.note_call(number, None, call);
        reply
    }
}

fn call(
    operation: &str,
    request: &Request,
    reply: &Reply,
    outcome: Outcome,
    duration: Duration,
) -> JournalKind {
    JournalKind::Call {
        operation: operation.to_owned(),
        http: reply.status,
        outcome,
        duration,
        correlation_id: request.correlation_id(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
