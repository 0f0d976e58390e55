//! Summing up a week by hand through the API, and looking at what was.

use serde_json::{Value, json};

use super::NewPayment;
use crate::harness::{World, Writer, new_id, on_both_databases};
use crate::http::Api;

on_both_databases!(
    a_week_is_summed_up_by_hand_and_a_second_time_makes_nothing_twice,
    one_customer_can_be_summed_up_alone,
    a_dry_run_says_whom_it_would_concern_and_does_nothing,
    what_cannot_be_summed_up_is_refused_with_the_field_and_the_reason,
    runs_are_listed_with_how_far_they_are,
);

const PATH: &str = "/api/internal/vtiger/payment-summaries";
/// A week that is long over.
const DAY: &str = "2026-06-17";
const WEEK: &str = "2026-06-15";

struct Scene {
    running: pugmark::app::Running,
    program: Writer,
    api: Api,
}

impl Scene {
    async fn new(world: &mut World) -> Self {
        world.settings.insurance.summary.enabled = false;
        let running = world.start().await;
        Scene {
            program: world.other_program().await,
            api: Api::of(&running),
            running,
        }
    }

    async fn member(&self, days: &[&str]) -> String {
        let (customer, policy) = self.program.member("Otieno").await;
        for day in days {
            let (reference, at) = (new_id(), format!("{day}T08:00:00"));
            self.program
                .pay(NewPayment::paid(&policy, &reference, "50.25", &at))
                .await;
        }
        self.program.wait_until_idle().await;
        customer
    }

    async fn asked(&self, body: Value) -> crate::http::Answer {
        self.api.post(PATH, &body).await
    }
}

async fn a_week_is_summed_up_by_hand_and_a_second_time_makes_nothing_twice(mut world: World) {
    let scene = Scene::new(&mut world).await;
    for days in [&[DAY][..], &["2026-06-21"], &["2026-06-22"], &[]] {
        scene.member(days).await;
    }
    let first = scene.asked(json!({ "week": DAY })).await;
    assert_eq!(first.status, 202, "{}", first.text);
    let run = first.data();
    assert_eq!(
        (&run["week"], &run["until"]),
        (&json!(WEEK), &json!("2026-06-21"))
    );
    assert_eq!(
        (&run["planned"], &run["known"], &run["allPlanned"]),
        (&json!(2), &json!(0), &json!(true))
    );
    assert_eq!(
        first.json["message"],
        "The week 15 Jun 2026 to 21 Jun 2026: 2 summaries planned"
    );
    scene.program.wait_until_idle().await;
    let (notes, traffic) = (world.crm.records("ModComments").len(), world.traffic());
    assert_eq!(notes, 2);

    let second = scene.asked(json!({ "week": WEEK })).await;
    assert_eq!(second.status, 202, "{}", second.text);
    assert_eq!(
        second.json["message"],
        "The week 15 Jun 2026 to 21 Jun 2026: 0 summaries planned, 2 customers were summed up before"
    );
    let again = scene.asked(json!({ "week": WEEK, "again": true })).await;
    assert_eq!(again.data()["planned"], 2);
    scene.program.wait_until_idle().await;
    assert_eq!(world.crm.records("ModComments").len(), 2);
    assert_eq!(world.traffic(), traffic, "nothing had changed");
    let acts = "audit_log WHERE action LIKE 'summary.%' AND subject = '2026-06-15' AND actor LIKE 'token:%'";
    assert_eq!(scene.program.count(acts).await, 3);
    scene.running.shutdown().await;
}

async fn one_customer_can_be_summed_up_alone(mut world: World) {
    let scene = Scene::new(&mut world).await;
    let customer = scene.member(&[DAY]).await;
    let other = scene.member(&[DAY]).await;
    let nothing_paid = scene.member(&[]).await;
    let answer = scene
        .asked(json!({ "week": DAY, "customerId": customer }))
        .await;
    assert_eq!(answer.data()["planned"], 1, "{}", answer.text);
    let answer = scene
        .asked(json!({ "week": DAY, "customerId": nothing_paid }))
        .await;
    assert_eq!(answer.data()["planned"], 0, "{}", answer.text);
    scene.program.wait_until_idle().await;
    let of = |customer: &str| {
        format!(
            "vtiger_sync_queue WHERE kind = 'payment.summary' AND entity_id LIKE '{customer}/%'"
        )
    };
    assert_eq!(scene.program.count(&of(&customer)).await, 1);
    assert_eq!(scene.program.count(&of(&other)).await, 0);

    let all = scene.asked(json!({ "week": DAY })).await;
    assert_eq!(
        (&all.data()["planned"], &all.data()["known"]),
        (&json!(1), &json!(1))
    );
    scene.running.shutdown().await;
}

async fn a_dry_run_says_whom_it_would_concern_and_does_nothing(mut world: World) {
    let scene = Scene::new(&mut world).await;
    let customer = scene.member(&[DAY, "2026-06-18"]).await;
    scene.member(&["2026-06-21"]).await;
    let asked = scene.asked(json!({ "week": DAY, "dryRun": true })).await;
    assert_eq!(asked.status, 200, "{}", asked.text);
    assert_eq!(
        *asked.data(),
        json!({ "week": WEEK, "until": "2026-06-21", "planned": 2, "known": 0, "payments": 3, "cents": 15_075 })
    );
    let one = scene
        .asked(json!({ "week": DAY, "customerId": customer, "dryRun": true }))
        .await;
    assert_eq!(
        (&one.data()["planned"], &one.data()["payments"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(scene.program.count("payment_summary_runs").await, 0);
    assert_eq!(
        scene
            .program
            .count("vtiger_sync_queue WHERE kind = 'payment.summary'")
            .await,
        0
    );
    scene.running.shutdown().await;
}

async fn what_cannot_be_summed_up_is_refused_with_the_field_and_the_reason(mut world: World) {
    let scene = Scene::new(&mut world).await;
    let tester = new_id();
    scene
        .program
        .insert_customer_as(&tester, "Tester", true)
        .await;
    for (body, status, field, reason) in [
        (json!({ "week": "last week" }), 422, "week", "written like"),
        (json!({ "week": "2026-02-30" }), 422, "week", "written like"),
        (
            json!({ "week": "9000-01-01" }),
            422,
            "week",
            "has not begun",
        ),
        (json!({}), 400, "week", "missing"),
        (json!({ "week": DAY, "weeks": 2 }), 400, "weeks", "unknown"),
        (
            json!({ "week": DAY, "customerId": "x" }),
            422,
            "customerId",
            "UUID",
        ),
        (
            json!({ "week": DAY, "customerId": new_id() }),
            422,
            "customerId",
            "no such customer",
        ),
        (
            json!({ "week": DAY, "customerId": tester }),
            422,
            "customerId",
            "test customer",
        ),
    ] {
        let answer = scene.asked(body.clone()).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
        let said = answer.json["error"]["details"][field]
            .as_str()
            .unwrap_or_default();
        assert!(said.contains(reason), "{body}: {}", answer.text);
    }
    assert_eq!(scene.program.count("payment_summary_runs").await, 0);
    let closed = scene
        .api
        .bare(reqwest::Method::POST, PATH)
        .json(&json!({ "week": DAY }));
    assert_eq!(crate::http::answer(closed).await.status, 401);
    scene.running.shutdown().await;
}

async fn runs_are_listed_with_how_far_they_are(mut world: World) {
    let scene = Scene::new(&mut world).await;
    scene.member(&[DAY]).await;
    scene.member(&[DAY]).await;
    scene
        .running
        .queue
        .pause("payment.summary", "test")
        .await
        .expect("paused");
    let asked = scene.asked(json!({ "week": DAY })).await;
    let id = asked.data()["id"].as_i64().expect("a number");
    let state = |run: &Value| {
        [
            &run["planned"],
            &run["done"],
            &run["waiting"],
            &run["failed"],
        ]
        .map(|n| n.as_i64().expect("a number"))
    };
    assert_eq!(state(asked.data()), [2, 0, 2, 0]);
    // One of the notes is refused for good.
    world.crm.set_unique("ModComments", "related_to", true);
    scene
        .running
        .queue
        .resume("payment.summary")
        .await
        .expect("resumed");
    scene.program.wait_until_idle().await;
    let run = scene.api.get(&format!("{PATH}/{id}")).await;
    assert_eq!(state(run.data()), [2, 2, 0, 0], "{}", run.text);

    scene.asked(json!({ "week": "2026-06-01" })).await;
    let page = scene.api.get(&format!("{PATH}?limit=1")).await;
    let (items, next) = (
        &page.data()["items"],
        &page.data()["pagination"]["nextCursor"],
    );
    assert_eq!(
        (&items[0]["week"], items[1].is_null()),
        (&json!("2026-06-01"), true)
    );
    let next = next.as_str().expect("there are more");
    let page = scene
        .api
        .get(&format!("{PATH}?limit=1&cursor={next}"))
        .await;
    assert_eq!(page.data()["items"][0]["id"], id, "{}", page.text);
    assert_eq!(page.data()["pagination"]["hasNextPage"], false);
    for nothing in ["0", "x", "99999999999999999999"] {
        assert_eq!(
            scene.api.get(&format!("{PATH}/{nothing}")).await.status,
            404
        );
    }
    assert_eq!(scene.api.get(&format!("{PATH}?cursor=x")).await.status, 422);
    scene.running.shutdown().await;
}
