//! A client that sees what really arrives: one connection per request, bytes as they come.

use std::collections::HashMap;
use std::time::Duration;

use md5::{Digest, Md5};
use pugmark_sandbox::VtigerSandbox;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Generous: only a broken test runs into it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What came back on the connection.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// 0 when nothing came.
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// Whether as much body came as the head promised.
    pub(crate) complete: bool,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn result(&self) -> Value {
        let json = self.json();
        assert_eq!(json["success"], Value::Bool(true), "{json}");
        json["result"].clone()
    }

    pub(crate) fn code(&self) -> String {
        let json = self.json();
        json["error"]["code"]
            .as_str()
            .map_or_else(|| json["error"]["code"].to_string(), str::to_owned)
    }

    pub(crate) fn content_type(&self) -> &str {
        self.headers
            .get("content-type")
            .map(String::as_str)
            .unwrap_or_default()
    }
}

/// Sends one request and reads until the server closes.
pub(crate) async fn exchange(
    port: u16,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut stream = send(port, method, target, headers, body).await;
    read(&mut stream).await
}

/// Sends one request and leaves the connection open.
pub(crate) async fn send(
    port: u16,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port))
        .await
        .expect("the sandbox listens");
    let mut head =
        format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    stream
        .write_all(head.as_bytes())
        .await
        .expect("the head is sent");
    // A server that refuses early may close before everything is sent.
    let _ = stream.write_all(body).await;
    stream
}

/// Reads an answer to the end of the connection.
pub(crate) async fn read(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    // A cut connection is an answer too: what came before it counts.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .expect("the connection ends");
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Answer {
    let nothing = || Answer {
        status: 0,
        reason: String::new(),
        headers: HashMap::new(),
        body: Vec::new(),
        complete: false,
    };
    let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return nothing();
    };
    let head = String::from_utf8_lossy(&bytes[..at]);
    let mut lines = head.lines();
    let mut status_line = lines.next().unwrap_or_default().splitn(3, ' ');
    let status = status_line
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap_or(0);
    let reason = status_line.next().unwrap_or_default().to_owned();
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let body = bytes[at + 4..].to_vec();
    let promised = headers
        .get("content-length")
        .and_then(|length| length.parse::<usize>().ok())
        .unwrap_or(0);
    Answer {
        status,
        reason,
        complete: body.len() == promised,
        headers,
        body,
    }
}

/// `a=b&c=d`, escaped.
pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    let escaped: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", escape(name), escape(value)))
        .collect();
    escaped.join("&")
}

fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

pub(crate) const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

/// A logged-in caller of `webservice.php`.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) port: u16,
    pub(crate) session: String,
}

impl Caller {
    pub(crate) async fn log_in(sandbox: &VtigerSandbox) -> Self {
        let session = log_in(sandbox.port(), sandbox.username(), sandbox.access_key())
            .await
            .result();
        Self {
            port: sandbox.port(),
            session: session["sessionName"].as_str().unwrap().to_owned(),
        }
    }

    pub(crate) async fn get(&self, operation: &str, pairs: &[(&str, &str)]) -> Answer {
        let mut all = vec![("operation", operation), ("sessionName", &self.session)];
        all.extend_from_slice(pairs);
        exchange(
            self.port,
            "GET",
            &format!("/webservice.php?{}", form(&all)),
            &[],
            b"",
        )
        .await
    }

    pub(crate) async fn post(&self, operation: &str, pairs: &[(&str, &str)]) -> Answer {
        read(&mut self.start_post(operation, pairs).await).await
    }

    pub(crate) async fn start_post(&self, operation: &str, pairs: &[(&str, &str)]) -> TcpStream {
        let mut all = vec![("operation", operation), ("sessionName", &self.session)];
        all.extend_from_slice(pairs);
        send(
            self.port,
            "POST",
            "/webservice.php",
            &[FORM],
            form(&all).as_bytes(),
        )
        .await
    }

    pub(crate) async fn create(&self, module: &str, element: &Value) -> Answer {
        self.post(
            "create",
            &[("elementType", module), ("element", &element.to_string())],
        )
        .await
    }

    pub(crate) async fn revise(&self, element: &Value) -> Answer {
        self.post("revise", &[("element", &element.to_string())])
            .await
    }

    pub(crate) async fn query(&self, query: &str) -> Answer {
        self.get("query", &[("query", query)]).await
    }

    pub(crate) async fn retrieve(&self, id: &str) -> Answer {
        self.get("retrieve", &[("id", id)]).await
    }
}

/// Challenge and login on a server that may print noise; gives the JSON behind it.
pub(crate) async fn log_in_quietly(port: u16, user: &str, key: &str) -> Value {
    let text = log_in(port, user, key).await.text();
    serde_json::from_str(&text[text.find("{\"success\":").unwrap()..]).unwrap()
}

/// Challenge and login.
pub(crate) async fn log_in(port: u16, user: &str, key: &str) -> Answer {
    let target = format!(
        "/webservice.php?{}",
        form(&[("operation", "getchallenge"), ("username", user)])
    );
    let challenge = exchange(port, "GET", &target, &[], b"").await.text();
    let token = challenge
        .split("\"token\":\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("a token");
    let digest = hex::encode(Md5::digest(format!("{token}{key}")));
    let body = form(&[
        ("operation", "login"),
        ("username", user),
        ("accessKey", &digest),
    ]);
    exchange(port, "POST", "/webservice.php", &[FORM], body.as_bytes()).await
}
