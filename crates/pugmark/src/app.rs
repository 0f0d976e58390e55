//! The running program: which parts run in this process, and how they are started and stopped.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use pugmark_queue::db::{Db, DbError, StoreLock, StoreLockError};
use pugmark_queue::{
    Gate, Handler, KindPolicy, Policies, Queue, QueueError, QueueOptions, Worker, WorkerOptions,
};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::capture::relay::Relay;
use crate::config::{self, Mode, Settings};
use crate::crm::Crm;
use crate::crm::breaker::{Breaker, Position};
use crate::flows::insurance::customer::CustomerHandler;
use crate::flows::insurance::plan::KINDS;
use crate::http::{self, AppState};
use crate::problem::Code;
use crate::{schedule, store};

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
    /// The queue in the store cannot be used.
    #[error("{code}: {0}", code = Code::StoreUnavailable)]
    Queue(#[from] QueueError),
    /// The CRM's address cannot be used.
    #[error("{code}: VTIGER_URL: {0}", code = Code::Configuration)]
    Crm(#[from] vtiger::ConfigError),
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
    store::migrate(&db).await?;
    let queue = Queue::new(
        db.clone(),
        QueueOptions {
            policies: policies(&settings.queue),
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
    if roles.worker {
        let relay = Relay::new(
            db.clone(),
            queue.clone(),
            settings.capture.clone(),
            nudge.clone(),
        );
        tasks.spawn(relay.run(cancelled.clone()));
        start_worker(&settings, &db, &queue, crm.as_ref(), &cancelled, &mut tasks);
    }
    if roles.scheduler {
        tasks.spawn(schedule::run(
            db.clone(),
            queue.clone(),
            settings.mode,
            cancelled.clone(),
        ));
    }
    let address = if roles.api {
        let state = AppState {
            db: db.clone(),
            queue: queue.clone(),
            relay: nudge,
            crm: settings.crm.clone().map(Arc::new),
            breaker: crm
                .as_ref()
                .filter(|_| roles.worker)
                .map(|crm| crm.breaker.clone()),
            mode: settings.mode,
            token: settings.server.token.clone(),
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
        _lock: lock,
    })
}

fn start_worker(
    settings: &Settings,
    db: &Db,
    queue: &Queue,
    crm: Option<&Arc<Crm>>,
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
    let handler: Arc<dyn Handler> = Arc::new(CustomerHandler::new(
        db.clone(),
        queue.clone(),
        crm.clone(),
        settings.mode,
        settings.server.customer_url.clone(),
        settings.queue.lease,
    ));
    let handlers: HashMap<String, Arc<dyn Handler>> = KINDS
        .iter()
        .map(|kind| ((*kind).to_owned(), handler.clone()))
        .collect();
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
    if settings.token.is_none() {
        tracing::warn!("APP_SECRET_TOKEN is not set: the internal API refuses every request");
    }
    let router = http::router(state, settings);
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
            Position::Open { .. } => KINDS.iter().map(|kind| (*kind).to_owned()).collect(),
        }
    }
}
