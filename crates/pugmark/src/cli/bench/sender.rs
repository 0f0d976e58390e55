//! A sender of requests that costs next to nothing, as one on another machine would: kept connections, and requests that were
//! written and signed beforehand. What is measured is who answers.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cli::CliError;

/// Longest answer that is read, in bytes.
const LONGEST: usize = 64 << 10;

/// One connection, kept from request to request.
pub(super) struct Sender {
    stream: TcpStream,
    /// What was read of the answer.
    read: Vec<u8>,
}

/// An answer, as far as it matters here.
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    pub(super) body: &'a [u8],
}

impl Sender {
    /// Connects.
    pub(super) async fn to(address: SocketAddr) -> Result<Self, CliError> {
        let stream = TcpStream::connect(address).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        Ok(Sender {
            stream,
            read: Vec::with_capacity(LONGEST),
        })
    }

    /// Sends a whole request and reads the whole answer.
    pub(super) async fn ask(&mut self, request: &[u8]) -> Result<(Answer<'_>, Duration), CliError> {
        let sent = Instant::now();
        self.read.clear();
        self.stream.write_all(request).await.map_err(failed)?;
        loop {
            let read = self.stream.read_buf(&mut self.read).await.map_err(failed)?;
            if read == 0 || self.read.len() > LONGEST {
                return Err(CliError::Other(
                    "an answer was cut off, or is too long".to_owned(),
                ));
            }
            if let Some((status, body)) = whole(&self.read)? {
                let body = &self.read[body..];
                return Ok((Answer { status, body }, sent.elapsed()));
            }
        }
    }
}

/// A POST of JSON with these further headers.
pub(super) fn post(host: SocketAddr, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let further: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n{further}content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Status of an answer and where its body begins, as soon as all of it is there.
fn whole(read: &[u8]) -> Result<Option<(u16, usize)>, CliError> {
    let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let no_answer =
        || CliError::Other("what came is no answer of HTTP/1.1 with a length".to_owned());
    let head = std::str::from_utf8(&read[..end]).map_err(|_| no_answer())?;
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.strip_prefix("HTTP/1.1 "))
        .and_then(|line| line.get(..3)?.parse().ok())
        .ok_or_else(no_answer)?;
    let length: usize = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, length)| length.trim().parse().ok())
        .ok_or_else(no_answer)?;
    let body = end + 4;
    Ok((read.len() >= body + length).then_some((status, body)))
}

fn failed(error: std::io::Error) -> CliError {
    CliError::Other(format!("the connection to the API failed: {error}"))
}

#[cfg(test)]
mod tests {
    use super::{post, whole};

    #[test]
    fn an_answer_is_whole_when_its_body_has_the_length_it_says() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nx: y\r\n\r\n{}";
        for end in 0..text.len() {
            assert_eq!(whole(&text[..end]).unwrap(), None, "{end} bytes");
        }
        assert_eq!(whole(text).unwrap(), Some((200, text.len() - 2)));
    }

    #[test]
    fn an_answer_without_a_length_is_none() {
        assert!(whole(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
        assert!(whole(b"SSH-2.0-OpenSSH_9.2\r\n\r\n").is_err());
    }

    #[test]
    fn a_request_is_written_as_http_says() {
        let host = ([127, 0, 0, 1], 80).into();
        let written = post(host, "/a", &[("x-b", "c")], "{}");
        assert_eq!(
            String::from_utf8(written).unwrap(),
            "POST /a HTTP/1.1\r\nhost: 127.0.0.1:80\r\ncontent-type: application/json\r\nx-b: c\r\ncontent-length: 2\r\n\r\n{}"
        );
    }
}
