//! A server that breaks off where an HTTP library would not, and that holds its answers until a test says go.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use maxio::{Client, Settings};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the server does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// A complete answer of 200 with this JSON.
    Json(Value),
    /// The head and half of the body, then the connection is closed.
    CutBody(Value),
    /// The connection is closed without a word.
    Close,
    /// Nothing, until the client gives up.
    Hang,
}

/// The server; stops when dropped.
pub(crate) struct Rough {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Rough {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Rough {
    /// Treats every request alike.
    pub(crate) async fn always(reply: Reply) -> Self {
        Self::by(move |_number| {
            let reply = reply.clone();
            async move { reply }
        })
        .await
    }

    /// Treats each request by its number, which begins with one.
    pub(crate) async fn by<F>(handler: impl Fn(usize) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Reply> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&requests);
        let handler = Arc::new(handler);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (handler, seen) = (Arc::clone(&handler), Arc::clone(&seen));
                connections.spawn(serve(stream, seen, move |number| handler(number)));
            }
        });
        Self {
            address,
            requests,
            task,
        }
    }

    pub(crate) fn settings(&self) -> Settings {
        crate::service::settings(&format!("http://{}", self.address))
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.settings()).unwrap()
    }

    /// How many requests arrived.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn serve<F: Future<Output = Reply>>(
    mut stream: TcpStream,
    seen: Arc<AtomicUsize>,
    handler: impl Fn(usize) -> F,
) {
    let mut buffer = Vec::new();
    while read_request(&mut stream, &mut buffer).await.is_some() {
        let number = seen.fetch_add(1, Ordering::SeqCst) + 1;
        let (answer, keep) = match handler(number).await {
            Reply::Json(body) => (head(&body) + &body.to_string(), true),
            Reply::CutBody(body) => {
                let text = body.to_string();
                (head(&body) + &text[..text.len() / 2], false)
            }
            Reply::Close => return,
            Reply::Hang => {
                // Ends when the client closes its side.
                let _ = stream.read(&mut [0; 1]).await;
                return;
            }
        };
        if stream.write_all(answer.as_bytes()).await.is_err() || !keep {
            return;
        }
    }
}

fn head(body: &Value) -> String {
    let length = body.to_string().len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n")
}

/// Reads past one request.
async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let head_end = loop {
        if let Some(position) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break position + 4;
        }
        read_more(stream, buffer).await?;
    };
    let head = String::from_utf8_lossy(&buffer[..head_end]).to_lowercase();
    let length: usize = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .map_or(0, |value| value.trim().parse().unwrap());
    while buffer.len() < head_end + length {
        read_more(stream, buffer).await?;
    }
    buffer.drain(..head_end + length);
    Some(())
}

async fn read_more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let read = stream.read_buf(buffer).await.ok()?;
    (read > 0).then_some(())
}
