//! What people see of onboarding jobs and do about them, through the API and the command.

use std::time::Duration;

use futures::future::join_all;
use pugmark::app::Running;
use pugmark::schedule::onboarding::tidy;
use pugmark::store::sync_jobs::{self, Job, Reached, Step};
use pugmark_queue::ClaimRequest;
use pugmark_queue::db::{DbError, Ts};
use reqwest::Method;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::intake::{job_id, known};
use super::sending::*;
use crate::harness::{World, Writer, assert_not_in, dump, on_both_databases};
use crate::http::{Answer, Api, answer};
use crate::program::{configured, run};

on_both_databases!(
    jobs_are_listed_by_pages_status_and_lead,
    a_job_is_shown_with_its_steps_faults_and_links_but_nothing_that_is_sealed,
    a_failed_job_is_tried_again_by_one_person_at_a_time,
    what_is_corrected_is_checked_sealed_and_counts,
    a_cancelled_job_stays_cancelled_until_a_person_has_it_tried_again,
    a_job_that_is_being_carried_out_can_be_cancelled,
    a_lead_is_set_up_by_hand_once,
    a_job_whose_operation_was_given_up_can_be_tried_again,
    what_a_failed_job_knows_is_forgotten_after_its_time,
    the_command_does_what_the_api_does,
);

const JOBS: &str = "/api/internal/onboarding/jobs";

async fn received(api: &Api, lead_id: &str) -> String {
    job_id(&answer(signed(api, &lead(lead_id))).await).to_string()
}

async fn write<F>(running: &Running, change: F)
where
    F: for<'c> FnOnce(
            &'c mut pugmark_queue::db::Conn,
        ) -> futures::future::BoxFuture<'c, Result<bool, DbError>>
        + Send
        + 'static,
{
    let changed = running.db.write("test", change).await;
    assert!(changed.expect("it is written"), "a job was changed");
}

async fn fail(running: &Running, job: &str) {
    let id = job.parse().expect("a UUID");
    write(running, move |conn| {
        Box::pin(async move {
            let faults = [("iban".to_owned(), "is no IBAN".to_owned())].into();
            sync_jobs::set_failed(
                conn,
                id,
                "PUG-6101",
                "The IBAN is wrong",
                &faults,
                Ts::now(),
            )
            .await
        })
    })
    .await;
}

async fn reach(running: &Running, job: &str, step: Step, reached: Reached) {
    let id = job.parse().expect("a UUID");
    write(running, move |conn| {
        Box::pin(async move {
            sync_jobs::begin(conn, id, step, None, Ts::now()).await?;
            sync_jobs::finish(conn, id, step, Ts::now()).await?;
            sync_jobs::set_reached(conn, id, step, &reached, Ts::now()).await
        })
    })
    .await;
}

async fn stored(running: &Running, job: &str) -> Job {
    let mut conn = running.db.read().await.expect("a connection");
    let found = sync_jobs::get(&mut conn, job.parse().expect("a UUID")).await;
    found.expect("the query runs").expect("a job")
}

async fn act(api: &Api, job: &str, verb: &str, body: Value) -> Answer {
    api.post(&format!("{JOBS}/{job}/{verb}"), &body).await
}

/// Who did what, of everything that was done to onboarding jobs.
async fn audited(program: &Writer, action: &str) -> i64 {
    program
        .count(&format!(
            "audit_log WHERE action = 'onboarding.{action}' AND actor = 'token:APP_SECRET_TOKEN'"
        ))
        .await
}

async fn jobs_are_listed_by_pages_status_and_lead(mut world: World) {
    let (running, api) = started(&mut world).await;
    for number in 1..=5 {
        received(&api, &format!("2x{number}")).await;
    }
    let failed = received(&api, "2x6").await;
    fail(&running, &failed).await;
    let mut seen = Vec::new();
    let mut path = format!("{JOBS}?status=pending&limit=2");
    loop {
        let page = api.get(&path).await;
        let items = page.data()["items"].as_array().expect("a list").clone();
        seen.extend(items.iter().map(|item| item["vtigerLeadId"].clone()));
        match page.data()["pagination"]["nextCursor"].as_str() {
            Some(cursor) => path = format!("{JOBS}?status=pending&limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, ["2x5", "2x4", "2x3", "2x2", "2x1"]);
    let of_lead = api.get(&format!("{JOBS}?lead=2x6")).await;
    let items = of_lead.data()["items"].as_array().expect("a list").clone();
    assert_eq!(items.len(), 1);
    assert_eq!(
        (&items[0]["jobId"], &items[0]["status"]),
        (&json!(failed), &json!("failed"))
    );
    let status = api.get("/api/internal/status").await;
    assert_eq!(
        status.data()["onboardingJobs"],
        json!({ "failed": 1, "pending": 5 })
    );
    let wrong = api.get(&format!("{JOBS}?status=gone")).await;
    assert_eq!(
        (wrong.status, wrong.wrong_fields()),
        (422, vec!["status".to_owned()])
    );
    let wrong = api.get(&format!("{JOBS}?cursor=7")).await;
    assert_eq!(wrong.wrong_fields(), ["cursor"]);
    let nobody = api.get(&format!("{JOBS}/{}", uuid::Uuid::now_v7())).await;
    assert_eq!(nobody.status, 404);
    let closed = answer(api.bare(Method::GET, JOBS)).await;
    assert_eq!(closed.status, 401);
    running.shutdown().await;
}

async fn a_job_is_shown_with_its_steps_faults_and_links_but_nothing_that_is_sealed(
    mut world: World,
) {
    receiving(&mut world);
    world.settings.maxio = Some(maxio());
    let running = world.start().await;
    let api = Api::of(&running);
    let prefix = world.crm.insert_as_ui("Leads", &[("lastname", "Doe")]);
    let lead_id = prefix.expect("a lead");
    let id = received(&api, &lead_id).await;
    let customer = Reached {
        customer: Some("771".to_owned()),
        ..Reached::default()
    };
    reach(&running, &id, Step::Customer, customer).await;
    let path = format!("{JOBS}/{id}");
    let under_way = api.get(&path).await;
    let job = under_way.data();
    assert_eq!(job["status"], "processing");
    assert!(
        job["nextAttemptAt"].is_string(),
        "its operation waits: {job}"
    );
    assert!(
        job["whatToDo"]
            .as_str()
            .expect("words")
            .contains("by itself")
    );
    assert_eq!(job["hasKeptValues"], true);
    assert_eq!(
        job["maxioCustomerUrl"],
        "https://acme.chargify.com/customers/771"
    );
    assert_eq!(job["maxioSubscriptionUrl"], Value::Null);
    let number = lead_id.split('x').nth(1).expect("a number");
    let url = job["leadUrl"].as_str().expect("an address");
    assert!(
        url.contains("module=Leads") && url.ends_with(&format!("record={number}")),
        "{url}"
    );
    let steps: Vec<(&str, bool, bool, bool)> = job["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .map(|step| {
            let is = |name: &str| step[name].is_string();
            let name = step["step"].as_str().expect("a name");
            (
                name,
                step["finished"] == true,
                is("begunAt"),
                is("finishedAt"),
            )
        })
        .collect();
    assert_eq!(
        steps,
        [
            ("received", true, true, true),
            ("checked", true, false, false),
            ("customer", true, true, true),
            ("payment_profile", false, false, false),
            ("subscription", false, false, false),
            ("lead_updated", false, false, false),
        ]
    );
    fail(&running, &id).await;
    let failed = api.get(&path).await;
    let job = failed.data();
    assert_eq!(job["faults"], json!({ "iban": "is no IBAN" }));
    assert_eq!(job["errorCode"], "PUG-6101");
    assert!(
        job["whatToDo"]
            .as_str()
            .expect("words")
            .contains("edit-and-retry")
    );
    for shown in [&under_way, &failed, &api.get(JOBS).await] {
        assert!(!shown.text.contains(IBAN), "{}", shown.text);
        assert!(!shown.text.contains("sealed"), "{}", shown.text);
    }
    running.shutdown().await;
}

pub(crate) fn maxio() -> pugmark::config::Maxio {
    use pugmark::config::{Collection, Gateway, Maxio, NextBilling};
    Maxio {
        url: "https://acme.chargify.com".parse().expect("an address"),
        key: SecretString::from("key-of-this-test"),
        webhook_secret: None,
        call_timeout: Duration::from_secs(2),
        longest_execution: Duration::from_secs(1),
        at_once: 4,
        product: "hr".to_owned(),
        price_point: None,
        collection: Collection::Iban,
        gateway: Gateway::Gocardless,
        next_billing: NextBilling::Now,
        net_terms: None,
    }
}

async fn a_failed_job_is_tried_again_by_one_person_at_a_time(mut world: World) {
    let (running, api) = started(&mut world).await;
    let program = world.other_program().await;
    let id = received(&api, "2x5").await;
    let early = act(&api, &id, "retry", json!({})).await;
    assert_eq!((early.status, early.code()), (409, "CONFLICT"));
    assert!(early.message().contains("under way"), "{}", early.message());
    fail(&running, &id).await;
    let before = stored(&running, &id).await;
    let answers =
        join_all((0..16).map(|_| act(&api, &id, "retry", json!({ "reason": "mended" })))).await;
    let tried = answers.iter().filter(|answer| answer.status == 202).count();
    assert_eq!(tried, 1, "{answers:?}");
    assert!(
        answers
            .iter()
            .all(|answer| [202, 409].contains(&answer.status))
    );
    let after = stored(&running, &id).await;
    assert_eq!((after.status.as_str(), after.reruns), ("pending", 1));
    assert_ne!(after.operation_id, before.operation_id);
    assert_eq!(after.sealed_data.is_some(), before.sealed_data.is_some());
    assert_eq!(
        known(&after).received["cf_iban"],
        IBAN,
        "what was received stays"
    );
    let open = "vtiger_sync_queue WHERE status IN ('PENDING', 'FAILED')";
    assert_eq!(program.count(open).await, 1);
    assert_eq!(audited(&program, "retry").await, 1);
    let done = Reached::default();
    reach(&running, &id, Step::LeadUpdated, done).await;
    let late = act(&api, &id, "retry", json!({})).await;
    assert_eq!(late.status, 409);
    assert!(late.message().contains("done"), "{}", late.message());
    running.shutdown().await;
}

async fn what_is_corrected_is_checked_sealed_and_counts(mut world: World) {
    let (running, api) = started(&mut world).await;
    let program = world.other_program().await;
    let id = received(&api, "2x5").await;
    fail(&running, &id).await;
    let correct = "IE64IRCE92050112345678";
    for (body, wrong) in [
        (json!({ "ibn": correct }), "ibn"),
        (json!({ "iban": " " }), "iban"),
        (json!({ "email": "a\nb" }), "email"),
        (json!({ "company": "x".repeat(501) }), "company"),
        (json!({}), "body"),
    ] {
        let refused = act(&api, &id, "edit-and-retry", body).await;
        assert_eq!(refused.status, 422, "{}", refused.text);
        assert_eq!(refused.wrong_fields(), [wrong]);
    }
    assert_eq!(stored(&running, &id).await.status, "failed");
    let body = json!({ "iban": format!(" {correct} "), "email": "jane@acme.example" });
    let edited = act(&api, &id, "edit-and-retry", body).await;
    assert_eq!(edited.status, 202, "{}", edited.text);
    assert!(!edited.text.contains(correct));
    let job = stored(&running, &id).await;
    assert_eq!(known(&job).edited["iban"], correct);
    assert_eq!(known(&job).received["cf_iban"], IBAN, "both are known");
    fail(&running, &id).await;
    let back = json!({ "iban": null, "phone": "+353 1 234 5678" });
    assert_eq!(act(&api, &id, "edit-and-retry", back).await.status, 202);
    let job = stored(&running, &id).await;
    assert_eq!(
        known(&job).edited.keys().collect::<Vec<_>>(),
        ["email", "phone"]
    );
    assert_eq!(audited(&program, "edit-and-retry").await, 2);
    let dump = dump(&program).await;
    for secret in [correct, IBAN, "jane@acme.example"] {
        assert_not_in(&dump, secret);
    }
    fail(&running, &id).await;
    running.shutdown().await;
    world.settings.seal_key = None;
    let running = world.start().await;
    let refused = act(
        &Api::of(&running),
        &id,
        "edit-and-retry",
        json!({ "iban": correct }),
    )
    .await;
    assert_eq!((refused.status, refused.code()), (503, "NOT_CONFIGURED"));
    assert_eq!(refused.wrong_fields(), ["PUGMARK_SEAL_KEY"]);
    running.shutdown().await;
}

async fn a_cancelled_job_stays_cancelled_until_a_person_has_it_tried_again(mut world: World) {
    let (running, api) = started(&mut world).await;
    let program = world.other_program().await;
    let id = received(&api, "2x5").await;
    let silent = act(&api, &id, "cancel", json!({ "reason": " " })).await;
    assert_eq!(silent.wrong_fields(), ["reason"]);
    let cancelled = act(&api, &id, "cancel", json!({ "reason": "wrong client" })).await;
    assert_eq!(cancelled.status, 200, "{}", cancelled.text);
    let job = cancelled.data();
    assert_eq!(
        (&job["status"], &job["cancelled"], &job["errorCode"]),
        (&json!("failed"), &json!(true), &json!("CANCELLED"))
    );
    assert_eq!(job["errorMessage"], "wrong client");
    assert_eq!(
        program
            .count("vtiger_sync_queue WHERE status <> 'COMPLETED'")
            .await,
        0,
        "its operation is given up"
    );
    let twice = act(&api, &id, "cancel", json!({ "reason": "again" })).await;
    assert_eq!(twice.status, 409);
    let ignored = answer(signed(&api, &lead("2x5").replace("John", "Jane"))).await;
    assert_eq!(ignored.json["status"], "ignored");
    assert_eq!(act(&api, &id, "retry", json!({})).await.status, 202);
    assert_eq!(stored(&running, &id).await.status, "pending");
    reach(&running, &id, Step::LeadUpdated, Reached::default()).await;
    let late = act(&api, &id, "cancel", json!({ "reason": "late" })).await;
    assert_eq!(late.status, 409);
    assert_eq!(audited(&program, "cancel").await, 1);
    running.shutdown().await;
}

async fn a_job_that_is_being_carried_out_can_be_cancelled(mut world: World) {
    let (running, api) = started(&mut world).await;
    let id = received(&api, "2x5").await;
    let claim = ClaimRequest {
        owner: "test".to_owned(),
        limit: 1,
        lease: Duration::from_secs(60),
        held_back: Vec::new(),
        only: None,
    };
    let claimed = running.queue.claim(claim).await.expect("the store");
    assert_eq!(claimed.len(), 1);
    let cancelled = act(&api, &id, "cancel", json!({ "reason": "stop" })).await;
    assert_eq!(cancelled.status, 200, "{}", cancelled.text);
    let job = stored(&running, &id).await;
    assert!(job.is_cancelled());
    let operation = job.operation_id.expect("an operation");
    let found = running.queue.get(operation).await.expect("the store");
    let status = found.expect("it is there").current().status.to_string();
    assert_eq!(status, "PROCESSING", "its worker is not cut off");
    let mut conn = running.db.read().await.expect("a connection");
    drop(sync_jobs::get(&mut conn, job.job_id).await);
    drop(conn);
    let goes_on = running
        .db
        .write("test", move |conn| {
            Box::pin(async move {
                let reached = Reached::default();
                sync_jobs::set_reached(conn, job.job_id, Step::Customer, &reached, Ts::now()).await
            })
        })
        .await;
    assert!(!goes_on.expect("the store"), "no further step is noted");
    running.shutdown().await;
}

async fn a_lead_is_set_up_by_hand_once(mut world: World) {
    let (running, api) = started(&mut world).await;
    let program = world.other_program().await;
    let start = |lead: &str| {
        let body = json!({ "leadId": lead, "reason": "no webhook" });
        let api = &api;
        async move { api.post(JOBS, &body).await }
    };
    let wrong = start("vtiger_lead_id_456").await;
    assert_eq!(wrong.wrong_fields(), ["leadId"]);
    let started = start(" 2x5 ").await;
    assert_eq!(started.status, 202, "{}", started.text);
    let id = started.data()["jobId"].as_str().expect("an id").to_owned();
    assert_eq!(started.data()["requestedBy"], "token:APP_SECRET_TOKEN");
    let again = start("2x5").await;
    assert_eq!(again.status, 409);
    assert!(again.message().contains(&id), "{}", again.message());
    let cancel = json!({ "reason": "wrong" });
    assert_eq!(act(&api, &id, "cancel", cancel).await.status, 200);
    let once_more = start("2x5").await;
    assert_eq!(
        once_more.data()["jobId"],
        json!(id),
        "what was done for it stays done"
    );
    reach(&running, &id, Step::LeadUpdated, Reached::default()).await;
    let done = start("2x5").await;
    assert_eq!(done.status, 409);
    assert!(
        done.message().contains("set up already"),
        "{}",
        done.message()
    );
    assert_eq!(program.count("sync_jobs").await, 1);
    assert_eq!(audited(&program, "start").await, 2);
    running.shutdown().await;
}

async fn a_job_whose_operation_was_given_up_can_be_tried_again(mut world: World) {
    let (running, api) = started(&mut world).await;
    let program = world.other_program().await;
    let id = received(&api, "2x5").await;
    let operation = stored(&running, &id).await.operation_id.expect("one");
    let now = match program.engine() {
        pugmark_queue::db::Engine::Sqlite => Ts::now().as_micros().to_string(),
        pugmark_queue::db::Engine::Postgres => "clock_timestamp()".to_owned(),
    };
    // As an operation ends that has waited for too long.
    program
        .sql(format!(
            "UPDATE vtiger_sync_queue SET status = 'FAILED', dead_at = {now}, head = 0"
        ))
        .await;
    let retried = act(&api, &id, "retry", json!({})).await;
    assert_eq!(retried.status, 202, "{}", retried.text);
    let job = stored(&running, &id).await;
    assert_eq!((job.status.as_str(), job.reruns), ("pending", 1));
    assert_ne!(job.operation_id, Some(operation));
    assert_eq!(
        program
            .count("vtiger_sync_queue WHERE status = 'FAILED'")
            .await,
        0,
        "the dead letter is not left behind"
    );
    running.shutdown().await;
}

async fn what_a_failed_job_knows_is_forgotten_after_its_time(mut world: World) {
    let (running, api) = started(&mut world).await;
    let failed = received(&api, "2x5").await;
    let active = received(&api, "2x6").await;
    fail(&running, &failed).await;
    let keep = Duration::from_secs(3_600);
    let now = Ts::now();
    tidy(&running.db, keep, now).await.expect("the store");
    assert!(stored(&running, &failed).await.sealed_data.is_some());
    tidy(&running.db, keep, now.after(keep * 2))
        .await
        .expect("the store");
    assert_eq!(stored(&running, &failed).await.sealed_data, None);
    assert!(stored(&running, &active).await.sealed_data.is_some());
    let shown = api.get(&format!("{JOBS}/{failed}")).await;
    assert_eq!(shown.data()["hasKeptValues"], false);
    running.shutdown().await;
}

async fn the_command_does_what_the_api_does(mut world: World) {
    let (running, api) = started(&mut world).await;
    let id = received(&api, "2x5").await;
    fail(&running, &id).await;
    let folder = tempfile::tempdir().expect("a folder");
    let jobs = async |arguments: &[&str]| {
        let arguments = [&["jobs"], arguments].concat();
        let mut command = configured(&world, folder.path(), &arguments);
        command.env("PUGMARK_SERVER", api.address());
        run(command).await
    };
    let listed = jobs(&["list", "--status", "failed"]).await;
    assert_eq!(listed.code, 0, "{}", listed.stderr);
    assert!(listed.stdout.contains(&id) && listed.stdout.contains("2x5"));
    let shown = jobs(&["show", &id]).await;
    for word in [
        "is no IBAN",
        "PUG-6101",
        "edit-and-retry",
        "subscription    to do",
    ] {
        assert!(shown.stdout.contains(word), "{}", shown.stdout);
    }
    assert!(!shown.stdout.contains(IBAN));
    let retried = jobs(&["retry", &id, "--reason", "mended"]).await;
    assert_eq!(retried.code, 0, "{}", retried.stderr);
    let again = jobs(&["retry", &id]).await;
    assert_eq!(again.code, 1);
    assert!(again.stderr.contains("under way"), "{}", again.stderr);
    let cancelled = jobs(&["cancel", &id, "--reason", "wrong client"]).await;
    assert_eq!(cancelled.code, 0, "{}", cancelled.stderr);
    assert!(stored(&running, &id).await.is_cancelled());
    let started = jobs(&["start", "2x9", "--json"]).await;
    let body: Value = serde_json::from_str(&started.stdout).expect("JSON");
    assert_eq!(body["data"]["vtigerLeadId"], "2x9");
    running.shutdown().await;
}
