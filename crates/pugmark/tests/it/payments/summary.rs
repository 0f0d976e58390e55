//! The summary of a week on a contact: its fields, its note, and how many calls they cost.

use jiff::Timestamp;
use pugmark::config::SummaryAs;
use pugmark::flows::insurance::summary_run::{Progress, Request, Summaries};
use pugmark_sandbox::{Fault, FaultPlan, JournalKind};
use std::sync::Arc;

use super::{NewPayment, notes_on, showing_payments, shown, weekly};
use crate::harness::{Traffic, World, Writer, eventually, on_both_databases};

on_both_databases!(
    a_week_is_shown_in_the_fields_and_told_in_a_note,
    where_only_the_fields_are_wanted_there_is_no_note,
    where_only_a_note_is_wanted_the_fields_stay_empty,
    the_same_week_again_revises_the_note_of_those_whose_figures_changed,
    a_customer_who_pays_no_more_goes_back_to_zero_and_gets_no_note,
    a_note_about_payments_that_were_all_taken_off_is_corrected,
    a_payment_of_the_shown_week_that_comes_late_is_in_the_fields_at_once,
    an_older_week_gets_its_note_and_does_not_change_what_is_shown,
    a_summary_waits_for_the_contact,
    test_customers_and_deleted_ones_get_none,
    a_note_whose_writing_was_unclear_is_not_written_twice,
    an_operation_that_names_no_week_is_a_dead_letter,
);

const LAST: &str = "2026-11-09";
const THIS: &str = "2026-11-16";

/// A world with a running Pugmark that does nothing by the clock, and members with contacts.
struct Scene {
    world: World,
    running: pugmark::app::Running,
    program: Writer,
    summaries: Summaries,
}

impl Scene {
    async fn new(world: World) -> Self {
        Self::shown_as(world, SummaryAs::Both).await
    }

    async fn shown_as(world: World, shown_as: SummaryAs) -> Self {
        let mut world = showing_payments(world).await;
        world.settings.insurance.summary.enabled = false;
        world.settings.insurance.summary.shown_as = shown_as;
        let running = world.start().await;
        let program = world.other_program().await;
        let summaries = Summaries::new(
            running.db.clone(),
            running.queue.clone(),
            Arc::new(world.settings.insurance.clone()),
        );
        Scene {
            world,
            running,
            program,
            summaries,
        }
    }

    /// A member with payments: reference, amount and time of each.
    async fn member(&self, payments: &[(&str, &str, &str)]) -> (String, String) {
        let (customer, policy) = self.program.member("Otieno").await;
        for (reference, amount, at) in payments {
            self.program
                .pay(NewPayment::paid(&policy, reference, amount, at))
                .await;
        }
        self.program.wait_until_idle().await;
        (customer, policy)
    }

    /// Sums the week up and waits until that is delivered.
    async fn sum_up(&self, week: &str, again: bool) {
        self.plan(week, again).await;
        self.program.wait_until_idle().await;
    }

    async fn plan(&self, week: &str, again: bool) {
        let run = self
            .summaries
            .begin(&request(week, again))
            .await
            .expect("a run");
        while self.summaries.plan_page(run).await.expect("a page") == Progress::More {}
    }

    fn contact(&self, customer: &str) -> pugmark_sandbox::StoredRecord {
        self.world.contact_of(customer).expect("a contact")
    }

    fn notes(&self, customer: &str) -> Vec<String> {
        notes_on(&self.world, &self.contact(customer))
    }

    async fn end(self) {
        self.running.shutdown().await;
    }
}

fn request(week: &str, again: bool) -> Request {
    Request {
        week: week.parse().expect("a week"),
        customer: None,
        again,
        requested_by: "test".to_owned(),
        correlation_id: format!("summary-of-a-test-{}", Timestamp::now()),
    }
}

async fn a_week_is_shown_in_the_fields_and_told_in_a_note(world: World) {
    let scene = Scene::new(world).await;
    let (customer, _) = scene
        .member(&[
            ("SGL31HA2Q1", "100.00", "2026-11-15T23:59:59.999"),
            ("SGL31HA2Q2", "50.00", "2026-11-16T00:00:00"),
            ("SGL31HA2Q3", "20.50", "2026-11-18T12:00:00"),
            ("SGL31HA2Q4", "30.00", "2026-11-22T23:59:59.999"),
            ("SGL31HA2Q5", "100.00", "2026-11-23T00:00:00"),
        ])
        .await;
    let before = scene.world.traffic();
    scene.sum_up(THIS, false).await;

    assert_eq!(
        weekly(&scene.contact(&customer)),
        [THIS, "3", "100.50", "33.50", "2026-11-16", "2026-11-22"]
    );
    let notes = scene.notes(&customer);
    assert_eq!(notes.len(), 1, "{notes:#?}");
    assert!(
        notes[0].starts_with(
            "Payments of the week 16 Nov 2026 to 22 Nov 2026\nTotal: KES 100.50\nNumber: 3\nAverage: KES 33.50\n\
             Paid from 16 Nov 2026 to 22 Nov 2026\n[MB-"
        ),
        "{notes:#?}"
    );
    let two_calls = Traffic {
        create: 1,
        revise: 1,
        ..Traffic::default()
    };
    assert_eq!(scene.world.traffic() - before, two_calls);
    let link =
        format!("crm_links WHERE entity_type = 'NOTE' AND entity_id = 'summary:{customer}:{THIS}'");
    assert_eq!(scene.program.count(&link).await, 1);
    scene.end().await;
}

async fn where_only_the_fields_are_wanted_there_is_no_note(world: World) {
    let scene = Scene::shown_as(world, SummaryAs::Fields).await;
    let (customer, _) = scene
        .member(&[("SGL31HA2Q1", "50", "2026-11-17T08:00:00")])
        .await;
    scene.sum_up(THIS, false).await;
    assert_eq!(
        shown(&scene.contact(&customer), "Weekly Payment Total"),
        "50.00"
    );
    assert_eq!(scene.notes(&customer), Vec::<String>::new());
    scene.end().await;
}

async fn where_only_a_note_is_wanted_the_fields_stay_empty(world: World) {
    let scene = Scene::shown_as(world, SummaryAs::Note).await;
    let (customer, _) = scene
        .member(&[("SGL31HA2Q1", "50", "2026-11-17T08:00:00")])
        .await;
    scene.sum_up(THIS, false).await;
    assert_eq!(shown(&scene.contact(&customer), "Weekly Payment Week"), "");
    assert_eq!(shown(&scene.contact(&customer), "Payment Total"), "50.00");
    assert_eq!(scene.notes(&customer).len(), 1);
    scene.end().await;
}

async fn the_same_week_again_revises_the_note_of_those_whose_figures_changed(world: World) {
    let scene = Scene::new(world).await;
    let (changing, policy) = scene
        .member(&[("SGL31HA2Q1", "50", "2026-11-17T08:00:00")])
        .await;
    let (steady, _) = scene
        .member(&[("SGL31HA2Q2", "70", "2026-11-17T08:00:00")])
        .await;
    scene.sum_up(THIS, false).await;
    let first = scene.world.crm.records("ModComments");

    scene
        .program
        .pay(NewPayment::paid(
            &policy,
            "SGL31HA2Q3",
            "25",
            "2026-11-19T08:00:00",
        ))
        .await;
    scene.program.wait_until_idle().await;
    let before = scene.world.traffic();
    scene.sum_up(THIS, false).await;
    assert_eq!(scene.world.traffic(), before, "twice is nothing more");
    scene.sum_up(THIS, true).await;

    let one_revise = Traffic {
        revise: 1,
        ..Traffic::default()
    };
    assert_eq!(scene.world.traffic() - before, one_revise);
    assert!(scene.notes(&changing)[0].contains("Total: KES 75.00\nNumber: 2"));
    assert!(scene.notes(&steady)[0].contains("Total: KES 70.00\nNumber: 1"));
    let ids = |notes: &[pugmark_sandbox::StoredRecord]| -> Vec<String> {
        notes.iter().map(|note| note.id.clone()).collect()
    };
    assert_eq!(ids(&scene.world.crm.records("ModComments")), ids(&first));
    scene.end().await;
}

async fn a_customer_who_pays_no_more_goes_back_to_zero_and_gets_no_note(world: World) {
    let scene = Scene::new(world).await;
    let (customer, _) = scene
        .member(&[("SGL31HA2Q1", "50", "2026-11-10T08:00:00")])
        .await;
    let (never, _) = scene.member(&[]).await;
    scene.sum_up(LAST, false).await;
    assert_eq!(
        shown(&scene.contact(&customer), "Weekly Payment Total"),
        "50.00"
    );
    let before = scene.world.traffic();
    scene.sum_up(THIS, false).await;

    assert_eq!(
        weekly(&scene.contact(&customer)),
        [THIS, "0", "0.00", "0.00", "", ""]
    );
    assert_eq!(scene.notes(&customer).len(), 1, "that of the week before");
    let one_revise = Traffic {
        revise: 1,
        ..Traffic::default()
    };
    assert_eq!(scene.world.traffic() - before, one_revise);
    scene.sum_up("2026-11-23", false).await;
    let of_never =
        format!("vtiger_sync_queue WHERE kind = 'payment.summary' AND entity_id LIKE '{never}/%'");
    assert_eq!(scene.program.count(&of_never).await, 0);
    let of_customer = format!(
        "vtiger_sync_queue WHERE kind = 'payment.summary' AND entity_id LIKE '{customer}/%'"
    );
    assert_eq!(
        scene.program.count(&of_customer).await,
        2,
        "back to zero once, and not every week"
    );
    scene.end().await;
}

async fn a_note_about_payments_that_were_all_taken_off_is_corrected(world: World) {
    let scene = Scene::new(world).await;
    let (customer, _) = scene
        .member(&[("SGL31HA2Q1", "50", "2026-11-17T08:00:00")])
        .await;
    scene.sum_up(THIS, false).await;
    let now = scene.program.time("2026-11-24T08:00:00");
    scene
        .program
        .change_payment(
            "SGL31HA2Q1",
            &format!("\"paymentStatus\" = 'DETACHED', \"detachedAt\" = {now}, \"transactionReference\" = '[d]1-SGL31HA2Q1'"),
        )
        .await;
    scene.program.wait_until_idle().await;
    assert_eq!(
        shown(&scene.contact(&customer), "Weekly Payment Total"),
        "0.00",
        "the fields at once"
    );
    scene.sum_up(THIS, true).await;

    let notes = scene.notes(&customer);
    assert_eq!(notes.len(), 1, "{notes:#?}");
    assert!(
        notes[0].starts_with("Payments of the week 16 Nov 2026 to 22 Nov 2026\nNone\n[MB-"),
        "{notes:#?}"
    );
    scene.end().await;
}

async fn a_payment_of_the_shown_week_that_comes_late_is_in_the_fields_at_once(world: World) {
    let scene = Scene::new(world).await;
    let (customer, policy) = scene
        .member(&[("SGL31HA2Q1", "50", "2026-11-17T08:00:00")])
        .await;
    let (late, late_policy) = scene.member(&[]).await;
    scene.sum_up(THIS, false).await;
    for (policy, reference) in [(&policy, "SGL31HA2Q2"), (&late_policy, "SGL31HA2Q3")] {
        scene
            .program
            .pay(NewPayment::paid(
                policy,
                reference,
                "20",
                "2026-11-22T08:00:00",
            ))
            .await;
    }
    scene.program.wait_until_idle().await;
    assert_eq!(
        shown(&scene.contact(&customer), "Weekly Payment Total"),
        "70.00"
    );
    assert_eq!(
        weekly(&scene.contact(&late)),
        [THIS, "1", "20.00", "20.00", "2026-11-22", "2026-11-22"]
    );
    // And so they go back to zero with the next week, although no summary of this one was made for them.
    scene.sum_up("2026-11-23", false).await;
    assert_eq!(shown(&scene.contact(&late), "Weekly Payment Total"), "0.00");
    scene.end().await;
}

async fn an_older_week_gets_its_note_and_does_not_change_what_is_shown(world: World) {
    let scene = Scene::new(world).await;
    let (customer, _) = scene
        .member(&[
            ("SGL31HA2Q1", "50", "2026-11-10T08:00:00"),
            ("SGL31HA2Q2", "70", "2026-11-17T08:00:00"),
        ])
        .await;
    scene.sum_up(THIS, false).await;
    scene.sum_up(LAST, false).await;
    assert_eq!(
        shown(&scene.contact(&customer), "Weekly Payment Week"),
        THIS
    );
    assert_eq!(
        shown(&scene.contact(&customer), "Weekly Payment Total"),
        "70.00"
    );
    let notes = scene.notes(&customer);
    assert_eq!(notes.len(), 2, "{notes:#?}");
    assert!(
        notes.iter().any(|note| note.contains("Total: KES 50.00")),
        "{notes:#?}"
    );
    scene.end().await;
}

async fn a_summary_waits_for_the_contact(mut world: World) {
    world.settings.insurance.summary.enabled = false;
    // The contact cannot be made: the CRM refuses it as a duplicate until a person mends that.
    world.crm.set_unique("Contacts", "mobile", true);
    world
        .crm
        .insert_as_ui(
            "Contacts",
            &[("lastname", "Other"), ("mobile", "0712345678")],
        )
        .expect("a person makes a contact");
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
    assert!(world.contact_of(&customer).is_none());
    let summaries = Summaries::new(
        running.db.clone(),
        running.queue.clone(),
        Arc::new(world.settings.insurance.clone()),
    );
    let run = summaries.begin(&request(THIS, false)).await.expect("a run");
    summaries.plan_page(run).await.expect("a page");
    let waiting = format!(
        "vtiger_sync_queue WHERE kind = 'payment.summary' AND blocked_by = 'CUSTOMER:{customer}'"
    );
    eventually("a summary that waits", || async {
        (program.count(&waiting).await == 1).then_some(())
    })
    .await;

    world.crm.set_unique("Contacts", "mobile", false);
    program
        .set(&customer, "email", "'achieng@example.co.ke'")
        .await;
    let contact = world.wait_for_contact(&customer, |_| true).await;
    program.wait_until_idle().await;
    assert_eq!(notes_on(&world, &contact).len(), 1);
    running.shutdown().await;
}

async fn test_customers_and_deleted_ones_get_none(world: World) {
    let scene = Scene::new(world).await;
    let (tester, _) = scene
        .member(&[("SGL31HA2Q1", "50", "2026-11-17T08:00:00")])
        .await;
    let (deleted, policy) = scene
        .member(&[("SGL31HA2Q2", "50", "2026-11-17T08:00:00")])
        .await;
    scene
        .running
        .queue
        .pause("payment.summary", "test")
        .await
        .expect("paused");
    scene.plan(THIS, false).await;
    let planned = "vtiger_sync_queue WHERE kind = 'payment.summary'";
    assert_eq!(scene.program.count(planned).await, 2);
    // Between planning and delivery.
    scene.program.set(&tester, "isTestUser", "TRUE").await;
    for sql in [
        format!("DELETE FROM policy_payments WHERE \"policyId\" = '{policy}'"),
        format!("DELETE FROM customers WHERE \"id\" = '{deleted}'"),
    ] {
        scene.program.sql(sql).await;
    }
    scene
        .running
        .queue
        .resume("payment.summary")
        .await
        .expect("resumed");
    scene.program.wait_until_idle().await;
    assert_eq!(scene.world.crm.records("ModComments").len(), 0);
    scene.sum_up(THIS, true).await;
    assert_eq!(
        scene.program.count(planned).await,
        2,
        "and are not planned for"
    );
    scene.end().await;
}

async fn a_note_whose_writing_was_unclear_is_not_written_twice(world: World) {
    let scene = Scene::shown_as(world, SummaryAs::Note).await;
    let (customer, _) = scene
        .member(&[("SGL31HA2Q1", "50", "2026-11-17T08:00:00")])
        .await;
    let creates = scene.world.calls("create");
    scene.world.crm.faults().set(FaultPlan::new(1).nth(
        "create",
        1,
        Fault::CutBody { after_effect: true },
    ));
    scene.sum_up(THIS, false).await;
    assert_eq!(scene.notes(&customer).len(), 1);
    assert_eq!(scene.world.calls("create") - creates, 1);
    let made = scene.world.crm.journal().created("ModComments");
    assert!(matches!(made[0].kind, JournalKind::Created { .. }) && made.len() == 1);
    scene.end().await;
}

async fn an_operation_that_names_no_week_is_a_dead_letter(world: World) {
    let scene = Scene::new(world).await;
    let queue = scene.running.queue.clone();
    scene
        .running
        .db
        .write("test", move |conn| {
            Box::pin(async move {
                use pugmark_queue::{NewOperation, Operation};
                let broken =
                    NewOperation::new("payment.summary", "PAYMENT_SUMMARY", "x", Operation::Update);
                queue.enqueue(conn, broken).await
            })
        })
        .await
        .expect("queued");
    eventually("a dead letter", || async {
        let dead = "vtiger_sync_queue WHERE error_code = 'PUG-3301' AND dead_at IS NOT NULL";
        (scene.program.count(dead).await == 1).then_some(())
    })
    .await;
    scene.end().await;
}
