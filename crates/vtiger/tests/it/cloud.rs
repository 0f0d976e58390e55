//! vTiger Cloud: errors in the status line, HTTP Basic, quota headers, limits.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use vtiger::{
    CallBudget, CallError, Class, Client, Element, Operation, OverBudget, Query, Quota,
    RefusalReason, Spent,
};

use crate::server::{Answer, Reply, Server, success};

fn contact() -> Element {
    Element::new()
        .with("lastname", "Otieno")
        .with("assigned_user_id", "19x1")
}

fn text_json(result: serde_json::Value) -> Answer {
    Answer::new(
        200,
        "text/json",
        json!({"success": true, "result": result}).to_string(),
    )
}

#[tokio::test]
async fn calls_carry_basic_credentials_and_form_encoded_parameters_and_no_session() {
    let server = Server::start(|_| {
        text_json(json!({"id": "4x7", "isclosed": 0, "lastname": "Otieno"})).into()
    })
    .await;
    let created = server
        .cloud_client()
        .create("Contacts", &contact())
        .await
        .unwrap();
    assert_eq!(created.id.as_str(), "4x7");
    assert_eq!(created.get("isclosed"), Some("0"));
    let [request] = server.requests().try_into().unwrap();
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("POST", "/restapi/v1/vtiger/default/create")
    );
    // base64 of admin:DummyAccessKey01
    assert_eq!(
        request.headers["authorization"],
        "Basic YWRtaW46RHVtbXlBY2Nlc3NLZXkwMQ=="
    );
    assert_eq!(
        request.headers["content-type"],
        "application/x-www-form-urlencoded"
    );
    assert_eq!(request.param("elementType"), Some("Contacts"));
    assert_eq!(request.param("sessionName"), None);
    assert_eq!(request.param("operation"), None);
}

#[tokio::test]
async fn the_status_line_tells_code_message_and_field() {
    let server = Server::start(|_| {
        Answer::new(400, "text/html", "")
            .reason("MANDATORY_FIELDS_MISSING:Assigned To does not have a value")
            .into()
    })
    .await;
    let error = server
        .cloud_client()
        .create("Contacts", &contact())
        .await
        .unwrap_err();
    let refusal = error.refusal().unwrap();
    assert_eq!(error.reason(), Some(RefusalReason::MandatoryMissing));
    assert_eq!(refusal.code, "MANDATORY_FIELDS_MISSING");
    assert_eq!(refusal.message, "Assigned To does not have a value");
    assert_eq!(refusal.field.as_deref(), Some("Assigned To"));
}

#[tokio::test]
async fn a_status_line_without_code_is_a_refusal_with_that_message() {
    let server = Server::start(|_| {
        Answer::new(400, "text/html", "")
            .reason("Something is off: really")
            .into()
    })
    .await;
    let error = server
        .cloud_client()
        .create("Contacts", &contact())
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::Refused);
    assert_eq!(error.code(), "HTTP_400");
    assert_eq!(error.refusal().unwrap().message, "Something is off: really");
}

#[tokio::test]
async fn a_json_body_beats_the_status_line() {
    let server = Server::start(|_| {
        let body = json!({"success": false, "error": {"code": "ACCESS_DENIED", "message": "Permission to perform the operation is denied"}});
        Answer::new(400, "text/json", body.to_string()).into()
    })
    .await;
    let error = server
        .cloud_client()
        .retrieve(&"4x1".parse().unwrap())
        .await
        .unwrap_err();
    assert_eq!(error.reason(), Some(RefusalReason::MissingOrForbidden));
}

#[tokio::test]
async fn a_failure_inside_http_200_is_still_a_failure() {
    let server = Server::start(|_| crate::server::refusal("ACCESS_DENIED", "no")).await;
    assert_eq!(
        server
            .cloud_client()
            .create("Contacts", &contact())
            .await
            .unwrap_err()
            .code(),
        "ACCESS_DENIED"
    );
}

#[tokio::test]
async fn wrong_credentials_are_refused_as_such() {
    let server = Server::start(|_| {
        Answer::new(401, "text/html", "")
            .reason("AUTHENTICATION_REQUIRED:Authentication required")
            .into()
    })
    .await;
    let error = server.cloud_client().identify().await.unwrap_err();
    assert_eq!(error.reason(), Some(RefusalReason::Credentials));
    let plain = Server::start(|_| Answer::new(401, "text/html", "").into()).await;
    assert_eq!(
        plain.cloud_client().identify().await.unwrap_err().reason(),
        Some(RefusalReason::Credentials)
    );
}

#[tokio::test]
async fn over_quota_is_throttled_with_the_time_to_wait_if_told() {
    let server = Server::start(|request| {
        let answer = Answer::new(429, "text/html", "");
        if request.operation() == "create" {
            answer.header("Retry-After", "17").into()
        } else {
            answer.into()
        }
    })
    .await;
    let client = server.cloud_client();
    let write = client.create("Contacts", &contact()).await.unwrap_err();
    assert_eq!(write.class(), Class::Throttled);
    assert!(
        matches!(write, CallError::Throttled { retry_after: Some(wait), .. } if wait == Duration::from_secs(17))
    );
    let read = client.list_types().await.unwrap_err();
    assert!(
        matches!(
            read,
            CallError::Throttled {
                retry_after: None,
                ..
            }
        ),
        "{read}"
    );
}

#[tokio::test]
async fn a_retry_after_date_is_measured_by_the_servers_own_clock() {
    let server = Server::start(|_| {
        Answer::new(429, "text/html", "")
            .header("Date", "Sat, 21 Nov 2026 06:31:44 GMT")
            .header("Retry-After", "Sat, 21 Nov 2026 06:32:44 GMT")
            .into()
    })
    .await;
    let error = server.cloud_client().list_types().await.unwrap_err();
    assert!(
        matches!(error, CallError::Throttled { retry_after: Some(wait), .. } if wait == Duration::from_secs(60))
    );
}

#[tokio::test]
async fn quota_headers_of_every_answer_are_learned_and_missing_ones_keep_the_last_value() {
    let server = Server::start(|request| match request.operation() {
        "listtypes" => text_json(json!({"types": [], "information": []}))
            .header("X-FloodControl-MinuteLimit", "60")
            .header("X-FloodControl-Remaining", "41")
            .header("X-FloodControl-Reset", "1795242704")
            .header("X-RateLimit-DailyLimit", "7200")
            .header("X-RateLimit-Remaining", "7000")
            .into(),
        _ => Answer::new(400, "text/html", "")
            .reason("ACCESS_DENIED:no")
            .header("X-FloodControl-Remaining", "40")
            .into(),
    })
    .await;
    let client = server.cloud_client();
    assert_eq!(client.quota(), Quota::default());
    client.list_types().await.unwrap();
    let _ = client.retrieve(&"4x1".parse().unwrap()).await.unwrap_err();
    assert_eq!(
        client.clone().quota(),
        Quota {
            minute_limit: Some(60),
            minute_remaining: Some(40),
            minute_reset: Some(jiff::Timestamp::from_second(1_795_242_704).unwrap()),
            day_limit: Some(7200),
            day_remaining: Some(7000),
        }
    );
}

#[tokio::test]
async fn a_write_that_ends_in_5xx_or_is_cut_off_is_unknown_and_a_read_is_unavailable() {
    let answers: [Reply; 4] = [
        Answer::new(500, "text/html", "").into(),
        Answer::new(503, "text/html", "<html>maintenance</html>")
            .header("Retry-After", "5")
            .into(),
        Reply::CutBody(text_json(json!({"id": "4x7"}))),
        Reply::Close,
    ];
    for reply in answers {
        let served = reply.clone();
        let server = Server::start(move |_| served.clone()).await;
        let client = server.cloud_client();
        let write = client.create("Contacts", &contact()).await.unwrap_err();
        assert_eq!(write.class(), Class::Unknown, "{reply:?}: {write}");
        let read = client.retrieve(&"4x7".parse().unwrap()).await.unwrap_err();
        assert_eq!(read.class(), Class::Unavailable, "{reply:?}: {read}");
        assert_eq!(
            server.requests_of("create").len(),
            1,
            "a write was repeated behind the caller's back"
        );
    }
}

#[tokio::test]
async fn me_tells_the_user_and_the_date_header_the_time() {
    let server = Server::start(|_| {
        text_json(json!({
            "id": "19x5", "user_name": "amina@example.com", "first_name": "Amina", "last_name": "Otieno",
            "email1": "amina@example.com", "is_admin": "off", "time_zone": "Africa/Nairobi"
        }))
        .header("Date", "Sat, 21 Nov 2026 06:31:44 GMT")
        .header("X-Vtiger-Version", "2026.1")
        .into()
    })
    .await;
    let client = server.cloud_client();
    let me = client.identify().await.unwrap();
    assert_eq!(
        (me.user_id.as_str(), me.user_name.as_str()),
        ("19x5", "amina@example.com")
    );
    assert_eq!(
        (me.is_admin, me.vtiger_version.as_deref()),
        (Some(false), Some("2026.1"))
    );
    let time = client.server_time().await.unwrap();
    assert_eq!(time.server, "2026-11-21T06:31:44Z".parse().unwrap());
}

#[tokio::test]
async fn lengths_come_from_describe_as_numbers_or_text() {
    let server = Server::start(|request| match request.operation() {
        "describe" => success(json!({
            "name": "Contacts", "label": "Contacts", "createable": true, "updateable": "1", "deleteable": false,
            "retrieveable": true, "isEntity": true, "idPrefix": "4", "labelFields": ["firstname", "lastname"],
            "fields": [
                {"name": "firstname", "label": "First Name", "mandatory": false, "editable": true, "nullable": true,
                 "type": {"name": "string", "length": "25"}},
                {"name": "lastname", "label": "Last Name", "mandatory": true, "editable": true, "nullable": false,
                 "type": {"name": "string", "length": 50}, "isunique": "0"},
            ]
        })),
        _ => success(json!([])),
    })
    .await;
    let client = server.cloud_client();
    let contacts = client.describe("Contacts").await.unwrap();
    assert_eq!(contacts.field("firstname").unwrap().length, Some(25));
    assert_eq!(contacts.field("lastname").unwrap().length, Some(50));
    assert_eq!(contacts.label_fields, ["firstname", "lastname"]);
    assert!(contacts.updateable && !contacts.deleteable);
    assert_eq!(
        client
            .query(&Query::select("Contacts").fields(["lastname"]))
            .await
            .unwrap(),
        []
    );
    assert_eq!(
        server.requests_of("query")[0].param("query"),
        Some("select lastname from Contacts;")
    );
}

#[tokio::test]
async fn operations_of_cloud_alone_are_called_by_name() {
    let server = Server::start(|_| success(json!({"tags": ["vip"]}))).await;
    let operation = Operation::read("tags_retrieve").param("id", "4x7");
    let result = server
        .cloud_client()
        .call_operation(&operation)
        .await
        .unwrap();
    assert_eq!(result["tags"][0], "vip");
    assert_eq!(
        server.requests()[0].path,
        "/restapi/v1/vtiger/default/tags_retrieve"
    );
    let traversal = Operation::read("../me");
    assert!(matches!(
        server.cloud_client().call_operation(&traversal).await,
        Err(CallError::Invalid(_))
    ));
}

#[tokio::test]
async fn a_path_that_does_not_exist_is_a_missing_operation_or_the_wrong_address() {
    for phrase in ["Not Found", "NOT_FOUND:Unknown operation"] {
        let server =
            Server::start(move |_| Answer::new(404, "text/html", "").reason(phrase).into()).await;
        let client = server.cloud_client();
        let missing = client
            .call_operation(&Operation::write("reopen").param("id", "4x7"))
            .await
            .unwrap_err();
        assert_eq!(
            missing.reason(),
            Some(RefusalReason::NotAvailable),
            "{phrase}"
        );
    }
    let elsewhere =
        Server::start(|_| Answer::new(404, "text/html", "<html>nothing here</html>").into()).await;
    let error = elsewhere
        .cloud_client()
        .create("Contacts", &contact())
        .await
        .unwrap_err();
    assert_eq!(
        (error.class(), error.code()),
        (Class::Unavailable, "HTTP_404")
    );
}

/// Allows one call, and notes what its answer said of the limits.
#[derive(Clone, Default)]
struct OneCall {
    made: Arc<Mutex<Vec<Option<u64>>>>,
    allowed: Arc<Mutex<bool>>,
}

#[async_trait]
impl CallBudget for OneCall {
    async fn spend(&self) -> Result<Box<dyn Spent>, OverBudget> {
        if std::mem::replace(&mut *self.allowed.lock().unwrap(), true) {
            return Err(OverBudget {
                limit: "call limit of this minute",
                wait: Duration::from_secs(40),
            });
        }
        Ok(Box::new(self.clone()))
    }
}

impl Spent for OneCall {
    fn answered(self: Box<Self>, quota: &Quota) {
        self.made.lock().unwrap().push(quota.minute_remaining);
    }
}

#[tokio::test]
async fn a_call_beyond_the_budget_is_throttled_without_being_sent() {
    let server = Server::start(|_| {
        text_json(json!({"types": [], "information": []}))
            .header("X-FloodControl-Remaining", "41")
            .into()
    })
    .await;
    let budget = OneCall::default();
    let client = server.cloud_client().with_budget(Arc::new(budget.clone()));
    client.list_types().await.unwrap();
    assert_eq!(*budget.made.lock().unwrap(), [Some(41)]);
    let over = client.create("Contacts", &contact()).await.unwrap_err();
    assert_eq!(
        (over.class(), over.code()),
        (Class::Throttled, "CALL_BUDGET")
    );
    assert!(
        matches!(over, CallError::Throttled { retry_after: Some(wait), .. } if wait == Duration::from_secs(40)),
        "{over}"
    );
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn an_open_source_vtiger_is_called_without_asking_a_budget() {
    let server = Server::start(|_| success(json!({"token": "t", "serverTime": 1}))).await;
    let budget = OneCall::default();
    *budget.allowed.lock().unwrap() = true;
    let client = Client::new(server.open_source_config()).unwrap();
    let client = client.with_budget(Arc::new(budget));
    client.server_time().await.unwrap();
}
