//! Lists: pages, searches, order.

use pugmark_sandbox::{Clock, ManualClock, MaxioSandbox};
use serde_json::{Value, json};

use super::{Caller, builder, john, sandbox};

async fn crowd(sandbox: &MaxioSandbox, count: usize) -> Caller {
    let caller = Caller::of(sandbox);
    for number in 0..count {
        let mut customer = john();
        customer["reference"] = json!(format!("ref-{number}"));
        assert_eq!(caller.create_customer(&customer).await.status, 201);
    }
    caller
}

async fn references(caller: &Caller, query: &str) -> Vec<String> {
    let list = caller.get(&format!("/customers.json{query}")).await.json();
    let list = list.as_array().unwrap();
    list.iter()
        .map(|one| one["customer"]["reference"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_page_has_50_customers_unless_asked_and_200_at_most() {
    let sandbox = sandbox().await;
    let caller = crowd(&sandbox, 205).await;
    assert_eq!(references(&caller, "").await.len(), 50);
    assert_eq!(references(&caller, "?per_page=1000").await.len(), 200);
    let second = references(&caller, "?per_page=200&page=2").await;
    assert_eq!(
        second,
        ["ref-200", "ref-201", "ref-202", "ref-203", "ref-204"]
    );
    assert!(references(&caller, "?page=99").await.is_empty());
    assert_eq!(references(&caller, "?direction=desc").await[0], "ref-204");
}

#[tokio::test]
async fn a_search_looks_into_several_fields_and_is_no_key() {
    let sandbox = sandbox().await;
    let caller = crowd(&sandbox, 12).await;
    assert_eq!(
        references(&caller, "?q=ref-1").await,
        ["ref-1", "ref-10", "ref-11"]
    );
    for query in ["?q=ACMECORP", "?q=acme%20corp", "?q=john", "?q=Doe"] {
        assert_eq!(references(&caller, query).await.len(), 12, "{query}");
    }
    let id = sandbox.customers()[3]["id"].to_string();
    assert_eq!(references(&caller, &format!("?q={id}")).await, ["ref-3"]);
    assert!(references(&caller, "?q=nobody").await.is_empty());
}

#[tokio::test]
async fn days_bound_a_list_in_the_sites_zone() {
    let clock = ManualClock::new("2026-03-01T03:00:00Z".parse().unwrap());
    let sandbox = builder().clock(Clock::Manual(clock.clone()));
    let sandbox = sandbox.start().await.unwrap();
    // Still the last day of February in New York.
    let caller = crowd(&sandbox, 1).await;
    clock.set("2026-03-01T12:00:00Z".parse().unwrap());
    let mut second = john();
    second["reference"] = json!("second");
    caller.create_customer(&second).await;
    assert_eq!(references(&caller, "?end_date=2026-02-28").await, ["ref-0"]);
    assert_eq!(
        references(&caller, "?start_date=2026-03-01").await,
        ["second"]
    );
    let exact = "?start_datetime=2026-03-01%2007:00:00&end_datetime=2026-03-01%2007:00:00";
    assert_eq!(references(&caller, exact).await, ["second"]);
}

#[tokio::test]
async fn products_are_found_by_handle_and_id_and_unknown_ones_are_not() {
    let sandbox = sandbox().await;
    let caller = Caller::of(&sandbox);
    let product = caller.get("/products/handle/default-hr-package.json").await;
    let product = product.json()["product"].clone();
    assert_eq!(
        (
            &product["price_in_cents"],
            &product["interval_unit"],
            &product["archived_at"]
        ),
        (&json!(29_900), &json!("month"), &Value::Null)
    );
    let by_id = caller
        .get(&format!("/products/{}.json", product["id"]))
        .await;
    assert_eq!(by_id.json()["product"], product);
    for path in [
        "/products/handle/nothing.json",
        "/products/1.json",
        "/product_families/9/products.json",
    ] {
        let answer = caller.get(path).await;
        assert_eq!((answer.status, answer.body.len()), (404, 0), "{path}");
    }
    for path in [
        "/products.json",
        "/product_families/handle:packages/products.json",
    ] {
        let list = caller.get(path).await.json();
        assert_eq!(list, json!([{ "product": product }]), "{path}");
    }
}

#[tokio::test]
async fn the_site_says_what_kind_it_is() {
    let sandbox = builder().currency("USD").legacy_statements();
    let sandbox = sandbox.start().await.unwrap();
    let site = Caller::of(&sandbox).get("/site.json").await.json()["site"].clone();
    assert_eq!(
        (
            &site["currency"],
            &site["relationship_invoicing_enabled"],
            &site["test"]
        ),
        (&json!("USD"), &json!(false), &json!(true))
    );
}

#[tokio::test]
async fn a_time_zone_that_nobody_knows_is_an_error_at_the_start() {
    assert!(
        builder()
            .time_zone("Europe/Atlantis")
            .start()
            .await
            .is_err()
    );
    let zone = builder().time_zone("Asia/Kolkata").start().await.unwrap();
    let customer = Caller::of(&zone).create_customer(&john()).await.json()["customer"].clone();
    let created_at = customer["created_at"].as_str().unwrap();
    assert!(created_at.ends_with("+05:30"), "{created_at}");
}
