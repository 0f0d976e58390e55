//! A vTiger and settings for tests.

use std::time::Duration;

use pugmark::config::{self, CrmEdition, Mode, Settings};
use pugmark_sandbox::{CustomField, CustomFieldKind, VtigerSandbox, VtigerSandboxBuilder};
use secrecy::SecretString;

use super::*;

/// A vTiger as an insurer sets it up.
pub(crate) fn sandbox() -> VtigerSandboxBuilder {
    FIELDS
        .iter()
        .fold(VtigerSandbox::builder().seed(1), |builder, label| {
            let kind = if label.ends_with("Link") {
                CustomFieldKind::Url
            } else {
                CustomFieldKind::Text
            };
            builder.custom_field(CustomField::new("Contacts", label, kind))
        })
}

/// Settings with short pauses, so that tests of recovery are quick.
pub(crate) fn settings(store: &str, crm: &VtigerSandbox) -> Settings {
    Settings {
        mode: Mode::Live,
        server: config::Server {
            address: ([127, 0, 0, 1], 0).into(),
            customer_url: Some("https://agents.example.org/admin/customer/{id}".to_owned()),
            public_url: None,
            health: None,
            max_body: 1 << 20,
            shutdown_grace: Duration::from_secs(10),
            token: Some(SecretString::from(TOKEN)),
        },
        console: config::Console::default(),
        database: config::Database {
            connections: 4,
            ..config::Database::new(store)
        },
        crm: Some(config::Crm {
            edition: CrmEdition::OpenSource,
            url: crm.url(),
            username: crm.username().to_owned(),
            access_key: SecretString::from(crm.access_key().to_owned()),
            enabled: true,
            call_timeout: Duration::from_secs(2),
            longest_execution: Duration::from_millis(500),
            sessions: 4,
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
            settle: Duration::from_millis(50),
            poll: Duration::from_millis(20),
            batch: 200,
        },
        queue: config::Queue {
            lease: Duration::from_secs(10),
            max_retries: 3,
            backoff: Duration::from_millis(50),
            backoff_max: Duration::from_millis(500),
            give_up_after: Duration::from_secs(600),
            keep: Duration::from_secs(90 * 24 * 3600),
        },
        rabbitmq: None,
        redis: None,
        scheduler: config::Scheduler {
            lease: Duration::from_secs(5),
        },
        insurance: config::Insurance {
            // Tests about customers count calls; those about notes say what they want told.
            notes: config::Notes {
                significant: ["dependant.added", "dependant.removed"]
                    .map(str::to_owned)
                    .into(),
            },
            payments: config::Payments {
                settle: Duration::from_millis(50),
                stored_times: config::StoredTimes::Local,
            },
            // What compares both sides by the clock makes calls that tests count.
            reconcile: config::Reconcile::off(),
            ..config::Insurance::default()
        },
        maxio: None,
        onboarding: config::Onboarding {
            poll: None,
            ..config::Onboarding::default()
        },
        supabase: None,
        seal_key: None,
        in_force: Vec::new(),
        logs: config::Logs::default(),
        alerts: config::Alerts {
            look: Duration::from_millis(100),
            ..config::Alerts::default()
        },
        webhooks: config::Webhooks::default(),
    }
}
