//! Capture: whatever program writes a row, and however, the change is noticed once, and only if it is one.

use std::time::Duration;

use pugmark::capture::gap::{self, Sweep};
use pugmark_queue::db::Engine;

use crate::harness::{
    PATIENCE, Session, Traffic, World, Writer, customer_values, eventually, insert_statement,
    new_id, on_both_databases,
};

on_both_databases!(
    each_row_of_an_insert_of_many_is_captured,
    a_write_that_is_rolled_back_is_not_captured,
    an_update_that_changes_nothing_is_not_captured,
    two_programs_that_take_turns_are_both_captured,
    a_status_that_nobody_knows_yet_comes_through,
    what_was_written_without_triggers_is_healed_and_nothing_else,
    rows_that_all_went_at_once_have_their_contacts_marked,
    a_withdrawn_test_customer_is_not_healed_for_ever,
    changes_that_waited_through_a_restart_are_delivered,
    a_customer_who_came_and_went_within_the_settle_time_costs_no_call,
    several_edits_within_the_settle_time_are_one_create_and_no_revise,
);

/// Makes the tables and triggers, and leaves nothing running.
async fn set_up(world: &World) {
    world.start().await.shutdown().await;
}

/// Drops or disables every capture trigger, as a careless restore does.
async fn switch_capture_off(program: &Writer) {
    match program.engine() {
        Engine::Sqlite => {
            for event in ["insert", "update", "delete"] {
                program
                    .sql(format!("DROP TRIGGER pugmark_customers_{event}"))
                    .await;
            }
        }
        Engine::Postgres => {
            program
                .sql("ALTER TABLE customers DISABLE TRIGGER USER")
                .await
        }
    }
}

async fn each_row_of_an_insert_of_many_is_captured(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let ids: Vec<String> = (0..20).map(|_| new_id()).collect();
    let rows: Vec<String> = ids
        .iter()
        .map(|id| format!("({})", customer_values(id, "Kamau")))
        .collect();
    program
        .sql(format!(
            "INSERT INTO customers (\"id\", \"firstName\", \"lastName\", \"phoneNumber\", \"dateOfBirth\", \"gender\", \
             \"idType\", \"idNumber\", \"status\") VALUES {}",
            rows.join(", ")
        ))
        .await;

    for id in &ids {
        world.wait_for_contact(id, |_| true).await;
    }
    program.wait_until_idle().await;

    assert_eq!(program.count("change_log WHERE event = 'INSERT'").await, 20);
    assert_eq!(world.crm.journal().count_created("Contacts"), 20);
    running.shutdown().await;
}

async fn a_write_that_is_rolled_back_is_not_captured(world: World) {
    set_up(&world).await;
    let (program, mut session) = (world.other_program().await, Session::open(&world).await);
    session.run("BEGIN").await;
    session.run(&insert_statement(&new_id(), "Kamau")).await;
    session.run("ROLLBACK").await;
    assert_eq!(program.count("change_log").await, 0);
}

async fn an_update_that_changes_nothing_is_not_captured(world: World) {
    set_up(&world).await;
    let (program, mut session) = (world.other_program().await, Session::open(&world).await);
    let customer = new_id();
    session.run(&insert_statement(&customer, "Kamau")).await;
    let now = match program.engine() {
        Engine::Sqlite => "1",
        Engine::Postgres => "now()",
    };
    // What a form sends: every value as it was, and the columns that the application always rewrites.
    session
        .run(&format!(
            "UPDATE customers SET \"firstName\" = 'Achieng', \"lastName\" = 'Kamau', \"email\" = NULL, \
             \"middleName\" = NULL, \"status\" = 'PENDING_ACTIVATION', \"dateOfBirth\" = '1990-04-12', \
             \"hasMissingRequirements\" = TRUE, \"updatedBy\" = 'someone', \"defaultMessagingLanguage\" = 'sw', \
             \"portalPinSetupCompletedAt\" = {now}, \"updatedAt\" = {now} WHERE \"id\" = '{customer}'"
        ))
        .await;
    assert_eq!(program.count("change_log WHERE event = 'UPDATE'").await, 0);

    session
        .run(&format!(
            "UPDATE customers SET \"email\" = 'a@b.co.ke' WHERE \"id\" = '{customer}'"
        ))
        .await;
    assert_eq!(program.count("change_log WHERE event = 'UPDATE'").await, 1);
    session
        .run(&format!(
            "UPDATE customers SET \"email\" = NULL WHERE \"id\" = '{customer}'"
        ))
        .await;
    assert_eq!(program.count("change_log WHERE event = 'UPDATE'").await, 2);
}

async fn two_programs_that_take_turns_are_both_captured(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let (mut one, mut two) = (Session::open(&world).await, Session::open(&world).await);
    let (first, second, gone) = (new_id(), new_id(), new_id());
    one.run(&insert_statement(&first, "Kamau")).await;
    two.run(&insert_statement(&second, "Otieno")).await;
    one.run(&insert_statement(&gone, "Were")).await;
    for (session, statement) in [
        (
            2,
            format!("UPDATE customers SET \"lastName\" = 'Mutua' WHERE \"id\" = '{first}'"),
        ),
        (
            1,
            format!(
                "UPDATE customers SET \"email\" = 'otieno@example.co.ke' WHERE \"id\" = '{second}'"
            ),
        ),
        (
            2,
            format!("UPDATE customers SET \"idNumber\" = '777777' WHERE \"id\" = '{first}'"),
        ),
        (
            1,
            format!("UPDATE customers SET \"status\" = 'ACTIVE' WHERE \"id\" = '{second}'"),
        ),
        (2, format!("DELETE FROM customers WHERE \"id\" = '{gone}'")),
    ] {
        let session = if session == 1 { &mut one } else { &mut two };
        session.run(&statement).await;
    }
    program.wait_until_idle().await;

    let first = world.contact_of(&first).expect("a contact");
    assert_eq!(
        (
            first.value("lastname"),
            first.value(&world.field("ID Number"))
        ),
        ("Mutua", "777777")
    );
    let second = world.contact_of(&second).expect("a contact");
    assert_eq!(
        (
            second.value("email"),
            second.value(&world.field("MicroBima Status"))
        ),
        ("otieno@example.co.ke", "Active")
    );
    let gone = world.contact_of(&gone);
    assert!(
        gone.is_none_or(|contact| contact.value(&world.field("MicroBima Status")) == "Deleted")
    );
    running.shutdown().await;
}

async fn a_status_that_nobody_knows_yet_comes_through(world: World) {
    let running = world.start().await;
    let (program, mut session) = (world.other_program().await, Session::open(&world).await);
    let customer = program.insert_customer("Kamau").await;
    if program.engine() == Engine::Postgres {
        session
            .run("ALTER TYPE \"CustomerStatus\" ADD VALUE 'ACTIVE_GRACE'")
            .await;
        session
            .run("ALTER TYPE \"Gender\" ADD VALUE 'NOT_ASKED'")
            .await;
    }
    session
        .run(&format!("UPDATE customers SET \"status\" = 'ACTIVE_GRACE', \"gender\" = 'NOT_ASKED' WHERE \"id\" = '{customer}'"))
        .await;

    let status = world.field("MicroBima Status");
    let contact = world
        .wait_for_contact(&customer, |contact| {
            contact.value(&status) == "Active grace"
        })
        .await;
    assert_eq!(contact.value(&world.field("Gender")), "Not asked");
    running.shutdown().await;
}

async fn what_was_written_without_triggers_is_healed_and_nothing_else(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let (untouched, edited, deleted) = (
        program.insert_customer("Kamau").await,
        program.insert_customer("Otieno").await,
        program.insert_customer("Were").await,
    );
    program.wait_until_idle().await;
    running.shutdown().await;
    let before = world.traffic();

    switch_capture_off(&program).await;
    let unseen = program.insert_customer("Mutua").await;
    let unseen_test = new_id();
    program.insert_customer_as(&unseen_test, "Test", true).await;
    program
        .set(&edited, "email", "'otieno@example.co.ke'")
        .await;
    program
        .sql(format!("DELETE FROM customers WHERE \"id\" = '{deleted}'"))
        .await;
    assert_eq!(
        program.count("change_log WHERE processed_at IS NULL").await,
        0,
        "no trigger saw it"
    );

    let running = world.start().await;
    world.wait_for_contact(&unseen, |_| true).await;
    world
        .wait_for_contact(&edited, |contact| {
            contact.value("email") == "otieno@example.co.ke"
        })
        .await;
    let status = world.field("MicroBima Status");
    world
        .wait_for_contact(&deleted, |contact| contact.value(&status) == "Deleted")
        .await;
    program.wait_until_idle().await;

    assert_eq!(
        program
            .count("change_log WHERE correlation_id LIKE 'gap-sweep-%'")
            .await,
        3
    );
    let untouched = world.contact_of(&untouched).expect("a contact");
    assert_eq!(world.crm.journal().effects_on(&untouched.id).len(), 1);
    assert!(world.contact_of(&unseen_test).is_none());
    let calls = world.traffic() - before;
    assert_eq!((calls.create, calls.revise), (1, 2));
    let again = gap::sweep(&running.db).await.expect("a sweep");
    assert_eq!(again, Sweep { rows: 4, healed: 0 });
    // Capture itself is mended, too.
    program.set(&edited, "lastName", "'Odhiambo'").await;
    world
        .wait_for_contact(&edited, |contact| contact.value("lastname") == "Odhiambo")
        .await;
    running.shutdown().await;
}

async fn rows_that_all_went_at_once_have_their_contacts_marked(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customers = [
        program.insert_customer("Kamau").await,
        program.insert_customer("Otieno").await,
    ];
    program.wait_until_idle().await;

    // TRUNCATE fires no trigger for the rows; its mark has the sweep look at once.
    program
        .sql(match program.engine() {
            Engine::Sqlite => "DELETE FROM customers",
            Engine::Postgres => "TRUNCATE customers CASCADE",
        })
        .await;

    let status = world.field("MicroBima Status");
    for customer in &customers {
        let contact = world
            .wait_for_contact(customer, |contact| contact.value(&status) == "Deleted")
            .await;
        assert_eq!(
            contact.value("firstname"),
            "Achieng",
            "all the rest is kept"
        );
    }
    program.wait_until_idle().await;
    assert_eq!(
        gap::sweep(&running.db).await.expect("a sweep").healed,
        0,
        "what is marked is not marked again"
    );
    running.shutdown().await;
}

async fn a_withdrawn_test_customer_is_not_healed_for_ever(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    program.wait_until_idle().await;
    program.set(&customer, "isTestUser", "TRUE").await;
    program.wait_until_idle().await;

    assert_eq!(gap::sweep(&running.db).await.expect("a sweep").healed, 0);
    running.shutdown().await;
}

async fn changes_that_waited_through_a_restart_are_delivered(world: World) {
    set_up(&world).await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    program
        .set(&customer, "email", "'kamau@example.co.ke'")
        .await;
    assert_eq!(
        program.count("change_log WHERE processed_at IS NULL").await,
        2
    );

    let running = world.start().await;
    world
        .wait_for_contact(&customer, |contact| {
            contact.value("email") == "kamau@example.co.ke"
        })
        .await;
    program.wait_until_idle().await;
    assert_eq!(
        world.traffic(),
        Traffic {
            create: 1,
            ..Traffic::default()
        }
    );
    running.shutdown().await;
}

async fn a_customer_who_came_and_went_within_the_settle_time_costs_no_call(mut world: World) {
    world.settings.capture.settle = Duration::from_secs(2);
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    // Only when the create is queued is its settle time of any use.
    eventually("a queued create", || async {
        (program
            .count("vtiger_sync_queue WHERE kind = 'customer.create'")
            .await
            == 1)
            .then_some(())
    })
    .await;
    program
        .sql(format!("DELETE FROM customers WHERE \"id\" = '{customer}'"))
        .await;
    program.wait_until_idle().await;

    assert_eq!(world.traffic(), Traffic::default());
    assert_eq!(world.crm.journal().count_created("Contacts"), 0);
    running.shutdown().await;
}

async fn several_edits_within_the_settle_time_are_one_create_and_no_revise(mut world: World) {
    world.settings.capture.settle = Duration::from_secs(2);
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    for name in ["Mutua", "Otieno", "Were"] {
        program
            .set(&customer, "lastName", &format!("'{name}'"))
            .await;
    }
    program.set(&customer, "status", "'ACTIVE'").await;
    program.wait_until_idle().await;

    let contact = world.contact_of(&customer).expect("a contact");
    assert_eq!(
        (
            contact.value("lastname"),
            contact.value(&world.field("MicroBima Status"))
        ),
        ("Were", "Active")
    );
    assert_eq!(
        world.traffic(),
        Traffic {
            create: 1,
            ..Traffic::default()
        }
    );
    running.shutdown().await;
}

/// What only PostgreSQL can do.
mod postgres_alone {
    pub(super) mod postgres {
        use super::super::*;

        #[tokio::test]
        async fn a_role_without_rights_on_the_schema_can_write_and_is_captured() {
            let Some(world) = World::postgres().await else {
                return;
            };
            let running = world.start().await;
            let (program, mut session) = (world.other_program().await, Session::open(&world).await);
            let role = format!("pugmark_writer_{}", new_id().replace('-', ""));
            session.run(&format!("CREATE ROLE {role}; GRANT SELECT, INSERT, UPDATE, DELETE ON customers TO {role}")).await;
            session.run(&format!("SET ROLE {role}")).await;
            let refused = session.try_run("SELECT 1 FROM pugmark.change_log").await;
            let customer = new_id();
            let written = session.try_run(&insert_statement(&customer, "Kamau")).await;
            let edited = session
                .try_run(&format!(
                    "UPDATE customers SET \"lastName\" = 'Mutua' WHERE \"id\" = '{customer}'"
                ))
                .await;
            session
                .run(&format!(
                    "RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}"
                ))
                .await;

            assert!(
                refused.is_err(),
                "the role must have no rights, or the test shows nothing"
            );
            written.expect("the role may write customers");
            edited.expect("the role may edit customers");
            world
                .wait_for_contact(&customer, |contact| contact.value("lastname") == "Mutua")
                .await;
            program.wait_until_idle().await;
            running.shutdown().await;
        }

        #[tokio::test]
        async fn a_change_that_commits_late_with_a_lower_id_is_not_skipped() {
            let Some(world) = World::postgres().await else {
                return;
            };
            let running = world.start().await;
            let program = world.other_program().await;
            let (mut slow, mut quick) = (Session::open(&world).await, Session::open(&world).await);
            let (early_id, late_id) = (new_id(), new_id());
            slow.run("BEGIN").await;
            slow.run(&insert_statement(&early_id, "Slow")).await;
            quick.run(&insert_statement(&late_id, "Quick")).await;
            world.wait_for_contact(&late_id, |_| true).await;
            slow.run("COMMIT").await;

            world.wait_for_contact(&early_id, |_| true).await;
            let ids = program
                .one(
                    "SELECT CAST((SELECT id FROM change_log WHERE row_key = '".to_owned()
                        + &early_id
                        + "') < (SELECT id FROM change_log WHERE row_key = '"
                        + &late_id
                        + "') AS TEXT)",
                )
                .await;
            assert_eq!(
                ids.as_deref(),
                Some("true"),
                "the late commit must have had the lower id, or the test shows nothing"
            );
            running.shutdown().await;
        }

        #[tokio::test]
        async fn a_capture_that_cannot_write_does_not_break_the_write_of_the_host() {
            let Some(world) = World::postgres().await else {
                return;
            };
            set_up(&world).await;
            let program = world.other_program().await;
            program
                .sql("ALTER TABLE pugmark.change_log RENAME TO change_log_away")
                .await;
            let customer = program.insert_customer("Kamau").await;
            program
                .sql("ALTER TABLE pugmark.change_log_away RENAME TO change_log")
                .await;
            assert_eq!(program.count("change_log").await, 0);

            let running = world.start().await;
            world
                .wait_for_contact(&customer, |contact| contact.value("lastname") == "Kamau")
                .await;
            running.shutdown().await;
        }
    }
}

/// What only SQLite lets a program write.
mod sqlite_alone {
    pub(super) mod sqlite {
        use super::super::*;

        #[tokio::test]
        async fn a_value_that_json_cannot_hold_does_not_break_the_write_of_the_host() {
            let world = World::sqlite().await;
            set_up(&world).await;
            let (program, mut session) = (world.other_program().await, Session::open(&world).await);
            let customer = new_id();
            session.run(&insert_statement(&customer, "Kamau")).await;
            session
                .run(&format!(
                    "UPDATE customers SET \"email\" = x'00ff10' WHERE \"id\" = '{customer}'"
                ))
                .await;
            session
                .run(&format!(
                    "UPDATE customers SET \"email\" = 9e999 WHERE \"id\" = '{customer}'"
                ))
                .await;
            session
                .run(&format!(
                    "DELETE FROM customers WHERE \"id\" = '{customer}'"
                ))
                .await;
            assert_eq!(program.count("change_log").await, 4);
        }

        #[tokio::test]
        async fn a_row_that_cannot_be_read_is_reported_and_stops_nobody_else() {
            let world = World::sqlite().await;
            set_up(&world).await;
            let (program, mut session) = (world.other_program().await, Session::open(&world).await);
            let unreadable = [new_id(), new_id(), new_id()];
            for (id, (column, value)) in unreadable.iter().zip([
                ("lastName", "CAST(x'4bff6d' AS TEXT)"),
                ("email", "x'00ff10'"),
                ("isTestUser", "'perhaps'"),
            ]) {
                session.run(&insert_statement(id, "Odd")).await;
                session
                    .run(&format!(
                        "UPDATE customers SET \"{column}\" = {value} WHERE \"id\" = '{id}'"
                    ))
                    .await;
            }
            let readable = program.insert_customer("Kamau").await;

            let running = world.start().await;
            world.wait_for_contact(&readable, |_| true).await;
            for id in &unreadable {
                program.wait_for_trouble(id, "PUG-1201").await;
                assert!(world.contact_of(id).is_none());
            }
            // The sweep gets past them, too.
            switch_capture_off(&program).await;
            program.set(&readable, "lastName", "'Mutua'").await;
            assert_eq!(gap::sweep(&running.db).await.expect("a sweep").healed, 1);
            world
                .wait_for_contact(&readable, |contact| contact.value("lastname") == "Mutua")
                .await;
            running.shutdown().await;
        }

        #[tokio::test]
        async fn a_row_that_was_replaced_is_brought_in_step() {
            let world = World::sqlite().await;
            let running = world.start().await;
            let (program, mut session) = (world.other_program().await, Session::open(&world).await);
            let customer = program.insert_customer("Kamau").await;
            program.wait_until_idle().await;
            session
                .run(&insert_statement(&customer, "Mutua").replacen(
                    "INSERT",
                    "INSERT OR REPLACE",
                    1,
                ))
                .await;

            let contact = world
                .wait_for_contact(&customer, |contact| contact.value("lastname") == "Mutua")
                .await;
            assert_eq!(contact.value("firstname"), "Achieng");
            assert!(
                world
                    .crm
                    .journal()
                    .wait_until(|journal| journal.count_calls(Some("revise")) == 1, PATIENCE)
                    .await
            );
            assert_eq!(world.calls("create"), 1);
            running.shutdown().await;
        }
    }
}
