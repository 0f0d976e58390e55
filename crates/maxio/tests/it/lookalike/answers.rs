//! Each call once, without any trouble, and each refusal the service is known for.

use maxio::{
    BankDetails, Class, Client, CollectionMethod, CustomerChange, CustomerId, CustomerKey, Error,
    NewBankAccount, NewCustomer, NewSubscription, Payment, Settings, State, SubscriptionId,
};
use pugmark_sandbox::maxio::Gateway;
use pugmark_sandbox::{MaxioSandbox, ProductSeed};

use super::{PRODUCT, REFERENCE, bank, builder, client, orla};
use crate::service::IBAN;

async fn site() -> (MaxioSandbox, Client) {
    let sandbox = builder().start().await.unwrap();
    let client = client(&sandbox);
    (sandbox, client)
}

fn to_product(customer: CustomerId) -> NewSubscription {
    NewSubscription::new(CustomerKey::Id(customer), PRODUCT)
}

#[tokio::test]
async fn site_and_product_are_what_they_were_made() {
    let (_sandbox, client) = site().await;
    let site = client.site().await.unwrap();
    assert_eq!(site.subdomain.as_deref(), Some("acme-test"));
    assert_eq!(site.currency.as_deref(), Some("EUR"));
    assert!(site.test && site.relationship_invoicing_enabled);
    let product = client.product_by_handle(PRODUCT).await.unwrap().unwrap();
    assert_eq!(product.price_in_cents, Some(29_900));
    assert!(!product.is_archived());
    assert_eq!(client.product_by_handle("nothing").await.unwrap(), None);
}

#[tokio::test]
async fn an_archived_product_is_seen_as_such() {
    let seed = ProductSeed::monthly("old", 100).archived();
    let sandbox = builder().product(seed).start().await.unwrap();
    let product = client(&sandbox).product_by_handle("old").await.unwrap();
    assert!(product.unwrap().is_archived());
}

#[tokio::test]
async fn a_customer_is_made_found_and_changed() {
    let (sandbox, client) = site().await;
    assert_eq!(client.customer_by_reference(REFERENCE).await.unwrap(), None);
    let made = client.create_customer(&orla()).await.unwrap();
    let found = client.customer_by_reference(REFERENCE).await.unwrap();
    assert_eq!(found.as_ref(), Some(&made));
    let change = CustomerChange {
        organization: Some("Acme Two".to_owned()),
        ..CustomerChange::default()
    };
    let changed = client.update_customer(&made.id, &change).await.unwrap();
    assert_eq!(changed.organization.as_deref(), Some("Acme Two"));
    assert_eq!(
        changed.last_name.as_deref(),
        Some("Byrne"),
        "the rest stays"
    );
    assert_eq!(sandbox.customers().len(), 1);
    let nobody = CustomerId::from(4_242);
    let error = client.update_customer(&nobody, &change).await;
    assert_eq!(error.unwrap_err(), Error::NotFound);
    let error = client.customer_subscriptions(&nobody).await;
    assert_eq!(error.unwrap_err(), Error::NotFound);
    assert!(
        client
            .customer_subscriptions(&made.id)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_second_customer_with_the_same_reference_is_refused() {
    let (sandbox, client) = site().await;
    client.create_customer(&orla()).await.unwrap();
    let error = client.create_customer(&orla()).await.unwrap_err();
    assert!(error.is_reference_taken(), "{error:?}");
    assert_eq!(sandbox.customers().len(), 1);
}

#[tokio::test]
async fn everything_wrong_with_a_customer_is_told_at_once() {
    let (_sandbox, client) = site().await;
    let nobody = NewCustomer::new("", "", "no address");
    let error = client.create_customer(&nobody).await.unwrap_err();
    let mut messages = error.messages().to_vec();
    messages.sort();
    assert_eq!(
        messages,
        [
            "Email address: must be a valid email format.",
            "First name: cannot be blank.",
            "Last name: cannot be blank."
        ]
    );
}

#[tokio::test]
async fn a_wrong_key_is_a_matter_of_configuration() {
    let sandbox = builder().start().await.unwrap();
    let wrong = Settings::new(sandbox.url().parse().unwrap(), "another-key".into());
    let error = Client::new(wrong).unwrap().site().await.unwrap_err();
    assert!(
        matches!(&error, Error::Credentials { status: 401, message } if message == "HTTP Basic: Access denied."),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_bank_account_arrives_compact_and_is_listed_masked() {
    let (sandbox, client) = site().await;
    let orla = client.create_customer(&orla()).await.unwrap();
    let spaced = BankDetails::iban("ie29 AIBK 9311 5212 3456 78".into());
    let new = NewBankAccount {
        customer_id: orla.id.clone(),
        bank: spaced.clone(),
    };
    let made = client.create_bank_account(&new).await.unwrap();
    assert!(sandbox.iban_is(made.id.as_str().parse().unwrap(), IBAN));
    assert_eq!(made.shows(&spaced), Some(true));
    let listed = client.payment_profiles(&orla.id).await.unwrap();
    assert_eq!(listed, [made]);
    let nobody = CustomerId::from(4_242);
    assert!(client.payment_profiles(&nobody).await.unwrap().is_empty());
    let of_nobody = NewBankAccount {
        customer_id: nobody,
        bank: spaced,
    };
    let error = client.create_bank_account(&of_nobody).await;
    assert_eq!(error.unwrap_err(), Error::NotFound);
}

#[tokio::test]
async fn a_gateway_that_refuses_an_iban_gives_it_away_nowhere() {
    let sandbox = builder().refuse_bad_ibans().start().await.unwrap();
    let client = client(&sandbox);
    let orla = client.create_customer(&orla()).await.unwrap();
    let wrong = "IE12BOFI90000112345678";
    let new = NewBankAccount {
        customer_id: orla.id,
        bank: BankDetails::iban(wrong.into()),
    };
    let error = client.create_bank_account(&new).await.unwrap_err();
    assert_eq!(error.class(), Class::Refused);
    assert!(!error.messages().is_empty());
    assert!(!format!("{error} {error:?}").contains(wrong));
    assert!(sandbox.payment_profiles().is_empty());
}

#[tokio::test]
async fn a_gateway_that_needs_a_whole_address_says_what_is_missing() {
    let sandbox = builder()
        .gateway(Gateway::GoCardless)
        .start()
        .await
        .unwrap();
    let client = client(&sandbox);
    let orla = client.create_customer(&orla()).await.unwrap();
    let mut new = NewBankAccount {
        customer_id: orla.id,
        bank: bank(),
    };
    let error = client.create_bank_account(&new).await.unwrap_err();
    assert_eq!(error.class(), Class::Refused);
    assert!(!error.messages().is_empty(), "{error:?}");
    let text = |text: &str| Some(text.to_owned());
    let billing = &mut new.bank.billing;
    (billing.address, billing.city) = (text("1 Main Street"), text("Dublin"));
    (billing.state, billing.zip) = (text("D"), text("D02 X285"));
    billing.country = text("IE");
    client.create_bank_account(&new).await.unwrap();
}

#[tokio::test]
async fn money_due_at_once_needs_something_to_take_it_from() {
    let (sandbox, client) = site().await;
    let orla = client.create_customer(&orla()).await.unwrap();
    let plain = to_product(orla.id.clone());
    let error = client.create_subscription(&plain, None).await.unwrap_err();
    assert!(error.is_payment_method_missing(), "{error:?}");
    assert!(sandbox.subscriptions().is_empty());

    let mut by_invoice = plain.clone();
    by_invoice.payment_collection_method = Some(CollectionMethod::Remittance);
    by_invoice.net_terms = Some(30);
    let made = client.create_subscription(&by_invoice, None).await.unwrap();
    assert_eq!(
        made.payment_collection_method,
        Some(CollectionMethod::Remittance)
    );
    assert_eq!(made.net_terms, Some(30));

    let mut later = plain.clone();
    let first_bill = "2099-01-01T12:00:00Z".parse().unwrap();
    later.next_billing_at = Some(first_bill);
    let made = client.create_subscription(&later, None).await.unwrap();
    assert_eq!(made.current_period_ends_at, Some(first_bill));

    let mut inline = plain.clone();
    inline.payment = bank().into();
    let made = client.create_subscription(&inline, None).await.unwrap();
    let profile = made.payment_profile().unwrap();
    assert_eq!(profile.shows(&bank()), Some(true));

    let mut stored = plain;
    stored.payment = Payment::Profile(profile.id.clone());
    let made = client.create_subscription(&stored, None).await.unwrap();
    assert_eq!(made.payment_profile().unwrap().id, profile.id);
    assert_eq!(sandbox.payment_profiles().len(), 1);
    let listed = client.customer_subscriptions(&orla.id).await.unwrap();
    assert_eq!(listed.len(), 4);
}

#[tokio::test]
async fn a_subscription_is_found_by_reference_and_by_id() {
    let (_sandbox, client) = site().await;
    let orla = client.create_customer(&orla()).await.unwrap();
    let mut new = NewSubscription::new(CustomerKey::Reference(REFERENCE.to_owned()), PRODUCT);
    new.reference = Some(REFERENCE.to_owned());
    new.payment = bank().into();
    let nothing = client.subscription_by_reference(REFERENCE).await.unwrap();
    assert_eq!(nothing, None);
    let made = client
        .create_subscription(&new, Some("token-1"))
        .await
        .unwrap();
    assert_eq!(made.state, State::Active);
    assert_eq!(
        made.product.as_ref().unwrap().handle.as_deref(),
        Some(PRODUCT)
    );
    assert_eq!(made.customer.as_ref().unwrap().id, orla.id);
    let found = client.subscription_by_reference(REFERENCE).await.unwrap();
    assert_eq!(found.unwrap().id, made.id);
    let read = client.subscription(&made.id).await.unwrap();
    assert_eq!(read.unwrap().reference.as_deref(), Some(REFERENCE));
    let nothing = client.subscription(&SubscriptionId::from(4_242)).await;
    assert_eq!(nothing.unwrap(), None);
}

#[tokio::test]
async fn an_unknown_product_is_named_in_the_refusal() {
    let (_sandbox, client) = site().await;
    let orla = client.create_customer(&orla()).await.unwrap();
    let unknown = NewSubscription::new(CustomerKey::Id(orla.id), "no-such-package");
    let error = client
        .create_subscription(&unknown, None)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("no-such-package"), "{error}");
}

#[tokio::test]
async fn a_price_point_decides_the_price() {
    let seed = ProductSeed::monthly("package", 29_900).price_point("yearly", 299_000);
    let sandbox = builder().product(seed).start().await.unwrap();
    let client = client(&sandbox);
    let orla = client.create_customer(&orla()).await.unwrap();
    let mut new = NewSubscription::new(CustomerKey::Id(orla.id), "package");
    new.product_price_point_handle = Some("yearly".to_owned());
    new.payment = bank().into();
    let made = client.create_subscription(&new, None).await.unwrap();
    assert_eq!(made.product_price_in_cents, Some(299_000));
}

#[tokio::test]
async fn a_used_token_is_a_duplicate_whatever_its_first_use_came_to() {
    let (sandbox, client) = site().await;
    let orla = client.create_customer(&orla()).await.unwrap();
    let refused = to_product(orla.id.clone());
    let error = client.create_subscription(&refused, Some("one")).await;
    assert_eq!(error.unwrap_err().class(), Class::Refused);
    let mut good = to_product(orla.id);
    good.payment = bank().into();
    let error = client.create_subscription(&good, Some("one")).await;
    assert_eq!(error.unwrap_err(), Error::Duplicate);
    client
        .create_subscription(&good, Some("two"))
        .await
        .unwrap();
    let error = client.create_subscription(&good, Some("two")).await;
    assert_eq!(error.unwrap_err(), Error::Duplicate);
    assert_eq!(sandbox.subscriptions().len(), 1);
}
