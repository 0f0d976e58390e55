//! Dependants, beneficiaries, policies, requirements and ambassadors.

use pugmark::config::Mode;
use pugmark_queue::db::Engine;

use super::family::{Family, insert_ambassador, insert_policy, now};
use super::{
    plan_only, planned, start_without_sweeps, sweep, switch_off, switch_on, wait_until_planned,
};
use crate::harness::{World, Writer, eventually, new_id, on_both_databases};

on_both_databases!(
    rows_older_than_pugmark_are_no_event_but_open_requirements_are_tasks,
    a_row_that_was_captured_before_the_first_sweep_is_an_event,
    a_lost_dependant_is_told_once,
    a_lost_removal_is_told_once,
    a_lost_change_of_a_policy_is_told_with_what_it_was_before,
    lost_requirements_are_opened_and_closed,
    a_lost_change_of_an_ambassador_is_planned,
    a_row_that_went_back_to_an_older_state_counts_as_changed,
    rows_that_vanished_are_forgotten,
    a_healed_change_looks_like_a_captured_one,
    a_healed_change_is_planned_before_later_ones_of_its_row,
    in_shadow_mode_nothing_is_noted_and_live_mode_makes_the_tasks,
);

const TABLES: [&str; 6] = [
    "dependants",
    "beneficiaries",
    "policies",
    "policy_payments",
    "missing_requirements",
    "brand_ambassadors",
];
const NOTES_AND_TASKS: [&str; 3] = ["note.create", "task.create", "user.update"];

/// A running Pugmark that has made its first pass, and a family that it knows.
async fn settled(world: &mut World) -> (pugmark::app::Running, Writer, Family) {
    plan_only(world);
    let running = start_without_sweeps(world).await;
    let program = world.other_program().await;
    let family = Family::insert(&program).await;
    wait_until_planned(&program).await;
    assert_eq!(sweep(&running, &program).await.healed, 0, "the first pass");
    (running, program, family)
}

async fn rows_older_than_pugmark_are_no_event_but_open_requirements_are_tasks(mut world: World) {
    plan_only(&mut world);
    start_without_sweeps(&world).await.shutdown().await;
    let program = world.other_program().await;
    for table in TABLES {
        switch_off(&program, table).await;
    }
    let family = Family::insert(&program).await;
    let (open, resolved) = (new_id(), new_id());
    for sql in [
        family.dependant(&new_id()),
        family.beneficiary(&new_id()),
        family.requirement(&open, "PENDING"),
        family.requirement(&resolved, "RESOLVED"),
        family.payment(program.engine(), "OLD1", "50.50", "COMPLETED"),
    ] {
        program.sql(sql).await;
    }

    let running = start_without_sweeps(&world).await;
    assert_eq!(
        sweep(&running, &program).await.healed,
        1,
        "the open requirement"
    );
    assert_eq!(sweep(&running, &program).await.healed, 0);

    assert_eq!(
        planned(&program, &NOTES_AND_TASKS).await,
        [format!("task.create CREATE {open}")]
    );
    assert_eq!(program.count("captured_rows").await, 6);
    running.shutdown().await;
}

async fn a_row_that_was_captured_before_the_first_sweep_is_an_event(mut world: World) {
    plan_only(&mut world);
    let running = start_without_sweeps(&world).await;
    let program = world.other_program().await;
    let (family, dependant) = (Family::insert(&program).await, new_id());
    program.sql(family.dependant(&dependant)).await;
    wait_until_planned(&program).await;
    assert_eq!(sweep(&running, &program).await.healed, 0);
    assert_eq!(
        planned(&program, &["note.create"]).await,
        [format!("note.create CREATE dependant-added:{dependant}")]
    );
    running.shutdown().await;
}

async fn a_lost_dependant_is_told_once(mut world: World) {
    let (running, program, family) = settled(&mut world).await;
    let (lost, seen) = (new_id(), new_id());
    switch_off(&program, "dependants").await;
    program.sql(family.dependant(&lost)).await;
    switch_on(&world).await;
    program.sql(family.dependant(&seen)).await;
    wait_until_planned(&program).await;

    assert_eq!(sweep(&running, &program).await.healed, 1);
    assert_eq!(sweep(&running, &program).await.healed, 0);

    let mut expected = [lost, seen].map(|id| format!("note.create CREATE dependant-added:{id}"));
    expected.sort();
    assert_eq!(planned(&program, &["note.create"]).await, expected);
    assert_eq!(
        program
            .count("vtiger_sync_queue WHERE kind = 'note.create' AND CAST(payload AS TEXT) LIKE '%lookFirst%'")
            .await,
        1,
        "the healed one is looked for before it is made"
    );
    running.shutdown().await;
}

async fn a_lost_removal_is_told_once(mut world: World) {
    let (running, program, family) = settled(&mut world).await;
    let (dependant, beneficiary) = (new_id(), new_id());
    program.sql(family.dependant(&dependant)).await;
    program.sql(family.beneficiary(&beneficiary)).await;
    wait_until_planned(&program).await;
    for (table, id) in [("dependants", &dependant), ("beneficiaries", &beneficiary)] {
        switch_off(&program, table).await;
        let now = now(program.engine());
        program
            .sql(format!("UPDATE {table} SET \"deletedAt\" = {now}, \"firstName\" = 'Z' WHERE \"id\" = '{id}'"))
            .await;
    }

    assert_eq!(sweep(&running, &program).await.healed, 2);
    assert_eq!(sweep(&running, &program).await.healed, 0);

    assert_eq!(
        planned(&program, &["note.create"]).await,
        [
            format!("note.create CREATE beneficiary-added:{beneficiary}"),
            format!("note.create CREATE beneficiary-removed:{beneficiary}"),
            format!("note.create CREATE dependant-added:{dependant}"),
            format!("note.create CREATE dependant-removed:{dependant}"),
        ]
    );
    running.shutdown().await;
}

async fn a_lost_change_of_a_policy_is_told_with_what_it_was_before(mut world: World) {
    let (running, program, family) = settled(&mut world).await;
    switch_off(&program, "policies").await;
    program
        .sql(format!(
            "UPDATE policies SET \"status\" = 'ACTIVE' WHERE \"id\" = '{}'",
            family.policy
        ))
        .await;
    // A policy nobody saw being made is no change of status.
    program
        .sql(insert_policy(
            &new_id(),
            &program.insert_customer("Otieno").await,
        ))
        .await;

    assert_eq!(sweep(&running, &program).await.healed, 2);
    assert_eq!(sweep(&running, &program).await.healed, 0);

    let notes = planned(&program, &["note.create"]).await;
    assert_eq!(notes.len(), 1, "{notes:?}");
    let text = program
        .one("SELECT CAST(payload AS TEXT) FROM vtiger_sync_queue WHERE kind = 'note.create'")
        .await
        .expect("a note");
    assert!(
        text.to_lowercase().contains("pending") && text.to_lowercase().contains("active"),
        "{text}"
    );
    running.shutdown().await;
}

async fn lost_requirements_are_opened_and_closed(mut world: World) {
    let (running, program, family) = settled(&mut world).await;
    let (resolved, vanished, lost) = (new_id(), new_id(), new_id());
    program.sql(family.requirement(&resolved, "PENDING")).await;
    program.sql(family.requirement(&vanished, "PENDING")).await;
    wait_until_planned(&program).await;
    switch_off(&program, "missing_requirements").await;
    program.sql(family.requirement(&lost, "PENDING")).await;
    program
        .sql(format!(
            "UPDATE missing_requirements SET \"status\" = 'RESOLVED' WHERE \"id\" = '{resolved}'"
        ))
        .await;
    program
        .sql(format!(
            "DELETE FROM missing_requirements WHERE \"id\" = '{vanished}'"
        ))
        .await;

    assert_eq!(sweep(&running, &program).await.healed, 3);
    assert_eq!(sweep(&running, &program).await.healed, 0);

    let mut expected = vec![
        format!("task.create CREATE {resolved}"),
        format!("task.create DELETE {resolved}"),
        format!("task.create CREATE {vanished}"),
        format!("task.create DELETE {vanished}"),
        format!("task.create CREATE {lost}"),
    ];
    expected.sort();
    assert_eq!(planned(&program, &["task.create"]).await, expected);
    running.shutdown().await;
}

async fn a_lost_change_of_an_ambassador_is_planned(mut world: World) {
    let (running, program, _) = settled(&mut world).await;
    let (user, other) = (new_id(), new_id());
    program.sql(insert_ambassador(&new_id(), &user)).await;
    program.sql(insert_ambassador(&new_id(), &other)).await;
    wait_until_planned(&program).await;
    switch_off(&program, "brand_ambassadors").await;
    program
        .sql(format!(
            "UPDATE brand_ambassadors SET \"isActive\" = FALSE WHERE \"userId\" = '{user}'"
        ))
        .await;
    program
        .sql(format!(
            "UPDATE brand_ambassadors SET \"perRegistrationRateCents\" = 7000 WHERE \"userId\" = '{other}'"
        ))
        .await;

    assert_eq!(sweep(&running, &program).await.healed, 1);
    assert_eq!(sweep(&running, &program).await.healed, 0);
    assert_eq!(
        planned(&program, &["user.update"]).await,
        [format!("user.update UPDATE {user}")]
    );
    running.shutdown().await;
}

async fn a_row_that_went_back_to_an_older_state_counts_as_changed(mut world: World) {
    let (running, program, _) = settled(&mut world).await;
    let user = new_id();
    program.sql(insert_ambassador(&new_id(), &user)).await;
    let set = |active: &str| {
        format!("UPDATE brand_ambassadors SET \"isActive\" = {active} WHERE \"userId\" = '{user}'")
    };
    program.sql(set("FALSE")).await;
    wait_until_planned(&program).await;
    let before = program
        .count("change_log WHERE table_name = 'brand_ambassadors'")
        .await;

    // A backup from before the change.
    switch_off(&program, "brand_ambassadors").await;
    program.sql(set("TRUE")).await;

    assert_eq!(sweep(&running, &program).await.healed, 1);
    assert_eq!(
        program
            .count("change_log WHERE table_name = 'brand_ambassadors'")
            .await,
        before + 1
    );
    assert_eq!(sweep(&running, &program).await.healed, 0);
    running.shutdown().await;
}

async fn rows_that_vanished_are_forgotten(mut world: World) {
    let (running, program, family) = settled(&mut world).await;
    let (removed, vanished) = (new_id(), new_id());
    program.sql(family.dependant(&removed)).await;
    program.sql(family.dependant(&vanished)).await;
    wait_until_planned(&program).await;
    assert_eq!(
        program
            .count("captured_rows WHERE table_name = 'dependants'")
            .await,
        2
    );
    program
        .sql(format!("DELETE FROM dependants WHERE \"id\" = '{removed}'"))
        .await;
    wait_until_planned(&program).await;
    assert_eq!(
        program
            .count("captured_rows WHERE table_name = 'dependants'")
            .await,
        1
    );

    switch_off(&program, "dependants").await;
    program
        .sql(format!(
            "DELETE FROM dependants WHERE \"id\" = '{vanished}'"
        ))
        .await;
    assert_eq!(sweep(&running, &program).await.healed, 1);
    assert_eq!(
        program
            .count("captured_rows WHERE table_name = 'dependants'")
            .await,
        0
    );
    assert_eq!(sweep(&running, &program).await.healed, 0);
    assert_eq!(
        planned(&program, &["note.create"]).await.len(),
        2,
        "nobody was removed"
    );
    running.shutdown().await;
}

async fn a_healed_change_looks_like_a_captured_one(mut world: World) {
    let (running, program, family) = settled(&mut world).await;
    let (dependant, beneficiary, requirement, ambassador, policy) =
        (new_id(), new_id(), new_id(), new_id(), new_id());
    for sql in [
        family.dependant(&dependant),
        family.beneficiary(&beneficiary),
        family.requirement(&requirement, "PENDING"),
        insert_ambassador(&ambassador, &new_id()),
        insert_policy(&policy, &program.insert_customer("Otieno").await),
    ] {
        program.sql(sql).await;
    }
    program
        .sql(format!(
            "UPDATE dependants SET \"deletedAt\" = {} WHERE \"id\" = '{dependant}'",
            now(program.engine())
        ))
        .await;
    wait_until_planned(&program).await;
    // What was captured is forgotten, so the same rows are found a second time.
    program.sql("DELETE FROM captured_rows").await;

    sweep(&running, &program).await;

    for id in [dependant, beneficiary, requirement, ambassador, policy] {
        let image = |healed: &str| {
            format!(
                "SELECT CAST(new_row AS TEXT) FROM change_log WHERE row_key = '{id}' AND healed = {healed} ORDER BY id DESC"
            )
        };
        let captured = program.one(image("FALSE")).await.expect("it was captured");
        let healed = program.one(image("TRUE")).await.expect("it was healed");
        assert_eq!(healed, captured);
    }
    running.shutdown().await;
}

async fn a_healed_change_is_planned_before_later_ones_of_its_row(mut world: World) {
    let (running, program, family) = settled(&mut world).await;
    let requirement = new_id();
    running.shutdown().await;
    switch_off(&program, "missing_requirements").await;
    program
        .sql(family.requirement(&requirement, "PENDING"))
        .await;
    switch_on(&world).await;
    // Nobody plans now. The row is healed, and only then comes the change that closes it; but its id is the lower one, as
    // when its transaction began before the sweep.
    let sweeper = pugmark::capture::gap::Sweeper::new(
        world.store.db().clone(),
        Mode::Live,
        &super::all_notes(),
    );
    assert_eq!(sweeper.sweep().await.expect("a sweep").healed, 1);
    program
        .sql(format!(
            "UPDATE missing_requirements SET \"status\" = 'RESOLVED' WHERE \"id\" = '{requirement}'"
        ))
        .await;
    let swap = match program.engine() {
        Engine::Sqlite => {
            "UPDATE change_log SET id = (SELECT MAX(id) + 1 FROM change_log) WHERE healed AND processed_at IS NULL"
        }
        Engine::Postgres => {
            "ALTER TABLE change_log ALTER COLUMN id SET GENERATED BY DEFAULT; \
             INSERT INTO change_log (id, table_name, row_key, event, old_row, new_row, correlation_id, healed) \
             SELECT id + 1000, table_name, row_key, event, old_row, new_row, correlation_id, healed FROM change_log \
             WHERE healed AND processed_at IS NULL; \
             DELETE FROM change_log WHERE healed AND processed_at IS NULL AND id < (SELECT MAX(id) FROM change_log)"
        }
    };
    program.sql(swap).await;

    let running = start_without_sweeps(&world).await;
    wait_until_planned(&program).await;
    let operations = program
        .one(format!(
            "SELECT CAST(MIN(CASE WHEN operation = 'CREATE' THEN lane_seq END) < MIN(CASE WHEN operation = 'DELETE' THEN lane_seq END) \
             AS TEXT) FROM vtiger_sync_queue WHERE entity_id = '{requirement}'"
        ))
        .await
        .expect("both are planned");
    assert!(
        ["1", "true"].contains(&operations.as_str()),
        "opened, then closed"
    );
    assert_eq!(
        sweep(&running, &program).await.healed,
        0,
        "what was captured last is what is there"
    );
    running.shutdown().await;
}

async fn in_shadow_mode_nothing_is_noted_and_live_mode_makes_the_tasks(mut world: World) {
    plan_only(&mut world);
    world.settings.mode = Mode::Shadow;
    let running = world.start().await;
    let program = world.other_program().await;
    let (family, open) = (Family::insert(&program).await, new_id());
    program.sql(family.requirement(&open, "PENDING")).await;
    wait_until_planned(&program).await;
    running.shutdown().await;
    assert_eq!(program.count("captured_rows").await, 0);
    assert_eq!(
        program
            .count("settings WHERE name LIKE 'capture.baseline.%'")
            .await,
        0
    );

    world.settings.mode = Mode::Live;
    let running = world.start().await;
    eventually("a second look at the open requirement", || async {
        (planned(&program, &["task.create"]).await.len() == 2).then_some(())
    })
    .await;
    running.shutdown().await;
}
