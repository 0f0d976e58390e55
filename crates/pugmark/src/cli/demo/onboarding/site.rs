//! The HR company's two systems as look-alikes, and Pugmark's settings between them.

use std::net::SocketAddr;
use std::time::Duration;

use pugmark_sandbox::{
    CloudQuota, CustomField, CustomFieldKind, Edition, Fault, FaultPlan, HexSignature, Latency,
    Match, MaxioSandbox, Occurrence, ProductSeed, UserSpec, VtigerSandbox, Workflow,
};
use secrecy::SecretString;

use super::super::{CALL_TIMEOUT, Folder, base_settings, crm_settings, random_key};
use super::OnboardingArgs;
use crate::cli::CliError;
use crate::config::{self, Collection, CrmEdition, Gateway, NextBilling, Settings};

/// Share of calls that go wrong with `--faults`.
const FAULT_RATE: f64 = 0.2;
const MAXIO_TIMEOUT: Duration = Duration::from_secs(2);
/// A hanging call of Maxio's is cut before Pugmark gives it up, so that the count of calls at once means the same on both sides.
const MAXIO_HANGS: Duration = Duration::from_secs(1);
const PRODUCT: &str = "default-hr-package";
const WEBHOOK: &str = "/webhook/vtiger/lead-status-change";

pub(super) const READY: &str = "Ready for Finance Setup";
pub(super) const DONE: &str = "Finance Setup Complete";
/// The lead's custom fields, by the names in the onboarding guide.
pub(super) const IBAN: &str = "cf_iban";
pub(super) const CUSTOMER: &str = "cf_maxio_customer_id";
pub(super) const SUBSCRIPTION: &str = "cf_maxio_subscription_id";

/// vTiger Cloud and Maxio.
pub(super) struct Site {
    pub(super) crm: VtigerSandbox,
    pub(super) maxio: MaxioSandbox,
}

impl Site {
    pub(super) async fn start(args: &OnboardingArgs) -> Result<Self, CliError> {
        let fails = |name: &str, error: std::io::Error| {
            CliError::Other(format!("the look-alike of {name} cannot start: {error}"))
        };
        let crm = [
            ("IBAN", IBAN),
            ("Maxio Customer ID", CUSTOMER),
            ("Maxio Subscription ID", SUBSCRIPTION),
        ]
        .into_iter()
        .fold(VtigerSandbox::builder(), |crm, (label, name)| {
            crm.custom_field(CustomField::new("Leads", label, CustomFieldKind::Text).named(name))
        });
        let crm = crm
            .seed(args.seed)
            .edition(Edition::Cloud)
            .cloud_leads(true)
            .cloud_quota(CloudQuota {
                per_minute: 100_000,
                per_day: 1_000_000,
            })
            .user(UserSpec::admin("pugmark@example.ie", &random_key()))
            .hang_limit(CALL_TIMEOUT * 2)
            .latency(Latency::Fixed(Duration::from_millis(4)))
            .start()
            .await
            .map_err(|error| fails("vTiger", error))?;
        let maxio = MaxioSandbox::builder()
            .seed(args.seed)
            .product(ProductSeed::monthly(PRODUCT, 29_900))
            .latency(Duration::from_millis(15))
            .hang_limit(MAXIO_HANGS)
            // The harder case: nothing but Pugmark's own care keeps a second subscription from being made.
            .unique_subscription_references(false)
            .start()
            .await
            .map_err(|error| fails("Maxio", error))?;
        Ok(Site { crm, maxio })
    }

    /// Pugmark's settings; `secret` signs vTiger's webhooks.
    pub(super) fn settings(
        &self,
        args: &OnboardingArgs,
        folder: &Folder,
        secret: &str,
    ) -> Settings {
        let url = format!("{}/restapi/v1/vtiger/default", self.crm.url());
        let crm = crm_settings(&self.crm, CrmEdition::Cloud, url);
        let mut settings = base_settings(args.port, folder, crm);
        settings.maxio = self.maxio.url().parse().ok().map(|url| config::Maxio {
            url,
            key: SecretString::from(self.maxio.api_key().to_owned()),
            webhook_secret: None,
            call_timeout: MAXIO_TIMEOUT,
            longest_execution: Duration::from_millis(500),
            at_once: 4,
            product: PRODUCT.to_owned(),
            price_point: None,
            collection: Collection::Iban,
            gateway: Gateway::Test,
            next_billing: NextBilling::Now,
            net_terms: None,
        });
        let onboarding = &mut settings.onboarding;
        onboarding.done = Some(DONE.to_owned());
        onboarding.poll = Some(Duration::from_secs(1));
        CUSTOMER.clone_into(&mut onboarding.write.customer_id);
        SUBSCRIPTION.clone_into(&mut onboarding.write.subscription_id);
        settings.webhooks.secrets.hmac = vec![SecretString::from(secret)];
        // As many as the demonstration likes to send.
        settings.webhooks.per_minute = u32::MAX;
        settings.webhooks.per_peer = u32::MAX;
        let (one, other) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
        let mut key = [0; 32];
        key[..16].copy_from_slice(one.as_bytes());
        key[16..].copy_from_slice(other.as_bytes());
        settings.seal_key = Some(config::SealKey::of(key));
        settings
    }

    /// The workflow of the onboarding guide, whose server script signs what it sends.
    pub(super) fn add_workflow(&self, pugmark: SocketAddr, secret: &str) -> Result<(), CliError> {
        let fields = [
            "leadstatus",
            IBAN,
            "company",
            "email",
            "firstname",
            "lastname",
        ];
        let workflow = Workflow::on_every_save("Leads", &format!("http://{pugmark}{WEBHOOK}"))
            .when_changed_to("leadstatus", READY)
            .constant("event", "record.update")
            .constant("module", "Leads")
            .record_id("record_id")
            .fields_under("data", &fields)
            .by_server_script(HexSignature::new(secret));
        match self.crm.add_workflow(workflow) {
            true => Ok(()),
            false => Err(CliError::Other(
                "the look-alike of vTiger does not take the workflow".to_owned(),
            )),
        }
    }

    /// A bad day, if that is wanted: some of everything, and each kind of loss after a write at least once.
    pub(super) fn misbehave(&self, args: &OnboardingArgs) {
        if !args.faults {
            return;
        }
        let typical = || FaultPlan::typical(args.seed, FAULT_RATE);
        let writes = [
            "customer.create",
            "payment_profile.create",
            "subscription.create",
        ];
        let maxio = FaultPlan {
            rules: Vec::new(),
            ..typical()
        }
        .nth("customer.create", 2, Fault::HttpAfterEffect(502))
        .nth("payment_profile.create", 2, Fault::HangAfterEffect)
        .nth("subscription.create", 2, Fault::CutAfterEffect)
        .nth("subscription.create", 4, Fault::Http(503))
        .nth(
            "customer.create",
            4,
            Fault::TooMany {
                retry_after: Some(1),
            },
        )
        .rule(
            Match::operations(&writes, Occurrence::Rate(FAULT_RATE / 5.0)),
            Fault::CutAfterEffect,
        );
        let rules = [maxio.rules.clone(), typical().rules].concat();
        self.maxio.faults().set(FaultPlan { rules, ..maxio });
        let crm = ["revise", "update"].iter().fold(typical(), |plan, write| {
            plan.nth(write, 2, Fault::HttpAfterEffect(504))
                .nth(write, 3, Fault::CutAfterEffect)
        });
        self.crm.faults().set(crm);
    }

    pub(super) async fn shutdown(self) {
        self.crm.shutdown().await;
        self.maxio.shutdown().await;
    }
}
