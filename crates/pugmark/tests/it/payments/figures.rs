//! The figures that a contact shows are those of the rows, and cost no call more than needed.

use super::{NewPayment, ever, showing_payments, shown};
use crate::harness::{Traffic, World, eventually, on_both_databases};

on_both_databases!(
    a_payment_is_shown_on_the_contact,
    cents_add_up_exactly,
    payments_of_a_while_reach_the_contact_in_one_call,
    a_customer_without_payments_shows_zeros_from_the_start_and_costs_nothing_more,
    a_contact_that_is_older_than_the_fields_gets_true_values_with_its_next_delivery,
    where_the_crm_has_no_such_fields_payments_cost_no_call,
    a_crm_with_one_of_the_fields_gets_that_one,
    a_field_of_another_kind_gets_what_it_can_hold,
    an_amount_that_is_too_large_for_its_field_is_told_and_the_rest_is_sent,
);

async fn a_payment_is_shown_on_the_contact(world: World) {
    let world = showing_payments(world).await;
    let running = world.start().await;
    let program = world.other_program().await;
    let (customer, policy) = program.member("Otieno").await;
    program
        .pay(NewPayment::paid(
            &policy,
            "SGL31HA2Q1",
            "250.50",
            "2026-11-17T08:15:30",
        ))
        .await;
    let contact = world
        .wait_for_contact(&customer, |contact| shown(contact, "Payment Count") == "1")
        .await;

    assert_eq!(ever(&contact), ("1", "250.50", "2026-11-17"));
    running.shutdown().await;
}

async fn cents_add_up_exactly(world: World) {
    let world = showing_payments(world).await;
    let running = world.start().await;
    let program = world.other_program().await;
    let (customer, policy) = program.member("Otieno").await;
    // As floating-point numbers these come to 1000.1500000000001 or the like.
    for (number, amount) in ["0.10", "0.20", "19.99", "1.01", "978.85"]
        .iter()
        .enumerate()
    {
        let reference = format!("SGL31HA2Q{number}");
        program
            .pay(NewPayment::paid(
                &policy,
                &reference,
                amount,
                "2026-11-17T08:00:00",
            ))
            .await;
    }
    let contact = world
        .wait_for_contact(&customer, |contact| shown(contact, "Payment Count") == "5")
        .await;

    assert_eq!(shown(&contact, "Payment Total"), "1000.15");
    running.shutdown().await;
}

async fn payments_of_a_while_reach_the_contact_in_one_call(world: World) {
    let world = showing_payments(world).await;
    let running = world.start().await;
    let program = world.other_program().await;
    let (customer, policy) = program.member("Otieno").await;
    program.wait_until_idle().await;
    let before = world.traffic();
    running
        .queue
        .pause("customer.update", "test")
        .await
        .expect("paused");
    for number in 0..20 {
        let reference = format!("SGL31HA2{number:02}");
        program
            .pay(NewPayment::paid(
                &policy,
                &reference,
                "50",
                "2026-11-17T08:00:00",
            ))
            .await;
    }
    eventually("twenty planned payments", || async {
        let planned =
            "change_log WHERE table_name = 'policy_payments' AND processed_at IS NOT NULL";
        (program.count(planned).await == 20).then_some(())
    })
    .await;
    running
        .queue
        .resume("customer.update")
        .await
        .expect("resumed");
    program.wait_until_idle().await;

    let contact = world.contact_of(&customer).expect("a contact");
    assert_eq!(ever(&contact), ("20", "1000.00", "2026-11-17"));
    let one_call = Traffic {
        revise: 1,
        ..Traffic::default()
    };
    assert_eq!(world.traffic() - before, one_call);
    running.shutdown().await;
}

async fn a_customer_without_payments_shows_zeros_from_the_start_and_costs_nothing_more(
    world: World,
) {
    let world = showing_payments(world).await;
    let running = world.start().await;
    let program = world.other_program().await;
    let (customer, policy) = program.member("Otieno").await;
    program.wait_until_idle().await;
    let contact = world.contact_of(&customer).expect("a contact");
    assert_eq!(ever(&contact), ("0", "0.00", ""));

    // An unpaid slot, a prompt that comes to nothing, and an edit that is taken back: all looked at, nothing to say.
    for (reference, status) in [
        ("OUTSTANDING-0123456789ab-1", "OUTSTANDING"),
        ("PENDING-STK-1", "PENDING_STK_CALLBACK"),
    ] {
        let unpaid = NewPayment {
            status,
            ..NewPayment::prompt(&policy, reference, "2026-11-17T08:00:00")
        };
        program.pay(unpaid).await;
    }
    program
        .set(&customer, "hasMissingRequirements", "TRUE")
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

async fn a_contact_that_is_older_than_the_fields_gets_true_values_with_its_next_delivery(
    world: World,
) {
    let world = showing_payments(world).await;
    pugmark::store::migrate(world.store.db())
        .await
        .expect("migrated");
    let program = world.other_program().await;
    let ours = "microbima_field LIKE '%ayment%'";
    program
        .sql(format!(
            "UPDATE vtiger_custom_field_mapping SET is_active = FALSE WHERE {ours}"
        ))
        .await;
    let running = world.start().await;
    let (paying, policy) = program.member("Otieno").await;
    let (idle, _) = program.member("Were").await;
    program
        .pay(NewPayment::paid(
            &policy,
            "SGL31HA2Q1",
            "50",
            "2026-11-17T08:00:00",
        ))
        .await;
    program.wait_until_idle().await;
    let filled = world
        .crm
        .records("Contacts")
        .iter()
        .any(|contact| shown(contact, "Payment Count") == "1");
    assert!(!filled, "nothing is mapped yet");

    program
        .sql(format!(
            "UPDATE vtiger_custom_field_mapping SET is_active = TRUE WHERE {ours}"
        ))
        .await;
    let before = world.traffic();
    for customer in [&paying, &idle] {
        program.set(customer, "phoneNumber", "'0799000111'").await;
    }
    program.wait_until_idle().await;
    assert_eq!(
        ever(&world.contact_of(&paying).expect("a contact")),
        ("1", "50.00", "2026-11-17")
    );
    assert_eq!(
        ever(&world.contact_of(&idle).expect("a contact")),
        ("0", "0.00", "")
    );

    // What is known to be there is not sent again.
    for customer in [&paying, &idle] {
        program.set(customer, "phoneNumber", "'0799000222'").await;
    }
    program.wait_until_idle().await;
    let traffic = world.traffic() - before;
    assert_eq!(
        traffic,
        Traffic {
            revise: 4,
            ..Traffic::default()
        }
    );
    let last = world
        .crm
        .journal()
        .effects_on(&world.contact_of(&idle).expect("a contact").id);
    let pugmark_sandbox::JournalKind::Revised { changed, .. } =
        &last.last().expect("an effect").kind
    else {
        panic!("the last effect is a revise: {last:?}");
    };
    assert_eq!(changed.keys().collect::<Vec<_>>(), ["mobile"]);
    running.shutdown().await;
}

async fn where_the_crm_has_no_such_fields_payments_cost_no_call(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let (customer, policy) = program.member("Otieno").await;
    program.wait_until_idle().await;
    let before = world.traffic();
    program
        .pay(NewPayment::paid(
            &policy,
            "SGL31HA2Q1",
            "50",
            "2026-11-17T08:00:00",
        ))
        .await;
    program.wait_until_idle().await;

    assert_eq!(world.traffic() - before, Traffic::default());
    assert_eq!(
        program.link(&customer, "warnings").await.as_deref(),
        Some("[]"),
        "nobody is bothered with it"
    );
    running.shutdown().await;
}

async fn a_crm_with_one_of_the_fields_gets_that_one(world: World) {
    use pugmark_sandbox::{CustomField, CustomFieldKind};
    let only = CustomField::new("Contacts", "Last Payment Date", CustomFieldKind::Date)
        .named("cf_last_payment_date");
    let world = world
        .before(crate::harness::sandbox().custom_field(only))
        .await;
    let running = world.start().await;
    let program = world.other_program().await;
    let (customer, policy) = program.member("Otieno").await;
    program
        .pay(NewPayment::paid(
            &policy,
            "SGL31HA2Q1",
            "50",
            "2026-11-17T23:59:59.999",
        ))
        .await;
    world
        .wait_for_contact(&customer, |contact| {
            contact.value("cf_last_payment_date") == "2026-11-17"
        })
        .await;
    running.shutdown().await;
}

async fn a_field_of_another_kind_gets_what_it_can_hold(world: World) {
    use pugmark_sandbox::{CustomField, CustomFieldKind};
    let text = |label: &str| CustomField::new("Contacts", label, CustomFieldKind::Text);
    let crm = crate::harness::sandbox()
        .custom_field(text("Payment Total").named("cf_payment_total"))
        .custom_field(text("Last Payment Date").named("cf_last_payment_date"))
        .custom_field(
            CustomField::new(
                "Contacts",
                "Payment Count",
                CustomFieldKind::Decimal {
                    digits: 8,
                    scale: 2,
                },
            )
            .named("cf_payment_count"),
        );
    let world = world.before(crm).await;
    let running = world.start().await;
    let program = world.other_program().await;
    let (customer, policy) = program.member("Otieno").await;
    program
        .pay(NewPayment::paid(
            &policy,
            "SGL31HA2Q1",
            "1234.5",
            "2026-11-17T08:00:00",
        ))
        .await;
    let contact = world
        .wait_for_contact(&customer, |contact| {
            contact.value("cf_payment_count") == "1.00"
        })
        .await;
    assert_eq!(
        (
            contact.value("cf_payment_total"),
            contact.value("cf_last_payment_date")
        ),
        ("1234.50", "2026-11-17")
    );
    program.wait_until_idle().await;
    let before = world.traffic();
    program
        .change_payment(
            "SGL31HA2Q1",
            "\"amount\" = 1234.50, \"actualPaymentDate\" = NULL",
        )
        .await;
    program.wait_until_idle().await;
    assert_eq!(
        world.traffic() - before,
        Traffic::default(),
        "1 and 1.00 are the same"
    );
    running.shutdown().await;
}

async fn an_amount_that_is_too_large_for_its_field_is_told_and_the_rest_is_sent(world: World) {
    use pugmark_sandbox::{CustomField, CustomFieldKind};
    let crm = crate::harness::sandbox()
        .custom_field(
            CustomField::new("Contacts", "Payment Total", CustomFieldKind::Integer)
                .named("cf_payment_total"),
        )
        .custom_field(
            CustomField::new("Contacts", "Payment Count", CustomFieldKind::Integer)
                .named("cf_payment_count"),
        );
    let world = world.before(crm).await;
    let running = world.start().await;
    let program = world.other_program().await;
    let (customer, policy) = program.member("Otieno").await;
    for number in 0..30 {
        let reference = format!("SGL31HA2{number:02}");
        program
            .pay(NewPayment::paid(
                &policy,
                &reference,
                "99999999.99",
                "2026-11-17T08:00:00",
            ))
            .await;
    }
    world
        .wait_for_contact(&customer, |contact| {
            contact.value("cf_payment_count") == "30"
        })
        .await;
    program.wait_until_idle().await;
    let warnings = program.link(&customer, "warnings").await.expect("a link");
    assert!(warnings.contains("2999999999.70"), "{warnings}");
    running.shutdown().await;
}
