//! A stand-in for the service that answers what a test wants, and what it answers.

use maxio::{Client, Settings};
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

pub(crate) const API_KEY: &str = "k3y-Of-That-Site";
pub(crate) const IBAN: &str = "IE29AIBK93115212345678";

/// One site, on loopback.
pub(crate) struct Service {
    server: MockServer,
}

impl Service {
    /// Gives every call the same answer.
    pub(crate) async fn answering(answer: ResponseTemplate) -> Self {
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(answer).mount(&server).await;
        Self { server }
    }

    /// Gives every call this JSON.
    pub(crate) async fn json(status: u16, body: Value) -> Self {
        Self::answering(json_answer(status, &body)).await
    }

    /// Gives each call an answer of its own.
    pub(crate) async fn by(
        answer: impl Fn(&Request) -> ResponseTemplate + Send + Sync + 'static,
    ) -> Self {
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(answer).mount(&server).await;
        Self { server }
    }

    pub(crate) fn settings(&self) -> Settings {
        settings(&self.server.uri())
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.settings()).unwrap()
    }

    pub(crate) async fn requests(&self) -> Vec<Request> {
        self.server.received_requests().await.unwrap()
    }

    /// The only request there was.
    pub(crate) async fn only_request(&self) -> Request {
        let mut requests = self.requests().await;
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.remove(0)
    }
}

pub(crate) fn settings(url: &str) -> Settings {
    Settings::new(url.parse().unwrap(), API_KEY.into())
}

pub(crate) fn json_answer(status: u16, body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(body)
}

/// `POST /customers.json`
pub(crate) fn line(request: &Request) -> String {
    format!("{} {}", request.method, request.url.path())
}

/// The body of a request; null when there is none.
pub(crate) fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap_or_default()
}

/// A value of the query.
pub(crate) fn parameter(request: &Request, name: &str) -> Option<String> {
    let mut pairs = request.url.query_pairs();
    pairs
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.into_owned())
}

/// The fields of a customer, as the service answers them.
pub(crate) fn customer() -> Value {
    json!({
        "id": 88_833_369, "first_name": "John", "last_name": "Doe", "email": "contact@acmecorp.example",
        "cc_emails": null, "organization": "Acme Corp Ltd", "reference": "10x456",
        "created_at": "2025-05-08T11:39:18-04:00", "updated_at": "2025-05-08T11:39:18-04:00",
        "address": "1 Main Street", "address_2": null, "city": "Dublin", "state": null, "state_name": null,
        "zip": "D02 X285", "country": "IE", "country_name": "Ireland", "phone": "+353 1 555 0100",
        "verified": false, "portal_customer_created_at": null, "portal_invite_last_sent_at": null,
        "portal_invite_last_accepted_at": null, "tax_exempt": null, "vat_number": "", "parent_id": null,
        "locale": null, "salesforce_id": null, "default_auto_renewal_profile_id": null
    })
}

/// The fields of a bank account with this id, as the service answers them.
pub(crate) fn bank_account(id: u64) -> Value {
    json!({
        "id": id, "first_name": "John", "last_name": "Doe", "created_at": "2025-05-08T11:39:20-04:00",
        "updated_at": "2025-05-08T11:39:20-04:00", "customer_id": 88_833_369, "current_vault": "bogus",
        "vault_token": "0011223344", "billing_address": "1 Main Street", "billing_city": "Dublin",
        "billing_state": "D", "billing_zip": "D02 X285", "billing_country": "IE", "customer_vault_token": null,
        "billing_address_2": null, "bank_name": "Allied Irish Banks", "masked_bank_routing_number": "XXXX0000",
        "masked_bank_account_number": "XXXX5678", "bank_account_type": "checking",
        "bank_account_holder_type": "personal", "payment_type": "bank_account", "verified": false,
        "site_gateway_setting_id": null, "gateway_handle": null
    })
}

/// The fields of a subscription, as the service answers them.
pub(crate) fn subscription() -> Value {
    let fields = r#"{
        "id": 15236915, "state": "active", "previous_state": "active", "balance_in_cents": 0,
        "total_revenue_in_cents": 29900, "product_price_in_cents": 29900, "product_version_number": 1,
        "current_period_started_at": "2025-05-08T11:39:22-04:00",
        "current_period_ends_at": "2025-06-08T11:39:22-04:00", "next_assessment_at": "2025-06-08T11:39:22-04:00",
        "trial_started_at": null, "trial_ended_at": null, "activated_at": "2025-05-08T11:39:24-04:00",
        "expires_at": null, "created_at": "2025-05-08T11:39:22-04:00", "updated_at": "2025-05-08T11:39:25-04:00",
        "cancellation_message": null, "cancellation_method": null, "cancel_at_end_of_period": false,
        "canceled_at": null, "delayed_cancel_at": null, "signup_payment_id": 162269766,
        "signup_revenue": "299.00", "coupon_code": null, "coupon_codes": [],
        "payment_collection_method": "automatic", "snap_day": null, "reason_code": null,
        "receives_invoice_emails": false, "net_terms": null, "payment_type": "bank_account",
        "referral_code": "w7kjc9", "reference": "lead-10x456", "currency": "EUR", "next_product_id": null,
        "next_product_handle": null, "product_price_point_id": 9, "product_price_point_type": "default",
        "group": null
    }"#;
    let mut shown: Value = serde_json::from_str(fields).unwrap();
    shown["customer"] = customer();
    shown["product"] = product();
    shown["bank_account"] = bank_account(10_089_892);
    shown
}

/// The fields of a product, as the service answers them.
pub(crate) fn product() -> Value {
    json!({
        "id": 3_792_003, "name": "Default HR package", "handle": "default-hr-package", "description": null,
        "price_in_cents": 29_900, "interval": 1, "interval_unit": "month", "trial_price_in_cents": null,
        "trial_interval": null, "trial_interval_unit": null, "initial_charge_in_cents": null,
        "expiration_interval_unit": "never", "require_credit_card": false, "taxable": null, "archived_at": null,
        "version_number": 1, "product_price_point_id": 9, "product_price_point_handle": "original",
        "product_price_point_name": "Original",
        "product_family": {"id": 527_890, "name": "HR", "handle": "hr"},
        "created_at": "2024-01-08T11:39:22-05:00", "updated_at": "2024-01-08T11:39:22-05:00"
    })
}
