//! A small HTTP/1.1 server on loopback that says exactly what a test wants, down to breaking off in the middle.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use secrecy::SecretString;
use serde_json::{Value, json};
use supabase_auth::{Client, ClientConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

pub(crate) const ADMIN_KEY: &str = "sb_secret_DummyAdminKey01";
pub(crate) const PUBLIC_KEY: &str = "sb_publishable_DummyKey02";
pub(crate) const AMINA: Uuid = Uuid::from_u128(0x1111_1111_2222_4333_8444_5555_5555_5555);

/// A request as the server read it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HashMap<String, String>,
    /// Null when there was none.
    pub(crate) body: Value,
}

impl Request {
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// `PUT /auth/v1/admin/users`
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
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
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: vec![("Content-Type".to_owned(), content_type.to_owned())],
            body: body.into(),
        }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    pub(crate) fn ok(body: &Value) -> Self {
        Self::json(200, body)
    }

    /// An error in the form this client asks for.
    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        let body = json!({"code": code, "message": message});
        Self::json(status, &body).header("x-sb-error-code", code)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn head(&self) -> String {
        let mut head = format!("HTTP/1.1 {} Whatever\r\n", self.status);
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

/// Amina, as reads show her.
pub(crate) fn amina() -> Value {
    json!({
        "id": AMINA, "aud": "authenticated", "role": "authenticated",
        "email": "amina@example.com", "email_confirmed_at": "2026-01-15T09:30:00.123456789Z", "phone": "",
        "confirmed_at": "2026-01-15T09:30:00.123456789Z",
        "app_metadata": {"provider": "email", "providers": ["email"], "tenant": "microbima", "roles": ["admin"]},
        "user_metadata": {"display_name": "Amina", "email_verified": true, "roles": ["brand_ambassador"]},
        "identities": [{
            "identity_id": "9e107d9d-372b-4b1e-9f2a-0c1d2e3f4a5b", "id": AMINA, "user_id": AMINA,
            "identity_data": {"email": "amina@example.com", "email_verified": false, "sub": AMINA},
            "provider": "email", "last_sign_in_at": "2026-01-15T09:30:00.12Z",
            "created_at": "2026-01-15T09:30:00.12Z", "updated_at": "2026-01-15T09:30:00.12Z",
            "email": "amina@example.com"
        }],
        "created_at": "2026-01-15T09:30:00.1Z", "updated_at": "2026-01-15T09:30:00Z", "is_anonymous": false
    })
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

    /// Answers every request alike.
    pub(crate) async fn always(reply: impl Into<Reply>) -> Self {
        let reply = reply.into();
        Self::start(move |_| reply.clone()).await
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

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The only request there was.
    pub(crate) fn only_request(&self) -> Request {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests[0].clone()
    }

    pub(crate) fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new(&self.url(), SecretString::from(ADMIN_KEY)).unwrap();
        config.public_key = Some(PUBLIC_KEY.into());
        config
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.config()).unwrap()
    }
}

async fn serve(mut stream: TcpStream, handler: Arc<Handler>, seen: Arc<Mutex<Vec<Request>>>) {
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer).await {
        seen.lock().unwrap().push(request.clone());
        let (answer, keep) = match handler(request).await {
            Reply::Full(answer) => ([answer.head().as_bytes(), &answer.body].concat(), true),
            Reply::CutBody(answer) => {
                let half = &answer.body[..answer.body.len() / 2];
                ([answer.head().as_bytes(), half].concat(), false)
            }
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
    let body = serde_json::from_slice(&buffer[head_end..head_end + length]).unwrap_or_default();
    buffer.drain(..head_end + length);
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    Some(Request {
        method,
        path: path.to_owned(),
        query: url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect(),
        headers,
        body,
    })
}

async fn read_more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let read = stream.read_buf(buffer).await.ok()?;
    (read > 0).then_some(())
}
