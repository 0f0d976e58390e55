//! One-time links: of the first start, for a new password, of a demonstration.

use std::time::Duration;

use pugmark::http::console::first::{LINK, demo_link, founding_link};
use pugmark::people::token::Token;
use serde_json::json;

use super::Browser;
use crate::harness::{World, assert_not_in, dump, on_both_databases};
use crate::http::Api;

on_both_databases!(
    the_link_of_the_first_start_makes_one_administrator_and_no_second,
    a_link_for_a_password_works_once_and_not_after_its_time,
    opening_a_link_changes_nothing_and_entering_uses_it_up,
);

const DAY: Duration = Duration::from_secs(86_400);
const WORDS: &str = "several words that nobody guesses";

fn path(token: &Token) -> String {
    format!("{LINK}/{}", token.reveal())
}

async fn the_link_of_the_first_start_makes_one_administrator_and_no_second(world: World) {
    let running = world.start().await;
    let token = founding_link(&running.db, DAY)
        .await
        .expect("the store answers");
    let link = path(&token.expect("nobody has an account"));
    let again = founding_link(&running.db, DAY)
        .await
        .expect("the store answers");
    assert!(again.is_none(), "printed once");
    let browser = Browser::of(&running);
    let page = browser.get(&link).await;
    assert!(page.text.contains("Welcome to Pugmark"), "{}", page.text);
    let short = [
        ("name", "Asha"),
        ("email", "asha@example.org"),
        ("password", "short"),
        ("again", "short"),
    ];
    let refused = browser.send(browser.form(&link, &short)).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    assert!(
        refused.text.contains("at least 12 characters"),
        "{}",
        refused.text
    );
    assert!(
        refused.text.contains("value=\"asha@example.org\""),
        "what was typed is still there"
    );
    let fields = [
        ("name", "Asha"),
        ("email", "asha@example.org"),
        ("password", WORDS),
        ("again", WORDS),
    ];
    let both = [browser.form(&link, &fields), browser.form(&link, &fields)];
    let [one, other] = both.map(|request| tokio::spawn(crate::http::answer(request)));
    let mut statuses = [
        one.await.expect("an answer").status,
        other.await.expect("an answer").status,
    ];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 410], "of two at once one makes it");
    assert_eq!(browser.get(&link).await.status, 410);
    let program = world.other_program().await;
    assert_eq!(program.count("console_users WHERE role = 'admin'").await, 1);
    let fields = [("email", "asha@example.org"), ("password", WORDS)];
    let entered = browser.send(browser.form("/sign-in", &fields)).await;
    assert_eq!(entered.status, 303, "{}", entered.text);
    assert_eq!(browser.get("/people").await.status, 200);
    running.shutdown().await;
    assert_not_in(
        &dump(&program).await,
        link.trim_start_matches(LINK).trim_start_matches('/'),
    );
}

async fn a_link_for_a_password_works_once_and_not_after_its_time(world: World) {
    let running = world.start().await;
    let api = Api::of(&running);
    let body = json!({ "name": "Baraka", "email": "baraka@example.org", "role": "viewer" });
    let made = api.post("/api/internal/console/users", &body).await;
    let first = made.data()["link"].as_str().expect("a link").to_owned();
    let new = api
        .post(
            "/api/internal/console/users/baraka@example.org/link",
            &json!({}),
        )
        .await;
    let second = new.data()["link"].as_str().expect("a link").to_owned();
    let browser = Browser::of(&running);
    let older = browser.get(&first).await;
    assert_eq!(older.status, 410, "a new link makes older ones useless");
    assert!(older.text.contains("PUG-6805"), "{}", older.text);
    let program = world.other_program().await;
    program
        .sql("UPDATE console_links SET expires_at = created_at")
        .await;
    assert_eq!(browser.get(&second).await.status, 410, "its time is over");
    let fields = [("password", WORDS), ("again", WORDS)];
    assert_eq!(
        browser.send(browser.form(&second, &fields)).await.status,
        410
    );
    let new = api
        .post(
            "/api/internal/console/users/baraka@example.org/link",
            &json!({}),
        )
        .await;
    let third = new.data()["link"].as_str().expect("a link").to_owned();
    let entered = browser.send(browser.form(&third, &fields)).await;
    assert_eq!((entered.status, entered.header("location")), (303, "/"));
    assert_eq!(browser.get("/").await.status, 200);
    assert_eq!(
        browser.send(browser.form(&third, &fields)).await.status,
        410,
        "it was used"
    );
    // Whoever is disabled has no use of a link that was made before.
    let new = api
        .post(
            "/api/internal/console/users/baraka@example.org/link",
            &json!({}),
        )
        .await;
    let fourth = new.data()["link"].as_str().expect("a link").to_owned();
    let admin = json!({ "name": "Asha", "email": "asha@example.org", "role": "admin" });
    api.post("/api/internal/console/users", &admin).await.data();
    api.post(
        "/api/internal/console/users/baraka@example.org/disable",
        &json!({}),
    )
    .await
    .data();
    assert_eq!(browser.get(&fourth).await.status, 410);
    assert_eq!(
        browser.get("/").await.status,
        303,
        "and is signed out at once"
    );
    running.shutdown().await;
}

async fn opening_a_link_changes_nothing_and_entering_uses_it_up(world: World) {
    let running = world.start().await;
    let token = demo_link(&running.db, DAY)
        .await
        .expect("the store answers");
    let link = path(&token);
    let browser = Browser::of(&running);
    for _ in 0..3 {
        let page = browser.get(&link).await;
        assert_eq!(page.status, 200, "{}", page.text);
        assert_eq!(page.header("set-cookie"), "");
    }
    let entered = browser.send(browser.form(&link, &[("x", "")])).await;
    assert_eq!(entered.status, 303, "{}", entered.text);
    let home = browser.get("/").await;
    assert!(home.text.contains("Administrator"), "{}", home.text);
    assert_eq!(browser.get(&link).await.status, 410);
    assert_eq!(browser.get(&format!("{LINK}/nonsense")).await.status, 410);
    running.shutdown().await;
}
