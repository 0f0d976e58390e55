//! RabbitMQ: the AMQP 0-9-1 protocol header, answered by `Connection.Start`.

use std::io::{self, Write};
use std::net::SocketAddr;

use super::{connect, loopback, read_exactly};
use crate::service::Finding;

/// Where RabbitMQ listens unless told otherwise.
pub(crate) const ADDRESS: SocketAddr = loopback(5672);

const PROTOCOL_HEADER: &[u8] = b"AMQP\x00\x00\x09\x01";

/// Looks for an AMQP broker; RabbitMQ lets its preset account `guest` in from loopback.
pub(crate) fn find(address: SocketAddr) -> Finding {
    match greet(address) {
        Ok(true) => Finding::found(
            format!("amqp://guest:guest@{address}/%2f"),
            format!("the server on {address}"),
        ),
        Ok(false) => Finding::missing(format!("what answers on {address} is not RabbitMQ")),
        Err(error) => Finding::missing(format!("no answer on {address}: {error}")),
    }
}

/// Whether the answer is a method frame (type 1) on channel 0 that carries `Connection.Start` (10, 10).
fn greet(address: SocketAddr) -> io::Result<bool> {
    let mut stream = connect(address)?;
    stream.write_all(PROTOCOL_HEADER)?;
    let [kind, channel_high, channel_low, ..] = read_exactly::<7>(&mut stream)?;
    if (kind, channel_high, channel_low) != (1, 0, 0) {
        return Ok(false);
    }
    Ok(read_exactly::<4>(&mut stream)? == [0, 10, 0, 10])
}

#[cfg(test)]
mod tests {
    use super::super::{nobody, one_answer};
    use super::*;

    #[test]
    fn a_broker_that_starts_a_connection_is_found() {
        let (address, server) = one_answer(8, b"\x01\x00\x00\x00\x00\x00\x04\x00\x0a\x00\x0a");
        let finding = find(address);
        assert_eq!(server.join().expect("no panic"), PROTOCOL_HEADER);
        let Finding::Found { value, .. } = finding else {
            panic!("Connection.Start is AMQP: {finding:?}");
        };
        assert_eq!(value, format!("amqp://guest:guest@{address}/%2f"));
    }

    #[test]
    fn a_broker_of_another_protocol_version_is_not_used() {
        let (address, server) = one_answer(8, b"AMQP\x00\x01\x00\x00");
        assert!(matches!(find(address), Finding::Missing { .. }));
        server.join().expect("no panic");
    }

    #[test]
    fn nobody_on_the_port_is_said() {
        let nobody = nobody();
        let Finding::Missing { why } = find(nobody.address) else {
            panic!("nobody listens there");
        };
        assert!(why.contains("no answer"), "{why}");
    }
}
