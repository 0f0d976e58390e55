//! The limit of calls at once, and the gates of tests.

use std::time::Duration;

use pugmark_sandbox::MaxioSandbox;
use serde_json::json;
use tokio::net::TcpStream;

use super::{Caller, builder, john, sandbox};
use crate::raw::{self, PATIENCE};

async fn start(caller: &Caller, number: usize) -> TcpStream {
    let mut customer = john();
    customer["reference"] = json!(format!("ref-{number}"));
    let body = json!({ "customer": customer }).to_string();
    caller
        .start("POST", "/customers.json", body.as_bytes())
        .await
}

async fn wait_for(sandbox: &MaxioSandbox, in_progress: usize) {
    let there = sandbox.wait_for_traffic(|seen| seen.in_progress == in_progress, PATIENCE);
    assert!(there.await, "{:?}", sandbox.traffic());
}

#[tokio::test]
async fn a_fifth_call_waits_for_its_turn_and_is_counted() {
    let sandbox = sandbox().await;
    let caller = Caller::of(&sandbox);
    let gate = sandbox.hold_before_effect("customer.create");
    let mut open = Vec::new();
    for number in 0..6 {
        open.push(start(&caller, number).await);
    }
    assert!(gate.wait_until_held(4, PATIENCE).await);
    wait_for(&sandbox, 6).await;
    let seen = sandbox.traffic();
    assert_eq!((gate.held(), seen.queued, seen.ever_queued), (4, 2, 2));
    assert!(sandbox.customers().is_empty());
    gate.open();
    for mut stream in open {
        assert_eq!(raw::read(&mut stream).await.status, 201);
    }
    let seen = sandbox.traffic();
    assert_eq!(
        (seen.in_progress, seen.queued, seen.most_in_progress),
        (0, 0, 6)
    );
}

#[tokio::test]
async fn four_at_once_never_wait() {
    let sandbox = sandbox().await;
    let caller = Caller::of(&sandbox);
    let gate = sandbox.hold_before_effect("");
    let mut open = Vec::new();
    for number in 0..4 {
        open.push(start(&caller, number).await);
    }
    assert!(gate.wait_until_held(4, PATIENCE).await);
    gate.open();
    for mut stream in open {
        raw::read(&mut stream).await;
    }
    let seen = sandbox.traffic();
    assert_eq!((seen.most_in_progress, seen.ever_queued), (4, 0));
}

#[tokio::test]
async fn the_limit_can_be_another() {
    let sandbox = builder().limit(1).start().await.unwrap();
    let caller = Caller::of(&sandbox);
    let gate = sandbox.hold_answers("customer.create");
    let mut first = start(&caller, 1).await;
    assert!(gate.wait_until_held(1, PATIENCE).await);
    let mut second = start(&caller, 2).await;
    let queued = sandbox.wait_for_traffic(|seen| seen.queued == 1, PATIENCE);
    assert!(queued.await);
    assert_eq!(sandbox.customers().len(), 1, "the second has not begun");
    gate.release(2);
    assert_eq!(raw::read(&mut first).await.status, 201);
    assert_eq!(raw::read(&mut second).await.status, 201);
}

#[tokio::test]
async fn an_answer_is_held_after_the_effect_and_other_operations_pass() {
    let sandbox = sandbox().await;
    let caller = Caller::of(&sandbox);
    let gate = sandbox.hold_answers("customer.create");
    let mut held = start(&caller, 1).await;
    assert!(gate.wait_until_held(1, PATIENCE).await);
    let found = caller.get("/customers/lookup.json?reference=ref-1").await;
    assert_eq!(found.status, 200, "stored, though not answered");
    drop(gate);
    assert_eq!(raw::read(&mut held).await.status, 201);
}

#[tokio::test]
async fn who_gives_up_is_in_progress_until_the_work_is_done() {
    let sandbox = sandbox().await;
    let caller = Caller::of(&sandbox);
    let gate = sandbox.hold_before_effect("customer.create");
    let open = start(&caller, 1).await;
    assert!(gate.wait_until_held(1, PATIENCE).await);
    drop(open);
    // Another call is answered meanwhile; the abandoned one is still there.
    caller.get("/site.json").await;
    assert_eq!(sandbox.traffic().in_progress, 1);
    gate.open();
    wait_for(&sandbox, 0).await;
    assert_eq!(sandbox.customers().len(), 1);
}

/// Longer than any test waits.
const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn who_had_to_wait_is_slower_afterwards_when_asked() {
    let sandbox = builder().limit(1).delay_after_queueing(HOUR);
    let sandbox = sandbox.start().await.unwrap();
    let caller = Caller::of(&sandbox);
    let gate = sandbox.hold_answers("customer.create");
    let mut first = start(&caller, 1).await;
    assert!(gate.wait_until_held(1, PATIENCE).await);
    let _second = start(&caller, 2).await;
    let queued = sandbox.wait_for_traffic(|seen| seen.queued == 1, PATIENCE);
    assert!(queued.await);
    gate.open();
    assert_eq!(raw::read(&mut first).await.status, 201);
    let turn_came = sandbox.wait_for_traffic(|seen| seen.queued == 0, PATIENCE);
    assert!(turn_came.await);
    let done = sandbox.wait_for_traffic(|seen| seen.in_progress == 0, Duration::from_millis(100));
    assert!(!done.await, "it takes its time");
    assert_eq!(sandbox.customers().len(), 1);
}

#[tokio::test]
async fn a_slow_site_has_every_effect_late() {
    let sandbox = builder().latency(HOUR).start().await.unwrap();
    let _open = start(&Caller::of(&sandbox), 1).await;
    let begun = |journal: &pugmark_sandbox::Journal| journal.len() == 1;
    assert!(sandbox.journal().wait_until(begun, PATIENCE).await);
    let done = sandbox.wait_for_traffic(|seen| seen.in_progress == 0, Duration::from_millis(100));
    assert!(!done.await && sandbox.customers().is_empty());
}
