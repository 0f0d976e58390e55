//! What the status and the console say of the broker.

use pugmark::app::Running;
use serde_json::Value;

use super::*;
use crate::harness::TOKEN;

with_a_broker!(
    a_broker_that_is_connected_is_shown,
    with_a_dead_broker_customers_are_delivered_and_people_are_told,
    without_a_broker_it_is_said_that_there_is_none,
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
    let person = crate::console::Browser::signed_in(running, pugmark::people::Role::Viewer).await;
    person.get("/").await.text
}

/// Waits until the status shows this state.
async fn broker_is(running: &Running, state: &str) -> Value {
    eventually(state, || async {
        let status = status(running).await;
        (status["broker"]["state"] == state).then_some(status)
    })
    .await
}

async fn a_broker_that_is_connected_is_shown(site: Site) {
    let running = site.world.start().await;
    let status = broker_is(&running, "up").await;
    assert_eq!(status["broker"]["consuming"], true);
    assert!(status["broker"]["since"].is_string() && status["broker"]["error"].is_null());
    assert!(home(&running).await.contains("connected since "));
    running.shutdown().await;
}

async fn with_a_dead_broker_customers_are_delivered_and_people_are_told(mut site: Site) {
    site.world.settings.rabbitmq = Some(settings(&site.broker, &nobody().await));
    let running = site.world.start().await;
    let status = broker_is(&running, "down").await;
    assert_eq!(status["broker"]["errorCode"], "PUG-7001");
    assert!(status["broker"]["since"].is_string());
    let summary = status["summary"].as_str().expect("a text");
    assert!(summary.contains("RabbitMQ is not connected"), "{summary}");
    let page = home(&running).await;
    assert!(page.contains("the broker cannot be reached"), "{page}");
    assert!(!page.contains("very-secret") && !status.to_string().contains("very-secret"));
    let program = site.world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    site.world.wait_for_contact(&customer, |_| true).await;
    running.shutdown().await;
}

async fn without_a_broker_it_is_said_that_there_is_none(mut site: Site) {
    site.world.settings.rabbitmq = None;
    let running = site.world.start().await;
    assert!(status(&running).await["broker"].is_null());
    let page = home(&running).await;
    assert!(
        page.contains("<span>RabbitMQ</span><span><strong>Not configured</strong>"),
        "{page}"
    );
    running.shutdown().await;
}
