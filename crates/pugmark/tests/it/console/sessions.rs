//! Sessions: opened anew at each sign-in, ended by time, by their person and by others.

use std::time::Duration;

use pugmark::people::Role;
use pugmark::people::token::Token;
use pugmark::store::console_sessions::{self, NewSession};
use pugmark_queue::db::{DbError, Ts};

use super::Browser;
use crate::harness::{World, on_both_databases};

on_both_databases!(
    a_session_that_is_not_used_or_lasts_too_long_has_ended,
    signing_out_ends_the_session_in_the_store,
    a_disabled_account_loses_its_open_sessions_at_once,
);

async fn a_session_that_is_not_used_or_lasts_too_long_has_ended(mut world: World) {
    world.settings.console.idle = Duration::from_secs(3_600);
    let running = world.start().await;
    let hours = |hours: u64| Duration::from_secs(hours * 3_600);
    // When it was opened and last used, and how long it lasts, in hours from now.
    for (used, lasts, lives) in [(0, 1, true), (2, 48, false), (3, 2, false)] {
        let person = Browser::signed_in(&running, Role::Admin).await;
        let user = person.user.expect("it is signed in");
        let write = running.db.write("an older session", move |conn| {
            Box::pin(async move {
                let used = Ts::now().before(hours(used));
                console_sessions::revoke_all(conn, user, "a test", used).await?;
                let token = Token::random();
                let session = NewSession {
                    digest: token.digest(),
                    user_id: user,
                    opened_with: "password",
                    user_agent: String::new(),
                    peer: String::new(),
                    expires_at: used.after(hours(lasts)),
                };
                console_sessions::insert(conn, &session, used).await?;
                Ok::<_, DbError>(token)
            })
        });
        let token = write.await.expect("it is stored");
        person.keep("pugmark", &token.reveal());
        let status = person.get("/").await.status;
        assert_eq!(status == 200, lives, "{used} {lasts}: {status}");
    }
    running.shutdown().await;
}

async fn signing_out_ends_the_session_in_the_store(world: World) {
    let running = world.start().await;
    let person = Browser::signed_in(&running, Role::Viewer).await;
    let stolen = person.cookie("pugmark").expect("it is signed in");
    let left = person.post_and_follow("/sign-out", &[]).await;
    assert_eq!(left.status, 200);
    assert!(left.text.contains("You are signed out."), "{}", left.text);
    assert_eq!(person.cookie("pugmark"), None);
    let thief = Browser::of(&running);
    thief.keep("pugmark", &stolen);
    assert_eq!(thief.get("/").await.status, 303);
    running.shutdown().await;
}

async fn a_disabled_account_loses_its_open_sessions_at_once(world: World) {
    let running = world.start().await;
    let person = Browser::signed_in(&running, Role::Admin).await;
    let user = person.user.expect("it is signed in");
    assert_eq!(person.get("/").await.status, 200);
    let write = running.db.write("disable", move |conn| {
        Box::pin(async move {
            pugmark::store::console_users::disable(conn, user, pugmark_queue::db::Ts::now()).await
        })
    });
    assert!(write.await.expect("it is disabled"));
    assert_eq!(person.get("/").await.status, 303);
    assert_eq!(person.get("/console/home").await.status, 401);
    running.shutdown().await;
}
