//! The project behind the server: takes a request, lets the fault plan have its way, executes, keeps the journal.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::call::{Answer, Call, LARGEST_BODY};
use super::config::{Config, Signing};
use super::gateway::{self, ApiKeys};
use super::refusal::{self, Form, Refusal};
use super::routes::{self, Operation};
use super::state::{Stage, State};
use crate::fault::{Fault, Faults, mix};
use crate::journal::{Journal, JournalKind, Moment, Outcome};
use crate::server::System;
use crate::wire::{Reply, Request};

/// A project; shared by all connections.
pub(super) struct Project {
    pub(super) config: Config,
    /// `iss` of access tokens.
    issuer: String,
    keys: ApiKeys,
    faults: Faults,
    journal: Journal,
    state: Mutex<State>,
    requests: AtomicU64,
}

/// A request, read as far as it was read, and its running number.
pub(super) struct Received {
    pub(super) request: Request,
    pub(super) too_large: bool,
    pub(super) operation: Operation,
    pub(super) number: u64,
}

/// What execution produced, before any fault spoils it.
pub(super) struct Done {
    pub(super) reply: Reply,
    pub(super) outcome: Outcome,
    pub(super) user: Option<String>,
}

impl Project {
    /// A project whose server is found at `url`.
    pub(super) fn new(config: Config, url: &str) -> io::Result<Self> {
        let mut state = State::new(config.seed);
        if config.signing == Signing::Es256 {
            let kid = state.uuid().to_string();
            state.signing.rotate(kid)?;
        }
        let unguessable = [state.text(31), state.text(31)];
        let mut unguessable = unguessable.into_iter();
        let chance = || unguessable.next().unwrap_or_default();
        let keys = ApiKeys::new(&state.signing, config.clock.now(), chance)
            .map_err(|_| io::Error::other("the project's keys cannot be signed"))?;
        Ok(Self {
            issuer: format!("{url}{}", routes::PREFIX),
            config,
            keys,
            faults: Faults::default(),
            journal: Journal::default(),
            state: Mutex::new(state),
            requests: AtomicU64::new(0),
        })
    }

    pub(super) fn keys(&self) -> &ApiKeys {
        &self.keys
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

    /// What a call works with; `request_no` is none for the sandbox's owner.
    pub(super) fn stage<'a>(&'a self, state: &'a mut State, request_no: Option<u64>) -> Stage<'a> {
        Stage {
            state,
            journal: &self.journal,
            config: &self.config,
            issuer: &self.issuer,
            now: self.config.clock.now(),
            request_no,
            actor: None,
        }
    }

    /// Answers a request. What it does to the users happens even when the caller goes away meanwhile.
    async fn answer(self: &Arc<Self>, request: Request, too_large: bool) -> Reply {
        let received = Arc::new(Received {
            operation: Operation::of(&request),
            request,
            too_large,
            number: self.requests.fetch_add(1, Ordering::Relaxed) + 1,
        });
        let project = Arc::clone(self);
        let work = tokio::spawn(async move { project.process(&received).await });
        work.await.unwrap_or_else(|_| Reply::nothing())
    }

    async fn process(self: &Arc<Self>, received: &Arc<Received>) -> Reply {
        let started = Instant::now();
        let fault = self
            .faults
            .decide(received.operation.name())
            .filter(|fault| self.applies(fault, &received.operation));
        let done = self.spoiled(received, fault).await;
        let kind = JournalKind::Call {
            operation: received.operation.name().to_owned(),
            http: done.reply.status,
            outcome: done.outcome,
            duration: started.elapsed(),
            correlation_id: received.request.correlation_id(),
        };
        self.note(received.number, done.user, kind);
        done.reply
    }

    pub(super) async fn execute(&self, received: &Received, delay: Duration) -> Done {
        let wait = self.config.latency + delay;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let mut state = self.state();
        let mut stage = self.stage(&mut state, Some(received.number));
        let answer = self.run(&mut stage, received);
        let user = stage.actor.take();
        drop(state);
        let (reply, outcome) = match answer {
            Ok(success) => {
                let mut reply = match &success.body {
                    Some(body) => refusal::answer(success.status, body),
                    None => Reply::new(success.status, "", String::new()),
                };
                reply.headers.extend(success.headers);
                (reply, Outcome::Done)
            }
            Err(refused) => (self.refused(received, &refused), refused.outcome()),
        };
        Done {
            reply,
            outcome,
            user,
        }
    }

    fn run(&self, stage: &mut Stage<'_>, received: &Received) -> Answer {
        if received.operation == Operation::Elsewhere {
            return Err(gateway::no_service());
        }
        let call = self.admitted(stage, received)?;
        routes::execute(stage, &received.operation, &call)
    }

    /// The call as the gateway hands it on.
    pub(super) fn admitted<'a>(
        &self,
        stage: &Stage<'_>,
        received: &'a Received,
    ) -> Result<Call<'a>, Refusal> {
        let authorization = if received.operation.is_open() {
            None
        } else {
            let signing = &stage.state.signing;
            self.keys.admit(signing, &received.request, stage.now)?
        };
        Ok(Call {
            request: &received.request,
            too_large: received.too_large,
            authorization,
        })
    }

    pub(super) fn refused(&self, received: &Received, refusal: &Refusal) -> Reply {
        let error_id = format!("{:016x}", mix(self.config.seed, 0x6964, received.number));
        refusal.reply(Form::asked_by(&received.request.headers), &error_id)
    }

    pub(super) fn note_fault(&self, received: &Received, fault: &Fault, moment: Moment) {
        let kind = JournalKind::FaultInjected {
            operation: received.operation.name().to_owned(),
            fault: fault.clone(),
            moment,
        };
        self.note(received.number, None, kind);
    }

    fn note(&self, number: u64, user: Option<String>, kind: JournalKind) {
        self.journal
            .append(self.config.clock.now(), Some(number), user, kind);
    }
}

impl System for Project {
    const NAME: &'static str = "cloudflare";

    fn max_body(&self) -> usize {
        LARGEST_BODY
    }

    async fn handle(self: &Arc<Self>, request: Request) -> Reply {
        self.answer(request, false).await
    }

    async fn too_large(self: &Arc<Self>, request: Request) -> Reply {
        self.answer(request, true).await
    }
}

impl fmt::Debug for Project {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Project")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}
