//! Leads that are answered before everything is stored that they lead to.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use pugmark::flows::onboarding::arrivals::{BATCH, store_some};
use pugmark::flows::onboarding::known::Known;
use pugmark::flows::onboarding::request::{NewRequest, Outcome, Requested, request};
use pugmark::http::webhooks::lead_status::Effect;
use pugmark_queue::QueueError;
use pugmark_queue::db::{Db, DbOptions, Engine};

use super::super::sending::started;
use super::{Sent, Taking, leads};
use crate::harness::{World, Writer, eventually, on_both_databases};

on_both_databases!(
    a_lead_that_is_set_aside_is_one_row_until_its_job_is_stored,
    leads_that_are_set_aside_under_load_are_stored_without_anybody_asking,
    what_an_ended_process_had_set_aside_is_stored_by_whoever_leads,
    whoever_asks_for_a_lead_that_is_set_aside_gets_the_job_its_sender_was_told,
    a_lead_that_has_a_job_is_not_set_aside,
    a_delivery_whose_id_is_set_aside_is_known_again,
    a_lead_that_cannot_be_stored_waits_and_harms_no_other,
    the_same_leads_set_aside_by_one_process_and_asked_for_by_another_have_one_job_each,
);

/// Job, operation, delivery and key of a lead.
const WHOLE: &str = "sync_jobs j JOIN vtiger_sync_queue q ON q.id = j.operation_id AND q.entity_type = 'SYNC_JOB' \
     JOIN webhook_deliveries d ON d.operation_id = q.id AND d.record_id = j.vtiger_lead_id \
     JOIN webhook_keys k ON k.delivery_id = d.id AND k.dedup_key = d.dedup_key";

fn job(effect: &Result<Effect, QueueError>) -> String {
    let effect = effect.as_ref().expect("taken in");
    effect.job.expect("a job").to_string()
}

async fn jobs_of(store: &Writer) -> BTreeSet<String> {
    let id = match store.engine() {
        Engine::Sqlite => "lower(hex(job_id))",
        Engine::Postgres => "replace(CAST(job_id AS TEXT), '-', '')",
    };
    let listed = match store.engine() {
        Engine::Sqlite => format!("SELECT group_concat({id}) FROM sync_jobs"),
        Engine::Postgres => format!("SELECT string_agg({id}, ',') FROM sync_jobs"),
    };
    let listed = store.one(listed).await.unwrap_or_default();
    let ids = listed.split(',').filter(|id| !id.is_empty());
    ids.map(|id| id.parse::<uuid::Uuid>().expect("an id").to_string())
        .collect()
}

/// Leads that are set aside in this store and stay there, and the jobs their senders were told.
async fn set_aside(db: &Db, sent: &[Sent]) -> Vec<String> {
    let taking = Taking::over(db.clone()).setting_aside();
    let effects = taking.answered(sent).await;
    effects.iter().map(job).collect()
}

async fn asked(taking: &Taking, lead: &str) -> Requested {
    let (queue, new) = (
        taking.means.queue.clone(),
        NewRequest {
            lead: lead.to_owned(),
            known: Known::default(),
            by: "poll".to_owned(),
            by_person: false,
            correlation_id: "a poll".to_owned(),
        },
    );
    let asked = taking.means.db.write("ask", move |conn| {
        Box::pin(async move { request(conn, &queue, None, &new).await })
    });
    asked.await.expect("it is asked for")
}

async fn a_lead_that_is_set_aside_is_one_row_until_its_job_is_stored(world: World) {
    let taking = Taking::of(world.store.db()).await;
    let store = world.other_program().await;
    let many = BATCH as usize + 10;
    let told: BTreeSet<String> = set_aside(world.store.db(), &leads(many))
        .await
        .into_iter()
        .collect();
    assert_eq!(told.len(), many, "each has a job of its own");
    assert_eq!(store.count("lead_arrivals").await, many as i64);
    for later in [
        "sync_jobs",
        "vtiger_sync_queue",
        "webhook_deliveries",
        "webhook_keys",
    ] {
        assert_eq!(store.count(later).await, 0, "{later}");
    }
    let mut stored = Vec::new();
    for _ in 0..3 {
        stored.push(store_some(&taking.means.queue).await.expect("stored"));
    }
    assert_eq!(stored, [BATCH as usize, 10, 0]);
    assert_eq!(jobs_of(&store).await, told, "as their senders were told");
    assert_eq!(store.count(WHOLE).await, many as i64);
    assert_eq!(store.count("lead_arrivals").await, 0);
}

async fn leads_that_are_set_aside_under_load_are_stored_without_anybody_asking(world: World) {
    let taking = Taking::of(world.store.db()).await;
    let store = world.other_program().await;
    for effect in taking.answered(&leads(300)).await {
        assert!(effect.expect("taken in").is_news);
    }
    taking.together.stored().await;
    assert_eq!(store.count(WHOLE).await, 300);
    assert_eq!(store.count("lead_arrivals").await, 0);
}

async fn what_an_ended_process_had_set_aside_is_stored_by_whoever_leads(mut world: World) {
    Taking::of(world.store.db()).await;
    let told = set_aside(world.store.db(), &leads(5)).await;
    let store = world.other_program().await;
    assert_eq!(store.count("lead_arrivals").await, 5);
    // The next process begins.
    let (_running, _api) = started(&mut world).await;
    let stored = eventually("five jobs", || async {
        let jobs = jobs_of(&store).await;
        (jobs.len() == 5).then_some(jobs)
    });
    assert_eq!(stored.await, told.into_iter().collect());
}

async fn whoever_asks_for_a_lead_that_is_set_aside_gets_the_job_its_sender_was_told(
    mut world: World,
) {
    let taking = Taking::of(world.store.db()).await;
    let told = set_aside(world.store.db(), &leads(3)).await;
    // The same words again.
    let again = taking.singly(&leads(1)).await;
    assert_eq!(job(&again[0]), told[0]);
    assert!(!again[0].as_ref().expect("taken in").is_news);
    let polled = asked(&taking, "2x1").await;
    assert_eq!(polled.job_id.to_string(), told[1]);
    assert_eq!(polled.outcome, Outcome::Active);
    let store = world.other_program().await;
    assert_eq!(store.count(WHOLE).await, 2);
    assert_eq!(
        store.count("webhook_deliveries WHERE duplicates = 1").await,
        1
    );
    assert_eq!(store.count("lead_arrivals").await, 1);
    // A person looks the job up. Whoever leads may have stored it before.
    let (_running, api) = started(&mut world).await;
    let shown = api
        .get(&format!("/api/internal/onboarding/jobs/{}", told[2]))
        .await;
    assert_eq!(shown.status, 200);
    assert_eq!(shown.json["data"]["vtigerLeadId"], "2x2");
}

async fn a_lead_that_has_a_job_is_not_set_aside(world: World) {
    let taking = Taking::of(world.store.db()).await;
    let first: Vec<String> = taking.singly(&leads(3)).await.iter().map(job).collect();
    let aside = taking.setting_aside();
    let again = aside.answered(&leads(5)).await;
    for (at, effect) in again.iter().enumerate() {
        assert_eq!(effect.as_ref().expect("taken in").is_news, at >= 3);
    }
    let again: Vec<String> = again.iter().map(job).collect();
    assert_eq!(again[..3], first);
    let store = world.other_program().await;
    assert_eq!(store.count("lead_arrivals").await, 2);
    // Nor is it when it waits already.
    let third = aside.answered(&leads(5)).await;
    let third: Vec<String> = third.iter().map(job).collect();
    assert_eq!(third, again);
}

async fn a_delivery_whose_id_is_set_aside_is_known_again(world: World) {
    let taking = Taking::of(world.store.db()).await;
    let with_id = |lead: &str| Sent {
        id: Some("message 1".to_owned()),
        ..Sent::lead(lead)
    };
    let told = set_aside(world.store.db(), &[with_id("2x1")]).await;
    let again = taking.singly(&[with_id("2x1")]).await;
    assert_eq!(job(&again[0]), told[0]);
    let store = world.other_program().await;
    assert_eq!(store.count("webhook_deliveries").await, 1);
    assert_eq!(
        store.count("webhook_deliveries WHERE duplicates = 1").await,
        1
    );
    // Also where it is large enough a batch to be set aside.
    let others: Vec<Sent> = [with_id("2x1"), Sent::lead("2x2")].into();
    let effects = taking.setting_aside().answered(&others).await;
    assert_eq!(job(&effects[0]), told[0]);
    assert_eq!(store.count("lead_arrivals").await, 1, "the other one");
    assert_eq!(
        store.count("webhook_deliveries WHERE duplicates = 2").await,
        1
    );
}

async fn a_lead_that_cannot_be_stored_waits_and_harms_no_other(world: World) {
    let taking = Taking::of(world.store.db()).await;
    let store = world.other_program().await;
    set_aside(world.store.db(), &leads(5)).await;
    let (cut, whole) = (
        "UPDATE lead_arrivals SET content = 'x' || content WHERE lead = '2x3'",
        "UPDATE lead_arrivals SET content = substr(content, 2) WHERE lead = '2x3'",
    );
    store.sql(cut).await;
    assert_eq!(store_some(&taking.means.queue).await.expect("stored"), 4);
    assert_eq!(store_some(&taking.means.queue).await.expect("none"), 0);
    assert_eq!(store.count(WHOLE).await, 4);
    assert_eq!(store.count("lead_arrivals WHERE lead = '2x3'").await, 1);
    store.sql(whole).await;
    assert_eq!(store_some(&taking.means.queue).await.expect("stored"), 1);
    assert_eq!(store.count(WHOLE).await, 5);
}

async fn the_same_leads_set_aside_by_one_process_and_asked_for_by_another_have_one_job_each(
    world: World,
) {
    let aside = Taking::of(world.store.db()).await.setting_aside();
    let other = Db::open(world.store.url(), DbOptions::default()).await;
    let other = Taking::over(other.expect("the store opens again"));
    let sent = leads(60);
    let receiving = join_all(sent.iter().map(|sent| {
        let arrived = sent.arrived(&aside.means);
        aside.together.take_in(&aside.means, arrived)
    }));
    let asking = join_all((0..60).map(|number| {
        let (other, lead) = (&other, format!("2x{number}"));
        async move { asked(other, &lead).await }
    }));
    let (received, asked) = tokio::join!(receiving, asking);
    let by_lead: BTreeMap<usize, String> = received.iter().map(job).enumerate().collect();
    for (at, asked) in asked.iter().enumerate() {
        assert_eq!(asked.job_id.to_string(), by_lead[&at], "lead {at}");
    }
    while store_some(&other.means.queue).await.expect("stored") > 0 {}
    let store = world.other_program().await;
    assert_eq!(store.count("sync_jobs").await, 60);
    assert_eq!(store.count("vtiger_sync_queue").await, 60);
    assert_eq!(store.count("webhook_deliveries").await, 60);
}
