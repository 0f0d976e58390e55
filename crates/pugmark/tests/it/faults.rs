//! What a CRM may do to a call, for creates and for revises: whatever it is, there is one contact with the row's values in
//! the end, and the calls it took are those that the protocol promises.

use std::time::Duration;

use pugmark_sandbox::{Fault, FaultPlan, JournalKind, Latency, Match, Occurrence, Variant};

use crate::harness::{PATIENCE, Traffic, World, Writer, on_both_databases, sandbox};

/// Without an answer after this time the outcome of a call is unknown.
const CALL_TIMEOUT: Duration = Duration::from_millis(1500);
/// After so much more time the CRM is done with whatever it was sent.
const LONGEST_EXECUTION: Duration = Duration::from_millis(500);
/// A write that was sent at the beginning of the window happens so much later: after the call's end, before the window's.
const LATE: Duration = Duration::from_millis(1400);

/// What the writes that come first meet, in this order.
fn on(operation: &str, faults: &[Fault]) -> FaultPlan {
    faults
        .iter()
        .zip(1..)
        .fold(FaultPlan::new(1), |plan, (fault, n)| {
            plan.nth(operation, n, fault.clone())
        })
}

fn prepared(mut world: World) -> World {
    let crm = world.crm_settings();
    crm.call_timeout = CALL_TIMEOUT;
    crm.longest_execution = LONGEST_EXECUTION;
    world
}

/// Inserts a customer while creates meet `plan`; gives the calls it took.
async fn create_under(world: World, plan: FaultPlan) -> Traffic {
    let world = prepared(world);
    let running = world.start().await;
    let program = world.other_program().await;
    world.crm.faults().set(plan);
    let customer = program.insert_customer("Ng'ang'a & Sons").await;
    world.wait_for_contact(&customer, |_| true).await;
    finish(&world, &program, &customer).await;
    let traffic = world.traffic();
    assert!(
        world.crm.faults().injected() > 0,
        "the fault must have struck, or the test shows nothing"
    );
    assert_no_create_before_the_window_ended(&world);
    running.shutdown().await;
    traffic
}

/// Edits a customer while revises meet `plan`; gives the calls it took.
async fn revise_under(world: World, plan: FaultPlan) -> Traffic {
    let world = prepared(world);
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    program.wait_until_idle().await;
    let before = world.traffic();
    world.crm.faults().set(plan);
    program
        .set(&customer, "lastName", "'O''Brien & Otieno'")
        .await;
    world
        .wait_for_contact(&customer, |contact| {
            contact.value("lastname") == "O'Brien & Otieno"
        })
        .await;
    finish(&world, &program, &customer).await;
    assert!(
        world.crm.faults().injected() > 0,
        "the fault must have struck, or the test shows nothing"
    );
    let traffic = world.traffic() - before;
    running.shutdown().await;
    traffic
}

async fn finish(world: &World, program: &Writer, customer: &str) {
    program.wait_until_idle().await;
    assert_eq!(world.out_of_step(program, &[]).await, Vec::<String>::new());
    assert_eq!(
        program.link(customer, "sync_status").await.as_deref(),
        Some("SYNCED")
    );
    assert_eq!(
        program
            .count("vtiger_sync_queue WHERE dead_at IS NOT NULL")
            .await,
        0
    );
}

/// After a create that may have happened, the next one is not sent before the window has passed.
fn assert_no_create_before_the_window_ended(world: &World) {
    let mut unclear_since = None;
    for entry in world.crm.journal().calls_of("create") {
        let JournalKind::Call { http, outcome, .. } = &entry.kind else {
            continue;
        };
        if let Some(since) = unclear_since {
            let waited = entry.at.duration_since(since);
            let window = jiff::SignedDuration::try_from(CALL_TIMEOUT + LONGEST_EXECUTION)
                .expect("a short time");
            assert!(waited >= window, "created again after {waited:?}");
        }
        let unclear = *http != 429
            && !matches!(
                outcome,
                pugmark_sandbox::Outcome::Done | pugmark_sandbox::Outcome::Refused(_)
            );
        unclear_since = unclear.then_some(entry.at);
    }
}

const fn created(create: u64, query: u64) -> Traffic {
    Traffic {
        create,
        revise: 0,
        query,
        retrieve: 0,
        delete: 0,
    }
}

const fn revised(revise: u64, query: u64) -> Traffic {
    Traffic {
        create: 0,
        revise,
        query,
        retrieve: 0,
        delete: 0,
    }
}

/// Nothing was done: the CRM is looked at once, once more when the window has passed, the absence is confirmed by a second
/// question, the contact created, and a twin looked for.
const CREATED_AGAIN: Traffic = created(2, 4);
/// The write was done: one look finds it.
const FOUND: Traffic = created(1, 1);
/// Nothing was done: when the window has passed the contact is looked for by its reference, then revised.
const REVISED_AGAIN: Traffic = revised(2, 1);
/// The write was done: one look, when the window has passed, shows it.
const SEEN: Traffic = revised(1, 1);

macro_rules! faults {
    ($($name:ident: $fault:expr, create $create:expr, revise $revise:expr;)+) => {
        mod create {
            use super::*;
            $(async fn $name(world: World) {
                assert_eq!(create_under(world, on("create", &[$fault])).await, $create);
            })+
            on_both_databases!($($name),+);
        }
        mod revise {
            use super::*;
            $(async fn $name(world: World) {
                assert_eq!(revise_under(world, on("revise", &[$fault])).await, $revise);
            })+
            on_both_databases!($($name),+);
        }
    };
}

faults! {
    an_error_of_the_proxy_before_the_effect: Fault::Http(503), create CREATED_AGAIN, revise REVISED_AGAIN;
    an_error_of_the_proxy_after_the_effect: Fault::HttpAfterEffect(502), create FOUND, revise SEEN;
    a_dead_program_after_the_effect: Fault::HttpAfterEffect(500), create FOUND, revise SEEN;
    a_call_that_hangs_before_the_effect: Fault::HangBeforeEffect(PATIENCE), create CREATED_AGAIN, revise REVISED_AGAIN;
    a_call_that_hangs_after_the_effect: Fault::HangAfterEffect, create FOUND, revise SEEN;
    a_body_that_breaks_off_before_the_effect: Fault::CutBody { after_effect: false }, create CREATED_AGAIN, revise REVISED_AGAIN;
    a_body_that_breaks_off_after_the_effect: Fault::CutBody { after_effect: true }, create FOUND, revise SEEN;
    a_web_page_after_the_effect: Fault::HtmlAfterEffect, create FOUND, revise SEEN;
    an_internal_error_after_the_effect: Fault::SuccessFalseAfterEffect, create FOUND, revise SEEN;
    an_empty_success_after_the_effect: Fault::NullResultAfterEffect, create FOUND, revise SEEN;
    a_connection_cut_without_an_answer: Fault::RefuseConnection, create CREATED_AGAIN, revise REVISED_AGAIN;
    // The call was not executed, so it is made again at once under a new session.
    a_session_that_was_dropped: Fault::DropSession, create created(2, 0), revise revised(2, 0);
    // Known not to have happened: no window to wait for. A create looks first all the same, since an attempt was made.
    a_limit_on_calls: Fault::TooMany { retry_after: Some(1) }, create created(2, 3), revise revised(2, 0);
    warnings_in_front_of_the_answer: Fault::DisplayErrorsNoise, create created(1, 0), revise revised(1, 0);
    a_slow_answer: Fault::Slow(Duration::from_millis(400)), create created(1, 0), revise revised(1, 0);
}

on_both_databases!(
    a_create_that_arrives_late_is_waited_for,
    a_revise_that_arrives_late_is_waited_for,
    a_second_lost_create_that_arrives_late_is_waited_for_too,
    a_late_revise_does_not_undo_a_newer_one,
    a_second_lost_revise_that_arrives_late_does_not_undo_a_newer_one,
    an_empty_page_that_hides_the_contact_is_not_believed,
    a_second_question_that_is_swallowed_too_is_not_believed,
    pages_that_stay_empty_are_not_believed,
    a_look_that_breaks_off_inside_vtiger_is_repeated_and_no_dead_letter,
    a_customer_edited_while_the_create_is_unknown_gets_one_contact_with_the_newest_values,
    a_customer_deleted_while_the_create_is_unknown_is_marked,
    a_customer_deleted_while_the_create_arrives_late_is_marked,
    nobody_answers_for_a_while_and_nothing_is_lost,
    every_session_is_dropped_between_two_edits,
    an_installation_that_prints_warnings_everywhere,
    the_wish_for_a_pause_is_obeyed,
    a_bad_day_ends_with_every_customer_in_step,
);

async fn a_create_that_arrives_late_is_waited_for(world: World) {
    let traffic = create_under(world, on("create", &[Fault::LateCommit { delay: LATE }])).await;
    // On a busy machine the first look may already find it.
    assert_eq!(
        Traffic {
            query: 0,
            ..traffic
        },
        created(1, 0)
    );
    assert!((1..=2).contains(&traffic.query), "{traffic:?}");
}

async fn a_revise_that_arrives_late_is_waited_for(world: World) {
    assert_eq!(
        revise_under(world, on("revise", &[Fault::LateCommit { delay: LATE }])).await,
        SEEN
    );
}

/// The window of the second write begins with the second write.
async fn a_second_lost_create_that_arrives_late_is_waited_for_too(world: World) {
    let plan = on(
        "create",
        &[Fault::Http(503), Fault::LateCommit { delay: LATE }],
    );
    assert_eq!(create_under(world, plan).await.create, 2);
}

async fn a_late_revise_does_not_undo_a_newer_one(world: World) {
    late_revise_and_a_newer_edit(world, &[Fault::LateCommit { delay: LATE }]).await;
}

async fn a_second_lost_revise_that_arrives_late_does_not_undo_a_newer_one(world: World) {
    late_revise_and_a_newer_edit(
        world,
        &[Fault::Http(503), Fault::LateCommit { delay: LATE }],
    )
    .await;
}

async fn late_revise_and_a_newer_edit(world: World, faults: &[Fault]) {
    let world = prepared(world);
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    program.wait_until_idle().await;
    world.crm.faults().set(on("revise", faults));
    program.set(&customer, "lastName", "'Older'").await;
    let lost = faults.len() as u64;
    assert!(
        world
            .crm
            .journal()
            .wait_until(
                |journal| journal.count_calls(Some("revise")) == lost,
                PATIENCE
            )
            .await
    );
    program.set(&customer, "lastName", "'Newer'").await;
    // The late write is on its way when the newer one is made.
    world
        .wait_for_contact(&customer, |contact| contact.value("lastname") == "Older")
        .await;
    world
        .wait_for_contact(&customer, |contact| contact.value("lastname") == "Newer")
        .await;
    finish(&world, &program, &customer).await;
    running.shutdown().await;
}

async fn an_empty_page_that_hides_the_contact_is_not_believed(world: World) {
    let plan = on("create", &[Fault::HttpAfterEffect(504)]).rule(
        Match::operation("query", Occurrence::First(2)),
        Fault::EmptyPage,
    );
    // Twice nothing, a count of one, and a look that finds it.
    assert_eq!(create_under(world, plan).await, created(1, 4));
}

async fn a_second_question_that_is_swallowed_too_is_not_believed(world: World) {
    let plan = on("create", &[Fault::HttpAfterEffect(504)]).rule(
        Match::operation("query", Occurrence::First(3)),
        Fault::EmptyPage,
    );
    // How the client makes sure of a count that came as an empty page is its own business.
    assert_eq!(create_under(world, plan).await.create, 1);
}

async fn pages_that_stay_empty_are_not_believed(world: World) {
    let plan = on("create", &[Fault::HttpAfterEffect(504)]).rule(
        Match::operation("query", Occurrence::First(9)),
        Fault::EmptyPage,
    );
    assert_eq!(create_under(world, plan).await.create, 1);
}

async fn a_look_that_breaks_off_inside_vtiger_is_repeated_and_no_dead_letter(world: World) {
    let plan = on("create", &[Fault::HttpAfterEffect(504)]).rule(
        Match::operation("query", Occurrence::First(4)),
        Fault::SuccessFalseAfterEffect,
    );
    assert_eq!(create_under(world, plan).await.create, 1);
}

async fn a_customer_edited_while_the_create_is_unknown_gets_one_contact_with_the_newest_values(
    world: World,
) {
    let world = prepared(world);
    let running = world.start().await;
    let program = world.other_program().await;
    world
        .crm
        .faults()
        .set(on("create", &[Fault::HangAfterEffect]));
    let customer = program.insert_customer("Older").await;
    // The contact is there, its answer is not.
    world.wait_for_contact(&customer, |_| true).await;
    program.set(&customer, "lastName", "'Newer'").await;
    world
        .wait_for_contact(&customer, |contact| contact.value("lastname") == "Newer")
        .await;
    finish(&world, &program, &customer).await;
    let traffic = world.traffic();
    assert_eq!((traffic.create, traffic.revise), (1, 1));
    running.shutdown().await;
}

async fn a_customer_deleted_while_the_create_is_unknown_is_marked(world: World) {
    deleted_while_unknown(world, Fault::HangAfterEffect).await;
}

async fn a_customer_deleted_while_the_create_arrives_late_is_marked(world: World) {
    deleted_while_unknown(world, Fault::LateCommit { delay: LATE }).await;
}

async fn deleted_while_unknown(world: World, fault: Fault) {
    let world = prepared(world);
    let running = world.start().await;
    let program = world.other_program().await;
    world.crm.faults().set(on("create", &[fault]));
    let customer = program.insert_customer("Gone").await;
    assert!(
        world
            .crm
            .journal()
            .wait_until(|journal| !journal.faults().is_empty(), PATIENCE)
            .await
    );
    program
        .sql(format!("DELETE FROM customers WHERE \"id\" = '{customer}'"))
        .await;
    let status = world.field("MicroBima Status");
    world
        .wait_for_contact(&customer, |contact| contact.value(&status) == "Deleted")
        .await;
    program.wait_until_idle().await;
    assert_eq!(
        world.out_of_step(&program, &[customer]).await,
        Vec::<String>::new()
    );
    assert_eq!(world.calls("create"), 1);
    running.shutdown().await;
}

async fn nobody_answers_for_a_while_and_nothing_is_lost(world: World) {
    let world = prepared(world);
    let running = world.start().await;
    let program = world.other_program().await;
    let edited = program.insert_customer("Otieno").await;
    program.wait_until_idle().await;
    let before = world.traffic();
    world.crm.go_down().await;
    let created = program.insert_customer("Kamau").await;
    program.set(&edited, "lastName", "'Were'").await;
    program.wait_for_trouble(&created, "PUG-2001").await;
    program.wait_for_trouble(&edited, "PUG-2001").await;
    world.crm.come_back().await.expect("the port is still free");

    world.wait_for_contact(&created, |_| true).await;
    world
        .wait_for_contact(&edited, |contact| contact.value("lastname") == "Were")
        .await;
    finish(&world, &program, &created).await;
    let traffic = world.traffic() - before;
    assert_eq!(
        (traffic.create, traffic.revise),
        (1, 1),
        "what was never sent is not sent twice"
    );
    running.shutdown().await;
}

async fn every_session_is_dropped_between_two_edits(world: World) {
    let world = prepared(world);
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    program.wait_until_idle().await;
    world.crm.drop_all_sessions();
    program.set(&customer, "lastName", "'Were'").await;
    world
        .wait_for_contact(&customer, |contact| contact.value("lastname") == "Were")
        .await;
    finish(&world, &program, &customer).await;
    let effects = world
        .crm
        .journal()
        .effects_on(&world.contact_of(&customer).expect("a contact").id);
    assert_eq!(effects.len(), 2, "one create and one revise: {effects:?}");
    running.shutdown().await;
}

async fn an_installation_that_prints_warnings_everywhere(world: World) {
    let world = prepared(
        world
            .before(sandbox().variant(Variant::DisplayErrors))
            .await,
    );
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    program.wait_until_idle().await;
    program.set(&customer, "lastName", "'Were'").await;
    world
        .wait_for_contact(&customer, |contact| contact.value("lastname") == "Were")
        .await;
    finish(&world, &program, &customer).await;
    assert_eq!(
        world.traffic(),
        Traffic {
            create: 1,
            revise: 1,
            ..Traffic::default()
        }
    );
    running.shutdown().await;
}

async fn the_wish_for_a_pause_is_obeyed(world: World) {
    let world = prepared(world);
    let running = world.start().await;
    let program = world.other_program().await;
    world.crm.faults().set(on(
        "create",
        &[Fault::TooMany {
            retry_after: Some(2),
        }],
    ));
    let customer = program.insert_customer("Otieno").await;
    program.wait_for_trouble(&customer, "PUG-2004").await;
    world.wait_for_contact(&customer, |_| true).await;
    finish(&world, &program, &customer).await;
    let calls = world.crm.journal().calls();
    let refused = calls
        .iter()
        .position(|entry| matches!(entry.kind, JournalKind::Call { http: 429, .. }))
        .expect("a refusal");
    let pause = calls[refused + 1].at.duration_since(calls[refused].at);
    assert!(
        pause >= jiff::SignedDuration::from_secs(2),
        "the next call came after {pause:?}"
    );
    running.shutdown().await;
}

async fn a_bad_day_ends_with_every_customer_in_step(world: World) {
    let seed = crate::harness::seed();
    let mut world = prepared(
        world
            .before(sandbox().latency(Latency::Fixed(Duration::from_millis(5))))
            .await,
    );
    world.crm_settings().call_timeout = Duration::from_millis(800);
    world.settings.queue.lease = Duration::from_secs(4);
    let running = world.start().await;
    let program = world.other_program().await;
    let late = Match::operations(&["create", "revise"], Occurrence::Rate(0.05));
    world.crm.faults().set(
        FaultPlan::typical(seed, 0.4)
            .rule(
                late,
                Fault::LateCommit {
                    delay: Duration::from_millis(600),
                },
            )
            .budget(80),
    );
    let mut customers = Vec::new();
    for number in 0..40 {
        let customer = program.insert_customer(&format!("Customer {number}")).await;
        if number % 3 == 0 {
            program
                .set(&customer, "email", &format!("'c{number}@example.co.ke'"))
                .await;
        }
        customers.push(customer);
    }
    for (number, customer) in customers
        .iter()
        .enumerate()
        .filter(|(number, _)| number % 2 == 0)
    {
        program
            .set(customer, "lastName", &format!("'Edited {number}'"))
            .await;
    }
    program.wait_until_idle().await;
    assert_eq!(
        world.out_of_step(&program, &[]).await,
        Vec::<String>::new(),
        "PUGMARK_SEED={seed}"
    );
    assert_eq!(
        program
            .count("vtiger_sync_queue WHERE dead_at IS NOT NULL")
            .await,
        0
    );
    running.shutdown().await;
}
