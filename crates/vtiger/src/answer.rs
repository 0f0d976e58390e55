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
        Self::read(trimmed)
            .or_else(|| starts(body).find_map(|start| Self::read(body.get(start..)?)))
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.first() != Some(&b'{') {
            return None;
        }
        let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<Json>();
        let Json::Object(mut object) = values.next()?.ok()? else {
            return None;
        };
        match object.get("success")? {
            Json::Bool(true) => Some(Self::Success(object.remove("result").unwrap_or(Json::Null))),
            Json::Bool(false) => Some(Self::failure(object.get("error"))),
            _ => None,
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

fn starts(body: &[u8]) -> impl Iterator<Item = usize> {
    body.windows(START.len())
        .enumerate()
        .filter(|(_, window)| *window == START)
        .map(|(index, _)| index)
}
