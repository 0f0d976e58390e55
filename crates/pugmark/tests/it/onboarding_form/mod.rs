//! The onboarding form: what a portal or a client sends is in the lead or contact in the end, once, and bank data nowhere else.

pub(crate) mod accessibility;
mod api;
mod browser;
pub(crate) mod chromium;
mod clients;
mod drafts;
mod faults;
mod killed;
mod links;
mod page;
mod secrets;

use std::collections::BTreeSet;
use std::time::Duration;

use pugmark::app::Running;
use pugmark::config::{FieldKind, SealKey};
use pugmark_queue::testing::TestDb;
use pugmark_sandbox::{CustomField, CustomFieldKind, StoredRecord, VtigerSandboxBuilder};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{World, eventually, sandbox};
use crate::http::{Answer, Api, answer};

pub(crate) const SUBMIT: &str = "/api/onboarding/submit";
pub(crate) const LINKS: &str = "/api/internal/onboarding/links";
/// A real IBAN's form; nothing else in a test holds it.
pub(crate) const IBAN: &str = "IE29AIBK93115212345678";

/// A vTiger with leads and every field that the form asks for, and a Pugmark with a key.
pub(crate) struct Hub {
    pub(crate) world: World,
    pub(crate) lead: String,
}

impl Hub {
    pub(crate) async fn of(world: World) -> Self {
        let crm = with_fields(sandbox(), &["Leads", "Contacts"]);
        Self::over(world.before(crm).await).await
    }

    pub(crate) async fn sqlite() -> Self {
        let crm = with_fields(sandbox(), &["Leads", "Contacts"]);
        Self::over(World::over(TestDb::sqlite().await, crm).await).await
    }

    pub(crate) async fn over(mut world: World) -> Self {
        world.settings.seal_key = Some(SealKey::of([7; 32]));
        world.settings.onboarding.form.wait = Duration::from_secs(30);
        world.settings.onboarding.form.company = Some("Harbour HR".to_owned());
        let fields = [
            ("lastname", "Doe"),
            ("company", "Acme"),
            ("email", "john@acme.example"),
        ];
        let lead = world.crm.insert_as_ui("Leads", &fields).unwrap_or_default();
        Hub { world, lead }
    }

    pub(crate) async fn start(&self) -> (Running, Api) {
        let running = self.world.start().await;
        let api = Api::of(&running);
        (running, api)
    }

    /// The guide's own example, for this lead.
    pub(crate) fn guide(&self) -> Value {
        guide(&self.lead)
    }

    pub(crate) fn record(&self, id: &str) -> StoredRecord {
        self.world.crm.record(id).expect("the record is there")
    }

    /// What the lead holds in the field of this label.
    pub(crate) fn lead_value(&self, label: &str) -> String {
        self.value(&self.lead, "Leads", label)
    }

    pub(crate) fn value(&self, id: &str, module: &str, label: &str) -> String {
        let names = custom_labels();
        let index = names.iter().position(|name| name == label);
        let index = index.unwrap_or_else(|| panic!("no field {label}"));
        let before = crate::harness::FIELDS.len() + if module == "Leads" { 0 } else { names.len() };
        let name = format!("cf_{}", 853 + 2 * (before + index));
        self.record(id).value(&name).to_owned()
    }

    /// How often the lead was written.
    pub(crate) fn writes(&self) -> usize {
        self.world.crm.journal().effects_on(&self.lead).len() - 1
    }

    /// Makes a link and gives its path.
    pub(crate) async fn link(&self, api: &Api) -> String {
        link(api, &self.lead).await
    }
}

pub(crate) fn guide(client: &str) -> Value {
    json!({
        "clientId": client,
        "companyTradingName": "Acme Corp Ltd",
        "operatingHours": "Mon-Fri, 9am-5pm",
        "sickLeavePolicy": "Statutory + 3 company days",
        "annualLeavePolicy": "25 days + public holidays",
        "probationPeriod": "6 months",
        "noticePeriodEmployee": "1 month",
        "noticePeriodEmployer": "1 month",
    })
}

pub(crate) async fn link(api: &Api, client: &str) -> String {
    let made = api.post(LINKS, &json!({ "clientId": client })).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.data()["path"].as_str().expect("a path").to_owned()
}

/// Labels of the fields that the form's defaults need and no vTiger has by itself.
pub(crate) fn custom_labels() -> Vec<String> {
    let form = pugmark::config::Onboarding::default().form;
    let labels = form.fields.iter().filter_map(|field| {
        let label = field
            .to
            .iter()
            .find(|name| name.contains(' ') || *name == "IBAN");
        label.cloned()
    });
    let mut seen = BTreeSet::new();
    labels.filter(|label| seen.insert(label.clone())).collect()
}

/// Adds these fields to these modules.
pub(crate) fn with_fields(crm: VtigerSandboxBuilder, modules: &[&str]) -> VtigerSandboxBuilder {
    let form = pugmark::config::Onboarding::default().form;
    let mut crm = crm;
    for module in modules {
        for label in custom_labels() {
            let question = form.fields.iter().find(|field| field.to.contains(&label));
            let kind = match question.map(|field| field.kind) {
                Some(FieldKind::Lines) => CustomFieldKind::TextArea,
                Some(FieldKind::Date) => CustomFieldKind::Date,
                _ => CustomFieldKind::Text,
            };
            let field = CustomField::new(module, &label, kind);
            crm = crm.custom_field(match kind_is_text(question.map(|field| field.kind)) {
                true => field.length(255),
                false => field,
            });
        }
    }
    crm
}

fn kind_is_text(kind: Option<FieldKind>) -> bool {
    !matches!(kind, Some(FieldKind::Lines | FieldKind::Date))
}

/// Waits until a form stands so.
pub(crate) async fn until(api: &Api, tracking_id: &str, status: &str) -> Value {
    let path = format!("/api/onboarding/submissions/{tracking_id}");
    eventually(status, || async {
        let found = api.get(&path).await;
        assert_eq!(found.status, 200, "{}", found.text);
        (found.json["status"] == status).then_some(found.json)
    })
    .await
}

pub(crate) async fn get_page(api: &Api, path: &str) -> Answer {
    answer(api.bare(Method::GET, path)).await
}

pub(crate) async fn put_draft(api: &Api, path: &str, answers: &Value) -> Answer {
    let request = api.bare(Method::PUT, &format!("{path}/draft"));
    answer(request.json(&json!({ "answers": answers }))).await
}

/// Sends the form as a browser without script does.
pub(crate) async fn post_form(api: &Api, path: &str, fields: &[(&str, &str)]) -> Answer {
    answer(api.bare(Method::POST, path).form(fields)).await
}

/// Everything that the page insists on, and the bank account.
pub(crate) const FILLED: [(&str, &str); 8] = [
    ("companyTradingName", "Acme"),
    ("companyLegalName", "Acme Corp Ltd"),
    ("contactName", "Mary Murphy"),
    ("contactEmail", "mary@acme.example"),
    ("operatingHours", "Mon-Fri, 9-5"),
    ("annualLeavePolicy", "25 days"),
    ("sickLeavePolicy", "Statutory"),
    ("iban", "ie29 aibk 9311 5212 3456 78"),
];
