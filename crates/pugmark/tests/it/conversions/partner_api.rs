//! A small look-alike of MicroBima's partner API: checks what it is sent, writes MicroBima's rows in their own commits as the
//! real one does, keeps a journal, and breaks on demand.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use pugmark_queue::db::Engine;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::harness::{World, Writer};

pub(crate) const KEY: &str = "partner-key-of-this-test";

/// What happens to the next call; without one all goes well.
#[derive(Clone)]
pub(crate) enum Turn {
    /// All goes well, but the caller hears nothing of it.
    AnswerLost,
    /// 500 although everything was committed.
    FailAfter,
    /// 500, and nothing was done.
    FailBefore,
    /// Everything is committed; the answer waits for this.
    AnswerAfter(Arc<Notify>),
    /// The customer's row is written at once, the partner's reference of it only after this.
    ReferenceAfter(Arc<Notify>),
    /// The rows are written only after this, long after the caller went away.
    CommitAfter(Arc<Notify>),
    /// The row is written, and taken back again because its reference is not taken.
    InsertAndTakeBack,
    /// Refused with this status, code and wrong field.
    Refuse(u16, &'static str, &'static str),
}

pub(crate) struct PartnerApi {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    writer: Writer,
    turns: Mutex<VecDeque<Turn>>,
    journal: Mutex<Vec<Value>>,
    committed: Notify,
}

impl PartnerApi {
    pub(crate) async fn start(world: &World) -> Self {
        let shared = Arc::new(Shared {
            writer: world.other_program().await,
            turns: Mutex::default(),
            journal: Mutex::default(),
            committed: Notify::new(),
        });
        let routes = Router::new()
            .route("/api/v1/customers", post(create))
            .with_state(shared.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move { axum::serve(listener, routes).await });
        PartnerApi { address, shared }
    }

    pub(crate) fn next(&self, turn: Turn) {
        self.shared
            .turns
            .lock()
            .expect("not poisoned")
            .push_back(turn);
    }

    /// The bodies of all calls.
    pub(crate) fn journal(&self) -> Vec<Value> {
        self.shared.journal.lock().expect("not poisoned").clone()
    }

    /// Waits until rows of a call were committed.
    pub(crate) async fn committed(&self) {
        self.shared.committed.notified().await;
    }
}

async fn create(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    if headers.get("x-api-key").is_none_or(|key| key != KEY) {
        return refuse(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", None);
    }
    if headers.get("x-correlation-id").is_none() {
        return refuse(StatusCode::BAD_REQUEST, "MALFORMED_REQUEST", None);
    }
    shared
        .journal
        .lock()
        .expect("not poisoned")
        .push(body.clone());
    let turn = shared.turns.lock().expect("not poisoned").pop_front();
    // Like the real one, it goes on when its caller has gone away.
    let work = tokio::spawn(async move { answer(&shared, turn, &body).await });
    work.await.expect("no panic")
}

async fn answer(shared: &Shared, turn: Option<Turn>, body: &Value) -> Response {
    match turn {
        Some(Turn::FailBefore) => refuse(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL_SERVER_ERROR",
            None,
        ),
        Some(Turn::Refuse(status, code, field)) => {
            let status = StatusCode::from_u16(status).expect("a status");
            refuse(status, code, Some((field, code)))
        }
        Some(Turn::InsertAndTakeBack) => {
            let id = insert_customer(shared, body).await.expect("inserted");
            shared
                .writer
                .sql(format!("DELETE FROM customers WHERE \"id\" = '{id}'"))
                .await;
            refuse(
                StatusCode::UNPROCESSABLE_ENTITY,
                "VALIDATION_ERROR",
                Some(("partnerCustomerId", "is invalid")),
            )
        }
        Some(Turn::CommitAfter(signal)) => {
            signal.notified().await;
            commit(shared, body, None)
                .await
                .unwrap_or_else(|refused| refused)
        }
        Some(Turn::ReferenceAfter(signal)) => {
            let committed = commit(shared, body, Some(&signal)).await;
            committed.unwrap_or_else(|refused| refused)
        }
        turn => match commit(shared, body, None).await {
            Err(refused) => refused,
            Ok(created) => match turn {
                Some(Turn::AnswerLost) => {
                    tokio::time::sleep(Duration::from_secs(30)).await;
                    created
                }
                Some(Turn::AnswerAfter(signal)) => {
                    signal.notified().await;
                    created
                }
                Some(Turn::FailAfter) => refuse(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "INTERNAL_SERVER_ERROR",
                    None,
                ),
                _ => created,
            },
        },
    }
}

/// The rows, each in a commit of its own.
async fn commit(
    shared: &Shared,
    body: &Value,
    before_reference: Option<&Notify>,
) -> Result<Response, Response> {
    let id = insert_customer(shared, body).await?;
    let reference = text(&body["principalMember"]["partnerCustomerId"]);
    if let Some(signal) = before_reference {
        signal.notified().await;
    }
    shared
        .writer
        .sql(format!(
            "INSERT INTO partner_customers (\"customerId\", \"partnerId\", \"partnerCustomerId\", \"updatedAt\") \
             VALUES ('{id}', 1, '{reference}', {})",
            now(&shared.writer)
        ))
        .await;
    shared.committed.notify_one();
    let answer = json!({ "status": 201, "correlationId": body["correlationId"], "message": "Principal member created successfully",
        "data": { "principalId": id, "partnerCustomerId": reference } });
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

async fn insert_customer(shared: &Shared, body: &Value) -> Result<String, Response> {
    let member = &body["principalMember"];
    let id = uuid::Uuid::new_v4().to_string();
    let kind = match member["idType"].as_str() {
        Some("national") => "NATIONAL_ID",
        Some("passport") => "PASSPORT",
        _ => "ALIEN",
    };
    let gender = text(&member["gender"]).to_uppercase();
    let email = match member["email"].as_str() {
        Some(email) => format!("'{email}'"),
        None => "NULL".to_owned(),
    };
    let now = now(&shared.writer);
    let inserted = shared
        .writer
        .try_sql(format!(
            "INSERT INTO customers (\"id\", \"firstName\", \"lastName\", \"email\", \"phoneNumber\", \"dateOfBirth\", \"gender\", \
             \"idType\", \"idNumber\", \"status\", \"onboardingStep\", \"createdByPartnerId\", \"createdAt\", \"updatedAt\") \
             VALUES ('{id}', '{}', '{}', {email}, '{}', '{}', '{gender}', '{kind}', '{}', 'PENDING_ACTIVATION', 'BASIC_INFO', 1, \
             {now}, {now})",
            text(&member["firstName"]),
            text(&member["lastName"]),
            text(&member["phoneNumber"]),
            text(&member["dateOfBirth"]),
            text(&member["idNumber"]),
        ))
        .await;
    match inserted {
        Ok(()) => Ok(id),
        Err(_) => Err(refuse(
            StatusCode::UNPROCESSABLE_ENTITY,
            "DUPLICATE_ID_NUMBER",
            Some(("idNumber", "DUPLICATE_ID_NUMBER")),
        )),
    }
}

/// The time as the application sends it.
fn now(writer: &Writer) -> &'static str {
    match writer.engine() {
        Engine::Sqlite => "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)",
        Engine::Postgres => crate::microbima::NOW,
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().replace('\'', "''")
}

fn refuse(status: StatusCode, code: &str, field: Option<(&str, &str)>) -> Response {
    let details = match field {
        Some((field, what)) => json!({ format!("principalMember.{field}"): what }),
        None => json!({}),
    };
    let body = json!({ "error": { "code": code, "status": status.as_u16(), "message": code, "details": details } });
    (status, Json(body)).into_response()
}
