//! PostgreSQL: a login by its wire protocol (version 3.0), and the question whether that role may create databases.
//!
//! Only logins without a password are tried; a server that wants one is named by `PUGMARK_TEST_POSTGRES_URL`.
//! See "Frontend/Backend Protocol" in the PostgreSQL manual.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::{PATIENCE, connect, loopback, read_exactly};

/// Where PostgreSQL listens unless told otherwise.
pub(crate) const ADDRESS: SocketAddr = loopback(5432);
/// Socket directories of Debian's packages and of a build from source.
pub(crate) const SOCKET_DIRECTORIES: &[&str] = &["/var/run/postgresql", "/tmp"];

const PROTOCOL_3_0: i32 = 196_608;
/// Longer messages than any that a login or our one question can bring are not PostgreSQL's.
const LONGEST_MESSAGE: usize = 64 * 1024;
const MAY_CREATE_DATABASES: &str =
    "SELECT rolsuper OR rolcreatedb FROM pg_catalog.pg_roles WHERE rolname = current_user";

/// Why a server cannot serve the tests.
#[derive(Debug)]
pub(crate) enum Unusable {
    NoAnswer(io::Error),
    WantsPassword,
    Refused(String),
    MayNotCreateDatabases,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer(error) => write!(f, "no answer: {error}"),
            Self::WantsPassword => f.write_str("it asks for a password"),
            Self::Refused(message) => f.write_str(message),
            Self::MayNotCreateDatabases => f.write_str("that role may not create databases"),
        }
    }
}

impl From<io::Error> for Unusable {
    fn from(error: io::Error) -> Self {
        Self::NoAnswer(error)
    }
}

/// Tries a role on a TCP address.
pub(crate) fn try_address(address: SocketAddr, role: &str) -> Result<(), Unusable> {
    Session::open(connect(address)?, role)?.may_create_databases()
}

/// Tries a role on a local socket.
pub(crate) fn try_socket(directory: &Path, port: u16, role: &str) -> Result<(), Unusable> {
    let stream = UnixStream::connect(socket_file(directory, port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Session::open(stream, role)?.may_create_databases()
}

/// The file by which clients reach a server on its local socket.
pub(crate) fn socket_file(directory: &Path, port: u16) -> PathBuf {
    directory.join(format!(".s.PGSQL.{port}"))
}

struct Session<S>(S);

impl<S: Read + Write> Session<S> {
    fn open(stream: S, role: &str) -> Result<Self, Unusable> {
        let mut session = Self(stream);
        session.0.write_all(&startup_message(role))?;
        loop {
            let (kind, body) = session.message()?;
            match kind {
                b'R' if body != [0; 4] => return Err(Unusable::WantsPassword),
                b'E' => return Err(Unusable::Refused(error_text(&body))),
                b'Z' => return Ok(session),
                _ => {}
            }
        }
    }

    fn may_create_databases(mut self) -> Result<(), Unusable> {
        let mut query = MAY_CREATE_DATABASES.as_bytes().to_vec();
        query.push(0);
        self.0.write_all(&message(Some(b'Q'), &query))?;
        let mut allowed = false;
        loop {
            let (kind, body) = self.message()?;
            match kind {
                // One column: its count (2 bytes), its length (4 bytes), `t` or `f`.
                b'D' => allowed = body.get(6..) == Some(b"t"),
                b'E' => return Err(Unusable::Refused(error_text(&body))),
                b'Z' => break,
                _ => {}
            }
        }
        // A polite goodbye keeps "unexpected EOF" out of the server's log; the answer is known either way.
        let _ = self.0.write_all(&message(Some(b'X'), &[]));
        if allowed {
            Ok(())
        } else {
            Err(Unusable::MayNotCreateDatabases)
        }
    }

    fn message(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let [kind] = read_exactly(&mut self.0)?;
        let length = u32::from_be_bytes(read_exactly(&mut self.0)?) as usize;
        let body_length = length
            .checked_sub(4)
            .filter(|length| *length <= LONGEST_MESSAGE);
        let Some(body_length) = body_length else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "that is not PostgreSQL",
            ));
        };
        let mut body = vec![0; body_length];
        self.0.read_exact(&mut body)?;
        Ok((kind, body))
    }
}

fn startup_message(role: &str) -> Vec<u8> {
    let mut body = PROTOCOL_3_0.to_be_bytes().to_vec();
    for text in [
        "user",
        role,
        "database",
        "postgres",
        "application_name",
        "pugmark-xtask",
    ] {
        body.extend_from_slice(text.as_bytes());
        body.push(0);
    }
    body.push(0);
    message(None, &body)
}

/// A message with its length, which counts itself but not the kind.
fn message(kind: Option<u8>, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    let mut bytes: Vec<u8> = kind.into_iter().collect();
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// The human-readable field (`M`) of an error message.
fn error_text(body: &[u8]) -> String {
    let text = body
        .split(|byte| *byte == 0)
        .find_map(|field| field.strip_prefix(b"M"));
    text.map_or_else(
        || "it refused without a reason".to_owned(),
        |text| String::from_utf8_lossy(text).into_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::{nobody, one_answer};
    use super::*;

    const LET_IN: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";

    fn answered(answer: &'static [u8]) -> Result<(), Unusable> {
        let (address, server) = one_answer(startup_message("ann").len(), answer);
        let verdict = try_address(address, "ann");
        let heard = server.join().expect("no panic");
        assert_eq!(heard, startup_message("ann"));
        verdict
    }

    /// A stream whose answers were written before the questions.
    struct Script(io::Cursor<Vec<u8>>);

    impl Read for Script {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Write for Script {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn privilege(answer: u8) -> Result<(), Unusable> {
        let mut script = LET_IN.to_vec();
        script.extend(message(Some(b'D'), &[0, 1, 0, 0, 0, 1, answer]));
        script.extend(message(Some(b'Z'), b"I"));
        Session::open(Script(io::Cursor::new(script)), "ann")?.may_create_databases()
    }

    #[test]
    fn a_role_that_may_create_databases_is_usable() {
        privilege(b't').expect("usable");
    }

    #[test]
    fn a_role_that_may_not_create_databases_is_not_usable() {
        assert!(matches!(
            privilege(b'f'),
            Err(Unusable::MayNotCreateDatabases)
        ));
    }

    #[test]
    fn a_server_that_asks_for_a_password_is_not_usable() {
        let asks = answered(b"R\0\0\0\x08\0\0\0\x03");
        assert!(matches!(asks, Err(Unusable::WantsPassword)), "{asks:?}");
    }

    #[test]
    fn a_refusal_is_told_in_the_words_of_the_server() {
        let refusal = answered(b"E\0\0\0\x25SFATAL\0C28000\0Mno role \"ann\" here\0\0");
        let Err(Unusable::Refused(text)) = refusal else {
            panic!("refused: {refusal:?}");
        };
        assert_eq!(text, "no role \"ann\" here");
    }

    #[test]
    fn something_else_on_the_port_is_not_taken_for_postgres() {
        let other = answered(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        assert!(matches!(other, Err(Unusable::NoAnswer(_))), "{other:?}");
    }

    #[test]
    fn nobody_on_the_port_is_no_answer() {
        let nobody = nobody();
        let verdict = try_address(nobody.address, "ann");
        assert!(matches!(verdict, Err(Unusable::NoAnswer(_))), "{verdict:?}");
    }
}
