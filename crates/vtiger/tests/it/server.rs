//! A small HTTP/1.1 server on loopback that says exactly what a test wants, down to the reason phrase and to breaking
//! off in the middle.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use vtiger::{Client, ClientConfig};

pub(crate) const USERNAME: &str = "admin";
pub(crate) const ACCESS_KEY: &str = "DummyAccessKey01";

/// A request as the server read it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) form: Vec<(String, String)>,
}

impl Request {
    /// A parameter, wherever it stands.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .chain(&self.form)
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The operation: a parameter on open source, the last part of the path on Cloud.
    pub(crate) fn operation(&self) -> &str {
        self.param("operation")
            .unwrap_or_else(|| self.path.rsplit('/').next().unwrap_or_default())
    }
}

/// What the server does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// A complete answer.
    Full(Answer),
    /// The head and half of the body, then the connection is closed.
    CutBody(Answer),
    /// The connection is closed without a word.
    Close,
    /// Nothing, until the client gives up.
    Hang,
}

#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let reason = http::StatusCode::from_u16(status)
            .unwrap()
            .canonical_reason()
            .unwrap_or("Unnamed")
            .to_owned();
        let headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
        Self {
            status,
            reason,
            headers,
            body: body.into(),
        }
    }

    pub(crate) fn json(body: &serde_json::Value) -> Self {
        Self::new(200, "application/json", body.to_string())
    }

    pub(crate) fn reason(mut self, reason: &str) -> Self {
        self.reason = reason.to_owned();
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn head(&self) -> String {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, self.reason);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", self.body.len()));
        head
    }
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self::Full(answer)
    }
}

pub(crate) fn success(result: serde_json::Value) -> Reply {
    Answer::json(&serde_json::json!({"success": true, "result": result})).into()
}

pub(crate) fn refusal(code: &str, message: &str) -> Reply {
    Answer::json(
        &serde_json::json!({"success": false, "error": {"code": code, "message": message}}),
    )
    .into()
}

type Handler = dyn Fn(Request) -> Pin<Box<dyn Future<Output = Reply> + Send>> + Send + Sync;

/// The server; stops when dropped.
pub(crate) struct Server {
    address: std::net::SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Answers every request by a function.
    pub(crate) async fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_async(move |request| {
            let reply = handler(&request);
            async move { reply }
        })
        .await
    }

    /// Answers every request by an asynchronous function.
    pub(crate) async fn start_async<F>(
        handler: impl Fn(Request) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Reply> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let handler: Arc<Handler> = Arc::new(move |request| Box::pin(handler(request)));
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&handler), Arc::clone(&seen)));
            }
        });
        Self {
            address,
            requests,
            task,
        }
    }

    /// An open-source server: logins work, the other calls are answered by the function.
    pub(crate) async fn open_source(
        handler: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start(move |request| login_reply(request).unwrap_or_else(|| handler(request))).await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn requests_of(&self, operation: &str) -> Vec<Request> {
        self.requests()
            .into_iter()
            .filter(|request| request.operation() == operation)
            .collect()
    }

    pub(crate) fn open_source_config(&self) -> ClientConfig {
        ClientConfig::open_source(&self.url(), USERNAME, SecretString::from(ACCESS_KEY)).unwrap()
    }

    pub(crate) fn open_source_client(&self) -> Client {
        Client::new(self.open_source_config()).unwrap()
    }

    pub(crate) fn cloud_config(&self) -> ClientConfig {
        ClientConfig::cloud(&self.url(), USERNAME, SecretString::from(ACCESS_KEY)).unwrap()
    }

    pub(crate) fn cloud_client(&self) -> Client {
        Client::new(self.cloud_config()).unwrap()
    }
}

/// The usual answers to getchallenge and login.
pub(crate) fn login_reply(request: &Request) -> Option<Reply> {
    match request.operation() {
        "getchallenge" => Some(success(serde_json::json!({
            "token": "6b013ad0a43d3", "serverTime": 1_795_242_704, "expireTime": 1_795_243_004
        }))),
        "login" => Some(success(serde_json::json!({
            "sessionName": "460db5d76b013ad0a9668", "userId": "19x1", "version": "0.22", "vtigerVersion": "8.0.0"
        }))),
        _ => None,
    }
}

async fn serve(mut stream: TcpStream, handler: Arc<Handler>, seen: Arc<Mutex<Vec<Request>>>) {
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer).await {
        seen.lock().unwrap().push(request.clone());
        let (answer, keep) = match handler(request).await {
            Reply::Full(answer) => ([answer.head().as_bytes(), &answer.body].concat(), true),
            Reply::CutBody(answer) => (
                [
                    answer.head().as_bytes(),
                    &answer.body[..answer.body.len() / 2],
                ]
                .concat(),
                false,
            ),
            Reply::Close => return,
            Reply::Hang => {
                // Ends when the client closes its side.
                let _ = stream.read(&mut [0; 1]).await;
                return;
            }
        };
        if stream.write_all(&answer).await.is_err() || !keep {
            return;
        }
    }
}

async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Request> {
    let head_end = loop {
        if let Some(position) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break position + 4;
        }
        read_more(stream, buffer).await?;
    };
    let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length: usize = headers
        .get("content-length")
        .map_or(0, |value| value.parse().unwrap());
    while buffer.len() < head_end + length {
        read_more(stream, buffer).await?;
    }
    let body = buffer[head_end..head_end + length].to_vec();
    buffer.drain(..head_end + length);
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    Some(Request {
        method,
        path: path.to_owned(),
        query: pairs(query.as_bytes()),
        headers,
        form: pairs(&body),
    })
}

async fn read_more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let read = stream.read_buf(buffer).await.ok()?;
    (read > 0).then_some(())
}

fn pairs(text: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(text).into_owned().collect()
}
