//! What is particular about tasks, comments and users.

use std::collections::BTreeMap;

use jiff::civil;
use serde_json::Value as Json;
use vtiger::{Edition, Element, Module, Purpose, RecordId, WarningKind};

use super::{element, kinds, module, retrieved_after};
use crate::contract::{RecordedExchange, recording_named, recordings};

fn described(recording: &RecordedExchange) -> Module {
    Module::from_json(Edition::OpenSource, recording.result().unwrap(), |_, _| {
        None
    })
    .unwrap()
}

/// A call instead of a task: vTiger makes an event of it, which has no task status.
const NO_TASK: &str = "147-calendar-create-activitytype-call";

#[test]
fn what_is_predicted_is_what_was_shown_of_every_recorded_task_comment_lead_and_user() {
    let mut compared = BTreeMap::new();
    for created in recordings().iter().filter(|recording| {
        recording.operation() == "create"
            && recording.result().is_some()
            && !recording.name.starts_with(NO_TASK)
    }) {
        let module = match created.param("elementType").unwrap() {
            // Only where an administrator let roles be plain values can users be created.
            "Users" => described(recording_named("230-users-fix-describe")),
            name @ ("Calendar" | "ModComments" | "Leads") => module(Edition::OpenSource, name),
            _ => continue,
        };
        let shown = match created.group() {
            // The answer to a create is decoded once too often.
            "chars" => retrieved_after(created),
            _ => retrieved_after(created).or(created.result().and_then(Json::as_object)),
        };
        let Some(shown) = shown else { continue };
        let sent = element(&created.element().unwrap()).unwrap();
        let adapted = module.adapt(&sent, Purpose::Create);
        if kinds(&adapted)
            .iter()
            .any(|kind| matches!(kind, WarningKind::Replaced4Byte { .. }))
        {
            continue;
        }
        assert!(
            adapted
                .warnings
                .iter()
                .all(|warning| warning.what == WarningKind::ScriptEscaped),
            "{}: {:?}",
            created.name,
            adapted.warnings
        );
        for (field, predicted) in &adapted.stored {
            assert_eq!(
                shown[field].as_str(),
                Some(predicted.as_str()),
                "{}: {field}",
                created.name
            );
            *compared.entry(module.name.clone()).or_insert(0) += 1;
        }
    }
    let compared: Vec<(&str, i32)> = compared
        .iter()
        .map(|(module, values)| (module.as_str(), *values))
        .collect();
    assert_eq!(
        compared,
        [
            ("Calendar", 40),
            ("Leads", 10),
            ("ModComments", 10),
            ("Users", 49)
        ]
    );
}

#[test]
fn a_task_is_sent_as_it_was_recorded_and_without_a_warning() {
    let recorded = recording_named("138-calendar-create-task-contact")
        .element()
        .unwrap();
    let wanted = Element::new()
        .with("subject", "Call back about policy")
        .with("date_start", civil::date(2026, 12, 1))
        .with("time_start", civil::time(9, 0, 0, 0))
        .with("due_date", civil::date(2026, 12, 2))
        .with("taskstatus", "Not Started")
        .with("activitytype", "Task")
        .with("contact_id", "12x4".parse::<RecordId>().unwrap())
        .with("assigned_user_id", "19x1".parse::<RecordId>().unwrap())
        .with("description", "Ring her");
    for edition in [Edition::OpenSource, Edition::Cloud] {
        let adapted = module(edition, "Calendar").adapt(&wanted, Purpose::Create);
        assert_eq!(adapted.warnings, []);
        assert_eq!(adapted.element.to_json(), recorded);
    }
    let calendar = module(Edition::OpenSource, "Calendar");
    let odd = calendar.adapt(
        &Element::new().with("activitytype", "Lunch"),
        Purpose::Create,
    );
    assert_eq!(
        kinds(&odd),
        [WarningKind::NotInPicklist {
            value: "Lunch".to_owned()
        }]
    );
    assert!(
        odd.element.get("activitytype").is_some(),
        "sent all the same"
    );
}

#[test]
fn a_moment_gives_a_task_both_its_day_and_its_time() {
    let moment = civil::datetime(2026, 12, 1, 9, 5, 0, 0);
    let wanted = Element::new()
        .with("date_start", moment)
        .with("time_start", moment)
        .with("time_end", "2026-12-01T17:30");
    let adapted = module(Edition::OpenSource, "Calendar").adapt(&wanted, Purpose::Create);
    assert_eq!(adapted.warnings, []);
    let stored =
        ["date_start", "time_start", "time_end"].map(|field| adapted.stored[field].as_str());
    assert_eq!(stored, ["2026-12-01", "09:05:00", "17:30:00"]);
    // The server's time zone is not known here, so that a moment of another one cannot be placed.
    for given in [
        "2026-12-01T09:05:00Z",
        "2026-12-01T09:05:00+03:00",
        "2026-02-30 09:05:00",
    ] {
        let adapted = module(Edition::OpenSource, "Calendar")
            .adapt(&Element::new().with("time_start", given), Purpose::Create);
        assert_eq!(
            kinds(&adapted),
            [WarningKind::BadTime {
                value: given.to_owned()
            }]
        );
    }
}

#[test]
fn texts_of_tasks_and_users_are_cut_where_a_fresh_installation_cuts_them() {
    for (name, field, width) in [
        ("Calendar", "subject", 255),
        ("Calendar", "location", 150),
        ("Users", "first_name", 30),
        ("Users", "last_name", 30),
        ("Users", "title", 50),
    ] {
        let wanted = Element::new().with(field, "é".repeat(width + 1));
        let adapted = module(Edition::OpenSource, name).adapt(&wanted, Purpose::Create);
        assert_eq!(
            kinds(&adapted),
            [WarningKind::Cut {
                from: width + 1,
                to: width
            }],
            "{name} {field}"
        );
        assert_eq!(adapted.stored[field], "é".repeat(width));
    }
    let comment = Element::new().with("commentcontent", "é".repeat(100_000));
    let adapted = module(Edition::OpenSource, "ModComments").adapt(&comment, Purpose::Create);
    assert_eq!(adapted.warnings, [], "comments are long texts");
}

#[test]
fn a_password_is_sent_untouched_on_create_and_not_at_all_on_revise() {
    let password = "Pa😀ss & <script> /script \u{1F512}";
    let wanted = Element::new()
        .with("user_password", password)
        .with("confirm_password", password);
    let users = described(recording_named("230-users-fix-describe"));
    let created = users.adapt(&wanted, Purpose::Create);
    assert_eq!(
        (created.warnings.len(), created.stored.len()),
        (0, 0),
        "only a hash is ever shown"
    );
    assert_eq!(created.element, wanted);
    // vTiger ignores it there without a word.
    let revised = users.adapt(&wanted, Purpose::Revise);
    assert_eq!(
        kinds(&revised),
        [WarningKind::ReadOnly, WarningKind::ReadOnly]
    );
    assert!(revised.element.is_empty());
}

#[test]
fn a_role_is_left_out_where_the_installation_takes_none() {
    let wanted = Element::new().with("roleid", "H5");
    let stock = module(Edition::OpenSource, "Users").adapt(&wanted, Purpose::Create);
    assert_eq!(
        kinds(&stock),
        [WarningKind::BadReference {
            value: "H5".to_owned()
        }]
    );
    let repaired = described(recording_named("230-users-fix-describe"));
    assert_eq!(
        repaired.adapt(&wanted, Purpose::Create).stored["roleid"],
        "H5"
    );
}
