//! Workflows of the hosted edition whose action is a webhook.
//!
//! What they send is not what the web service shows: every value is text, an owner is a bare number beside a login name,
//! a reference is the label of what it refers to, and the record's id is added whether asked for or not.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::catalogue::{Kind, ModuleIndex};
use super::dialect::Dialect;
use super::entities;
use super::records::Call;
use super::state::State;
use crate::journal::Change;
use crate::webhook::{HexSignature, WebhookRequest, form_encoded};

/// When a workflow looks at a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trigger {
    Created,
    Saved,
}

/// What must hold for it to act.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    Is(String, String),
    ChangedTo(String, String),
}

/// What a parameter is filled with.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Field(String),
    Constant(String),
    /// The record's own id.
    Id,
}

/// How the parameters are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    Form,
    Json,
    /// JSON with line breaks, whose signature is of the same without.
    SpacedJson,
}

/// A workflow of the hosted edition that sends a webhook.
#[derive(Clone)]
pub struct Workflow {
    module: String,
    trigger: Trigger,
    conditions: Vec<Condition>,
    url: String,
    method: &'static str,
    parameters: Vec<(String, Source)>,
    body: Body,
    headers: Vec<(String, String)>,
    signature: Option<HexSignature>,
    /// A script makes the body: the id is not added to it.
    scripted: bool,
}

impl std::fmt::Debug for Workflow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workflow")
            .field("module", &self.module)
            .field("trigger", &self.trigger)
            .field("conditions", &self.conditions)
            .field("parameters", &self.parameters)
            .finish_non_exhaustive()
    }
}

impl Workflow {
    fn new(module: &str, trigger: Trigger, url: &str) -> Self {
        Self {
            module: module.to_owned(),
            trigger,
            conditions: Vec::new(),
            url: url.to_owned(),
            method: "POST",
            parameters: Vec::new(),
            body: Body::Form,
            headers: Vec::new(),
            signature: None,
            scripted: false,
        }
    }

    /// Acts when a record is made; posts a form without parameters to this address unless told otherwise.
    pub fn on_creation(module: &str, url: &str) -> Self {
        Self::new(module, Trigger::Created, url)
    }

    /// Acts every time a record is made or saved.
    pub fn on_every_save(module: &str, url: &str) -> Self {
        Self::new(module, Trigger::Saved, url)
    }

    /// Only when this field holds this value, as the web service shows it.
    #[must_use]
    pub fn when(mut self, field: &str, value: &str) -> Self {
        let condition = Condition::Is(field.to_owned(), value.to_owned());
        self.conditions.push(condition);
        self
    }

    /// Only when this save gave this field this value.
    #[must_use]
    pub fn when_changed_to(mut self, field: &str, value: &str) -> Self {
        let condition = Condition::ChangedTo(field.to_owned(), value.to_owned());
        self.conditions.push(condition);
        self
    }

    /// Sends a field's value under this name; dots in the name nest.
    #[must_use]
    pub fn parameter(mut self, name: &str, field: &str) -> Self {
        let source = Source::Field(field.to_owned());
        self.parameters.push((name.to_owned(), source));
        self
    }

    /// Sends this text under this name; dots in the name nest.
    #[must_use]
    pub fn constant(mut self, name: &str, text: &str) -> Self {
        let source = Source::Constant(text.to_owned());
        self.parameters.push((name.to_owned(), source));
        self
    }

    /// Sends the record's id under this name; dots in the name nest. Under `id` it is sent besides, as always.
    #[must_use]
    pub fn record_id(mut self, name: &str) -> Self {
        self.parameters.push((name.to_owned(), Source::Id));
        self
    }

    /// Sends these fields by their own names, together under this one.
    #[must_use]
    pub fn fields_under(self, name: &str, fields: &[&str]) -> Self {
        let nested = |this: Self, field: &&str| this.parameter(&format!("{name}.{field}"), field);
        fields.iter().fold(self, nested)
    }

    /// As a server script sends it: JSON made by the script itself, so that nothing is added to it, and signed.
    #[must_use]
    pub fn by_server_script(mut self, signature: HexSignature) -> Self {
        self.scripted = true;
        self.json().signed(signature)
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(mut self) -> Self {
        self.body = Body::Json;
        self
    }

    /// With a JSON body that has line breaks; a signature is made of the same without any, as by a sender who does not
    /// sign what he sends.
    #[must_use]
    pub fn spaced_json(mut self) -> Self {
        self.body = Body::SpacedJson;
        self
    }

    /// By PUT instead of POST.
    #[must_use]
    pub fn put(mut self) -> Self {
        self.method = "PUT";
        self
    }

    /// With a header that is always the same, such as one with a secret.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With the header `X-Vtiger-Signature`, as a server script can make it (a plain workflow signs nothing).
    #[must_use]
    pub fn signed(mut self, signature: HexSignature) -> Self {
        self.signature = Some(signature);
        self
    }

    /// Whether it is about this module.
    pub(super) fn is_about(&self, module: &str) -> bool {
        self.module == module
    }

    fn fields(&self) -> impl Iterator<Item = &str> {
        let mapped = self
            .parameters
            .iter()
            .filter_map(|(_, source)| match source {
                Source::Field(field) => Some(field.as_str()),
                Source::Constant(_) | Source::Id => None,
            });
        let compared = self.conditions.iter().map(|condition| match condition {
            Condition::Is(field, _) | Condition::ChangedTo(field, _) => field.as_str(),
        });
        mapped.chain(compared)
    }

    /// Whether every module and field it names exists.
    pub(super) fn is_possible(&self, state: &State) -> bool {
        let module = state.catalogue.find(&self.module);
        module.is_some_and(|module| {
            let about = state.catalogue.module(module);
            self.fields().all(|field| about.field(field).is_some())
        })
    }

    fn acts(
        &self,
        state: &State,
        module: ModuleIndex,
        number: u64,
        changed: Option<&BTreeMap<String, Change>>,
    ) -> bool {
        let about = state.catalogue.module(module);
        let triggered = self.trigger == Trigger::Saved || changed.is_none();
        let now = |field: &str| shown(state, module, number, field);
        let holds = |condition: &Condition| match condition {
            Condition::Is(field, value) => now(field) == *value,
            // A new record's values have all just come to be.
            Condition::ChangedTo(field, value) => {
                now(field) == *value && changed.is_none_or(|changed| changed.contains_key(field))
            }
        };
        about.name == self.module && triggered && self.conditions.iter().all(holds)
    }

    /// The names and values it sends of a record.
    fn pairs(&self, state: &State, module: ModuleIndex, number: u64) -> Vec<(String, String)> {
        let id = Dialect::Cloud.id(&state.catalogue.module(module).name, number);
        let mut pairs = Vec::new();
        for (name, source) in &self.parameters {
            match source {
                Source::Constant(text) => pairs.push((name.clone(), text.clone())),
                Source::Field(field) => add_field(&mut pairs, name, state, module, number, field),
                Source::Id => pairs.push((name.clone(), id.clone())),
            }
        }
        if !self.scripted {
            pairs.push(("id".to_owned(), id));
        }
        pairs
    }

    /// What it sends of a record.
    fn request(&self, state: &State, module: ModuleIndex, number: u64) -> WebhookRequest {
        let pairs = self.pairs(state, module, number);
        let mut request = match self.body {
            Body::Form => {
                let content_type = "application/x-www-form-urlencoded";
                WebhookRequest::post(&self.url, content_type, form_encoded(&pairs))
            }
            Body::Json => {
                WebhookRequest::post(&self.url, "application/json", nested(&pairs).to_string())
            }
            Body::SpacedJson => {
                let body = format!("{:#}", nested(&pairs));
                WebhookRequest::post(&self.url, "application/json", body)
            }
        };
        request.method = self.method.to_owned();
        for (name, value) in &self.headers {
            request = request.with_header(name, value);
        }
        match &self.signature {
            None => request,
            Some(signature) if self.body == Body::SpacedJson => {
                let compact = nested(&pairs).to_string();
                let header = signature.of(compact.as_bytes());
                request.with_header(HexSignature::HEADER, &header)
            }
            Some(signature) => request.signed(signature),
        }
    }
}

/// A field's value as a webhook has it.
fn add_field(
    pairs: &mut Vec<(String, String)>,
    name: &str,
    state: &State,
    module: ModuleIndex,
    number: u64,
    field: &str,
) {
    let about = state.catalogue.module(module);
    let kind = about.field(field).map(|at| &about.fields[at].kind);
    let cell = state.cell(module, number, field);
    match kind {
        Some(Kind::Owner) => {
            pairs.push((name.to_owned(), cell.to_owned()));
            let user = cell.parse().ok().zip(state.catalogue.find("Users"));
            if let Some((number, users)) =
                user.filter(|(n, users)| state.store.row(*users, *n).is_some())
            {
                let login = state.cell(users, number, "user_name");
                pairs.push((format!("{name}_username"), login.to_owned()));
            }
        }
        Some(Kind::Reference(_)) => pairs.push((name.to_owned(), label_of(state, cell))),
        _ => pairs.push((name.to_owned(), shown(state, module, number, field))),
    }
}

fn label_of(state: &State, cell: &str) -> String {
    let number = cell.parse().unwrap_or(0);
    let module = state.store.entity_module(number);
    module.map_or_else(String::new, |module| {
        entities::decode(&state.label(module, number))
    })
}

fn shown(state: &State, module: ModuleIndex, number: u64, field: &str) -> String {
    let at = state.catalogue.module(module).field(field);
    at.map_or_else(String::new, |at| {
        state.shown(Dialect::Cloud, module, number, at)
    })
}

/// `data.email` becomes `{"data":{"email":...}}`.
fn nested(pairs: &[(String, String)]) -> Value {
    let mut whole = Map::new();
    for (name, value) in pairs {
        let mut parts: Vec<&str> = name.split('.').collect();
        let Some(last) = parts.pop() else { continue };
        let mut place = &mut whole;
        for part in parts {
            let inner = place.entry(part).or_insert_with(|| json!({}));
            if !inner.is_object() {
                *inner = json!({});
            }
            let Some(inner) = inner.as_object_mut() else {
                return Value::Null;
            };
            place = inner;
        }
        place.insert(last.to_owned(), json!(value));
    }
    Value::Object(whole)
}

impl Call<'_> {
    /// Lets the workflows look at a record that was just made (nothing changed) or saved.
    pub(super) fn run_workflows(
        &mut self,
        module: ModuleIndex,
        number: u64,
        changed: Option<&BTreeMap<String, Change>>,
    ) {
        if self.bulk || self.state.workflows.is_empty() || !self.has_active_owner(module, number) {
            return;
        }
        let state = &*self.state;
        let acting = state.workflows.iter();
        let acting = acting.filter(|workflow| workflow.acts(state, module, number, changed));
        let requests: Vec<WebhookRequest> = acting
            .map(|workflow| workflow.request(state, module, number))
            .collect();
        self.state.outgoing.extend(requests);
    }

    /// No workflow acts on records of users who were suspended.
    fn has_active_owner(&self, module: ModuleIndex, number: u64) -> bool {
        let owner = self.state.cell(module, number, "assigned_user_id");
        let users = self.state.catalogue.find("Users");
        owner.parse().ok().zip(users).is_none_or(|(owner, users)| {
            self.state.store.row(users, owner).is_none()
                || self.state.cell(users, owner, "status") == "Active"
        })
    }
}
