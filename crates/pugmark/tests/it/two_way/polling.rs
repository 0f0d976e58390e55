//! Asking the CRM what changed.

use std::sync::Arc;
use std::time::Duration;

use pugmark::app::Running;
use pugmark::config::Poll;
use pugmark::crm::Crm;
use pugmark::crm::breaker::Position;
use pugmark::schedule::crm_poll::{Poller, Round, pause};
use pugmark_sandbox::{Clock, Fault, FaultPlan, ManualClock};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use vtiger::Quota;

use super::{column, linked, notice, rule};
use crate::harness::{World, eventually, on_both_databases, sandbox, seed};
use crate::http::Api;

on_both_databases!(
    an_edit_that_no_webhook_told_of_is_noticed_and_own_echoes_are_not,
    with_a_third_of_the_webhooks_dropped_polling_repairs_all,
    two_hundred_records_of_one_second_are_all_read,
    what_was_read_is_not_noticed_again_after_a_restart_and_nothing_is_skipped,
    a_clock_that_was_set_back_hides_nothing_for_long,
    a_contact_that_is_gone_is_found_and_one_that_is_back_too,
    an_empty_answer_is_no_proof_that_contacts_are_gone,
    a_contact_that_came_out_of_a_lead_is_noticed_once,
    a_poll_that_fails_is_told_and_the_next_one_loses_nothing,
    a_page_verifies_what_was_only_predicted,
    a_conflict_that_waits_is_not_looked_at_again_and_again,
    it_runs_by_itself_and_the_status_tells,
    in_shadow_mode_nothing_is_asked,
);

fn settings() -> Poll {
    Poll {
        enabled: true,
        interval: Duration::from_secs(1),
        overlap: Duration::from_secs(60),
        deletions_within: Duration::from_secs(1),
    }
}

/// A poller of its own beside a Pugmark that does not poll.
fn poller(world: &World, running: &Running) -> Poller {
    let settings_of_crm = world.settings.crm.clone().expect("a CRM");
    let crm = Crm::new(settings_of_crm).expect("a usable address");
    Poller::new(
        running.db.clone(),
        running.queue.clone(),
        Arc::new(crm),
        settings(),
    )
}

async fn poll(poller: &mut Poller) -> Round {
    poller.round().await.expect("vTiger answers")
}

async fn an_edit_that_no_webhook_told_of_is_noticed_and_own_echoes_are_not(world: World) {
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    rule(&api, "phoneNumber", "both", "ask").await;
    let (customer, contact) = linked(&world, &program, "Otieno").await;
    let mut poller = poller(&world, &running);
    let first = poll(&mut poller).await;
    assert_eq!(
        (first.read, first.noticed),
        (1, 0),
        "what Pugmark made itself"
    );
    program.set(&customer, "lastName", "'Odhiambo'").await;
    program.wait_until_idle().await;
    assert_eq!(
        poll(&mut poller).await.noticed,
        0,
        "what Pugmark wrote itself"
    );

    assert!(world.crm.edit(&contact, &[("mobile", "0799000111")]));
    assert_eq!(poll(&mut poller).await.noticed, 1);
    program.wait_until_idle().await;
    assert_eq!(
        column(&program, &customer, "phoneNumber").await.as_deref(),
        Some("0799000111")
    );
    assert_eq!(poll(&mut poller).await.noticed, 0);
    // A field that is not mapped is nobody's business here.
    assert!(world.crm.edit(&contact, &[("title", "Mrs")]));
    assert_eq!(poll(&mut poller).await.noticed, 0);
    running.shutdown().await;
}

async fn with_a_third_of_the_webhooks_dropped_polling_repairs_all(world: World) {
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    rule(&api, "phoneNumber", "both", "vtiger").await;
    rule(&api, "lastName", "both", "vtiger").await;
    let mut people = Vec::new();
    for number in 0..10 {
        people.push(linked(&world, &program, &format!("Otieno {number}")).await);
    }
    let mut poller = poller(&world, &running);
    let mut random = StdRng::seed_from_u64(seed());
    for edit in 0..40 {
        let (_, contact) = &people[random.random_range(0..people.len())];
        let phone = format!("07{:08}", random.random_range(0..100_000_000));
        assert!(world.crm.edit(contact, &[("mobile", &*phone)]));
        if edit % 7 == 0 {
            let name = format!("Wekesa {edit}");
            assert!(world.crm.edit(contact, &[("lastname", &*name)]));
        }
        if random.random_bool(0.7) {
            notice(&running, contact).await;
        }
        if edit % 10 == 9 {
            poll(&mut poller).await;
        }
    }
    poll(&mut poller).await;
    program.wait_until_idle().await;
    assert_eq!(world.out_of_step(&program, &[]).await, Vec::<String>::new());
    for (customer, contact) in &people {
        let shown = world.crm.record(contact).expect("the contact");
        assert_eq!(
            column(&program, customer, "phoneNumber").await.as_deref(),
            Some(shown.value("mobile"))
        );
    }
    assert_eq!(poll(&mut poller).await.noticed, 0, "all is repaired");
    running.shutdown().await;
}

async fn two_hundred_records_of_one_second_are_all_read(world: World) {
    let clock = ManualClock::new(jiff::Timestamp::now());
    let world = world
        .before(sandbox().clock(Clock::Manual(clock.clone())))
        .await;
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    rule(&api, "phoneNumber", "both", "vtiger").await;
    let rows: Vec<String> = (0..200)
        .map(|_| {
            let id = uuid::Uuid::new_v4().to_string();
            crate::harness::insert_statement(&id, "Otieno")
        })
        .collect();
    program.sql(rows.join("; ")).await;
    program.wait_until_idle().await;
    assert_eq!(world.crm.records("Contacts").len(), 200);
    let mut poller = poller(&world, &running);
    assert_eq!(poll(&mut poller).await.read, 200);

    clock.advance(Duration::from_secs(3_600));
    for (number, contact) in world.crm.records("Contacts").iter().enumerate() {
        let phone = format!("07{number:08}");
        assert!(world.crm.edit(&contact.id, &[("mobile", &*phone)]));
    }
    let round = poll(&mut poller).await;
    assert_eq!((round.read, round.noticed), (200, 200), "all of one second");
    program.wait_until_idle().await;
    assert_eq!(world.out_of_step(&program, &[]).await, Vec::<String>::new());
    running.shutdown().await;
}

async fn what_was_read_is_not_noticed_again_after_a_restart_and_nothing_is_skipped(world: World) {
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    rule(&api, "phoneNumber", "both", "vtiger").await;
    let (_, one) = linked(&world, &program, "Otieno").await;
    let (customer, other) = linked(&world, &program, "Wekesa").await;
    poll(&mut poller(&world, &running)).await;
    assert!(world.crm.edit(&one, &[("mobile", "0799000111")]));
    let before = program.one("SELECT modified_time FROM crm_cursors").await;
    assert!(before.is_some(), "the place is kept");
    // The second question fails: the first page is committed with its cursor, and a new process goes on from there.
    assert_eq!(poll(&mut poller(&world, &running)).await.noticed, 1);
    assert!(world.crm.edit(&other, &[("mobile", "0799000222")]));
    running.shutdown().await;

    let running = world.start().await;
    program.wait_until_idle().await;
    assert_eq!(poll(&mut poller(&world, &running)).await.noticed, 1);
    program.wait_until_idle().await;
    assert_eq!(
        column(&program, &customer, "phoneNumber").await.as_deref(),
        Some("0799000222")
    );
    assert_eq!(
        program
            .count("vtiger_sync_queue WHERE kind = 'contact.apply'")
            .await,
        2
    );
    running.shutdown().await;
}

async fn a_clock_that_was_set_back_hides_nothing_for_long(world: World) {
    let clock = ManualClock::new(jiff::Timestamp::now());
    let world = world
        .before(sandbox().clock(Clock::Manual(clock.clone())))
        .await;
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    rule(&api, "phoneNumber", "both", "vtiger").await;
    let (customer, contact) = linked(&world, &program, "Otieno").await;
    clock.advance(Duration::from_secs(7_200));
    assert!(world.crm.edit(&contact, &[("title", "Mrs")]));
    let mut first = poller(&world, &running);
    poll(&mut first).await;
    // In autumn the clock goes back by an hour.
    let now = clock.now();
    clock.set(now - jiff::SignedDuration::from_secs(3_600));
    assert!(world.crm.edit(&contact, &[("mobile", "0799000111")]));
    assert_eq!(poll(&mut first).await.noticed, 0, "before the usual place");
    // A poll that goes back further comes with every hour, and with every start.
    assert_eq!(poll(&mut poller(&world, &running)).await.noticed, 1);
    program.wait_until_idle().await;
    assert_eq!(
        column(&program, &customer, "phoneNumber").await.as_deref(),
        Some("0799000111")
    );
    running.shutdown().await;
}

async fn a_contact_that_is_gone_is_found_and_one_that_is_back_too(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let (customer, contact) = linked(&world, &program, "Otieno").await;
    let (other, _) = linked(&world, &program, "Wekesa").await;
    let mut poller = poller(&world, &running);
    assert_eq!(poll(&mut poller).await.looked_for, 2);
    assert!(world.crm.remove(&contact));
    assert_eq!(poll(&mut poller).await.gone_or_back, 1);
    program.wait_for_trouble(&customer, "PUG-3004").await;
    program.wait_until_idle().await;
    assert_eq!(poll(&mut poller).await.gone_or_back, 0, "it is known");
    assert_eq!(program.link(&other, "sync_error").await, None);
    assert_eq!(
        program.count("customers").await,
        2,
        "nobody is deleted for it"
    );

    // Back from the recycle bin, nothing is in the way any more.
    assert!(world.crm.restore(&contact));
    assert_eq!(poll(&mut poller).await.gone_or_back, 1);
    program.wait_until_idle().await;
    assert_eq!(program.link(&customer, "gone_at").await, None);
    assert_eq!(program.link(&customer, "sync_error").await, None);
    assert_eq!(poll(&mut poller).await.gone_or_back, 0);
    running.shutdown().await;
}

async fn an_empty_answer_is_no_proof_that_contacts_are_gone(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let (customer, _) = linked(&world, &program, "Otieno").await;
    let mut poller = poller(&world, &running);
    poll(&mut poller).await;
    // The page of changes is the first query, the question by ids the second.
    world
        .crm
        .faults()
        .set(FaultPlan::new(1).nth("query", 2, Fault::EmptyPage));
    let error = poller.round().await.expect_err("the count contradicts it");
    assert!(error.to_string().contains("counts 1 of 1"), "{error}");
    assert_eq!(program.link(&customer, "gone_at").await, None);
    assert_eq!(
        program
            .count("vtiger_sync_queue WHERE kind = 'contact.apply'")
            .await,
        0
    );
    running.shutdown().await;
}

async fn a_contact_that_came_out_of_a_lead_is_noticed_once(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let mut poller = poller(&world, &running);
    poll(&mut poller).await;
    let lead = world
        .crm
        .insert_as_ui("Leads", &[("lastname", "Njeri"), ("company", "Njeri")])
        .expect("a lead");
    let contact = world
        .crm
        .convert_lead(&lead, &[])
        .expect("a contact out of a lead");
    world
        .crm
        .insert_as_ui("Contacts", &[("lastname", "Nobody")])
        .expect("a contact of nobody here");
    assert_eq!(poll(&mut poller).await.noticed, 1);
    assert_eq!(poll(&mut poller).await.noticed, 0);
    let noticed = program
        .one("SELECT entity_id FROM vtiger_sync_queue WHERE kind = 'lead.convert'")
        .await;
    assert_eq!(noticed, Some(contact));
    running.shutdown().await;
}

async fn a_poll_that_fails_is_told_and_the_next_one_loses_nothing(world: World) {
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    rule(&api, "phoneNumber", "both", "vtiger").await;
    let (customer, contact) = linked(&world, &program, "Otieno").await;
    poll(&mut poller(&world, &running)).await;
    running.shutdown().await;
    world.crm.go_down().await;
    let mut polling = World {
        store: world.store,
        crm: world.crm,
        settings: world.settings,
    };
    polling.crm_settings().poll = settings();
    let running = polling.start().await;
    let told = "SELECT error_code FROM crm_cursors";
    eventually("the trouble", || async {
        program.one(told).await.filter(|code| code == "PUG-5104")
    })
    .await;
    assert!(polling.crm.edit(&contact, &[("mobile", "0799000111")]));
    polling.crm.come_back().await.expect("the port is free");
    eventually("the edit", || async {
        (column(&program, &customer, "phoneNumber").await.as_deref() == Some("0799000111"))
            .then_some(())
    })
    .await;
    eventually("the end of the trouble", || async {
        program.one(told).await.is_none().then_some(())
    })
    .await;
    running.shutdown().await;
}

async fn a_page_verifies_what_was_only_predicted(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let (customer, _) = linked(&world, &program, "Otieno").await;
    let verified = async || {
        let text = program.link(&customer, "snapshot_verified").await;
        matches!(text.as_deref(), Some("1" | "true"))
    };
    assert!(!verified().await, "a create shows nothing of what is kept");
    let before = world.traffic();
    poll(&mut poller(&world, &running)).await;
    assert!(verified().await);
    assert_eq!((world.traffic() - before).retrieve, 0, "at no extra call");
    running.shutdown().await;
}

async fn a_conflict_that_waits_is_not_looked_at_again_and_again(world: World) {
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    rule(&api, "phoneNumber", "both", "ask").await;
    let (customer, contact) = linked(&world, &program, "Otieno").await;
    let mut poller = poller(&world, &running);
    assert!(world.crm.edit(&contact, &[("mobile", "0799000111")]));
    program.set(&customer, "phoneNumber", "'0700000009'").await;
    program.wait_until_idle().await;
    assert_eq!(poll(&mut poller).await.noticed, 1);
    program.wait_until_idle().await;
    assert_eq!(program.count("conflicts WHERE status = 'OPEN'").await, 1);
    for _ in 0..3 {
        assert_eq!(poll(&mut poller).await.noticed, 0);
    }
    assert!(world.crm.edit(&contact, &[("mobile", "0700000009")]));
    assert_eq!(poll(&mut poller).await.noticed, 1);
    program.wait_until_idle().await;
    assert_eq!(program.count("conflicts WHERE status = 'OPEN'").await, 0);
    running.shutdown().await;
}

async fn it_runs_by_itself_and_the_status_tells(mut world: World) {
    world.crm_settings().poll = settings();
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    rule(&api, "phoneNumber", "both", "vtiger").await;
    let (customer, contact) = linked(&world, &program, "Otieno").await;
    assert!(world.crm.edit(&contact, &[("mobile", "0799000111")]));
    eventually("the edit", || async {
        (column(&program, &customer, "phoneNumber").await.as_deref() == Some("0799000111"))
            .then_some(())
    })
    .await;
    let status = api.get("/api/internal/status").await;
    let poll = &status.data()["poll"];
    assert_eq!(poll["enabled"], true, "{}", status.text);
    assert!(poll["polledAt"].is_string(), "{}", status.text);
    assert!(poll["noticed"].as_i64() >= Some(1), "{}", status.text);
    assert_eq!(status.data()["conflicts"], 0, "{}", status.text);
    running.shutdown().await;
}

async fn in_shadow_mode_nothing_is_asked(mut world: World) {
    world.settings.mode = pugmark::config::Mode::Shadow;
    world.crm_settings().poll = settings();
    let running = world.start().await;
    let status = Api::of(&running).get("/api/internal/status").await;
    assert_eq!(status.data()["poll"]["enabled"], false, "{}", status.text);
    let program = world.other_program().await;
    running.shutdown().await;
    assert_eq!(program.count("crm_cursors").await, 0);
    assert_eq!(world.calls("query"), 0);
}

#[test]
fn a_poll_waits_longer_while_vtiger_fails_or_has_few_calls_left() {
    let minute = Duration::from_secs(60);
    let left = |left: u64| Quota {
        day_limit: Some(1_000),
        day_remaining: Some(left),
        ..Quota::default()
    };
    let plenty = Quota::default();
    assert_eq!(pause(minute, 0, &plenty, Position::Closed), minute);
    assert_eq!(pause(minute, 2, &plenty, Position::Closed), minute * 4);
    assert_eq!(pause(minute, 90, &plenty, Position::Closed), minute * 15);
    assert_eq!(pause(minute, 0, &left(900), Position::Closed), minute);
    assert_eq!(pause(minute, 0, &left(400), Position::Closed), minute * 2);
    assert_eq!(pause(minute, 0, &left(200), Position::Closed), minute * 5);
    assert_eq!(pause(minute, 0, &left(0), Position::Closed), minute * 15);
    let open = Position::Open {
        remaining: minute * 3,
    };
    assert_eq!(pause(minute, 0, &plenty, open), minute * 3);
    let hourly = Duration::from_secs(3_600);
    assert_eq!(pause(hourly, 5, &left(0), Position::Closed), hourly);
}
