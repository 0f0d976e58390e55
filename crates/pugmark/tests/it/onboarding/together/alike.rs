//! The same random deliveries, one by one into one store and together into another: the same answers, and the same rows.

use std::collections::BTreeMap;

use pugmark::flows::onboarding::known::Known;
use pugmark::http::webhooks::lead_status::Effect;
use pugmark::store::sync_jobs;
use pugmark_queue::QueueError;
use pugmark_queue::db::Engine;
use pugmark_queue::testing::TestDb;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use super::{Sent, Taking, sealer};
use crate::harness::{World, Writer, on_both_databases, seed};

on_both_databases!(taken_in_together_leads_end_as_they_end_one_by_one);

impl Sent {
    /// Anything that senders send: new leads, leads of before, the same words again, ids of their own, what is of no use.
    fn any(number: usize, random: &mut StdRng) -> Self {
        let lead = match random.random_range(0..2) {
            0 => format!("2x{}", random.random_range(0..12)),
            _ => format!("2x{}", 1_000 + number),
        };
        let changed = random.random_range(0..3);
        let ready = json!({ "leadstatus": "Ready for Finance Setup", "company": format!("Ümlaut \"{changed}\" 'Ltd' \\ \u{0}\u{1F600}") });
        let (body, form) = match random.random_range(0..12) {
            0 => (
                json!({ "record_id": lead, "data": { "leadstatus": "Contacted" } }).to_string(),
                false,
            ),
            1 => ("{\"record_id\":".to_owned(), false),
            2 => (
                json!({ "record_id": "" , "data": ready }).to_string(),
                false,
            ),
            3 => (format!("id={lead}&company=M%C3%BCller+{changed}%00"), true),
            _ => (
                json!({ "record_id": lead, "module": "Leads", "data": ready }).to_string(),
                false,
            ),
        };
        let wanted = body.contains("Ready") && !body.contains("\"record_id\":\"\"");
        let id = match random.random_range(0..3) {
            0 if wanted => Some(format!("message {} of {lead}", random.random_range(0..3))),
            _ => None,
        };
        Sent {
            body,
            form,
            id,
            correlation_id: format!("request {number}"),
        }
    }
}

/// What was answered, with the lead in place of its job's id.
async fn told(store: &Writer, effects: Vec<Result<Effect, QueueError>>) -> Vec<String> {
    let jobs = jobs(store).await;
    let told = effects.into_iter().map(|effect| {
        let effect = effect.expect("it is taken in");
        let operation = effect.became.operation_id.is_some();
        let lead = effect.job.map(|job| jobs[&job.to_string()].clone());
        let became = effect.became;
        format!(
            "{} {:?} {:?} {:?} {:?} {operation} {lead:?} {}",
            became.status,
            became.reason,
            became.event,
            became.module,
            became.record_id,
            effect.is_news
        )
    });
    told.collect()
}

/// Leads by the ids of their jobs.
async fn jobs(store: &Writer) -> BTreeMap<String, String> {
    let id = match store.engine() {
        Engine::Sqlite => "lower(hex(job_id))",
        Engine::Postgres => "replace(CAST(job_id AS TEXT), '-', '')",
    };
    let listed = listed(
        store,
        &format!("{id} || ' ' || vtiger_lead_id"),
        "sync_jobs",
    )
    .await;
    let split = listed
        .iter()
        .map(|line| line.split_once(' ').expect("both"));
    split
        .map(|(id, lead)| {
            let id: uuid::Uuid = id.parse().expect("an id");
            (id.to_string(), lead.to_owned())
        })
        .collect()
}

async fn listed(store: &Writer, each: &str, from: &str) -> Vec<String> {
    let joined = match store.engine() {
        Engine::Sqlite => format!("SELECT group_concat({each}, char(10)) FROM {from}"),
        Engine::Postgres => format!("SELECT string_agg({each}, chr(10)) FROM {from}"),
    };
    let text = store.one(joined).await.unwrap_or_default();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

fn columns(names: &[&str]) -> String {
    let each = names
        .iter()
        .map(|name| format!("COALESCE(CAST({name} AS TEXT), '-')"));
    each.collect::<Vec<_>>().join(" || ' | ' || ")
}

/// Everything that is stored, but for ids and times, which are new each time.
async fn picture(taking: &Taking, store: &Writer) -> Vec<String> {
    let mut all = Vec::new();
    for (from, names) in [
        (
            "sync_jobs j LEFT JOIN vtiger_sync_queue q ON q.id = j.operation_id",
            vec![
                "j.vtiger_lead_id",
                "j.status",
                "j.step",
                "j.error_code",
                "j.error_message",
                "j.faults",
                "j.reruns",
                "j.requested_by",
                "j.correlation_id",
                "q.lane",
                "q.correlation_id",
                "j.ended_at IS NULL",
                "j.created_at = j.updated_at",
            ],
        ),
        (
            "vtiger_sync_queue",
            vec![
                "kind",
                "entity_type",
                "operation",
                "lane",
                "lane_seq",
                "head",
                "status",
                "priority",
                "retry_count",
                "max_retries",
                "deferrals",
                "payload",
                "sealed_payload IS NULL",
                "outcome",
                "correlation_id",
                "coalesce_key",
                "replace(idempotency_key, entity_id, '')",
                "attempts",
                "inherited_attempts",
                "requested_by",
                "dead_at IS NULL",
                "blocked_by",
                "next_attempt_at = created_at",
            ],
        ),
        ("queue_lanes", vec!["lane", "last_seq"]),
        (
            "queue_idempotency_keys k JOIN vtiger_sync_queue q ON q.id = k.operation_id",
            vec![
                "q.lane",
                "q.lane_seq",
                "q.idempotency_key = k.idempotency_key",
            ],
        ),
        (
            "webhook_deliveries d LEFT JOIN vtiger_sync_queue q ON q.id = d.operation_id",
            vec![
                "endpoint",
                "proof",
                "secret_number",
                "dedup_key",
                "content_type",
                "parameters",
                "body",
                "d.correlation_id",
                "event",
                "module",
                "record_id",
                "d.status",
                "reason",
                "q.lane",
                "q.lane_seq",
                "duplicates",
                "last_duplicate_at IS NULL",
            ],
        ),
        (
            "webhook_keys k LEFT JOIN webhook_deliveries d ON d.id = k.delivery_id",
            vec![
                "k.dedup_key",
                "d.correlation_id",
                "k.seen_at = d.received_at",
            ],
        ),
    ] {
        let table = from.split(' ').next().unwrap_or_default();
        let rows = listed(store, &columns(&names), from).await;
        all.extend(rows.into_iter().map(|row| format!("{table}: {row}")));
    }
    all.extend(kept(taking, store).await);
    all
}

/// What the jobs know of their leads.
async fn kept(taking: &Taking, store: &Writer) -> Vec<String> {
    let mut conn = taking.means.db.read().await.expect("a connection");
    let mut kept = Vec::new();
    for lead in jobs(store).await.into_values() {
        let job = sync_jobs::current_of(&mut conn, &lead)
            .await
            .expect("the query runs");
        let job = job.expect("a job");
        let sealed = job.sealed_data.as_ref().expect("something is known");
        let known = Known::open(&sealer(), job.job_id, sealed).expect("it opens");
        kept.push(format!("known: {lead} {:?}", known.received));
    }
    kept.sort();
    kept
}

async fn taken_in_together_leads_end_as_they_end_one_by_one(world: World) {
    let twin = match world.store.db().engine() {
        Engine::Sqlite => TestDb::sqlite().await,
        Engine::Postgres => TestDb::postgres().await.expect("the first one was there"),
    };
    let (ours, other) = (
        Taking::of(world.store.db()).await,
        Taking::of(twin.db()).await,
    );
    let (store, twin) = (world.other_program().await, Writer::on(twin.url()).await);
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let mut number = 0;
    for round in 0..6 {
        let sent: Vec<Sent> = (0..random.random_range(1..50))
            .map(|_| {
                number += 1;
                Sent::any(number, &mut random)
            })
            .collect();
        let wanted = told(&twin, other.singly(&sent).await).await;
        let got = told(&store, ours.together(&sent).await).await;
        for ((sent, got), wanted) in sent.iter().zip(&got).zip(&wanted) {
            assert_eq!(got, wanted, "PUGMARK_SEED={seed} round {round}: {sent:?}");
        }
        // People and workers go on with the jobs meanwhile.
        for lead in 0..12 {
            let change = match random.random_range(0..6) {
                0 => "status = 'failed', error_code = 'CANCELLED', error_message = 'no'",
                1 => "status = 'failed', error_code = 'PUG-6101', error_message = 'wrong'",
                2 => {
                    "status = 'crm_updated', step = 'lead_updated', error_code = NULL, error_message = NULL"
                }
                3 => "status = 'processing', error_code = NULL, error_message = NULL",
                _ => continue,
            };
            let sql = format!("UPDATE sync_jobs SET {change} WHERE vtiger_lead_id = '2x{lead}'");
            store.sql(&sql).await;
            twin.sql(&sql).await;
        }
        let (got, wanted) = (picture(&ours, &store).await, picture(&other, &twin).await);
        for (got, wanted) in got.iter().zip(&wanted) {
            assert_eq!(got, wanted, "PUGMARK_SEED={seed} round {round}");
        }
        assert_eq!(got.len(), wanted.len(), "PUGMARK_SEED={seed} round {round}");
    }
}
