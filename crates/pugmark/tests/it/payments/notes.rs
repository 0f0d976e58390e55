//! Payments as notes on the contact, where the operator wants them told: each once, whatever happens to its row.

use super::{NewPayment, notes_on};
use crate::harness::{World, on_both_databases};

on_both_databases!(
    a_payment_is_told_once_and_so_is_its_detaching,
    payments_are_not_told_unless_the_operator_wants_it,
);

async fn a_payment_is_told_once_and_so_is_its_detaching(mut world: World) {
    world.settings.insurance.notes.significant = ["payment.completed", "payment.detached"]
        .map(str::to_owned)
        .into();
    let running = world.start().await;
    let program = world.other_program().await;
    let (customer, policy) = program.member("Otieno").await;
    program
        .pay(NewPayment::prompt(
            &policy,
            "PENDING-STK-1",
            "2026-11-17T08:00:00",
        ))
        .await;
    let at = program.time("2026-11-17T00:30:00");
    program
        .change_payment(
            "PENDING-STK-1",
            &format!(
                "\"paymentStatus\" = 'COMPLETED', \"amount\" = 1250.5, \"actualPaymentDate\" = {at}, \
                 \"transactionReference\" = 'SGL31HA2Q1'"
            ),
        )
        .await;
    // The same row is paid once, whatever else becomes of it.
    let seconds_later = program.time("2026-11-17T00:30:07");
    for set in [
        format!("\"actualPaymentDate\" = {seconds_later}"),
        "\"paymentStatus\" = 'PENDING_STK_CALLBACK'".to_owned(),
        "\"paymentStatus\" = 'COMPLETED'".to_owned(),
    ] {
        program.change_payment("SGL31HA2Q1", &set).await;
    }
    program
        .change_payment(
            "SGL31HA2Q1",
            &format!(
                "\"paymentStatus\" = 'DETACHED', \"detachedAt\" = {at}, \"transactionReference\" = '[d]1-SGL31HA2Q1'"
            ),
        )
        .await;
    program.wait_until_idle().await;

    let contact = world.contact_of(&customer).expect("a contact");
    let notes = notes_on(&world, &contact);
    assert_eq!(notes.len(), 2, "{notes:#?}");
    assert!(
        notes[0].starts_with("Payment of KES 1,250.50 received on 17 Nov 2026 (SGL31HA2Q1)\n[MB-"),
        "{notes:#?}"
    );
    assert!(
        notes[1].starts_with("Payment of KES 1,250.50 was taken off (SGL31HA2Q1)\n[MB-"),
        "{notes:#?}"
    );
    running.shutdown().await;
}

async fn payments_are_not_told_unless_the_operator_wants_it(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let (customer, policy) = program.member("Otieno").await;
    program
        .pay(NewPayment::paid(
            &policy,
            "SGL31HA2Q1",
            "50",
            "2026-11-17T08:00:00",
        ))
        .await;
    program.wait_until_idle().await;
    let contact = world.contact_of(&customer).expect("a contact");
    assert_eq!(notes_on(&world, &contact), Vec::<String>::new());
    running.shutdown().await;
}
