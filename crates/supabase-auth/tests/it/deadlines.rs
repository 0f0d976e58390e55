//! Calls that must have ended by a certain moment.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use supabase_auth::{CallError, Class};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::server::{AMINA, Answer, Server, amina};

#[tokio::test]
async fn a_call_that_could_end_too_late_is_not_started() {
    let server = Server::always(Answer::ok(&amina())).await;
    let client = server.client();
    let needed = client.config().call_timeout;
    let soon = client.until(Instant::now() + needed / 2);
    let error = soon.ban(AMINA).await.unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::NotSent, "NOT_SENT"));
    assert!(matches!(error, CallError::NotSent(not_sent) if not_sent.needed == needed));
    assert!(server.requests().is_empty());
    let later = client.until(Instant::now() + needed + Duration::from_secs(60));
    later.ban(AMINA).await.unwrap();
}

#[tokio::test]
async fn the_earlier_of_two_deadlines_counts() {
    let server = Server::always(Answer::ok(&amina())).await;
    let client = server.client();
    let soon = client.until(Instant::now());
    let error = soon
        .until(Instant::now() + Duration::from_secs(3600))
        .get_user(AMINA)
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::NotSent);
}

#[tokio::test]
async fn a_role_change_does_not_wait_for_another_one_beyond_its_deadline() {
    let release = Arc::new(Notify::new());
    let started = Arc::new(Notify::new());
    let (gate, seen) = (Arc::clone(&release), Arc::clone(&started));
    let server = Server::start_async(move |_| {
        let (gate, seen) = (Arc::clone(&gate), Arc::clone(&seen));
        async move {
            seen.notify_one();
            gate.notified().await;
            Answer::ok(&json!(amina())).into()
        }
    })
    .await;
    let client = server.client();
    let first = client.clone();
    let first = tokio::spawn(async move { first.set_role(AMINA, "brand_ambassador", true).await });
    started.notified().await;
    let hurried =
        client.until(Instant::now() + client.config().call_timeout + Duration::from_millis(50));
    let error = hurried
        .set_role(AMINA, "customer_care", true)
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::NotSent);
    release.notify_one();
    assert!(!first.await.unwrap().unwrap().changed);
    assert_eq!(server.requests().len(), 1);
}
