//! Webhooks that a look-alike sends, and what becomes of them on the way.

use std::fmt;
use std::io;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::fault::{Occurrence, strikes};

/// How long a receiver has for its answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// A webhook ready to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookRequest {
    /// `POST` or `PUT`.
    pub method: String,
    /// Where to: an `http` address, and for [`WebhookRequest::send`] one on this machine.
    pub url: String,
    /// Names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

impl fmt::Debug for WebhookRequest {
    /// Without headers' values, among which there are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("WebhookRequest")
            .field("method", &self.method)
            .field("headers", &names)
            .field("body", &String::from_utf8_lossy(&self.body))
            .finish_non_exhaustive()
    }
}

impl WebhookRequest {
    /// A POST of this body.
    pub fn post(url: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            method: "POST".to_owned(),
            url: url.to_owned(),
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            body: body.into(),
        }
    }

    /// With a header, over one of the same name.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        let name = name.to_ascii_lowercase();
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    /// A header's value; the name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Signed by the header `X-Vtiger-Signature`.
    #[must_use]
    pub fn signed(self, signature: &HexSignature) -> Self {
        let header = signature.of(&self.body);
        self.with_header(HexSignature::HEADER, &header)
    }

    /// Signed as Standard Webhooks has it: under this id, at this moment, by the bytes of the secret.
    #[must_use]
    pub fn signed_standard(self, key: &[u8], id: &str, at: Timestamp) -> Self {
        let second = at.as_second().to_string();
        let mut signed = format!("{id}.{second}.").into_bytes();
        signed.extend_from_slice(&self.body);
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), &signed);
        self.with_header("webhook-id", id)
            .with_header("webhook-timestamp", &second)
            .with_header("webhook-signature", &format!("v1,{}", STANDARD.encode(tag)))
    }

    /// As somebody sends it who knows an earlier one but not the secret: other digits in the body, the same headers.
    #[must_use]
    pub fn forged(&self) -> Self {
        let turned = |byte: &u8| match byte {
            b'0'..=b'8' => byte + 1,
            b'9' => b'0',
            other => *other,
        };
        Self {
            body: self.body.iter().map(turned).collect(),
            ..self.clone()
        }
    }

    /// With half of its body and all of its headers, the length set right.
    #[must_use]
    pub fn truncated(&self) -> Self {
        Self {
            body: self.body[..self.body.len() / 2].to_vec(),
            ..self.clone()
        }
    }

    /// Sends it on a connection of its own; gives the HTTP status.
    ///
    /// # Errors
    /// When the address is not one of `http`, nobody listens there, or no answer comes within 15 seconds.
    pub async fn send(&self) -> io::Result<u16> {
        let exchange = tokio::time::timeout(PATIENCE, self.exchange());
        exchange.await.map_err(io::Error::other)?
    }

    async fn exchange(&self) -> io::Result<u16> {
        let uri: http::Uri = self.url.parse().map_err(io::Error::other)?;
        let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http"));
        let authority = authority.ok_or_else(|| io::Error::other("not an http address"))?;
        let address = (authority.host(), authority.port_u16().unwrap_or(80));
        let stream = TcpStream::connect(address).await?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(io::Error::other)?;
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let mut request = http::Request::builder()
            .method(self.method.as_str())
            .uri(target)
            .header("host", authority.as_str());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let body = Full::new(Bytes::from(self.body.clone()));
        let request = request.body(body).map_err(io::Error::other)?;
        let served = tokio::spawn(connection);
        let answer = sender
            .send_request(request)
            .await
            .map_err(io::Error::other)?;
        let status = answer.status().as_u16();
        // The answer counts from its head on; its body is read so that the receiver sees no cut connection.
        let _ = answer.into_body().collect().await;
        served.abort();
        Ok(status)
    }
}

/// How the header `X-Vtiger-Signature` is made: HMAC-SHA256 of the body, in hexadecimal.
#[derive(Clone)]
pub struct HexSignature {
    secret: String,
    prefix: &'static str,
}

impl fmt::Debug for HexSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HexSignature(***)")
    }
}

impl HexSignature {
    /// The header's name.
    pub const HEADER: &'static str = "x-vtiger-signature";

    /// With this secret, its bytes as they are.
    pub fn new(secret: &str) -> Self {
        Self {
            secret: secret.to_owned(),
            prefix: "",
        }
    }

    /// With `sha256=` in front.
    #[must_use]
    pub fn prefixed(mut self) -> Self {
        self.prefix = "sha256=";
        self
    }

    /// The header's value for a body.
    pub fn of(&self, body: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_bytes());
        format!("{}{}", self.prefix, hex::encode(hmac::sign(&key, body)))
    }
}

/// `a=b&c=d`. Dots in names nest as PHP writes it: `data.email` becomes `data[email]`.
pub(crate) fn form_encoded(pairs: &[(String, String)]) -> String {
    let name = |name: &str| {
        let mut parts = name.split('.');
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |whole, part| format!("{whole}[{part}]"))
    };
    let pairs = pairs
        .iter()
        .map(|(key, value)| format!("{}={}", escaped(&name(key)), escaped(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                out.push(char::from(byte))
            }
            b' ' => out.push('+'),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

/// What may become of a webhook on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookFault {
    /// The sender believes it delivered; nobody ever receives it.
    Lose,
    /// It arrives so many times, all at once.
    Repeat(usize),
    /// The sender believes it delivered; it arrives behind so many later ones, or at the end of the run.
    HoldBack(usize),
    /// Somebody else sends the like with another body in front of it; the real one follows.
    Forge,
    /// It arrives broken off; whole when it is sent again, as after every refusal.
    Truncate,
}

/// Faults of webhooks: the first rule that strikes a message wins. The same seed and the same messages give the same faults.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WebhookFaults {
    /// Decides every [`Occurrence::Rate`].
    pub seed: u64,
    /// The rules, in order. Messages are counted from 1 in each run.
    pub rules: Vec<(Occurrence, WebhookFault)>,
}

impl WebhookFaults {
    /// No fault yet.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            rules: Vec::new(),
        }
    }

    /// Adds a rule.
    #[must_use]
    pub fn rule(mut self, when: Occurrence, fault: WebhookFault) -> Self {
        self.rules.push((when, fault));
        self
    }

    fn decide(&self, number: u64) -> Option<WebhookFault> {
        let mut rules = self.rules.iter().enumerate();
        let struck = rules.find(|(rule, (when, _))| strikes(self.seed, *rule, number, *when));
        struck.map(|(_, (_, fault))| *fault)
    }
}

/// Carries messages to their receiver, in order but for the faults.
#[derive(Debug)]
pub(crate) struct Courier {
    faults: WebhookFaults,
    carried: u64,
    /// Messages held back, with how many others may still pass.
    held: Vec<(usize, WebhookRequest)>,
}

impl Courier {
    pub(crate) fn new(faults: WebhookFaults) -> Self {
        Self {
            faults,
            carried: 0,
            held: Vec::new(),
        }
    }

    /// Carries one message; gives the status that its sender sees, none for no answer.
    pub(crate) async fn carry(&mut self, request: WebhookRequest) -> Option<u16> {
        self.carried += 1;
        let answer = match self.faults.decide(self.carried) {
            None => request.send().await.ok(),
            Some(WebhookFault::Lose) => Some(200),
            Some(WebhookFault::Repeat(times)) => repeat(&request, times).await,
            Some(WebhookFault::HoldBack(others)) => {
                self.held.push((others + 1, request));
                Some(200)
            }
            Some(WebhookFault::Forge) => {
                let _ = request.forged().send().await;
                request.send().await.ok()
            }
            Some(WebhookFault::Truncate) => request.truncated().send().await.ok(),
        };
        self.let_pass().await;
        answer
    }

    async fn let_pass(&mut self) {
        for (others, _) in &mut self.held {
            *others -= 1;
        }
        let (due, held) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|(others, _)| *others == 0);
        self.held = held;
        deliver(due).await;
    }

    /// Delivers what is still held back, and goes on.
    pub(crate) async fn release_held(&mut self) {
        deliver(std::mem::take(&mut self.held)).await;
    }

    /// Delivers what is still held back.
    pub(crate) async fn finish(self) {
        deliver(self.held).await;
    }
}

async fn deliver(held: Vec<(usize, WebhookRequest)>) {
    for (_, request) in held {
        // Its sender believes it delivered and asks no more.
        let _ = request.send().await;
    }
}

async fn repeat(request: &WebhookRequest, times: usize) -> Option<u16> {
    let mut copies = JoinSet::new();
    for _ in 0..times.max(1) {
        let copy = request.clone();
        copies.spawn(async move { copy.send().await.ok() });
    }
    let answers = copies.join_all().await;
    answers.into_iter().flatten().min()
}

/// Sends webhooks one after the other to where they are to go, with these faults on the way. Gives what the sender sees of
/// each: the HTTP status, none for no answer; 200 for one that was lost or held back on the way.
pub async fn send_webhooks(
    requests: Vec<WebhookRequest>,
    faults: &WebhookFaults,
) -> Vec<Option<u16>> {
    let mut courier = Courier::new(faults.clone());
    let mut answers = Vec::new();
    for request in requests {
        answers.push(courier.carry(request).await);
    }
    courier.finish().await;
    answers
}
