//! One role more or less, in an array that can only be replaced as a whole.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use supabase_auth::{Class, with_role};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::server::{AMINA, Answer, Reply, Request, Server, amina};

#[test]
fn a_role_is_added_at_the_end_and_only_once() {
    assert_eq!(
        with_role(&json!(["a"]), "b", true),
        [json!("a"), json!("b")]
    );
    assert_eq!(
        with_role(&json!(["b", "a"]), "b", true),
        [json!("b"), json!("a")]
    );
    assert_eq!(with_role(&Value::Null, "b", true), [json!("b")]);
    assert_eq!(with_role(&json!([]), "b", true), [json!("b")]);
}

#[test]
fn a_role_is_taken_out_wherever_it_stands() {
    assert_eq!(with_role(&json!(["b", "a", "b"]), "b", false), [json!("a")]);
    assert!(with_role(&json!(["b"]), "b", false).is_empty());
    assert!(with_role(&Value::Null, "b", false).is_empty());
}

#[test]
fn entries_nobody_knows_are_kept_in_their_order_and_repetitions_are_not() {
    let current = json!([{"x": 1}, "a", 7, "a", {"x": 1}, null]);
    assert_eq!(
        with_role(&current, "b", true),
        [
            json!({"x": 1}),
            json!("a"),
            json!(7),
            json!(null),
            json!("b")
        ]
    );
}

#[test]
fn what_is_no_array_becomes_one_and_is_not_lost() {
    assert_eq!(with_role(&json!("a"), "b", true), [json!("a"), json!("b")]);
    assert!(with_role(&json!("b"), "b", false).is_empty());
    assert_eq!(
        with_role(&json!({"a": true}), "b", true),
        [json!({"a": true}), json!("b")]
    );
}

/// A server that keeps users and merges their metadata as the real one does.
fn keeping(users: &Arc<Mutex<Vec<Value>>>) -> impl Fn(&Request) -> Reply + Send + Sync + use<> {
    let users = Arc::clone(users);
    move |request| {
        let mut users = users.lock().unwrap();
        let id = request.path.rsplit('/').next().unwrap();
        let user = users.iter_mut().find(|user| user["id"] == id).unwrap();
        if request.method == "PUT" {
            for (key, value) in request.body["user_metadata"].as_object().unwrap() {
                user["user_metadata"][key] = value.clone();
            }
        }
        Answer::ok(user).into()
    }
}

#[tokio::test]
async fn granting_writes_the_complete_array_and_nothing_else() {
    let users = Arc::new(Mutex::new(vec![amina()]));
    let server = Server::start(keeping(&users)).await;
    let change = server
        .client()
        .set_role(AMINA, "customer_care", true)
        .await
        .unwrap();
    assert!(change.changed);
    assert_eq!(change.user.roles(), ["brand_ambassador", "customer_care"]);
    assert_eq!(
        server.requests()[1].body,
        json!({"user_metadata": {"roles": ["brand_ambassador", "customer_care"]}})
    );
}

#[tokio::test]
async fn withdrawing_the_last_role_leaves_an_empty_array() {
    let users = Arc::new(Mutex::new(vec![amina()]));
    let server = Server::start(keeping(&users)).await;
    let change = server
        .client()
        .set_role(AMINA, "brand_ambassador", false)
        .await
        .unwrap();
    assert!(change.changed && change.user.roles().is_empty());
    assert_eq!(
        server.requests()[1].body,
        json!({"user_metadata": {"roles": []}})
    );
}

#[tokio::test]
async fn nothing_is_written_when_it_is_already_so() {
    let users = Arc::new(Mutex::new(vec![amina()]));
    let server = Server::start(keeping(&users)).await;
    let client = server.client();
    let granted = client.set_role(AMINA, "brand_ambassador", true).await;
    let withdrawn = client.set_role(AMINA, "customer_care", false).await;
    assert!(!granted.unwrap().changed && !withdrawn.unwrap().changed);
    assert!(
        server
            .requests()
            .iter()
            .all(|request| request.method == "GET")
    );
}

#[tokio::test]
async fn changes_made_at_the_same_time_do_not_overwrite_one_another() {
    let users = Arc::new(Mutex::new(vec![amina()]));
    let server = Server::start(keeping(&users)).await;
    let client = server.client();
    let changes = (0..20).map(|number| {
        let client = client.clone();
        tokio::spawn(async move { client.set_role(AMINA, &format!("role{number}"), true).await })
    });
    for change in changes.collect::<Vec<_>>() {
        assert!(change.await.unwrap().unwrap().changed);
    }
    let stored = users.lock().unwrap()[0]["user_metadata"]["roles"].clone();
    assert_eq!(stored.as_array().unwrap().len(), 21, "{stored}");
}

#[tokio::test]
async fn a_slow_change_of_one_user_does_not_hold_up_another() {
    let berta = Uuid::from_u128(2);
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let server = Server::start(move |request| {
        if request.path.ends_with(&AMINA.to_string()) {
            let _ = arrived.send(());
            return Reply::Hang;
        }
        let mut user = amina();
        user["id"] = json!(berta);
        Answer::ok(&user).into()
    })
    .await;
    let client = server.client();
    let slow = client.clone();
    let slow = tokio::spawn(async move { slow.set_role(AMINA, "customer_care", true).await });
    arrivals.recv().await.unwrap();
    client.set_role(berta, "customer_care", true).await.unwrap();
    assert!(!slow.is_finished());
    slow.abort();
}

#[tokio::test]
async fn a_change_whose_write_is_lost_is_unknown_and_the_next_one_reads_again() {
    let users = Arc::new(Mutex::new(vec![amina()]));
    let store = keeping(&users);
    let lose_first = Mutex::new(true);
    let server = Server::start(move |request| {
        let reply = store(request);
        let lost = request.method == "PUT" && std::mem::take(&mut *lose_first.lock().unwrap());
        if lost { Reply::Close } else { reply }
    })
    .await;
    let client = server.client();
    let error = client
        .set_role(AMINA, "customer_care", true)
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::Unknown);
    let again = client.set_role(AMINA, "customer_care", true).await.unwrap();
    assert!(!again.changed, "the lost write had happened");
}
