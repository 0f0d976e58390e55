//! The screen of onboarding jobs: what stands still and why, and what people do about it.

use pugmark::config::SealKey;
use pugmark::people::Role;
use pugmark::store::sync_jobs::{Group, Step, count_sql, of_group, of_group_sql};
use pugmark_queue::db::Engine;

use super::Browser;
use super::desks::{fail, job, reach, stored_job};
use super::planted::api_alone;
use crate::harness::{World, assert_not_in, dump, eventually, on_both_databases};
use crate::onboarding::jobs_api::maxio;

on_both_databases!(
    what_stands_still_comes_first_and_each_step_says_how_many_stand_at_it,
    the_page_of_a_job_says_what_is_wrong_what_to_do_and_where_it_is_in_maxio,
    a_failed_job_is_tried_again_with_a_reason,
    what_is_corrected_is_sealed_and_shown_to_nobody,
    a_job_is_cancelled_after_a_page_that_says_what_stays,
    a_lead_is_set_up_by_hand_with_a_reason,
    jobs_are_listed_along_their_indexes_however_many_there_are,
);

const IBAN: &str = "IE64IRCE92050112345678";

async fn what_stands_still_comes_first_and_each_step_says_how_many_stand_at_it(world: World) {
    let running = api_alone(&world).await;
    let person = Browser::signed_in(&running, Role::CustomerCare).await;
    let none = person.get("/jobs").await.text;
    assert!(none.contains("No lead was set up yet"), "{none}");
    assert!(none.contains("Maxio is not configured here"), "{none}");
    let stuck = job(&running, "2x1").await;
    fail(&running, stuck).await;
    let further = job(&running, "2x2").await;
    reach(&running, further, Step::Customer).await;
    fail(&running, further).await;
    let done = job(&running, "2x3").await;
    reach(&running, done, Step::LeadUpdated).await;
    job(&running, "2x4").await;

    let page = person.get("/jobs").await.text;
    let place = |text: &str| {
        page.find(text)
            .unwrap_or_else(|| panic!("no {text}: {page}"))
    };
    assert!(place("Stand still until somebody") < place(">2x2</a>"));
    assert!(
        place(">2x2</a>") < place(">2x4</a>"),
        "what stands still is first"
    );
    assert!(
        place(">2x4</a>") < place(">2x3</a>"),
        "what is done is last"
    );
    assert!(page.contains("Maxio refuses the account of"), "{page}");
    // Of two that failed, one stands at the check and one at the payment profile.
    for step in ["received", "customer"] {
        let link = format!("show=stuck&amp;step={step}\" class=\"stuck\">1 <span>stands still");
        assert!(page.contains(&link), "{step}: {page}");
    }
    assert!(page.contains("step=received\">1 <span>under way"), "{page}");
    let at = person.get("/jobs?show=stuck&step=customer").await.text;
    assert!(at.contains(">2x2</a>") && !at.contains(">2x1</a>"), "{at}");
    let of_lead = person.get("/jobs?lead=2x1").await.text;
    assert!(
        of_lead.contains(">2x1</a>") && !of_lead.contains(">2x2</a>"),
        "{of_lead}"
    );
    let pasted = person.get(&format!("/jobs?lead={stuck}")).await;
    assert_eq!(pasted.header("location"), format!("/jobs/{stuck}"));
    let live = person.get("/console/jobs?show=done").await.text;
    assert!(
        live.contains(">2x3</a>") && !live.contains("<html"),
        "{live}"
    );
    let viewer = Browser::signed_in(&running, Role::Viewer).await;
    let masked = viewer.get("/jobs").await.text;
    assert!(
        !masked.contains("Murphy") && masked.contains("PUG-6101"),
        "{masked}"
    );
    assert!(
        !masked.contains("/jobs/start"),
        "what is refused is not offered"
    );
    running.shutdown().await;
}

async fn the_page_of_a_job_says_what_is_wrong_what_to_do_and_where_it_is_in_maxio(
    mut world: World,
) {
    world.settings.maxio = Some(maxio());
    let running = api_alone(&world).await;
    let person = Browser::signed_in(&running, Role::CustomerCare).await;
    let lead = world.crm.insert_as_ui("Leads", &[("lastname", "Doe")]);
    let lead = lead.expect("a lead");
    let id = job(&running, &lead).await;
    reach(&running, id, Step::Customer).await;
    let under_way = person.get(&format!("/jobs/{id}")).await.text;
    assert!(under_way.contains("goes on by itself"), "{under_way}");
    assert!(!under_way.contains("Retry now"), "{under_way}");
    fail(&running, id).await;
    let page = person.get(&format!("/jobs/{id}")).await.text;
    assert!(page.contains("Stands still here"), "{page}");
    assert!(
        page.contains("<code>iban</code></th><td>is no IBAN"),
        "{page}"
    );
    assert!(page.contains("Correct the fields named in"), "{page}");
    assert!(
        page.contains("https://acme.chargify.com/customers/771"),
        "{page}"
    );
    let number = lead.split_once('x').expect("an id").1;
    // The page waits a moment for vTiger to say what module the lead is of, and does without.
    let link = format!("record={number}");
    eventually("a link into vTiger", || async {
        let page = person.get(&format!("/jobs/{id}")).await.text;
        page.contains(&link).then_some(())
    })
    .await;
    assert!(
        page.contains("Retry now") && !page.contains("/edit\""),
        "{page}"
    );
    let live = person.get(&format!("/console/jobs/{id}")).await.text;
    assert!(
        live.contains("Stands still") && !live.contains("<html"),
        "{live}"
    );
    let nobody = person
        .get("/jobs/00000000-0000-4000-8000-000000000000")
        .await;
    assert_eq!(nobody.status, 404);
    running.shutdown().await;
}

async fn a_failed_job_is_tried_again_with_a_reason(world: World) {
    let running = api_alone(&world).await;
    let program = world.other_program().await;
    let person = Browser::signed_in(&running, Role::CustomerCare).await;
    let id = job(&running, "2x5").await;
    let path = format!("/jobs/{id}/retry");
    let mended = [("reason", "the account was mended")];
    let early = person.post(&path, &mended).await;
    assert_eq!(early.status, 409, "{}", early.text);
    assert!(early.text.contains("is under way"), "{}", early.text);
    fail(&running, id).await;
    assert_eq!(person.post(&path, &[("reason", " ")]).await.status, 422);
    let page = person.post_and_follow(&path, &mended).await;
    assert!(
        page.text.contains("goes on where it stopped"),
        "{}",
        page.text
    );
    let job = stored_job(&running, id).await;
    assert_eq!((job.status.as_str(), job.reruns), ("pending", 1));
    let why = program
        .one("SELECT reason FROM audit_log WHERE action = 'onboarding.retry'")
        .await;
    assert_eq!(why.as_deref(), Some("the account was mended"));
    running.shutdown().await;
}

async fn what_is_corrected_is_sealed_and_shown_to_nobody(mut world: World) {
    world.settings.seal_key = Some(SealKey::of([7; 32]));
    let running = api_alone(&world).await;
    let program = world.other_program().await;
    let person = Browser::signed_in(&running, Role::RegistrationAdmin).await;
    let id = job(&running, "2x5").await;
    let path = format!("/jobs/{id}/edit");
    assert_eq!(person.get(&path).await.status, 422, "it is under way");
    fail(&running, id).await;
    let page = person.get(&path).await.text;
    assert!(page.contains("iban is no IBAN"), "{page}");
    let without = [
        ("iban", IBAN),
        ("email", "jane@acme.example"),
        ("reason", ""),
    ];
    let refused = person.post(&path, &without).await;
    assert_eq!(refused.status, 422);
    assert!(!refused.text.contains(IBAN), "{}", refused.text);
    assert!(
        refused.text.contains("value=\"jane@acme.example\""),
        "{}",
        refused.text
    );
    let nothing = [("iban", " "), ("reason", "x")];
    let nothing = person.post(&path, &nothing).await;
    assert!(
        nothing.text.contains("Nothing is corrected"),
        "{}",
        nothing.text
    );
    let said = [("iban", IBAN), ("reason", "told by phone")];
    let page = person.post_and_follow(&path, &said).await;
    assert!(
        page.text.contains("It is corrected, and tried again"),
        "{}",
        page.text
    );
    assert!(!page.text.contains(IBAN), "{}", page.text);
    let corrected = stored_job(&running, id).await;
    assert!(corrected.sealed_data.is_some());
    let why = "SELECT reason FROM audit_log WHERE action = 'onboarding.edit-and-retry'";
    assert_eq!(
        program.one(why).await.as_deref(),
        Some("iban: told by phone")
    );
    assert_not_in(&dump(&program).await, IBAN);
    fail(&running, id).await;
    let page = person.get(&path).await.text;
    assert!(
        page.contains("name=\"back_iban\"") && !page.contains(IBAN),
        "{page}"
    );
    assert!(!page.contains("name=\"back_email\""), "{page}");
    let back = [("back_iban", "yes"), ("reason", "it was right before")];
    person.post_and_follow(&path, &back).await;
    fail(&running, id).await;
    let page = person.get(&path).await.text;
    assert!(
        !page.contains("name=\"back_iban\""),
        "it is taken back: {page}"
    );
    let care = Browser::signed_in(&running, Role::CustomerCare).await;
    assert_eq!(care.get(&path).await.status, 403);
    running.shutdown().await;
}

async fn a_job_is_cancelled_after_a_page_that_says_what_stays(world: World) {
    let running = api_alone(&world).await;
    let person = Browser::signed_in(&running, Role::RegistrationAdmin).await;
    let id = job(&running, "2x5").await;
    reach(&running, id, Step::Customer).await;
    let path = format!("/jobs/{id}/cancel");
    let page = person.get(&path).await.text;
    assert!(page.contains("customer in maxio"), "{page}");
    assert!(page.contains("The customer <code>771</code>"), "{page}");
    assert_eq!(person.post(&path, &[("reason", "")]).await.status, 422);
    let page = person
        .post_and_follow(&path, &[("reason", "they went elsewhere")])
        .await;
    assert!(
        page.text.contains("Cancelled: they went elsewhere"),
        "{}",
        page.text
    );
    assert!(stored_job(&running, id).await.is_cancelled());
    assert_eq!(person.post(&path, &[("reason", "x")]).await.status, 409);
    assert_eq!(person.get(&path).await.status, 422);
    let list = person.get("/jobs?show=cancelled").await.text;
    assert!(list.contains(">2x5</a>"), "{list}");
    running.shutdown().await;
}

async fn a_lead_is_set_up_by_hand_with_a_reason(world: World) {
    let running = api_alone(&world).await;
    let program = world.other_program().await;
    let person = Browser::signed_in(&running, Role::RegistrationAdmin).await;
    let start = |lead: &'static str, reason: &'static str| vec![("lead", lead), ("reason", reason)];
    assert_eq!(
        person.post("/jobs/start", &start("2x9", "")).await.status,
        422
    );
    let wrong = person.post("/jobs/start", &start("Acme", "x")).await;
    assert!(
        wrong.text.contains("The id of the lead must be"),
        "{}",
        wrong.text
    );
    let page = person
        .post_and_follow("/jobs/start", &start(" 2x9 ", "the webhook was lost"))
        .await;
    assert!(
        page.text.contains("The lead is being set up"),
        "{}",
        page.text
    );
    let again = person.post("/jobs/start", &start("2x9", "x")).await;
    assert_eq!(again.status, 409, "{}", again.text);
    assert_eq!(program.count("sync_jobs").await, 1);
    assert_eq!(
        program
            .count("audit_log WHERE action = 'onboarding.start'")
            .await,
        1
    );
    running.shutdown().await;
}

async fn jobs_are_listed_along_their_indexes_however_many_there_are(world: World) {
    let running = api_alone(&world).await;
    let program = world.other_program().await;
    let (series, id, now) = match program.engine() {
        Engine::Sqlite => (
            "WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < 20000)",
            "unhex(printf('%032x', n))",
            "1700000000000000 + n",
        ),
        Engine::Postgres => (
            "WITH g AS (SELECT n FROM generate_series(1, 20000) AS n)",
            "lpad(to_hex(n), 32, '0')::uuid",
            "(TIMESTAMPTZ '2023-11-14' + n * INTERVAL '1 millisecond')",
        ),
    };
    program
        .sql(format!(
            "INSERT INTO sync_jobs (job_id, vtiger_lead_id, status, step, error_code, requested_by, correlation_id, created_at, updated_at) \
             {series} SELECT {id}, '2x' || n, CASE n % 4 WHEN 0 THEN 'processing' WHEN 3 THEN 'crm_updated' ELSE 'failed' END, \
             CASE n % 4 WHEN 3 THEN 'lead_updated' WHEN 0 THEN 'checked' ELSE 'customer' END, \
             CASE n % 4 WHEN 1 THEN 'PUG-6101' WHEN 2 THEN 'CANCELLED' END, 'webhook', 'c', {now}, {now} FROM g"
        ))
        .await;
    if program.engine() == Engine::Postgres {
        program.sql("ANALYZE sync_jobs").await;
    }
    let mut conn = running.db.read().await.expect("a connection");
    for group in Group::ALL {
        let found = of_group(&mut conn, group, None, None, 51).await;
        assert_eq!(found.expect("it is asked").len(), 51, "{group:?}");
        let last = "'ffffffff-ffff-ffff-ffff-ffffffffffff'";
        let list = format!("'customer', {last}, 51");
        for (name, sql, parameters, most) in [
            (
                "list",
                of_group_sql(conn.engine(), group),
                list.as_str(),
                60.0,
            ),
            (
                "count",
                count_sql(conn.engine(), group),
                "'customer', 1001",
                1_100.0,
            ),
        ] {
            // Jobs that are done and cancelled are not counted by step.
            if name == "count" && matches!(group, Group::Done | Group::Cancelled) {
                continue;
            }
            match conn.engine() {
                Engine::Sqlite => {
                    for line in crate::query_plans::sqlite_plan(&mut conn, &sql).await {
                        let sorts = line.contains("TEMP B-TREE");
                        let scans = line.starts_with("SCAN sync_jobs") && !line.contains("INDEX");
                        assert!(!sorts && !scans, "{name} {group:?}: {line}");
                    }
                }
                Engine::Postgres => {
                    let visited =
                        crate::query_plans::visited(&mut conn, name, &sql, parameters).await;
                    assert!(visited < most, "{name} {group:?} looked at {visited} rows");
                }
            }
        }
    }
    drop(conn);
    let person = Browser::signed_in(&running, Role::Viewer).await;
    let page = person.get("/jobs").await.text;
    assert!(page.contains("more than 1,000 <span>stand still"), "{page}");
    let first = person.get("/jobs?show=stuck").await.text;
    let next = first.split_once("\" rel=\"next\"").expect("a next page").0;
    let next = next.rsplit_once("href=\"").expect("a link").1;
    let second = person
        .get(&next.replace("&#38;", "&").replace("&amp;", "&"))
        .await
        .text;
    assert!(
        first.contains(">2x19997</a>") && !second.contains(">2x19997</a>"),
        "{second}"
    );
    assert!(second.contains(">2x19797</a>"), "{second}");
    running.shutdown().await;
}
