//! The product people subscribe to, and the site itself.

use maxio::{CollectionMethod, Error, Invalid};
use serde_json::json;
use wiremock::ResponseTemplate;

use crate::service::{Service, line, product};

#[tokio::test]
async fn a_product_is_found_by_its_handle() {
    let service = Service::json(200, json!({"product": product()})).await;
    let found = service
        .client()
        .product_by_handle("default-hr-package")
        .await;
    let found = found.unwrap().unwrap();
    assert_eq!(found.id.as_str(), "3792003");
    assert_eq!(found.price_in_cents, Some(29_900));
    assert_eq!(
        (found.interval, found.interval_unit.as_deref()),
        (Some(1), Some("month"))
    );
    assert!(!found.is_archived() && !found.require_credit_card && !found.taxable);
    assert_eq!(found.product_family.unwrap().handle.as_deref(), Some("hr"));
    assert_eq!(
        line(&service.only_request().await),
        "GET /products/handle/default-hr-package.json"
    );
}

#[tokio::test]
async fn an_archived_product_says_so() {
    let mut shown = product();
    shown["archived_at"] = json!("2025-05-08T11:39:18-04:00");
    let service = Service::json(200, json!({"product": shown})).await;
    let found = service.client().product_by_handle("x").await.unwrap();
    assert!(found.unwrap().is_archived());
}

#[tokio::test]
async fn a_handle_never_becomes_another_address() {
    let service = Service::answering(ResponseTemplate::new(404)).await;
    let client = service.client();
    for handle in ["../../customers", "..", "a/b", "a?b=c", "%2e%2e"] {
        assert_eq!(client.product_by_handle(handle).await.unwrap(), None);
    }
    for request in service.requests().await {
        let path = request.url.path();
        assert!(path.starts_with("/products/handle/"), "{path}");
        assert_eq!(path.matches('/').count(), 3, "{path}");
        assert_eq!(request.url.query(), None);
    }
    let error = client.product_by_handle("").await.unwrap_err();
    assert_eq!(error, Error::Invalid(Invalid::Empty { field: "handle" }));
}

#[tokio::test]
async fn the_site_says_how_it_invoices() {
    let shown = json!({"site": {
        "id": 31_615, "subdomain": "acme-test", "name": "Acme", "currency": "EUR", "test": true,
        "relationship_invoicing_enabled": true, "default_payment_collection_method": "automatic",
        "allocation_settings": {"x": 1}
    }});
    let service = Service::json(200, shown).await;
    let site = service.client().site().await.unwrap();
    assert!(site.relationship_invoicing_enabled && site.test);
    assert_eq!(site.currency.as_deref(), Some("EUR"));
    assert_eq!(site.subdomain.as_deref(), Some("acme-test"));
    assert_eq!(
        site.default_payment_collection_method,
        Some(CollectionMethod::Automatic)
    );
    assert_eq!(line(&service.only_request().await), "GET /site.json");
}
