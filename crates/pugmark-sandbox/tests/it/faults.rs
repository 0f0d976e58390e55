//! Every fault, judged by the journal and by what a raw client sees.

use std::time::Duration;

use pugmark_sandbox::{
    Fault, FaultPlan, Journal, JournalKind, Match, Moment, Occurrence, Outcome, VtigerSandbox,
};
use serde_json::{Value, json};

use crate::raw::{Answer, Caller, PATIENCE, read};

async fn sandbox() -> (VtigerSandbox, Caller) {
    let crm = VtigerSandbox::builder().seed(3).start().await.unwrap();
    let caller = Caller::log_in(&crm).await;
    (crm, caller)
}

fn contact(name: &str) -> Value {
    json!({"lastname": name, "assigned_user_id": "19x1"})
}

/// What one create met: the answer, the contacts stored, the fault's moment, the call's outcome.
struct Met {
    answer: Answer,
    stored: usize,
    moment: Moment,
    outcome: Outcome,
}

async fn create_meets(fault: Fault) -> Met {
    let (crm, caller) = sandbox().await;
    crm.faults()
        .set(FaultPlan::new(0).nth("create", 1, fault.clone()));
    let answer = caller.create("Contacts", &contact("Hit")).await;
    assert_eq!(crm.faults().injected(), 1);
    let journal = crm.journal();
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
    assert_eq!(
        crm.records("Contacts").len() as u64,
        journal.count_created("Contacts")
    );
    assert_eq!(
        fault.keeps_effect(),
        journal.count_created("Contacts") == 1,
        "{fault:?}"
    );
    let met = Met {
        answer,
        stored: crm.records("Contacts").len(),
        moment: *moment,
        outcome: outcome(&journal),
    };
    // The rule struck once; the next create is untroubled.
    caller.create("Contacts", &contact("Next")).await.result();
    met
}

fn outcome(journal: &Journal) -> Outcome {
    let calls = journal.calls_of("create");
    let JournalKind::Call { outcome, .. } = &calls[0].kind else {
        unreachable!()
    };
    outcome.clone()
}

#[tokio::test]
async fn a_refused_connection_ends_without_a_byte_and_without_effect() {
    let met = create_meets(Fault::RefuseConnection).await;
    assert_eq!(
        (met.answer.status, met.stored, met.moment),
        (0, 0, Moment::BeforeEffect)
    );
    assert_eq!(met.outcome, Outcome::NoAnswer);
}

#[tokio::test]
async fn an_http_error_before_the_effect_stores_nothing() {
    let met = create_meets(Fault::Http(503)).await;
    assert_eq!(
        (met.answer.status, met.stored, met.moment),
        (503, 0, Moment::BeforeEffect)
    );
    assert_eq!(met.answer.content_type(), "text/html");
    assert!(met.answer.text().contains("503 Service Unavailable"));
}

#[tokio::test]
async fn an_http_error_after_the_effect_hides_a_stored_record() {
    let met = create_meets(Fault::HttpAfterEffect(504)).await;
    assert_eq!(
        (met.answer.status, met.stored, met.moment),
        (504, 1, Moment::AfterEffect)
    );
    assert_eq!(met.outcome, Outcome::Spoiled);
}

#[tokio::test]
async fn a_hang_before_the_effect_ends_in_a_cut_and_never_stores_anything() {
    let met = create_meets(Fault::HangBeforeEffect(Duration::from_millis(20))).await;
    assert_eq!(
        (met.answer.status, met.stored, met.moment),
        (0, 0, Moment::BeforeEffect)
    );
}

#[tokio::test]
async fn a_hang_after_the_effect_stores_at_once_and_sends_nothing_while_the_client_waits() {
    let (crm, caller) = sandbox().await;
    crm.faults()
        .set(FaultPlan::new(0).always("create", Fault::HangAfterEffect));
    let element = contact("Hung").to_string();
    let mut open = caller
        .start_post(
            "create",
            &[("elementType", "Contacts"), ("element", &element)],
        )
        .await;
    let noted = |journal: &Journal| journal.count_calls(Some("create")) == 1;
    assert!(crm.journal().wait_until(noted, PATIENCE).await);
    assert_eq!(crm.records("Contacts").len(), 1);
    let silence = tokio::time::timeout(Duration::from_millis(50), read(&mut open)).await;
    assert!(silence.is_err(), "no answer may come");
    // The session is free again: only the answer hangs.
    assert_eq!(
        caller
            .query("select id from Contacts;")
            .await
            .result()
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_hang_that_nobody_gives_up_is_cut_at_the_limit() {
    let crm = VtigerSandbox::builder()
        .hang_limit(Duration::from_millis(20))
        .start()
        .await
        .unwrap();
    let caller = Caller::log_in(&crm).await;
    crm.faults()
        .set(FaultPlan::new(0).always("create", Fault::HangAfterEffect));
    let answer = caller.create("Contacts", &contact("Hung")).await;
    assert_eq!((answer.status, crm.records("Contacts").len()), (0, 1));
}

#[tokio::test]
async fn a_connection_cut_after_the_effect_brings_no_byte_of_a_stored_record() {
    let met = create_meets(Fault::CutAfterEffect).await;
    assert_eq!(
        (met.answer.status, met.stored, met.moment),
        (0, 1, Moment::AfterEffect)
    );
}

#[tokio::test]
async fn a_late_commit_cuts_the_connection_first_and_stores_afterwards() {
    let (crm, caller) = sandbox().await;
    crm.faults().set(FaultPlan::new(0).nth(
        "create",
        1,
        Fault::LateCommit {
            delay: Duration::from_millis(500),
        },
    ));
    let answer = caller.create("Contacts", &contact("Zombie")).await;
    assert_eq!((answer.status, crm.records("Contacts").len()), (0, 0));
    let stored = |journal: &Journal| journal.count_created("Contacts") == 1;
    assert!(crm.journal().wait_until(stored, PATIENCE).await);
    let entries = crm.journal().entries();
    let position = |wanted: fn(&JournalKind) -> bool| {
        entries
            .iter()
            .position(|entry| wanted(&entry.kind))
            .unwrap()
    };
    let cut = position(
        |kind| matches!(kind, JournalKind::Call { operation, .. } if operation == "create"),
    );
    let created = position(|kind| matches!(kind, JournalKind::Created { .. }));
    assert!(
        cut < created,
        "the caller knew nothing when the record appeared"
    );
    assert_eq!(entries[cut].request_no, entries[created].request_no);
}

#[tokio::test]
async fn a_body_cut_after_the_effect_breaks_off_in_the_middle_of_a_stored_records_answer() {
    let met = create_meets(Fault::CutBody { after_effect: true }).await;
    assert_eq!((met.answer.status, met.stored), (200, 1));
    assert!(!met.answer.complete && !met.answer.body.is_empty());
    assert!(met.answer.text().starts_with("{\"success\":true"));
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
async fn html_after_the_effect_is_a_success_that_says_nothing() {
    let met = create_meets(Fault::HtmlAfterEffect).await;
    assert_eq!(
        (met.answer.status, met.stored, met.answer.complete),
        (200, 1, true)
    );
    assert!(!met.answer.text().contains("success"));
}

#[tokio::test]
async fn an_application_error_after_the_effect_lies_about_a_stored_record() {
    let met = create_meets(Fault::SuccessFalseAfterEffect).await;
    assert_eq!(
        (met.answer.code().as_str(), met.stored),
        ("INTERNAL_SERVER_ERROR", 1)
    );
}

#[tokio::test]
async fn a_null_result_after_the_effect_is_a_success_without_a_record() {
    let met = create_meets(Fault::NullResultAfterEffect).await;
    assert_eq!((met.answer.result(), met.stored), (Value::Null, 1));
}

#[tokio::test]
async fn too_many_requests_are_answered_429_with_the_time_to_wait() {
    let met = create_meets(Fault::TooMany {
        retry_after: Some(7),
    })
    .await;
    assert_eq!((met.answer.status, met.stored), (429, 0));
    assert_eq!(
        met.answer.headers.get("retry-after").map(String::as_str),
        Some("7")
    );
    let met = create_meets(Fault::TooMany { retry_after: None }).await;
    assert!(!met.answer.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn display_errors_noise_stands_in_front_of_a_whole_answer() {
    let met = create_meets(Fault::DisplayErrorsNoise).await;
    let text = met.answer.text();
    assert!(text.starts_with("<br />\n<b>Warning</b>"));
    let json: Value = serde_json::from_str(&text[text.find("{\"success\":").unwrap()..]).unwrap();
    assert_eq!(
        (json["result"]["lastname"].as_str(), met.stored),
        (Some("Hit"), 1)
    );
    assert!(met.answer.content_type().starts_with("text/html"));
}

#[tokio::test]
async fn a_slow_call_has_its_effect_although_the_client_left() {
    let (crm, caller) = sandbox().await;
    crm.faults()
        .set(FaultPlan::new(0).nth("create", 1, Fault::Slow(Duration::from_millis(100))));
    let element = contact("Slow").to_string();
    let open = caller
        .start_post(
            "create",
            &[("elementType", "Contacts"), ("element", &element)],
        )
        .await;
    assert!(
        crm.journal()
            .wait_until(|journal| journal.faults().len() == 1, PATIENCE)
            .await
    );
    drop(open);
    assert!(
        crm.journal()
            .wait_until(|journal| journal.count_created("Contacts") == 1, PATIENCE)
            .await
    );
}

#[tokio::test]
async fn a_dropped_session_is_lost_before_the_call_is_executed() {
    let (crm, caller) = sandbox().await;
    crm.faults()
        .set(FaultPlan::new(0).nth("create", 1, Fault::DropSession));
    assert_eq!(
        caller.create("Contacts", &contact("Lost")).await.code(),
        "INVALID_SESSIONID"
    );
    assert_eq!(
        caller.get("listtypes", &[]).await.code(),
        "INVALID_SESSIONID"
    );
    assert!(crm.records("Contacts").is_empty());
    Caller::log_in(&crm)
        .await
        .create("Contacts", &contact("Again"))
        .await
        .result();
}

#[tokio::test]
async fn an_empty_page_strikes_queries_only_and_costs_nothing_elsewhere() {
    let (crm, caller) = sandbox().await;
    crm.faults().set(
        FaultPlan::new(0)
            .rule(Match::any(Occurrence::Always), Fault::EmptyPage)
            .budget(1),
    );
    caller.create("Contacts", &contact("There")).await.result();
    assert_eq!(crm.faults().injected(), 0);
    assert_eq!(
        caller.query("select id from Contacts;").await.result(),
        json!([])
    );
    // The budget is used up.
    assert_eq!(
        caller
            .query("select id from Contacts;")
            .await
            .result()
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn the_same_seed_gives_the_same_faults_and_another_seed_others() {
    let mut runs = Vec::new();
    for seed in [11, 11, 12] {
        let (crm, caller) = sandbox().await;
        // Hanging calls are left out: this client waits for every answer.
        let mut plan = FaultPlan::typical(seed, 0.5);
        plan.rules
            .retain(|rule| !matches!(rule.fault, Fault::HangAfterEffect | Fault::DropSession));
        crm.faults().set(plan);
        for n in 0..60 {
            caller.create("Contacts", &contact(&format!("N{n}"))).await;
        }
        let faults = crm.journal().faults();
        let kinds: Vec<Value> = faults
            .iter()
            .map(|entry| {
                let JournalKind::FaultInjected { fault, .. } = &entry.kind else {
                    unreachable!()
                };
                json!([entry.request_no, fault])
            })
            .collect();
        assert!(kinds.len() > 10, "{kinds:?}");
        runs.push(kinds);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}

#[tokio::test]
async fn a_typical_plan_has_faults_after_the_effect_and_strikes_nothing_at_rate_zero() {
    let (crm, caller) = sandbox().await;
    crm.faults().set(FaultPlan::typical(4, 0.0));
    caller.create("Contacts", &contact("Calm")).await.result();
    assert_eq!(crm.faults().injected(), 0);
    let plan = FaultPlan::typical(4, 0.3);
    let struck = plan
        .rules
        .iter()
        .filter(|rule| rule.fault.keeps_effect())
        .count();
    assert!(struck >= 4, "faults after the effect must be among them");
}

#[tokio::test]
async fn faults_can_be_set_and_cleared_while_running() {
    let (crm, caller) = sandbox().await;
    let plan = FaultPlan::new(0).rule(
        Match::operations(&["Create", "Revise"], Occurrence::EveryNth(2)),
        Fault::Http(500),
    );
    crm.faults().set(plan.clone());
    assert_eq!(crm.faults().plan(), plan);
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(caller.create("Contacts", &contact("C")).await.status);
    }
    assert_eq!(seen, [200, 500, 200, 500]);
    crm.faults().clear();
    assert_eq!(caller.create("Contacts", &contact("C")).await.status, 200);
    crm.faults().set(FaultPlan::new(0).rule(
        Match::operation("create", Occurrence::First(1)),
        Fault::Http(502),
    ));
    assert_eq!(caller.create("Contacts", &contact("C")).await.status, 502);
    assert_eq!(caller.create("Contacts", &contact("C")).await.status, 200);
}
