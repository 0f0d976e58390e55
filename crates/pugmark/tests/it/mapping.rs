//! From a customer to the fields of a contact.

use std::sync::Arc;

use jiff::tz::TimeZone;
use proptest::prelude::*;
use pugmark::crm::contact_fields::ContactFields;
use pugmark::flows::insurance::mapping::{Mapped, Withdrawal, mark_of};
use pugmark::flows::insurance::{mapping, sources};
use pugmark::store::customers::Customer;
use pugmark::store::field_mapping::{FieldKind, FieldMapping};
use pugmark_queue::db::Ts;
use serde_json::{Value as Json, json};
use vtiger::{Edition, Element, Module, Value};

/// Columns and the names the operator's mapping gives their fields, as migrated.
const MAPPED: [(&str, &str); 12] = [
    ("id", "cf_microbima_customer_id"),
    ("firstName", "firstname"),
    ("middleName", "cf_middle_name"),
    ("lastName", "lastname"),
    ("email", "email"),
    ("phoneNumber", "mobile"),
    ("dateOfBirth", "birthday"),
    ("gender", "cf_gender"),
    ("idType", "cf_id_type"),
    ("idNumber", "cf_id_number"),
    ("status", "cf_microbima_status"),
    ("link", "cf_microbima_link"),
];
const LABELLED: [(&str, &str); 7] = [
    ("cf_853", "MicroBima Customer ID"),
    ("cf_855", "Middle Name"),
    ("cf_857", "Gender"),
    ("cf_859", "ID Type"),
    ("cf_861", "ID Number"),
    ("cf_863", "MicroBima Status"),
    ("cf_865", "MicroBima Link"),
];

fn field(name: &str, label: &str, kind: Json) -> Json {
    json!({ "name": name, "label": label, "mandatory": false, "editable": true, "nullable": true, "type": kind })
}

/// The contact's fields of an installation that has all custom fields but those left out; `picklist` gives the status
/// field these values.
fn fields(left_out: &[&str], picklist: Option<&[&str]>) -> ContactFields {
    let mut described: Vec<Json> = ["firstname", "lastname", "email", "mobile"]
        .iter()
        .map(|name| field(name, name, json!({ "name": "string" })))
        .collect();
    described.push(field(
        "birthday",
        "Date of Birth",
        json!({ "name": "date", "format": "yyyy-mm-dd" }),
    ));
    for (name, label) in LABELLED
        .iter()
        .filter(|(_, label)| !left_out.contains(label))
    {
        let kind = match picklist {
            Some(values) if *label == "MicroBima Status" => {
                let values: Vec<Json> = values
                    .iter()
                    .map(|value| json!({ "label": value, "value": value }))
                    .collect();
                json!({ "name": "picklist", "picklistValues": values })
            }
            _ => json!({ "name": "string" }),
        };
        described.push(field(name, label, kind));
    }
    let described = json!({ "name": "Contacts", "label": "Contacts", "idPrefix": "12", "isEntity": true, "fields": described });
    let module =
        Module::from_json(Edition::OpenSource, &described, |_, _| None).expect("a description");
    let mappings: Vec<FieldMapping> = MAPPED
        .iter()
        .map(|(column, name)| FieldMapping {
            microbima_field: (*column).to_owned(),
            vtiger_field_name: (*name).to_owned(),
            checked_field: None,
            kind: match *column {
                "dateOfBirth" => FieldKind::Date,
                _ => FieldKind::Text,
            },
        })
        .collect();
    ContactFields::resolve(Arc::new(module), &mappings)
}

fn customer() -> Customer {
    Customer {
        id: "0b9f8a52-6b7e-4c53-9d5c-1f2a3b4c5d6e".to_owned(),
        first_name: "Wanjikũ".to_owned(),
        middle_name: Some("Nyambura".to_owned()),
        last_name: "Ng'ang'a".to_owned(),
        email: Some("Wanjiku@Example.co.ke".to_owned()),
        phone_number: "+254 (712) 345-999".to_owned(),
        date_of_birth: Some("1990-04-12".to_owned()),
        gender: Some("FEMALE".to_owned()),
        id_type: "NATIONAL_ID".to_owned(),
        id_number: "12345678".to_owned(),
        status: "PENDING_ACTIVATION".to_owned(),
        is_test_user: false,
        created_at: Ts::now(),
        updated_at: Ts::now(),
    }
}

fn mapped(customer: &Customer, fields: &ContactFields, page: Option<&str>) -> Mapped {
    let values = sources::Values::of(customer, page);
    mapping::contact_of(&values, fields, &TimeZone::UTC)
}

fn contact_of(customer: &Customer, fields: &ContactFields, page: Option<&str>) -> Element {
    mapped(customer, fields, page).element
}

fn text_of(contact: &Element, field: &str) -> String {
    contact
        .get(field)
        .unwrap_or_else(|| panic!("{field} is set"))
        .as_text()
}

#[test]
fn every_column_goes_to_the_field_that_carries_it() {
    let contact = contact_of(
        &customer(),
        &fields(&[], None),
        Some("https://agents.example.org/c/1"),
    );
    let expected = [
        ("cf_853", "0b9f8a52-6b7e-4c53-9d5c-1f2a3b4c5d6e"),
        ("firstname", "Wanjikũ"),
        ("cf_855", "Nyambura"),
        ("lastname", "Ng'ang'a"),
        ("email", "Wanjiku@Example.co.ke"),
        ("mobile", "+254 (712) 345-999"),
        ("birthday", "1990-04-12"),
        ("cf_857", "Female"),
        ("cf_859", "National ID"),
        ("cf_861", "12345678"),
        ("cf_863", "Pending activation"),
        ("cf_865", "https://agents.example.org/c/1"),
    ];
    for (name, value) in expected {
        assert_eq!(text_of(&contact, name), value, "{name}");
    }
    assert_eq!(contact.len(), expected.len(), "nothing else is sent");
}

#[test]
fn columns_without_a_value_clear_their_fields() {
    let bare = Customer {
        middle_name: None,
        email: None,
        date_of_birth: None,
        gender: None,
        ..customer()
    };
    let contact = contact_of(&bare, &fields(&[], None), None);
    for name in ["cf_855", "email", "birthday", "cf_857"] {
        assert_eq!(contact.get(name), Some(&Value::Null), "{name}");
    }
    assert_eq!(
        contact.get("cf_865"),
        None,
        "without an address of customers there is no link to write"
    );
}

#[test]
fn without_a_field_of_its_own_the_middle_name_stands_behind_the_first() {
    let contact = contact_of(&customer(), &fields(&["Middle Name"], None), None);
    assert_eq!(text_of(&contact, "firstname"), "Wanjikũ Nyambura");
    let without = Customer {
        middle_name: None,
        ..customer()
    };
    assert_eq!(
        text_of(
            &contact_of(&without, &fields(&["Middle Name"], None), None),
            "firstname"
        ),
        "Wanjikũ"
    );
}

#[test]
fn columns_whose_field_is_missing_are_left_out_and_named() {
    let fields = fields(&["Gender", "MicroBima Customer ID"], None);
    let contact = contact_of(&customer(), &fields, None);
    assert_eq!(contact.get("cf_857"), None);
    assert_eq!(fields.reference(), None);
    let missing: Vec<&str> = fields
        .missing
        .iter()
        .map(|(column, _)| column.as_str())
        .collect();
    assert_eq!(missing, ["id", "gender"]);
}

#[test]
fn a_birth_date_is_a_date_and_what_is_none_is_left_out_and_named() {
    let fields = fields(&[], None);
    let born = |date: &str| {
        mapped(
            &Customer {
                date_of_birth: Some(date.to_owned()),
                ..customer()
            },
            &fields,
            None,
        )
    };
    let good = born("1990-04-12");
    assert!(matches!(good.element.get("birthday"), Some(Value::Date(_))));
    assert_eq!(good.unsent, Vec::<String>::new());
    let bad = born("1990-13-45");
    assert_eq!(bad.element.get("birthday"), None);
    assert_eq!(
        bad.unsent,
        ["Date of Birth (birthday): `1990-13-45` is no date (YYYY-MM-DD); not sent"]
    );
    assert_eq!(
        bad.element.len(),
        good.element.len() - 1,
        "no other field is lost"
    );
}

#[test]
fn labels_are_written_as_people_write_them_and_new_ones_come_through() {
    let fields = fields(&[], None);
    for (label, words) in [
        ("ACTIVE", "Active"),
        ("PENDING_KYC", "Pending KYC"),
        ("KYC_VERIFIED", "KYC verified"),
        ("ACTIVE_GRACE", "Active grace"),
        ("ELDER", "Elder"),
        ("__", "  "),
        ("", ""),
    ] {
        let contact = contact_of(
            &Customer {
                status: label.to_owned(),
                ..customer()
            },
            &fields,
            None,
        );
        assert_eq!(text_of(&contact, "cf_863"), words, "{label:?}");
    }
}

#[test]
fn a_picklist_decides_how_its_values_are_spelled() {
    let fields = fields(&[], Some(&["Pending Activation", "active"]));
    let status = |label: &str| {
        text_of(
            &contact_of(
                &Customer {
                    status: label.to_owned(),
                    ..customer()
                },
                &fields,
                None,
            ),
            "cf_863",
        )
    };
    assert_eq!(status("PENDING_ACTIVATION"), "Pending Activation");
    assert_eq!(status("ACTIVE"), "active");
    assert_eq!(
        status("SUSPENDED"),
        "Suspended",
        "a value that the picklist lacks is written all the same"
    );
}

#[test]
fn a_mark_touches_the_status_and_nothing_else() {
    for (withdrawal, words) in [
        (Withdrawal::Deleted, "Deleted"),
        (Withdrawal::Test, "Test customer"),
    ] {
        let mark = mark_of(withdrawal, &fields(&[], None)).expect("a mark");
        assert_eq!(
            mark.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            ["cf_863"]
        );
        assert_eq!(text_of(&mark, "cf_863"), words);
        assert!(mark_of(withdrawal, &fields(&["MicroBima Status"], None)).is_none());
    }
}

proptest! {
    #[test]
    fn any_text_is_mapped_without_a_panic_and_names_are_never_altered(
        first in ".{0,60}", last in ".{0,60}", label in ".{0,20}", date in ".{0,12}",
    ) {
        let odd = Customer {
            first_name: first.clone(),
            last_name: last.clone(),
            status: label.clone(),
            id_type: label.clone(),
            gender: Some(label),
            date_of_birth: Some(date),
            ..customer()
        };
        let contact = contact_of(&odd, &fields(&[], None), None);
        prop_assert_eq!(text_of(&contact, "firstname"), first);
        prop_assert_eq!(text_of(&contact, "lastname"), last);
    }
}
