//! A task waits for the contact of its customer, and goes on when there is one, however that comes to be known.

use std::time::Duration;

use pugmark_sandbox::{Fault, FaultPlan};
use sqlx::{Connection, PgConnection};

use super::{assert_nothing_died, tasks};
use crate::harness::{World, Writer, eventually, on_both_databases};

on_both_databases!(it_goes_on_although_the_attempt_that_found_the_contact_ended_unclear);

/// Waits until `there` rows are as told.
async fn wait_for(program: &Writer, there: i64, from_where: &str) {
    eventually(from_where, || async {
        (program.count(from_where).await == there).then_some(())
    })
    .await;
}

async fn it_goes_on_although_the_attempt_that_found_the_contact_ended_unclear(mut world: World) {
    let crm = world.crm_settings();
    crm.call_timeout = Duration::from_millis(700);
    crm.longest_execution = Duration::from_millis(300);
    let running = world.start().await;
    let program = world.other_program().await;
    let unclear = Fault::HttpAfterEffect(504);
    let plan = FaultPlan::new(1)
        .nth("create", 1, unclear.clone())
        .nth("revise", 1, unclear);
    world.crm.faults().set(plan);
    let customer = program.insert_customer("Otieno").await;
    wait_for(
        &program,
        1,
        "vtiger_sync_queue WHERE unknown_at IS NOT NULL",
    )
    .await;
    for kind in ["customer.create", "customer.update"] {
        running.queue.pause(kind, "test").await.expect("paused");
    }
    // The next attempt finds the contact, has something to revise, and does not learn what became of that.
    program.set(&customer, "lastName", "'Mutua'").await;
    let registration = program.register(&customer).await;
    program
        .require(&registration, "CUSTOMER", None, "dateOfBirth")
        .await;
    wait_for(
        &program,
        1,
        "vtiger_sync_queue WHERE blocked_by LIKE 'CUSTOMER:%'",
    )
    .await;
    for kind in ["customer.create", "customer.update"] {
        running.queue.resume(kind).await.expect("resumed");
    }
    program.wait_until_idle().await;

    assert_eq!(world.crm.faults().injected(), 2);
    assert_eq!(tasks(&world).len(), 1);
    assert_nothing_died(&program).await;
    running.shutdown().await;
}

/// SQLite has one writer: there nothing can be linked while somebody else is about to commit.
#[tokio::test]
async fn it_goes_on_although_the_contact_is_linked_while_it_begins_to_wait() {
    let Some(world) = World::postgres().await else {
        return;
    };
    let running = world.start().await;
    let program = world.other_program().await;
    running
        .queue
        .pause("customer.create", "test")
        .await
        .expect("paused");
    let customer = program.insert_customer("Otieno").await;
    let registration = program.register(&customer).await;
    wait_for(
        &program,
        1,
        &format!("crm_links WHERE entity_id = '{customer}'"),
    )
    .await;
    let contact = world
        .crm
        .insert_as_ui("Contacts", &[("lastname", "Otieno")])
        .expect("a contact");
    // Linked, but not committed: whoever looks sees no contact, and whoever links sees nobody wait.
    let mut linking = PgConnection::connect(world.store.url())
        .await
        .expect("a connection");
    let link = format!(
        "BEGIN; UPDATE pugmark.crm_links SET vtiger_id = '{contact}' WHERE entity_id = '{customer}'"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(link))
        .execute(&mut linking)
        .await
        .expect("linked");
    program
        .require(&registration, "CUSTOMER", None, "dateOfBirth")
        .await;
    wait_for(
        &program,
        1,
        "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    )
    .await;
    sqlx::raw_sql("COMMIT")
        .execute(&mut linking)
        .await
        .expect("committed");
    eventually("the task", || async { tasks(&world).pop() }).await;
    running.shutdown().await;
}
