//! The client and the look-alike of the extension understand each other, and what the client quotes the look-alike reads.

use std::time::Duration;

use proptest::prelude::*;
use pugmark_sandbox::{
    CustomField, CustomFieldKind, Fault, FaultPlan, VtigerSandbox, VtigerSandboxBuilder,
};
use vtiger::{
    ChangeKind, ChangesFrom, Class, Client, ClientConfig, Condition, Element, Query, Upsert,
    UpsertTarget, Upserted,
};

fn builder() -> VtigerSandboxBuilder {
    let field = CustomField::new("Contacts", "Reference", CustomFieldKind::Text);
    VtigerSandbox::builder()
        .with_extension()
        .hang_limit(Duration::from_secs(1))
        .custom_field(field.named("c_ref"))
}

fn client(crm: &VtigerSandbox) -> Client {
    let config = ClientConfig::open_source(&crm.url(), crm.username(), crm.access_key().into());
    Client::new(config.unwrap()).unwrap()
}

fn contacts() -> UpsertTarget {
    UpsertTarget {
        module: "Contacts".to_owned(),
        reference_field: "c_ref".to_owned(),
        bulk: false,
    }
}

fn person(number: usize, mobile: &str) -> Upsert {
    Upsert {
        reference: format!("m-{number}"),
        fields: Element::new()
            .with("lastname", "Were & Sons")
            .with("mobile", mobile),
        create_only: Element::new().with("assigned_user_id", "19x1"),
        ..Upsert::default()
    }
}

fn people(count: usize, mobile: &str) -> Vec<Upsert> {
    (0..count).map(|number| person(number, mobile)).collect()
}

#[tokio::test]
async fn the_extension_is_found_where_it_is_installed_and_missed_where_not() {
    let crm = builder().start().await.unwrap();
    let client = client(&crm);
    let told = client.extension().await.unwrap().unwrap();
    assert!(told.can_upsert() && told.passwords && told.tells_changes_of("Leads"));
    assert!(told.can("pugmark.setup") && told.can("pugmark.webhook"));
    crm.remove_extension();
    assert_eq!(client.extension().await, Ok(None));
}

#[tokio::test]
async fn a_hundred_records_are_one_call_and_come_out_as_sent() {
    let crm = builder().start().await.unwrap();
    let client = client(&crm);
    let done = client.upsert(&contacts(), &people(100, "1")).await.unwrap();
    assert!(done.iter().all(|one| matches!(one, Upserted::Created(_))));
    assert_eq!(crm.journal().count_calls(Some("pugmark.upsert")), 1);
    assert_eq!(crm.journal().count_created("Contacts"), 100);
    let again = client.upsert(&contacts(), &people(100, "2")).await.unwrap();
    assert!(again.iter().all(|one| matches!(one, Upserted::Updated(_))));
    let record = &crm.records("Contacts")[99];
    let stored = ["lastname", "mobile", "c_ref"].map(|field| record.value(field));
    assert_eq!(stored, ["Were & Sons", "2", "m-99"]);
}

#[tokio::test]
async fn an_upsert_without_a_usable_answer_is_unknown_and_its_repetition_makes_nothing_twice() {
    let faults = [
        Fault::HttpAfterEffect(504),
        Fault::CutBody { after_effect: true },
        Fault::CutBody {
            after_effect: false,
        },
        Fault::HangAfterEffect,
        Fault::HtmlAfterEffect,
        Fault::NullResultAfterEffect,
        Fault::SuccessFalseAfterEffect,
        Fault::LateCommit {
            delay: Duration::from_millis(1),
        },
    ];
    for fault in faults {
        let crm = builder().start().await.unwrap();
        let client = client(&crm);
        crm.faults()
            .set(FaultPlan::new(0).nth("pugmark.upsert", 1, fault.clone()));
        let error = client
            .upsert(&contacts(), &people(3, "1"))
            .await
            .unwrap_err();
        assert_eq!(error.class(), Class::Unknown, "{fault:?}");
        let done = client.upsert(&contacts(), &people(3, "1")).await.unwrap();
        assert!(
            done.iter()
                .all(|one| matches!(one, Upserted::Created(_) | Upserted::Unchanged(_))),
            "{fault:?}"
        );
        assert_eq!(crm.journal().count_created("Contacts"), 3, "{fault:?}");
    }
}

#[tokio::test]
async fn an_upsert_that_died_in_the_middle_is_settled_by_its_repetition() {
    let crm = builder().start().await.unwrap();
    let client = client(&crm);
    crm.break_next_upsert_after(2);
    let error = client
        .upsert(&contacts(), &people(4, "1"))
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::Unknown);
    client.upsert(&contacts(), &people(4, "1")).await.unwrap();
    let by_reference = crm.journal().count_distinct_by("Contacts", "c_ref");
    assert_eq!(by_reference.len(), 4);
    assert!(
        by_reference.values().all(|ids| ids.len() == 1),
        "{by_reference:?}"
    );
}

#[tokio::test]
async fn a_conflict_shows_what_is_there_and_a_deleted_record_is_not_made_again() {
    let crm = builder().start().await.unwrap();
    let client = client(&crm);
    client.upsert(&contacts(), &people(2, "1")).await.unwrap();
    let [first, second] = [0, 1].map(|at| crm.records("Contacts")[at].id.clone());
    crm.edit(&first, &[("mobile", "by hand")]);
    crm.remove(&second);
    let mut wishes = people(2, "2");
    wishes[0].expect = Element::new().with("mobile", "1");
    let done = client.upsert(&contacts(), &wishes).await.unwrap();
    let current = [("mobile".to_owned(), "by hand".to_owned())].into();
    let expected = [
        Upserted::Conflict {
            id: first.parse().unwrap(),
            current,
        },
        Upserted::Deleted(second.parse().unwrap()),
    ];
    assert_eq!(done, expected);
}

#[tokio::test]
async fn changes_are_read_page_by_page_until_a_cursor_expires() {
    let crm = builder().start().await.unwrap();
    let client = client(&crm);
    let start = client
        .changes("Leads", ChangesFrom::Now, 10)
        .await
        .unwrap()
        .unwrap();
    let lead = crm.insert_as_ui("Leads", &[("lastname", "Were")]).unwrap();
    crm.convert_lead(&lead, &[]).unwrap();
    let page = client
        .changes("Leads", ChangesFrom::Cursor(&start.cursor), 1)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (page.changes[0].kind, page.more),
        (ChangeKind::Created, true)
    );
    let rest = client
        .changes("Leads", ChangesFrom::Cursor(&page.cursor), 10)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (rest.changes[0].kind, rest.more),
        (ChangeKind::Converted, false)
    );
    assert_eq!(rest.changes[0].id.as_str(), lead);
    crm.insert_as_ui("Leads", &[("lastname", "Later")]).unwrap();
    crm.keep_changes(1);
    assert_eq!(
        client
            .changes("Leads", ChangesFrom::Cursor(&page.cursor), 10)
            .await,
        Ok(None)
    );
}

#[tokio::test]
async fn set_up_makes_fields_that_the_client_then_finds_described() {
    let crm = builder().start().await.unwrap();
    let client = client(&crm);
    let done = client
        .set_up_extension(&["Contacts", "Leads"], None)
        .await
        .unwrap();
    assert_eq!((done.fields.len(), done.index_created), (10, true));
    for field in &done.fields {
        let module = client.describe(&field.module).await.unwrap();
        assert!(module.field(&field.name).is_some(), "{field:?}");
    }
}

/// Text rich in what could break out of a literal; nothing that vTiger would store otherwise than it is sent.
fn hostile_text() -> impl Strategy<Value = String> {
    let parts = prop_oneof![
        Just("'"),
        Just("\\"),
        Just("''"),
        Just("\\'"),
        Just(";"),
        Just(" or 1=1 -- "),
        Just("x"),
        Just("\""),
        Just("12x0"),
        Just("é"),
        Just("%"),
        Just("_"),
        Just(")"),
        Just("&amp;"),
        Just("<b>"),
        Just("\\\\"),
        Just("\\n"),
    ];
    proptest::collection::vec(parts, 1..6).prop_map(|parts| parts.concat())
}

#[test]
fn whatever_a_contact_is_called_it_is_found_by_its_name_and_nobody_else_is() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (crm, client) = runtime.block_on(async {
        let crm = builder().start().await.unwrap();
        let client = client(&crm);
        (crm, client)
    });
    crm.insert_as_ui("Contacts", &[("lastname", "Somebody else")])
        .unwrap();
    let config = ProptestConfig::with_cases(64);
    proptest!(config, |(name in hostile_text())| {
        let id = crm.insert_as_ui("Contacts", &[("lastname", &name)]).unwrap();
        let query = Query::select("Contacts").fields(["lastname"]).filter(Condition::eq("lastname", name.as_str()));
        let found = runtime.block_on(client.query(&query)).unwrap();
        prop_assert!(found.iter().any(|record| record.id.as_str() == id), "{name:?}");
        prop_assert!(found.iter().all(|record| record.get("lastname") != Some("Somebody else")));
        crm.remove(&id);
    });
}
