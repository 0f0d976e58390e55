//! What a running vTiger 8.3.0 was seen to do differently.

use pugmark_sandbox::{CustomField, CustomFieldKind, Release, VtigerSandbox};
use serde_json::{Value, json};

use crate::raw::Caller;

async fn start(release: Release) -> (VtigerSandbox, Caller) {
    let crm = VtigerSandbox::builder()
        .release(release)
        .custom_field(CustomField::new("Contacts", "Note", CustomFieldKind::Text).named("cf_note"))
        .start()
        .await
        .unwrap();
    let caller = Caller::log_in(&crm).await;
    (crm, caller)
}

fn contact(note: &str) -> Value {
    json!({"lastname": "Were", "assigned_user_id": "19x1", "cf_note": note})
}

async fn create(caller: &Caller, element: &str) -> crate::raw::Answer {
    caller
        .post(
            "create",
            &[("elementType", "Contacts"), ("element", element)],
        )
        .await
}

#[tokio::test]
async fn counts_of_records_are_empty_but_those_of_currencies_are_not() {
    for (release, records) in [
        (Release::V8_0, json!([{"count": "1"}])),
        (Release::V8_3, json!([])),
    ] {
        let (crm, caller) = start(release).await;
        crm.insert_as_ui("Contacts", &[("lastname", "Were")])
            .unwrap();
        let count = async |module: &str| {
            caller
                .get(
                    "query",
                    &[("query", &format!("select count(*) from {module};"))],
                )
                .await
                .result()
        };
        assert_eq!(count("Contacts").await, records, "{release:?}");
        assert_eq!(count("Users").await, records, "{release:?}");
        assert_eq!(
            count("Currency").await,
            json!([{"count": "1"}]),
            "{release:?}"
        );
    }
}

#[tokio::test]
async fn answers_carry_text_as_it_is_and_empty_references_as_null() {
    let (_crm, caller) = start(Release::V8_3).await;
    let note = "\u{e9}/\u{b}\u{7}\"\\";
    let answer = create(&caller, &contact(note).to_string()).await;
    let raw = "\"cf_note\":\"\u{e9}/\u{b}\u{7}\\\"\\\\\"";
    assert!(answer.text().contains(raw), "{}", answer.text());
    assert!(
        answer.text().contains("\"account_id\":null"),
        "{}",
        answer.text()
    );
    assert!(
        answer.text().contains("\"birthday\":\"\""),
        "{}",
        answer.text()
    );
    let rows = caller
        .get(
            "query",
            &[(
                "query",
                "select account_id,birthday,firstname from Contacts;",
            )],
        )
        .await
        .result();
    assert_eq!(rows[0]["account_id"], Value::Null);
    assert_eq!(rows[0]["birthday"], Value::Null);
    assert_eq!(rows[0]["firstname"], "");
}

#[tokio::test]
async fn unicode_escapes_are_read_before_backslashes() {
    let (crm, caller) = start(Release::V8_3).await;
    let refused = create(&caller, &contact("\\u0041").to_string()).await;
    assert_eq!(refused.code(), "INTERNAL_SERVER_ERROR");
    assert!(crm.records("Contacts").is_empty());
    for (sent, kept) in [
        (r"\\\u00750041", r"\u0041"),
        (r"\ud83d\ude00x", "??x"),
        (r"\ufeffx", "x"),
        (r"a\u000bb", "a\u{b}b"),
        ("a\tb", "ab"),
    ] {
        let element = contact("NOTE").to_string().replace("NOTE", sent);
        let id = create(&caller, &element).await;
        assert_eq!(id.status, 200);
        let last = crm.records("Contacts").pop().unwrap();
        assert_eq!(last.value("cf_note"), kept, "{sent}");
    }
}

#[tokio::test]
async fn what_is_no_json_is_an_exception_and_null_is_a_fatal() {
    let (crm, caller) = start(Release::V8_3).await;
    for element in [
        r#"{"lastname":"x""#,
        "nonsense",
        r#"{"lastname":"a\u0022b"}"#,
    ] {
        assert_eq!(
            create(&caller, element).await.code(),
            "INTERNAL_SERVER_ERROR",
            "{element}"
        );
    }
    for element in ["null", ""] {
        assert_eq!(create(&caller, element).await.status, 500, "{element}");
    }
    assert_eq!(
        create(&caller, "{}").await.code(),
        "MANDATORY_FIELDS_MISSING"
    );
    assert!(crm.records("Contacts").is_empty());
}
