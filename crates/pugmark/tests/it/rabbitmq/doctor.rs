//! What `pugmark doctor` finds at the broker, through the real binary.

use serde_json::Value;

use super::*;
use crate::program::{configured, run};

with_a_broker!(doctor_finds_what_keeps_the_broker_from_being_used);

/// What is said of `what`, and its mark.
async fn said(site: &Site, url: &str, what: &str) -> Option<(String, String)> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = configured(&site.world, folder.path(), &["doctor", "--json"]);
    command
        .env("RABBITMQ_URL", url)
        .env("PUGMARK__RABBITMQ__PREFIX", site.broker.prefix())
        .env("PUGMARK__RABBITMQ__EXCHANGE", site.broker.prefix());
    let ended = run(command).await;
    assert!(!format!("{ended:?}").contains("very-secret"), "{ended:?}");
    let findings: Vec<Value> = serde_json::from_str(&ended.stdout).expect("JSON");
    let finding = findings
        .into_iter()
        .find(|finding| finding["what"] == what)?;
    let words = format!("{} -> {}", finding["said"], finding["fix"]);
    Some((finding["mark"].as_str().expect("a mark").to_owned(), words))
}

async fn doctor_finds_what_keeps_the_broker_from_being_used(site: Site) {
    let url = site.broker.url().to_owned();
    let (mark, words) = said(&site, &url, "RabbitMQ").await.expect("a finding");
    assert_eq!(mark, "ok", "{words}");
    assert!(words.contains("declares the queues"), "{words}");
    assert_eq!(site.found().await.queues, [], "nothing was declared");

    let target = url.rsplit('@').next().expect("an address");
    let wrong = format!("amqp://nobody:very-secret@{target}");
    let (mark, words) = said(&site, &wrong, "RabbitMQ").await.expect("a finding");
    assert_eq!(mark, "problem");
    assert!(
        words.contains("PUG-7002") && words.contains("the user or the password"),
        "{words}"
    );

    let (mark, words) = said(&site, &nobody().await, "RabbitMQ")
        .await
        .expect("a finding");
    assert_eq!(mark, "problem");
    assert!(
        words.contains("PUG-7001") && words.contains("pugmark:***@"),
        "{words}"
    );

    let running = site.world.start().await;
    site.wait_for_consumer().await;
    site.broker.send("payment.summary", b"{}", named("1")).await;
    eventually("a dead letter", || async {
        (site.found().await.dead_letters == 1).then_some(())
    })
    .await;
    let (mark, words) = said(&site, &url, "RabbitMQ dead letters")
        .await
        .expect("a finding");
    assert_eq!(mark, "warning");
    assert!(words.contains("x-pugmark-reason"), "{words}");
    running.shutdown().await;
}
