//! `GET /api/internal/vtiger/users`.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Staffed, USERS, post_nothing};
use crate::harness::{World, on_both_databases};

on_both_databases!(
    the_staff_is_listed_page_by_page_and_filtered,
    one_account_shows_what_supabase_says_while_it_answers,
);

async fn the_staff_is_listed_page_by_page_and_filtered(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    let mut all = BTreeSet::new();
    for number in 0..7 {
        all.insert(staffed.ambassador(&format!("Amina Number{number}")).await);
    }
    let first = all.first().expect("one").clone();
    let synced = post_nothing(&api, &format!("{USERS}/{first}/sync")).await;
    assert_eq!(synced.status, 200, "{}", synced.text);
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = api.get(&format!("{USERS}?limit=3{cursor}")).await;
        for item in page.data()["items"].as_array().expect("a list") {
            seen.push(item["userId"].as_str().expect("an id").to_owned());
            let status = if item["userId"] == json!(first) {
                "SYNCED"
            } else {
                "NOT_SYNCED"
            };
            assert_eq!(item["vtigerSyncStatus"], status);
            assert_eq!(item["vtigerUserId"].is_null(), status == "NOT_SYNCED");
            assert_eq!(item["perRegistrationRateCents"], 5000);
        }
        match page.data()["pagination"]["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 7, "none twice");
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), all);
    for (parameters, expected) in [
        ("synced=true", 1),
        ("synced=false", 6),
        ("search=NUMBER3", 1),
        ("search=2547", 7),
        ("search=%25", 0),
    ] {
        let list = api.get(&format!("{USERS}?{parameters}")).await;
        let items = list.data()["items"].as_array().map(Vec::len);
        assert_eq!(items, Some(expected), "{parameters}");
    }
    for parameters in ["cursor=x", "limit=x", "synced=maybe", "colour=blue"] {
        let refused = api.get(&format!("{USERS}?{parameters}")).await;
        assert!([400, 422].contains(&refused.status), "{parameters}");
    }
    running.shutdown().await;
}

async fn one_account_shows_what_supabase_says_while_it_answers(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    let user = staffed.ambassador("Amina Wanjiru").await;
    let path = format!("{USERS}/{user}");
    let shown = api.get(&path).await;
    let login = &shown.data()["login"];
    assert_eq!(login["email"], "amina.wanjiru@example.co.ke");
    assert_eq!(login["roles"], json!(["brand_ambassador"]));
    staffed.logins.go_down().await;
    let shown = api.get(&path).await;
    assert_eq!(shown.data()["displayName"], "Amina Wanjiru");
    assert!(shown.data()["login"].is_null());
    running.shutdown().await;
}
