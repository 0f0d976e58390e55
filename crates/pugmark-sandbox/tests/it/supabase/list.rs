//! `GET /admin/users` and `GET /admin/users/{id}`.

use std::time::Duration;

use pugmark_sandbox::{Clock, ManualClock, SupabaseSandbox, UserSeed};
use serde_json::{Value, json};

use super::{Caller, refusal, refused, sandbox, with_amina};

/// A project with users `u1@example.com` (the oldest) and so on.
async fn crowd(size: usize) -> SupabaseSandbox {
    let clock = ManualClock::new("2026-01-15T09:30:00Z".parse().unwrap());
    let sandbox = SupabaseSandbox::builder()
        .clock(Clock::Manual(clock.clone()))
        .start()
        .await
        .unwrap();
    for number in 1..=size {
        clock.advance(Duration::from_secs(1));
        sandbox
            .seed_user(UserSeed::new(&format!("u{number}@example.com")))
            .unwrap();
    }
    sandbox
}

fn emails(page: &Value) -> Vec<&str> {
    let users = page["users"].as_array().unwrap();
    users
        .iter()
        .map(|user| user["email"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_user_is_read_by_id() {
    let (sandbox, id) = with_amina().await;
    let answer = Caller::service(&sandbox)
        .get(&format!("/admin/users/{id}"))
        .await;
    let user = answer.json();
    assert_eq!((answer.status, user["id"].as_str()), (200, Some(&*id)));
    assert_eq!(user["identities"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_id_that_is_no_uuid_is_not_found_either() {
    let sandbox = sandbox().await;
    let caller = Caller::service(&sandbox);
    let answer = caller.get("/admin/users/17").await;
    assert_eq!(refusal(&answer), refused(404, "validation_failed"));
    assert_eq!(answer.json()["message"], "user_id must be an UUID");
    let answer = caller
        .get("/admin/users/11111111-2222-4333-8444-555555555555")
        .await;
    assert_eq!(refusal(&answer), refused(404, "user_not_found"));
    assert_eq!(answer.json()["message"], "User not found");
}

#[tokio::test]
async fn a_list_shows_the_youngest_first_and_fifty_unless_asked() {
    let sandbox = crowd(51).await;
    let caller = Caller::service(&sandbox);
    let answer = caller.get("/admin/users").await;
    let page = answer.json();
    assert_eq!(page["aud"], "authenticated");
    assert_eq!(emails(&page).len(), 50);
    assert_eq!(emails(&page)[0], "u51@example.com");
    assert_eq!(answer.headers["x-total-count"], "51");
    assert_eq!(
        answer.headers["link"],
        "</admin/users?page=2>; rel=\"next\", </admin/users?page=2>; rel=\"last\""
    );
    let empty_counts_as_absent = caller.get("/admin/users?page=&per_page=").await;
    assert_eq!(empty_counts_as_absent.json(), page);
}

#[tokio::test]
async fn a_page_links_to_the_next_and_the_last_one_with_page_first() {
    let sandbox = crowd(5).await;
    let caller = Caller::service(&sandbox);
    let answer = caller.get("/admin/users?page=1&per_page=2").await;
    assert_eq!(
        answer.headers["link"],
        "</admin/users?page=2&per_page=2>; rel=\"next\", </admin/users?page=3&per_page=2>; rel=\"last\""
    );
    assert_eq!(emails(&answer.json()), ["u5@example.com", "u4@example.com"]);
    let last = caller.get("/admin/users?per_page=2&page=3").await;
    assert_eq!(
        last.headers["link"],
        "</admin/users?page=3&per_page=2>; rel=\"last\""
    );
    assert_eq!(emails(&last.json()), ["u1@example.com"]);
    let beyond = caller.get("/admin/users?page=4&per_page=2").await;
    assert_eq!(
        (beyond.status, beyond.json()["users"].clone()),
        (200, json!([]))
    );
    let huge = caller.get("/admin/users?per_page=100000").await;
    assert_eq!(emails(&huge.json()).len(), 5, "no upper limit");
}

#[tokio::test]
async fn a_user_created_while_paging_shifts_the_pages() {
    let sandbox = crowd(4).await;
    let caller = Caller::service(&sandbox);
    let first = caller.get("/admin/users?page=1&per_page=2").await.json();
    caller.create(&json!({ "email": "new@example.com" })).await;
    // The clock stands still, and of two users of the same moment the later one counts as younger.
    let second = caller.get("/admin/users?page=2&per_page=2").await.json();
    assert_eq!(emails(&first)[1], emails(&second)[0], "seen twice");
}

#[tokio::test]
async fn a_page_that_is_no_number_is_refused() {
    let sandbox = crowd(1).await;
    let caller = Caller::service(&sandbox);
    for query in ["page=one", "page=-1", "per_page=1.5", "per_page=+"] {
        let answer = caller.get(&format!("/admin/users?{query}")).await;
        assert_eq!(
            refusal(&answer),
            refused(400, "validation_failed"),
            "{query}"
        );
    }
}

#[tokio::test]
async fn identities_are_null_in_lists() {
    let (sandbox, _) = with_amina().await;
    let page = Caller::service(&sandbox).get("/admin/users").await.json();
    let user = page["users"][0].as_object().unwrap();
    assert!(user["identities"].is_null());
    assert!(user.contains_key("confirmed_at"));
}

#[tokio::test]
async fn a_filter_looks_into_addresses_and_full_names() {
    let sandbox = sandbox().await;
    for (email, name) in [
        ("amina@example.com", "Amina Otieno"),
        ("otieno@example.org", "Baraka"),
        ("c@example.org", "Chiku"),
    ] {
        let seed = UserSeed::new(email).user_metadata("full_name", json!(name));
        sandbox.seed_user(seed).unwrap();
    }
    let caller = Caller::service(&sandbox);
    let found = |filter: &'static str| {
        let caller = caller.clone();
        async move {
            let answer = caller.get(&format!("/admin/users?filter={filter}")).await;
            let total = answer.headers["x-total-count"].clone();
            let page = answer.json();
            let mut found: Vec<String> = emails(&page).into_iter().map(str::to_owned).collect();
            assert_eq!(total, found.len().to_string());
            found.sort();
            found
        }
    };
    assert_eq!(
        found("otieno").await,
        ["amina@example.com", "otieno@example.org"],
        "a name or an address"
    );
    assert_eq!(found("BARAKA").await, ["otieno@example.org"]);
    assert_eq!(
        found("%40example.org").await,
        ["c@example.org", "otieno@example.org"]
    );
    assert!(
        found("C%40EXAMPLE").await.is_empty(),
        "of an address the case counts"
    );
    assert_eq!(found("c_example").await, ["c@example.org"], "as in SQL");
    assert!(found("nobody").await.is_empty());
}

#[tokio::test]
async fn a_filter_is_kept_in_the_links() {
    let sandbox = crowd(3).await;
    let answer = Caller::service(&sandbox)
        .get("/admin/users?page=1&per_page=1&filter=u%2B")
        .await;
    assert_eq!(
        answer.headers["link"],
        "</admin/users?filter=u%2B&page=0&per_page=1>; rel=\"last\""
    );
}
