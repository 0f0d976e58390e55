//! Who gets the tasks.

use std::collections::BTreeMap;
use std::time::Duration;

use pugmark::config::Assign;
use pugmark_queue::db::Engine;
use pugmark_sandbox::{NewUser, UserSpec};
use secrecy::SecretString;

use super::{assert_nothing_died, only_task, operations, registered, tasks};
use crate::harness::{World, eventually, new_id, on_both_databases, sandbox};
use crate::rows::requirement;

on_both_databases!(
    with_nobody_chosen_the_owner_of_new_records_gets_the_task,
    each_chosen_user_and_each_user_of_the_role_gets_a_task,
    inactive_and_unknown_users_are_left_out_and_named,
    with_nobody_left_the_owner_of_new_records_gets_the_task,
    tasks_go_round_evenly_and_across_a_restart,
    two_processes_share_one_round,
    the_group_gets_the_task_if_vtiger_has_it,
    who_joins_later_gets_no_old_task_and_who_left_keeps_theirs,
    users_that_cannot_be_seen_hold_up_tasks_and_nothing_else,
);

/// Active users of vTiger with this role, by name.
fn users(world: &World, role: &str, names: &[&str]) -> Vec<String> {
    let add = |name: &&str| world.crm.add_user(&NewUser::new(name, role));
    names
        .iter()
        .map(|name| add(name).expect("a user"))
        .collect()
}

/// How many tasks each assignee has.
fn shares(world: &World) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for task in tasks(world) {
        *shares
            .entry(task.value("assigned_user_id").to_owned())
            .or_default() += 1;
    }
    shares
}

async fn warnings(running: &pugmark::app::Running, requirement: &str) -> String {
    let outcome = operations(running, requirement).await[0].outcome.clone();
    outcome.expect("an outcome")["warnings"].to_string()
}

async fn with_nobody_chosen_the_owner_of_new_records_gets_the_task(mut world: World) {
    let owner = users(&world, "H5", &["amina"]).remove(0);
    world.crm_settings().default_owner = Some(owner.clone());
    let running = world.start().await;
    let program = world.other_program().await;
    let registration = registered(&world, &program).await;
    let id = program
        .require(&registration, "CHILD", None, "gender")
        .await;
    program.wait_until_idle().await;
    assert_eq!(only_task(&world).value("assigned_user_id"), owner);
    assert_eq!(warnings(&running, &id).await, "[]");
    running.shutdown().await;
}

async fn each_chosen_user_and_each_user_of_the_role_gets_a_task(mut world: World) {
    world.crm.add_role("H7", "Customer care");
    let care = users(&world, "H7", &["amina", "brian"]);
    let others = users(&world, "H5", &["chao", "daudi"]);
    let tasks_of = &mut world.settings.insurance.tasks;
    // One of them is chosen twice.
    tasks_of.users = vec![others[0].clone(), care[1].clone()];
    tasks_of.role = Some("H7".to_owned());
    let running = world.start().await;
    let program = world.other_program().await;
    let registration = registered(&world, &program).await;
    let id = program
        .require(&registration, "CHILD", None, "gender")
        .await;
    program.wait_until_idle().await;
    let expected = [&others[0], &care[0], &care[1]].map(|user| (user.clone(), 1));
    assert_eq!(shares(&world), BTreeMap::from(expected));
    program.set_requirement(&id, "status", "'RESOLVED'").await;
    program.wait_until_idle().await;
    for task in tasks(&world) {
        assert_eq!(task.value("taskstatus"), "Completed");
    }
    assert_eq!(world.crm.journal().count_created("Calendar"), 3);
    running.shutdown().await;
}

async fn inactive_and_unknown_users_are_left_out_and_named(mut world: World) {
    let amina = users(&world, "H5", &["amina"]).remove(0);
    let asleep = world
        .crm
        .add_user(&NewUser::new("brian", "H5").inactive())
        .expect("a user");
    world.settings.insurance.tasks.users = vec![
        asleep.clone(),
        "19x4711".to_owned(),
        amina.clone(),
        "20x2".to_owned(),
    ];
    let running = world.start().await;
    let program = world.other_program().await;
    let registration = registered(&world, &program).await;
    let id = program
        .require(&registration, "CHILD", None, "gender")
        .await;
    program.wait_until_idle().await;
    assert_eq!(shares(&world), BTreeMap::from([(amina, 1)]));
    let warnings = warnings(&running, &id).await;
    for left_out in [asleep.as_str(), "19x4711", "20x2"] {
        assert!(warnings.contains(left_out), "{left_out}: {warnings}");
    }
    running.shutdown().await;
}

async fn with_nobody_left_the_owner_of_new_records_gets_the_task(mut world: World) {
    world.crm.add_role("H7", "Customer care");
    let tasks_of = &mut world.settings.insurance.tasks;
    tasks_of.users = vec!["19x4711".to_owned()];
    tasks_of.role = Some("H7".to_owned());
    tasks_of.assign = Assign::RoundRobin;
    let running = world.start().await;
    let program = world.other_program().await;
    let registration = registered(&world, &program).await;
    let id = program
        .require(&registration, "CHILD", None, "gender")
        .await;
    program.wait_until_idle().await;
    assert_eq!(shares(&world), BTreeMap::from([("19x1".to_owned(), 1)]));
    let warnings = warnings(&running, &id).await;
    for part in ["19x4711", "H7", "owner of new records"] {
        assert!(warnings.contains(part), "{part}: {warnings}");
    }
    running.shutdown().await;
}

async fn tasks_go_round_evenly_and_across_a_restart(mut world: World) {
    let chosen = users(&world, "H5", &["amina", "brian", "chao"]);
    world.settings.insurance.tasks.users = chosen.clone();
    world.settings.insurance.tasks.assign = Assign::RoundRobin;
    let mut running = world.start().await;
    let program = world.other_program().await;
    let registration = registered(&world, &program).await;
    for round in 1..=2 {
        let statements: Vec<String> = (0..6)
            .map(|_| requirement(&registration, &new_id(), "CHILD", None, "gender"))
            .collect();
        program.sql(statements.join("; ")).await;
        program.wait_until_idle().await;
        let even = chosen.iter().map(|user| (user.clone(), 2 * round));
        assert_eq!(shares(&world), even.collect());
        running.shutdown().await;
        running = world.start().await;
    }
    assert_eq!(world.crm.journal().count_created("Calendar"), 12);
    running.shutdown().await;
}

async fn two_processes_share_one_round(mut world: World) {
    let chosen = users(&world, "H5", &["amina", "brian", "chao", "daudi"]);
    world.settings.insurance.tasks.users = chosen.clone();
    world.settings.insurance.tasks.assign = Assign::RoundRobin;
    let running = world.start().await;
    let program = world.other_program().await;
    // SQLite serves one process; there the workers of that one do the sharing.
    let second = match program.engine() {
        Engine::Postgres => Some(world.start().await),
        Engine::Sqlite => None,
    };
    let registration = registered(&world, &program).await;
    let statements: Vec<String> = (0..40)
        .map(|_| requirement(&registration, &new_id(), "CHILD", None, "gender"))
        .collect();
    program.sql(statements.join("; ")).await;
    program.wait_until_idle().await;
    let even = chosen.iter().map(|user| (user.clone(), 10));
    assert_eq!(shares(&world), even.collect());
    assert_eq!(world.crm.journal().count_created("Calendar"), 40);
    assert_nothing_died(&program).await;
    running.shutdown().await;
    if let Some(second) = second {
        second.shutdown().await;
    }
}

async fn the_group_gets_the_task_if_vtiger_has_it(mut world: World) {
    let group = world.crm.add_group("Care team");
    world.settings.insurance.tasks.assign = Assign::Group;
    world.settings.insurance.tasks.group = Some(group.clone());
    let running = world.start().await;
    let program = world.other_program().await;
    let registration = registered(&world, &program).await;
    program
        .require(&registration, "CHILD", None, "gender")
        .await;
    program.wait_until_idle().await;
    assert_eq!(only_task(&world).value("assigned_user_id"), group);
    running.shutdown().await;

    world.settings.insurance.tasks.group = Some("20x4711".to_owned());
    let running = world.start().await;
    let id = program
        .require(&registration, "CHILD", None, "lastName")
        .await;
    program.wait_until_idle().await;
    let expected = BTreeMap::from([(group, 1), ("19x1".to_owned(), 1)]);
    assert_eq!(shares(&world), expected);
    assert!(warnings(&running, &id).await.contains("20x4711"));
    running.shutdown().await;
}

async fn who_joins_later_gets_no_old_task_and_who_left_keeps_theirs(mut world: World) {
    world.crm.add_role("H7", "Customer care");
    let amina = users(&world, "H7", &["amina"]).remove(0);
    world.settings.insurance.tasks.role = Some("H7".to_owned());
    // What is known of the role is forgotten at once.
    world.crm_settings().describe_for = Duration::from_millis(1);
    let running = world.start().await;
    let program = world.other_program().await;
    let registration = registered(&world, &program).await;
    let old = program
        .require(&registration, "CHILD", None, "gender")
        .await;
    program.wait_until_idle().await;
    let brian = users(&world, "H7", &["brian"]).remove(0);
    assert!(world.crm.set_user_status(&amina, "Inactive"));
    let child = program
        .add_dependant(&registration.customer, "Zuri", "Otieno")
        .await;
    program
        .set_requirement(&old, "entityId", &format!("'{child}'"))
        .await;
    program.wait_until_idle().await;
    let task = only_task(&world);
    assert!(task.value("subject").contains("Zuri"));
    assert_eq!(task.value("assigned_user_id"), amina);
    program
        .require(&registration, "CHILD", None, "lastName")
        .await;
    program.set_requirement(&old, "status", "'RESOLVED'").await;
    program.wait_until_idle().await;
    assert_eq!(
        shares(&world),
        BTreeMap::from([(amina.clone(), 1), (brian, 1)])
    );
    let closed = tasks(&world)
        .into_iter()
        .find(|task| task.value("assigned_user_id") == amina);
    assert_eq!(closed.expect("kept").value("taskstatus"), "Completed");
    running.shutdown().await;
}

async fn users_that_cannot_be_seen_hold_up_tasks_and_nothing_else(world: World) {
    let admin = UserSpec::admin("boss", "key-of-the-boss1");
    let clerk = UserSpec::standard("clerk", "key-of-the-clerk").with("roleid", "H5");
    let mut world = world.before(sandbox().user(admin).user(clerk)).await;
    world.settings.insurance.tasks.role = Some("H5".to_owned());
    let crm = world.crm_settings();
    crm.username = "clerk".to_owned();
    crm.access_key = SecretString::from("key-of-the-clerk");
    crm.describe_for = Duration::from_millis(50);
    let running = world.start().await;
    let program = world.other_program().await;
    let registration = registered(&world, &program).await;
    let id = program
        .require(&registration, "CHILD", None, "gender")
        .await;
    let waits = eventually("the reason for which the task waits", || async {
        let operation = operations(&running, &id).await.into_iter().next()?;
        (operation.error_code.as_deref() == Some("PUG-3401")).then_some(operation)
    })
    .await;
    assert!(waits.dead_at.is_none() && waits.retry_count == 0);
    let reason = waits.error_message.expect("a reason");
    assert!(reason.contains("administrator"), "{reason}");
    // Nothing else has to wait for it.
    program
        .add_dependant(&registration.customer, "Zuri", "Otieno")
        .await;
    program
        .set(&registration.customer, "lastName", "'Kamau'")
        .await;
    eventually("the note", || async {
        (world.crm.records("ModComments").len() == 1).then_some(())
    })
    .await;
    world
        .wait_for_contact(&registration.customer, |contact| {
            contact.value("lastname") == "Kamau"
        })
        .await;
    assert_eq!(tasks(&world), []);
    running.shutdown().await;

    let crm = world.crm_settings();
    crm.username = "boss".to_owned();
    crm.access_key = SecretString::from("key-of-the-boss1");
    let running = world.start().await;
    program.wait_until_idle().await;
    let clerk = world
        .crm
        .users()
        .into_iter()
        .find(|user| user.user_name == "clerk");
    assert_eq!(
        only_task(&world).value("assigned_user_id"),
        clerk.expect("a user").id
    );
    assert_nothing_died(&program).await;
    running.shutdown().await;
}
