//! Redis: a `PING` that is answered by `PONG`.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use super::{connect, loopback};
use crate::service::Finding;

/// Where Redis listens unless told otherwise.
pub(crate) const ADDRESS: SocketAddr = loopback(6379);

/// Looks for a Redis that needs no password.
pub(crate) fn find(address: SocketAddr) -> Finding {
    match ping(address) {
        Ok(answer) if answer.starts_with(b"+PONG") => Finding::found(
            format!("redis://{address}/"),
            format!("the server on {address}"),
        ),
        Ok(answer) if answer.starts_with(b"-NOAUTH") => {
            Finding::missing(format!("the server on {address} asks for a password"))
        }
        Ok(_) => Finding::missing(format!("what answers on {address} is not Redis")),
        Err(error) => Finding::missing(format!("no answer on {address}: {error}")),
    }
}

fn ping(address: SocketAddr) -> io::Result<Vec<u8>> {
    let mut stream = connect(address)?;
    stream.write_all(b"PING\r\n")?;
    let mut answer = Vec::new();
    let mut byte = [0];
    while answer.len() < 128 && stream.read(&mut byte)? == 1 && byte != *b"\n" {
        answer.push(byte[0]);
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::super::{nobody, one_answer};
    use super::*;

    fn verdict(answer: &'static [u8]) -> Finding {
        let (address, server) = one_answer(6, answer);
        let finding = find(address);
        assert_eq!(server.join().expect("no panic"), b"PING\r\n");
        finding
    }

    fn reason(finding: Finding) -> String {
        match finding {
            Finding::Missing { why } => why,
            Finding::Found { place, .. } => panic!("found {place}"),
        }
    }

    #[test]
    fn a_server_that_answers_pong_is_found() {
        let Finding::Found { value, .. } = verdict(b"+PONG\r\n") else {
            panic!("PONG is Redis");
        };
        assert!(value.starts_with("redis://127.0.0.1:"), "{value}");
    }

    #[test]
    fn a_server_that_wants_a_password_is_not_used() {
        assert!(reason(verdict(b"-NOAUTH Authentication required.\r\n")).contains("password"));
    }

    #[test]
    fn something_else_on_the_port_is_not_taken_for_redis() {
        assert!(reason(verdict(b"HTTP/1.1 400 Bad Request\r\n")).contains("is not Redis"));
    }

    #[test]
    fn nobody_on_the_port_is_said() {
        let nobody = nobody();
        assert!(reason(find(nobody.address)).contains("no answer"));
    }
}
