//! A pooler in transaction mode, reduced to what matters: each transaction of a client gets whichever connection is free.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use url::Url;

/// The server behind it.
struct Server {
    address: String,
    /// Of the user in the URL; nothing where the server asks for none.
    password: String,
}

/// A connection to the server, past its greeting.
struct Backend {
    stream: TcpStream,
    greeting: Vec<u8>,
}

/// Listens on loopback and gives the address under which the database of `url` is reached through it. The server lets its user
/// in without a password, or asks for it in clear.
pub(crate) async fn start(url: &str) -> String {
    start_as(url, false).await
}

/// The same, which refuses settings that come with the connection, as PgBouncer does.
pub(crate) async fn start_like_pgbouncer(url: &str) -> String {
    start_as(url, true).await
}

async fn start_as(url: &str, strict: bool) -> String {
    let mut pooled = Url::parse(url).expect("a URL");
    let server = Arc::new(Server {
        address: format!(
            "{}:{}",
            pooled.host_str().expect("a host"),
            pooled.port().unwrap_or(5432)
        ),
        password: pooled.password().unwrap_or_default().to_owned(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    pooled.set_host(Some("127.0.0.1")).expect("a host");
    pooled.set_port(Some(port)).expect("a port");
    pooled.set_query(Some("sslmode=disable"));
    let idle: Arc<Mutex<Vec<Backend>>> = Arc::default();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            // Answers pass on at once, in as many parts as they come.
            client.set_nodelay(true).expect("a socket");
            tokio::spawn(serve(client, server.clone(), idle.clone(), strict));
        }
    });
    pooled.into()
}

async fn serve(
    mut client: TcpStream,
    server: Arc<Server>,
    idle: Arc<Mutex<Vec<Backend>>>,
    strict: bool,
) -> std::io::Result<()> {
    let startup = read_startup(&mut client).await?;
    let refused = ["options", "extra_float_digits"].into_iter().find(|name| {
        let name = format!("\0{name}\0");
        startup
            .windows(name.len())
            .any(|part| part == name.as_bytes())
    });
    if let (true, Some(name)) = (strict, refused) {
        let said = format!("SFATAL\0C08P01\0Munsupported startup parameter: {name}\0\0");
        let length = u32::try_from(said.len() + 4).expect("a short text");
        client.write_all(b"E").await?;
        client.write_u32(length).await?;
        return client.write_all(said.as_bytes()).await;
    }
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
    server: &Server,
    startup: &[u8],
    idle: &Mutex<Vec<Backend>>,
) -> std::io::Result<Backend> {
    if let Some(backend) = idle.lock().await.pop() {
        return Ok(backend);
    }
    let mut stream = TcpStream::connect(&server.address).await?;
    stream.set_nodelay(true)?;
    stream.write_all(startup).await?;
    let mut greeting = Vec::new();
    loop {
        let message = read_message(&mut stream).await?;
        if let [b'R', _, _, _, _, 0, 0, 0, asked @ 1..=255] = message[..] {
            answer(&mut stream, asked, &server.password).await?;
            continue;
        }
        greeting.extend_from_slice(&message);
        if message[0] == b'Z' {
            return Ok(Backend { stream, greeting });
        }
    }
}

/// Tells the password where it is asked for in clear. The client was let in by then: it is the same for both.
async fn answer(server: &mut TcpStream, asked: u8, password: &str) -> std::io::Result<()> {
    assert_eq!(asked, 3, "a way to log in that this pooler does not know");
    let mut message = vec![b'p'];
    let length = u32::try_from(password.len() + 5).expect("a short password");
    message.extend_from_slice(&length.to_be_bytes());
    message.extend_from_slice(password.as_bytes());
    message.push(0);
    server.write_all(&message).await
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
