//! The running program: which parts run in this process, and how they are started and stopped.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use pugmark_queue::db::{Db, DbError, StoreLock, StoreLockError};
use pugmark_queue::{
    Gate, KindPolicy, Policies, Queue, QueueError, QueueOptions, Sealer, Worker, WorkerOptions,
};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::capture::attach::{self, AttachError};
use crate::capture::gap::Sweeper;
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
use crate::http::auth::Access;
use crate::http::webhooks::Receiver;
use crate::http::{self, AppState};
use crate::logins::Logins;
use crate::problem::Code;
use crate::schedule::crm_poll::Poller;
use crate::schedule::{self, Sweeps, mapping_run, retry_sweep};
use crate::store::{self, SliceMode};
use crate::telemetry::kept;

/// The parts of Pugmark that a process may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    /// REST API, console, webhooks.
    pub api: bool,
    /// Planning captured changes and delivering operations.
    pub worker: bool,
    /// Sweeps and other work by the clock.
    pub scheduler: bool,
}

impl Roles {
    /// Everything in one process.
    pub const ALL: Roles = Roles {
        api: true,
        worker: true,
        scheduler: true,
    };
}

impl FromStr for Roles {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut roles = Roles {
            api: false,
            worker: false,
            scheduler: false,
        };
        for word in text
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
        {
            match word {
                "all" => roles = Roles::ALL,
                "api" => roles.api = true,
                "worker" => roles.worker = true,
                "scheduler" => roles.scheduler = true,
                other => {
                    return Err(format!(
                        "`{other}` is no role; use api, worker, scheduler or all"
                    ));
                }
            }
        }
        if roles
            == (Roles {
                api: false,
                worker: false,
                scheduler: false,
            })
        {
            return Err("name at least one role: api, worker, scheduler or all".to_owned());
        }
        Ok(roles)
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = [
            (self.api, "api"),
            (self.worker, "worker"),
            (self.scheduler, "scheduler"),
        ]
        .into_iter()
        .filter_map(|(on, name)| on.then_some(name))
        .collect();
        formatter.write_str(&names.join(", "))
    }
}

/// Why the program did not start. Each has the code that docs/errors.md explains.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings cannot be used.
    #[error(transparent)]
    Config(#[from] config::ConfigError),
    /// The store cannot be used.
    #[error("{code}: {0}", code = code_of(.0))]
    Store(#[from] DbError),
    /// Another process serves this SQLite file.
    #[error("{code}: {0}", code = lock_code(.0))]
    Lock(#[from] StoreLockError),
    /// MicroBima's database is not attached.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// The queue in the store cannot be used.
    #[error("{code}: {0}", code = Code::StoreUnavailable)]
    Queue(#[from] QueueError),
    /// The CRM's address cannot be used.
    #[error("{code}: VTIGER_URL: {0}", code = Code::Configuration)]
    Crm(#[from] vtiger::ConfigError),
    /// The address or key of the logins cannot be used.
    #[error("{code}: SUPABASE_URL: {0}", code = Code::Configuration)]
    Logins(#[from] supabase_auth::ConfigError),
    /// The port cannot be listened on.
    #[error("{code}: cannot listen on {address}: {source}. Another program may use the port; PORT sets another one", code = Code::Configuration)]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The operating system's reason.
        source: std::io::Error,
    },
}

/// The code of a store error.
pub fn code_of(error: &DbError) -> Code {
    match error {
        DbError::NewerThanProgram { .. } => Code::StoreTooNew,
        DbError::DiskFull => Code::StoreFull,
        DbError::ReadOnly => Code::StoreReadOnly,
        DbError::UnsupportedUrl { .. } => Code::Configuration,
        _ => Code::StoreUnavailable,
    }
}

/// The code of a store that could not be locked: because another process has it, or because it cannot be written to.
fn lock_code(error: &StoreLockError) -> Code {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem, StorageFull};
    match error {
        StoreLockError::Held { .. } => Code::StoreInUse,
        StoreLockError::Io { source, .. } => match source.kind() {
            PermissionDenied | ReadOnlyFilesystem => Code::StoreReadOnly,
            StorageFull => Code::StoreFull,
            _ => Code::StoreUnavailable,
        },
    }
}

/// A running Pugmark. Dropping it does not stop it cleanly; [`Running::shutdown`] does.
pub struct Running {
    /// Where the API listens, when this process has that role.
    pub address: Option<SocketAddr>,
    /// The store.
    pub db: Db,
    /// The queue.
    pub queue: Queue,
    cancelled: CancellationToken,
    tasks: JoinSet<()>,
    /// Writes log lines into the store, those of the shutdown included.
    logs: Option<kept::Writer>,
    /// Held as long as this process serves a SQLite file.
    _lock: Option<StoreLock>,
}

impl Running {
    /// Stops claiming, lets what is being delivered finish within the grace period, hands the rest back, and closes the
    /// store after what was handed to it is committed.
    pub async fn shutdown(mut self) {
        self.cancelled.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a part of the program ended badly");
            }
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
    let db = store::open(&settings.database).await?;
    let lock = store::sqlite_path(&settings.database.url)
        .map(StoreLock::acquire)
        .transpose()?;
    attach::ready(&db).await?;
    store::migrate(&db).await?;
    tell_whose_tables(&db).await?;
    let logs = kept::keep(&db, &settings);
    let staff = Arc::new(staff(&settings)?);
    let queue = Queue::new(
        db.clone(),
        QueueOptions {
            policies: policies(&settings.queue),
            sealer: staff.sealer.clone(),
            ..QueueOptions::default()
        },
    );
    if let Some(lock) = &lock {
        let reclaimed = queue.reclaim_all_of_dead_process(lock).await?;
        if reclaimed.leases > 0 {
            tracing::warn!(
                operations = reclaimed.leases,
                "taken over from a process that ended without handing back"
            );
        }
    }
    let crm = settings
        .crm
        .clone()
        .map(Crm::new)
        .transpose()?
        .map(Arc::new);
    let cancelled = CancellationToken::new();
    let nudge = Arc::new(Notify::new());
    let mut tasks = JoinSet::new();
    let summaries = Summaries::new(
        db.clone(),
        queue.clone(),
        Arc::new(settings.insurance.clone()),
    );
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
        start_worker(
            &settings,
            &db,
            &queue,
            (crm.as_ref(), &staff),
            &cancelled,
            &mut tasks,
        );
    }
    if roles.scheduler {
        tasks.spawn(schedule::summary::run(summaries.clone(), cancelled.clone()));
        let sweeps = Sweeps {
            sweeper: Sweeper::new(
                db.clone(),
                settings.mode,
                &settings.insurance.notes.significant,
            ),
            mode: settings.mode,
            look: settings.capture.poll * 5,
            keep_logs: settings.logs.keep,
            keep_deliveries: settings.webhooks.keep,
        };
        tasks.spawn(schedule::run(
            db.clone(),
            queue.clone(),
            sweeps,
            cancelled.clone(),
        ));
        tasks.spawn(retry_sweep::run(
            db.clone(),
            queue.clone(),
            cancelled.clone(),
        ));
        if let Some(crm) = crm.as_ref().filter(|crm| polls(&settings, crm)) {
            let poll = crm.settings.poll.clone();
            let poller = Poller::new(db.clone(), queue.clone(), crm.clone(), poll);
            tasks.spawn(poller.run(cancelled.clone()));
        }
        tasks.spawn(mapping_run::run(
            db.clone(),
            queue.clone(),
            cancelled.clone(),
        ));
    }
    if roles.scheduler
        && let Some(crm) = &crm
    {
        schedule::reconcile::start(&settings, &db, &queue, crm, &cancelled, &mut tasks);
    }
    let address = if roles.api {
        let state = AppState {
            db: db.clone(),
            queue: queue.clone(),
            relay: nudge,
            summaries,
            crm: settings.crm.clone().map(Arc::new),
            vtiger: crm.clone(),
            contacts: Setting::of(&settings),
            breaker: crm
                .as_ref()
                .filter(|_| roles.worker)
                .map(|crm| crm.breaker.clone()),
            mode: settings.mode,
            access: Arc::new(Access::new(
                settings.server.token.clone(),
                staff.logins.clone(),
            )),
            staff,
            webhooks: Arc::new(Receiver::new(settings.webhooks.clone())),
        };
        Some(start_api(&settings.server, state, &cancelled, &mut tasks).await?)
    } else {
        None
    };
    tracing::info!(%roles, mode = %settings.mode, store = %config::mask_url(&settings.database.url), "started");
    Ok(Running {
        address,
        db,
        queue,
        cancelled,
        tasks,
        logs,
        _lock: lock,
    })
}

/// Whether the CRM is asked what changed. In shadow mode nothing could come of it.
fn polls(settings: &Settings, crm: &Crm) -> bool {
    crm.settings.enabled && crm.settings.poll.enabled && settings.mode == Mode::Live
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

fn start_worker(
    settings: &Settings,
    db: &Db,
    queue: &Queue,
    (crm, staff): (Option<&Arc<Crm>>, &Arc<Staff>),
    cancelled: &CancellationToken,
    tasks: &mut JoinSet<()>,
) {
    let Some(crm) = crm else {
        tracing::warn!(
            "no CRM is configured (VTIGER_URL or VTIGER_API_URL): changes are captured and queued, nothing is sent"
        );
        return;
    };
    if !crm.settings.enabled {
        tracing::warn!("VTIGER_ENABLED=false: changes are captured and queued, nothing is sent");
        return;
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
    let handlers = insurance::handlers(&deliverer, settings, staff);
    let gate = Arc::new(BreakerGate(crm.breaker.clone()));
    let options = WorkerOptions {
        concurrency: crm.settings.sessions,
        lease: settings.queue.lease,
        grace: settings.server.shutdown_grace,
        ..WorkerOptions::default()
    };
    tasks.spawn(Worker::new(queue.clone(), handlers, gate, options).run(cancelled.clone()));
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
            "neither APP_SECRET_TOKEN nor SUPABASE_URL is set: the internal API refuses every request"
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
                .map(|kind| (*kind).to_owned())
                .collect(),
        }
    }
}
