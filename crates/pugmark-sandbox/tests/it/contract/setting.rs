//! What stood on the recorded installation before a recording was made: custom fields, users, and records that
//! unrecorded requests had made. It is taken from what the recordings show.

use jiff::Timestamp;
use pugmark_sandbox::{
    CustomField, CustomFieldKind, UserSpec, VtigerSandbox, VtigerSandboxBuilder,
};
use serde_json::Value;

use super::recording::Recording;
use super::replay::Place;

/// Access key of the recorded administrator.
pub(crate) const ACCESS_KEY: &str = "DummyAccessKey01";

/// The recorded installation.
pub(crate) fn installation(group: &str) -> VtigerSandboxBuilder {
    let mut builder = VtigerSandbox::builder()
        .seed(8)
        .user(UserSpec::admin("admin", ACCESS_KEY))
        .user(UserSpec::standard("salesp", "DummyKeySalesP01"))
        .user(UserSpec::standard("salesm", "DummyKeySalesM01"))
        .user(UserSpec::admin("apiadmin", "DummyKeyApiAdm01"))
        .user(UserSpec::standard("nairobi", "DummyKeyNairob01"))
        .create_user_operation("probe_create_user");
    for module in ["Contacts", "Leads"] {
        for field in custom_fields(module) {
            builder = builder.custom_field(field);
        }
    }
    if group == "cf" {
        for name in ["microbima_ref", "cf_microbima_code"] {
            builder = builder.custom_field(
                CustomField::new("Contacts", name, CustomFieldKind::Text).named(name),
            );
        }
    }
    builder
}

fn custom_fields(module: &str) -> Vec<CustomField> {
    let list = |values: [&str; 3]| {
        values
            .iter()
            .map(|value| (*value).to_owned())
            .collect::<Vec<_>>()
    };
    let text = |label: &str, kind| CustomField::new(module, &format!("Microbima {label}"), kind);
    let amount = |label: &str, kind| CustomField {
        default: "0".to_owned(),
        ..text(label, kind)
    };
    vec![
        text("Customer Id", CustomFieldKind::Text),
        amount(
            "Loan Amount",
            CustomFieldKind::Decimal {
                digits: 11,
                scale: 2,
            },
        ),
        text("Policies", CustomFieldKind::Integer),
        text("KYC Date", CustomFieldKind::Date),
        text("Opted In", CustomFieldKind::Checkbox),
        text(
            "Segment",
            CustomFieldKind::Picklist(list(["Gold", "Silver", "Bronze"])),
        ),
        text(
            "Products",
            CustomFieldKind::MultiPicklist(list(["Health", "Life", "Crop"])),
        ),
        text("Alt Phone", CustomFieldKind::Phone),
        text("Alt Email", CustomFieldKind::Email),
        text("Notes", CustomFieldKind::TextArea),
        amount(
            "Premium",
            CustomFieldKind::Currency {
                digits: 10,
                scale: 2,
            },
        ),
        text("Time", CustomFieldKind::Time),
        text("Url", CustomFieldKind::Url),
    ]
}

/// A recorded server time.
pub(crate) fn moment(time: &str) -> Timestamp {
    format!("{}Z", time.replace(' ', "T")).parse().unwrap()
}

/// Whether the recordings go on with a fresh installation here, as their ids show.
pub(crate) fn begins_anew(recording: &Recording) -> bool {
    matches!(recording.number(), 644 | 774)
}

/// Brings the server into the state it was in when this recording was made.
pub(crate) async fn prepare(place: &mut Place, recording: &Recording) {
    if recording.group == "query" {
        query_records(place, recording);
    }
    unrecorded_requests(place, recording).await;
    unseen_record(place, recording);
}

/// What was done between two recordings without being recorded.
async fn unrecorded_requests(place: &mut Place, recording: &Recording) {
    let sandbox = &place.sandbox;
    match recording.number() {
        // The challenge was left alone for longer than its 300 seconds.
        32 => place.clock.advance(std::time::Duration::from_secs(301)),
        // This session was opened, then its file was collected.
        34 => {
            let session = place.log_in().await;
            place
                .sessions
                .insert("45529ce56b013ad7bd1c6".to_owned(), session);
            place.clock.advance(std::time::Duration::from_secs(1441));
        }
        46 => assert!(sandbox.edit("12x3", &[("assigned_user_id", "19x9999")])),
        84 => assert!(sandbox.edit("12x2", &[("title", "Farmer"), ("assigned_user_id", "20x2")])),
        116 => assert!(sandbox.edit("12x2", &[("cf_869", "notanemail")])),
        272 => {
            sandbox.skip_to_record_number(12);
            sandbox
                .insert_as_ui("Contacts", &[("lastname", "FromUI")])
                .unwrap();
        }
        169 => {
            sandbox.skip_to_record_number(16);
            sandbox
                .insert_as_ui("Accounts", &[("accountname", "Acc")])
                .unwrap();
        }
        // The contact that the comments are about.
        644 => {
            sandbox
                .insert_as_ui("Contacts", &[("lastname", "Commented")])
                .unwrap();
        }
        // Both groups work on one contact made beforehand.
        687 | 742 => {
            let id =
                sandbox.insert_as_ui("Contacts", &[("lastname", "Err"), ("source", "WEBSERVICE")]);
            assert_eq!(id.as_deref(), Some("12x2"));
        }
        755 => {
            sandbox
                .insert_as_ui("Accounts", &[("accountname", "Dup Ltd")])
                .unwrap();
        }
        758 => assert!(sandbox.set_unique("Contacts", "cf_853", true)),
        762 => {
            sandbox.skip_to_record_number(7);
            sandbox
                .insert_as_ui(
                    "Contacts",
                    &[
                        ("lastname", "Second"),
                        ("cf_853", "MB-2"),
                        ("source", "WEBSERVICE"),
                    ],
                )
                .unwrap();
        }
        765 => assert!(sandbox.remove("12x4")),
        // Eight simultaneous creates, of which four were not refused.
        766 => {
            sandbox.set_unique("Contacts", "cf_853", false);
            sandbox.skip_to_record_number(9);
            for _ in 0..4 {
                sandbox
                    .insert_as_ui("Contacts", &[("lastname", "Race"), ("cf_853", "MB-RACE")])
                    .unwrap();
            }
            sandbox.set_unique("Contacts", "cf_853", true);
        }
        768 => {
            sandbox.skip_to_record_number(13);
            let id = sandbox.insert_as_ui(
                "Contacts",
                &[("lastname", "GhostOwner"), ("assigned_user_id", "19x9999")],
            );
            assert_eq!(id.as_deref(), Some("12x13"));
        }
        _ => {}
    }
}

/// A record that a recording retrieves or changes, but whose creation was not recorded: made with what is shown of it,
/// except for what the recorded request writes.
fn unseen_record(place: &Place, recording: &Recording) {
    let Some(record) = recording.answered_record() else {
        return;
    };
    if recording.operation() == "create" || recording.operation().starts_with("probe") {
        return;
    }
    let id = record["id"].as_str().unwrap();
    let number: String = id
        .split_once('x')
        .unwrap()
        .1
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    let Some(module) = module_of(id) else { return };
    let clean = format!("{}x{number}", id.split_once('x').unwrap().0);
    if place.sandbox.record(&clean).is_some() {
        return;
    }
    let written: Value =
        serde_json::from_str(recording.parameter("element").unwrap_or("{}")).unwrap();
    let before = |name: &str, value| match written.get(name) {
        Some(_) if name == "lastname" => Some("Before"),
        Some(_) => None,
        None => Some(value),
    };
    let shown: Vec<(&str, &str)> = record
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "id" | "label"))
        .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
        .filter(|(_, value)| !value.is_empty())
        .filter_map(|(name, value)| Some((name, before(name, value)?)))
        .collect();
    place.sandbox.skip_to_record_number(number.parse().unwrap());
    assert_eq!(
        place.sandbox.insert_as_ui(module, &shown).as_deref(),
        Some(clean.as_str()),
        "{}",
        recording.name
    );
}

fn module_of(id: &str) -> Option<&'static str> {
    match id.split_once('x')?.0 {
        "9" => Some("Calendar"),
        "10" => Some("Leads"),
        "11" => Some("Accounts"),
        "12" => Some("Contacts"),
        "30" => Some("ModComments"),
        _ => None,
    }
}

/// The 18 contacts and 130 leads that the query recordings look at.
fn query_records(place: &Place, recording: &Recording) {
    const NAMES: [&str; 18] = [
        "O'Brien",
        "O''Brien2",
        "back\\slash",
        "per%cent",
        "under_score",
        "dquote\"x",
        "semi;colon",
        "Alpha",
        "beta",
        "Gamma",
        "'lead",
        "trail'",
        "x' or '1'='1",
        "a,b",
        "(paren)",
        "Ünïcødé",
        "select",
        "where",
    ];
    if !place.sandbox.records("Contacts").is_empty() {
        return;
    }
    place.clock.set(moment("2026-11-21 06:33:19"));
    for (position, name) in NAMES.iter().enumerate() {
        let (first, key, number) = (
            format!("Q{position:02}"),
            format!("K-{position:02}"),
            position.to_string(),
        );
        let segment = if position % 2 == 1 { "Gold" } else { "Silver" };
        let fields = [
            ("firstname", first.as_str()),
            ("lastname", name),
            ("cf_853", &key),
            ("cf_857", &number),
            ("cf_863", segment),
            ("source", "WEBSERVICE"),
        ];
        place.sandbox.insert_as_ui("Contacts", &fields).unwrap();
    }
    place.clock.set(moment("2026-11-21 06:33:40"));
    for _ in 0..130 {
        place
            .sandbox
            .insert_as_ui("Leads", &[("lastname", "Row")])
            .unwrap();
    }
    assert_eq!(recording.group, "query");
}
