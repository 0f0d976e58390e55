//! What stood on the recorded installation before a recording was made: custom fields, users, and records that
//! unrecorded requests had made. It is taken from what the recordings show.

use jiff::Timestamp;
use pugmark_sandbox::{
    CustomField, CustomFieldKind, NewUser, UserSpec, VtigerSandbox, VtigerSandboxBuilder,
};
use serde_json::Value;

use super::recording::Recording;
use super::replay::Place;
use super::syncing;

/// The recorded users with their access keys.
pub(crate) const KEYS: [(&str, &str); 5] = [
    ("admin", "DummyAccessKey01"),
    ("salesp", "DummyKeySalesP01"),
    ("salesm", "DummyKeySalesM01"),
    ("apiadmin", "DummyKeyApiAdm01"),
    ("nairobi", "DummyKeyNairob01"),
];

/// The recorded installation.
pub(crate) fn installation(chapter: &str) -> VtigerSandboxBuilder {
    let [admin, salesp, salesm, apiadmin, nairobi] = KEYS;
    let mut builder = VtigerSandbox::builder()
        .seed(8)
        .user(UserSpec::admin(admin.0, admin.1))
        .user(made_by_script(
            UserSpec::standard(salesp.0, salesp.1),
            "Salesp",
        ))
        .user(made_by_script(UserSpec::standard(salesm.0, salesm.1), "Salesm").with("roleid", "H4"))
        .user(UserSpec::admin(apiadmin.0, apiadmin.1))
        .user(made_by_script(
            UserSpec::standard(nairobi.0, nairobi.1),
            "Nairobi",
        ))
        .create_user_operation("probe_create_user");
    for module in ["Contacts", "Leads"] {
        for field in custom_fields(module) {
            builder = builder.custom_field(field);
        }
    }
    if chapter == "cf" {
        for name in ["microbima_ref", "cf_microbima_code"] {
            builder = builder.custom_field(
                CustomField::new("Contacts", name, CustomFieldKind::Text).named(name),
            );
        }
    }
    builder
}

/// A script had written these users into the database, not quite as the pages do.
fn made_by_script(user: UserSpec, last_name: &str) -> UserSpec {
    user.with("first_name", "Test")
        .with("last_name", last_name)
        .with("is_admin", "")
        .with("hour_format", "24")
        .with("start_hour", "08:00")
}

/// Groups that were recorded one after the other on the same records make a chapter.
pub(crate) fn chapter(group: &'static str) -> &'static str {
    match group {
        "calendar" | "events" | "modcomments" | "helpdesk" | "documents" => "tasks",
        "related" | "reference" | "deleted" | "userformat" => "relations",
        "wsapp" | "convertlead" => "sync",
        alone => alone,
    }
}

/// The state of repair of the server that answered. Who is not logged in yet does not say it.
pub(crate) fn variant(recording: &Recording) -> &str {
    match recording.number() {
        // The stock server and the repaired one had one database.
        228 | 676..=682 => "repaired",
        232 | 233 => "roleid-db-fix",
        _ => &recording.variant,
    }
}

/// Whose session a recorded session was.
pub(crate) fn user_of(session: &str) -> &'static str {
    match session {
        "3e57e2736b013afedc63a" | "5bb8c1d06b013aff85b5e" | "7090ad586b013c642dce1" => "salesp",
        _ => "admin",
    }
}

/// The key of a user whose real key was blanked in the recordings after this login had been made with it.
pub(crate) fn blanked_key(recording: &Recording) -> Option<&'static str> {
    (recording.number() == 233).then_some("RecordedKey00001")
}

/// Users whose creation was not recorded take up the numbers before this one.
pub(crate) fn skip_to_user_number(sandbox: &VtigerSandbox, number: u64) {
    let last = |sandbox: &VtigerSandbox| sandbox.users().pop().unwrap().id;
    let upcoming = format!("19x{}", number - 1);
    while last(sandbox) != upcoming {
        let name = format!("unseen after {}", last(sandbox));
        sandbox
            .add_user(&NewUser::new(&name, "H5").inactive())
            .unwrap();
    }
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
    syncing::prepare(place, recording).await;
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
            let session = place.log_in("admin").await;
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
        // The contact and the lead that tasks and comments are about.
        138 => {
            insert(sandbox, 4, "Contacts", &[("lastname", "Of the tasks")]);
            insert(sandbox, 5, "Leads", &[("lastname", "Of a task")]);
        }
        143 => insert_task(sandbox, 7, &[("parent_id", "10x5")]),
        149 => insert_task(sandbox, 10, &[]),
        // What was done to salesp in between.
        188 => assert!(sandbox.edit("19x5", &[("user_name", "salesp")])),
        191 => assert!(sandbox.edit("19x5", &[("is_admin", "off")])),
        206 => {
            assert!(sandbox.set_user_status("19x5", "Active"));
            assert!(sandbox.set_user_status("19x8", "Active"));
        }
        225 => {
            let own = [("lastname", "OwnedByNairobi"), ("assigned_user_id", "19x8")];
            insert(sandbox, 3, "Contacts", &own);
        }
        229 => assert!(sandbox.set_user_status("19x6", "Inactive")),
        // A contact and a lead with a task each, and a comment.
        251 => {
            insert(sandbox, 2, "Contacts", &[("lastname", "Related")]);
            insert(sandbox, 3, "Leads", &[("lastname", "Related")]);
            let task = [("subject", "T1"), ("contact_id", "12x2")];
            insert_task(sandbox, 4, &task);
            insert_task(sandbox, 5, &[("subject", "T2"), ("parent_id", "10x3")]);
            let comment = [("commentcontent", "C1"), ("related_to", "12x2")];
            insert(sandbox, 7, "ModComments", &comment);
            insert(sandbox, 8, "Accounts", &[("accountname", "Referred")]);
            insert(sandbox, 9, "Documents", &[("notes_title", "D1")]);
        }
        267 | 269 => {
            assert!(sandbox.edit("12x10", &[("account_id", "11x8")]));
            if recording.number() == 269 {
                assert!(sandbox.remove("11x8"));
            }
        }
        735 => {
            let own = [("lastname", "Own"), ("assigned_user_id", "19x5")];
            insert(sandbox, 8, "Contacts", &own);
            assert!(sandbox.set_private("Contacts", true));
        }
        740 => assert!(sandbox.set_private("Contacts", false)),
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

/// Puts a record where it was.
pub(super) fn insert(sandbox: &VtigerSandbox, number: u64, module: &str, fields: &[(&str, &str)]) {
    sandbox.skip_to_record_number(number);
    let id = sandbox.insert_as_ui(module, fields).unwrap();
    assert!(id.ends_with(&format!("x{number}")), "{id}");
}

/// A task like the recorded ones, but for these fields.
fn insert_task(sandbox: &VtigerSandbox, number: u64, fields: &[(&str, &str)]) {
    let usual = [
        ("subject", "Call back about policy"),
        ("date_start", "2026-12-01"),
        ("time_start", "09:00:00"),
        ("due_date", "2026-12-02"),
        ("taskstatus", "Not Started"),
        ("activitytype", "Task"),
        ("source", "WEBSERVICE"),
    ];
    insert(sandbox, number, "Calendar", &[&usual[..], fields].concat());
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
        "18" => Some("Events"),
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
