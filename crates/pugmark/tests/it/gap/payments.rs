//! Payments, which are compared by the sums of each customer.

use pugmark_queue::db::Engine;

use super::family::{Family, now};
use super::{
    plan_only, planned, start_without_sweeps, sweep, switch_off, switch_on, wait_until_planned,
};
use crate::harness::{World, Writer, on_both_databases};

on_both_databases!(
    payments_that_were_captured_are_never_healed,
    a_lost_payment_brings_the_figures_up_to_date_and_is_told_once,
    a_lost_detaching_is_told_once,
    a_payment_from_before_the_first_pass_is_never_told,
    without_notes_on_payments_only_the_figures_are_healed,
    payments_that_vanished_are_noticed,
    a_payment_that_waits_to_be_planned_is_not_lost,
);

async fn settled(world: &mut World) -> (pugmark::app::Running, Writer, Family) {
    plan_only(world);
    let running = start_without_sweeps(world).await;
    let program = world.other_program().await;
    let family = Family::insert(&program).await;
    let engine = program.engine();
    program
        .sql(family.payment(engine, "BEFORE1", "50", "COMPLETED"))
        .await;
    wait_until_planned(&program).await;
    assert_eq!(sweep(&running, &program).await.healed, 0, "the first pass");
    (running, program, family)
}

async fn notes(program: &Writer) -> usize {
    planned(program, &["note.create"]).await.len()
}

async fn payments_that_were_captured_are_never_healed(mut world: World) {
    let (running, program, family) = settled(&mut world).await;
    let engine = program.engine();
    for (receipt, amount, status) in [
        ("R1", "20.10", "COMPLETED"),
        ("R2", "0.05", "COMPLETED_PENDING_RECEIPT"),
        ("R3", "99.99", "PENDING_STK_CALLBACK"),
        ("R4", "1000", "OUTSTANDING"),
    ] {
        program
            .sql(family.payment(engine, receipt, amount, status))
            .await;
    }
    for (change, receipt) in [
        ("\"paymentStatus\" = 'COMPLETED', \"amount\" = 12.34", "R3"),
        ("\"paymentStatus\" = 'COMPLETED'", "R2"),
        ("\"paymentStatus\" = 'DETACHED'", "R1"),
        ("\"actualPaymentDate\" = NULL", "R3"),
    ] {
        program
            .sql(format!(
                "UPDATE policy_payments SET {change} WHERE \"transactionReference\" = '{receipt}'"
            ))
            .await;
    }
    program
        .sql("DELETE FROM policy_payments WHERE \"transactionReference\" = 'R2'")
        .await;
    wait_until_planned(&program).await;

    assert_eq!(sweep(&running, &program).await.healed, 0);
    let cents = program
        .one(format!(
            "SELECT CAST(payments || ' ' || cents AS TEXT) FROM captured_payments WHERE customer_id = '{}'",
            family.customer
        ))
        .await;
    assert_eq!(cents.as_deref(), Some("2 6234"));
    running.shutdown().await;
}

async fn a_lost_payment_brings_the_figures_up_to_date_and_is_told_once(mut world: World) {
    let (running, program, family) = settled(&mut world).await;
    let engine = program.engine();
    program
        .sql(family.payment(engine, "SEEN", "30", "COMPLETED"))
        .await;
    wait_until_planned(&program).await;
    let before = notes(&program).await;
    switch_off(&program, "policy_payments").await;
    program
        .sql(family.payment(engine, "LOST", "40.40", "COMPLETED"))
        .await;
    switch_on(&world).await;

    // The contact, and the payment that nobody saw.
    assert_eq!(sweep(&running, &program).await.healed, 2);
    assert_eq!(sweep(&running, &program).await.healed, 0);

    assert_eq!(notes(&program).await, before + 1);
    assert_eq!(
        program
            .count(&format!(
                "change_log WHERE healed AND table_name = 'customers' AND row_key = '{}'",
                family.customer
            ))
            .await,
        1
    );
    running.shutdown().await;
}

async fn a_lost_detaching_is_told_once(mut world: World) {
    let (running, program, family) = settled(&mut world).await;
    let engine = program.engine();
    program
        .sql(family.payment(engine, "R1", "30", "COMPLETED"))
        .await;
    wait_until_planned(&program).await;
    let before = notes(&program).await;
    switch_off(&program, "policy_payments").await;
    let detached_at = match engine {
        Engine::Sqlite => now(engine),
        Engine::Postgres => "now()".to_owned(),
    };
    program
        .sql(format!(
            "UPDATE policy_payments SET \"paymentStatus\" = 'DETACHED', \"detachedAt\" = {detached_at} \
             WHERE \"transactionReference\" = 'R1'"
        ))
        .await;

    assert_eq!(sweep(&running, &program).await.healed, 2);
    assert_eq!(sweep(&running, &program).await.healed, 0);
    assert_eq!(notes(&program).await, before + 1);
    let told = program
        .count(
            "vtiger_sync_queue WHERE kind = 'note.create' AND entity_id LIKE 'payment-detached:%'",
        )
        .await;
    assert_eq!(told, 1);
    running.shutdown().await;
}

async fn a_payment_from_before_the_first_pass_is_never_told(mut world: World) {
    plan_only(&mut world);
    start_without_sweeps(&world).await.shutdown().await;
    let program = world.other_program().await;
    let engine = program.engine();
    switch_off(&program, "policy_payments").await;
    let family = Family::insert(&program).await;
    let long_ago = super::family::instant(engine, 1_700_000_000);
    program
        .sql(family.payment(engine, "OLD", "10", "COMPLETED"))
        .await;
    program
        .sql(format!("UPDATE policy_payments SET \"createdAt\" = {long_ago}, \"actualPaymentDate\" = {long_ago}"))
        .await;
    let running = start_without_sweeps(&world).await;
    sweep(&running, &program).await;

    switch_off(&program, "policy_payments").await;
    program
        .sql(family.payment(engine, "NEW", "20", "COMPLETED"))
        .await;
    assert_eq!(sweep(&running, &program).await.healed, 2);

    assert_eq!(
        planned(&program, &["note.create"]).await.len(),
        1,
        "the new one alone"
    );
    running.shutdown().await;
}

async fn without_notes_on_payments_only_the_figures_are_healed(mut world: World) {
    let (running, program, family) = settled(&mut world).await;
    switch_off(&program, "policy_payments").await;
    program
        .sql(family.payment(program.engine(), "LOST", "40.40", "COMPLETED"))
        .await;

    let swept = pugmark::capture::gap::sweep(&running.db)
        .await
        .expect("a sweep");

    assert_eq!(swept.healed, 1);
    assert_eq!(
        program
            .count("change_log WHERE healed AND table_name = 'policy_payments'")
            .await,
        0
    );
    running.shutdown().await;
}

async fn payments_that_vanished_are_noticed(mut world: World) {
    let (running, program, family) = settled(&mut world).await;
    switch_off(&program, "policy_payments").await;
    program.sql("DELETE FROM policy_payments").await;

    assert_eq!(sweep(&running, &program).await.healed, 1);
    assert_eq!(sweep(&running, &program).await.healed, 0);
    assert_eq!(
        program
            .count(&format!(
                "change_log WHERE healed AND row_key = '{}'",
                family.customer
            ))
            .await,
        1
    );
    running.shutdown().await;
}

async fn a_payment_that_waits_to_be_planned_is_not_lost(mut world: World) {
    let (running, program, family) = settled(&mut world).await;
    running.shutdown().await;
    let engine = program.engine();
    program
        .sql(family.payment(engine, "R1", "30.30", "COMPLETED"))
        .await;
    program
        .sql("UPDATE policy_payments SET \"amount\" = 31 WHERE \"transactionReference\" = 'R1'")
        .await;

    let db = world.store.db();
    assert_eq!(
        pugmark::capture::gap::sweep(db)
            .await
            .expect("a sweep")
            .healed,
        0
    );
    let running = start_without_sweeps(&world).await;
    wait_until_planned(&program).await;
    assert_eq!(sweep(&running, &program).await.healed, 0);
    running.shutdown().await;
}
