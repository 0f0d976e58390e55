//! Pugmark inside this process, between a new store and a look-alike of vTiger that answers at once.

use std::time::Duration;

use pugmark_queue::db::Engine;
use pugmark_sandbox::{
    CustomField, CustomFieldKind, JournalKind, UserSpec, VtigerSandbox, VtigerSandboxBuilder,
};
use secrecy::SecretString;

use super::plain::Plain;
use super::stores::Stores;
use crate::app::{self, Roles, Running};
use crate::cli::CliError;
use crate::config::{self, CrmEdition, Mode, Settings};

/// What does not depend on how many records change: sessions and metadata.
const HOUSEKEEPING: [&str; 5] = ["getchallenge", "login", "logout", "listtypes", "describe"];

/// As many as `serve` opens.
const SESSIONS: usize = 4;

pub(super) struct World {
    pub(super) crm: VtigerSandbox,
    pub(super) running: Running,
    /// Another program's connection to the store.
    pub(super) program: Plain,
    /// The store's address.
    pub(super) url: String,
    pub(super) token: String,
}

impl World {
    /// Starts everything, with no settle delay and this pause between looks for changes.
    pub(super) async fn start(
        stores: &Stores,
        engine: Engine,
        poll: Duration,
    ) -> Result<Self, CliError> {
        World::over(stores, engine, poll, start_crm().await?, SESSIONS).await
    }

    /// The same before this CRM, with so many sessions.
    pub(super) async fn over(
        stores: &Stores,
        engine: Engine,
        poll: Duration,
        crm: VtigerSandbox,
        sessions: usize,
    ) -> Result<Self, CliError> {
        World::with(stores, engine, poll, crm, |settings| {
            if let Some(crm) = &mut settings.crm {
                crm.sessions = sessions;
            }
        })
        .await
    }

    /// The same with other settings.
    pub(super) async fn with(
        stores: &Stores,
        engine: Engine,
        poll: Duration,
        crm: VtigerSandbox,
        change: impl FnOnce(&mut Settings),
    ) -> Result<Self, CliError> {
        let url = stores.fresh(engine).await?;
        let token = throwaway_secret();
        let mut settings = settings(&url, &crm, &token, poll);
        change(&mut settings);
        let running = app::start(settings, Roles::ALL).await?;
        let program = Plain::open(&url).await?;
        Ok(World {
            crm,
            running,
            program,
            url,
            token,
        })
    }

    pub(super) async fn stop(self) {
        self.running.shutdown().await;
        self.crm.shutdown().await;
    }

    /// Calls that concern records, as the CRM's own journal has them.
    pub(super) fn record_calls(&self) -> u64 {
        record_calls(&self.crm)
    }
}

/// Calls that concern records, as the CRM's own journal has them.
pub(super) fn record_calls(crm: &VtigerSandbox) -> u64 {
    let calls = crm.journal().calls();
    let about_records = calls.iter().filter(|entry| match &entry.kind {
        JournalKind::Call { operation, .. } => !HOUSEKEEPING.contains(&operation.as_str()),
        _ => false,
    });
    about_records.count() as u64
}

/// A vTiger as an insurer sets it up.
pub(super) async fn start_crm() -> Result<VtigerSandbox, CliError> {
    start(insurers_crm()).await
}

/// The same, not yet started.
pub(super) fn insurers_crm() -> VtigerSandboxBuilder {
    let labels = [
        "MicroBima Customer ID",
        "Middle Name",
        "Gender",
        "ID Type",
        "ID Number",
        "MicroBima Status",
    ];
    let builder = VtigerSandbox::builder().user(UserSpec::admin("pugmark", &throwaway_secret()));
    labels.iter().fold(builder, |builder, label| {
        builder.custom_field(CustomField::new("Contacts", label, CustomFieldKind::Text))
    })
}

/// Starts a look-alike on loopback.
pub(super) async fn start(crm: VtigerSandboxBuilder) -> Result<VtigerSandbox, CliError> {
    crm.start()
        .await
        .map_err(|error| CliError::Other(format!("the look-alike of vTiger cannot start: {error}")))
}

/// Settings for this store and CRM, with this pause between looks for changes.
pub(super) fn settings(store: &str, crm: &VtigerSandbox, token: &str, poll: Duration) -> Settings {
    Settings {
        mode: Mode::Live,
        server: config::Server {
            address: ([127, 0, 0, 1], 0).into(),
            customer_url: None,
            public_url: None,
            health: None,
            max_body: 1 << 20,
            shutdown_grace: Duration::from_secs(10),
            token: Some(SecretString::from(token)),
        },
        console: config::Console::default(),
        database: config::Database::new(store),
        crm: Some(config::Crm {
            edition: CrmEdition::OpenSource,
            url: crm.url(),
            username: crm.username().to_owned(),
            access_key: SecretString::from(crm.access_key()),
            enabled: true,
            call_timeout: Duration::from_secs(30),
            longest_execution: Duration::from_secs(60),
            sessions: SESSIONS,
            describe_for: Duration::from_secs(600),
            look_first: false,
            default_owner: None,
            time_zone: jiff::tz::TimeZone::UTC,
            contact_defaults: Default::default(),
            poll: config::Poll {
                enabled: false,
                interval: Duration::from_secs(60),
                overlap: Duration::from_secs(60),
                deletions_within: Duration::from_secs(86_400),
            },
        }),
        capture: config::Capture {
            settle: Duration::ZERO,
            poll,
            batch: 500,
        },
        queue: config::Queue {
            lease: Duration::from_secs(120),
            max_retries: 3,
            backoff: Duration::from_secs(5),
            backoff_max: Duration::from_secs(900),
            give_up_after: Duration::from_secs(3600),
            keep: Duration::from_secs(90 * 24 * 3600),
        },
        rabbitmq: None,
        redis: None,
        scheduler: config::Scheduler::default(),
        insurance: config::Insurance {
            // Its calls would be counted.
            reconcile: config::Reconcile::off(),
            ..config::Insurance::default()
        },
        maxio: None,
        onboarding: config::Onboarding::default(),
        supabase: None,
        seal_key: None,
        in_force: Vec::new(),
        logs: config::Logs::default(),
        alerts: config::Alerts::default(),
        webhooks: config::Webhooks::default(),
    }
}

/// A secret for this run alone.
pub(super) fn throwaway_secret() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}
