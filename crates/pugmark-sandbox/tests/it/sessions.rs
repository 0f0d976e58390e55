//! Challenges, sessions, the session's lock, the port.

use std::time::Duration;

use pugmark_sandbox::{
    Clock, Fault, FaultPlan, JournalKind, Latency, ManualClock, UserSpec, VtigerSandbox,
};
use serde_json::json;
use tokio::net::TcpStream;

use crate::raw::{self, Caller, PATIENCE};

async fn sandbox() -> VtigerSandbox {
    VtigerSandbox::builder().seed(1).start().await.unwrap()
}

#[tokio::test]
async fn a_session_slides_and_dies_when_it_is_left_idle() {
    let clock = ManualClock::new("2026-11-21T06:30:00Z".parse().unwrap());
    let crm = VtigerSandbox::builder()
        .clock(Clock::Manual(clock.clone()))
        .start()
        .await
        .unwrap();
    let caller = Caller::log_in(&crm).await;
    for _ in 0..3 {
        clock.advance(Duration::from_secs(1400));
        caller.get("listtypes", &[]).await.result();
    }
    clock.advance(Duration::from_secs(1441));
    assert_eq!(
        caller.get("listtypes", &[]).await.code(),
        "INVALID_SESSIONID"
    );
}

#[tokio::test]
async fn all_sessions_can_be_dropped_at_once() {
    let crm = sandbox().await;
    let (one, two) = (Caller::log_in(&crm).await, Caller::log_in(&crm).await);
    crm.drop_all_sessions();
    for caller in [one, two] {
        assert_eq!(
            caller.get("listtypes", &[]).await.code(),
            "INVALID_SESSIONID"
        );
    }
}

#[tokio::test]
async fn calls_in_one_session_wait_for_each_other_and_calls_in_two_do_not() {
    let crm = sandbox().await;
    let (one, other) = (Caller::log_in(&crm).await, Caller::log_in(&crm).await);
    // The first create is held far longer than the test's patience.
    crm.faults()
        .set(FaultPlan::new(0).nth("create", 1, Fault::Slow(PATIENCE * 100)));
    let element = json!({"lastname": "Slow", "assigned_user_id": "19x1"}).to_string();
    let parameters = [("elementType", "Contacts"), ("element", element.as_str())];
    let _held = one.start_post("create", &parameters).await;
    let struck = |journal: &pugmark_sandbox::Journal| !journal.faults().is_empty();
    assert!(crm.journal().wait_until(struck, PATIENCE).await);
    let mut same_session = one.start_post("create", &parameters).await;
    // Calls of the other session pass, one after the other, while the second of the same session waits.
    for _ in 0..20 {
        other.get("listtypes", &[]).await.result();
    }
    let waiting =
        tokio::time::timeout(Duration::from_millis(1), raw::read(&mut same_session)).await;
    assert!(
        waiting.is_err(),
        "the second call of the session must wait for the first"
    );
    assert_eq!(crm.journal().count_calls(Some("create")), 0);
}

#[tokio::test]
async fn an_inactive_user_gets_a_challenge_but_no_session() {
    let crm = VtigerSandbox::builder()
        .user(UserSpec::admin("boss", "k1"))
        .user(UserSpec::standard("gone", "k2").inactive())
        .start()
        .await
        .unwrap();
    assert_eq!(
        raw::log_in(crm.port(), "gone", "k2").await.code(),
        "INVALID_USER_CREDENTIALS"
    );
    assert_eq!(
        raw::log_in(crm.port(), "boss", "k1").await.result()["userId"],
        "19x1"
    );
}

#[tokio::test]
async fn a_login_is_in_the_journal_without_any_secret() {
    let crm = sandbox().await;
    let caller = Caller::log_in(&crm).await;
    let logins = crm
        .journal()
        .entries()
        .into_iter()
        .filter(|entry| matches!(entry.kind, JournalKind::LoggedIn { .. }));
    assert_eq!(logins.count(), 1);
    let text = crm.journal().to_json().to_string() + &format!("{crm:?}");
    assert!(!text.contains(&caller.session));
    assert!(!text.contains(crm.access_key()));
}

#[tokio::test]
async fn a_sandbox_that_is_down_refuses_connections_and_comes_back_on_its_port_with_its_records() {
    let crm = sandbox().await;
    let caller = Caller::log_in(&crm).await;
    let id = crm
        .insert_as_ui("Contacts", &[("lastname", "Kept")])
        .unwrap();
    crm.go_down().await;
    let refused = TcpStream::connect(("127.0.0.1", crm.port()))
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    crm.come_back().await.unwrap();
    assert_eq!(caller.retrieve(&id).await.result()["lastname"], "Kept");
}

#[tokio::test]
async fn going_down_cuts_a_call_that_hangs() {
    let crm = sandbox().await;
    let caller = Caller::log_in(&crm).await;
    crm.faults()
        .set(FaultPlan::new(0).always("listtypes", Fault::HangAfterEffect));
    let mut open = raw::send(
        crm.port(),
        "GET",
        &format!(
            "/webservice.php?{}",
            raw::form(&[("operation", "listtypes"), ("sessionName", &caller.session)])
        ),
        &[],
        b"",
    )
    .await;
    assert!(
        crm.journal()
            .wait_until(
                |journal| journal.count_calls(Some("listtypes")) == 1,
                PATIENCE
            )
            .await
    );
    crm.go_down().await;
    assert_eq!(raw::read(&mut open).await.status, 0);
}

#[tokio::test]
async fn a_body_above_the_limit_is_a_fatal_error_and_has_no_effect() {
    let crm = VtigerSandbox::builder()
        .max_body(10_000)
        .start()
        .await
        .unwrap();
    let caller = Caller::log_in(&crm).await;
    let element = |length: usize| json!({"lastname": "L", "description": "x".repeat(length), "assigned_user_id": "19x1"});
    let answer = caller.create("Contacts", &element(20_000)).await;
    assert_eq!((answer.status, answer.text().as_str()), (500, ""));
    assert_eq!(crm.journal().count_created("Contacts"), 0);
    caller.create("Contacts", &element(5_000)).await.result();
}

#[tokio::test]
async fn the_stock_edition_knows_nothing_of_other_paths() {
    let crm = sandbox().await;
    let answer = raw::exchange(crm.port(), "GET", "/index.php", &[], b"").await;
    assert_eq!((answer.status, answer.content_type()), (404, "text/html"));
}

#[tokio::test]
async fn a_multipart_form_is_read_like_any_other() {
    let crm = sandbox().await;
    let caller = Caller::log_in(&crm).await;
    let mut body = String::new();
    for (name, value) in [
        ("operation", "create"),
        ("sessionName", caller.session.as_str()),
        ("elementType", "Contacts"),
        (
            "element",
            r#"{"lastname":"Parts","assigned_user_id":"19x1"}"#,
        ),
    ] {
        body.push_str(&format!(
            "--b0\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        ));
    }
    body.push_str("--b0--\r\n");
    let headers = [("Content-Type", "multipart/form-data; boundary=b0")];
    let answer = raw::exchange(
        crm.port(),
        "POST",
        "/webservice.php",
        &headers,
        body.as_bytes(),
    )
    .await;
    assert_eq!(answer.result()["lastname"], "Parts");
}

#[tokio::test]
async fn the_same_seed_gives_the_same_tokens_and_another_seed_others() {
    let mut tokens = Vec::new();
    for seed in [5, 5, 6] {
        let clock = ManualClock::new("2026-11-21T06:30:00Z".parse().unwrap());
        let crm = VtigerSandbox::builder()
            .seed(seed)
            .clock(Clock::Manual(clock))
            .start()
            .await
            .unwrap();
        let target = "/webservice.php?operation=getchallenge&username=admin";
        let answer = raw::exchange(crm.port(), "GET", target, &[], b"")
            .await
            .result();
        tokens.push(answer["token"].as_str().unwrap().to_owned());
    }
    assert_eq!(tokens[0], tokens[1]);
    assert_ne!(tokens[0], tokens[2]);
}

#[tokio::test]
async fn latency_is_spent_before_the_answer() {
    let latency = Duration::from_millis(30);
    let crm = VtigerSandbox::builder()
        .latency(Latency::Fixed(latency))
        .start()
        .await
        .unwrap();
    Caller::log_in(&crm)
        .await
        .get("listtypes", &[])
        .await
        .result();
    let calls = crm.journal().calls();
    assert_eq!(calls.len(), 3);
    for call in calls {
        assert!(
            matches!(call.kind, JournalKind::Call { duration, .. } if duration >= latency),
            "{call:?}"
        );
    }
}
