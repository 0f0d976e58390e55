//! Senders of leads, as they sign and write.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use pugmark::app::Running;
use pugmark::config;
use reqwest::{Method, RequestBuilder};
use secrecy::SecretString;
use sha2::Sha256;

use crate::harness::World;
use crate::http::Api;

pub(crate) const LEAD_STATUS: &str = "/webhook/vtiger/lead-status-change";
pub(crate) const DELIVERIES: &str = "/api/internal/vtiger/webhooks/deliveries";
pub(crate) const SECRET: &str = "hmac-secret-of-this-test";
pub(crate) const HEADER_SECRET: &str = "header-secret-of-this-test";
pub(crate) const PATH_SECRET: &str = "path-secret-of-this-test";
/// The account in the guide's example.
pub(crate) const IBAN: &str = "IE12BOFI90000112345678";
/// The example of the onboarding guide, byte for byte.
pub(crate) const GUIDE: &str = r#"{
  "event": "record.update",
  "module": "Leads",
  "record_id": "vtiger_lead_id_456",
  "data": {
    "leadstatus": "Ready for Finance Setup",
    "cf_iban": "IE12BOFI90000112345678", // Custom field for IBAN
    "company": "Acme Corp Ltd",
    "email": "contact@acmecorp.com",
    "firstname": "John",
    "lastname": "Doe"
  }
}"#;

/// The example as it can be sent: JSON has no comments.
pub(crate) fn guide() -> String {
    GUIDE.replace(" // Custom field for IBAN", "")
}

/// Every plain way to prove oneself switched on, a key to seal with, and nothing that is sent.
pub(crate) fn receiving(world: &mut World) {
    let secrets = |text: &str| vec![SecretString::from(text)];
    world.settings.webhooks = config::Webhooks {
        secrets: config::WebhookSecrets {
            hmac: secrets(SECRET),
            signing: Vec::new(),
            header: secrets(HEADER_SECRET),
            path: secrets(PATH_SECRET),
        },
        per_minute: u32::MAX,
        per_peer: u32::MAX,
        keep: Duration::from_secs(3_600),
        ..config::Webhooks::default()
    };
    world.settings.seal_key = Some(config::SealKey::of([7; 32]));
    world.crm_settings().enabled = false;
}

/// Starts with sending switched off: jobs stay where they are.
pub(crate) async fn started(world: &mut World) -> (Running, Api) {
    receiving(world);
    let running = world.start().await;
    let api = Api::of(&running);
    (running, api)
}

pub(crate) fn signature(body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("keys of any length");
    mac.update(body.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

pub(crate) fn post(api: &Api, path: &str, body: &str) -> RequestBuilder {
    let request = api.bare(Method::POST, path).body(body.to_owned());
    request.header("content-type", "application/json")
}

/// A delivery with a signature over its bytes.
pub(crate) fn signed(api: &Api, body: &str) -> RequestBuilder {
    post(api, LEAD_STATUS, body).header("X-Vtiger-Signature", signature(body))
}

/// What the guide's sender says of a lead.
pub(crate) fn lead(id: &str) -> String {
    guide().replace("vtiger_lead_id_456", id)
}
