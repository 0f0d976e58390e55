//! The onboarding form: what a new client answers, on its way to the lead or contact.
//!
//! `answers` judges what was typed, `submission` stores it, sealed, together with the operation that writes it, `handler` writes it:
//! by difference, and read back, because vTiger changes values without a word. `link` and `draft` are for the page.

pub mod answers;
mod client;
pub mod draft;
mod handler;
pub mod link;
pub mod modules;
pub mod submission;
mod writing;

use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use pugmark_queue::Sealer;
use sha2::Sha256;
use tokio::sync::Notify;
use zeroize::Zeroizing;

use crate::config::{self, SealKey};

pub use handler::FormHandler;

/// What the handler, the API and the page share about forms.
pub struct Forms {
    /// What is asked, and how.
    pub settings: config::Form,
    /// The module of leads, if it is configured.
    pub module: Option<String>,
    /// Seals answers; `None` without `PUGMARK_SEAL_KEY`, and then none are taken in.
    pub sealer: Option<Arc<Sealer>>,
    /// Signs links and tells equal forms; `None` likewise.
    pub keys: Option<Keys>,
    /// Told whenever an attempt at a form has ended in this process.
    pub ended: Arc<Notify>,
    /// Descriptions of the modules that clients are in.
    pub modules: modules::Cache,
}

impl Forms {
    /// With these settings.
    pub fn new(
        settings: &config::Onboarding,
        seal_key: Option<&SealKey>,
        sealer: Option<Arc<Sealer>>,
    ) -> Self {
        Forms {
            settings: settings.form.clone(),
            module: settings.module.clone(),
            sealer,
            keys: seal_key.map(Keys::of),
            ended: Arc::new(Notify::new()),
            modules: modules::Cache::default(),
        }
    }
}

/// Keys that are derived from the seal key, one for each purpose.
pub struct Keys {
    links: Zeroizing<[u8; 32]>,
    digests: Zeroizing<[u8; 32]>,
}

impl Keys {
    /// Derived from this key: HMAC-SHA256 over the purpose's name, as in the expand step of HKDF (RFC 5869).
    pub fn of(key: &SealKey) -> Self {
        let derived = |purpose: &[u8]| Zeroizing::new(mac(key.bytes(), &[purpose, &[1]]));
        Keys {
            links: derived(b"pugmark onboarding links"),
            digests: derived(b"pugmark onboarding digests"),
        }
    }

    fn sign(&self, text: &[u8]) -> [u8; 32] {
        mac(&self.links, &[text])
    }

    /// The digest of these parts. Each is counted, so that moving text from one to the next gives another digest.
    pub fn digest<'a>(&self, parts: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
        let mut text = Zeroizing::new(Vec::new());
        for part in parts {
            text.extend_from_slice(&(part.len() as u64).to_be_bytes());
            text.extend_from_slice(part.as_bytes());
        }
        mac(&self.digests, &[&text]).to_vec()
    }
}

#[allow(
    clippy::expect_used,
    reason = "HMAC takes keys of any length; the type cannot say so"
)]
fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
