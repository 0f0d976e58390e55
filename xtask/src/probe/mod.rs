//! Looking for services: each probe speaks the service's own protocol, because an open port alone proves nothing.
//!
//! No module here has the bare name of a service: that would mark its tests as needing one.

pub(crate) mod amqp_greeting;
pub(crate) mod postgres_login;
pub(crate) mod program;

use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// Long enough for a loaded machine; a service on loopback answers in milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// Connects, with a time limit on the connection and on every later read and write.
fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn read_exactly<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// A server for one connection that reads `expected` bytes and answers with `answer`.
#[cfg(test)]
fn one_answer(
    expected: usize,
    answer: &'static [u8],
) -> (SocketAddr, std::thread::JoinHandle<Vec<u8>>) {
    use std::io::Write;
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("a bound address");
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut heard = vec![0; expected];
        stream.read_exact(&mut heard).expect("a greeting");
        stream.write_all(answer).expect("someone listening");
        heard
    });
    (address, server)
}

/// An address where nobody listens, as long as this lives: the client's end of a connection keeps its port from being given out.
#[cfg(test)]
pub(crate) struct Nobody {
    _connection: (std::net::TcpListener, TcpStream),
    pub(crate) address: SocketAddr,
}

#[cfg(test)]
pub(crate) fn nobody() -> Nobody {
    let listener = std::net::TcpListener::bind(loopback(0)).expect("a free port");
    let server = listener.local_addr().expect("a bound address");
    let client = TcpStream::connect(server).expect("a listening server");
    let address = client.local_addr().expect("a bound address");
    Nobody {
        _connection: (listener, client),
        address,
    }
}
