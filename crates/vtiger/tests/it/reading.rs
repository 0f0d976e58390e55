//! Descriptions, queries and what is refused before sending.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::sync::Notify;
use tokio::time::Instant;
use vtiger::{CallError, Class, Client, Condition, Filter, Invalid, Literal, Query, RefusalReason};

use crate::contract::description_of_contacts;
use crate::server::{Reply, Request, Server, refusal, success};

/// A server that describes Contacts as recorded and answers queries by a function.
pub(crate) async fn contacts_server(
    query: impl Fn(&str) -> Reply + Send + Sync + 'static,
) -> Server {
    Server::open_source(move |request: &Request| match request.operation() {
        "describe" => description_of_contacts(),
        "query" => query(request.param("query").unwrap()),
        other => refusal("OPERATION_NOT_SUPPORTED", other),
    })
    .await
}

#[tokio::test]
async fn a_module_is_described_once_for_many_callers_until_it_is_forgotten() {
    let server = contacts_server(|_| success(json!([]))).await;
    let client = server.open_source_client();
    let callers = (0..16).map(|_| client.describe("Contacts"));
    let described = futures::future::try_join_all(callers).await.unwrap();
    assert!(
        described
            .iter()
            .all(|module| Arc::ptr_eq(module, &described[0]))
    );
    assert_eq!(server.requests_of("describe").len(), 1);
    client.forget_descriptions();
    client.describe("Contacts").await.unwrap();
    assert_eq!(server.requests_of("describe").len(), 2);
}

#[tokio::test]
async fn a_failed_description_is_asked_for_again() {
    let fail = Arc::new(AtomicBool::new(true));
    let failing = Arc::clone(&fail);
    let server = Server::open_source(move |_| {
        if failing.load(Ordering::SeqCst) {
            Reply::Close
        } else {
            description_of_contacts()
        }
    })
    .await;
    let client = server.open_source_client();
    assert_eq!(
        client.describe("Contacts").await.unwrap_err().class(),
        Class::Unavailable
    );
    fail.store(false, Ordering::SeqCst);
    client.describe("Contacts").await.unwrap();
}

#[tokio::test]
async fn a_caller_with_time_left_does_not_inherit_anothers_deadline() {
    let arrived = Arc::new(Notify::new());
    let signal = Arc::clone(&arrived);
    let server = Server::open_source(move |request| match request.operation() {
        "describe" => description_of_contacts(),
        _ => {
            signal.notify_one();
            Reply::Hang
        }
    })
    .await;
    let mut config = server.open_source_config();
    config.sessions = 1;
    config.call_timeout = Duration::from_secs(20);
    let client = Client::new(config).unwrap();
    let holder = tokio::spawn({
        let client = client.clone();
        async move { client.delete(&"12x1".parse().unwrap()).await }
    });
    arrived.notified().await;
    // The first caller asks for both, and runs out of time while it waits for the only session.
    let hurried = client.until(Instant::now() + Duration::from_millis(21_500));
    let mut first = Box::pin(hurried.describe("Contacts"));
    let mut second = Box::pin(client.describe("Contacts"));
    assert!(futures::poll!(&mut first).is_pending() && futures::poll!(&mut second).is_pending());
    assert_eq!(first.await.unwrap_err().class(), Class::NotSent);
    holder.abort();
    assert_eq!(second.await.unwrap().name, "Contacts");
}

#[tokio::test]
async fn fields_are_found_by_label_whatever_its_case_spaces_and_punctuation() {
    let server = contacts_server(|_| success(json!([]))).await;
    let contacts = server
        .open_source_client()
        .describe("Contacts")
        .await
        .unwrap();
    for label in [
        "Microbima Customer Id",
        "microbima customer ID",
        "MicrobimaCustomer-Id",
        " microbima_customer_id ",
    ] {
        assert_eq!(
            contacts
                .field_by_label(label)
                .map(|field| field.name.as_str()),
            Some("cf_853"),
            "{label}"
        );
    }
    assert_eq!(contacts.field_by_label("Microbima Customer"), None);
    assert_eq!(contacts.field("LastName"), None, "names are case-sensitive");
    let mandatory: Vec<&str> = contacts
        .mandatory_fields()
        .map(|field| field.name.as_str())
        .collect();
    assert_eq!(mandatory, ["lastname", "assigned_user_id"]);
}

#[tokio::test]
async fn an_unknown_field_is_refused_before_sending_because_the_server_would_answer_with_an_empty_page()
 {
    let server = contacts_server(|_| success(json!([]))).await;
    let client = server.open_source_client();
    let queries = [
        Query::select("Contacts").order_by(["nosuch", "id"]),
        Query::select("Contacts").fields(["nosuch"]),
        Query::select("Contacts").filter(Condition::eq("nosuch", "x")),
    ];
    for query in queries {
        let error = client.query(&query).await.unwrap_err();
        let named = matches!(&error, CallError::Invalid(Invalid::UnknownField { field, .. }) if field == "nosuch");
        assert!(named, "{error}");
        assert!(matches!(
            client.count(&query).await,
            Err(CallError::Invalid(_))
        ));
    }
    assert_eq!(server.requests_of("query").len(), 0);
}

#[tokio::test]
async fn text_behind_the_x_of_an_id_never_reaches_the_server() {
    let server = contacts_server(|_| success(json!([]))).await;
    let client = server.open_source_client();
    let injections = [
        Condition::eq("id", "12x0 or 1=1"),
        Condition::eq("account_id", "11x0 or 1=1"),
        Condition::ne("assigned_user_id", "19x0 or 1=1"),
        Condition::is_in("assigned_user_id", ["19x1", "19x0) or (1=1"]),
        Condition::like("account_id", "11x0 or 1=1"),
        Condition::gt("modifiedby", 7),
    ];
    for injection in injections {
        let error = client
            .query(&Query::select("Contacts").filter(injection.clone()))
            .await
            .unwrap_err();
        assert!(
            matches!(error, CallError::Invalid(Invalid::Query { .. })),
            "{injection:?}: {error}"
        );
    }
    assert_eq!(server.requests_of("query").len(), 0);
}

#[tokio::test]
async fn a_row_without_id_makes_the_page_unreadable_rather_than_shorter() {
    let server =
        contacts_server(|_| success(json!([{"id": "12x1"}, {"lastname": "Otieno"}]))).await;
    let error = server
        .open_source_client()
        .query(&Query::select("Contacts"))
        .await
        .unwrap_err();
    assert!(matches!(error, CallError::Unreadable(_)), "{error}");
}

#[tokio::test]
async fn a_query_too_long_for_a_url_is_refused_before_sending() {
    let server = contacts_server(|_| success(json!([]))).await;
    let client = server.open_source_client();
    let emails = |count| {
        let values = (0..count).map(|number| Literal::from(format!("person{number}@example.com")));
        Query::select("Contacts").filter(Condition::is_in("email", values))
    };
    client.query(&emails(150)).await.unwrap();
    let error = client.query(&emails(400)).await.unwrap_err();
    assert!(
        matches!(error, CallError::Invalid(Invalid::UrlTooLong { .. })),
        "{error}"
    );
    assert_eq!(server.requests_of("query").len(), 1);
}

#[tokio::test]
async fn an_unreadable_description_is_no_description() {
    let server = Server::open_source(|_| success(json!({"name": "Contacts"}))).await;
    let error = server
        .open_source_client()
        .describe("Contacts")
        .await
        .unwrap_err();
    assert!(matches!(error, CallError::Unreadable(_)), "{error}");
}

#[tokio::test]
async fn a_module_without_permission_is_named_as_such() {
    let server = Server::open_source(|_| {
        refusal(
            "ACCESS_DENIED",
            "Permission to perform the operation is denied for name : Users",
        )
    })
    .await;
    let error = server
        .open_source_client()
        .describe("Users")
        .await
        .unwrap_err();
    assert_eq!(error.reason(), Some(RefusalReason::UnknownModule));
}

#[tokio::test]
async fn filters_are_multiplied_out_because_vtql_has_no_parentheses() {
    let gold = Condition::eq("cf_863", "Gold");
    let names =
        Filter::from(Condition::eq("firstname", "Q07")).or(Condition::eq("firstname", "Q08"));
    let query = Query::select("Contacts")
        .fields(["id"])
        .filter(names)
        .filter(gold);
    assert_eq!(
        query.to_vtql().unwrap(),
        "select id from Contacts where firstname='Q07' and cf_863='Gold' or firstname='Q08' and cf_863='Gold';"
    );
}

#[tokio::test]
async fn related_records_are_asked_for_in_the_dialect_of_that_operation() {
    let server = Server::open_source(|request| match request.operation() {
        "describe" => description_of_contacts(),
        "query_related" => success(json!([{"id": "12x9", "lastname": "Alpha"}])),
        "retrieve_related" => success(json!([{"id": "30x4", "commentcontent": "hello"}])),
        _ => success(json!({"types": ["ModComments"], "information": {"ModComments": {"label": "Comments"}}})),
    })
    .await;
    let client = server.open_source_client();
    let account = "11x3".parse().unwrap();
    let query = Query::select("Contacts")
        .fields(["lastname"])
        .filter(Condition::eq("lastname", "Alpha"));
    let found = client
        .query_related(&query, &account, "Contacts")
        .await
        .unwrap();
    assert_eq!(found[0].get("lastname"), Some("Alpha"));
    let sent = &server.requests_of("query_related")[0];
    assert_eq!(
        sent.param("query"),
        Some("select lastname from Contacts WHERE lastname='Alpha'")
    );
    assert_eq!(
        (sent.param("id"), sent.param("relatedLabel")),
        (Some("11x3"), Some("Contacts"))
    );
    let comments = client
        .retrieve_related(&account, "ModComments", "ModComments")
        .await
        .unwrap();
    assert_eq!(comments[0].id.as_str(), "30x4");
    let lists = client.related_types("Accounts").await.unwrap();
    assert_eq!(
        (lists[0].module.as_str(), lists[0].label.as_str()),
        ("ModComments", "Comments")
    );
}

#[tokio::test]
async fn sync_and_lead_conversion_work_where_the_server_can_do_them() {
    let server = Server::open_source(|request| match request.operation() {
        "sync" => success(json!({
            "updated": [{"id": "12x3", "lastname": "A"}], "deleted": ["12x4", "10x5"], "more": true,
            "lastModifiedTime": 1_795_242_704
        })),
        _ => success(json!({"Contacts": "12x134", "Accounts": "11x135"})),
    })
    .await;
    let client = server.open_source_client();
    let start = jiff::Timestamp::from_second(0).unwrap();
    let batch = client
        .sync("Contacts", start, vtiger::SyncScope::Application)
        .await
        .unwrap();
    assert_eq!(
        (batch.updated.len(), batch.deleted.len(), batch.more),
        (1, 2, true)
    );
    assert_eq!(batch.last_modified.as_second(), 1_795_242_704);
    let sent = &server.requests_of("sync")[0];
    assert_eq!(
        sent.param("modifiedTime"),
        Some("1"),
        "the server takes 0 for a missing parameter"
    );
    assert_eq!(sent.param("syncType"), Some("application"));

    let contact = vtiger::Element::new().with("lastname", "Otieno");
    let conversion = vtiger::LeadConversion {
        lead: "10x5".parse().unwrap(),
        assigned_to: "19x5".parse().unwrap(),
        transfer_related_to: "Contacts".to_owned(),
        entities: [("Contacts".to_owned(), contact)].into(),
    };
    let created = client.convert_lead(&conversion).await.unwrap();
    assert_eq!(created["Contacts"].as_str(), "12x134");
    let element: serde_json::Value = serde_json::from_str(
        server.requests_of("convertlead")[0]
            .param("element")
            .unwrap(),
    )
    .unwrap();
    assert_eq!(
        element,
        json!({
            "leadId": "10x5", "assignedTo": "19x5", "transferRelatedRecordsTo": "Contacts",
            "entities": {"Contacts": {"create": true, "name": "Contacts", "lastname": "Otieno"}}
        })
    );
}

#[tokio::test]
async fn the_servers_clock_is_read_from_the_challenge() {
    let server = contacts_server(|_| success(json!([]))).await;
    let time = server.open_source_client().server_time().await.unwrap();
    assert_eq!(time.server.as_second(), 1_795_242_704);
    assert!(time.round_trip < Duration::from_secs(20));
    assert_eq!(
        server.requests_of("login").len(),
        0,
        "no login is needed to read the clock"
    );
}

#[tokio::test]
async fn vtiger_7_tells_less_at_login() {
    let server = contacts_server(|_| success(json!([]))).await;
    let me = server.open_source_client().identify().await.unwrap();
    assert_eq!(
        (me.user_id.as_str(), me.user_name.as_str(), me.is_admin),
        ("19x1", "admin", None)
    );
    assert_eq!(me.vtiger_version.as_deref(), Some("8.0.0"));
}
