//! Every fault, judged by the journal and by what a raw client sees.

use std::time::Duration;

use pugmark_sandbox::{
    Fault, FaultPlan, Journal, JournalKind, Match, Moment, Occurrence, Outcome, SupabaseSandbox,
};
use serde_json::{Value, json};

use super::{Caller, PASSWORD, refusal, refused, sandbox, text, with_amina};
use crate::raw::{Answer, PATIENCE, read};

fn body() -> Value {
    json!({ "email": "hit@example.com", "password": PASSWORD })
}

/// What one create met: the answer, the users stored, the fault's moment, the call's outcome.
struct Met {
    answer: Answer,
    stored: usize,
    moment: Moment,
    outcome: Outcome,
}

async fn create_meets(fault: Fault) -> Met {
    let sandbox = SupabaseSandbox::builder()
        .hang_limit(Duration::from_millis(20))
        .start()
        .await
        .unwrap();
    let plan = FaultPlan::new(0).nth("create", 1, fault.clone());
    sandbox.faults().set(plan);
    let caller = Caller::service(&sandbox);
    let answer = caller.create(&body()).await;
    let stored = sandbox.users().len();
    assert_eq!(sandbox.faults().injected(), 1);
    let journal = sandbox.journal();
    assert_eq!(stored as u64, journal.count_created("users"));
    assert_eq!(fault.keeps_effect(), stored == 1, "{fault:?}");
    let faults = journal.faults();
    let JournalKind::FaultInjected {
        fault: noted,
        moment,
        operation,
    } = &faults[0].kind
    else {
        unreachable!()
    };
    assert_eq!((noted, operation.as_str()), (&fault, "create"));
    let calls = journal.calls_of("create");
    let JournalKind::Call { outcome, .. } = &calls[0].kind else {
        unreachable!()
    };
    // The rule struck once; the next create is untroubled.
    let next = caller.create(&json!({ "email": "next@example.com" })).await;
    assert_eq!(next.status, 200);
    Met {
        answer,
        stored,
        moment: *moment,
        outcome: outcome.clone(),
    }
}

#[tokio::test]
async fn a_refused_connection_ends_without_a_byte_and_without_effect() {
    let met = create_meets(Fault::RefuseConnection).await;
    assert_eq!(
        (met.answer.status, met.stored, met.moment, met.outcome),
        (0, 0, Moment::BeforeEffect, Outcome::NoAnswer)
    );
}

#[tokio::test]
async fn a_500_is_the_servers_own_and_stores_nothing() {
    let met = create_meets(Fault::Http(500)).await;
    assert_eq!(refusal(&met.answer), refused(500, "unexpected_failure"));
    assert_eq!((met.stored, met.outcome), (0, Outcome::Spoiled));
}

#[tokio::test]
async fn a_503_is_a_page_of_what_stands_in_front() {
    let met = create_meets(Fault::Http(503)).await;
    assert_eq!((met.answer.status, met.stored), (503, 0));
    assert_eq!(met.answer.content_type(), "text/html");
}

#[tokio::test]
async fn too_many_requests_are_told_in_json_and_without_a_time_to_wait_unless_asked() {
    let met = create_meets(Fault::TooMany { retry_after: None }).await;
    assert_eq!(
        refusal(&met.answer),
        refused(429, "over_request_rate_limit")
    );
    assert_eq!(met.answer.json()["message"], "Request rate limit reached");
    assert!(!met.answer.headers.contains_key("retry-after"));
    let met = create_meets(Fault::TooMany {
        retry_after: Some(7),
    })
    .await;
    assert_eq!(met.answer.headers["retry-after"], "7");
    let met = create_meets(Fault::Http(429)).await;
    assert_eq!(
        refusal(&met.answer),
        refused(429, "over_request_rate_limit")
    );
}

#[tokio::test]
async fn an_error_after_the_effect_hides_a_stored_user() {
    for (status, kind) in [(500, "application/json"), (504, "text/html")] {
        let met = create_meets(Fault::HttpAfterEffect(status)).await;
        assert_eq!(
            (met.answer.status, met.stored, met.moment),
            (status, 1, Moment::AfterEffect)
        );
        assert_eq!(met.answer.content_type(), kind);
    }
}

#[tokio::test]
async fn a_connection_cut_after_the_effect_brings_no_byte_of_a_stored_user() {
    let met = create_meets(Fault::CutAfterEffect).await;
    assert_eq!(
        (met.answer.status, met.stored, met.moment, met.outcome),
        (0, 1, Moment::AfterEffect, Outcome::NoAnswer)
    );
}

#[tokio::test]
async fn a_hang_before_the_effect_ends_in_a_cut_and_never_stores_anything() {
    let met = create_meets(Fault::HangBeforeEffect(Duration::from_millis(20))).await;
    assert_eq!((met.answer.status, met.stored), (0, 0));
}

#[tokio::test]
async fn a_hang_after_the_effect_is_cut_at_the_limit() {
    let met = create_meets(Fault::HangAfterEffect).await;
    assert_eq!(
        (met.answer.status, met.stored, met.moment),
        (0, 1, Moment::AfterEffect)
    );
}

#[tokio::test]
async fn a_hang_after_the_effect_stores_at_once_and_sends_nothing_while_the_client_waits() {
    let sandbox = sandbox().await;
    let plan = FaultPlan::new(0).always("create", Fault::HangAfterEffect);
    sandbox.faults().set(plan);
    let caller = Caller::service(&sandbox);
    let body = body().to_string();
    let mut open = caller.start("POST", "/admin/users", body.as_bytes()).await;
    let noted = |journal: &Journal| journal.count_calls(Some("create")) == 1;
    assert!(sandbox.journal().wait_until(noted, PATIENCE).await);
    assert_eq!(sandbox.users().len(), 1);
    let silence = tokio::time::timeout(Duration::from_millis(50), read(&mut open)).await;
    assert!(silence.is_err(), "no answer may come");
}

#[tokio::test]
async fn a_body_cut_after_the_effect_breaks_off_in_the_middle_of_a_stored_user() {
    let met = create_meets(Fault::CutBody { after_effect: true }).await;
    assert_eq!((met.answer.status, met.stored), (200, 1));
    assert!(!met.answer.complete && met.answer.text().starts_with("{\"id\":"));
}

#[tokio::test]
async fn a_body_cut_before_the_effect_stores_nothing() {
    let met = create_meets(Fault::CutBody {
        after_effect: false,
    })
    .await;
    assert_eq!((met.answer.status, met.stored), (200, 0));
    assert!(!met.answer.complete);
}

#[tokio::test]
async fn garbage_after_the_effect_is_a_success_that_says_nothing() {
    let met = create_meets(Fault::HtmlAfterEffect).await;
    assert_eq!((met.answer.status, met.stored), (200, 1));
    assert!(met.answer.text().starts_with("<!DOCTYPE html>"));
    let met = create_meets(Fault::NullResultAfterEffect).await;
    assert_eq!((met.answer.json(), met.stored), (Value::Null, 1));
}

#[tokio::test]
async fn a_late_commit_cuts_the_connection_first_and_stores_afterwards() {
    let sandbox = sandbox().await;
    sandbox.faults().set(FaultPlan::new(0).nth(
        "create",
        1,
        Fault::LateCommit {
            delay: Duration::from_millis(500),
        },
    ));
    let answer = Caller::service(&sandbox).create(&body()).await;
    assert_eq!((answer.status, sandbox.users().len()), (0, 0));
    let stored = |journal: &Journal| journal.count_created("users") == 1;
    assert!(sandbox.journal().wait_until(stored, PATIENCE).await);
    assert_eq!(sandbox.users().len(), 1);
}

#[tokio::test]
async fn a_slow_call_has_its_effect_although_the_client_left() {
    let sandbox = sandbox().await;
    let slow = Fault::Slow(Duration::from_millis(100));
    sandbox
        .faults()
        .set(FaultPlan::new(0).nth("create", 1, slow));
    let caller = Caller::service(&sandbox);
    let open = caller
        .start("POST", "/admin/users", body().to_string().as_bytes())
        .await;
    let struck = |journal: &Journal| journal.faults().len() == 1;
    assert!(sandbox.journal().wait_until(struck, PATIENCE).await);
    drop(open);
    let stored = |journal: &Journal| journal.count_created("users") == 1;
    assert!(sandbox.journal().wait_until(stored, PATIENCE).await);
}

#[tokio::test]
async fn a_password_set_before_the_answer_was_lost_is_set() {
    let (sandbox, id) = with_amina().await;
    let plan = FaultPlan::new(0).nth("update", 1, Fault::HttpAfterEffect(502));
    sandbox.faults().set(plan);
    let caller = Caller::service(&sandbox);
    let body = json!({ "password": "Another-Pass-1" });
    assert_eq!(caller.update(&id, &body).await.status, 502);
    assert!(sandbox.password_is(&id, "Another-Pass-1"));
    assert_eq!(caller.update(&id, &body).await.status, 200, "set again");
    let set = |entry: &&std::sync::Arc<pugmark_sandbox::JournalEntry>| {
        matches!(entry.kind, JournalKind::PasswordSet { .. })
    };
    let effects = sandbox.journal().effects_on(&id);
    assert_eq!(effects.iter().filter(set).count(), 2);
}

#[tokio::test]
async fn a_dropped_session_is_lost_before_the_call_is_executed() {
    let (sandbox, id) = with_amina().await;
    let plan = || FaultPlan::new(0).rule(Match::any(Occurrence::Always), Fault::DropSession);
    let token = sandbox.access_token_for(&id).unwrap();
    sandbox.faults().set(plan());
    let answer = Caller::user(&sandbox, &token).get("/user").await;
    assert_eq!(refusal(&answer), refused(403, "session_not_found"));
    let signed_in = Caller::public(&sandbox)
        .sign_in("amina@example.com", PASSWORD)
        .await
        .json();
    let refresh_token = text(&signed_in, "refresh_token");
    let answer = Caller::public(&sandbox).refresh(&refresh_token).await;
    assert_eq!(refusal(&answer), refused(400, "refresh_token_not_found"));
    assert_eq!(sandbox.faults().injected(), 2, "signing in has no session");
}

#[tokio::test]
async fn an_empty_page_strikes_lists_only_and_costs_nothing_elsewhere() {
    let (sandbox, id) = with_amina().await;
    let plan = FaultPlan::new(0).rule(Match::any(Occurrence::Always), Fault::EmptyPage);
    sandbox.faults().set(plan.budget(1));
    let caller = Caller::service(&sandbox);
    assert_eq!(caller.get(&format!("/admin/users/{id}")).await.status, 200);
    assert_eq!(sandbox.faults().injected(), 0);
    let empty = caller.get("/admin/users").await.json();
    assert_eq!(empty["users"], json!([]));
    let full = caller.get("/admin/users").await.json();
    assert_eq!(full["users"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn faults_of_php_do_not_strike() {
    let sandbox = sandbox().await;
    for fault in [Fault::DisplayErrorsNoise, Fault::SuccessFalseAfterEffect] {
        let plan = FaultPlan::new(0).rule(Match::any(Occurrence::Always), fault);
        sandbox.faults().set(plan);
        let answer = Caller::service(&sandbox).get("/admin/users").await;
        assert_eq!((answer.status, sandbox.faults().injected()), (200, 0));
    }
}

#[tokio::test]
async fn who_is_down_refuses_connections_and_comes_back_with_everything() {
    let (sandbox, id) = with_amina().await;
    sandbox.go_down().await;
    let connected = tokio::net::TcpStream::connect(("127.0.0.1", sandbox.port())).await;
    assert!(connected.is_err());
    sandbox.come_back().await.unwrap();
    let caller = Caller::service(&sandbox);
    assert_eq!(caller.get(&format!("/admin/users/{id}")).await.status, 200);
    sandbox.shutdown().await;
}
