//! The site works on four calls at a time; no more are sent.

use super::{PATIENCE, builder, client};

#[tokio::test]
async fn no_call_ever_waits_for_its_turn_at_the_site() {
    let sandbox = builder().start().await.unwrap();
    let client = client(&sandbox);
    let gate = sandbox.hold_answers("site.read");
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let client = client.clone();
        calls.spawn(async move { client.site().await });
    }
    assert!(gate.wait_until_held(4, PATIENCE).await);
    gate.open();
    while let Some(ended) = calls.join_next().await {
        ended.unwrap().unwrap();
    }
    let traffic = sandbox.traffic();
    assert_eq!((traffic.most_in_progress, traffic.ever_queued), (4, 0));
}
