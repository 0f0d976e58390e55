//! The inbox of webhooks: who sent it or why it was refused, what it led to, and sending it again.

use pugmark::people::Role;
use pugmark_queue::db::Engine;
use serde_json::json;

use super::Browser;
use super::desks::{delivery, fail};
use super::planted::api_alone;
use crate::harness::{World, eventually, on_both_databases};
use crate::http::{Api, answer};
use crate::onboarding::sending::{IBAN, LEAD_STATUS, lead, post, receiving, signed};

on_both_databases!(
    a_delivery_says_who_sent_it_and_leads_to_what_it_caused,
    a_refused_delivery_is_counted_with_exactly_why,
    bodies_are_masked_by_role_and_bank_data_is_shown_to_nobody,
    a_delivery_is_sent_again_with_a_reason,
    one_that_was_kept_without_its_digits_is_not_sent_again,
    pages_follow_on_and_a_rare_thing_is_looked_for_bit_by_bit,
);

async fn a_delivery_says_who_sent_it_and_leads_to_what_it_caused(mut world: World) {
    receiving(&mut world);
    let running = api_alone(&world).await;
    let api = Api::of(&running);
    let person = Browser::signed_in(&running, Role::CustomerCare).await;
    let none = person.get("/inbox").await.text;
    assert!(none.contains("Nothing was delivered yet"), "{none}");
    let taken = answer(signed(&api, &lead("2x5"))).await;
    let job = taken.json["jobId"].as_str().expect("a job").to_owned();
    answer(signed(&api, &lead("2x5"))).await;
    let list = person.get("/inbox").await.text;
    assert!(
        list.contains("Leads for Maxio") && list.contains(">Accepted</span>"),
        "{list}"
    );
    assert!(
        list.contains("Verified by a signature over the body"),
        "{list}"
    );
    assert!(list.contains("came once more"), "{list}");
    let page = person.get("/inbox/1").await.text;
    assert!(page.contains("maxio.onboard"), "{page}");
    assert!(page.contains(&format!("href=\"/jobs/{job}\"")), "{page}");
    assert!(page.contains("2x5"), "{page}");
    assert_eq!(person.get("/inbox/77").await.status, 404);
    assert_eq!(person.get("/inbox/x").await.status, 404);
    running.shutdown().await;
}

async fn a_refused_delivery_is_counted_with_exactly_why(mut world: World) {
    receiving(&mut world);
    let running = api_alone(&world).await;
    let api = Api::of(&running);
    let person = Browser::signed_in(&running, Role::Viewer).await;
    let none = person.get("/inbox/refused").await.text;
    assert!(none.contains("Nothing was refused"), "{none}");
    let forged = post(&api, LEAD_STATUS, &lead("2x5")).header("X-Vtiger-Signature", "00ff");
    assert_eq!(answer(forged).await.status, 401);
    assert_eq!(
        answer(post(&api, LEAD_STATUS, &lead("2x5"))).await.status,
        401
    );
    let page = eventually("both refusals", || async {
        let page = person.get("/inbox/refused").await.text;
        (page.contains("bad signature") && page.contains("no proof")).then_some(page)
    })
    .await;
    assert!(
        page.contains("does not fit its body under any of the secrets"),
        "{page}"
    );
    assert!(page.contains("neither a signature nor a secret"), "{page}");
    assert!(
        person
            .get("/inbox")
            .await
            .text
            .contains("Nothing was delivered yet")
    );
    running.shutdown().await;
}

async fn bodies_are_masked_by_role_and_bank_data_is_shown_to_nobody(world: World) {
    let running = api_alone(&world).await;
    let admin = Browser::signed_in(&running, Role::Admin).await;
    let viewer = Browser::signed_in(&running, Role::Viewer).await;
    let body =
        json!({ "id": "12x5", "lastname": "Otieno-Were", "note": format!("account {IBAN}") });
    let id = delivery(&running, "12x5", &body.to_string(), None).await;
    let path = format!("/inbox/{id}");
    let whole = admin.get(&path).await.text;
    assert!(
        whole.contains("Otieno-Were") && whole.contains("12x5"),
        "{whole}"
    );
    assert!(!whole.contains(IBAN), "{whole}");
    let masked = viewer.get(&path).await.text;
    assert!(
        !masked.contains("Otieno") && masked.contains("12x5"),
        "{masked}"
    );
    assert!(
        !masked.contains(IBAN) && !masked.contains("/resend"),
        "{masked}"
    );
    running.shutdown().await;
}

async fn a_delivery_is_sent_again_with_a_reason(mut world: World) {
    receiving(&mut world);
    let running = api_alone(&world).await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    let person = Browser::signed_in(&running, Role::CustomerCare).await;
    let taken = answer(signed(&api, &lead("2x5"))).await;
    let job = taken.json["jobId"].as_str().expect("a job");
    fail(&running, job.parse().expect("a UUID")).await;
    assert_eq!(
        person
            .post("/inbox/1/resend", &[("reason", "")])
            .await
            .status,
        422
    );
    let again = [("reason", "the field is there now")];
    let page = person.post_and_follow("/inbox/1/resend", &again).await.text;
    assert!(
        page.contains("Done once more") && page.contains("once, last by"),
        "{page}"
    );
    let tried = "sync_jobs WHERE reruns = 1 AND status = 'pending'";
    assert_eq!(program.count(tried).await, 1);
    let why = "SELECT reason FROM audit_log WHERE action = 'webhook.replay'";
    assert_eq!(
        program.one(why).await.as_deref(),
        Some("the field is there now")
    );
    assert_eq!(person.post("/inbox/99/resend", &again).await.status, 404);
    running.shutdown().await;
}

async fn one_that_was_kept_without_its_digits_is_not_sent_again(mut world: World) {
    receiving(&mut world);
    let running = api_alone(&world).await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    let person = Browser::signed_in(&running, Role::RegistrationAdmin).await;
    let broken = lead("2x5").replace('}', "");
    assert_eq!(answer(signed(&api, &broken)).await.status, 422);
    let page = person.get("/inbox/1").await.text;
    assert!(
        page.contains("kept without its digits") && !page.contains("/resend"),
        "{page}"
    );
    let refused = person.post("/inbox/1/resend", &[("reason", "x")]).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert!(
        refused.text.contains("kept without its digits"),
        "{}",
        refused.text
    );
    assert_eq!(
        program.count("webhook_deliveries WHERE replays > 0").await,
        0
    );
    assert_eq!(
        program
            .count("audit_log WHERE action = 'webhook.replay'")
            .await,
        0
    );
    running.shutdown().await;
}

async fn pages_follow_on_and_a_rare_thing_is_looked_for_bit_by_bit(world: World) {
    let running = api_alone(&world).await;
    let program = world.other_program().await;
    let person = Browser::signed_in(&running, Role::Viewer).await;
    delivery(&running, "12x777777", "{}", None).await;
    let (series, now) = match program.engine() {
        Engine::Sqlite => (
            "WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < 20010)",
            "1700000000000000 + n",
        ),
        Engine::Postgres => (
            "WITH g AS (SELECT n FROM generate_series(1, 20010) AS n)",
            "(TIMESTAMPTZ '2023-11-14' + n * INTERVAL '1 millisecond')",
        ),
    };
    program
        .sql(format!(
            "INSERT INTO webhook_deliveries (received_at, endpoint, proof, secret_number, dedup_key, body, correlation_id, record_id, status) \
             {series} SELECT {now}, 'lead-convert', 'path', 1, 'k' || n, 'unread body', 'c', '12x' || n, \
             CASE WHEN n % 2 = 0 THEN 'ACCEPTED' ELSE 'UNUSABLE' END FROM g"
        ))
        .await;
    let rows = |page: &str| page.matches("<th scope=\"row\">").count();
    let next = |page: &str| {
        let before = page.split_once("\" rel=\"next\"").expect("a next page").0;
        let address = before.rsplit_once("href=\"").expect("a link").1;
        address.replace("&#38;", "&").replace("&amp;", "&")
    };
    let first = person.get("/inbox?status=ACCEPTED").await.text;
    assert_eq!(rows(&first), 50);
    assert!(
        first.contains(">12x20010</a>") && !first.contains(">12x20009</a>"),
        "{first}"
    );
    assert!(!first.contains("unread body"), "a list shows no bodies");
    let second = person.get(&next(&first)).await.text;
    assert!(
        second.contains(">12x19910</a>") && rows(&second) == 50,
        "{second}"
    );
    let rare = person.get("/inbox?q=12X777777").await.text;
    assert!(
        rare.contains("Nothing among the latest deliveries"),
        "{rare}"
    );
    let further = person.get(&next(&rare)).await.text;
    assert!(
        further.contains(">12x777777</a>") && rows(&further) == 1,
        "{further}"
    );
    let place = person.get("/console/inbox?place=maxio").await.text;
    assert!(
        place.contains("20,000 deliveries were looked at"),
        "{place}"
    );
    running.shutdown().await;
}
