//! The look-alike of Maxio, tried over real connections.

mod access;
mod customers;
mod faults;
mod journal;
mod life;
mod lists;
mod node;
mod profiles;
mod shapes;
mod signup;
mod tokens;
mod traffic;
mod update;
mod webhooks;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pugmark_sandbox::{MaxioSandbox, MaxioSandboxBuilder};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::raw::{self, Answer};

/// Valid, and nobody's.
pub(crate) const IBAN: &str = "IE29AIBK93115212345678";

/// The right length, but wrong check digits.
pub(crate) const BAD_IBAN: &str = "IE12BOFI90000112345678";

/// Who calls: the headers that go with every call.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    port: u16,
    headers: Vec<(&'static str, String)>,
}

impl Caller {
    /// Who has the site's key.
    pub(crate) fn of(sandbox: &MaxioSandbox) -> Self {
        Self::nobody(sandbox)
            .with("Accept", "application/json")
            .with("Content-Type", "application/json")
            .with("Authorization", &basic(sandbox.api_key(), "x"))
    }

    /// Who sends no header at all.
    pub(crate) fn nobody(sandbox: &MaxioSandbox) -> Self {
        Self {
            port: sandbox.port(),
            headers: Vec::new(),
        }
    }

    /// Sends this header; takes the place of an earlier value.
    pub(crate) fn with(self, name: &'static str, value: &str) -> Self {
        let mut with = self.without(name);
        with.headers.push((name, value.to_owned()));
        with
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    /// Sends a call without reading its answer.
    pub(crate) async fn start(&self, method: &str, path: &str, body: &[u8]) -> TcpStream {
        let headers: Vec<(&str, &str)> = self
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        raw::send(self.port, method, path, &headers, body).await
    }

    pub(crate) async fn send(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        raw::read(&mut self.start(method, path, body).await).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, b"").await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, body.to_string().as_bytes()).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send("PUT", path, body.to_string().as_bytes()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, b"").await
    }

    /// `POST /customers.json` with the wrapping object around it.
    pub(crate) async fn create_customer(&self, customer: &Value) -> Answer {
        self.post("/customers.json", &json!({ "customer": customer }))
            .await
    }

    /// `POST /payment_profiles.json` with the wrapping object around it.
    pub(crate) async fn create_profile(&self, profile: &Value) -> Answer {
        self.post(
            "/payment_profiles.json",
            &json!({ "payment_profile": profile }),
        )
        .await
    }

    /// `POST /subscriptions.json` with the wrapping object around it.
    pub(crate) async fn sign_up(&self, subscription: &Value) -> Answer {
        let body = json!({ "subscription": subscription });
        self.post("/subscriptions.json", &body).await
    }
}

pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// The messages of an answer in the usual shape of errors.
pub(crate) fn messages(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 422, "{}", answer.text());
    let json = answer.json();
    let list = json["errors"].as_array();
    let list = list.unwrap_or_else(|| panic!("no list of errors: {json}"));
    list.iter()
        .map(|message| message.as_str().unwrap().to_owned())
        .collect()
}

pub(crate) fn builder() -> MaxioSandboxBuilder {
    MaxioSandbox::builder().seed(5)
}

pub(crate) async fn sandbox() -> MaxioSandbox {
    builder().start().await.unwrap()
}

/// What makes John a customer.
pub(crate) fn john() -> Value {
    json!({
        "first_name": "John", "last_name": "Doe", "email": "contact@acmecorp.example", "organization": "Acme Corp Ltd",
        "reference": "10x456", "address": "1 Main Street", "city": "Dublin", "zip": "D02 X285", "country": "IE",
        "phone": "+353 1 555 0100",
    })
}

/// A site with John in it, who is customer of this id.
pub(crate) async fn with_john() -> (MaxioSandbox, Caller, u64) {
    let sandbox = sandbox().await;
    let (caller, id) = john_in(&sandbox).await;
    (sandbox, caller, id)
}

pub(crate) async fn john_in(sandbox: &MaxioSandbox) -> (Caller, u64) {
    let caller = Caller::of(sandbox);
    let answer = caller.create_customer(&john()).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let id = answer.json()["customer"]["id"].as_u64().unwrap();
    (caller, id)
}

/// A bank account as it stands in requests.
pub(crate) fn bank_account() -> Value {
    json!({
        "payment_type": "bank_account", "bank_name": "Allied Irish Banks", "bank_iban": IBAN,
        "billing_address": "1 Main Street", "billing_city": "Dublin", "billing_state": "D", "billing_zip": "D02 X285",
        "billing_country": "IE",
    })
}

/// John's signup with a bank account inline.
pub(crate) fn johns_signup() -> Value {
    json!({
        "customer_reference": "10x456", "product_handle": "default-hr-package", "reference": "lead-10x456",
        "bank_account_attributes": bank_account(),
    })
}

/// Signs John up; gives the subscription without the wrapper.
pub(crate) async fn signed_up(caller: &Caller) -> Value {
    let answer = caller.sign_up(&johns_signup()).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["subscription"].clone()
}

/// The id of a resource without its wrapper.
pub(crate) fn id_of(resource: &Value) -> u64 {
    resource["id"]
        .as_u64()
        .unwrap_or_else(|| panic!("{resource}"))
}
