//! Adapted values against what a real vTiger kept of them.

mod tasks_and_users;

use jiff::civil;
use serde_json::{Map, Value as Json};
use vtiger::{Adapted, Edition, Element, FieldLimits, Module, Purpose, Value, WarningKind};

use crate::contract::{RecordedExchange, recording_named, recordings};

/// The custom text field of the recordings was made 100 characters wide.
const CF_853: FieldLimits = FieldLimits::length(100);

fn module(edition: Edition, name: &str) -> Module {
    let recorded = recordings()
        .iter()
        .find(|recording| recording.name.ends_with(&format!("-meta-describe-{name}")))
        .and_then(RecordedExchange::result)
        .unwrap();
    Module::from_json(edition, recorded, |_, field| {
        (field == "cf_853").then_some(&CF_853)
    })
    .unwrap()
}

fn contacts() -> Module {
    module(Edition::OpenSource, "Contacts")
}

fn element(recorded: &Map<String, Json>) -> Option<Element> {
    let value = |value: &Json| match value {
        Json::String(text) => Some(Value::Text(text.clone())),
        Json::Number(number) => Some(Value::Number(number.to_string())),
        Json::Bool(flag) => Some(Value::Bool(*flag)),
        Json::Null => Some(Value::Null),
        Json::Array(list) => Some(Value::List(
            list.iter()
                .map(|entry| entry.as_str().map(str::to_owned))
                .collect::<Option<_>>()?,
        )),
        Json::Object(_) => None,
    };
    recorded
        .iter()
        .filter(|(name, _)| *name != "id")
        .map(|(name, given)| Some((name, value(given)?)))
        .collect()
}

fn one(field: &str, value: impl Into<Value>, purpose: Purpose) -> Adapted {
    contacts().adapt(&Element::new().with(field, value), purpose)
}

fn kinds(adapted: &Adapted) -> Vec<WarningKind> {
    adapted
        .warnings
        .iter()
        .map(|warning| warning.what.clone())
        .collect()
}

/// The recorded retrieve of the record that a recorded create made or a revise changed, directly behind it.
fn retrieved_after(written: &RecordedExchange) -> Option<&'static Map<String, Json>> {
    let id = written.result()?.get("id")?.as_str()?;
    let position = recordings()
        .iter()
        .position(|recording| recording.name == written.name)?;
    recordings()[position + 1..]
        .iter()
        .take(2)
        .find(|next| next.operation() == "retrieve" && next.param("id") == Some(id))?
        .result()?
        .as_object()
}

#[test]
fn what_is_predicted_is_what_retrieve_showed_for_every_recorded_create() {
    let contacts = contacts();
    let mut compared = 0;
    // The other groups changed their records in between.
    let created = recordings().iter().filter(|recording| {
        matches!(recording.group(), "chars" | "contacts")
            && recording.operation() == "create"
            && recording.param("elementType") == Some("Contacts")
    });
    for created in created {
        let Some(sent) = created.element().as_ref().and_then(element) else {
            continue;
        };
        let Some(shown) = retrieved_after(created) else {
            continue;
        };
        let adapted = contacts.adapt(&sent, Purpose::Create);
        // Replaced on purpose, so that the server never gets to store `????`.
        if kinds(&adapted)
            .iter()
            .any(|kind| matches!(kind, WarningKind::Replaced4Byte { .. }))
        {
            continue;
        }
        for (field, predicted) in &adapted.stored {
            let shown = shown[field].as_str().unwrap();
            let same = contacts.field(field).unwrap().same_value(predicted, shown);
            assert!(
                same,
                "{}: {field} predicted {predicted:?}, shown {shown:?}",
                created.name
            );
            compared += 1;
        }
    }
    assert_eq!(
        compared, 239,
        "fewer recorded values are compared than there are"
    );
}

#[test]
fn revise_is_sent_with_escaped_ampersands_exactly_as_the_recordings_that_proved_it() {
    let plain = [
        "Fish & Chips",
        "Fish &amp; Chips",
        "caf&#233; &#39;x&#39;",
        "a&nbsp;b",
        "<script>alert(1)</script>after",
    ];
    let mut compared = 0;
    for revised in recordings()
        .iter()
        .filter(|recording| recording.name.contains("-chars-revise-amp-encoded-"))
    {
        let Some(recorded) = revised.element() else {
            continue;
        };
        let lastname = recorded["lastname"].as_str().unwrap();
        let Some(original) = plain
            .iter()
            .find(|text| text.replace('&', "&amp;") == lastname)
        else {
            continue;
        };
        let wanted = Element::from_iter(
            ["lastname", "cf_853", "cf_871", "description"].map(|name| (name, *original)),
        )
        .with("assigned_user_id", "19x1");
        let adapted = contacts().adapt(&wanted, Purpose::Revise);
        let mut sent = adapted.element.to_json();
        sent.insert("id".to_owned(), recorded["id"].clone());
        assert_eq!(sent.len(), recorded.len());
        assert!(
            sent.iter().all(|(name, value)| recorded[name] == *value),
            "{}: {sent:?}",
            revised.name
        );
        if let Some(shown) = retrieved_after(revised) {
            for (field, predicted) in &adapted.stored {
                assert_eq!(
                    shown[field].as_str(),
                    Some(predicted.as_str()),
                    "{}: {field}",
                    revised.name
                );
            }
        }
        compared += 1;
    }
    assert_eq!(compared, 5);
}

#[test]
fn ampersands_are_escaped_for_revise_on_open_source_alone() {
    let text = "Fish & Chips &amp; more";
    let wanted = Element::new().with("lastname", text);
    for (edition, purpose, sent) in [
        (
            Edition::OpenSource,
            Purpose::Revise,
            "Fish &amp; Chips &amp;amp; more",
        ),
        (Edition::OpenSource, Purpose::Create, text),
        (Edition::OpenSource, Purpose::Update, text),
        (Edition::Cloud, Purpose::Revise, text),
    ] {
        let adapted = module(edition, "Contacts").adapt(&wanted, purpose);
        assert_eq!(
            adapted.element.get("lastname"),
            Some(&Value::Text(sent.to_owned())),
            "{edition:?} {purpose:?}"
        );
        assert_eq!(adapted.stored["lastname"], text, "{edition:?} {purpose:?}");
        assert_eq!(adapted.warnings, []);
    }
}

/// What the client makes better than the server would: recording, field, value kept instead.
const BETTER: [(&str, &str); 6] = [
    ("088-", "2024-03-01"),
    ("101-", "1"),
    ("102-", "1"),
    ("113-", "Health |##| Life"),
    ("120-", "14:30:00"),
    ("105-", "0"),
];

#[test]
fn every_recorded_conversion_of_a_single_value_is_predicted_or_prevented() {
    let contacts = contacts();
    let values = recordings()
        .iter()
        .filter(|recording| recording.name.contains("-contacts-value-"));
    let (mut predicted, mut prevented) = (0, 0);
    for recorded in values {
        let element = element(&recorded.element().unwrap()).unwrap();
        let (field, _) = element.iter().next().unwrap();
        let adapted = contacts.adapt(&element, Purpose::Revise);
        let shown = recorded
            .result()
            .map(|result| result[field].as_str().unwrap());
        let better = BETTER
            .iter()
            .find(|(start, _)| recorded.name.starts_with(start))
            .map(|(_, value)| *value);
        match (adapted.stored.get(field), better.or(shown)) {
            (Some(stored), Some(shown)) => {
                assert_eq!(stored, shown, "{}", recorded.name);
                predicted += 1;
            }
            (Some(stored), None) => {
                panic!("{}: {stored:?} was refused by the server", recorded.name)
            }
            (None, _) => {
                assert!(
                    adapted
                        .warnings
                        .iter()
                        .any(|warning| warning.leaves_field_out()),
                    "{}",
                    recorded.name
                );
                assert!(adapted.element.is_empty(), "{}", recorded.name);
                prevented += 1;
            }
        }
    }
    assert_eq!((predicted, prevented), (28, 12));
}

#[test]
fn dates_are_sent_as_year_month_day_or_not_at_all() {
    for (given, stored) in [
        ("1990-4-5", "1990-04-05"),
        ("29-02-2024", "2024-02-29"),
        ("2024-03-01 10:00:00", "2024-03-01"),
        ("2024-03-01T23:59:59Z", "2024-03-01"),
        (" 2024-03-01 ", "2024-03-01"),
    ] {
        let adapted = one("birthday", given, Purpose::Create);
        assert_eq!(
            (adapted.stored["birthday"].as_str(), adapted.warnings.len()),
            (stored, 0),
            "{given}"
        );
    }
    for given in [
        "02/29/2024",
        "2024-02-30",
        "2023-02-29",
        "not a date",
        "0000-00-00",
        "20240301",
        "2024-03",
        "24-03-01",
    ] {
        let adapted = one("birthday", given, Purpose::Create);
        assert_eq!(
            kinds(&adapted),
            [WarningKind::BadDate {
                value: given.to_owned()
            }]
        );
        assert!(adapted.element.is_empty(), "{given}");
    }
    let typed = one("birthday", civil::date(1990, 4, 5), Purpose::Create);
    assert_eq!(typed.stored["birthday"], "1990-04-05");
}

#[test]
fn numbers_are_exact_decimals_or_not_sent() {
    for (given, sent, stored) in [
        ("1234.56", "1234.56", "1234.56"),
        ("+0012.50", "12.5", "12.50"),
        (".5", "0.5", "0.50"),
        ("-0", "0", "0.00"),
        ("99999999999", "99999999999", "99999999999.00"),
    ] {
        let adapted = one("cf_855", given, Purpose::Create);
        assert_eq!(
            adapted.element.get("cf_855").unwrap().as_text(),
            sent,
            "{given}"
        );
        assert_eq!(adapted.stored["cf_855"], stored, "{given}");
        assert_eq!(adapted.warnings, [], "{given}");
    }
    for given in [
        "1,234.56",
        "1234,56",
        "abc",
        "1e5",
        "12 000",
        "999999999999",
        "--5",
        ".",
        "NaN",
    ] {
        assert_eq!(
            kinds(&one("cf_855", given, Purpose::Create)),
            [WarningKind::BadNumber {
                value: given.to_owned()
            }]
        );
    }
    let rounded = one("cf_855", "99.995", Purpose::Create);
    assert_eq!(rounded.stored["cf_855"], "100.00");
    let change = WarningKind::Rounded {
        from: "99.995".to_owned(),
        to: "100.00".to_owned(),
    };
    assert_eq!(kinds(&rounded), [change]);
    assert_eq!(
        kinds(&one("cf_857", "99999999999", Purpose::Create)).len(),
        1
    );
    assert_eq!(
        one("cf_857", "-2147483648", Purpose::Create).stored["cf_857"],
        "-2147483648"
    );
}

#[test]
fn a_number_with_another_scale_is_the_same_number() {
    let contacts = contacts();
    let amount = contacts.field("cf_855").unwrap();
    for (one, other) in [
        ("12.35", "12.35000000"),
        ("", "0.00"),
        ("12.345", "12.35"),
        ("-0", "0"),
        ("007", "7.0"),
    ] {
        assert!(
            amount.same_value(one, other) && amount.same_value(other, one),
            "{one} {other}"
        );
    }
    for (one, other) in [("12.35", "12.36"), ("1", "-1"), ("abc", "0")] {
        assert!(!amount.same_value(one, other), "{one} {other}");
    }
    assert!(!contacts.field("lastname").unwrap().same_value("7", "7.0"));
}

#[test]
fn yes_and_no_are_understood_in_every_usual_form() {
    for (given, stored) in [
        ("true", "1"),
        ("yes", "1"),
        ("ON", "1"),
        ("1", "1"),
        ("false", "0"),
        ("off", "0"),
        ("", "0"),
    ] {
        assert_eq!(
            one("cf_861", given, Purpose::Create).stored["cf_861"],
            stored,
            "{given}"
        );
    }
    assert_eq!(one("cf_861", true, Purpose::Create).stored["cf_861"], "1");
    assert_eq!(
        one("cf_861", Value::Null, Purpose::Create).stored["cf_861"],
        "0"
    );
    let doubtful = one("cf_861", "perhaps", Purpose::Create);
    assert_eq!(
        kinds(&doubtful),
        [WarningKind::BadBoolean {
            value: "perhaps".to_owned()
        }]
    );
    let users = module(Edition::OpenSource, "Users");
    let admin = users.adapt(&Element::new().with("is_admin", true), Purpose::Revise);
    assert_eq!(
        admin.element.get("is_admin"),
        Some(&Value::Text("on".to_owned()))
    );
}

#[test]
fn long_text_is_cut_by_characters_with_a_warning_that_names_the_field() {
    let adapted = one("firstname", "é".repeat(41), Purpose::Create);
    assert_eq!(adapted.stored["firstname"], "é".repeat(40));
    let warning = &adapted.warnings[0];
    assert_eq!(
        (warning.field.as_str(), warning.label.as_str()),
        ("firstname", "First Name")
    );
    assert_eq!(warning.what, WarningKind::Cut { from: 41, to: 40 });
    assert!(!warning.leaves_field_out());
    assert_eq!(
        warning.to_string(),
        "First Name (firstname): cut from 41 to 40 characters"
    );
    assert_eq!(
        one("firstname", "é".repeat(40), Purpose::Create).warnings,
        []
    );
    assert_eq!(
        one("description", "x".repeat(100_000), Purpose::Create).warnings,
        []
    );
}

#[test]
fn characters_the_database_cannot_store_are_replaced_one_for_one() {
    let adapted = one("lastname", "Hi 😀👍 there", Purpose::Create);
    assert_eq!(adapted.stored["lastname"], "Hi \u{FFFD}\u{FFFD} there");
    assert_eq!(
        kinds(&adapted),
        [WarningKind::Replaced4Byte { characters: 2 }]
    );
    let cloud = module(Edition::Cloud, "Contacts")
        .adapt(&Element::new().with("lastname", "Hi 😀"), Purpose::Create);
    assert_eq!(cloud.stored["lastname"], "Hi 😀");
}

#[test]
fn the_script_rule_needs_both_words_on_one_line() {
    let escaped = one(
        "description",
        "a \"b\" prescription <c>, see /scripts & more",
        Purpose::Create,
    );
    assert_eq!(
        escaped.stored["description"],
        "a &quot;b&quot; prescription &lt;c&gt;, see /scripts & more"
    );
    assert_eq!(kinds(&escaped), [WarningKind::ScriptEscaped]);
    for untouched in [
        "<script>\n</script>",
        "</script> <b>",
        "a /Script/ <b>",
        "<script> <b> another script",
        "<SCRIPT <b>",
    ] {
        let adapted = one("description", untouched, Purpose::Create);
        assert_eq!(
            (
                adapted.stored["description"].as_str(),
                adapted.warnings.len()
            ),
            (untouched, 0)
        );
    }
}

#[test]
fn owners_and_references_must_be_ids_because_the_server_would_guess() {
    for given in ["amina", "7", "19x", "19x5 or 1=1"] {
        let adapted = one("assigned_user_id", given, Purpose::Create);
        assert_eq!(
            kinds(&adapted),
            [WarningKind::BadReference {
                value: given.to_owned()
            }]
        );
        assert!(adapted.element.is_empty());
    }
    // `update` keeps a reference that is sent as "" and clears it on null; the others clear it either way.
    let cleared = one("account_id", "", Purpose::Update);
    assert_eq!(cleared.element.get("account_id"), Some(&Value::Null));
    assert_eq!(cleared.stored["account_id"], "");
}

#[test]
fn picklist_values_outside_the_list_are_kept_and_named() {
    let adapted = one("cf_863", "gold", Purpose::Create);
    assert_eq!(adapted.stored["cf_863"], "gold");
    assert_eq!(
        kinds(&adapted),
        [WarningKind::NotInPicklist {
            value: "gold".to_owned()
        }]
    );
    let list = one(
        "cf_865",
        vec!["Health".to_owned(), "Nope".to_owned()],
        Purpose::Create,
    );
    assert_eq!(list.stored["cf_865"], "Health |##| Nope");
    assert_eq!(
        kinds(&list),
        [WarningKind::NotInPicklist {
            value: "Nope".to_owned()
        }]
    );
    assert_eq!(
        kinds(&one("lastname", vec!["a".to_owned()], Purpose::Create)),
        [WarningKind::NotAList]
    );
}

#[test]
fn unknown_and_read_only_fields_are_left_out_but_a_source_may_be_given_on_create() {
    assert_eq!(
        kinds(&one("nosuch", "x", Purpose::Create)),
        [WarningKind::UnknownField]
    );
    for field in ["createdtime", "modifiedby", "contact_no", "id", "imagename"] {
        assert_eq!(
            kinds(&one(field, "12x5", Purpose::Create)),
            [WarningKind::ReadOnly],
            "{field}"
        );
    }
    let created = one("source", "MICROBIMA", Purpose::Create);
    let kept = recording_named("270-origin-create-custom-source")
        .result()
        .unwrap()["source"]
        .as_str()
        .unwrap();
    assert_eq!(created.stored["source"], kept);
    assert_eq!(
        kinds(&one("source", "MICROBIMA", Purpose::Revise)),
        [WarningKind::ReadOnly]
    );
}

#[test]
fn times_are_sent_in_24_hours_and_durations_as_they_are() {
    for (given, stored) in [
        ("2:30 PM", "14:30:00"),
        ("12:05am", "00:05:00"),
        ("9:05", "09:05:00"),
        ("14:30:15.7", "14:30:15"),
    ] {
        assert_eq!(
            one("cf_875", given, Purpose::Create).stored["cf_875"],
            stored,
            "{given}"
        );
    }
    for given in ["25:99", "13:00 PM", "noon", "10", "-1:30"] {
        let adapted = one("cf_875", given, Purpose::Create);
        assert_eq!(
            adapted.stored.contains_key("cf_875"),
            given == "10",
            "{given}"
        );
    }
    let calendar = module(Edition::OpenSource, "Calendar");
    let task = calendar.adapt(
        &Element::new().with("duration_hours", "39"),
        Purpose::Create,
    );
    assert_eq!(task.stored["duration_hours"], "39");
}

#[test]
fn a_cleared_number_is_predicted_as_the_zero_vtiger_shows() {
    let element = Element::new()
        .with("cf_855", "")
        .with("cf_857", Value::Null)
        .with("cf_859", "")
        .with("title", "");
    let adapted = contacts().adapt(&element, Purpose::Revise);
    assert_eq!(adapted.element.get("cf_855"), Some(&Value::Null));
    let stored: Vec<_> = ["cf_855", "cf_857", "cf_859", "title"]
        .map(|field| adapted.stored[field].as_str())
        .into();
    assert_eq!(stored, ["0.00", "0", "", ""]);
}
