//! Receiving webhooks, over HTTP, as a sender meets it; what came of each is judged by the store.

mod desk;
mod duplicates;
mod fuzz;
mod proofs;
mod shapes;
mod storm;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use pugmark::app::Running;
use pugmark::config;
use reqwest::{Method, RequestBuilder};
use secrecy::SecretString;
use serde_json::{Value, json};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::harness::World;
use crate::http::{Answer, Api, answer};

const GENERAL: &str = "/webhooks/vtiger";
const CONVERT: &str = "/api/internal/vtiger/webhooks/lead-convert";
const DELIVERIES: &str = "/api/internal/vtiger/webhooks/deliveries";
const SECRET: &str = "hmac-secret-of-this-test";
const HEADER_SECRET: &str = "header-secret-of-this-test";
const PATH_SECRET: &str = "path-secret-of-this-test";
const KEY: &[u8] = b"signing-key-of-this-test";

/// Every way to prove oneself switched on, and no limit that a test meets by accident.
fn settings() -> config::Webhooks {
    let secrets = |texts: &[&str]| texts.iter().copied().map(SecretString::from).collect();
    config::Webhooks {
        secrets: config::WebhookSecrets {
            hmac: secrets(&[SECRET]),
            signing: vec![Zeroizing::new(KEY.to_vec())],
            header: secrets(&[HEADER_SECRET]),
            path: secrets(&[PATH_SECRET]),
        },
        per_minute: u32::MAX,
        per_peer: u32::MAX,
        ..config::Webhooks::default()
    }
}

/// Starts with sending switched off: operations stay where they are.
async fn started(world: &mut World) -> (Running, Api) {
    world.settings.webhooks = settings();
    world.crm_settings().enabled = false;
    let running = world.start().await;
    let api = Api::of(&running);
    (running, api)
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

fn signature(secret: &str, body: &[u8]) -> String {
    hex::encode(mac(secret.as_bytes(), &[body]))
}

fn standard_signature(key: &[u8], id: &str, time: &str, body: &[u8]) -> String {
    let signed = mac(key, &[id.as_bytes(), b".", time.as_bytes(), b".", body]);
    format!("v1,{}", STANDARD.encode(signed))
}

fn post(api: &Api, path: &str, body: impl Into<Vec<u8>>) -> RequestBuilder {
    let request = api.bare(Method::POST, path).body(body.into());
    request.header("content-type", "application/json")
}

/// A delivery with a signature over its bytes.
fn signed(api: &Api, path: &str, body: &str) -> RequestBuilder {
    post(api, path, body).header("X-Vtiger-Signature", signature(SECRET, body.as_bytes()))
}

/// A delivery of the extension.
fn standard(api: &Api, id: &str, body: &str) -> RequestBuilder {
    let time = jiff::Timestamp::now().as_second().to_string();
    standard_at(api, id, &time, body)
}

fn standard_at(api: &Api, id: &str, time: &str, body: &str) -> RequestBuilder {
    post(api, GENERAL, body)
        .header("webhook-id", id)
        .header("webhook-timestamp", time)
        .header(
            "webhook-signature",
            standard_signature(KEY, id, time, body.as_bytes()),
        )
}

async fn send(request: RequestBuilder) -> Answer {
    answer(request).await
}

/// The body of a workflow on contacts.
fn converted(contact: &str) -> String {
    json!({ "id": contact, "firstname": "Achieng", "isconvertedfromlead": "1" }).to_string()
}

/// What became of a delivery, by the answer to its sender.
fn status_of(answer: &Answer) -> &str {
    answer.data()["status"].as_str().expect("a status")
}

async fn delivery(api: &Api, answer: &Answer) -> Value {
    let id = answer.data()["deliveryId"].as_i64().expect("a number");
    api.get(&format!("{DELIVERIES}/{id}")).await.data().clone()
}
