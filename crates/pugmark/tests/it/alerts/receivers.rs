//! What takes alerts in tests: a webhook, and a mail server that speaks just enough SMTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use pugmark::config::WebhookUrl;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::harness::PATIENCE;

/// A webhook.
pub(crate) struct Webhook {
    address: SocketAddr,
    answers: Arc<AtomicU16>,
    received: UnboundedReceiver<(u16, String)>,
}

type Told = (Arc<AtomicU16>, UnboundedSender<(u16, String)>);

impl Webhook {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let answers = Arc::new(AtomicU16::new(200));
        let (told, received) = unbounded_channel();
        let router = Router::new()
            .route("/services/secret-path", post(take))
            .with_state((answers.clone(), told));
        tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Webhook {
            address,
            answers,
            received,
        }
    }

    pub(crate) fn url(&self) -> WebhookUrl {
        WebhookUrl::parse(&self.text()).expect("an address")
    }

    pub(crate) fn text(&self) -> String {
        format!("http://{}/services/secret-path", self.address)
    }

    /// From now on it answers with this status.
    pub(crate) fn answer(&self, status: u16) {
        self.answers.store(status, Ordering::SeqCst);
    }

    /// The next message, with the status that it was answered.
    pub(crate) async fn next(&mut self) -> (u16, String) {
        let next = tokio::time::timeout(PATIENCE, self.received.recv()).await;
        next.expect("a message comes").expect("it serves")
    }

    /// The next one that was taken.
    pub(crate) async fn taken(&mut self) -> String {
        loop {
            let (status, text) = self.next().await;
            if status == 200 {
                return text;
            }
        }
    }
}

async fn take(State((answers, told)): State<Told>, body: String) -> StatusCode {
    let status = answers.load(Ordering::SeqCst);
    let json: Value = serde_json::from_str(&body).expect("JSON, as Slack takes it");
    let keys: Vec<&String> = json.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["text"]);
    let text = json["text"].as_str().expect("text").to_owned();
    told.send((status, text)).expect("the test runs");
    StatusCode::from_u16(status).expect("a status")
}

/// A mail server without TLS.
pub(crate) struct Post {
    pub(crate) address: SocketAddr,
    received: UnboundedReceiver<String>,
}

impl Post {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (told, received) = unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, told.clone()));
            }
        });
        Post { address, received }
    }

    /// The next letter: envelope, headers and text.
    pub(crate) async fn next(&mut self) -> String {
        let next = tokio::time::timeout(PATIENCE, self.received.recv()).await;
        next.expect("a letter comes").expect("it serves")
    }
}

async fn converse(stream: TcpStream, told: UnboundedSender<String>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 post of a test\r\n").await?;
    let (mut letter, mut in_letter) = (String::new(), false);
    while let Some(line) = lines.next_line().await? {
        if in_letter && line != "." {
            letter.push_str(&format!("{line}\n"));
            continue;
        }
        let word = line
            .split([' ', ':'])
            .next()
            .unwrap_or_default()
            .to_uppercase();
        let answer = match word.as_str() {
            "." => {
                in_letter = false;
                told.send(std::mem::take(&mut letter))
                    .expect("the test runs");
                "250 taken"
            }
            "DATA" => {
                in_letter = true;
                "354 go on"
            }
            "EHLO" => "250-post\r\n250 AUTH PLAIN",
            "AUTH" => "235 welcome",
            "QUIT" => "221 bye",
            "MAIL" | "RCPT" => {
                letter.push_str(&format!("{line}\n"));
                "250 fine"
            }
            _ => "250 fine",
        };
        if word == "AUTH" {
            letter.push_str(&format!("{line}\n"));
        }
        write.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
    Ok(())
}
