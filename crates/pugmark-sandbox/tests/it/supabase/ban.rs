//! Bans.

use std::time::Duration;

use pugmark_sandbox::{Clock, ManualClock, SupabaseSandbox};
use serde_json::{Value, json};

use super::{Caller, PASSWORD, amina, refusal, refused, text, with_amina};

async fn at_a_manual_clock() -> (SupabaseSandbox, String, ManualClock) {
    let clock = ManualClock::new("2026-01-15T09:30:00Z".parse().unwrap());
    let sandbox = SupabaseSandbox::builder()
        .clock(Clock::Manual(clock.clone()))
        .start()
        .await
        .unwrap();
    let id = amina(&sandbox);
    (sandbox, id, clock)
}

fn ban(duration: &str) -> Value {
    json!({ "ban_duration": duration })
}

#[tokio::test]
async fn a_ban_is_given_as_go_writes_durations() {
    let (sandbox, id, _) = at_a_manual_clock().await;
    let caller = Caller::service(&sandbox);
    for (duration, until) in [
        ("1h30m", "2026-01-15T11:00:00Z"),
        ("876000h", "2125-12-22T09:30:00Z"),
        ("90s", "2026-01-15T09:31:30Z"),
        ("1.5m", "2026-01-15T09:31:30Z"),
        ("2000ms", "2026-01-15T09:30:02Z"),
        ("5us", "2026-01-15T09:30:00.000005Z"),
        ("-1h", "2026-01-15T08:30:00Z"),
    ] {
        let answer = caller.update(&id, &ban(duration)).await;
        assert_eq!(answer.json()["banned_until"], until, "{duration}");
    }
    for lifts in ["none", "0s", "0"] {
        caller.update(&id, &ban("1h")).await;
        let answer = caller.update(&id, &ban(lifts)).await;
        assert!(answer.json().get("banned_until").is_none(), "{lifts}");
    }
    caller.update(&id, &ban("1h")).await;
    let answer = caller.update(&id, &ban("")).await;
    assert!(answer.json()["banned_until"].is_string(), "nothing said");
}

#[tokio::test]
async fn a_duration_that_go_does_not_read_is_refused() {
    let (sandbox, id) = with_amina().await;
    let caller = Caller::service(&sandbox);
    for duration in ["1d", "24", "never", "1h ", "h", ".", "9999999h", "-"] {
        let answer = caller.update(&id, &ban(duration)).await;
        assert_eq!(
            refusal(&answer),
            refused(400, "validation_failed"),
            "{duration}"
        );
        let message = text(&answer.json(), "message");
        assert!(
            message.starts_with("invalid format for ban duration: "),
            "{message}"
        );
    }
    assert_eq!(sandbox.user(&id).unwrap().banned_until, None);
}

#[tokio::test]
async fn a_ban_keeps_out_whoever_comes_by_whatever_way() {
    let (sandbox, id) = with_amina().await;
    let public = Caller::public(&sandbox);
    let signed_in = public.sign_in("amina@example.com", PASSWORD).await.json();
    let user = Caller::user(&sandbox, &text(&signed_in, "access_token"));
    let service = Caller::service(&sandbox);
    service.update(&id, &ban("876000h")).await;

    for password in [PASSWORD, "wrong"] {
        let answer = public.sign_in("amina@example.com", password).await;
        assert_eq!(
            refusal(&answer),
            refused(400, "user_banned"),
            "before the password is looked at"
        );
        assert_eq!(answer.json()["message"], "User is banned");
    }
    let refresh_token = text(&signed_in, "refresh_token");
    let answer = public.refresh(&refresh_token).await;
    assert_eq!(refusal(&answer), refused(400, "user_banned"));
    assert_eq!(
        answer.json()["message"],
        "Invalid Refresh Token: User Banned"
    );
    let answer = user.get("/user").await;
    assert_eq!(refusal(&answer), refused(403, "user_banned"));

    service.update(&id, &ban("none")).await;
    assert_eq!(
        user.get("/user").await.status,
        200,
        "a ban deletes no session"
    );
    assert_eq!(public.refresh(&refresh_token).await.status, 200);
}

#[tokio::test]
async fn a_ban_runs_out_and_is_still_shown() {
    let (sandbox, id, clock) = at_a_manual_clock().await;
    let service = Caller::service(&sandbox);
    service.update(&id, &ban("1h")).await;
    let public = Caller::public(&sandbox);
    clock.advance(Duration::from_secs(3599));
    let answer = public.sign_in("amina@example.com", PASSWORD).await;
    assert_eq!(refusal(&answer), refused(400, "user_banned"));
    clock.advance(Duration::from_secs(1));
    let answer = public.sign_in("amina@example.com", PASSWORD).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json()["user"]["banned_until"],
        "2026-01-15T10:30:00Z"
    );
}

#[tokio::test]
async fn a_renewed_ban_starts_anew() {
    let (sandbox, id, clock) = at_a_manual_clock().await;
    let service = Caller::service(&sandbox);
    service.update(&id, &ban("1h")).await;
    clock.advance(Duration::from_secs(600));
    let user = service.update(&id, &ban("1h")).await.json();
    assert_eq!(user["banned_until"], "2026-01-15T10:40:00Z");
}
