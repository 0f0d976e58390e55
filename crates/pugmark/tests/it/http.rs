//! A caller of Pugmark's API.

use std::net::SocketAddr;

use pugmark::app::Running;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

use crate::harness::TOKEN;

/// Speaks to a running Pugmark with the right token, unless told otherwise.
pub(crate) struct Api {
    client: Client,
    base: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
    /// `null` where the text is no JSON.
    pub(crate) json: Value,
}

impl Api {
    pub(crate) fn of(running: &Running) -> Self {
        Self::at(running.address.expect("this process has the role api"))
    }

    pub(crate) fn at(address: SocketAddr) -> Self {
        let client = Client::builder()
            .no_proxy()
            .build()
            .expect("a client is made");
        Api {
            client,
            base: format!("http://{address}"),
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.base
    }

    /// A request without a token.
    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).bearer_auth(TOKEN)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        answer(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        answer(self.request(Method::PATCH, path).json(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        answer(self.request(Method::DELETE, path)).await
    }

    /// Posts these bytes as they are.
    pub(crate) async fn post_bytes(&self, path: &str, body: impl Into<Vec<u8>>) -> Answer {
        answer(self.request(Method::POST, path).body(body.into())).await
    }
}

pub(crate) async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.expect("an answer comes");
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let text = response.text().await.expect("the answer has an end");
    let json = serde_json::from_str(&text).unwrap_or_default();
    Answer {
        status,
        headers,
        text,
        json,
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// What a good answer carries.
    pub(crate) fn data(&self) -> &Value {
        assert!(self.status < 300, "{} {}", self.status, self.text);
        &self.json["data"]
    }

    /// `error.code`.
    pub(crate) fn code(&self) -> &str {
        self.json["error"]["code"].as_str().unwrap_or_default()
    }

    /// `error.message`.
    pub(crate) fn message(&self) -> &str {
        self.json["error"]["message"].as_str().unwrap_or_default()
    }

    /// What was wrong with a field, or nothing.
    pub(crate) fn detail(&self, field: &str) -> &str {
        self.json["error"]["details"][field]
            .as_str()
            .unwrap_or_default()
    }

    /// The names of the fields something was wrong with.
    pub(crate) fn wrong_fields(&self) -> Vec<String> {
        let mut names: Vec<String> = keys(&self.json["error"]["details"]);
        names.sort();
        names
    }

    /// Every error has the same form, whatever caused it.
    pub(crate) fn assert_error(&self, status: u16, code: &str, path: &str) {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.code(), code, "{}", self.text);
        assert_eq!(keys(&self.json), ["error"]);
        let error = &self.json["error"];
        assert_eq!(
            keys(error),
            [
                "code",
                "status",
                "message",
                "details",
                "correlationId",
                "timestamp",
                "path"
            ],
        );
        assert_eq!(error["status"], status);
        let path = path.split('?').next().unwrap_or_default();
        assert_eq!(error["path"], path);
        assert_eq!(error["correlationId"], self.header("x-correlation-id"));
        assert!(error["details"].is_object());
        assert!(!self.message().is_empty());
        let at: Result<jiff::Timestamp, _> = error["timestamp"].as_str().unwrap_or("").parse();
        assert!(at.is_ok(), "{}", self.text);
    }
}

/// The keys of an object, in its order.
pub(crate) fn keys(value: &Value) -> Vec<String> {
    value
        .as_object()
        .map(|object| object.keys().cloned().collect())
        .unwrap_or_default()
}
