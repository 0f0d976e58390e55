//! Signing in with an address and a password.

use pugmark::app::Running;
use pugmark::people::Role;
use pugmark_queue::db::Engine;
use serde_json::json;

use super::Browser;
use crate::harness::{World, assert_not_in, dump, on_both_databases};
use crate::http::{Answer, Api};

on_both_databases!(
    a_person_signs_in_comes_where_they_wanted_and_the_old_session_is_gone,
    somebody_unknown_is_answered_like_a_wrong_password_and_both_have_to_wait,
    passwords_and_tokens_stand_nowhere_in_clear,
);

const PASSWORD: &str = "four plain words here";
const USERS: &str = "/api/internal/console/users";

/// An account with a password, made as `pugmark user add` makes one.
async fn account(running: &Running, email: &str) {
    let api = Api::of(running);
    let body =
        json!({ "name": "Asha", "email": email, "role": "customer_care", "password": PASSWORD });
    let made = api.post(USERS, &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert!(made.data()["link"].is_null(), "{}", made.text);
}

async fn sign_in(browser: &Browser, email: &str, password: &str, next: &str) -> Answer {
    let fields = [("email", email), ("password", password), ("next", next)];
    browser.send(browser.form("/sign-in", &fields)).await
}

async fn a_person_signs_in_comes_where_they_wanted_and_the_old_session_is_gone(world: World) {
    let running = world.start().await;
    account(&running, "Asha@Example.org").await;
    let browser = Browser::of(&running);
    let sent = browser.get("/people?x=1").await;
    assert_eq!(sent.header("location"), "/sign-in?next=%2Fpeople%3Fx%3D1");
    let page = browser.get(sent.header("location")).await;
    assert!(page.text.contains("value=\"/people?x=1\""), "{}", page.text);
    // Somebody had put a session of their own into the browser.
    let planted = Browser::signed_in(&running, Role::Viewer).await;
    let foreign = planted.cookie("pugmark").expect("it is signed in");
    browser.keep("pugmark", &foreign);

    let entered = sign_in(&browser, " asha@example.org ", PASSWORD, "/people?x=1").await;

    assert_eq!(entered.status, 303, "{}", entered.text);
    assert_eq!(entered.header("location"), "/people?x=1");
    let cookie = entered.header("set-cookie");
    for part in ["pugmark=", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert_ne!(browser.cookie("pugmark"), Some(foreign));
    assert_eq!(
        planted.get("/").await.status,
        303,
        "the planted session has ended"
    );
    let home = browser.get("/").await;
    assert!(
        home.text.contains("Asha") && home.text.contains("Customer care"),
        "{}",
        home.text
    );
    let elsewhere = sign_in(&browser, "asha@example.org", PASSWORD, "//evil.example").await;
    assert_eq!(elsewhere.header("location"), "/");
    // Behind a proxy with TLS the cookie is one that browsers give to nobody else.
    let secure = browser
        .form(
            "/sign-in",
            &[("email", "asha@example.org"), ("password", PASSWORD)],
        )
        .header("x-forwarded-proto", "https");
    let secure = crate::http::answer(secure).await;
    let cookie = secure.header("set-cookie");
    assert!(
        cookie.starts_with("__Host-pugmark=") && cookie.contains("; Secure"),
        "{cookie}"
    );
    let program = world.other_program().await;
    assert_eq!(
        program
            .count("audit_log WHERE action = 'console.sign-in'")
            .await,
        3
    );
    running.shutdown().await;
}

async fn somebody_unknown_is_answered_like_a_wrong_password_and_both_have_to_wait(world: World) {
    let running = world.start().await;
    account(&running, "asha@example.org").await;
    let browser = Browser::of(&running);
    let program = world.other_program().await;
    let longer = match program.engine() {
        Engine::Sqlite => {
            "UPDATE console_sign_ins SET wait_until = last_at + 3630000000 WHERE wait_until > last_at"
        }
        Engine::Postgres => {
            "UPDATE console_sign_ins SET wait_until = last_at + INTERVAL '3630 seconds' WHERE wait_until > last_at"
        }
    };
    let mut answers = Vec::new();
    for email in ["asha@example.org", "nobody@example.org"] {
        for _ in 0..6 {
            let wrong = sign_in(&browser, email, "some other words", "/").await;
            assert_eq!(wrong.status, 401, "{}", wrong.text);
            assert!(wrong.text.contains("PUG-6801"), "{}", wrong.text);
            assert_eq!(wrong.header("set-cookie"), "");
            let request = wrong.header("x-correlation-id").to_owned();
            answers.push(wrong.text.replace(email, "*").replace(&request, "*"));
        }
        // However slow this machine is, the wait is not over yet.
        program.sql(longer).await;
        let waits = sign_in(&browser, email, PASSWORD, "/").await;
        assert_eq!(waits.status, 429, "{}", waits.text);
        let seconds: u64 = waits.header("retry-after").parse().expect("a number");
        assert!((3_000..=3_631).contains(&seconds), "{seconds}");
        assert!(waits.text.contains("PUG-6804") && waits.text.contains("Try again in "));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "nothing tells them apart");
    // A restart forgets nothing.
    running.shutdown().await;
    let running = world.start().await;
    let browser = Browser::of(&running);
    let waits = sign_in(&browser, "ASHA@example.org", PASSWORD, "/").await;
    assert_eq!(waits.status, 429, "{}", waits.text);
    // When the wait is over the right password works, and the count begins anew.
    program
        .sql("UPDATE console_sign_ins SET wait_until = last_at")
        .await;
    let entered = sign_in(&browser, "asha@example.org", PASSWORD, "/").await;
    assert_eq!(entered.status, 303, "{}", entered.text);
    assert_eq!(
        program
            .count("console_sign_ins WHERE subject LIKE 'account:%'")
            .await,
        1
    );
    running.shutdown().await;
}

async fn passwords_and_tokens_stand_nowhere_in_clear(world: World) {
    let running = world.start().await;
    account(&running, "asha@example.org").await;
    let browser = Browser::of(&running);
    sign_in(&browser, "asha@example.org", "a wrong guess of words", "/").await;
    sign_in(&browser, "wrong-field-password", PASSWORD, "/").await;
    sign_in(&browser, "asha@example.org", PASSWORD, "/").await;
    let token = browser.cookie("pugmark").expect("it is signed in");
    running.shutdown().await;
    let program = world.other_program().await;
    let dump = dump(&program).await;
    let hash = "$argon2id$";
    let shown = dump.contains(hash) || dump.contains(&hex::encode_upper(hash));
    assert!(shown, "the hash is there");
    for secret in [
        PASSWORD,
        "a wrong guess of words",
        "wrong-field-password",
        &token,
    ] {
        assert_not_in(&dump, secret);
    }
}
