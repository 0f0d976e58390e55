//! Somebody who receives webhooks: keeps what arrives and answers what it is told to.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::raw::PATIENCE;

/// One received request.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) target: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub(crate) struct Receiver {
    port: u16,
    received: Arc<watch::Sender<Vec<Received>>>,
    status: Arc<Mutex<u16>>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let this = Self {
            port: listener.local_addr().unwrap().port(),
            received: Arc::new(watch::Sender::new(Vec::new())),
            status: Arc::new(Mutex::new(200)),
        };
        let (received, status) = (Arc::clone(&this.received), Arc::clone(&this.status));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (received, status) = (Arc::clone(&received), Arc::clone(&status));
                tokio::spawn(async move { serve(stream, &received, &status).await });
            }
        });
        this
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hooks?x=1", self.port)
    }

    pub(crate) fn answer(&self, status: u16) {
        *self.status.lock().unwrap() = status;
    }

    /// What arrived since this was asked last.
    pub(crate) fn take(&self) -> Vec<Received> {
        self.received.send_replace(Vec::new())
    }
}

impl Receiver {
    /// What arrived since this was asked last, as soon as that is so much.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Received> {
        let mut received = self.received.subscribe();
        let enough = received.wait_for(|received| received.len() >= count);
        let enough = tokio::time::timeout(PATIENCE, enough).await;
        drop(enough.expect("it arrives").unwrap());
        self.take()
    }
}

async fn serve(
    mut stream: TcpStream,
    received: &watch::Sender<Vec<Received>>,
    status: &Mutex<u16>,
) {
    let mut bytes = Vec::new();
    let (head, body) = loop {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.unwrap();
        bytes.extend_from_slice(&part[..read]);
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let Some(end) = end else { continue };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        if bytes.len() >= end + 4 + length {
            break (head, bytes[end + 4..].to_vec());
        }
    };
    let mut lines = head.lines();
    let mut first = lines.next().unwrap().split(' ').map(str::to_owned);
    let request = Received {
        method: first.next().unwrap(),
        target: first.next().unwrap(),
        headers: lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        body,
    };
    received.send_modify(|received| received.push(request));
    let status = *status.lock().unwrap();
    let answer =
        format!("HTTP/1.1 {status} Said\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.unwrap();
}
