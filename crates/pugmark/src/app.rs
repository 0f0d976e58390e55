//! The running program: which parts run in this process, and how they are started and stopped.

mod health_port;
mod presence;
mod roles;
mod scheduler;
mod start_error;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pugmark_queue::db::{Db, DbError, Engine, StoreLock};
use pugmark_queue::{
    Gate, KindPolicy, Notifications, Policies, Queue, QueueOptions, Sealer, TeamWaker, Waker,
    Worker, WorkerOptions,
};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::billing::{self, Billing};
use crate::broker;
use crate::capture::attach;
use crate::capture::relay::Relay;
use crate::config::{self, Mode, SealKey, Settings};
use crate::crm::Crm;
use crate::crm::breaker::{Breaker, Position};
use crate::delivery::Deliverer;
use crate::flows::insurance;
use crate::flows::insurance::customer::Setting;
use crate::flows::insurance::plan::{KINDS, kind};
use crate::flows::insurance::summary_run::Summaries;
use crate::flows::insurance::user::Staff;
use crate::flows::onboarding;
use crate::flows::onboarding::form::{FormHandler, Forms};
use crate::flows::onboarding::lead::Leads;
use crate::http::auth::Access;
use crate::http::console::Console;
use crate::http::health::{self, Health};
use crate::http::onboarding::Desk;
use crate::http::system::System;
use crate::http::webhooks::Receiver;
use crate::http::{self, AppState};
use crate::logins::Logins;
use crate::problem::Code;
use crate::schedule::leader::{Candidate, Term, process_name};
use crate::shared::Shared;
use crate::store::{self, SliceMode};
use crate::telemetry::alerts::judge::{MAXIO, VTIGER};
use crate::telemetry::alerts::trouble;
use crate::telemetry::kept;

use health_port::HealthPort;
pub use presence::SILENT;
pub use roles::Roles;
pub use start_error::{StartError, code_of};

/// A running Pugmark. Dropping it does not stop it cleanly; [`Running::shutdown`] does.
pub struct Running {
    /// Where the API listens, when this process has that role.
    pub address: Option<SocketAddr>,
    /// Where health is answered besides, when the settings name an address for it.
    pub health_address: Option<SocketAddr>,
    /// The store.
    pub db: Db,
    /// The queue.
    pub queue: Queue,
    cancelled: CancellationToken,
    tasks: JoinSet<()>,
    health: Health,
    /// Open until everything else is closed.
    _health_port: Option<HealthPort>,
    /// Writes log lines into the store, those of the shutdown included.
    logs: Option<kept::Writer>,
    /// Whose sessions are left to other processes in the end.
    crm: Option<Arc<Crm>>,
    /// Held as long as this process serves a SQLite file.
    _lock: Option<StoreLock>,
}

impl Running {
    /// Stops claiming, lets what is being delivered finish within the grace period, hands the rest back, and closes the
    /// store after what was handed to it is committed.
    pub async fn shutdown(mut self) {
        self.health.stopping();
        self.cancelled.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a part of the program ended badly");
            }
        }
        if let Some(crm) = self.crm {
            crm.client.share_idle_sessions(Duration::ZERO).await;
        }
        if let Some(logs) = self.logs {
            logs.end().await;
        }
        self.db.close().await;
    }

    /// Ends when a part of the program has ended by itself, which only a defect can cause.
    pub async fn failed(&mut self) {
        match self.tasks.join_next().await {
            Some(Err(error)) => tracing::error!(%error, "a part of the program ended badly"),
            Some(Ok(())) | None => tracing::error!("a part of the program ended unasked"),
        }
    }
}

/// Opens and migrates the store and starts the roles.
///
/// # Errors
/// [`StartError`] names what is in the way; nothing runs then.
pub async fn start(settings: Settings, roles: Roles) -> Result<Running, StartError> {
    let health = Health::default();
    let health_port = HealthPort::open(&settings.server, &health).await?;
    let db = store::open(&settings.database).await?;
    let lock = store::sqlite_path(&settings.database.url)
        .map(StoreLock::acquire)
        .transpose()?;
    store::moving::may_be_served(&db).await?;
    attach::ready(&db).await?;
    store::migrate(&db).await?;
    store::moving::go_on_here(&db).await?;
    tell_whose_tables(&db).await?;
    let logs = kept::keep(&db, &settings);
    let staff = Arc::new(staff(&settings)?);
    let forms = Arc::new(Forms::new(
        &settings.onboarding,
        settings.seal_key.as_ref(),
        staff.sealer.clone(),
    ));
    let broker = broker::configured(&settings);
    let notifications =
        (broker.is_none() && db.engine() == Engine::Postgres).then(Notifications::default);
    let wakers = match (&broker, &notifications) {
        (Some(broker), _) => [broker.waker(), broker.waker_of(&billing::worker::KINDS)],
        (None, Some(notifications)) => notifications.pair(),
        (None, None) => TeamWaker::pair(),
    };
    let [queue, maxio_queue] = queues(&db, &settings, &staff, wakers);
    let billing = settings
        .maxio
        .clone()
        .map(|maxio| Billing::new(maxio, &db))
        .transpose()?
        .map(Arc::new);
    if let Some(lock) = &lock {
        let reclaimed = queue.reclaim_all_of_dead_process(lock).await?;
        if reclaimed.leases > 0 {
            tracing::warn!(
                operations = reclaimed.leases,
                "taken over from a process that ended without handing back"
            );
        }
    }
    let shared = Shared::configured(&settings, staff.sealer.as_ref());
    let mut crm = settings.crm.clone().map(Crm::new).transpose()?;
    if let (Some(shared), Some(crm)) = (&shared, &mut crm) {
        shared.equip(crm);
    }
    let crm = crm.map(Arc::new);
    let cancelled = CancellationToken::new();
    let nudge = Arc::new(Notify::new());
    let mut tasks = JoinSet::new();
    if let Some(shared) = &shared {
        shared
            .start(crm.as_ref(), billing.as_ref(), &cancelled, &mut tasks)
            .await;
    }
    if let Some(notifications) = notifications {
        let listen_on = listen_on(&settings.database, &db);
        tasks.spawn(notifications.run(db.clone(), listen_on, cancelled.clone()));
    }
    let summaries = Summaries::new(
        db.clone(),
        queue.clone(),
        Arc::new(settings.insurance.clone()),
    );
    let process = process_name();
    let entry = presence::entry(&process, roles);
    let started_at = entry.started_at;
    tasks.spawn(presence::run(db.clone(), entry, cancelled.clone()));
    let mut works = false;
    if roles.worker {
        let relay = Relay::new(
            db.clone(),
            queue.clone(),
            settings.capture.clone(),
            settings.insurance.clone(),
            settings.mode,
            nudge.clone(),
        );
        tasks.spawn(relay.run(cancelled.clone()));
        works = start_worker(
            &settings,
            &db,
            &queue,
            (crm.as_ref(), &staff, &forms),
            &process,
            &cancelled,
            &mut tasks,
        );
        if let (Some(crm), Some(billing)) = (&crm, &billing)
            && crm.settings.enabled
        {
            let asked = (crm.clone(), billing.clone());
            let sealer = staff.sealer.clone();
            billing::worker::start(
                &settings,
                maxio_queue,
                asked,
                (sealer, format!("{process} maxio")),
                &cancelled,
                &mut tasks,
            );
        }
    }
    broker::start(
        broker.as_ref(),
        &settings,
        (&db, &queue),
        works,
        &cancelled,
        &mut tasks,
    );
    if roles.worker {
        let billing_breaker = billing.as_ref().map(|billing| &billing.breaker);
        let breakers = [
            (VTIGER, crm.as_ref().map(|crm| &crm.breaker)),
            (MAXIO, billing_breaker),
        ];
        for (system, breaker) in breakers {
            let Some(breaker) = breaker else { continue };
            tasks.spawn(trouble::run(
                db.clone(),
                (system, breaker.clone()),
                process.as_str().into(),
                settings.alerts.look,
                cancelled.clone(),
            ));
        }
    }
    if roles.scheduler {
        let candidate = Candidate::new(
            db.clone(),
            queue.clone(),
            process.clone(),
            settings.scheduler.lease,
            lock.is_some(),
        );
        let work = scheduler::Work {
            settings: settings.clone(),
            crm: crm.clone(),
        };
        let work = move |term: &Term, parts: &mut JoinSet<()>| work.start(term, parts);
        tasks.spawn(candidate.run(work, cancelled.clone()));
    }
    let crm_settings = settings.crm.clone().map(Arc::new);
    let breaker = crm
        .as_ref()
        .filter(|_| roles.worker)
        .map(|crm| crm.breaker.clone());
    health.started(health::Parts {
        db: db.clone(),
        crm: crm_settings.clone(),
        breaker: breaker.clone(),
    });
    let onboarding = Arc::new(settings.onboarding.clone());
    let address = if roles.api {
        let state = AppState {
            db: db.clone(),
            queue: queue.clone(),
            relay: nudge,
            summaries,
            process: process.into(),
            crm: crm_settings,
            vtiger: crm.clone(),
            contacts: Setting::of(&settings),
            breaker,
            broker,
            shared,
            leads: Arc::new(Leads::new(onboarding.clone())),
            onboarding,
            maxio: settings.maxio.clone().map(Arc::new),
            maxio_breaker: billing
                .as_ref()
                .filter(|_| roles.worker)
                .map(|billing| billing.breaker.clone()),
            mode: settings.mode,
            access: Arc::new(Access::new(
                settings.server.token.clone(),
                staff.logins.clone(),
            )),
            webhooks: Arc::new(Receiver::new(
                settings.webhooks.clone(),
                settings.maxio.is_some(),
                staff.sealer.is_some(),
            )),
            staff,
            forms: Arc::new(Desk::new(forms, settings.server.public_url.clone())),
            console: Arc::new(Console::new(
                settings.console.clone(),
                settings.server.public_url.clone(),
            )),
            system: Arc::new(System::new(settings.clone(), roles, started_at)),
            health: health.clone(),
            alerts: Arc::new(settings.alerts.clone()),
        };
        Some(start_api(&settings.server, state, &cancelled, &mut tasks).await?)
    } else {
        None
    };
    tracing::info!(%roles, mode = %settings.mode, store = %config::mask_url(&settings.database.url), "started");
    Ok(Running {
        address,
        health_address: health_port.as_ref().map(|port| port.address),
        db,
        queue,
        cancelled,
        tasks,
        health,
        _health_port: health_port,
        logs,
        crm,
        _lock: lock,
    })
}

/// Says whose tables are served, and what of MicroBima's has become unfit to be watched since it was attached.
async fn tell_whose_tables(db: &Db) -> Result<(), DbError> {
    let mut conn = db.read().await?;
    match store::slice_mode(&mut conn).await? {
        SliceMode::Standalone => tracing::info!("standalone: the tables are Pugmark's own"),
        SliceMode::Attached => {
            tracing::info!("attached to MicroBima's own tables");
            for hindrance in attach::check(&mut conn).await?.hindrances {
                tracing::error!(code = %Code::CannotAttach, fix = hindrance.fix, "{}", hindrance.what);
            }
        }
    }
    Ok(())
}

/// Where notifications of other processes can be heard: nowhere through a pooler in transaction mode.
fn listen_on(database: &config::Database, db: &Db) -> Option<String> {
    if db.is_pooled() {
        tracing::warn!(
            code = %Code::PostgresPooler,
            "PostgreSQL is reached through a pooler in transaction mode{}",
            match database.direct_url {
                Some(_) => "",
                None => "; without DATABASE_DIRECT_URL other processes' work is found by looking",
            }
        );
        return database.direct_url.clone();
    }
    Some(
        database
            .direct_url
            .clone()
            .unwrap_or_else(|| database.url.clone()),
    )
}

/// Two handles on one queue, for two workers: each is woken whichever of them was used.
fn queues(db: &Db, settings: &Settings, staff: &Staff, wakers: [Arc<dyn Waker>; 2]) -> [Queue; 2] {
    wakers.map(|waker| {
        Queue::new(
            db.clone(),
            QueueOptions {
                policies: policies(&settings.queue),
                sealer: staff.sealer.clone(),
                waker: Some(waker),
                ..QueueOptions::default()
            },
        )
    })
}

/// Tells whether there is one now.
fn start_worker(
    settings: &Settings,
    db: &Db,
    queue: &Queue,
    (crm, staff, forms): (Option<&Arc<Crm>>, &Arc<Staff>, &Arc<Forms>),
    process: &str,
    cancelled: &CancellationToken,
    tasks: &mut JoinSet<()>,
) -> bool {
    let Some(crm) = crm else {
        tracing::warn!(
            "no CRM is configured (VTIGER_URL or VTIGER_API_URL): changes are captured and queued, nothing is sent"
        );
        return false;
    };
    if !crm.settings.enabled {
        tracing::warn!("VTIGER_ENABLED=false: changes are captured and queued, nothing is sent");
        return false;
    }
    if settings.mode == Mode::Shadow {
        tracing::warn!("shadow mode: vTiger is read and compared, nothing is written to it");
    }
    let deliverer = Deliverer {
        db: db.clone(),
        queue: queue.clone(),
        crm: crm.clone(),
        mode: settings.mode,
        lease: settings.queue.lease,
    };
    let mut handlers = insurance::handlers(&deliverer, settings, staff);
    handlers.insert(
        onboarding::kind::LEAD_UPDATE.to_owned(),
        Arc::new(FormHandler::new(deliverer, forms.clone())),
    );
    let gate = Arc::new(BreakerGate(crm.breaker.clone()));
    let options = WorkerOptions {
        owner: process.to_owned(),
        concurrency: crm.settings.sessions,
        lease: settings.queue.lease,
        grace: settings.server.shutdown_grace,
        ..WorkerOptions::default()
    };
    tasks.spawn(Worker::new(queue.clone(), handlers, gate, options).run(cancelled.clone()));
    true
}

async fn start_api(
    settings: &config::Server,
    state: AppState,
    cancelled: &CancellationToken,
    tasks: &mut JoinSet<()>,
) -> Result<SocketAddr, StartError> {
    let listen = |source| StartError::Listen {
        address: settings.address,
        source,
    };
    let listener = TcpListener::bind(settings.address).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    if state.access.is_closed() {
        tracing::warn!(
            "neither APP_SECRET_TOKEN nor SUPABASE_URL is set: the internal API refuses every request that shows no API token"
        );
    }
    let router = http::router(state, settings).into_make_service_with_connect_info::<SocketAddr>();
    let (stop, end) = (cancelled.clone(), cancelled.clone());
    let grace = settings.shutdown_grace;
    tasks.spawn(async move {
        let served =
            axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
        let patience = async {
            end.cancelled().await;
            tokio::time::sleep(grace).await;
        };
        tokio::select! {
            ended = served.into_future() => if let Err(error) = ended {
                tracing::error!(%error, "the HTTP server ended");
            },
            // A caller who never ends its request must not keep the store open.
            () = patience => tracing::warn!("requests that did not end within the grace period were cut off"),
        }
    });
    tracing::info!("listening on http://{address}");
    Ok(address)
}

/// What staff accounts need, as far as it is configured.
fn staff(settings: &Settings) -> Result<Staff, StartError> {
    Ok(Staff {
        logins: settings.supabase.as_ref().map(Logins::new).transpose()?,
        sealer: settings.seal_key.as_ref().and_then(sealer),
        settings: settings.insurance.users.clone(),
        ended: Arc::new(Notify::new()),
    })
}

/// Keys that follow each other tell themselves apart by the first byte of their digest.
fn sealer(key: &SealKey) -> Option<Arc<Sealer>> {
    let id = Sha256::digest(key.bytes())[0];
    Sealer::new(id, key.bytes()).ok().map(Arc::new)
}

/// How failures of each kind are treated. The settle window of unknown writes is kept by the delivery protocol, which can
/// read back at once; the queue itself only keeps a short pause.
fn policies(settings: &config::Queue) -> Policies {
    Policies::new(KindPolicy {
        max_retries: settings.max_retries,
        base_backoff: settings.backoff,
        max_backoff: settings.backoff_max,
        max_age: settings.give_up_after,
        settle: settings.backoff.min(Duration::from_secs(1)),
        ..KindPolicy::default()
    })
}

/// While the breaker is open, operations of the CRM are not claimed and burn no attempts.
struct BreakerGate(Arc<Breaker>);

impl Gate for BreakerGate {
    fn held_back(&self) -> Vec<String> {
        match self.0.position() {
            Position::Closed => Vec::new(),
            // What begins in Supabase begins there all the same, and looks at the breaker itself before it goes on.
            Position::Open { .. } => KINDS
                .iter()
                .filter(|kind| ![kind::USER_CREATE, kind::USER_PASSWORD_RESET].contains(kind))
                .chain([&onboarding::kind::LEAD_UPDATE])
                .map(|kind| (*kind).to_owned())
                .collect(),
        }
    }
}
