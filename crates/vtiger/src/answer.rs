//! Finding vTiger's JSON in whatever a web server returned.

use serde_json::Value as Json;

use crate::record::scalar_text;

/// vTiger's answer proper.
#[derive(Debug, Clone, PartialEq)]
pub enum Envelope {
    /// `{"success":true,"result":…}`; the result may be null.
    Success(Json),
    /// `{"success":false,"error":{…}}`
    Failure {
        /// The code; empty when none was given. The number 0 of a duplicate becomes `0`.
        code: String,
        /// The message; empty when none was given.
        message: String,
    },
}

const START: &[u8] = br#"{"success":"#;

impl Envelope {
    /// Reads a body.
    ///
    /// PHP may print kilobytes of warnings before the JSON (and, in theory, after it), so when the body as a whole is no
    /// answer, the first `{"success":` that reads as one is taken. Never panics, whatever the bytes.
    #[must_use]
    pub fn find(body: &[u8]) -> Option<Self> {
        let trimmed = body
            .strip_prefix(b"\xef\xbb\xbf")
            .unwrap_or(body)
            .trim_ascii_start();
        if let Reading::Envelope(envelope) = Self::read(trimmed) {
            return Some(envelope);
        }
        for text in starts(body) {
            match Self::read(text) {
                Reading::Envelope(envelope) => return Some(envelope),
                // What follows are pieces of an answer that was cut off, not answers.
                Reading::CutOff => return None,
                Reading::Other => {}
            }
        }
        None
    }

    fn read(text: &[u8]) -> Reading {
        if text.first() != Some(&b'{') {
            return Reading::Other;
        }
        match Self::parse(text) {
            Reading::Other if text.iter().any(u8::is_ascii_control) => {
                Self::parse(&with_escaped_controls(text))
            }
            reading => reading,
        }
    }

    fn parse(text: &[u8]) -> Reading {
        let mut values = serde_json::Deserializer::from_slice(text).into_iter::<Json>();
        let mut object = match values.next() {
            Some(Ok(Json::Object(object))) => object,
            Some(Err(error)) if error.is_eof() => return Reading::CutOff,
            _ => return Reading::Other,
        };
        match object.get("success") {
            Some(Json::Bool(true)) => {
                Reading::Envelope(Self::Success(object.remove("result").unwrap_or(Json::Null)))
            }
            Some(Json::Bool(false)) => Reading::Envelope(Self::failure(object.get("error"))),
            _ => Reading::Other,
        }
    }

    fn failure(error: Option<&Json>) -> Self {
        let part = |name: &str| {
            error
                .and_then(|error| error.get(name))
                .map(scalar_text)
                .unwrap_or_default()
        };
        let message = match error {
            Some(Json::String(text)) => text.clone(),
            _ => part("message"),
        };
        Self::Failure {
            code: part("code"),
            message,
        }
    }
}

/// JSON with the control characters inside its strings escaped.
///
/// vTiger 8.3 and 8.4 write values by an encoder of their own, which leaves most control characters as they are. One
/// vertical tab that somebody pasted into a contact must not make every page with that contact unreadable.
fn with_escaped_controls(text: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(text.len() + 16);
    let (mut in_string, mut after_backslash) = (false, false);
    for &byte in text {
        if in_string && byte < 0x20 {
            escaped.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
        } else {
            escaped.push(byte);
        }
        match byte {
            b'"' if !after_backslash => in_string = !in_string,
            _ => {}
        }
        after_backslash = in_string && byte == b'\\' && !after_backslash;
    }
    escaped
}

/// What a text turned out to begin with.
enum Reading {
    Envelope(Envelope),
    /// JSON that ends too early.
    CutOff,
    /// Anything else.
    Other,
}

/// The texts that begin at each `{"success":`.
fn starts(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    body.windows(START.len())
        .enumerate()
        .filter(|(_, window)| *window == START)
        .filter_map(|(index, _)| body.get(index..))
}
