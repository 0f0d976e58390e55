//! One recording: serve its answer, make its request, compare both.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json};
use vtiger::{
    CallError, Client, ClientConfig, Element, Method, Module, Operation, Record, RecordId, Value,
};

use super::expect::{Expected, difference, expected};
use super::recording::{self, Recording};
use super::vtql;
use crate::server::{ACCESS_KEY, Reply, Request, Server, login_reply, success};

/// How far the client expresses the recorded request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Way {
    /// By a typed method; the request was compared.
    Typed,
    /// By `call_operation`; the request was compared.
    Raw,
    /// Not at all: only the answer was replayed, to the nearest call.
    AnswerOnly(&'static str),
}

#[derive(Debug)]
pub(crate) enum Outcome {
    Agrees(Way),
    Disagrees(String),
}

/// Requests that the client cannot make and must not make; their answers are replayed all the same.
const INEXPRESSIBLE: [(&str, &str); 23] = [
    ("002-auth", "its digest was made with another access key"),
    (
        "007-auth",
        "a client without user name cannot be configured",
    ),
    ("008-auth", "the client sends getchallenge by GET only"),
    ("009-auth", "its digest is none"),
    ("010-auth", "the client sends login by POST only"),
    ("011-auth", "the client never sends a plain access key"),
    ("033-auth", "its challenge was not recorded"),
    ("012-auth", "the client writes digests in lower case only"),
    (
        "016-auth",
        "the client takes an empty session name for a failed login",
    ),
    ("019-auth", "the client sends no cookies"),
    (
        "021-auth",
        "the client names its session by sessionName only",
    ),
    (
        "439-query",
        "the client sends no POST with its parameters in the URL",
    ),
    (
        "441-query",
        "the client sends no POST with its parameters in the URL",
    ),
    ("642-chars", "a Rust string is never invalid UTF-8"),
    ("689-error", "the client never leaves out the operation"),
    (
        "743-http",
        "the client sends no POST with its parameters in the URL",
    ),
    (
        "744-http",
        "the client sends no POST with parameters in two places",
    ),
    ("747-http", "the client sends no JSON body"),
    ("748-http", "the client sends no JSON body"),
    ("749-http", "the client sends no PUT"),
    ("752-http", "the client sends no cookies"),
    ("753-http", "the client sends no HTTP Basic to open source"),
    (
        "754-http",
        "an open-source server asked as if it were Cloud",
    ),
];

pub(crate) async fn replay(recording: &Recording) -> Outcome {
    let reason = INEXPRESSIBLE
        .iter()
        .find(|(start, _)| recording.name.starts_with(&format!("{start}-")));
    let server = serve(recording).await;
    let client = client_for(recording, &server);
    let (way, difference) = match recording.operation() {
        _ if recording.request.path != "/webservice.php" => {
            let expected = Expected::Error {
                class: vtiger::Class::Unavailable,
                code: "HTTP_404".to_owned(),
                message: None,
                reason: None,
            };
            (
                Way::Raw,
                difference(
                    &expected,
                    &server.cloud_client().identify().await,
                    |_, _| Ok(()),
                ),
            )
        }
        "getchallenge" => (Way::Typed, challenge(&client, recording).await),
        "login" => (Way::Typed, login(&client, recording).await),
        "listtypes" if is_plain_read(recording) => {
            (Way::Typed, list_types(&client, recording).await)
        }
        "describe" if is_plain_read(recording) && recording.param("elementType").is_some() => {
            (Way::Typed, describe(&client, recording).await)
        }
        "retrieve" if is_plain_read(recording) => retrieve(&client, recording).await,
        "query" if is_plain_read(recording) => query(&client, recording).await,
        "create" if is_plain_write(recording) => create(&client, recording).await,
        "revise" | "update" if is_plain_write(recording) => change(&client, recording).await,
        "delete" if is_plain_write(recording) => delete(&client, recording).await,
        _ => raw(&client, recording).await,
    };
    if let Some(difference) = difference {
        return Outcome::Disagrees(difference);
    }
    match reason {
        Some((_, reason)) => Outcome::Agrees(Way::AnswerOnly(reason)),
        None => match request_difference(&server, recording) {
            Some(difference) => Outcome::Disagrees(difference),
            None => Outcome::Agrees(way),
        },
    }
}

/// Serves the recorded answer to the recorded operation, descriptions to queries, and logins that work to the rest.
async fn serve(recording: &Recording) -> Server {
    let reply = recording.reply();
    let operation = recording.operation().to_owned();
    let session = recording
        .param("sessionName")
        .filter(|session| !session.is_empty())
        .unwrap_or("460db5d76b013ad0a9668")
        .to_owned();
    let token = token_of(recording);
    Server::start(move |request: &Request| match request.operation() {
        asked if asked.eq_ignore_ascii_case(&operation) => reply.clone(),
        "getchallenge" => {
            success(serde_json::json!({"token": token, "serverTime": 1, "expireTime": 301}))
        }
        "login" => success(
            serde_json::json!({"sessionName": session, "userId": "19x1", "version": "0.22"}),
        ),
        "describe" => description_of(request.param("elementType").unwrap_or_default()),
        _ => login_reply(request).unwrap_or_else(|| reply.clone()),
    })
    .await
}

/// The recorded challenge token whose digest a recorded login carries; any other for the rest.
fn token_of(recording: &Recording) -> &'static str {
    let digest = recording.param("accessKey").unwrap_or_default();
    let tokens = recording::all()
        .iter()
        .filter(|recording| recording.operation() == "getchallenge")
        .filter_map(token);
    tokens
        .clone()
        .find(|token| digest_of(token) == digest)
        .unwrap_or("6b013ad0a43d3")
}

fn token(challenge: &'static Recording) -> Option<&'static str> {
    let text = challenge.response.body.as_str();
    match text {
        Some(noise) => noise.split_once(r#""token":""#)?.1.split('"').next(),
        None => challenge.result()?["token"].as_str(),
    }
}

fn digest_of(token: &str) -> String {
    use md5::Digest;
    hex::encode(md5::Md5::digest(format!("{token}{ACCESS_KEY}")))
}

fn description_of(module: &str) -> Reply {
    recording::description_of(module).map_or_else(
        || {
            let message =
                format!("Permission to perform the operation is denied for name : {module}");
            crate::server::refusal("ACCESS_DENIED", &message)
        },
        Recording::reply,
    )
}

fn client_for(recording: &Recording, server: &Server) -> Client {
    let username = recording.param("username").unwrap_or("admin");
    Client::new(ClientConfig::open_source(&server.url(), username, ACCESS_KEY.into()).unwrap())
        .unwrap()
}

fn is_plain_read(recording: &Recording) -> bool {
    recording.request.method == "GET" && recording.param("fieldTypeList").is_none()
}

fn is_plain_write(recording: &Recording) -> bool {
    recording.request.method == "POST"
        && recording.request.query.is_empty()
        && recording.request.body.is_none()
}

async fn challenge(client: &Client, recording: &Recording) -> Option<String> {
    difference(
        &expected(recording, false),
        &client.server_time().await,
        |result, time| same(&result["serverTime"], &Json::from(time.server.as_second())),
    )
}

async fn login(client: &Client, recording: &Recording) -> Option<String> {
    difference(
        &expected(recording, false),
        &client.identify().await,
        |result, identity| {
            same(&result["userId"], &Json::from(identity.user_id.as_str()))?;
            same(
                &result["username"],
                &Json::from(identity.user_name.as_str()),
            )?;
            same(
                &Json::Bool(result["is_admin"] == "on"),
                &Json::from(identity.is_admin),
            )?;
            same(&result["version"], &Json::from(identity.version.as_str()))?;
            same(
                &result["vtigerVersion"],
                &Json::from(identity.vtiger_version.clone()),
            )
        },
    )
}

async fn list_types(client: &Client, recording: &Recording) -> Option<String> {
    difference(
        &expected(recording, false),
        &client.list_types().await,
        |result, types| {
            let names: Vec<&str> = types
                .types
                .iter()
                .map(|known| known.name.as_str())
                .collect();
            same(&result["types"], &Json::from(names))?;
            types.types.iter().try_for_each(|known| {
                let information = &result["information"][&known.name];
                same(&information["label"], &Json::from(known.label.as_str()))?;
                same(
                    &information["singular"],
                    &Json::from(known.singular.as_str()),
                )?;
                same(&information["isEntity"], &Json::from(known.is_entity))
            })
        },
    )
}

async fn describe(client: &Client, recording: &Recording) -> Option<String> {
    let module = recording.param("elementType").unwrap_or_default();
    difference(
        &expected(recording, false),
        &client.describe(module).await,
        same_module,
    )
}

fn same_module(result: &Json, module: &Arc<Module>) -> Result<(), String> {
    same(&result["name"], &Json::from(module.name.as_str()))?;
    same(&result["label"], &Json::from(module.label.as_str()))?;
    same(&result["idPrefix"], &Json::from(module.id_prefix.as_str()))?;
    same(&result["createable"], &Json::from(module.createable))?;
    same(&result["isEntity"], &Json::from(module.is_entity))?;
    let recorded = result["fields"].as_array().unwrap();
    same(
        &Json::from(recorded.len()),
        &Json::from(module.fields.len()),
    )?;
    recorded
        .iter()
        .zip(&module.fields)
        .try_for_each(|(recorded, field)| {
            same(&recorded["name"], &Json::from(field.name.as_str()))?;
            same(&recorded["label"], &Json::from(field.label.as_str()))?;
            same(&recorded["mandatory"], &Json::from(field.mandatory))?;
            same(&recorded["editable"], &Json::from(field.editable))?;
            same(&recorded["nullable"], &Json::from(field.nullable))?;
            same(
                &Json::Bool(recorded["isunique"] == true),
                &Json::from(field.unique),
            )?;
            same_type(&recorded["type"], &field.field_type)
        })
}

fn same_type(recorded: &Json, field_type: &vtiger::FieldType) -> Result<(), String> {
    use vtiger::FieldType;
    match field_type {
        FieldType::Picklist(values) | FieldType::MultiPicklist(values) => {
            let values: Vec<Json> = values
                .iter()
                .map(|entry| serde_json::json!({"label": entry.label, "value": entry.value}))
                .collect();
            same(&recorded["picklistValues"], &Json::from(values))
        }
        FieldType::Reference(modules) => same(&recorded["refersTo"], &Json::from(modules.clone())),
        FieldType::Other(name) => Err(format!("unknown type {name}")),
        plain => same(
            &recorded["name"],
            &Json::from(format!("{plain:?}").to_lowercase()),
        ),
    }
}

async fn retrieve(client: &Client, recording: &Recording) -> (Way, Option<String>) {
    let Ok(id) = recording
        .param("id")
        .unwrap_or_default()
        .parse::<RecordId>()
    else {
        return raw(client, recording).await;
    };
    (
        Way::Typed,
        difference(
            &expected(recording, false),
            &client.retrieve(&id).await,
            same_record,
        ),
    )
}

async fn query(client: &Client, recording: &Recording) -> (Way, Option<String>) {
    let text = recording.param("query").unwrap_or_default();
    let expected = expected(recording, false);
    if let Some(query) = vtql::typed_count(text) {
        let actual = client.count(&query).await;
        let difference = difference(&expected, &actual, |result, count| {
            same(&result[0]["count"], &Json::from(count.to_string()))
        });
        return (Way::Typed, difference);
    }
    match vtql::typed(text) {
        Some(query) => match client.query(&query).await {
            // Refused before sending, as it must be: the answer goes to the raw call.
            Err(CallError::Invalid(_)) => raw(client, recording).await,
            Err(CallError::Refused(_)) if recording::description_of(query.module()).is_none() => {
                raw(client, recording).await
            }
            actual => (Way::Typed, difference(&expected, &actual, same_records)),
        },
        None => raw(client, recording).await,
    }
}

async fn create(client: &Client, recording: &Recording) -> (Way, Option<String>) {
    let Some((element, module)) = recording
        .element()
        .and_then(typed_element)
        .zip(recording.param("elementType"))
    else {
        return raw(client, recording).await;
    };
    (
        Way::Typed,
        difference(
            &expected(recording, true),
            &client.create(module, &element).await,
            same_record,
        ),
    )
}

async fn change(client: &Client, recording: &Recording) -> (Way, Option<String>) {
    let id = recording
        .element()
        .and_then(|element| element.get("id")?.as_str()?.parse::<RecordId>().ok());
    let Some((element, id)) = recording.element().and_then(typed_element).zip(id) else {
        return raw(client, recording).await;
    };
    let actual = match recording.operation() {
        "revise" => client.revise(&id, &element).await,
        _ => client.update(&id, &element).await,
    };
    (
        Way::Typed,
        difference(&expected(recording, true), &actual, same_record),
    )
}

async fn delete(client: &Client, recording: &Recording) -> (Way, Option<String>) {
    let Ok(id) = recording
        .param("id")
        .unwrap_or_default()
        .parse::<RecordId>()
    else {
        return raw(client, recording).await;
    };
    (
        Way::Typed,
        difference(
            &expected(recording, true),
            &client.delete(&id).await,
            |_, ()| Ok(()),
        ),
    )
}

/// The element as the typed methods send it: text and nulls.
fn typed_element(element: Map<String, Json>) -> Option<Element> {
    let value = |value: Json| match value {
        Json::String(text) => Some(Value::Text(text)),
        Json::Null => Some(Value::Null),
        _ => None,
    };
    element
        .into_iter()
        .map(|(name, given)| Some((name, value(given)?)))
        .collect()
}

/// The recorded request through `call_operation`.
async fn raw(client: &Client, recording: &Recording) -> (Way, Option<String>) {
    let writes = !matches!(
        recording.operation(),
        "listtypes" | "describe" | "retrieve" | "query" | "extendsession"
    ) && recording.request.method == "POST";
    let method = if recording.request.form.is_empty() && recording.request.body.is_none() {
        Method::Get
    } else {
        Method::Post
    };
    let name = if recording.operation().is_empty() {
        "nosuchop"
    } else {
        recording.operation()
    };
    let mut operation = if writes {
        Operation::write(name)
    } else {
        Operation::read(name)
    }
    .method(method);
    for (name, value) in recording
        .request
        .query
        .iter()
        .chain(&recording.request.form)
    {
        if !matches!(name.as_str(), "operation" | "sessionName") {
            operation = operation.param(name, value.as_str().unwrap());
        }
    }
    let actual = client.call_operation(&operation).await;
    (
        Way::Raw,
        difference(&expected(recording, writes), &actual, same),
    )
}

fn same(expected: &Json, actual: &Json) -> Result<(), String> {
    if expected == actual {
        Ok(())
    } else {
        Err(format!("expected {expected}, got {actual}"))
    }
}

fn same_record(result: &Json, record: &Record) -> Result<(), String> {
    let fields: BTreeMap<String, String> = result
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), text(value)))
        .collect();
    same(&result["id"], &Json::from(record.id.as_str()))?;
    if fields == record.fields {
        Ok(())
    } else {
        Err(format!("expected {fields:?}, got {:?}", record.fields))
    }
}

fn same_records(result: &Json, records: &Vec<Record>) -> Result<(), String> {
    let rows = result.as_array().unwrap();
    same(&Json::from(rows.len()), &Json::from(records.len()))?;
    rows.iter()
        .zip(records)
        .try_for_each(|(row, record)| same_record(row, record))
}

fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => panic!("the recordings hold text only, not {other}"),
    }
}

/// Compares the last request of the recorded operation with the recording.
fn request_difference(server: &Server, recording: &Recording) -> Option<String> {
    let Some(sent) = server.requests_of(recording.operation()).pop() else {
        return Some("nothing was sent".to_owned());
    };
    if sent.method != recording.request.method || sent.path != recording.request.path {
        return Some(format!(
            "sent {} {}, recorded {}",
            sent.method, sent.path, recording.request.method
        ));
    }
    parameter_difference("URL", &sent.query, &recording.request.query)
        .or_else(|| parameter_difference("form", &sent.form, &recording.request.form))
}

fn parameter_difference(
    place: &str,
    sent: &[(String, String)],
    recorded: &Map<String, Json>,
) -> Option<String> {
    let sent: BTreeMap<&str, Json> = sent
        .iter()
        .map(|(name, value)| (name.as_str(), comparable(name, value)))
        .collect();
    let recorded: BTreeMap<&str, Json> = recorded
        .iter()
        .map(|(name, value)| (name.as_str(), comparable(name, value.as_str().unwrap())))
        .collect();
    (sent != recorded).then(|| format!("{place}: sent {sent:?}, recorded {recorded:?}"))
}

/// The order of an element's fields and its white space do not matter.
fn comparable(name: &str, value: &str) -> Json {
    match name {
        "element" => serde_json::from_str(value).unwrap_or_else(|_| Json::from(value)),
        _ => Json::from(value),
    }
}
