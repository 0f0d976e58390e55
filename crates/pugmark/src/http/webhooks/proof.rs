//! Whether a delivery comes from who it says: four ways to prove it, each compared in constant time.
//!
//! Every proof that is shown and that is switched on must hold, and at least one must be shown. So a delivery with a good address
//! and a bad signature is refused, and one that shows nothing is, too.

use std::time::Duration;

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::stringify::stringified;
use crate::config::{WebhookSecrets, Webhooks};

/// The header of plain HMAC signatures.
pub const SIGNATURE: &str = "x-vtiger-signature";
/// The headers of Standard Webhooks: <https://www.standardwebhooks.com>.
pub const STANDARD_HEADERS: [&str; 3] = ["webhook-id", "webhook-timestamp", "webhook-signature"];
/// Signatures looked at in one header; more is nobody's rotation.
const MOST_SIGNATURES: usize = 16;
/// Longest id of a sender.
const LONGEST_ID: usize = 200;

/// How a delivery proved where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// HMAC-SHA256 in `X-Vtiger-Signature`.
    Hmac,
    /// Standard Webhooks.
    Standard,
    /// A static secret in a header.
    Header,
    /// A static secret in the address.
    Path,
}

impl Kind {
    /// The word stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Hmac => "hmac",
            Kind::Standard => "standard",
            Kind::Header => "header",
            Kind::Path => "path",
        }
    }

    /// Whether the body itself is vouched for, and not only the sender's knowing a word.
    pub fn is_signed(self) -> bool {
        matches!(self, Kind::Hmac | Kind::Standard)
    }
}

/// A proof that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The strongest of the proofs shown.
    pub kind: Kind,
    /// Which of the secrets of that kind it was, counted from 1.
    pub secret_number: usize,
    /// The sender's id of the delivery, where the proof covers one.
    pub id: Option<String>,
}

/// Why a delivery is refused. For the log and the counts, never for the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unproven {
    /// No way to prove anything is switched on.
    NothingConfigured,
    /// Nothing was shown that is switched on.
    NothingShown,
    /// A signature does not fit.
    BadSignature,
    /// The time of the delivery is too far from ours, or none.
    BadTime,
    /// A static secret is wrong.
    BadSecret,
}

impl Unproven {
    /// The word stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Unproven::NothingConfigured => "no secret is configured",
            Unproven::NothingShown => "no proof",
            Unproven::BadSignature => "bad signature",
            Unproven::BadTime => "bad time",
            Unproven::BadSecret => "bad secret",
        }
    }
}

/// What is shown besides the body.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The end of the address, behind the endpoint's own.
    pub path: Option<&'a str>,
    /// The body as it came.
    pub body: &'a [u8],
    /// Whether a signature over the JSON as JavaScript would write it again counts, too.
    pub reserialised: bool,
    /// Now.
    pub now: Timestamp,
}

/// Judges what is shown.
///
/// # Errors
/// [`Unproven`], with the first thing that is wrong.
pub fn judge(settings: &Webhooks, shown: &Shown<'_>) -> Result<Proven, Unproven> {
    let secrets = &settings.secrets;
    if secrets.is_empty() {
        return Err(Unproven::NothingConfigured);
    }
    let proofs = [
        standard(secrets, settings.tolerance, shown)?,
        plain_hmac(secrets, shown)?,
        header(secrets, settings, shown)?,
        path(secrets, shown)?,
    ];
    proofs
        .into_iter()
        .flatten()
        .next()
        .ok_or(Unproven::NothingShown)
}

fn standard(
    secrets: &WebhookSecrets,
    tolerance: Duration,
    shown: &Shown<'_>,
) -> Result<Option<Proven>, Unproven> {
    let [id, time, signatures] = STANDARD_HEADERS.map(|name| text(shown.headers, name));
    if secrets.signing.is_empty() || (id.is_none() && signatures.is_none()) {
        return Ok(None);
    }
    let (Some(id), Some(signatures)) = (id, signatures) else {
        return Err(Unproven::BadSignature);
    };
    let time = time.ok_or(Unproven::BadTime)?;
    let well_formed = !id.is_empty() && id.len() <= LONGEST_ID;
    let mut found = None;
    for (key, number) in secrets.signing.iter().zip(1..) {
        let signed = [id.as_bytes(), b".", time.as_bytes(), b".", shown.body];
        let expected = mac(key, &signed);
        for signature in signatures.split(' ').take(MOST_SIGNATURES) {
            let given = signature
                .strip_prefix("v1,")
                .and_then(|text| STANDARD.decode(text).ok());
            if given.is_some_and(|given| bool::from(given.ct_eq(&expected))) {
                found = found.or(Some(number));
            }
        }
    }
    let secret_number = found
        .filter(|_| well_formed)
        .ok_or(Unproven::BadSignature)?;
    // Only of a time that is signed is it worth saying that it is wrong.
    let seconds: i64 = time.parse().map_err(|_| Unproven::BadTime)?;
    let apart = shown.now.as_second().abs_diff(seconds);
    if apart > tolerance.as_secs() {
        return Err(Unproven::BadTime);
    }
    Ok(Some(Proven {
        kind: Kind::Standard,
        secret_number,
        id: Some(id.to_owned()),
    }))
}

fn plain_hmac(secrets: &WebhookSecrets, shown: &Shown<'_>) -> Result<Option<Proven>, Unproven> {
    if secrets.hmac.is_empty() || !shown.headers.contains_key(SIGNATURE) {
        return Ok(None);
    }
    let given = text(shown.headers, SIGNATURE).ok_or(Unproven::BadSignature)?;
    let given = match given.split_at_checked(7) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("sha256=") => rest,
        _ => given,
    };
    let given = hex::decode(given).map_err(|_| Unproven::BadSignature)?;
    let signed_with = |body: &[u8]| {
        let mut found = None;
        for (secret, number) in secrets.hmac.iter().zip(1..) {
            let key = secret.expose_secret().as_bytes();
            if bool::from(given.ct_eq(&mac(key, &[body]))) {
                found = found.or(Some(number));
            }
        }
        found
    };
    // Few senders sign what is not what they send, so the body is written again only where its own bytes do not do.
    let again = || {
        shown
            .reserialised
            .then(|| stringified(shown.body))
            .flatten()
    };
    let secret_number = signed_with(shown.body)
        .or_else(|| signed_with(again()?.as_bytes()))
        .ok_or(Unproven::BadSignature)?;
    Ok(Some(Proven {
        kind: Kind::Hmac,
        secret_number,
        id: None,
    }))
}

fn header(
    secrets: &WebhookSecrets,
    settings: &Webhooks,
    shown: &Shown<'_>,
) -> Result<Option<Proven>, Unproven> {
    match shown.headers.get(&settings.header) {
        Some(given) if !secrets.header.is_empty() => {
            one_of(Kind::Header, given.as_bytes(), &secrets.header).map(Some)
        }
        _ => Ok(None),
    }
}

fn path(secrets: &WebhookSecrets, shown: &Shown<'_>) -> Result<Option<Proven>, Unproven> {
    match shown.path {
        // Whoever shows a secret is told nothing about which kinds there are.
        Some(given) => one_of(Kind::Path, given.as_bytes(), &secrets.path).map(Some),
        None => Ok(None),
    }
}

fn one_of(kind: Kind, given: &[u8], known: &[SecretString]) -> Result<Proven, Unproven> {
    // Digests are equally long, so that the time taken does not even tell the length.
    let given = Sha256::digest(given);
    let mut found = None;
    for (secret, number) in known.iter().zip(1..) {
        let known = Sha256::digest(secret.expose_secret().as_bytes());
        if bool::from(given.as_slice().ct_eq(known.as_slice())) {
            found = found.or(Some(number));
        }
    }
    found
        .map(|secret_number| Proven {
            kind,
            secret_number,
            id: None,
        })
        .ok_or(Unproven::BadSecret)
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    // HMAC takes keys of any length; the type cannot say so.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Vec::new();
    };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

/// The one value of a header. Several could be read in two ways.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok().map(str::trim),
        _ => None,
    }
}
