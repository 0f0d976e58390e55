//! The hosted edition's REST API: Basic authentication, errors in the HTTP reason phrase, quotas.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::config::{CloudQuota, Config};
use super::dialect::Dialect;
use super::failure::{Answer, Failure};
use super::operations::{self, Executed, Stage};
use super::principals::Actor;
use super::records::{Call, Mode};
use super::related;
use super::sync::Since;
use crate::wire::{PHP_HTML, Param, Params, Reply, Request, php_json};

/// Everything under this path.
pub(super) const PATH: &str = "/restapi/v1/vtiger/default/";

/// Content type of a success.
const TEXT_JSON: &str = "text/json";

const READS: [&str; 9] = [
    "sync",
    "me",
    "listtypes",
    "describe",
    "retrieve",
    "query",
    "relatedtypes",
    "retrieve_related",
    "query_related",
];
const WRITES: [&str; 6] = [
    "create",
    "update",
    "revise",
    "delete",
    "add_related",
    "convertlead",
];

/// Calls counted against the limits.
#[derive(Debug, Default)]
pub(super) struct Meter {
    minute: (i64, u32),
    day: (i64, u32),
}

/// What is left, as shown on every answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Remaining {
    quota: CloudQuota,
    minute: u32,
    day: u32,
    /// Unix seconds at which the minute is over.
    reset: i64,
    /// Whether this call is over a limit.
    pub(super) exceeded: bool,
}

impl Meter {
    /// Counts a call.
    pub(super) fn count(&mut self, quota: CloudQuota, now: Timestamp) -> Remaining {
        let second = now.as_second();
        let minute = tick(&mut self.minute, second.div_euclid(60));
        let day = tick(&mut self.day, second.div_euclid(86_400));
        Remaining {
            quota,
            minute: quota.per_minute.saturating_sub(minute),
            day: quota.per_day.saturating_sub(day),
            reset: (second.div_euclid(60) + 1) * 60,
            exceeded: minute > quota.per_minute || day > quota.per_day,
        }
    }
}

fn tick(window: &mut (i64, u32), at: i64) -> u32 {
    if window.0 != at {
        *window = (at, 0);
    }
    window.1 = window.1.saturating_add(1);
    window.1
}

impl Remaining {
    /// Puts the quota headers on a reply.
    pub(super) fn show_on(self, reply: &mut Reply) {
        reply.headers.extend([
            (
                "x-floodcontrol-minutelimit",
                self.quota.per_minute.to_string(),
            ),
            ("x-floodcontrol-remaining", self.minute.to_string()),
            ("x-floodcontrol-reset", self.reset.to_string()),
            ("x-ratelimit-dailylimit", self.quota.per_day.to_string()),
            ("x-ratelimit-remaining", self.day.to_string()),
        ]);
    }
}

/// The call's name, from the path, in lower case.
pub(super) fn name_of(request: &Request) -> String {
    request
        .path
        .strip_prefix(PATH)
        .unwrap_or_default()
        .trim_end_matches('/')
        .to_ascii_lowercase()
}

/// An executed call, with the HTTP status of its failure.
pub(super) struct Served {
    pub(super) executed: Executed,
    status: u16,
}

/// Executes a request.
pub(super) fn execute(stage: Stage<'_>, request: &Request) -> Served {
    let name = name_of(request);
    let known = READS.contains(&name.as_str()) || WRITES.contains(&name.as_str());
    if !known {
        return failed(404, Failure::refused("NOT_FOUND", "Unknown operation"));
    }
    let Some(actor) = authenticate(&stage, request) else {
        return failed(
            401,
            Failure::refused("AUTHENTICATION_REQUIRED", "Authentication required"),
        );
    };
    if WRITES.contains(&name.as_str()) && request.method != http::Method::POST {
        return failed(
            405,
            Failure::refused("METHOD_NOT_ALLOWED", "POST is required"),
        );
    }
    let params = parameters(request);
    let user = Some(actor.name.clone());
    let config = stage.config;
    let mut call = Call {
        state: stage.state,
        journal: stage.journal,
        actor,
        dialect: Dialect::Cloud,
        now: stage.now,
        request_no: Some(stage.request_no),
        began_at: stage.began_at,
        source: "WEBSERVICE",
        bulk: false,
    };
    let answer = dispatch(&mut call, &name, &params, config);
    Served {
        executed: Executed { answer, user },
        status: 400,
    }
}

fn failed(status: u16, failure: Failure) -> Served {
    Served {
        executed: Executed {
            answer: Err(failure),
            user: None,
        },
        status,
    }
}

fn authenticate(stage: &Stage<'_>, request: &Request) -> Option<Actor> {
    let header = request
        .headers
        .get(http::header::AUTHORIZATION)?
        .to_str()
        .ok()?;
    let credentials = STANDARD
        .decode(header.strip_prefix("Basic ")?.trim())
        .ok()?;
    let credentials = String::from_utf8(credentials).ok()?;
    let (name, key) = credentials.split_once(':')?;
    let users = stage.state.catalogue.find("Users")?;
    let named = |number: &u64| {
        stage
            .state
            .cell(users, *number, "user_name")
            .eq_ignore_ascii_case(name)
    };
    let number = stage
        .state
        .store
        .rows(users)
        .map(|(number, _)| number)
        .find(named)?;
    let actor = Actor::find(stage.state, number)?;
    let right = stage.state.cell(users, number, "accesskey") == key;
    (right && actor.is_active(stage.state)).then_some(actor)
}

/// Parameters from wherever they are found: query string, form, multipart, or a JSON body whose `element` is text or an
/// object.
fn parameters(request: &Request) -> Params {
    let mut params = request.query.clone();
    let names = [
        "elementType",
        "element",
        "id",
        "query",
        "relatedLabel",
        "fieldTypeList",
        "sourceRecordId",
    ];
    for name in names {
        if let Some(Param::Text(text)) = request.form.get(name) {
            params.set(name, text);
        }
    }
    if request.is_json()
        && let Ok(Value::Object(body)) = serde_json::from_slice(&request.body)
    {
        for (name, value) in body {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            params.set(&name, &text);
        }
    }
    params
}

fn dispatch(call: &mut Call<'_>, name: &str, params: &Params, config: &Config) -> Answer {
    let text = |parameter: &str| params.text(parameter).unwrap_or_default();
    let element = || -> Value { serde_json::from_str(text("element")).unwrap_or_default() };
    let hidden = |module: &str| !config.cloud_leads && module == "Leads";
    match name {
        "me" => me(call),
        "listtypes" => Ok(list_types(call, params, config)),
        "describe" | "create" if hidden(text("elementType")) => Err(Failure::denied()),
        "describe" => call.describe(text("elementType")),
        "create" if text("elementType") == "Users" => Err(Failure::denied()),
        "create" => call
            .create(text("elementType"), &element())
            .map(with_closed_flag),
        "retrieve" => call.retrieve(text("id")).map(with_closed_flag),
        "revise" => call.change(&element(), Mode::Revise).map(with_closed_flag),
        "update" => call.change(&element(), Mode::Update).map(with_closed_flag),
        "delete" => call.delete(text("id")),
        "query" if super::vtql::module_name(text("query")).is_some_and(hidden) => {
            Err(Failure::denied())
        }
        "query" => operations::query(call, text("query")),
        "sync" if hidden(text("elementType")) => Err(Failure::denied()),
        "sync" => call.sync(&Since {
            moment: text("modifiedTime"),
            module: text("elementType"),
            scope: text("syncType"),
        }),
        // Nobody published this answer: it is that of the open-source edition.
        "convertlead" => call.convert_lead(&element()),
        "relatedtypes" => related::types(call, text("elementType")),
        "retrieve_related" => related::retrieve(call, text("id"), text("relatedLabel")),
        "query_related" => related::query(call, text("query"), text("id"), text("relatedLabel")),
        _ => related::add(call, text("sourceRecordId")),
    }
}

fn me(call: &Call<'_>) -> Answer {
    let users = call
        .state
        .catalogue
        .find("Users")
        .ok_or_else(Failure::denied)?;
    let mut record = call.record_without_label(users, call.actor.number);
    for secret in ["user_password", "confirm_password", "accesskey"] {
        record.remove(secret);
    }
    // Kept as text on the hosted edition, where it is readable.
    record.insert(
        "roleid".into(),
        json!(call.state.cell(users, call.actor.number, "roleid")),
    );
    Ok(Value::Object(record))
}

fn list_types(call: &Call<'_>, params: &Params, config: &Config) -> Value {
    let types: Option<Vec<String>> = params
        .text("fieldTypeList")
        .and_then(|types| serde_json::from_str(types).unwrap_or_default());
    let without: &[&str] = if config.cloud_leads { &[] } else { &["Leads"] };
    call.state
        .catalogue
        .list_types(types.as_deref(), call.dialect, call.actor.admin, without)
}

/// Answers about one record carry `isclosed` as a number, where queries have text or nothing.
fn with_closed_flag(mut record: Value) -> Value {
    if let Some(fields) = record.as_object_mut() {
        fields.insert("isclosed".into(), json!(0));
    }
    record
}

/// Writes an answer as the hosted edition does.
pub(super) fn reply(served: &Served) -> Reply {
    match &served.executed.answer {
        Ok(result) => {
            let body = php_json(&json!({ "success": true, "result": result }));
            Reply::new(200, TEXT_JSON, body)
        }
        Err(Failure::Refused { code, message }) => {
            let code = code
                .as_str()
                .map_or_else(|| code.to_string(), str::to_owned);
            refused(served.status, &code, message)
        }
        // What makes the open-source program die, print or stop is an error like any other here.
        Err(Failure::Fatal | Failure::Restricted | Failure::Noise(_)) => refused(
            400,
            "INTERNAL_SERVER_ERROR",
            "Unknown Error while processing request",
        ),
    }
}

/// An error: code and message in the reason phrase, no body.
pub(super) fn refused(status: u16, code: &str, message: &str) -> Reply {
    let phrase: String = format!("{code}:{message}")
        .chars()
        .map(|c| {
            if c.is_ascii_graphic() || c == ' ' {
                c
            } else {
                '?'
            }
        })
        .collect();
    let mut reply = Reply::new(status, PHP_HTML, String::new());
    reply.reason = Some(phrase);
    if status == 401 {
        reply
            .headers
            .push(("www-authenticate", "Basic realm=\"vtiger\"".to_owned()));
    }
    reply
}
