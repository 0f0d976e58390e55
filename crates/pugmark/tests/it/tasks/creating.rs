//! A requirement that is open has its task, with what people need to know.

use jiff::tz::TimeZone;
use pugmark::config::Mode;
use pugmark_sandbox::JournalKind;

use super::{assert_nothing_died, effects, only_task, registered, tasks};
use crate::harness::{Traffic, World, new_id, on_both_databases};
use crate::rows::{Registration, requirement};

on_both_databases!(
    a_missing_requirement_becomes_a_task_on_the_contact,
    the_start_is_told_in_the_zone_of_the_server_and_the_due_day_in_that_of_the_insurer,
    a_requirement_that_comes_with_the_registration_waits_for_the_contact,
    several_requirements_at_once_become_one_task_each,
    a_person_who_is_known_later_changes_the_subject_and_nothing_else,
    a_person_who_is_nowhere_is_left_out,
    a_requirement_of_a_test_customer_is_no_task,
    tasks_that_are_switched_off_are_not_made,
    shadow_mode_makes_no_task_and_chooses_nobody,
    a_task_whose_requirement_comes_back_from_a_backup_is_found,
);

async fn a_missing_requirement_becomes_a_task_on_the_contact(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let registration = registered(&world, &program).await;
    let customer = registration.customer.clone();
    let child = program.add_dependant(&customer, " Zuri ", "Otieno").await;
    program.wait_until_idle().await;
    let before = world.traffic();
    program
        .require(&registration, "CHILD", Some(&child), "dateOfBirth")
        .await;
    program.wait_until_idle().await;
    assert_eq!(
        world.traffic() - before,
        Traffic {
            create: 1,
            ..Traffic::default()
        },
        "an untroubled task is one call"
    );
    let task = only_task(&world);
    let contact = world.contact_of(&customer).expect("a contact");
    for (field, value) in [
        (
            "subject",
            "Missing Date of birth for child Zuri Otieno (customer Achieng O'Brien-Otieno)",
        ),
        ("activitytype", "Task"),
        ("taskstatus", "Not Started"),
        ("taskpriority", "Medium"),
        ("contact_id", contact.id.as_str()),
        ("assigned_user_id", "19x1"),
    ] {
        assert_eq!(task.value(field), value, "{field}");
    }
    let description: Vec<&str> = task.value("description").lines().collect();
    assert_eq!(
        description[..4],
        [
            "Date of birth of child Zuri Otieno is missing.",
            "Field: CHILD dateOfBirth",
            &format!("Customer: Achieng O'Brien-Otieno ({customer})"),
            &format!("https://agents.example.org/admin/customer/{customer}"),
        ]
    );
    assert!(description[4].starts_with("[MB-"), "{description:?}");
    assert_eq!(description.len(), 5);
    running.shutdown().await;
}

async fn the_start_is_told_in_the_zone_of_the_server_and_the_due_day_in_that_of_the_insurer(
    mut world: World,
) {
    world.crm_settings().time_zone = TimeZone::get("America/New_York").expect("a zone");
    world.settings.insurance.zone = TimeZone::get("Africa/Nairobi").expect("a zone");
    world.settings.insurance.tasks.due_days = 7;
    let running = world.start().await;
    let program = world.other_program().await;
    let registration = registered(&world, &program).await;
    // Half past one at night in Nairobi, the afternoon before in New York.
    let sql = requirement(&registration, &new_id(), "SPOUSE", None, "idNumber")
        .replace("\"fieldPath\")", "\"fieldPath\", \"createdAt\")")
        .replace("'idNumber')", "'idNumber', '2026-01-31 22:30:00')");
    program.sql(sql).await;
    program.wait_until_idle().await;
    let task = only_task(&world);
    assert_eq!(
        ["date_start", "time_start", "due_date"].map(|field| task.value(field).to_owned()),
        ["2026-01-31", "17:30:00", "2026-02-08"]
    );
    assert_eq!(
        task.value("subject"),
        "Missing ID number for a spouse (customer Achieng O'Brien-Otieno)"
    );
    running.shutdown().await;
}

async fn a_requirement_that_comes_with_the_registration_waits_for_the_contact(mut world: World) {
    world.settings.capture.settle = std::time::Duration::from_millis(600);
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    let registration = program.register(&customer).await;
    program
        .require(&registration, "CHILD", None, "firstName")
        .await;
    program.wait_until_idle().await;
    let contact = world.contact_of(&customer).expect("a contact");
    let task = only_task(&world);
    assert_eq!(task.value("contact_id"), contact.id);
    let made = |id: &str| effects(&world, id)[0].seq;
    assert!(made(&contact.id) < made(&task.id));
    assert_nothing_died(&program).await;
    running.shutdown().await;
}

async fn several_requirements_at_once_become_one_task_each(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let registration = registered(&world, &program).await;
    let fields = ["firstName", "lastName", "dateOfBirth", "gender"];
    let statements: Vec<String> = fields
        .iter()
        .map(|field| requirement(&registration, &new_id(), "CHILD", None, field))
        .collect();
    program.sql(statements.join("; ")).await;
    // The care queue is opened: the same rows are written again with the same values.
    program
        .sql("UPDATE missing_requirements SET \"updatedAt\" = '2026-03-04 05:06:07', \"status\" = 'PENDING'")
        .await;
    program.wait_until_idle().await;
    let mut subjects: Vec<String> = tasks(&world)
        .iter()
        .map(|task| task.value("subject").to_owned())
        .collect();
    subjects.sort();
    assert_eq!(
        subjects,
        ["Date of birth", "First name", "Gender", "Last name"]
            .map(|field| format!("Missing {field} for a child (customer Achieng O'Brien-Otieno)"))
    );
    assert_eq!(world.crm.journal().count_created("Calendar"), 4);
    running.shutdown().await;
}

async fn a_person_who_is_known_later_changes_the_subject_and_nothing_else(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let registration = registered(&world, &program).await;
    let id = program
        .require(&registration, "BENEFICIARY", None, "idType")
        .await;
    program.wait_until_idle().await;
    let task = only_task(&world);
    let theirs = [
        ("taskstatus", "In Progress"),
        ("due_date", "2027-01-01"),
        ("taskpriority", "High"),
    ];
    assert!(world.crm.edit(&task.id, &theirs));
    let person = new_id();
    program
        .sql(format!(
            "INSERT INTO beneficiaries (\"id\", \"customerId\", \"firstName\", \"lastName\") \
             VALUES ('{person}', '{}', 'Baraka', 'Ng''ang''a & Sons')",
            registration.customer
        ))
        .await;
    program
        .set_requirement(&id, "entityId", &format!("'{person}'"))
        .await;
    program.wait_until_idle().await;
    let after = only_task(&world);
    assert_eq!(
        after.value("subject"),
        "Missing ID type for beneficiary Baraka Ng'ang'a & Sons (customer Achieng O'Brien-Otieno)"
    );
    for (field, value) in theirs {
        assert_eq!(after.value(field), value, "{field} belongs to people");
    }
    let changed: Vec<String> = effects(&world, &task.id)
        .iter()
        .filter_map(|entry| match &entry.kind {
            JournalKind::Revised { changed, .. } => Some(changed.keys().cloned().collect()),
            _ => None,
        })
        .map(|fields: Vec<String>| fields.join(" "))
        .collect();
    assert_eq!(changed.len(), 2, "theirs and ours: {changed:?}");
    assert!(changed[1].starts_with("description") && changed[1].ends_with("subject"));
    running.shutdown().await;
}

async fn a_person_who_is_nowhere_is_left_out(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let registration = registered(&world, &program).await;
    for nobody in ["no uuid at all", "", &new_id()] {
        program
            .require(&registration, "CHILD", Some(nobody), "gender")
            .await;
    }
    program.wait_until_idle().await;
    let found = tasks(&world);
    assert_eq!(found.len(), 3);
    for task in found {
        assert_eq!(
            task.value("subject"),
            "Missing Gender for a child (customer Achieng O'Brien-Otieno)"
        );
    }
    assert_nothing_died(&program).await;
    running.shutdown().await;
}

async fn a_requirement_of_a_test_customer_is_no_task(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = new_id();
    program.insert_customer_as(&customer, "Test", true).await;
    let registration = program.register(&customer).await;
    program
        .require(&registration, "CHILD", None, "gender")
        .await;
    program.wait_until_idle().await;
    assert_eq!(world.traffic(), Traffic::default());
    assert_nothing_died(&program).await;
    running.shutdown().await;
}

async fn tasks_that_are_switched_off_are_not_made(mut world: World) {
    world.settings.insurance.tasks.enabled = false;
    let running = world.start().await;
    let program = world.other_program().await;
    let registration = registered(&world, &program).await;
    program
        .require(&registration, "CHILD", None, "gender")
        .await;
    program.wait_until_idle().await;
    assert_eq!(tasks(&world), []);
    let kind = "vtiger_sync_queue WHERE kind = 'task.create'";
    assert_eq!(program.count(kind).await, 0);
    running.shutdown().await;
}

async fn shadow_mode_makes_no_task_and_chooses_nobody(mut world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let registration = registered(&world, &program).await;
    running.shutdown().await;
    world.settings.mode = Mode::Shadow;
    let running = world.start().await;
    let id = program
        .require(&registration, "CHILD", None, "gender")
        .await;
    program.wait_until_idle().await;
    assert_eq!(world.crm.journal().count_created("Calendar"), 0);
    assert_eq!(program.count("task_assignments").await, 0);
    let done = super::operations(&running, &id).await;
    let outcome = done[0].outcome.clone().expect("an outcome");
    assert_eq!(
        (&outcome["result"], &outcome["would"]),
        (&"shadow".into(), &"create".into())
    );
    running.shutdown().await;
}

async fn a_task_whose_requirement_comes_back_from_a_backup_is_found(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let registration = registered(&world, &program).await;
    let Registration { customer, .. } = &registration;
    let id = program
        .require(&registration, "CHILD", None, "gender")
        .await;
    program.wait_until_idle().await;
    // The backup is older than the task: nothing of ours knows it any more, and the row is found by the gap sweep.
    program
        .sql("DELETE FROM task_assignments; DELETE FROM crm_links WHERE entity_type = 'TASK'")
        .await;
    let row = format!(r#"{{"customerId": "{customer}", "status": "PENDING"}}"#);
    program
        .sql(format!(
            "INSERT INTO change_log (table_name, row_key, event, new_row, healed) \
             VALUES ('missing_requirements', '{id}', 'INSERT', '{row}', TRUE)"
        ))
        .await;
    // A newer change must not make it forget to look.
    program
        .set_requirement(&id, "entityId", &format!("'{}'", new_id()))
        .await;
    program.wait_until_idle().await;
    let task = only_task(&world);
    let linked = program
        .one("SELECT vtiger_id FROM crm_links WHERE entity_type = 'TASK'")
        .await;
    assert_eq!(linked, Some(task.id));
    running.shutdown().await;
}
