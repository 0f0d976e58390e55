//! Values and custom fields.

use pugmark_sandbox::{
    CustomField, CustomFieldKind, UserSpec, VtigerSandbox, VtigerSandboxBuilder,
};
use serde_json::json;

use crate::raw::Caller;
use crate::store::sandbox;

#[tokio::test]
async fn values_are_kept_as_the_database_keeps_them() {
    let kinds = [
        (
            "d",
            CustomFieldKind::Decimal {
                digits: 11,
                scale: 2,
            },
        ),
        (
            "c",
            CustomFieldKind::Currency {
                digits: 10,
                scale: 2,
            },
        ),
        ("i", CustomFieldKind::Integer),
        ("b", CustomFieldKind::Checkbox),
        ("day", CustomFieldKind::Date),
        ("t", CustomFieldKind::Time),
        (
            "m",
            CustomFieldKind::MultiPicklist(vec!["Health".into(), "Life".into()]),
        ),
        ("s", CustomFieldKind::Text),
    ];
    let fields = kinds
        .into_iter()
        .map(|(name, kind)| CustomField::new("Contacts", name, kind).named(name));
    let crm = fields
        .fold(VtigerSandbox::builder(), VtigerSandboxBuilder::custom_field)
        .start()
        .await
        .unwrap();
    let caller = Caller::log_in(&crm).await;
    let id = crm.insert_as_ui("Contacts", &[("lastname", "V")]).unwrap();
    for (field, sent, kept) in [
        ("d", json!("12.345"), "12.35"),
        ("d", json!("-12.345"), "-12.35"),
        ("d", json!("1.005"), "1.01"),
        ("d", json!("-99999999999999"), "-99999999999.99"),
        ("d", json!(" 7 "), "7.00"),
        ("d", json!(""), "0.00"),
        ("c", json!("1e3x"), "1000.00"),
        ("i", json!("3.7"), "4"),
        ("i", json!("-2.5"), "-3"),
        ("i", json!(-99_999_999_999_i64), "-2147483648"),
        ("b", json!("on"), "1"),
        ("b", json!("true"), "0"),
        ("day", json!("2023-02-29"), "0000-00-00"),
        ("day", json!("2024-13-01"), "0000-00-00"),
        ("day", json!("31-12-2023"), "2023-12-31"),
        ("t", json!("7:05"), "07:05:00"),
        ("t", json!("noon"), "00:00:00"),
        ("m", json!(["Health", "Life"]), "Health |##| Life"),
        ("s", json!({"a": "only"}), "only"),
        (
            "s",
            json!("prescription ... see \"/scripts\""),
            "prescription ... see &quot;/scripts&quot;",
        ),
        (
            "s",
            json!("script\nline two /script <b>"),
            "script\nline two /script <b>",
        ),
        ("description", json!("😀".repeat(2)), "????????"),
        ("firstname", json!("é".repeat(50)), &*"é".repeat(40)),
    ] {
        caller
            .revise(&json!({"id": id, field: sent}))
            .await
            .result();
        assert_eq!(
            crm.record(&id).unwrap().value(field),
            kept,
            "{field} {sent}"
        );
    }
    for (field, sent) in [("d", json!("abc")), ("d", json!("1,5"))] {
        assert_eq!(
            caller.revise(&json!({"id": id, field: sent})).await.status,
            500,
            "{field}"
        );
    }
    assert_eq!(
        crm.record(&id).unwrap().value("d"),
        "0.00",
        "a refused value changes nothing"
    );
}

#[tokio::test]
async fn a_written_name_is_answered_uncut_and_retrieved_cut() {
    let (_crm, caller) = sandbox().await;
    let long = "n".repeat(90);
    let created = caller
        .create(
            "Contacts",
            &json!({"lastname": long, "assigned_user_id": "19x1"}),
        )
        .await
        .result();
    assert_eq!(created["lastname"], json!(long));
    let kept = caller
        .retrieve(created["id"].as_str().unwrap())
        .await
        .result();
    assert_eq!(kept["lastname"].as_str().unwrap().len(), 80);
}

#[tokio::test]
async fn custom_fields_are_numbered_as_vtiger_numbers_them_and_found_by_label() {
    let crm = VtigerSandbox::builder()
        .custom_field(
            CustomField::new("Contacts", "MicroBima Customer ID", CustomFieldKind::Text)
                .length(5)
                .unique(),
        )
        .custom_field(CustomField::new(
            "Leads",
            "MicroBima Customer ID",
            CustomFieldKind::Text,
        ))
        .custom_field(CustomField::new("Contacts", "Link", CustomFieldKind::Url).named("mb_link"))
        .start()
        .await
        .unwrap();
    let caller = Caller::log_in(&crm).await;
    let names = async |module: &str| -> Vec<String> {
        let described = caller
            .get("describe", &[("elementType", module)])
            .await
            .result();
        let fields = described["fields"].as_array().unwrap().clone();
        let custom = |name: &str| name.starts_with("cf_") || name == "mb_link";
        fields
            .iter()
            .filter_map(|field| field["name"].as_str())
            .filter(|name| custom(name))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(names("Contacts").await, ["cf_853", "mb_link"]);
    assert_eq!(names("Leads").await, ["cf_855"]);
    let element = json!({"lastname": "X", "assigned_user_id": "19x1", "cf_853": "1234567"});
    assert_eq!(
        caller.create("Contacts", &element).await.result()["cf_853"],
        "12345"
    );
    let same = caller
        .create(
            "Contacts",
            &json!({"lastname": "Y", "assigned_user_id": "19x1", "cf_853": "12345"}),
        )
        .await;
    assert_eq!(
        same.json()["error"],
        json!({"message": "Duplicate(s) detected!", "code": 0})
    );
    let wrong = VtigerSandbox::builder()
        .custom_field(CustomField::new("Nowhere", "X", CustomFieldKind::Text))
        .start();
    assert!(wrong.await.unwrap_err().to_string().contains("Nowhere"));
}

#[tokio::test]
async fn a_date_with_the_year_last_is_read_in_the_callers_own_order() {
    let american = UserSpec {
        date_format: "mm-dd-yyyy".to_owned(),
        ..UserSpec::admin("us", "k")
    };
    for (user, kept) in [
        (UserSpec::admin("iso", "k"), "2024-04-03"),
        (american, "2024-03-04"),
    ] {
        let crm = VtigerSandbox::builder().user(user).start().await.unwrap();
        let caller = Caller::log_in(&crm).await;
        let element =
            json!({"lastname": "D", "assigned_user_id": "19x1", "birthday": "03-04-2024"});
        assert_eq!(
            caller.create("Contacts", &element).await.result()["birthday"],
            kept
        );
    }
}

#[tokio::test]
async fn a_unique_value_is_free_again_when_its_record_takes_another() {
    let crm = VtigerSandbox::builder()
        .unique_field("Contacts", "email")
        .start()
        .await
        .unwrap();
    let caller = Caller::log_in(&crm).await;
    let element = json!({"lastname": "U", "assigned_user_id": "19x1", "email": "a@example.com"});
    let first = caller.create("Contacts", &element).await.result();
    assert_eq!(caller.create("Contacts", &element).await.code(), "0");
    caller
        .revise(&json!({"id": first["id"], "email": "b@example.com"}))
        .await
        .result();
    caller.create("Contacts", &element).await.result();
}

#[tokio::test]
async fn accents_are_ignored_in_comparisons_but_strokes_are_not() {
    let (crm, caller) = sandbox().await;
    for name in ["Ångström", "Łukasz", "Žižek", "straße"] {
        crm.insert_as_ui("Contacts", &[("lastname", name)]).unwrap();
    }
    for (asked, found) in [
        ("angstrom", 1),
        ("åNGSTRÖM", 1),
        ("lukasz", 0),
        ("ŁUKASZ", 1),
        ("zizek", 1),
        ("strase", 1),
    ] {
        let query = format!("select id from Contacts where lastname='{asked}';");
        assert_eq!(
            caller
                .query(&query)
                .await
                .result()
                .as_array()
                .unwrap()
                .len(),
            found,
            "{asked}"
        );
    }
}

#[tokio::test]
async fn a_mandatory_custom_field_is_demanded_on_create_and_may_be_left_out_of_a_revise() {
    let field = CustomField::new("Contacts", "Region", CustomFieldKind::Text).mandatory();
    let crm = VtigerSandbox::builder()
        .custom_field(field)
        .start()
        .await
        .unwrap();
    let caller = Caller::log_in(&crm).await;
    let mut element = json!({"lastname": "M", "assigned_user_id": "19x1"});
    let refused = caller.create("Contacts", &element).await.json();
    assert_eq!(refused["error"]["message"], "cf_853 does not have a value");
    element["cf_853"] = json!("Coast");
    let id = caller.create("Contacts", &element).await.result()["id"].clone();
    caller
        .revise(&json!({"id": id, "title": "T"}))
        .await
        .result();
    assert_eq!(
        caller.revise(&json!({"id": id, "cf_853": ""})).await.code(),
        "MANDATORY_FIELDS_MISSING"
    );
}
