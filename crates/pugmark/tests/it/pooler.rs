//! A pooler in transaction mode, reduced to what matters: each transaction of a client gets whichever connection is free.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use url::Url;

/// A connection to the server, past its greeting.
struct Backend {
    stream: TcpStream,
    greeting: Vec<u8>,
}

/// Listens on loopback and gives the address under which the database of `url` is reached through it. The server must let its
/// user in without a password.
pub(crate) async fn start(url: &str) -> String {
    let mut pooled = Url::parse(url).expect("a URL");
    let server = format!(
        "{}:{}",
        pooled.host_str().expect("a host"),
        pooled.port().unwrap_or(5432)
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    pooled.set_host(Some("127.0.0.1")).expect("a host");
    pooled.set_port(Some(port)).expect("a port");
    pooled.set_query(Some("sslmode=disable"));
    let idle: Arc<Mutex<Vec<Backend>>> = Arc::default();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(serve(client, server.clone(), idle.clone()));
        }
    });
    pooled.into()
}

async fn serve(
    mut client: TcpStream,
    server: String,
    idle: Arc<Mutex<Vec<Backend>>>,
) -> std::io::Result<()> {
    let startup = read_startup(&mut client).await?;
    let backend = take(&server, &startup, &idle).await?;
    client.write_all(&backend.greeting).await?;
    idle.lock().await.push(backend);
    let mut held: Option<Backend> = None;
    loop {
        let message = read_message(&mut client).await?;
        if message[0] == b'X' {
            return Ok(());
        }
        let mut backend = match held.take() {
            Some(backend) => backend,
            None => take(&server, &startup, &idle).await?,
        };
        backend.stream.write_all(&message).await?;
        // The server answers a query, or everything up to a Sync.
        let in_transaction = match message[0] {
            b'Q' | b'S' => pass_answers(&mut backend.stream, &mut client).await?,
            _ => true,
        };
        if in_transaction {
            held = Some(backend);
        } else {
            idle.lock().await.push(backend);
        }
    }
}

/// Passes on what the server says until it is ready, and tells whether a transaction is open then.
async fn pass_answers(server: &mut TcpStream, client: &mut TcpStream) -> std::io::Result<bool> {
    loop {
        let answer = read_message(server).await?;
        client.write_all(&answer).await?;
        if answer[0] == b'Z' {
            return Ok(answer[5] != b'I');
        }
    }
}

/// The connection that became free last, as poolers do, or a new one.
async fn take(
    server: &str,
    startup: &[u8],
    idle: &Mutex<Vec<Backend>>,
) -> std::io::Result<Backend> {
    if let Some(backend) = idle.lock().await.pop() {
        return Ok(backend);
    }
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(startup).await?;
    let mut greeting = Vec::new();
    loop {
        let message = read_message(&mut stream).await?;
        greeting.extend_from_slice(&message);
        if message[0] == b'Z' {
            return Ok(Backend { stream, greeting });
        }
    }
}

async fn read_startup(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let length = stream.read_u32().await?;
    let mut message = length.to_be_bytes().to_vec();
    message.resize(length as usize, 0);
    stream.read_exact(&mut message[4..]).await?;
    Ok(message)
}

async fn read_message(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let kind = stream.read_u8().await?;
    let length = stream.read_u32().await?;
    let mut message = vec![kind];
    message.extend_from_slice(&length.to_be_bytes());
    message.resize(length as usize + 1, 0);
    stream.read_exact(&mut message[5..]).await?;
    Ok(message)
}
