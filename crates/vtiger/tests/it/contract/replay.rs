//! One recording: serve its answer, make its request, compare both.

use serde_json::{Map, Value as Json};
use vtiger::{CallError, Client, ClientConfig, Element, Method, Operation, RecordId, Value};

use super::compare::{request_difference, same, same_module, same_record, same_records};
use super::expect::{Expected, difference, expected};
use super::recording::{self, Recording};
use super::repaired::{convert_lead, sync};
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
const INEXPRESSIBLE: [(&str, &str); 24] = [
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
        "233-users",
        "its digest was made with the random key of a new user",
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
        "changePassword" => change_password(&client, recording).await,
        "relatedtypes" => (Way::Typed, related_types(&client, recording).await),
        "retrieve_related" => (Way::Typed, retrieve_related(&client, recording).await),
        "query_related" => query_related(&client, recording).await,
        "sync" => sync(&client, recording).await,
        "convertlead" => convert_lead(&client, recording).await,
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
    let token = challenge_of(recording).map_or("6b013ad0a43d3", |(token, _)| token);
    let variant = recording.variant.clone();
    Server::start(move |request: &Request| match request.operation() {
        asked if asked.eq_ignore_ascii_case(&operation) => reply.clone(),
        "getchallenge" => {
            success(serde_json::json!({"token": token, "serverTime": 1, "expireTime": 301}))
        }
        "login" => success(
            serde_json::json!({"sessionName": session, "userId": "19x1", "version": "0.22"}),
        ),
        "describe" => description_of(
            request.param("elementType").unwrap_or_default(),
            variant.as_deref(),
        ),
        _ => login_reply(request).unwrap_or_else(|| reply.clone()),
    })
    .await
}

/// The access keys of the users who logged in.
const ACCESS_KEYS: [&str; 3] = [ACCESS_KEY, "DummyKeySalesP01", "DummyKeyNairob01"];

/// The recorded challenge token, and the access key, whose digest a recorded login carries.
fn challenge_of(recording: &Recording) -> Option<(&'static str, &'static str)> {
    let digest = recording.param("accessKey")?;
    recording::all()
        .iter()
        .filter(|recording| recording.operation() == "getchallenge")
        .filter_map(token)
        .flat_map(|token| ACCESS_KEYS.map(|key| (token, key)))
        .find(|(token, key)| digest_of(token, key) == digest)
}

fn token(challenge: &'static Recording) -> Option<&'static str> {
    let text = challenge.response.body.as_str();
    match text {
        Some(noise) => noise.split_once(r#""token":""#)?.1.split('"').next(),
        None => challenge.result()?["token"].as_str(),
    }
}

fn digest_of(token: &str, key: &str) -> String {
    use md5::Digest;
    hex::encode(md5::Md5::digest(format!("{token}{key}")))
}

fn description_of(module: &str, variant: Option<&str>) -> Reply {
    recording::description_of(module, variant).map_or_else(
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
    let key = challenge_of(recording).map_or(ACCESS_KEY, |(_, key)| key);
    Client::new(ClientConfig::open_source(&server.url(), username, key.into()).unwrap()).unwrap()
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
            Err(CallError::Refused(_))
                if recording::description_of(query.module(), None).is_none() =>
            {
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

async fn change_password(client: &Client, recording: &Recording) -> (Way, Option<String>) {
    let new = recording.param("newPassword").unwrap_or_default();
    let typed =
        recording.param("oldPassword").is_none() && recording.param("confirmPassword") == Some(new);
    let id = recording.param("id").unwrap_or_default().parse();
    let (true, Ok(id)) = (typed, id) else {
        return raw(client, recording).await;
    };
    (
        Way::Typed,
        difference(
            &expected(recording, true),
            &client.change_password(&id, &new.into()).await,
            |_, ()| Ok(()),
        ),
    )
}

async fn related_types(client: &Client, recording: &Recording) -> Option<String> {
    let module = recording.param("elementType").unwrap_or_default();
    difference(
        &expected(recording, false),
        &client.related_types(module).await,
        |result, lists| {
            let shown: Map<String, Json> = lists
                .iter()
                .map(|list| {
                    let flag = if list.is_entity { "1" } else { "0" };
                    let about = serde_json::json!({"name": list.module, "label": list.label, "isEntity": flag});
                    (list.label.clone(), about)
                })
                .collect();
            same(&result["information"], &Json::Object(shown))
        },
    )
}

async fn retrieve_related(client: &Client, recording: &Recording) -> Option<String> {
    let param = |name| recording.param(name).unwrap_or_default();
    let id: RecordId = param("id").parse().unwrap();
    let actual = client
        .retrieve_related(&id, param("relatedType"), param("relatedLabel"))
        .await;
    difference(&expected(recording, false), &actual, same_records)
}

async fn query_related(client: &Client, recording: &Recording) -> (Way, Option<String>) {
    let param = |name| recording.param(name).unwrap_or_default();
    let Some(query) = vtql::typed_related(param("query")) else {
        return raw(client, recording).await;
    };
    let id: RecordId = param("id").parse().unwrap();
    let actual = client
        .query_related(&query, &id, param("relatedLabel"))
        .await;
    (
        Way::Typed,
        difference(&expected(recording, false), &actual, same_records),
    )
}

/// The element as the typed methods send it: text and nulls.
pub(super) fn typed_element(element: Map<String, Json>) -> Option<Element> {
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
pub(super) async fn raw(client: &Client, recording: &Recording) -> (Way, Option<String>) {
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
