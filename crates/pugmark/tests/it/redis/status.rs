//! What the status and the console say of Redis.

use pugmark::app::Running;
use pugmark::people::Role;
use serde_json::Value;

use super::*;
use crate::console::Browser;
use crate::harness::{TOKEN, eventually};

with_a_redis!(
    a_redis_that_goes_away_and_comes_back_is_shown_and_keeps_nothing_from_being_delivered,
    with_no_redis_customers_are_delivered_and_people_are_told,
    without_a_redis_it_is_said_that_there_is_none,
);

async fn status(running: &Running) -> Value {
    let address = running.address.expect("the API runs");
    let answer = reqwest::Client::new()
        .get(format!("http://{address}/api/internal/status"))
        .bearer_auth(TOKEN)
        .send()
        .await
        .expect("it answers");
    let body: Value = answer.json().await.expect("JSON");
    body["data"].clone()
}

async fn home(running: &Running) -> String {
    let viewer = Browser::signed_in(running, Role::Viewer).await;
    viewer.get("/").await.text
}

/// Waits until the status shows this state.
async fn redis_is(running: &Running, state: &str) -> Value {
    eventually(state, || async {
        let status = status(running).await;
        (status["redis"]["state"] == state).then_some(status)
    })
    .await
}

async fn a_redis_that_goes_away_and_comes_back_is_shown_and_keeps_nothing_from_being_delivered(
    site: Site,
) {
    let running = site.world.start().await;
    let status = redis_is(&running, "up").await;
    assert_eq!(status["redis"]["sessions"], true);
    assert!(status["redis"]["error"].is_null());
    assert!(home(&running).await.contains("used since "));

    site.redis.stop();
    let status = redis_is(&running, "down").await;
    assert_eq!(status["redis"]["errorCode"], "PUG-6501");
    assert!(status["redis"]["since"].is_string());
    let summary = status["summary"].as_str().expect("a text");
    assert!(summary.contains("Redis is not used"), "{summary}");
    assert_eq!(status["fine"], true, "{summary}");
    let program = site.world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    site.world.wait_for_contact(&customer, |_| true).await;

    site.redis.serve().await;
    redis_is(&running, "up").await;
    let customer = program.insert_customer("Wanjiru").await;
    site.world.wait_for_contact(&customer, |_| true).await;
    running.shutdown().await;
}

async fn with_no_redis_customers_are_delivered_and_people_are_told(mut site: Site) {
    site.world.settings.redis = Some(settings(&nobody().await));
    let running = site.world.start().await;
    let status = redis_is(&running, "down").await;
    let page = home(&running).await;
    assert!(page.contains("away since "), "{page}");
    assert!(!page.contains("very-secret") && !status.to_string().contains("very-secret"));
    let program = site.world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    site.world.wait_for_contact(&customer, |_| true).await;
    running.shutdown().await;
}

async fn without_a_redis_it_is_said_that_there_is_none(mut site: Site) {
    site.world.settings.redis = None;
    let running = site.world.start().await;
    assert!(status(&running).await["redis"].is_null());
    let page = home(&running).await;
    assert!(
        page.contains("<span>Redis</span><span><strong>Not configured</strong>"),
        "{page}"
    );
    running.shutdown().await;
}
