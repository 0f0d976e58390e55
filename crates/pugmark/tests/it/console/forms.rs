//! Forms that were not meant: without a token, with somebody else's, from another site.

use pugmark::people::Role;

use super::{Browser, form_token};
use crate::harness::{World, on_both_databases};
use crate::http::Answer;

on_both_databases!(
    a_form_without_the_token_of_its_session_does_nothing,
    a_form_from_another_site_does_nothing,
    what_was_done_is_said_once_and_escaped,
);

fn assert_refused(answer: &Answer) {
    assert_eq!(answer.status, 403, "{}", answer.text);
    assert!(answer.text.contains("PUG-6803"), "{}", answer.text);
    assert_eq!(answer.header("set-cookie"), "");
}

async fn a_form_without_the_token_of_its_session_does_nothing(world: World) {
    let running = world.start().await;
    let person = Browser::signed_in(&running, Role::Viewer).await;
    let other = Browser::signed_in(&running, Role::Admin).await;
    let foreign = other.form_token();
    for fields in [
        vec![("theme", "dark")],
        vec![("theme", "dark"), ("_form", "")],
        vec![("theme", "dark"), ("_form", "x")],
        vec![("theme", "dark"), ("_form", foreign.as_str())],
    ] {
        assert_refused(&person.send(person.form("/theme", &fields)).await);
    }
    let page = person.get("/").await;
    assert_eq!(form_token(&page.text), person.form_token());
    assert!(
        !page
            .text
            .contains(&person.cookie("pugmark").expect("it is signed in"))
    );
    let done = person.post("/theme", &[("theme", "dark")]).await;
    assert_eq!(done.status, 303);
    let page = person.get("/").await;
    assert!(page.text.contains("data-theme=\"dark\""), "{}", page.text);
    running.shutdown().await;
}

async fn a_form_from_another_site_does_nothing(world: World) {
    let running = world.start().await;
    let person = Browser::signed_in(&running, Role::Viewer).await;
    let token = person.form_token();
    let fields = [("_form", token.as_str()), ("theme", "dark")];
    let ways: [&[(&str, &str)]; 4] = [
        &[
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://evil.example"),
        ],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "null")],
        &[],
    ];
    for headers in ways {
        let request = person
            .request(reqwest::Method::POST, "/theme")
            .form(&fields);
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        assert_refused(&person.send(request).await);
        // The door itself is no exception: nobody can be signed in to an account of somebody else's by another site.
        let nobody = Browser::of(&running);
        let request = nobody.request(reqwest::Method::POST, "/sign-in");
        let request = request.form(&[("email", "a@example.org"), ("password", "whatever it is")]);
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        assert_refused(&nobody.send(request).await);
    }
    running.shutdown().await;
}

async fn what_was_done_is_said_once_and_escaped(world: World) {
    let running = world.start().await;
    let person = Browser::signed_in(&running, Role::Viewer).await;
    let said = base64::Engine::encode(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD,
        "<script>alert(1)</script>",
    );
    person.keep("pugmark-note", &said);
    let page = person.get("/").await.text;
    assert!(page.contains("&#60;script&#62;alert(1)"), "{page}");
    assert_eq!(page.matches("<script").count(), 1, "ours alone: {page}");
    let page = person.get("/").await.text;
    assert!(!page.contains("alert(1)"), "{page}");
    running.shutdown().await;
}
