//! The operations that Pugmark's own vTiger extension adds.
//!
//! All of them demand an administrator. Errors are vTiger's usual ones.

mod outbox;
mod sender;
mod setup;
mod upsert;
mod users;

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::catalogue::ModuleIndex;
use super::config::Config;
use super::failure::{Answer, Failure};
use super::records::Call;
use super::registry::Source;
use crate::wire::Params;
pub use sender::CronReport;

pub(super) use outbox::Kind;
use outbox::Outbox;
use sender::Receiver;

/// Version of the extension.
const VERSION: &str = "1.0.0";

/// The operations, and from where each reads its parameters.
const OPERATIONS: [(&str, Source); 9] = [
    ("pugmark.info", Source::Get),
    ("pugmark.user_find", Source::Get),
    ("pugmark.user_create", Source::Post),
    ("pugmark.user_update", Source::Post),
    ("pugmark.user_password", Source::Post),
    ("pugmark.upsert", Source::Post),
    ("pugmark.changes", Source::Get),
    ("pugmark.setup", Source::Post),
    ("pugmark.webhook", Source::Post),
];

/// Those that set a password.
const PASSWORDS: [&str; 2] = ["pugmark.user_create", "pugmark.user_password"];

/// What the extension keeps in tables of its own, which outlive it.
#[derive(Debug)]
pub(super) struct Tables {
    outbox: Outbox,
    receiver: Receiver,
    /// By module and reference: the record; none while it is being created.
    references: HashMap<(ModuleIndex, String), Option<u64>>,
    /// Fields with an index of the extension's making.
    indexed: Vec<(ModuleIndex, String)>,
    /// After how many elements PHP dies in the next upsert.
    pub(super) break_upsert_after: Option<usize>,
}

impl Tables {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            outbox: Outbox::new(),
            receiver: Receiver::new(seed),
            references: HashMap::new(),
            indexed: Vec::new(),
            break_upsert_after: None,
        }
    }

    /// Forgets all but the newest changes; cursors from before them are no good any more.
    pub(super) fn keep_changes(&mut self, newest: usize) {
        self.outbox.keep(newest);
    }

    /// How many changes wait to be sent.
    pub(super) fn waiting(&self) -> usize {
        self.outbox.waiting()
    }
}

/// From where an operation of the extension reads its parameters; none for one that it does not have.
pub(super) fn source(name: &str) -> Option<Source> {
    let found = OPERATIONS.iter().find(|(own, _)| *own == name);
    found.map(|(_, source)| *source)
}

/// Executes an operation of the extension.
pub(super) fn dispatch(
    call: &mut Call<'_>,
    name: &str,
    params: &Params,
    element: impl Fn() -> Answer,
    config: &Config,
) -> Answer {
    call.administrators_only()?;
    let may_set_passwords = config.may_set_passwords(&call.actor.name);
    if PASSWORDS.contains(&name) && !may_set_passwords {
        let message = "This user is not on the list of callers that may set passwords";
        return Err(Failure::refused("ACCESS_DENIED", message));
    }
    let text = |parameter: &str| params.text(parameter).unwrap_or_default();
    let options = || decoded(params, "options");
    match name {
        "pugmark.info" => Ok(info(call, config, may_set_passwords)),
        "pugmark.user_find" => users::find(call, text("userName")),
        "pugmark.user_create" => {
            users::create(call, &users::texts(&element()?), config.shortest_password)
        }
        "pugmark.user_update" => users::update(call, text("id"), &users::texts(&element()?)),
        "pugmark.user_password" => {
            let shortest = config.shortest_password;
            users::set_password(call, text("id"), text("password"), shortest)
        }
        "pugmark.upsert" => {
            let elements = decoded(params, "elements");
            upsert::run(
                call,
                text("elementType"),
                text("reference"),
                &elements,
                &options(),
            )
        }
        "pugmark.changes" => {
            outbox::changes(call, text("elementType"), text("cursor"), text("limit"))
        }
        "pugmark.setup" => setup::run(call, &object(&options(), "options")?),
        "pugmark.webhook" => sender::set_receiver(call, &object(&options(), "options")?),
        _ => Err(Failure::Fatal),
    }
}

fn info(call: &Call<'_>, config: &Config, may_set_passwords: bool) -> Value {
    let names: Vec<&str> = OPERATIONS
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| may_set_passwords || !PASSWORDS.contains(name))
        .collect();
    json!({
        "version": VERSION,
        "vtiger": config.release.version(),
        "operations": names,
        "modules": call.state.extension.outbox.modules(),
        "passwords": may_set_passwords,
    })
}

/// JSON in a parameter; null where it is none.
fn decoded(params: &Params, name: &str) -> Value {
    let text = params.text(name);
    text.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// A JSON object; an empty list passes for one, as in PHP.
fn object(value: &Value, what: &str) -> Result<Map<String, Value>, Failure> {
    match value {
        Value::Object(fields) => Ok(fields.clone()),
        Value::Array(list) if list.is_empty() => Ok(Map::new()),
        _ => Err(invalid(format!("{what} must be a JSON object"))),
    }
}

/// Module names in a JSON list.
fn module_names(call: &Call<'_>, value: &Value) -> Result<Vec<String>, Failure> {
    let wrong = || invalid("modules must be a list of module names".to_owned());
    let list = value.as_array().ok_or_else(wrong)?;
    let mut names = Vec::new();
    for name in list {
        let name = name.as_str().ok_or_else(wrong)?;
        let module = call.module_named(name);
        if !module.is_some_and(|module| call.state.catalogue.module(module).is_entity) {
            return Err(invalid(format!("There is no module {name}")));
        }
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// `true` or `false`, also as the texts that forms carry.
fn flag(options: &Map<String, Value>, name: &str, otherwise: bool) -> Result<bool, Failure> {
    match options.get(name) {
        None | Some(Value::Null) => Ok(otherwise),
        Some(value) if value == "" => Ok(otherwise),
        Some(value) if *value == true || *value == 1 || value == "1" || value == "true" => Ok(true),
        Some(value) if *value == false || *value == 0 || value == "0" || value == "false" => {
            Ok(false)
        }
        Some(_) => Err(invalid(format!("{name} must be true or false"))),
    }
}

fn invalid(message: String) -> Failure {
    Failure::refused("INVALID_INPUT", message)
}
