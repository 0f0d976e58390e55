//! Log lines that are kept in `application_logs`.
//!
//! A layer hands lines to a queue in memory and never waits: when the queue is full, lines are counted and dropped. One task
//! writes them in batches. The layer is there before the store is; [`keep`] joins the two.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pugmark_queue::ATTEMPT;
use pugmark_queue::db::{Db, DbError, Ts};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber, dispatcher};
use tracing_subscriber::layer::{Context, Filter, Layer};
use tracing_subscriber::registry::LookupSpan;
use zeroize::Zeroizing;

use super::fields::{Fields, mask, mask_text};
use crate::config::{Settings, StoredLevel};
use crate::problem::Code;
use crate::store::application_logs::{self, NewLine};

/// Lines that may wait to be written.
const WAITING: usize = 4_096;
/// Lines written in one statement.
const BATCH: usize = 200;
/// How long the first line of a batch waits for others.
const GATHER: Duration = Duration::from_millis(250);
/// A shorter text is no secret worth hiding: it would tear holes into every line.
const SHORTEST_SECRET: usize = 6;
/// What the writing of lines itself causes is shown, but not kept: it would never end.
const OUR_OWN: [&str; 3] = ["pugmark::telemetry", "pugmark_queue::db", "sqlx"];

/// The layer that hands lines over.
pub struct KeptLines {
    shared: Arc<Shared>,
}

struct Shared {
    lines: Sender<NewLine>,
    /// Where they come out; taken while somebody writes them.
    written_from: Mutex<Option<Receiver<NewLine>>>,
    dropped: AtomicU64,
    rules: Rules,
    /// Secrets that must not stand in any line.
    secrets: Mutex<Arc<[Zeroizing<String>]>>,
}

/// What is kept.
struct Rules {
    level: AtomicU8,
    attempts: AtomicU8,
}

impl KeptLines {
    /// The layer with its filter. Until [`keep`] says otherwise, warnings, errors and one line for each attempt wait for a store.
    pub fn layer<S>() -> impl Layer<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let (lines, out) = channel(WAITING);
        let shared = Arc::new(Shared {
            lines,
            written_from: Mutex::new(Some(out)),
            dropped: AtomicU64::new(0),
            rules: Rules {
                level: AtomicU8::new(rank(StoredLevel::Warn)),
                attempts: AtomicU8::new(1),
            },
            secrets: Mutex::new(Arc::from([])),
        });
        let filter = Wanted(shared.clone());
        KeptLines { shared }.with_filter(filter)
    }
}

fn rank(level: StoredLevel) -> u8 {
    match level {
        StoredLevel::Off => 0,
        StoredLevel::Error => 1,
        StoredLevel::Warn => 2,
        StoredLevel::Info => 3,
    }
}

impl Rules {
    fn want(&self, metadata: &Metadata<'_>) -> bool {
        if metadata.is_span() {
            return *metadata.level() <= Level::INFO;
        }
        if metadata.target() == ATTEMPT && self.attempts.load(Ordering::Relaxed) == 1 {
            return *metadata.level() <= Level::INFO;
        }
        let level = match *metadata.level() {
            Level::ERROR => 1,
            Level::WARN => 2,
            Level::INFO => 3,
            _ => return false,
        };
        level <= self.level.load(Ordering::Relaxed)
            && !OUR_OWN
                .iter()
                .any(|target| metadata.target().starts_with(target))
    }
}

/// Decides line by line, because the settings are read after the layer was made.
struct Wanted(Arc<Shared>);

impl<S> Filter<S> for Wanted {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.0.rules.want(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if *metadata.level() <= Level::INFO {
            Interest::sometimes()
        } else {
            Interest::never()
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }
}

impl<S> Layer<S> for KeptLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context
            .event_scope(event)
            .into_iter()
            .flat_map(|scope| scope.from_root())
        {
            if let Some(around) = span.extensions().get::<Fields>() {
                fields.0.extend(around.0.clone());
            }
        }
        event.record(&mut fields);
        let line = self.shared.line(event.metadata(), fields.0);
        if self.shared.lines.try_send(line).is_err() {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Shared {
    fn line(&self, metadata: &Metadata<'_>, mut fields: Map<String, Value>) -> NewLine {
        let mut text = |name: &str| match fields.remove(name) {
            Some(Value::String(text)) => Some(text),
            Some(other) => Some(other.to_string()),
            None => None,
        };
        let mut message = text("message").unwrap_or_default();
        let correlation_id = text("correlation_id").filter(|id| !id.is_empty());
        let secrets = self.secrets();
        mask_text(&mut message, &secrets);
        fields.values_mut().for_each(|value| mask(value, &secrets));
        NewLine {
            timestamp: Ts::now(),
            level: word_of(*metadata.level()),
            target: metadata.target().to_owned(),
            message,
            context: fields,
            correlation_id,
        }
    }

    fn secrets(&self) -> Arc<[Zeroizing<String>]> {
        self.secrets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn take_receiver(&self) -> Option<Receiver<NewLine>> {
        self.written_from
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn give_back(&self, lines: Receiver<NewLine>) {
        *self
            .written_from
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(lines);
    }
}

/// Writes kept lines into a store until it is [ended](Writer::end).
pub struct Writer {
    ending: CancellationToken,
    task: JoinHandle<()>,
}

impl Writer {
    /// Writes what waits and ends.
    pub async fn end(self) {
        self.ending.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the writing of log lines ended badly");
        }
    }
}

/// Joins the layer of the present subscriber with a store. `None` when there is no such layer, or its lines go to another store.
pub fn keep(db: &Db, settings: &Settings) -> Option<Writer> {
    let shared = dispatcher::get_default(|dispatch| {
        dispatch
            .downcast_ref::<KeptLines>()
            .map(|layer| layer.shared.clone())
    })?;
    let lines = shared.take_receiver()?;
    let rules = &shared.rules;
    rules
        .level
        .store(rank(settings.logs.store), Ordering::Relaxed);
    rules
        .attempts
        .store(u8::from(settings.logs.attempts), Ordering::Relaxed);
    *shared
        .secrets
        .lock()
        .unwrap_or_else(PoisonError::into_inner) = secrets_of(settings);
    let ending = CancellationToken::new();
    let writing = Writing {
        db: db.clone(),
        shared,
        lost: 0,
    };
    let task = tokio::spawn(writing.run(lines, ending.clone()));
    Some(Writer { ending, task })
}

/// Every secret among the settings, and the password of the store.
fn secrets_of(settings: &Settings) -> Arc<[Zeroizing<String>]> {
    let mut secrets: Vec<Zeroizing<String>> = Vec::new();
    let mut add = |secret: &SecretString| {
        secrets.push(Zeroizing::new(secret.expose_secret().to_owned()));
    };
    settings.server.token.iter().for_each(&mut add);
    if let Some(crm) = &settings.crm {
        add(&crm.access_key);
    }
    if let Some(maxio) = &settings.maxio {
        add(&maxio.key);
        maxio.webhook_secret.iter().for_each(&mut add);
    }
    let webhooks = &settings.webhooks.secrets;
    for kind in [&webhooks.hmac, &webhooks.header, &webhooks.path] {
        kind.iter().for_each(&mut add);
    }
    if let Some(supabase) = &settings.supabase {
        add(&supabase.service_key);
        supabase.jwt_secret.iter().for_each(&mut add);
    }
    let password = url::Url::parse(&settings.database.url)
        .ok()
        .and_then(|url| url.password().map(str::to_owned));
    secrets.extend(password.map(Zeroizing::new));
    secrets.retain(|secret| secret.len() >= SHORTEST_SECRET);
    secrets.into()
}

struct Writing {
    db: Db,
    shared: Arc<Shared>,
    /// Lines that the store refused, and that no line has told of yet.
    lost: u64,
}

impl Writing {
    async fn run(mut self, mut lines: Receiver<NewLine>, ending: CancellationToken) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                biased;
                first = lines.recv() => batch.extend(first),
                () = ending.cancelled() => break,
            }
            tokio::select! {
                () = ending.cancelled() => {}
                () = tokio::time::sleep(GATHER) => {}
            }
            gather(&mut lines, &mut batch);
            self.write(&mut batch).await;
        }
        // What other parts wrote while they ended.
        loop {
            gather(&mut lines, &mut batch);
            if batch.is_empty() {
                break;
            }
            self.write(&mut batch).await;
        }
        self.shared.give_back(lines);
    }

    async fn write(&mut self, batch: &mut Vec<NewLine>) {
        let lost = self.lost + self.shared.dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            batch.push(about_lost(lost));
        }
        let lines = std::mem::take(batch);
        let written = lines.len() as u64;
        let stored = self
            .db
            .write("keep logs", move |conn| {
                Box::pin(async move {
                    application_logs::insert(conn, &lines).await?;
                    Ok::<_, DbError>(())
                })
            })
            .await;
        self.lost = match stored {
            Ok(()) => 0,
            Err(error) => {
                tracing::warn!(%error, "log lines could not be kept; they are counted");
                // The line that told of the lost ones is no line of anybody's.
                lost + written - u64::from(lost > 0)
            }
        };
    }
}

fn gather(lines: &mut Receiver<NewLine>, batch: &mut Vec<NewLine>) {
    while batch.len() < BATCH
        && let Ok(line) = lines.try_recv()
    {
        batch.push(line);
    }
}

/// The level as the store has it.
fn word_of(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG | Level::TRACE => "debug",
    }
}

fn about_lost(lines: u64) -> NewLine {
    let fields = json!({ "code": Code::LogLinesLost.as_str(), "lines": lines });
    NewLine {
        timestamp: Ts::now(),
        level: word_of(Level::WARN),
        target: module_path!().to_owned(),
        message: format!("{lines} log line(s) could not be kept"),
        context: fields.as_object().cloned().unwrap_or_default(),
        correlation_id: None,
    }
}
