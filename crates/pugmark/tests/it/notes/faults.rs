//! Whatever a CRM does to the call that writes a note, and whoever loses its lease meanwhile, there is one note.

use std::time::Duration;

use pugmark_queue::db::Engine;
use pugmark_sandbox::{Fault, FaultPlan};

use super::{all_notes, assert_nothing_died};
use crate::harness::{PATIENCE, World, Writer, eventually, on_both_databases};

async fn with_contact(world: &mut World) -> (pugmark::app::Running, Writer, String) {
    let crm = world.crm_settings();
    crm.call_timeout = Duration::from_millis(700);
    crm.longest_execution = Duration::from_millis(300);
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    world.wait_for_contact(&customer, |_| true).await;
    program.wait_until_idle().await;
    (running, program, customer)
}

async fn under(mut world: World, fault: Fault) {
    let (running, program, customer) = with_contact(&mut world).await;
    let plan = FaultPlan::new(1).nth("create", 1, fault);
    world.crm.faults().set(plan);
    program
        .add_dependant(&customer, "Zuri %_", "O'Brien-Otieno")
        .await;
    program.wait_until_idle().await;
    assert!(world.crm.faults().injected() > 0);
    let notes = all_notes(&world);
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].starts_with("Dependant Zuri %_ O'Brien-Otieno added on "));
    assert_nothing_died(&program).await;
    running.shutdown().await;
}

macro_rules! faults {
    ($($name:ident: $fault:expr;)+) => {
        $(async fn $name(world: World) {
            under(world, $fault).await;
        })+
        on_both_databases!(
            $($name,)+
            a_worker_that_lost_its_lease_in_the_middle_of_a_note,
            a_note_that_arrives_late_is_waited_for,
        );
    };
}

faults! {
    a_dead_program_after_the_effect: Fault::HttpAfterEffect(500);
    an_error_of_the_proxy_before_the_effect: Fault::Http(503);
    a_call_that_hangs_after_the_effect: Fault::HangAfterEffect;
    a_call_that_hangs_before_the_effect: Fault::HangBeforeEffect(PATIENCE);
    a_web_page_after_the_effect: Fault::HtmlAfterEffect;
    an_internal_error_after_the_effect: Fault::SuccessFalseAfterEffect;
    an_empty_success_after_the_effect: Fault::NullResultAfterEffect;
    a_body_that_breaks_off_after_the_effect: Fault::CutBody { after_effect: true };
    a_body_that_breaks_off_before_the_effect: Fault::CutBody { after_effect: false };
    a_connection_cut_without_an_answer: Fault::RefuseConnection;
    a_session_that_was_dropped: Fault::DropSession;
    a_limit_on_calls: Fault::TooMany { retry_after: Some(1) };
    warnings_in_front_of_the_answer: Fault::DisplayErrorsNoise;
}

async fn a_note_that_arrives_late_is_waited_for(mut world: World) {
    let (running, program, customer) = with_contact(&mut world).await;
    let late = Fault::LateCommit {
        delay: Duration::from_millis(600),
    };
    world
        .crm
        .faults()
        .set(FaultPlan::new(1).nth("create", 1, late));
    program.add_dependant(&customer, "Zuri", "Otieno").await;
    program.wait_until_idle().await;
    assert_eq!(all_notes(&world).len(), 1);
    assert_nothing_died(&program).await;
    running.shutdown().await;
}

async fn a_worker_that_lost_its_lease_in_the_middle_of_a_note(mut world: World) {
    world.settings.queue.lease = Duration::from_secs(3);
    let (running, program, customer) = with_contact(&mut world).await;
    let slow = Fault::Slow(Duration::from_millis(600));
    world
        .crm
        .faults()
        .set(FaultPlan::new(1).nth("create", 1, slow));
    program.add_dependant(&customer, "Zuri", "Otieno").await;
    eventually("the call", || async {
        let at_it = "vtiger_sync_queue WHERE kind = 'note.create' AND status = 'PROCESSING'";
        (program.count(at_it).await == 1).then_some(())
    })
    .await;
    // Another worker has it by now, as far as the store knows; it died at once.
    let token = match program.engine() {
        Engine::Sqlite => "randomblob(16)",
        Engine::Postgres => "gen_random_uuid()",
    };
    program
        .sql(format!(
            "UPDATE vtiger_sync_queue SET lease_token = {token} WHERE kind = 'note.create' AND status = 'PROCESSING'"
        ))
        .await;
    program.wait_until_idle().await;
    assert_eq!(all_notes(&world).len(), 1);
    let attempts = program
        .one("SELECT CAST(attempts AS TEXT) FROM vtiger_sync_queue WHERE kind = 'note.create'")
        .await;
    assert_eq!(attempts.as_deref(), Some("2"), "the first one was lost");
    let linked = program
        .one("SELECT vtiger_id FROM crm_links WHERE entity_type = 'NOTE'")
        .await;
    let note = world.crm.records("ModComments").remove(0).id;
    assert_eq!(linked, Some(note));
    assert_nothing_died(&program).await;
    running.shutdown().await;
}
