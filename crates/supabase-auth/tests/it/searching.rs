//! Finding a user by address, on servers that filter and on servers that do not.

use serde_json::{Value, json};
use supabase_auth::Class;
use uuid::Uuid;

use crate::server::{Answer, Reply, Request, Server};

fn user(number: u128, email: &str) -> Value {
    json!({"id": Uuid::from_u128(number), "email": email, "identities": null})
}

fn crowd(count: u128) -> Vec<Value> {
    (1..=count)
        .map(|number| user(number, &format!("user{number}@example.com")))
        .collect()
}

/// A page of these users, with at most `cap` on it whatever was asked for.
fn page_of(users: &[Value], request: &Request, cap: usize) -> Answer {
    let number = |name| request.param(name).unwrap().parse::<usize>().unwrap();
    let per_page = number("per_page").min(cap);
    let page: Vec<_> = users
        .iter()
        .skip((number("page") - 1) * per_page)
        .take(per_page)
        .collect();
    Answer::ok(&json!({"users": page, "aud": "authenticated"}))
        .header("X-Total-Count", &users.len().to_string())
}

/// As the server does it: part of the address, case included.
fn filtered(users: &[Value], request: &Request) -> Vec<Value> {
    let filter = request.param("filter").unwrap_or_default();
    users
        .iter()
        .filter(|user| user["email"].as_str().unwrap().contains(filter))
        .cloned()
        .collect()
}

async fn filtering(users: Vec<Value>) -> Server {
    Server::start(move |request| page_of(&filtered(&users, request), request, 1000).into()).await
}

#[tokio::test]
async fn a_user_is_found_by_filter_in_one_call_whatever_the_case() {
    let server = filtering(crowd(500)).await;
    let found = server
        .client()
        .find_by_email(" User17@Example.COM ")
        .await
        .unwrap();
    assert_eq!(found.unwrap().id, Uuid::from_u128(17));
    let request = server.only_request();
    assert_eq!(request.param("filter"), Some("user17@example.com"));
    assert_eq!(request.query[0].0, "page");
}

#[tokio::test]
async fn an_address_that_only_contains_the_wanted_one_is_not_it() {
    let server = filtering(vec![
        user(1, "not-user1@example.com"),
        user(2, "user1@example.com"),
    ])
    .await;
    let found = server.client().find_by_email("user1@example.com").await;
    assert_eq!(found.unwrap().unwrap().id, Uuid::from_u128(2));
    let none = filtering(vec![user(1, "not-user1@example.com")]).await;
    let found = none.client().find_by_email("user1@example.com").await;
    assert_eq!(found.unwrap(), None);
}

#[tokio::test]
async fn absence_is_proved_by_paging_to_the_end() {
    let server = filtering(crowd(450)).await;
    let found = server.client().find_by_email("nobody@example.com").await;
    assert_eq!(found.unwrap(), None);
    let walked: Vec<_> = server
        .requests()
        .iter()
        .filter(|request| request.param("filter").is_none())
        .map(|request| request.param("page").unwrap().to_owned())
        .collect();
    assert_eq!(walked, ["1", "2", "3"]);
}

#[tokio::test]
async fn a_user_the_filter_overlooks_is_found_by_paging() {
    let mut users = crowd(450);
    users.push(user(900, "Upper@Example.com"));
    let server = filtering(users).await;
    let found = server.client().find_by_email("upper@example.com").await;
    assert_eq!(found.unwrap().unwrap().id, Uuid::from_u128(900));
}

#[tokio::test]
async fn a_server_that_ignores_the_filter_is_walked_through_only_once() {
    let users = crowd(250);
    let server = Server::start(move |request| page_of(&users, request, 1000).into()).await;
    let client = server.client();
    assert_eq!(
        client.find_by_email("nobody@example.com").await.unwrap(),
        None
    );
    assert_eq!(server.requests().len(), 2);
    let last = client.find_by_email("user250@example.com").await.unwrap();
    assert_eq!(last.unwrap().id, Uuid::from_u128(250));
}

#[tokio::test]
async fn a_server_that_gives_smaller_pages_than_asked_for_is_read_to_the_end_all_the_same() {
    let users = crowd(120);
    let server = Server::start(move |request| page_of(&users, request, 50).into()).await;
    let found = server.client().find_by_email("user120@example.com").await;
    assert_eq!(found.unwrap().unwrap().id, Uuid::from_u128(120));
}

#[tokio::test]
async fn users_pushed_onto_the_next_page_are_not_taken_for_its_end() {
    // One user is made between any two pages, so that each page begins with the last one of the page before.
    let users = crowd(420);
    let server = Server::start(move |request| {
        let page: usize = request.param("page").unwrap().parse().unwrap();
        let page: Vec<_> = users.iter().skip((page - 1) * 199).take(200).collect();
        Answer::ok(&json!({"users": page})).into()
    })
    .await;
    let found = server.client().find_by_email("user420@example.com").await;
    assert_eq!(found.unwrap().unwrap().id, Uuid::from_u128(420));
}

#[tokio::test]
async fn pages_that_do_not_add_up_prove_nothing() {
    // Ends early, although the server counts more.
    let users = crowd(3);
    let short = Server::start(move |request| {
        let listed = if request.param("page") == Some("1") {
            &users[..]
        } else {
            &[]
        };
        Answer::ok(&json!({"users": listed}))
            .header("X-Total-Count", "10")
            .into()
    })
    .await;
    // Repeats the first page for ever.
    let users = crowd(200);
    let endless = Server::start(move |_| Answer::ok(&json!({"users": users})).into()).await;
    for server in [short, endless] {
        let error = server
            .client()
            .find_by_email("nobody@example.com")
            .await
            .unwrap_err();
        assert_eq!(
            (error.class(), error.code()),
            (Class::Unavailable, "PAGING")
        );
        assert!(server.requests().len() <= 4);
    }
}

#[tokio::test]
async fn a_failing_page_is_not_taken_for_the_end() {
    let users = crowd(450);
    let server = Server::start(move |request| match request.param("page") {
        Some("2") => Reply::Close,
        _ => page_of(&users, request, 1000).into(),
    })
    .await;
    let error = server
        .client()
        .find_by_email("user450@example.com")
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::Unavailable);
}

#[tokio::test]
async fn nobody_has_the_empty_address() {
    let server = filtering(vec![user(1, "")]).await;
    assert_eq!(server.client().find_by_email("  ").await.unwrap(), None);
    assert!(server.requests().is_empty());
}
