//! Reading users and pages of users.

use jiff::Timestamp;
use serde_json::{Value, json};
use supabase_auth::{CallError, Class, Invalid, RefusalReason, User};

use crate::server::{AMINA, Answer, Reply, Server, amina};

fn user(json: Value) -> User {
    serde_json::from_value(json).unwrap()
}

fn time(text: &str) -> Option<Timestamp> {
    Some(text.parse().unwrap())
}

#[tokio::test]
async fn a_user_is_read_with_everything_in_it() {
    let server = Server::always(Answer::ok(&amina())).await;
    let user = server.client().get_user(AMINA).await.unwrap();
    assert_eq!(
        server.only_request().line(),
        "GET /auth/v1/admin/users/11111111-2222-4333-8444-555555555555"
    );
    assert_eq!(user.email.as_deref(), Some("amina@example.com"));
    assert_eq!(user.phone, None, "an empty phone number is none");
    assert_eq!(user.roles(), ["brand_ambassador"]);
    assert_eq!(user.app_roles(), ["admin"]);
    let identities = user.identities.unwrap();
    assert_eq!(identities[0].email.as_deref(), Some("amina@example.com"));
    assert_eq!(
        identities[0].last_sign_in_at,
        time("2026-01-15T09:30:00.12Z")
    );
}

#[test]
fn timestamps_have_fractions_of_any_width() {
    for text in [
        "2026-01-15T09:30:00Z",
        "2026-01-15T09:30:00.1Z",
        "2026-01-15T09:30:00.123456Z",
        "2026-01-15T09:30:00.123456789Z",
        "2026-01-15T12:30:00.5+03:00",
    ] {
        let user = user(json!({"id": AMINA, "created_at": text}));
        assert_eq!(user.created_at, time(text));
    }
}

#[test]
fn what_is_missing_or_null_is_none_and_what_is_new_is_ignored() {
    let bare = user(json!({"id": AMINA}));
    let nulls = user(json!({
        "id": AMINA, "email": null, "phone": "", "banned_until": null, "user_metadata": null, "app_metadata": null,
        "identities": null, "is_anonymous": null, "created_at": "", "factors": [{"id": 1}], "novelty": {"a": [1]}
    }));
    assert_eq!(bare, nulls);
    assert_eq!(bare.identities, None);
    assert!(bare.roles().is_empty());
}

#[test]
fn an_unreadable_end_of_a_ban_is_not_taken_for_no_ban() {
    let odd = json!({"id": AMINA, "banned_until": "soon"});
    assert!(serde_json::from_value::<User>(odd).is_err());
}

#[test]
fn a_ban_counts_until_it_ends() {
    let user = user(json!({"id": AMINA, "banned_until": "2026-01-15T09:30:00Z"}));
    assert!(user.is_banned_at("2026-01-15T09:29:59Z".parse().unwrap()));
    assert!(!user.is_banned_at("2026-01-15T09:30:00Z".parse().unwrap()));
}

#[test]
fn roles_are_the_texts_of_the_array_or_the_one_text() {
    let roles = |roles: Value| {
        let user = user(json!({"id": AMINA, "user_metadata": {"roles": roles}}));
        user.roles()
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(roles(json!(["a", 1, {"b": 2}, "c"])), ["a", "c"]);
    assert_eq!(roles(json!("a")), ["a"]);
    assert!(roles(json!({"a": true})).is_empty());
}

#[tokio::test]
async fn a_user_who_is_not_there_is_refused_as_not_found() {
    let server = Server::always(Answer::error(404, "user_not_found", "User not found")).await;
    let error = server.client().get_user(AMINA).await.unwrap_err();
    assert_eq!(error.class(), Class::Refused);
    assert_eq!(error.reason(), Some(RefusalReason::NotFound));
}

#[tokio::test]
async fn a_404_for_an_id_that_is_no_uuid_is_not_taken_for_a_missing_user() {
    let answer = Answer::error(404, "validation_failed", "user_id must be an UUID");
    let server = Server::always(answer).await;
    let error = server.client().get_user(AMINA).await.unwrap_err();
    assert_eq!(error.reason(), Some(RefusalReason::Malformed));
}

#[tokio::test]
async fn a_404_of_somebody_else_means_that_nothing_of_auth_answers_there() {
    let answers = [
        Answer::new(404, "text/plain", "404 page not found"),
        Answer::json(
            404,
            &json!({"message": "no Route matched with those values"}),
        ),
        Answer::new(405, "text/html", "<html>not allowed</html>"),
    ];
    for answer in answers {
        let server = Server::always(answer).await;
        let error = server.client().get_user(AMINA).await.unwrap_err();
        assert_eq!(error.class(), Class::Unavailable, "{error}");
        assert!(error.to_string().contains("no Supabase Auth answers"));
    }
}

#[tokio::test]
async fn an_answer_about_somebody_else_is_not_believed() {
    let mut other = amina();
    other["id"] = json!("99999999-2222-4333-8444-555555555555");
    let server = Server::always(Answer::ok(&other)).await;
    let error = server.client().get_user(AMINA).await.unwrap_err();
    assert!(matches!(error, CallError::Unreadable(_)), "{error:?}");
}

#[tokio::test]
async fn a_page_has_users_without_identities_and_the_total() {
    let mut listed = amina();
    listed["identities"] = Value::Null;
    let answer = Answer::ok(&json!({"users": [listed], "aud": "authenticated"}))
        .header("X-Total-Count", "137")
        .header("Link", r#"</admin/users?page=3&per_page=50>; rel="last""#);
    let server = Server::always(answer).await;
    let page = server.client().list_users(3, 50).await.unwrap();
    assert_eq!((page.users.len(), page.total), (1, Some(137)));
    assert_eq!(page.users[0].identities, None);
    let request = server.only_request();
    let query: Vec<_> = request
        .query
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        query,
        [("page", "3"), ("per_page", "50")],
        "the page comes first"
    );
}

#[tokio::test]
async fn a_page_without_a_total_is_a_page_all_the_same() {
    let server = Server::always(Answer::ok(&json!({"users": []}))).await;
    let page = server.client().list_users(1, 1).await.unwrap();
    assert_eq!((page.users.len(), page.total), (0, None));
}

#[tokio::test]
async fn pages_count_from_one_and_hold_somebody() {
    let server = Server::always(Reply::Close).await;
    for (page, per_page) in [(0, 50), (1, 0)] {
        let error = server
            .client()
            .list_users(page, per_page)
            .await
            .unwrap_err();
        assert_eq!(error, CallError::Invalid(Invalid::Page));
    }
    assert!(server.requests().is_empty());
}
