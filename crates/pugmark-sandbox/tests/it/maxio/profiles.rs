//! Payment profiles.

use pugmark_sandbox::maxio::Gateway;
use serde_json::{Value, json};

use super::{
    BAD_IBAN, IBAN, bank_account, builder, id_of, john_in, messages, signed_up, with_john,
};

fn of_customer(id: u64) -> Value {
    let mut profile = bank_account();
    profile["customer_id"] = json!(id);
    profile
}

#[tokio::test]
async fn a_bank_account_is_stored_and_never_shows_its_iban_but_in_the_token_of_the_bogus_vault() {
    let (sandbox, caller, john) = with_john().await;
    let answer = caller.create_profile(&of_customer(john)).await;
    assert_eq!(answer.status, 201);
    let profile = answer.json()["payment_profile"].clone();
    assert!(profile.get("bank_iban").is_none());
    assert_eq!(profile["masked_bank_account_number"], "XXXX5678");
    assert_eq!(
        (&profile["vault_token"], &profile["current_vault"]),
        (&json!(IBAN), &json!("bogus"))
    );
    assert_eq!(
        (&profile["first_name"], &profile["customer_id"]),
        (&json!("John"), &json!(john))
    );
    assert!(sandbox.iban_is(id_of(&profile), IBAN));
    assert!(!sandbox.payment_profiles()[0].to_string().contains(IBAN));
}

#[tokio::test]
async fn another_gateways_token_tells_nothing() {
    let sandbox = builder()
        .gateway(Gateway::GoCardless)
        .start()
        .await
        .unwrap();
    let (caller, john) = john_in(&sandbox).await;
    let answer = caller.create_profile(&of_customer(john)).await;
    assert_eq!(
        answer.json()["payment_profile"]["current_vault"],
        "gocardless"
    );
    assert!(!answer.text().contains(IBAN));
}

#[tokio::test]
async fn without_a_customer_there_is_nothing_to_find() {
    let (_sandbox, caller, _) = with_john().await;
    for profile in [bank_account(), of_customer(1)] {
        let answer = caller.create_profile(&profile).await;
        assert_eq!((answer.status, answer.body.len()), (404, 0));
    }
    let answer = caller.create_profile(&json!({})).await;
    assert_eq!(
        answer.json(),
        json!({ "errors": { "payment_profile": "can't be blank" } })
    );
}

#[tokio::test]
async fn what_does_not_say_that_it_is_a_bank_account_is_taken_for_a_card() {
    let (_sandbox, caller, john) = with_john().await;
    let mut profile = of_customer(john);
    profile["payment_type"] = Value::Null;
    let answer = caller.create_profile(&profile).await;
    assert_eq!(
        messages(&answer),
        [
            "Credit card number: cannot be blank.",
            "Credit card expiration month: cannot be blank.",
            "Credit card expiration year: cannot be blank."
        ]
    );
    let card = json!({
        "customer_id": john, "full_number": "1", "expiration_month": 12, "expiration_year": "2031",
    });
    let stored = caller.create_profile(&card).await.json()["payment_profile"].clone();
    assert_eq!(
        (&stored["payment_type"], &stored["expiration_year"]),
        (&json!("credit_card"), &json!(2031))
    );
}

#[tokio::test]
async fn a_token_of_the_browser_is_unknown_and_one_of_a_vault_knows_no_number() {
    let (_sandbox, caller, john) = with_john().await;
    let token = json!({ "customer_id": john, "chargify_token": "tok_1" });
    assert_eq!(
        messages(&caller.create_profile(&token).await),
        ["Chargify token not found"]
    );
    let imported = json!({
        "customer_id": john, "payment_type": "bank_account", "current_vault": "gocardless", "vault_token": "MD1",
    });
    let profile = caller.create_profile(&imported).await.json()["payment_profile"].clone();
    assert_eq!(
        (
            &profile["masked_bank_account_number"],
            &profile["vault_token"]
        ),
        (&Value::Null, &json!("MD1"))
    );
}

#[tokio::test]
async fn the_bogus_gateway_takes_any_iban_unless_told_to_look() {
    let (_sandbox, caller, john) = with_john().await;
    let mut profile = of_customer(john);
    profile["bank_iban"] = json!(BAD_IBAN);
    assert_eq!(caller.create_profile(&profile).await.status, 201);
    let strict = builder().refuse_bad_ibans().start().await.unwrap();
    let (caller, john) = john_in(&strict).await;
    profile["customer_id"] = json!(john);
    let refused = caller.create_profile(&profile).await;
    assert_eq!(messages(&refused), ["The IBAN you provided is invalid."]);
    assert!(!refused.text().contains(BAD_IBAN));
    assert_eq!(caller.create_profile(&of_customer(john)).await.status, 201);
}

#[tokio::test]
async fn each_gateway_demands_its_own_fields() {
    let sepa = builder()
        .gateway(Gateway::StripeSepa)
        .start()
        .await
        .unwrap();
    let (caller, john) = john_in(&sepa).await;
    let account = json!({
        "customer_id": john, "payment_type": "bank_account", "bank_account_number": "12345678",
    });
    assert_eq!(
        messages(&caller.create_profile(&account).await),
        ["Bank iban: cannot be blank."]
    );
    let cardless = builder()
        .gateway(Gateway::GoCardless)
        .start()
        .await
        .unwrap();
    let (caller, john) = john_in(&cardless).await;
    let mut profile = of_customer(john);
    profile["billing_state"] = json!("");
    profile["bank_name"] = Value::Null;
    assert_eq!(
        messages(&caller.create_profile(&profile).await),
        [
            "Bank name: cannot be blank.",
            "Billing state: cannot be blank."
        ]
    );
    let dollars = builder().gateway(Gateway::StripeSepa).currency("USD");
    let dollars = dollars.start().await.unwrap();
    let (caller, john) = john_in(&dollars).await;
    assert_eq!(
        messages(&caller.create_profile(&of_customer(john)).await).len(),
        1
    );
}

#[tokio::test]
async fn profiles_are_listed_by_customer_read_and_changed_but_not_into_the_other_kind() {
    let (_sandbox, caller, john) = with_john().await;
    let id = id_of(&caller.create_profile(&of_customer(john)).await.json()["payment_profile"]);
    let list = caller
        .get(&format!("/payment_profiles.json?customer_id={john}"))
        .await;
    assert_eq!(id_of(&list.json()[0]["payment_profile"]), id);
    assert_eq!(
        caller
            .get("/payment_profiles.json?customer_id=1")
            .await
            .json(),
        json!([])
    );
    let path = format!("/payment_profiles/{id}.json");
    let change = json!({ "payment_profile": { "billing_city": "Cork" } });
    let changed = caller.put(&path, &change).await.json();
    assert_eq!(changed, caller.get(&path).await.json());
    assert_eq!(changed["payment_profile"]["billing_city"], "Cork");
    let turned = json!({ "payment_profile": { "payment_type": "credit_card" } });
    assert_eq!(messages(&caller.put(&path, &turned).await).len(), 1);
    assert_eq!(caller.get("/payment_profiles/1.json").await.status, 404);
}

#[tokio::test]
async fn a_profile_in_use_cannot_be_deleted() {
    let (sandbox, caller, _) = with_john().await;
    let subscription = signed_up(&caller).await;
    let id = id_of(&subscription["bank_account"]);
    let path = format!("/payment_profiles/{id}.json");
    assert_eq!(
        messages(&caller.delete(&path).await),
        ["The payment profile is in use by one or more subscriptions and cannot be deleted"]
    );
    caller
        .delete(&format!("/subscriptions/{}.json", id_of(&subscription)))
        .await;
    assert_eq!(caller.delete(&path).await.status, 204);
    assert!(sandbox.payment_profiles().is_empty());
}

#[tokio::test]
async fn a_profile_becomes_the_one_that_pays_when_it_is_made_so() {
    let (_sandbox, caller, john) = with_john().await;
    let subscription = signed_up(&caller).await;
    let (id, old) = (id_of(&subscription), id_of(&subscription["bank_account"]));
    let new = caller.create_profile(&of_customer(john)).await.json()["payment_profile"].clone();
    let new = id_of(&new);
    let path = |profile| {
        format!("/subscriptions/{id}/payment_profiles/{profile}/change_payment_profile.json")
    };
    assert_eq!(
        messages(&caller.post(&path(old), &json!({})).await),
        ["This is already the current payment profile"]
    );
    let answer = caller.post(&path(new), &json!({})).await;
    assert_eq!(
        (answer.status, id_of(&answer.json()["payment_profile"])),
        (200, new)
    );
    let read = caller
        .get(&format!("/subscriptions/{id}.json"))
        .await
        .json();
    assert_eq!(id_of(&read["subscription"]["bank_account"]), new);
    assert_eq!(caller.post(&path(1), &json!({})).await.status, 404);
    // Somebody else's is not found either.
    let other = json!({ "first_name": "A", "last_name": "B", "email": "a@b.ie" });
    let other = id_of(&caller.create_customer(&other).await.json()["customer"]);
    let foreign =
        caller.create_profile(&of_customer(other)).await.json()["payment_profile"].clone();
    assert_eq!(
        caller.post(&path(id_of(&foreign)), &json!({})).await.status,
        404
    );
}

#[tokio::test]
async fn debug_output_and_journal_know_no_account() {
    let (sandbox, caller, john) = with_john().await;
    caller.create_profile(&of_customer(john)).await;
    let journal = sandbox.journal().to_json().to_string();
    assert!(journal.contains("XXXX5678") && !journal.contains(IBAN));
    assert!(!format!("{sandbox:?}").contains(IBAN));
}
