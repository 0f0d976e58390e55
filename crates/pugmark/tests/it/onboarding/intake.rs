//! The webhook of leads, over HTTP, as a sender meets it; what came of it is judged by the store.

use pugmark::flows::onboarding::known::Known;
use pugmark::store::sync_jobs::{self, Job};
use pugmark_queue::db::{DbError, Ts};
use serde_json::{Value, json};

use super::sending::*;
use crate::harness::{World, Writer, assert_not_in, dump, on_both_databases};
use crate::http::{Answer, Api, answer, keys};
use crate::program::{Serving, configured};
use pugmark::app::Running;

on_both_databases!(
    the_guides_example_is_received_byte_for_byte,
    other_events_statuses_and_modules_are_ignored,
    what_proves_nothing_or_cannot_be_used_is_refused_in_plain_words,
    plain_workflows_are_received_in_every_way_they_write,
    a_lead_keeps_its_job_however_often_the_workflow_fires,
    a_failed_job_is_tried_again_with_what_is_sent_now,
    no_bank_data_is_in_the_store_or_the_log,
    without_a_key_to_seal_with_nothing_received_is_kept,
    a_contact_is_a_lead_where_there_are_no_leads,
    a_kept_delivery_can_be_replayed,
    what_was_answered_survives_a_kill,
);

pub(super) fn job_id(answer: &Answer) -> uuid::Uuid {
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(keys(&answer.json), ["status", "jobId"], "{}", answer.text);
    assert_eq!(answer.json["status"], "received");
    let id = answer.json["jobId"].as_str().expect("a text");
    id.parse().expect("a UUID")
}

async fn job(running: &Running, lead: &str) -> Job {
    let mut conn = running.db.read().await.expect("a connection");
    let found = sync_jobs::current_of(&mut conn, lead).await;
    found.expect("the query runs").expect("a job")
}

pub(super) fn known(job: &Job) -> Known {
    let sealer =
        pugmark_queue::Sealer::new(<sha2::Sha256 as sha2::Digest>::digest([7; 32])[0], &[7; 32])
            .expect("a key");
    let sealed = job.sealed_data.as_ref().expect("something is known");
    Known::open(&sealer, job.job_id, sealed).expect("it opens")
}

async fn fail(running: &Running, job: &Job, code: &'static str) {
    let id = job.job_id;
    running
        .db
        .write("fail", move |conn| {
            Box::pin(async move {
                let faults = [("iban".to_owned(), "is wrong".to_owned())].into();
                sync_jobs::set_failed(conn, id, code, "It is wrong", &faults, Ts::now()).await?;
                Ok::<_, DbError>(())
            })
        })
        .await
        .expect("it is written");
}

async fn the_guides_example_is_received_byte_for_byte(mut world: World) {
    let (running, api) = started(&mut world).await;
    let program = world.other_program().await;
    let body = guide();
    let first = answer(signed(&api, &body)).await;
    let id = job_id(&first);
    assert_eq!(
        first.text,
        format!(r#"{{"status":"received","jobId":"{id}"}}"#)
    );
    // The guide's sender signs what JavaScript makes of the body.
    let compact: Value = serde_json::from_str(&body).expect("JSON");
    let again = post(&api, LEAD_STATUS, &body)
        .header("X-Vtiger-Signature", signature(&compact.to_string()));
    assert_eq!(job_id(&answer(again).await), id, "the same job");
    let stored = job(&running, "vtiger_lead_id_456").await;
    assert_eq!(
        (stored.job_id, stored.status.as_str(), stored.reruns),
        (id, "pending", 0)
    );
    assert_eq!(known(&stored).received["cf_iban"], IBAN);
    assert_eq!(known(&stored).received["company"], "Acme Corp Ltd");
    let operation = stored.operation_id.expect("an operation");
    let found = running.queue.get(operation).await.expect("the store");
    let found = found.expect("it is there");
    let operation = found.current();
    assert_eq!(
        (operation.kind.as_str(), operation.entity_type.as_str()),
        ("maxio.onboard", "SYNC_JOB")
    );
    assert_eq!(operation.entity_id, id.to_string());
    assert_eq!(operation.lane, "crm:vtiger_lead_id_456");
    assert_eq!(program.count("vtiger_sync_queue").await, 1);
    assert_eq!(program.count("webhook_deliveries").await, 1);
    // A bare comment, as the guide prints it, is no JSON.
    let commented = answer(signed(&api, GUIDE)).await;
    assert_eq!(commented.status, 422, "{}", commented.text);
    running.shutdown().await;
}

async fn other_events_statuses_and_modules_are_ignored(mut world: World) {
    let (running, api) = started(&mut world).await;
    let program = world.other_program().await;
    for (what, with) in [
        ("record.update", "record.delete"),
        ("\"Leads\"", "\"Accounts\""),
        ("Ready for Finance Setup", "Contacted"),
        ("Ready for Finance Setup", ""),
    ] {
        let body = guide().replace(what, with);
        let ignored = answer(signed(&api, &body)).await;
        assert_eq!(
            (ignored.status, ignored.text.as_str()),
            (200, r#"{"status":"ignored"}"#),
            "{with}"
        );
        let repeated = answer(signed(&api, &body)).await;
        assert_eq!(repeated.text, ignored.text, "{with}");
    }
    let extension = json!({ "id": "msg", "type": "record.updated", "data": { "module": "Leads", "id": "2x5" } });
    let ignored = answer(signed(&api, &extension.to_string())).await;
    assert_eq!(ignored.text, r#"{"status":"ignored"}"#);
    assert_eq!(program.count("sync_jobs").await, 0);
    assert_eq!(program.count("vtiger_sync_queue").await, 0);
    assert_eq!(
        program
            .count("webhook_deliveries WHERE status = 'IGNORED' AND reason IS NOT NULL")
            .await,
        5,
        "all are kept with the reason"
    );
    for word in ["record.create", "created", "Leads.Updated", "record.update"] {
        let body = lead(&format!("2x{}", word.len())).replace("record.update", word);
        job_id(&answer(signed(&api, &body)).await);
    }
    running.shutdown().await;
}

async fn what_proves_nothing_or_cannot_be_used_is_refused_in_plain_words(mut world: World) {
    receiving(&mut world);
    world.settings.webhooks.max_body = 2_000;
    let running = world.start().await;
    let api = Api::of(&running);
    let program = world.other_program().await;
    let body = guide();
    let forged = signed(&api, &body).body(body.replace("Acme", "Evil"));
    for refused in [
        post(&api, LEAD_STATUS, &body),
        forged,
        post(&api, &format!("{LEAD_STATUS}/not-the-secret"), &body),
    ] {
        let refused = answer(refused).await;
        assert_eq!(
            (refused.status, refused.text.as_str()),
            (401, r#"{"error":"Invalid signature"}"#)
        );
    }
    for (body, words) in [
        ("{\"record_id\":", "ends in the middle"),
        ("[1]", "no JSON object"),
        ("{\"data\":{}}", "names no record"),
        ("{\"record_id\":\"2x\\u00075\"}", "control characters"),
    ] {
        let refused = answer(signed(&api, body)).await;
        assert_eq!(refused.status, 422, "{body}");
        assert_eq!(keys(&refused.json), ["error"]);
        assert!(refused.text.contains(words), "{}", refused.text);
    }
    let long = json!({ "record_id": "9".repeat(101) }).to_string();
    assert_eq!(answer(signed(&api, &long)).await.status, 422);
    let large = answer(signed(&api, &"x".repeat(2_001))).await;
    assert_eq!(large.status, 413);
    assert!(large.json["error"].is_string(), "{}", large.text);
    assert_eq!(program.count("sync_jobs").await, 0);

    program.sql("DROP TABLE sync_jobs").await;
    let broken = answer(signed(&api, &body)).await;
    assert_eq!(
        (broken.status, broken.text.as_str()),
        (500, r#"{"error":"Failed to process request"}"#)
    );
    running.db.clone().close().await;
    let gone = answer(signed(&api, &body)).await;
    assert_eq!(gone.status, 503, "{}", gone.text);
    assert!(gone.json["error"].is_string(), "{}", gone.text);
    assert!(!gone.header("retry-after").is_empty());
    running.shutdown().await;

    world.settings.webhooks.per_peer = 1;
    let running = world.start().await;
    let api = Api::of(&running);
    answer(post(&api, LEAD_STATUS, &body)).await;
    let limited = answer(signed(&api, &body)).await;
    assert_eq!(limited.status, 429);
    assert!(limited.json["error"].is_string(), "{}", limited.text);
    assert!(!limited.header("retry-after").is_empty());
    running.shutdown().await;
}

async fn plain_workflows_are_received_in_every_way_they_write(mut world: World) {
    let (running, api) = started(&mut world).await;
    let form = "application/x-www-form-urlencoded";
    let by_header =
        |body: &str| post(&api, LEAD_STATUS, body).header("X-Webhook-Secret", HEADER_SECRET);
    let by_path = |body: &str| post(&api, &format!("{LEAD_STATUS}/{PATH_SECRET}"), body);
    let flat =
        json!({ "company": "Acme", "assigned_to": "65", "cf_iban": IBAN, "id": "2x2179843" });
    job_id(&answer(by_header(&flat.to_string())).await);
    let received = known(&job(&running, "2x2179843").await).received;
    assert_eq!(
        received.keys().collect::<Vec<_>>(),
        ["assigned_to", "cf_iban", "company"]
    );
    let written = "leadstatus=Ready+for+Finance+Setup&company=M%C3%BCller&id=2x77";
    let path = format!("{LEAD_STATUS}/{PATH_SECRET}");
    let sent = api.bare(reqwest::Method::POST, &path).body(written);
    job_id(&answer(sent.header("content-type", form)).await);
    assert_eq!(
        known(&job(&running, "2x77").await).received["company"],
        "Müller"
    );
    // Parameters with a dot in their names are nested, or are not.
    let dotted = json!({ "event": "record.update", "data.leadstatus": "Ready for Finance Setup", "data.company": "Acme", "id": "2x78" });
    job_id(&answer(by_path(&dotted.to_string())).await);
    assert_eq!(
        known(&job(&running, "2x78").await).received["company"],
        "Acme"
    );
    let waiting = json!({ "leadstatus": "Contacted", "id": "2x79" });
    let ignored = answer(by_header(&waiting.to_string())).await;
    assert_eq!(ignored.text, r#"{"status":"ignored"}"#);
    // The address is a secret, and no log line and no answer shows it.
    let wrong = answer(by_path("{")).await;
    assert_eq!(wrong.status, 422);
    assert!(!wrong.text.contains(PATH_SECRET));
    running.shutdown().await;
}

async fn a_lead_keeps_its_job_however_often_the_workflow_fires(mut world: World) {
    let (running, api) = started(&mut world).await;
    let program = world.other_program().await;
    let first = job_id(&answer(signed(&api, &lead("2x5"))).await);
    let changed = lead("2x5").replace("Acme Corp Ltd", "Acme Ltd");
    assert_eq!(job_id(&answer(signed(&api, &changed)).await), first);
    program
        .sql("UPDATE sync_jobs SET status = 'crm_updated', step = 'lead_updated', sealed_data = NULL")
        .await;
    // Telling the lead fires the workflow once more.
    for body in [changed, lead("2x5").replace("John", "Jane")] {
        assert_eq!(job_id(&answer(signed(&api, &body)).await), first);
    }
    assert_eq!(program.count("sync_jobs").await, 1);
    assert_eq!(
        program.count("vtiger_sync_queue").await,
        1,
        "nothing is repeated"
    );
    let other = job_id(&answer(signed(&api, &lead("2x6"))).await);
    assert_ne!(other, first);
    let mut conn = running.db.read().await.expect("a connection");
    let stored = sync_jobs::get(&mut conn, other).await.expect("the store");
    drop(conn);
    fail(&running, &stored.expect("a job"), sync_jobs::CANCELLED).await;
    for body in [lead("2x6"), lead("2x6").replace("John", "Jane")] {
        let ignored = answer(signed(&api, &body)).await;
        assert_eq!(
            keys(&ignored.json),
            ["status", "reason"],
            "{}",
            ignored.text
        );
        assert_eq!(ignored.json["status"], "ignored");
        assert!(ignored.text.contains("cancelled"), "{}", ignored.text);
    }
    assert_eq!(job(&running, "2x6").await.standing().as_str(), "failed");
    running.shutdown().await;
}

async fn a_failed_job_is_tried_again_with_what_is_sent_now(mut world: World) {
    let (running, api) = started(&mut world).await;
    let program = world.other_program().await;
    let first = job_id(&answer(signed(&api, &lead("2x5"))).await);
    let before = job(&running, "2x5").await;
    fail(&running, &before, "PUG-6101").await;
    program
        .sql("UPDATE sync_jobs SET step = 'customer', maxio_customer_id = '77'")
        .await;
    // Even the same words are another try: what was wrong may have been put right in the CRM.
    assert_eq!(job_id(&answer(signed(&api, &lead("2x5"))).await), first);
    let again = job(&running, "2x5").await;
    assert_eq!(
        (
            again.status.as_str(),
            again.reruns,
            again.error_code.as_deref()
        ),
        ("pending", 1, None)
    );
    assert_eq!(
        again.maxio_customer_id.as_deref(),
        Some("77"),
        "what is done stays done"
    );
    assert_ne!(again.operation_id, before.operation_id);
    fail(&running, &again, "PUG-6101").await;
    let corrected = json!({ "id": "2x5", "cf_iban": "IE64IRCE92050112345678" }).to_string();
    assert_eq!(job_id(&answer(signed(&api, &corrected)).await), first);
    let third = job(&running, "2x5").await;
    assert_eq!(third.reruns, 2);
    let received = known(&third).received;
    assert_eq!(received["cf_iban"], "IE64IRCE92050112345678");
    assert_eq!(
        received["company"], "Acme Corp Ltd",
        "what was not sent now stays"
    );
    let open = "vtiger_sync_queue WHERE status IN ('PENDING', 'FAILED')";
    assert_eq!(program.count(open).await, 1, "one operation carries it out");
    assert_eq!(program.count("vtiger_sync_queue").await, 3);
    running.shutdown().await;
}

async fn no_bank_data_is_in_the_store_or_the_log(mut world: World) {
    receiving(&mut world);
    let folder = tempfile::tempdir().expect("a folder");
    let serving = Serving::start(serve(&world, folder.path())).await;
    let api = Api::at(serving.address);
    let program = world.other_program().await;
    let spaced = "IE12 BOFI 9000 0112 3456 78";
    let escaped = guide().replace("IE12BOFI", "\\u0049E12BOFI");
    let mut answers = Vec::new();
    for body in [
        guide(),
        lead("2x6").replace("Acme Corp Ltd", spaced),
        escaped.replace("vtiger_lead_id_456", "2x7"),
        format!("{{\"record_id\":\"2x8\",\"cf_iban\":\"{IBAN}"),
        lead("2x9").replace("record.update", IBAN),
        lead(IBAN),
        lead("2x11").replace(
            "\"event\"",
            "\"delivery_id\": \"IE12BOFI90000112345678\", \"event\"",
        ),
    ] {
        answers.push(answer(signed(&api, &body)).await.text);
    }
    let in_address = format!("{LEAD_STATUS}?id=2x10&cf_iban={IBAN}");
    let sent = post(&api, &in_address, "{}").header("X-Vtiger-Signature", signature("{}"));
    job_id(&answer(sent).await);
    let kept = api.get(&format!("{DELIVERIES}?limit=50")).await;
    assert_eq!(kept.data()["items"].as_array().map(Vec::len), Some(8));
    for item in kept.data()["items"].as_array().expect("a list") {
        answers.push(api.get(&format!("{DELIVERIES}/{}", item["id"])).await.text);
    }
    let log = serving.log();
    assert_eq!(serving.stop().await, 0);
    let dump = dump(&program).await;
    for secret in [IBAN, "BOFI9000", spaced, "90000112345678"] {
        assert_not_in(&dump, secret);
        assert!(!log.contains(secret), "the log shows it");
        for shown in &answers {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

async fn without_a_key_to_seal_with_nothing_received_is_kept(mut world: World) {
    receiving(&mut world);
    world.settings.seal_key = None;
    let running = world.start().await;
    let api = Api::of(&running);
    job_id(&answer(signed(&api, &lead("2x5"))).await);
    assert_eq!(job(&running, "2x5").await.sealed_data, None);
    running.shutdown().await;
}

async fn a_contact_is_a_lead_where_there_are_no_leads(mut world: World) {
    receiving(&mut world);
    world.settings.onboarding.module = Some("Contacts".to_owned());
    world.settings.onboarding.status_field = Some("Finance Status".to_owned());
    world.settings.onboarding.ready = "Go".to_owned();
    let running = world.start().await;
    let api = Api::of(&running);
    let contact = |module: &str, name: &str, status: &str| {
        let body = json!({ "module": module, "id": "4x9", name: status });
        answer(signed(&api, &body.to_string()))
    };
    for (module, name, status) in [
        ("Leads", "cf_finance_status", "Go"),
        ("Contacts", "cf_finance_status", "Stop"),
        ("Contacts", "cf_contacts_financestatus", "Stop"),
        ("Contacts", "Finance Status", "Stop"),
    ] {
        let ignored = contact(module, name, status).await;
        assert_eq!(ignored.text, r#"{"status":"ignored"}"#, "{module} {name}");
    }
    job_id(&contact("Contacts", "cf_contacts_financestatus", "Go").await);
    running.shutdown().await;
}

async fn a_kept_delivery_can_be_replayed(mut world: World) {
    let (running, api) = started(&mut world).await;
    let first = job_id(&answer(signed(&api, &lead("2x5"))).await);
    fail(&running, &job(&running, "2x5").await, "PUG-6101").await;
    let replayed = api
        .post(&format!("{DELIVERIES}/1/replay"), &json!({}))
        .await;
    assert_eq!(replayed.status, 202, "{}", replayed.text);
    assert_eq!(replayed.data()["status"], "ACCEPTED");
    let again = job(&running, "2x5").await;
    assert_eq!((again.job_id, again.reruns), (first, 1));
    assert_eq!(
        known(&again).received["cf_iban"],
        IBAN,
        "what is masked in the delivery does not cover what is sealed in the job"
    );
    running.shutdown().await;
}

fn serve(world: &World, folder: &std::path::Path) -> std::process::Command {
    let mut command = configured(world, folder, &["serve"]);
    command
        .env("VTIGER_ENABLED", "false")
        .env("VTIGER_WEBHOOK_SECRET", SECRET)
        .env("PUGMARK_SEAL_KEY", "07".repeat(32))
        .env("RUST_LOG", "trace");
    command
}

async fn what_was_answered_survives_a_kill(mut world: World) {
    receiving(&mut world);
    let folder = tempfile::tempdir().expect("a folder");
    let mut answered = Vec::new();
    for round in 0..3 {
        let serving = Serving::start(serve(&world, folder.path())).await;
        let api = std::sync::Arc::new(Api::at(serving.address));
        let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let senders: Vec<_> = (0..8)
            .map(|sender| {
                let (api, told) = (api.clone(), told.clone());
                tokio::spawn(async move {
                    for number in 0.. {
                        let id = format!("2x{round}{sender}{number:04}");
                        let Ok(answer) = signed(&api, &lead(&id)).send().await else {
                            return;
                        };
                        let Ok(body) = answer.json::<Value>().await else {
                            return;
                        };
                        let _ = told.send((id, body["jobId"].clone()));
                    }
                })
            })
            .collect();
        // In the midst of its work.
        for _ in 0..40 {
            answered.push(heard.recv().await.expect("an answer"));
        }
        drop(serving);
        for sender in senders {
            sender.await.expect("no panic");
        }
        drop(told);
        while let Some(one) = heard.recv().await {
            answered.push(one);
        }
    }
    let program: Writer = world.other_program().await;
    for (lead, job) in &answered {
        let sql = format!(
            "SELECT CAST(count(*) AS TEXT) FROM sync_jobs j JOIN vtiger_sync_queue q ON q.id = j.operation_id \
             WHERE j.vtiger_lead_id = '{lead}' AND q.kind = 'maxio.onboard' AND q.entity_id = '{}' \
             AND EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.record_id = '{lead}' AND d.operation_id = q.id)",
            job.as_str().expect("a job")
        );
        assert_eq!(program.one(sql).await.as_deref(), Some("1"), "{lead}");
    }
    let halves = "sync_jobs j WHERE NOT EXISTS (SELECT 1 FROM vtiger_sync_queue q WHERE q.id = j.operation_id)";
    assert_eq!(program.count(halves).await, 0, "all or nothing");
}
