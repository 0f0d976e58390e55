//! Customers.

use pugmark_sandbox::{Clock, ManualClock};
use serde_json::{Value, json};

use super::{Caller, builder, id_of, john, messages, sandbox, signed_up, with_john};

#[tokio::test]
async fn a_new_customer_comes_back_wrapped_with_an_integer_id() {
    let (sandbox, caller, id) = with_john().await;
    let answer = caller.get(&format!("/customers/{id}.json")).await;
    assert_eq!(answer.status, 200);
    let customer = &answer.json()["customer"];
    for (name, value) in john().as_object().unwrap() {
        assert_eq!(&customer[name], value, "{name}");
    }
    assert_eq!(customer["country_name"], "Ireland");
    assert_eq!(
        (&customer["verified"], &customer["vat_number"]),
        (&json!(false), &Value::Null)
    );
    assert_eq!(sandbox.customers().len(), 1);
}

#[tokio::test]
async fn a_body_without_the_wrapping_object_is_refused_in_the_shape_of_an_object() {
    let sandbox = sandbox().await;
    let caller = Caller::of(&sandbox);
    for body in [
        john(),
        json!({}),
        json!({ "customer": {} }),
        json!({ "customer": null }),
    ] {
        let answer = caller.post("/customers.json", &body).await;
        assert_eq!(answer.status, 422);
        assert_eq!(
            answer.json(),
            json!({ "errors": { "customer": "can't be blank" } })
        );
    }
}

#[tokio::test]
async fn all_violations_come_together() {
    let sandbox = sandbox().await;
    let caller = Caller::of(&sandbox);
    let answer = caller.create_customer(&json!({ "last_name": " " })).await;
    assert_eq!(
        messages(&answer),
        [
            "First name: cannot be blank.",
            "Last name: cannot be blank.",
            "Email address: cannot be blank."
        ]
    );
    let mut bad = john();
    bad["email"] = json!("nobody");
    let answer = caller.create_customer(&bad).await;
    assert_eq!(
        messages(&answer),
        ["Email address: must be a valid email format."]
    );
    assert!(sandbox.customers().is_empty());
}

#[tokio::test]
async fn a_reference_is_unique_and_an_address_is_not() {
    let (sandbox, caller, id) = with_john().await;
    let answer = caller.create_customer(&john()).await;
    assert_eq!(
        messages(&answer),
        ["Reference: must be unique - that value has been taken."]
    );
    let mut other = john();
    other["reference"] = Value::Null;
    for _ in 0..2 {
        assert_eq!(caller.create_customer(&other).await.status, 201);
    }
    assert_eq!(sandbox.customers().len(), 3);
    caller.delete(&format!("/customers/{id}.json")).await;
    assert_eq!(
        caller.create_customer(&john()).await.status,
        201,
        "free again"
    );
}

#[tokio::test]
async fn a_misspelt_attribute_is_refused_unless_the_sandbox_is_told_otherwise() {
    let mut misspelt = john();
    misspelt["emailzzz"] = json!("a@b.ie");
    let answer = Caller::of(&sandbox().await)
        .create_customer(&misspelt)
        .await;
    assert_eq!(messages(&answer), ["unknown attribute: emailzzz"]);
    let lenient = builder().refuse_unknown_attributes(false);
    let lenient = lenient.start().await.unwrap();
    assert_eq!(
        Caller::of(&lenient).create_customer(&misspelt).await.status,
        201
    );
}

#[tokio::test]
async fn the_look_up_is_exact_and_an_unknown_reference_is_404_without_a_body() {
    let (_sandbox, caller, id) = with_john().await;
    let found = caller.get("/customers/lookup.json?reference=10x456").await;
    assert_eq!((found.status, id_of(&found.json()["customer"])), (200, id));
    for query in ["?reference=10x45", "?reference=10X456", "?reference=", ""] {
        let answer = caller.get(&format!("/customers/lookup.json{query}")).await;
        assert_eq!((answer.status, answer.body.len()), (404, 0), "{query}");
    }
}

#[tokio::test]
async fn a_look_up_decodes_what_the_query_string_escapes() {
    let sandbox = sandbox().await;
    let caller = Caller::of(&sandbox);
    let mut customer = john();
    customer["reference"] = json!("a/b & c+d");
    caller.create_customer(&customer).await;
    let found = caller
        .get("/customers/lookup.json?reference=a%2Fb%20%26%20c%2Bd")
        .await;
    assert_eq!(found.status, 200);
}

#[tokio::test]
async fn an_update_is_partial_and_decides_about_the_id_first() {
    let (_sandbox, caller, id) = with_john().await;
    assert_eq!(
        caller.put("/customers/1.json", &json!({})).await.status,
        404
    );
    let path = format!("/customers/{id}.json");
    let answer = caller.put(&path, &json!({})).await;
    assert_eq!(
        answer.json(),
        json!({ "errors": { "customer": "can't be blank" } })
    );
    let change = json!({ "customer": { "city": "Cork", "phone": null } });
    let customer = caller.put(&path, &change).await.json()["customer"].clone();
    assert_eq!(
        (&customer["city"], &customer["phone"]),
        (&json!("Cork"), &Value::Null)
    );
    assert_eq!(customer["email"], "contact@acmecorp.example");
    let blank = json!({ "customer": { "first_name": "" } });
    let answer = caller.put(&path, &blank).await;
    assert_eq!(messages(&answer), ["First name: cannot be blank."]);
    let own = json!({ "customer": { "reference": "10x456" } });
    assert_eq!(
        caller.put(&path, &own).await.status,
        200,
        "one's own reference is free"
    );
}

#[tokio::test]
async fn a_customer_with_subscriptions_cannot_be_deleted() {
    let (sandbox, caller, id) = with_john().await;
    let path = format!("/customers/{id}.json");
    signed_up(&caller).await;
    assert_eq!(messages(&caller.delete(&path).await).len(), 1);
    let subscription = id_of(&sandbox.subscriptions()[0]);
    let purge = format!("/subscriptions/{subscription}/purge.json?ack={id}");
    assert_eq!(caller.post(&purge, &json!({})).await.status, 200);
    let gone = caller.delete(&path).await;
    assert_eq!((gone.status, gone.body.len()), (204, 0));
    assert_eq!(caller.delete(&path).await.status, 404);
    assert!(sandbox.payment_profiles().is_empty());
}

#[tokio::test]
async fn a_customers_subscriptions_are_a_list_and_an_unknown_customer_is_404() {
    let (_sandbox, caller, id) = with_john().await;
    let path = format!("/customers/{id}/subscriptions.json");
    assert_eq!(caller.get(&path).await.json(), json!([]));
    let subscription = signed_up(&caller).await;
    let list = caller.get(&path).await.json();
    assert_eq!(list[0]["subscription"]["id"], subscription["id"]);
    let unknown = caller.get("/customers/1/subscriptions.json").await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn moments_are_written_in_the_sites_zone_to_the_second() {
    let clock = ManualClock::new("2025-05-08T15:39:18.75Z".parse().unwrap());
    let sandbox = builder()
        .clock(Clock::Manual(clock.clone()))
        .start()
        .await
        .unwrap();
    let (caller, id) = super::john_in(&sandbox).await;
    clock.advance(std::time::Duration::from_secs(60));
    let change = json!({ "customer": { "city": "Cork" } });
    let path = format!("/customers/{id}.json");
    let customer = caller.put(&path, &change).await.json()["customer"].clone();
    assert_eq!(customer["created_at"], "2025-05-08T11:39:18-04:00");
    assert_eq!(customer["updated_at"], "2025-05-08T11:40:18-04:00");
}
