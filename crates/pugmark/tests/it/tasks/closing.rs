//! A requirement that is dealt with closes its tasks, once; what people did to them counts more.

use pugmark_sandbox::{Fault, FaultPlan, JournalKind};

use super::{assert_nothing_died, effects, only_task, operations, registered, tasks};
use crate::harness::{Traffic, World, Writer, on_both_databases};
use crate::rows::Registration;

on_both_databases!(
    a_resolved_requirement_closes_its_task_once,
    an_expired_a_deleted_and_an_unknown_status_close_it_too,
    what_was_resolved_before_anything_was_sent_is_no_task,
    a_requirement_that_is_opened_again_opens_its_task_again_once,
    a_task_that_a_person_closed_or_deleted_is_left_at_that,
    a_customer_who_turns_into_a_test_customer_has_no_open_tasks_until_turning_back,
    a_customer_who_is_deleted_has_no_open_tasks,
    a_requirement_opened_again_while_the_closing_is_unknown_ends_open,
);

/// A requirement with its task.
async fn required(world: &World, program: &Writer) -> (Registration, String) {
    let registration = registered(world, program).await;
    let id = program
        .require(&registration, "CHILD", None, "gender")
        .await;
    program.wait_until_idle().await;
    only_task(world);
    (registration, id)
}

/// The statuses that the web service gave a task, one after the other.
fn statuses(world: &World, task: &str) -> Vec<String> {
    effects(world, task)
        .iter()
        .filter_map(|entry| match &entry.kind {
            JournalKind::Created { fields, .. } => fields.get("taskstatus").cloned(),
            JournalKind::Revised { changed, .. } => {
                changed.get("taskstatus").map(|change| change.new.clone())
            }
            _ => None,
        })
        .collect()
}

async fn a_resolved_requirement_closes_its_task_once(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let (_, id) = required(&world, &program).await;
    let before = world.traffic();
    program
        .sql(format!(
            "UPDATE missing_requirements SET \"status\" = 'RESOLVED', \"resolvedBy\" = 'system' WHERE \"id\" = '{id}'"
        ))
        .await;
    program.wait_until_idle().await;
    assert_eq!(only_task(&world).value("taskstatus"), "Completed");
    // A second end of the same requirement is no news.
    program.set_requirement(&id, "status", "'EXPIRED'").await;
    program
        .sql(format!(
            "DELETE FROM missing_requirements WHERE \"id\" = '{id}'"
        ))
        .await;
    program.wait_until_idle().await;
    let revised = Traffic {
        revise: 1,
        ..Traffic::default()
    };
    assert_eq!(world.traffic() - before, revised);
    assert_nothing_died(&program).await;
    running.shutdown().await;
}

async fn an_expired_a_deleted_and_an_unknown_status_close_it_too(mut world: World) {
    world.settings.insurance.tasks.closed_status = "Deferred".to_owned();
    let running = world.start().await;
    let program = world.other_program().await;
    let registration = registered(&world, &program).await;
    let mut ids = Vec::new();
    for field in ["firstName", "lastName", "gender"] {
        ids.push(program.require(&registration, "CHILD", None, field).await);
    }
    program.wait_until_idle().await;
    program
        .set_requirement(&ids[0], "status", "'EXPIRED'")
        .await;
    program
        .sql(format!(
            "DELETE FROM missing_requirements WHERE \"id\" = '{}'",
            ids[1]
        ))
        .await;
    // MicroBima may learn new words.
    if program.engine() == pugmark_queue::db::Engine::Postgres {
        program
            .sql("ALTER TYPE \"RegistrationMissingStatus\" ADD VALUE 'WAIVED'")
            .await;
    }
    program.set_requirement(&ids[2], "status", "'WAIVED'").await;
    program.wait_until_idle().await;
    let found = tasks(&world);
    assert_eq!(found.len(), 3);
    for task in found {
        assert_eq!(
            task.value("taskstatus"),
            "Deferred",
            "{}",
            task.value("subject")
        );
    }
    running.shutdown().await;
}

async fn what_was_resolved_before_anything_was_sent_is_no_task(mut world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let registration = registered(&world, &program).await;
    running.shutdown().await;
    world.crm_settings().enabled = false;
    let running = world.start().await;
    let id = program
        .require(&registration, "CHILD", None, "gender")
        .await;
    program.set_requirement(&id, "status", "'RESOLVED'").await;
    running.shutdown().await;
    world.crm_settings().enabled = true;
    let running = world.start().await;
    program.wait_until_idle().await;
    assert_eq!(world.crm.journal().count_created("Calendar"), 0);
    assert_nothing_died(&program).await;
    running.shutdown().await;
}

async fn a_requirement_that_is_opened_again_opens_its_task_again_once(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let (_, id) = required(&world, &program).await;
    let task = only_task(&world).id;
    for status in ["'RESOLVED'", "'PENDING'"] {
        program.set_requirement(&id, "status", status).await;
        program.wait_until_idle().await;
    }
    assert_eq!(
        statuses(&world, &task),
        ["Not Started", "Completed", "Not Started"]
    );
    // From here on the status is people's business again.
    world.crm.edit(&task, &[("taskstatus", "In Progress")]);
    let person = crate::harness::new_id();
    program
        .set_requirement(&id, "entityId", &format!("'{person}'"))
        .await;
    program.wait_until_idle().await;
    assert_eq!(only_task(&world).value("taskstatus"), "In Progress");
    program.set_requirement(&id, "status", "'RESOLVED'").await;
    program.wait_until_idle().await;
    assert_eq!(only_task(&world).value("taskstatus"), "Completed");
    running.shutdown().await;
}

async fn a_task_that_a_person_closed_or_deleted_is_left_at_that(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let (registration, first) = required(&world, &program).await;
    let closed = only_task(&world).id;
    let second = program
        .require(&registration, "CHILD", None, "lastName")
        .await;
    program.wait_until_idle().await;
    let deleted = tasks(&world)
        .into_iter()
        .map(|task| task.id)
        .find(|id| *id != closed)
        .expect("a second task");
    world.crm.edit(&closed, &[("taskstatus", "Completed")]);
    assert!(world.crm.remove(&deleted));
    // While they are open nothing brings them back.
    let child = program
        .add_dependant(&registration.customer, "Zuri", "Otieno")
        .await;
    for id in [&first, &second] {
        program
            .set_requirement(id, "entityId", &format!("'{child}'"))
            .await;
    }
    program.wait_until_idle().await;
    assert_eq!(
        world.crm.record(&closed).expect("kept").value("taskstatus"),
        "Completed"
    );
    for id in [&first, &second] {
        program.set_requirement(id, "status", "'RESOLVED'").await;
    }
    program.wait_until_idle().await;
    assert_nothing_died(&program).await;
    assert_eq!(world.crm.journal().count_created("Calendar"), 2);
    let outcome = operations(&running, &second).await[0].outcome.clone();
    let outcome = outcome.expect("an outcome");
    assert_eq!(outcome["result"], "gone");
    assert!(
        outcome["warnings"][0]
            .as_str()
            .is_some_and(|warning| warning.contains(&deleted))
    );
    running.shutdown().await;
}

async fn a_customer_who_turns_into_a_test_customer_has_no_open_tasks_until_turning_back(
    world: World,
) {
    let running = world.start().await;
    let program = world.other_program().await;
    let (registration, _) = required(&world, &program).await;
    let customer = &registration.customer;
    let task = only_task(&world).id;
    program.set(customer, "isTestUser", "TRUE").await;
    program.wait_until_idle().await;
    assert_eq!(only_task(&world).value("taskstatus"), "Completed");
    // What comes up about a test customer waits for nobody.
    program
        .require(&registration, "CHILD", None, "lastName")
        .await;
    program.wait_until_idle().await;
    assert_eq!(world.crm.journal().count_created("Calendar"), 1);
    program.set(customer, "isTestUser", "FALSE").await;
    program.wait_until_idle().await;
    assert_eq!(
        statuses(&world, &task),
        ["Not Started", "Completed", "Not Started"]
    );
    assert_eq!(tasks(&world).len(), 2, "both requirements are open");
    assert_nothing_died(&program).await;
    running.shutdown().await;
}

async fn a_customer_who_is_deleted_has_no_open_tasks(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let (registration, _) = required(&world, &program).await;
    let Registration { id, customer } = &registration;
    program
        .sql(format!(
            "DELETE FROM missing_requirements WHERE \"customerId\" = '{customer}'; \
             DELETE FROM agent_registrations WHERE \"id\" = '{id}'; DELETE FROM customers WHERE \"id\" = '{customer}'"
        ))
        .await;
    program.wait_until_idle().await;
    assert_eq!(only_task(&world).value("taskstatus"), "Completed");
    assert_nothing_died(&program).await;
    running.shutdown().await;
}

async fn a_requirement_opened_again_while_the_closing_is_unknown_ends_open(mut world: World) {
    world.crm_settings().call_timeout = std::time::Duration::from_millis(500);
    let running = world.start().await;
    let program = world.other_program().await;
    let (_, id) = required(&world, &program).await;
    let task = only_task(&world).id;
    world
        .crm
        .faults()
        .set(FaultPlan::new(1).nth("revise", 1, Fault::HangAfterEffect));
    program.set_requirement(&id, "status", "'RESOLVED'").await;
    let came = world
        .crm
        .journal()
        .wait_until(
            |_| {
                let task = world.crm.record(&task);
                task.is_some_and(|task| task.value("taskstatus") == "Completed")
            },
            crate::harness::PATIENCE,
        )
        .await;
    assert!(came, "the effect is there, the answer is not");
    program.set_requirement(&id, "status", "'PENDING'").await;
    program.wait_until_idle().await;
    assert_eq!(only_task(&world).value("taskstatus"), "Not Started");
    assert_nothing_died(&program).await;
    running.shutdown().await;
}
