//! Every fault, judged by the journal and by what a raw client sees.

use std::time::Duration;

use pugmark_sandbox::{Fault, FaultPlan, Journal, JournalKind, Match, Moment, Occurrence, Outcome};
use serde_json::{Value, json};

use super::{Caller, builder, john, messages, sandbox, with_john};
use crate::raw::{Answer, PATIENCE, read};

/// What one create met: the answer, the customers stored, the fault's moment, the call's outcome.
struct Met {
    answer: Answer,
    stored: usize,
    moment: Moment,
    outcome: Outcome,
}

async fn create_meets(fault: Fault) -> Met {
    let sandbox = builder().hang_limit(Duration::from_millis(20));
    let sandbox = sandbox.start().await.unwrap();
    let plan = FaultPlan::new(0).nth("customer.create", 1, fault.clone());
    sandbox.faults().set(plan);
    let caller = Caller::of(&sandbox);
    let answer = caller.create_customer(&john()).await;
    let stored = sandbox.customers().len();
    let journal = sandbox.journal();
    assert_eq!(sandbox.faults().injected(), 1);
    assert_eq!(stored as u64, journal.count_created("customers"));
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
    assert_eq!((noted, operation.as_str()), (&fault, "customer.create"));
    let calls = journal.calls_of("customer.create");
    let JournalKind::Call { outcome, .. } = &calls[0].kind else {
        unreachable!()
    };
    let mut next = john();
    next["reference"] = json!("next");
    assert_eq!(caller.create_customer(&next).await.status, 201, "once only");
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
async fn an_error_before_the_effect_stores_nothing() {
    for status in [500, 502, 503] {
        let met = create_meets(Fault::Http(status)).await;
        assert_eq!(
            (met.answer.status, met.stored, met.outcome),
            (status, 0, Outcome::Spoiled)
        );
        assert_eq!(met.answer.content_type(), "text/html");
    }
}

#[tokio::test]
async fn an_error_after_the_effect_hides_a_stored_customer() {
    for status in [500, 502, 504] {
        let met = create_meets(Fault::HttpAfterEffect(status)).await;
        assert_eq!(
            (met.answer.status, met.stored, met.moment),
            (status, 1, Moment::AfterEffect)
        );
    }
}

#[tokio::test]
async fn a_connection_cut_after_the_write_was_stored_brings_no_byte() {
    let met = create_meets(Fault::CutAfterEffect).await;
    assert_eq!(
        (met.answer.status, met.stored, met.moment, met.outcome),
        (0, 1, Moment::AfterEffect, Outcome::NoAnswer)
    );
}

#[tokio::test]
async fn a_body_may_break_off_after_the_effect_or_without_one() {
    let met = create_meets(Fault::CutBody { after_effect: true }).await;
    assert_eq!((met.answer.status, met.stored), (201, 1));
    assert!(!met.answer.complete && met.answer.text().starts_with("{\"customer\":"));
    let met = create_meets(Fault::CutBody {
        after_effect: false,
    })
    .await;
    assert_eq!((met.answer.complete, met.stored), (false, 0));
}

#[tokio::test]
async fn garbage_after_the_effect_is_a_success_that_says_nothing() {
    let met = create_meets(Fault::HtmlAfterEffect).await;
    assert!(met.answer.text().starts_with("<!DOCTYPE html>"));
    let met = create_meets(Fault::NullResultAfterEffect).await;
    assert_eq!((met.answer.json(), met.stored), (Value::Null, 1));
}

#[tokio::test]
async fn too_many_requests_are_told_in_text_and_without_a_time_to_wait_unless_asked() {
    let met = create_meets(Fault::TooMany { retry_after: None }).await;
    assert_eq!((met.answer.status, met.stored), (429, 0));
    let text = met.answer.text();
    assert!(
        text.starts_with("Your request was denied due to a usage violation."),
        "{text}"
    );
    assert!(!met.answer.headers.contains_key("retry-after"));
    let met = create_meets(Fault::TooMany {
        retry_after: Some(7),
    })
    .await;
    assert_eq!(met.answer.headers["retry-after"], "7");
    let met = create_meets(Fault::Http(429)).await;
    assert!(met.answer.content_type().starts_with("text/plain"));
}

#[tokio::test]
async fn what_the_service_itself_answers_has_its_own_shape() {
    let met = create_meets(Fault::Http(404)).await;
    assert_eq!((met.answer.status, met.answer.body.len()), (404, 0));
    let met = create_meets(Fault::Http(401)).await;
    assert_eq!(met.answer.text(), "HTTP Basic: Access denied.\n");
    let met = create_meets(Fault::Http(422)).await;
    assert_eq!(
        messages(&met.answer),
        ["Your trial has ended, please contact sales."]
    );
    let met = create_meets(Fault::HttpAfterEffect(409)).await;
    assert_eq!(
        met.answer.json()["errors"][0],
        "DuplicatePrevention::DuplicateSubmissionError"
    );
}

#[tokio::test]
async fn a_hang_ends_in_a_cut_with_the_effect_or_without_it() {
    let met = create_meets(Fault::HangBeforeEffect(Duration::from_millis(20))).await;
    assert_eq!((met.answer.status, met.stored), (0, 0));
    let met = create_meets(Fault::HangAfterEffect).await;
    assert_eq!(
        (met.answer.status, met.stored, met.moment),
        (0, 1, Moment::AfterEffect)
    );
}

#[tokio::test]
async fn who_hangs_is_in_progress_until_the_client_gives_up() {
    let sandbox = sandbox().await;
    let plan = FaultPlan::new(0).always("customer.create", Fault::HangAfterEffect);
    sandbox.faults().set(plan);
    let caller = Caller::of(&sandbox);
    let body = json!({ "customer": john() }).to_string();
    let mut open = caller
        .start("POST", "/customers.json", body.as_bytes())
        .await;
    let stored = |journal: &Journal| journal.count_calls(Some("customer.create")) == 1;
    assert!(sandbox.journal().wait_until(stored, PATIENCE).await);
    assert_eq!(
        (sandbox.customers().len(), sandbox.traffic().in_progress),
        (1, 1)
    );
    let silence = tokio::time::timeout(Duration::from_millis(50), read(&mut open)).await;
    assert!(silence.is_err(), "no answer may come");
    drop(open);
    let free = sandbox.wait_for_traffic(|seen| seen.in_progress == 0, PATIENCE);
    assert!(free.await);
}

#[tokio::test]
async fn a_late_commit_cuts_the_connection_first_and_stores_afterwards() {
    let sandbox = sandbox().await;
    let delay = Duration::from_millis(300);
    let plan = FaultPlan::new(0).nth("customer.create", 1, Fault::LateCommit { delay });
    sandbox.faults().set(plan);
    let answer = Caller::of(&sandbox).create_customer(&john()).await;
    assert_eq!((answer.status, sandbox.customers().len()), (0, 0));
    let stored = |journal: &Journal| journal.count_created("customers") == 1;
    assert!(sandbox.journal().wait_until(stored, PATIENCE).await);
}

#[tokio::test]
async fn a_slow_call_has_its_effect_although_the_client_left() {
    let sandbox = sandbox().await;
    let slow = Fault::Slow(Duration::from_millis(100));
    let plan = FaultPlan::new(0).nth("customer.create", 1, slow);
    sandbox.faults().set(plan);
    let body = json!({ "customer": john() }).to_string();
    let caller = Caller::of(&sandbox);
    let open = caller
        .start("POST", "/customers.json", body.as_bytes())
        .await;
    let struck = |journal: &Journal| journal.faults().len() == 1;
    assert!(sandbox.journal().wait_until(struck, PATIENCE).await);
    drop(open);
    let stored = |journal: &Journal| journal.count_created("customers") == 1;
    assert!(sandbox.journal().wait_until(stored, PATIENCE).await);
}

#[tokio::test]
async fn an_empty_page_strikes_lists_only_and_faults_of_others_never() {
    let (sandbox, caller, _) = with_john().await;
    let always = |fault| FaultPlan::new(0).rule(Match::any(Occurrence::Always), fault);
    sandbox.faults().set(always(Fault::EmptyPage));
    assert_eq!(caller.get("/customers.json").await.json(), json!([]));
    let found = caller.get("/customers/lookup.json?reference=10x456").await;
    assert_eq!((found.status, sandbox.faults().injected()), (200, 1));
    for fault in [
        Fault::DropSession,
        Fault::DisplayErrorsNoise,
        Fault::SuccessFalseAfterEffect,
    ] {
        sandbox.faults().set(always(fault));
        assert_eq!(caller.get("/site.json").await.status, 200);
        assert_eq!(sandbox.faults().injected(), 0);
    }
}

#[tokio::test]
async fn who_is_down_refuses_connections_and_comes_back_with_everything() {
    let (sandbox, caller, id) = with_john().await;
    sandbox.go_down().await;
    let connected = tokio::net::TcpStream::connect(("127.0.0.1", sandbox.port())).await;
    assert!(connected.is_err());
    sandbox.come_back().await.unwrap();
    assert_eq!(
        caller.get(&format!("/customers/{id}.json")).await.status,
        200
    );
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_bad_day_strikes_writes_after_their_effect_too() {
    let sandbox = builder().hang_limit(Duration::from_millis(1));
    let sandbox = sandbox.start().await.unwrap();
    sandbox.faults().set(FaultPlan::typical(7, 1.0));
    let caller = Caller::of(&sandbox);
    for number in 0..60 {
        let mut customer = john();
        customer["reference"] = json!(number.to_string());
        caller.create_customer(&customer).await;
    }
    let struck = |wanted: Moment| {
        let faults = sandbox.journal().faults();
        let mut kinds = faults.iter().map(|entry| &entry.kind);
        kinds.any(
            |kind| matches!(kind, JournalKind::FaultInjected { moment, .. } if *moment == wanted),
        )
    };
    assert!(struck(Moment::BeforeEffect) && struck(Moment::AfterEffect));
}
