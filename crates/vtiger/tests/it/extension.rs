//! Pugmark's own extension: what is sent, and what its answers mean.

use serde_json::{Value as Json, json};
use vtiger::{
    CallError, Change, ChangeKind, ChangesFrom, Class, Element, Invalid, MAX_UPSERT, RefusalReason,
    SetUpField, Upsert, UpsertTarget, Upserted, WebhookReceiver,
};

use crate::server::{Answer, Reply, Server, refusal, success};

async fn server(operation: &'static str, reply: impl Into<Reply>) -> Server {
    let reply = reply.into();
    Server::open_source(move |request| match request.operation() {
        asked if asked == operation => reply.clone(),
        "listtypes" => success(json!({"types": ["Contacts"], "information": {}})),
        other => panic!("{other} was not expected"),
    })
    .await
}

fn contacts() -> UpsertTarget {
    UpsertTarget {
        module: "Contacts".to_owned(),
        reference_field: "cf_microbima_customer_id".to_owned(),
        bulk: false,
    }
}

fn wish(reference: &str) -> Upsert {
    Upsert {
        reference: reference.to_owned(),
        fields: Element::new().with("lastname", "Were"),
        ..Upsert::default()
    }
}

async fn upserted(results: Json, wishes: &[Upsert]) -> Result<Vec<Upserted>, CallError> {
    let server = server("pugmark.upsert", success(json!({ "results": results }))).await;
    server
        .open_source_client()
        .upsert(&contacts(), wishes)
        .await
}

#[tokio::test]
async fn an_extension_tells_what_it_can_do() {
    let told = json!({
        "version": "1.0.0", "vtiger": "8.0.0", "operations": ["pugmark.info", "pugmark.upsert", "pugmark.changes"],
        "modules": ["Contacts"], "passwords": false,
    });
    let server = server("pugmark.info", success(told)).await;
    let found = server
        .open_source_client()
        .extension()
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.version, "1.0.0");
    assert!(found.can_upsert() && !found.can("pugmark.user_create") && !found.passwords);
    assert!(found.tells_changes_of("Contacts") && !found.tells_changes_of("Leads"));
}

#[tokio::test]
async fn a_crm_without_the_extension_has_none_and_cloud_is_not_even_asked() {
    let stock = server("pugmark.info", Answer::new(500, "text/html", "")).await;
    assert_eq!(stock.open_source_client().extension().await, Ok(None));
    assert_eq!(stock.cloud_client().extension().await, Ok(None));
    assert_eq!(stock.requests_of("pugmark.info").len(), 1);
    let denied = "Permission to perform the operation is denied";
    let denied = server("pugmark.info", refusal("ACCESS_DENIED", denied)).await;
    let error = denied.open_source_client().extension().await.unwrap_err();
    assert_eq!(error.reason(), Some(RefusalReason::AccessDenied));
}

#[tokio::test]
async fn an_upsert_is_sent_as_one_form_with_a_json_list() {
    let answer = json!([{"reference": "m-1", "status": "created", "id": "12x34"}]);
    let server = server("pugmark.upsert", success(json!({ "results": answer }))).await;
    let whole = Upsert {
        expect: Element::new().with("mobile", "1"),
        create_only: Element::new().with("assigned_user_id", "19x1"),
        ..wish("m-1")
    };
    let done = server
        .open_source_client()
        .upsert(&contacts(), &[whole])
        .await;
    assert_eq!(done, Ok(vec![Upserted::Created("12x34".parse().unwrap())]));
    let request = &server.requests_of("pugmark.upsert")[0];
    assert_eq!(
        (request.method.as_str(), request.param("elementType")),
        ("POST", Some("Contacts"))
    );
    assert_eq!(request.param("reference"), Some("cf_microbima_customer_id"));
    assert_eq!(request.param("options"), Some(r#"{"bulk":false}"#));
    let elements: Json = serde_json::from_str(request.param("elements").unwrap()).unwrap();
    let expected = json!([{
        "reference": "m-1", "fields": {"lastname": "Were"}, "expect": {"mobile": "1"},
        "createOnly": {"assigned_user_id": "19x1"},
    }]);
    assert_eq!(elements, expected);
}

#[tokio::test]
async fn each_record_of_an_upsert_is_told_of_by_itself() {
    let results = json!([
        {"reference": "a", "status": "updated", "id": "12x1"},
        {"reference": "b", "status": "unchanged", "id": "12x2"},
        {"reference": "c", "status": "conflict", "id": "12x3", "current": {"mobile": "2", "donotcall": 1}},
        {"reference": "d", "status": "refused", "code": "RECORD_DELETED", "message": "gone", "id": "12x4"},
        {"reference": "e", "status": "refused", "code": "MANDATORY_FIELDS_MISSING", "message": "lastname does not have a value"},
        {"reference": "f", "status": "refused", "code": "BUSY", "message": "Another call works on this reference"},
    ]);
    let wishes: Vec<Upsert> = ["a", "b", "c", "d", "e", "f"].map(wish).into();
    let done = upserted(results, &wishes).await.unwrap();
    let id = |number: u32| format!("12x{number}").parse().unwrap();
    assert_eq!(
        done[..2],
        [Upserted::Updated(id(1)), Upserted::Unchanged(id(2))]
    );
    let current = [("mobile", "2"), ("donotcall", "1")];
    let current = current
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    assert_eq!(done[2], Upserted::Conflict { id: id(3), current });
    assert_eq!(done[3], Upserted::Deleted(id(4)));
    let Upserted::Refused(refused) = &done[4] else {
        panic!("{:?}", done[4])
    };
    assert_eq!(
        (refused.reason, refused.field.as_deref()),
        (RefusalReason::MandatoryMissing, Some("lastname"))
    );
    assert!(matches!(&done[5], Upserted::Unsettled(refusal) if refusal.code == "BUSY"));
}

#[tokio::test]
async fn an_answer_that_does_not_tell_of_each_record_leaves_all_of_them_unknown() {
    for results in [
        json!([]),
        json!([{"reference": "a", "status": "updated", "id": "12x1"}]),
        json!([{"reference": "b", "status": "updated", "id": "12x1"}, {"reference": "a", "status": "updated", "id": "12x2"}]),
        json!([{"reference": "a", "status": "updated", "id": "nonsense"}, {"reference": "b", "status": "updated", "id": "12x2"}]),
        json!([{"reference": "a", "status": "exploded", "id": "12x1"}, {"reference": "b", "status": "updated", "id": "12x2"}]),
        json!(null),
    ] {
        let error = upserted(results.clone(), &[wish("a"), wish("b")])
            .await
            .unwrap_err();
        assert_eq!(error.class(), Class::Unknown, "{results}");
    }
    for reply in [
        Answer::new(500, "text/html", "").into(),
        Answer::new(
            200,
            "text/html",
            "Sorry! Attempt to access restricted file.",
        )
        .into(),
        Answer::new(504, "text/html", "<html>").into(),
        refusal(
            "INTERNAL_SERVER_ERROR",
            "The operation failed inside the CRM",
        ),
        Reply::Close,
    ] {
        let server = server("pugmark.upsert", reply.clone()).await;
        let error = server
            .open_source_client()
            .upsert(&contacts(), &[wish("a")])
            .await
            .unwrap_err();
        assert_eq!(error.class(), Class::Unknown, "{reply:?}");
        assert_eq!(
            server.requests_of("pugmark.upsert").len(),
            1,
            "a write is not repeated by itself"
        );
    }
}

#[tokio::test]
async fn nothing_is_sent_for_no_record_and_for_too_many() {
    let server = server("pugmark.upsert", success(json!({}))).await;
    let client = server.open_source_client();
    assert_eq!(client.upsert(&contacts(), &[]).await, Ok(Vec::new()));
    let many = vec![wish("a"); MAX_UPSERT + 1];
    let error = client.upsert(&contacts(), &many).await.unwrap_err();
    assert!(matches!(
        error,
        CallError::Invalid(Invalid::Operation { .. })
    ));
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn changes_are_asked_for_from_a_cursor_and_an_expired_one_is_none() {
    let answer = json!({
        "changes": [
            {"id": "10x5", "kind": "converted", "at": "2026-01-01 00:00:00"},
            {"id": "10x6", "kind": "merged", "at": "2026-01-01 00:00:01"},
        ],
        "cursor": "123", "more": true,
    });
    let server = server("pugmark.changes", success(answer)).await;
    let client = server.open_source_client();
    let page = client
        .changes("Leads", ChangesFrom::Cursor("7"), 9999)
        .await
        .unwrap()
        .unwrap();
    let first = Change {
        id: "10x5".parse().unwrap(),
        kind: ChangeKind::Converted,
        at: "2026-01-01 00:00:00".to_owned(),
    };
    assert_eq!(
        (&page.changes[0], page.changes[1].kind),
        (&first, ChangeKind::Other)
    );
    assert_eq!((page.cursor.as_str(), page.more), ("123", true));
    for from in [ChangesFrom::Now, ChangesFrom::Beginning] {
        client.changes("Leads", from, 0).await.unwrap();
    }
    let asked: Vec<_> = server
        .requests_of("pugmark.changes")
        .iter()
        .map(|request| {
            (
                request.method.clone(),
                ["cursor", "limit"].map(|name| request.param(name).unwrap().to_owned()),
            )
        })
        .collect();
    let expected = [["7", "500"], ["", "1"], ["0", "1"]];
    assert_eq!(
        asked,
        expected.map(|pair| ("GET".to_owned(), pair.map(str::to_owned)))
    );
}

#[tokio::test]
async fn an_expired_cursor_is_told_from_a_refusal_and_from_nonsense() {
    let changes = async |reply: Reply| {
        let server = server("pugmark.changes", reply).await;
        server
            .open_source_client()
            .changes("Leads", ChangesFrom::Beginning, 100)
            .await
    };
    assert_eq!(changes(refusal("CURSOR_EXPIRED", "gone")).await, Ok(None));
    let other = changes(refusal("MODULE_NOT_WATCHED", "no"))
        .await
        .unwrap_err();
    assert_eq!(
        (other.class(), other.code()),
        (Class::Refused, "MODULE_NOT_WATCHED")
    );
    let nonsense = changes(success(
        json!({"changes": [{"id": "x"}], "cursor": "1", "more": false}),
    ))
    .await;
    assert_eq!(nonsense.unwrap_err().class(), Class::Unavailable);
}

#[tokio::test]
async fn set_up_tells_what_it_made() {
    let answer = json!({
        "fields": [{"module": "Contacts", "name": "cf_id_number", "label": "ID Number", "created": true}],
        "index": {"created": false},
    });
    let server = server("pugmark.setup", success(answer)).await;
    let done = server
        .open_source_client()
        .set_up_extension(&["Contacts"], Some("cf_853"))
        .await
        .unwrap();
    let field = SetUpField {
        module: "Contacts".to_owned(),
        name: "cf_id_number".to_owned(),
        label: "ID Number".to_owned(),
        created: true,
    };
    assert_eq!((done.fields, done.index_created), (vec![field], false));
    let options = server.requests_of("pugmark.setup")[0]
        .param("options")
        .unwrap()
        .to_owned();
    let options: Json = serde_json::from_str(&options).unwrap();
    assert_eq!(
        options,
        json!({"modules": ["Contacts"], "referenceField": "cf_853"})
    );
}

#[tokio::test]
async fn the_secret_of_the_webhooks_is_sent_and_shown_to_nobody() {
    let secret = "whsec_dGhpcyBpcyBhIHNlY3JldCBvZiAzMiBieXRlcy4uLg==";
    let repeated = format!("The secret {secret} must be whsec_ and base64");
    let server = server("pugmark.webhook", refusal("INVALID_INPUT", &repeated)).await;
    let receiver = WebhookReceiver {
        url: Some("https://pugmark.example/webhooks/vtiger".to_owned()),
        secret: Some(secret.into()),
        modules: None,
        enabled: Some(true),
    };
    let error = server
        .open_source_client()
        .set_webhook(&receiver)
        .await
        .unwrap_err();
    assert_eq!(
        (error.class(), error.code()),
        (Class::Refused, "INVALID_INPUT")
    );
    let shown = format!("{error} {error:?} {receiver:?}");
    assert!(!shown.contains("dGhpcyBpcyBh"), "{shown}");
    let options = server.requests_of("pugmark.webhook")[0]
        .param("options")
        .unwrap()
        .to_owned();
    let options: Json = serde_json::from_str(&options).unwrap();
    assert_eq!(
        (&options["secret"], &options["enabled"]),
        (&json!(secret), &json!(true))
    );
    assert!(
        options.get("modules").is_none(),
        "what is not given stays as it is"
    );
}
