//! The ways in which MicroBima writes payments, each of which has misled somebody.

use pugmark_queue::db::Engine;

use super::{NewPayment, ever, showing_payments, shown};
use crate::harness::{Session, World, Writer, on_both_databases};

on_both_databases!(
    a_placeholder_that_completes_counts_once_with_its_last_amount,
    a_payment_without_an_actual_date_counts_on_its_expected_day,
    the_day_is_taken_as_stored_also_just_after_midnight,
    what_is_written_to_a_paid_row_afterwards_changes_no_number,
    a_payment_that_moves_to_another_policy_of_the_customer_stays_where_it_is,
    only_paid_rows_count,
    a_prompt_that_fails_leaves_nothing_behind,
    a_receipt_that_goes_to_another_customer_leaves_both_contacts_right,
    a_payment_that_is_moved_to_another_customer_leaves_both_contacts_right,
    a_policy_that_goes_to_another_customer_takes_its_payments_along,
    a_paid_row_that_is_deleted_no_longer_counts,
    the_first_payment_activates_policy_and_customer,
    payments_of_test_customers_never_reach_the_crm,
    a_statement_import_of_many_rows_counts_each_of_them,
    a_payment_before_the_contact_exists_is_in_it_from_the_start,
);

/// A world with a running Pugmark and a member whose contact exists.
struct Scene {
    world: World,
    running: pugmark::app::Running,
    program: Writer,
    customer: String,
    policy: String,
}

impl Scene {
    async fn new(world: World) -> Self {
        let world = showing_payments(world).await;
        let running = world.start().await;
        let program = world.other_program().await;
        let (customer, policy) = program.member("Otieno").await;
        program.wait_until_idle().await;
        Scene {
            world,
            running,
            program,
            customer,
            policy,
        }
    }

    async fn paid(&self, reference: &str, amount: &str, at: &str) {
        self.program
            .pay(NewPayment::paid(&self.policy, reference, amount, at))
            .await;
    }

    /// What the contact of the customer shows once everything is delivered.
    async fn ends_with(&self, count: &str, total: &str, last: &str) {
        self.shows(&self.customer, count, total, last).await;
    }

    async fn shows(&self, customer: &str, count: &str, total: &str, last: &str) {
        self.program.wait_until_idle().await;
        let contact = self.world.contact_of(customer).expect("a contact");
        assert_eq!(ever(&contact), (count, total, last));
    }

    async fn end(self) {
        self.running.shutdown().await;
    }
}

async fn a_placeholder_that_completes_counts_once_with_its_last_amount(world: World) {
    let scene = Scene::new(world).await;
    let program = &scene.program;
    let prompt = "PENDING-STK-0B9F8A52-6B7E-4C53-9D5C-1F2A3B4C5D6E";
    program
        .pay(NewPayment::prompt(
            &scene.policy,
            prompt,
            "2026-11-20T00:00:00",
        ))
        .await;
    scene.ends_with("0", "0.00", "").await;
    let at = program.time("2026-11-17T08:00:00");
    program
        .change_payment(
            prompt,
            &format!(
                "\"paymentStatus\" = 'COMPLETED_PENDING_RECEIPT', \"amount\" = 75.25, \"expectedPaymentDate\" = {at}, \
                 \"actualPaymentDate\" = {at}, \"transactionReference\" = 'QUERY-PENDING-1'"
            ),
        )
        .await;
    scene.ends_with("1", "75.25", "2026-11-17").await;
    program
        .change_payment(
            "QUERY-PENDING-1",
            "\"paymentStatus\" = 'COMPLETED', \"transactionReference\" = 'SGL31HA2Q1'",
        )
        .await;
    scene.ends_with("1", "75.25", "2026-11-17").await;
    scene.end().await;
}

async fn a_payment_without_an_actual_date_counts_on_its_expected_day(world: World) {
    let scene = Scene::new(world).await;
    let undated = NewPayment {
        actual: None,
        ..NewPayment::paid(&scene.policy, "CHQ-17", "50", "2026-11-18T00:00:00")
    };
    scene.program.pay(undated).await;
    scene.ends_with("1", "50.00", "2026-11-18").await;
    scene.end().await;
}

async fn the_day_is_taken_as_stored_also_just_after_midnight(world: World) {
    let scene = Scene::new(world).await;
    // In Nairobi as MicroBima stores it; a shift by three hours either way would make it another day.
    scene.paid("SGL31HA2Q1", "50", "2026-11-17T00:30:00").await;
    scene.ends_with("1", "50.00", "2026-11-17").await;
    scene.paid("SGL31HA2Q2", "50", "2026-11-18T23:30:00").await;
    scene.ends_with("2", "100.00", "2026-11-18").await;
    scene.end().await;
}

async fn what_is_written_to_a_paid_row_afterwards_changes_no_number(world: World) {
    let scene = Scene::new(world).await;
    scene.paid("SGL31HA2Q1", "50", "2026-11-17T08:00:00").await;
    scene.ends_with("1", "50.00", "2026-11-17").await;
    let before = scene.world.traffic();
    let (later, stamp) = (
        scene.program.time("2026-11-17T08:00:07"),
        match scene.program.engine() {
            Engine::Sqlite => "1763366400000000",
            Engine::Postgres => "now()",
        },
    );
    for set in [
        format!("\"actualPaymentDate\" = {later}"),
        format!("\"paymentSmsEnqueuedAt\" = {stamp}"),
        "\"details\" = 'by phone'".to_owned(),
        "\"paymentStatus\" = 'COMPLETED_PENDING_RECEIPT'".to_owned(),
        "\"paymentStatus\" = 'COMPLETED'".to_owned(),
    ] {
        scene.program.change_payment("SGL31HA2Q1", &set).await;
    }
    scene.ends_with("1", "50.00", "2026-11-17").await;
    assert_eq!(scene.world.traffic(), before, "and costs no call");
    scene.end().await;
}

async fn a_payment_that_moves_to_another_policy_of_the_customer_stays_where_it_is(world: World) {
    let scene = Scene::new(world).await;
    let other = scene.program.policy(&scene.customer).await;
    scene.paid("SGL31HA2Q1", "50", "2026-11-17T08:00:00").await;
    scene.ends_with("1", "50.00", "2026-11-17").await;
    let before = scene.world.traffic();
    scene
        .program
        .change_payment("SGL31HA2Q1", &format!("\"policyId\" = '{other}'"))
        .await;
    scene.ends_with("1", "50.00", "2026-11-17").await;
    assert_eq!(scene.world.traffic(), before);
    scene.end().await;
}

async fn only_paid_rows_count(world: World) {
    let scene = Scene::new(world).await;
    let program = &scene.program;
    for (number, status) in ["PENDING_STK_CALLBACK", "OUTSTANDING", "DETACHED"]
        .iter()
        .enumerate()
    {
        let reference = format!("[d]{number}-SGL31HA2Q1");
        // The date says nothing: only the status does.
        let new = NewPayment {
            status,
            ..NewPayment::paid(&scene.policy, &reference, "50", "2026-11-17T08:00:00")
        };
        program.pay(new).await;
    }
    scene.paid("SGL31HA2Q5", "50", "2026-11-17T08:00:00").await;
    scene.ends_with("1", "50.00", "2026-11-17").await;
    // A label that is older than the column that says it: the row is detached all the same.
    let at = program.time("2026-11-18T08:00:00");
    program
        .change_payment("SGL31HA2Q5", &format!("\"detachedAt\" = {at}"))
        .await;
    scene.ends_with("0", "0.00", "").await;
    scene.end().await;
}

async fn a_prompt_that_fails_leaves_nothing_behind(world: World) {
    let scene = Scene::new(world).await;
    let before = scene.world.traffic();
    let program = &scene.program;
    program
        .pay(NewPayment::prompt(
            &scene.policy,
            "PENDING-STK-1",
            "2026-11-17T08:00:00",
        ))
        .await;
    program
        .sql("DELETE FROM policy_payments WHERE \"transactionReference\" = 'PENDING-STK-1'")
        .await;
    scene.ends_with("0", "0.00", "").await;
    assert_eq!(scene.world.traffic(), before);
    scene.end().await;
}

async fn a_receipt_that_goes_to_another_customer_leaves_both_contacts_right(world: World) {
    let scene = Scene::new(world).await;
    let program = &scene.program;
    let (other, other_policy) = program.member("Were").await;
    scene.paid("SGL31HA2Q1", "50", "2026-11-17T08:00:00").await;
    scene.paid("SGL31HA2Q2", "70", "2026-11-18T08:00:00").await;
    scene.ends_with("2", "120.00", "2026-11-18").await;
    let (now, booked) = (
        program.time("2026-11-19T08:00:00"),
        program.payment_statement(&NewPayment::paid(
            &other_policy,
            "SGL31HA2Q2",
            "70",
            "2026-11-18T08:00:00",
        )),
    );
    let mut session = Session::open(&scene.world).await;
    session
        .run(&format!(
            "BEGIN; UPDATE policy_payments SET \"paymentStatus\" = 'DETACHED', \"detachedAt\" = {now}, \
             \"transactionReference\" = '[d]2-SGL31HA2Q2' WHERE \"transactionReference\" = 'SGL31HA2Q2'; {booked}; COMMIT"
        ))
        .await;
    scene.ends_with("1", "50.00", "2026-11-17").await;
    scene.shows(&other, "1", "70.00", "2026-11-18").await;
    scene.end().await;
}

async fn a_payment_that_is_moved_to_another_customer_leaves_both_contacts_right(world: World) {
    let scene = Scene::new(world).await;
    let (other, other_policy) = scene.program.member("Were").await;
    scene.paid("SGL31HA2Q1", "50", "2026-11-17T08:00:00").await;
    scene.ends_with("1", "50.00", "2026-11-17").await;
    scene
        .program
        .change_payment("SGL31HA2Q1", &format!("\"policyId\" = '{other_policy}'"))
        .await;
    scene.ends_with("0", "0.00", "").await;
    scene.shows(&other, "1", "50.00", "2026-11-17").await;
    scene.end().await;
}

async fn a_policy_that_goes_to_another_customer_takes_its_payments_along(world: World) {
    let scene = Scene::new(world).await;
    let (other, _) = scene.program.member("Were").await;
    scene.paid("SGL31HA2Q1", "50", "2026-11-17T08:00:00").await;
    scene.ends_with("1", "50.00", "2026-11-17").await;
    let policy = &scene.policy;
    scene
        .program
        .sql(format!(
            "UPDATE policies SET \"customerId\" = '{other}' WHERE \"id\" = '{policy}'"
        ))
        .await;
    scene.ends_with("0", "0.00", "").await;
    scene.shows(&other, "1", "50.00", "2026-11-17").await;
    scene.end().await;
}

async fn a_paid_row_that_is_deleted_no_longer_counts(world: World) {
    let scene = Scene::new(world).await;
    scene.paid("SGL31HA2Q1", "50", "2026-11-17T08:00:00").await;
    scene.paid("SGL31HA2Q2", "70", "2026-11-18T08:00:00").await;
    scene.ends_with("2", "120.00", "2026-11-18").await;
    scene
        .program
        .sql("DELETE FROM policy_payments WHERE \"transactionReference\" = 'SGL31HA2Q2'")
        .await;
    scene.ends_with("1", "50.00", "2026-11-17").await;
    scene.end().await;
}

async fn the_first_payment_activates_policy_and_customer(world: World) {
    let scene = Scene::new(world).await;
    let (program, customer, policy) = (&scene.program, &scene.customer, &scene.policy);
    scene.paid("SGL31HA2Q1", "50", "2026-11-17T08:00:00").await;
    // In a transaction of its own, a moment later.
    program
        .sql(format!(
            "UPDATE policies SET \"status\" = 'ACTIVE' WHERE \"id\" = '{policy}'"
        ))
        .await;
    program.set(customer, "status", "'ACTIVE'").await;
    scene.ends_with("1", "50.00", "2026-11-17").await;
    let contact = scene.world.contact_of(customer).expect("a contact");
    assert_eq!(
        contact.value(&scene.world.field("MicroBima Status")),
        "Active"
    );
    scene.end().await;
}

async fn payments_of_test_customers_never_reach_the_crm(world: World) {
    let scene = Scene::new(world).await;
    let before = scene.world.traffic();
    let tester = crate::harness::new_id();
    scene
        .program
        .insert_customer_as(&tester, "Tester", true)
        .await;
    let policy = scene.program.policy(&tester).await;
    scene
        .program
        .pay(NewPayment::paid(
            &policy,
            "SGL31HA2Q9",
            "50",
            "2026-11-17T08:00:00",
        ))
        .await;
    scene.ends_with("0", "0.00", "").await;
    assert!(scene.world.contact_of(&tester).is_none());
    assert_eq!(scene.world.traffic(), before);
    scene.end().await;
}

async fn a_statement_import_of_many_rows_counts_each_of_them(world: World) {
    let scene = Scene::new(world).await;
    let rows: Vec<String> = (0..50)
        .map(|number| {
            let reference = format!("SGL31H{number:04}");
            scene.program.payment_statement(&NewPayment::paid(
                &scene.policy,
                &reference,
                "20.10",
                "2026-11-17T08:00:00",
            ))
        })
        .collect();
    let (head, _) = rows[0].split_once(" VALUES ").expect("an insert");
    let values: Vec<&str> = rows
        .iter()
        .map(|row| row.split_once(" VALUES ").expect("an insert").1)
        .collect();
    scene
        .program
        .sql(format!("{head} VALUES {}", values.join(", ")))
        .await;
    scene.ends_with("50", "1005.00", "2026-11-17").await;
    scene.end().await;
}

async fn a_payment_before_the_contact_exists_is_in_it_from_the_start(world: World) {
    let mut world = showing_payments(world).await;
    world.settings.capture.settle = std::time::Duration::from_millis(500);
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
    assert_eq!(shown(&contact, "Payment Count"), "1");
    assert_eq!((world.calls("create"), world.calls("revise")), (1, 0));
    running.shutdown().await;
}
