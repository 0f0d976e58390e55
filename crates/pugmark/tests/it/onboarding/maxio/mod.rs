//! From a lead that is ready to a customer with a subscription and back to the lead, judged by what vTiger and Maxio hold.

mod doctor;
mod faults;
mod interrupted;
pub(crate) mod killed;
mod limit;
mod news;
mod refusing;
mod secrets;
mod setting_up;

use std::time::Duration;

use pugmark::app::Running;
use pugmark::config::{self, Collection, Gateway, NextBilling};
use pugmark_sandbox::{
    CustomField, CustomFieldKind, JournalKind, MaxioSandbox, MaxioSandboxBuilder,
    VtigerSandboxBuilder,
};
use secrecy::SecretString;
use serde_json::Value;

use super::sending::{IBAN, guide, receiving, signed};
use crate::harness::{PATIENCE, World, Writer, eventually, sandbox};
use crate::http::{Api, answer};

/// A valid account.
pub(super) const ACCOUNT: &str = "IE29AIBK93115212345678";
pub(super) const READY: &str = "Ready for Finance Setup";
/// The lead's fields by what they hold. Open-source vTiger numbers custom fields.
pub(super) const IBAN_FIELD: &str = "cf_901";
pub(crate) const CUSTOMER_FIELD: &str = "cf_903";
pub(crate) const SUBSCRIPTION_FIELD: &str = "cf_905";
pub(super) const STATE_FIELD: &str = "cf_907";
pub(super) const DEBIT_FIELD: &str = "cf_909";

/// vTiger and Maxio with Pugmark's settings between them.
pub(crate) struct Site {
    pub(crate) world: World,
    pub(crate) maxio: MaxioSandbox,
}

/// The fields that an HR company makes for its leads, in this module.
pub(crate) fn with_fields(crm: VtigerSandboxBuilder, module: &str) -> VtigerSandboxBuilder {
    [
        ("IBAN", IBAN_FIELD),
        ("Maxio Customer ID", CUSTOMER_FIELD),
        ("Maxio Subscription ID", SUBSCRIPTION_FIELD),
        ("Subscription state", STATE_FIELD),
        ("Direct debit", DEBIT_FIELD),
    ]
    .into_iter()
    .fold(crm, |crm, (label, name)| {
        crm.custom_field(CustomField::new(module, label, CustomFieldKind::Text).named(name))
    })
}

impl Site {
    pub(super) async fn of(world: World) -> Self {
        Self::with(world, |maxio| maxio, |crm| with_fields(crm, "Leads")).await
    }

    /// With another Maxio or another vTiger.
    pub(crate) async fn with(
        world: World,
        maxio: impl FnOnce(MaxioSandboxBuilder) -> MaxioSandboxBuilder,
        crm: impl FnOnce(VtigerSandboxBuilder) -> VtigerSandboxBuilder,
    ) -> Self {
        let mut world = world.before(crm(sandbox())).await;
        let maxio = maxio(MaxioSandbox::builder().seed(1));
        let maxio = maxio
            .start()
            .await
            .expect("the look-alike starts on loopback");
        receiving(&mut world);
        world.crm_settings().enabled = true;
        world.crm_settings().describe_for = Duration::from_millis(200);
        world.settings.maxio = Some(config::Maxio {
            url: maxio.url().parse().expect("an address"),
            key: SecretString::from(maxio.api_key().to_owned()),
            webhook_secret: Some(SecretString::from(maxio.webhook_key().to_owned())),
            call_timeout: Duration::from_millis(700),
            longest_execution: Duration::from_millis(500),
            at_once: 4,
            product: "default-hr-package".to_owned(),
            price_point: None,
            collection: Collection::Iban,
            gateway: Gateway::Test,
            next_billing: NextBilling::Now,
            net_terms: None,
        });
        Site { world, maxio }
    }

    pub(super) fn settings(&mut self) -> &mut config::Maxio {
        self.world
            .settings
            .maxio
            .as_mut()
            .expect("Maxio is configured")
    }

    pub(super) async fn start(&self) -> (Running, Api) {
        let running = self.world.start().await;
        let api = Api::of(&running);
        (running, api)
    }

    /// A lead with everything, made by a person.
    pub(crate) fn lead(&self, email: &str) -> String {
        self.lead_with(email, &[])
    }

    pub(super) fn lead_with(&self, email: &str, more: &[(&str, &str)]) -> String {
        let mut fields = vec![
            ("firstname", "John"),
            ("lastname", "Doe"),
            ("company", "Acme Corp Ltd"),
            ("email", email),
            ("leadstatus", READY),
            (IBAN_FIELD, ACCOUNT),
        ];
        fields.extend_from_slice(more);
        let made = self.world.crm.insert_as_ui("Leads", &fields);
        made.expect("the fields exist")
    }

    /// A workflow says that the lead is ready, and nothing else of it; gives the job.
    pub(crate) async fn ready(&self, api: &Api, lead: &str) -> String {
        self.said(api, &format!(r#"{{"id":"{lead}"}}"#)).await
    }

    /// A delivery of the webhook; gives the job.
    pub(crate) async fn said(&self, api: &Api, body: &str) -> String {
        let received = answer(signed(api, body)).await;
        assert_eq!(received.status, 200, "{}", received.text);
        let job = received.json["jobId"].as_str();
        job.unwrap_or_else(|| panic!("{}", received.text))
            .to_owned()
    }

    pub(super) async fn program(&self) -> Writer {
        self.world.other_program().await
    }

    /// Waits until the job has this status.
    pub(super) async fn until(&self, api: &Api, job: &str, status: &str) -> Job {
        let what = format!("job {job} {status}");
        let looking = eventually(&what, || async {
            let job = self.job(api, job).await;
            (job.status == status).then_some(job)
        });
        tokio::select! {
            found = looking => found,
            () = tokio::time::sleep(PATIENCE - Duration::from_secs(1)) => panic!("{what}: {:?}", self.job(api, job).await),
        }
    }

    /// The job as the store has it.
    pub(super) async fn job(&self, _api: &Api, job: &str) -> Job {
        let program = self.program().await;
        let column = |name: &str| {
            let id = match program.engine() {
                pugmark_queue::db::Engine::Sqlite => format!(
                    "upper(hex(job_id)) = '{}'",
                    job.replace('-', "").to_uppercase()
                ),
                pugmark_queue::db::Engine::Postgres => format!("job_id = '{job}'"),
            };
            let sql = format!("SELECT {name} FROM sync_jobs WHERE {id}");
            let program = &program;
            async move { program.one(sql).await.unwrap_or_default() }
        };
        Job {
            status: column("status").await,
            code: column("error_code").await,
            message: column("error_message").await,
            faults: serde_json::from_str(&column("faults").await).unwrap_or_default(),
            customer: column("maxio_customer_id").await,
            subscription: column("maxio_subscription_id").await,
        }
    }

    /// That exactly one of everything was ever made for the lead, that it belongs together, and that the lead shows it.
    pub(super) fn assert_set_up(&self, lead: &str) {
        let journal = self.maxio.journal();
        let made = |module: &str, reference: &str| {
            let made = journal.count_distinct_by(module, "reference");
            made.get(reference).cloned().unwrap_or_default()
        };
        let customers = made("customers", lead);
        assert_eq!(customers.len(), 1, "customers of {lead}");
        let subscriptions = made("subscriptions", &format!("lead-{lead}"));
        assert_eq!(subscriptions.len(), 1, "subscriptions of {lead}");
        let profiles = journal
            .created("payment_profiles")
            .iter()
            .filter(|entry| match &entry.kind {
                JournalKind::Created { fields, .. } => {
                    fields.get("customer_id") == customers.first()
                }
                _ => false,
            })
            .count();
        let by_debit = self
            .world
            .settings
            .maxio
            .as_ref()
            .expect("Maxio")
            .collection
            != Collection::Remittance;
        assert_eq!(
            profiles,
            usize::from(by_debit),
            "payment profiles of {lead}"
        );
        let record = self.world.crm.record(lead).expect("the lead");
        assert_eq!(record.value(CUSTOMER_FIELD), customers[0], "{lead}");
        assert_eq!(record.value(SUBSCRIPTION_FIELD), subscriptions[0], "{lead}");
    }

    /// The subscription of a lead, as Maxio shows it.
    pub(super) fn subscription(&self, lead: &str) -> Value {
        let found = self
            .maxio
            .subscription_by_reference(&format!("lead-{lead}"));
        found.expect("a subscription")
    }
}

/// A job as the store has it.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) status: String,
    pub(super) code: String,
    pub(super) message: String,
    pub(super) faults: Value,
    pub(super) customer: String,
    pub(super) subscription: String,
}

/// The guide's example for this lead, with a valid account.
pub(super) fn guide_for(lead: &str) -> String {
    guide()
        .replace("vtiger_lead_id_456", lead)
        .replace(IBAN, ACCOUNT)
}
