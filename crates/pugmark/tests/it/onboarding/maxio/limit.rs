//! Never more than four calls at once, by all processes together, and nobody else waits for a slow Maxio.

use std::sync::Arc;

use ::maxio::Slots;
use pugmark::billing::SharedSlots;
use pugmark_queue::testing::TestDb;

use super::*;
use crate::harness::on_both_databases;

on_both_databases!(
    a_load_of_jobs_never_makes_more_than_four_calls_at_once,
    a_maxio_that_is_away_holds_up_no_delivery_to_the_crm,
);

async fn a_load_of_jobs_never_makes_more_than_four_calls_at_once(world: World) {
    let maxio = |maxio: MaxioSandboxBuilder| maxio.latency(Duration::from_millis(25));
    let mut site = Site::with(world, maxio, |crm| with_fields(crm, "Leads")).await;
    site.settings().call_timeout = Duration::from_secs(10);
    let (running, api) = site.start().await;
    let second = match site.world.store.url().starts_with("sqlite") {
        true => None,
        false => Some(site.start().await),
    };
    let leads: Vec<String> = (0..12)
        .map(|number| site.lead(&format!("c{number}@acmecorp.com")))
        .collect();
    let mut jobs = Vec::new();
    for lead in &leads {
        jobs.push(site.ready(&api, lead).await);
    }
    for job in &jobs {
        site.until(&api, job, "crm_updated").await;
    }
    for lead in &leads {
        site.assert_set_up(lead);
    }
    let seen = site.maxio.traffic();
    assert!(seen.most_in_progress <= 4, "{seen:?}");
    assert!(
        seen.most_in_progress > 1,
        "or the test shows nothing: {seen:?}"
    );
    if let Some((second, _)) = second {
        second.shutdown().await;
    }
    running.shutdown().await;
}

async fn a_maxio_that_is_away_holds_up_no_delivery_to_the_crm(world: World) {
    let site = Site::of(world).await;
    let (running, api) = site.start().await;
    site.maxio.go_down().await;
    let mut jobs = Vec::new();
    let leads: Vec<String> = (0..8)
        .map(|number| site.lead(&format!("c{number}@acmecorp.com")))
        .collect();
    for lead in &leads {
        jobs.push(site.ready(&api, lead).await);
    }
    eventually("the trouble is told", || async {
        (site.job(&api, &jobs[0]).await.code == "PUG-6201").then_some(())
    })
    .await;
    let program = site.program().await;
    let customer = program.insert_customer("Wanjiru").await;
    site.world.wait_for_contact(&customer, |_| true).await;
    let dead = program
        .count("vtiger_sync_queue WHERE dead_at IS NOT NULL")
        .await;
    assert_eq!(dead, 0, "nothing is burnt");
    site.maxio.come_back().await.expect("the port is free");
    for job in &jobs {
        site.until(&api, job, "crm_updated").await;
    }
    for lead in &leads {
        site.assert_set_up(lead);
    }
    running.shutdown().await;
}

fn settings(call_timeout: Duration) -> config::Maxio {
    config::Maxio {
        url: "http://127.0.0.1:9/".parse().expect("an address"),
        key: SecretString::from("key"),
        webhook_secret: None,
        call_timeout,
        longest_execution: Duration::ZERO,
        at_once: 4,
        product: "default-hr-package".to_owned(),
        price_point: None,
        collection: Collection::Iban,
        gateway: Gateway::Test,
        next_billing: NextBilling::Now,
        net_terms: None,
    }
}

/// Slots of two processes on one store.
async fn two_processes(call_timeout: Duration) -> Option<(TestDb, [Arc<SharedSlots>; 2])> {
    let store = TestDb::postgres().await?;
    pugmark::store::migrate(store.db()).await.expect("migrated");
    let slots = [(); 2].map(|()| {
        Arc::new(SharedSlots::new(
            store.db().clone(),
            &settings(call_timeout),
        ))
    });
    Some((store, slots))
}

#[tokio::test]
async fn processes_share_the_slots_and_hand_them_on() {
    let Some((_store, [one, other])) = two_processes(Duration::from_secs(60)).await else {
        return;
    };
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(one.take().await.expect("a slot"));
    }
    let waiting = tokio::spawn(async move { other.take().await.map(drop) });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished(), "all four are taken");
    drop(held.pop());
    waiting
        .await
        .expect("no panic")
        .expect("the slot that was given back");
}

#[tokio::test]
async fn a_caller_who_gives_up_leaves_nothing_taken() {
    let Some((_store, [one, other])) = two_processes(Duration::from_secs(60)).await else {
        return;
    };
    for _ in 0..20 {
        // Given up at once, after a moment, and while the store is being asked.
        let _ = tokio::time::timeout(Duration::from_millis(2), one.take()).await;
    }
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(other.take().await.expect("a slot"));
    }
}

#[tokio::test]
async fn what_a_dead_process_held_is_free_after_the_lease_and_not_before() {
    let Some((_store, [one, other])) = two_processes(Duration::from_millis(600)).await else {
        return;
    };
    let began = tokio::time::Instant::now();
    for _ in 0..4 {
        // Never given back.
        std::mem::forget(one.take().await.expect("a slot"));
    }
    other.take().await.expect("a slot, in the end");
    // Twice the call's timeout: a call that was under way has ended by then.
    assert!(
        began.elapsed() >= Duration::from_millis(1_200),
        "{:?}",
        began.elapsed()
    );
}
