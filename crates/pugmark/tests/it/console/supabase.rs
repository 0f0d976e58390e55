//! Signing in with a login of Supabase: what a person may do follows from the grants and from `app_metadata`, as they are now.

use pugmark_sandbox::UserSeed;
use serde_json::json;

use super::Browser;
use crate::accounts::Staffed;
use crate::harness::{World, on_both_databases};
use crate::http::Answer;

on_both_databases!(a_login_with_a_right_is_let_in_and_out_again_when_the_right_is_gone);

const GRANTS: &str = "/api/internal/vtiger/grants";

async fn sign_in(browser: &Browser, email: &str, password: &str) -> Answer {
    let fields = [("email", email), ("password", password)];
    browser.send(browser.form("/sign-in", &fields)).await
}

async fn a_login_with_a_right_is_let_in_and_out_again_when_the_right_is_gone(world: World) {
    let staffed = Staffed::of(world).await;
    let (running, api) = staffed.start().await;
    let seed = UserSeed::new("amina@example.co.ke").password("own-pass-1");
    let user = staffed.logins.seed_user(seed).expect("a login");
    let browser = Browser::of(&running);
    let wrong = sign_in(&browser, "amina@example.co.ke", "not that one").await;
    assert_eq!(wrong.status, 401, "{}", wrong.text);
    let nobody = sign_in(&browser, "amina@example.co.ke", "own-pass-1").await;
    assert_eq!(nobody.status, 403, "{}", nobody.text);
    assert!(
        nobody.text.contains("has no right in Pugmark"),
        "{}",
        nobody.text
    );
    let program = staffed.world.other_program().await;
    assert_eq!(program.count("console_users").await, 0);

    let body = json!({ "user": user, "right": "customer_care", "reason": "a test" });
    api.post(GRANTS, &body).await.data();
    let entered = sign_in(&browser, "amina@example.co.ke", "own-pass-1").await;
    assert_eq!(entered.status, 303, "{}", entered.text);
    let home = browser.get("/").await;
    assert!(home.text.contains("Customer care"), "{}", home.text);
    assert_eq!(
        program
            .count("console_users WHERE password_hash IS NOT NULL")
            .await,
        0
    );
    assert_eq!(browser.get("/people").await.status, 403);

    let gone = api.delete(&format!("{GRANTS}/{user}/customer_care")).await;
    assert_eq!(gone.status, 200, "{}", gone.text);
    assert_eq!(
        browser.get("/").await.status,
        303,
        "the session is worth nothing without a right"
    );
    running.shutdown().await;
}
