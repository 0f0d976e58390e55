//! What travels: decoded parameters of a request, and the reply to be sent, spoiled or not.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

/// One parameter as PHP would hold it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Param {
    /// Text.
    Text(String),
    /// Bytes that are not UTF-8.
    NotUtf8,
    /// `name[key]=value`: an array, on which string functions die.
    Array,
}

/// Parameters of a query string or a form body. As in PHP, the last of several with one name counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params {
    list: Vec<(String, Param)>,
}

impl Params {
    /// Text of a parameter; none when it is absent, or not text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Param::Text(text) => Some(text),
            Param::NotUtf8 | Param::Array => None,
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Param> {
        self.list
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.list
            .push((name.to_owned(), Param::Text(value.to_owned())));
    }

    /// Reads `a=b&c=d` with percent escapes and `+` for a space.
    pub(crate) fn from_urlencoded(encoded: &[u8]) -> Self {
        let mut params = Self::default();
        for pair in encoded
            .split(|&byte| byte == b'&')
            .filter(|pair| !pair.is_empty())
        {
            let mut halves = pair.splitn(2, |&byte| byte == b'=');
            let name = unescape(halves.next().unwrap_or_default());
            let value = unescape(halves.next().unwrap_or_default());
            params.push(&String::from_utf8_lossy(&name), value);
        }
        params
    }

    /// Reads a `multipart/form-data` body. Parts that carry a file count like any other: their content is the value.
    pub(crate) fn from_multipart(body: &[u8], boundary: &str) -> Self {
        let mut params = Self::default();
        let delimiter = format!("--{boundary}");
        for part in split_on(body, delimiter.as_bytes()).into_iter().skip(1) {
            let part = part.strip_prefix(b"\r\n").unwrap_or(part);
            let Some(at) = find(part, b"\r\n\r\n") else {
                continue;
            };
            let head = String::from_utf8_lossy(&part[..at]);
            let content = &part[at + 4..];
            let content = content.strip_suffix(b"\r\n").unwrap_or(content);
            if let Some(name) = disposition_name(&head) {
                params.push(&name, content.to_vec());
            }
        }
        params
    }

    fn push(&mut self, name: &str, value: Vec<u8>) {
        match name.split_once('[') {
            Some((array, _)) => self.list.push((array.to_owned(), Param::Array)),
            None => {
                let value = String::from_utf8(value).map_or(Param::NotUtf8, Param::Text);
                self.list.push((name.to_owned(), value));
            }
        }
    }
}

fn unescape(encoded: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'+' => out.push(b' '),
            b'%' => match hex_pair(tail) {
                Some(value) => {
                    out.push(value);
                    rest = &tail[2..];
                }
                None => out.push(b'%'),
            },
            other => out.push(other),
        }
    }
    out
}

fn hex_pair(bytes: &[u8]) -> Option<u8> {
    let pair = std::str::from_utf8(bytes.get(..2)?).ok()?;
    u8::from_str_radix(pair, 16)
        .ok()
        .filter(|_| pair.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn disposition_name(head: &str) -> Option<String> {
    let line = head.lines().find(|line| {
        line.to_ascii_lowercase()
            .starts_with("content-disposition:")
    })?;
    let start = line.find("name=\"")? + 6;
    let end = line[start..].find('"')? + start;
    Some(line[start..end].to_owned())
}

fn split_on<'a>(body: &'a [u8], delimiter: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut rest = body;
    while let Some(at) = find(rest, delimiter) {
        parts.push(&rest[..at]);
        rest = &rest[at + delimiter.len()..];
    }
    parts.push(rest);
    parts
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

/// A request, read completely.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: http::Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) query: Params,
    /// Parameters of a form body; empty for other bodies and for methods whose body PHP does not parse.
    pub(crate) form: Params,
    pub(crate) body: Bytes,
}

impl Request {
    pub(crate) fn new(parts: &http::request::Parts, body: Bytes) -> Self {
        let content_type = parts
            .headers
            .get(http::header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let form = if parts.method == http::Method::POST {
            form_of(content_type, &body)
        } else {
            Params::default()
        };
        Self {
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            query: Params::from_urlencoded(parts.uri.query().unwrap_or_default().as_bytes()),
            headers: parts.headers.clone(),
            form,
            body,
        }
    }

    /// A parameter that is read from either place; the form wins, as in PHP's `$_REQUEST`.
    pub(crate) fn either(&self, name: &str) -> Option<&str> {
        self.form.text(name).or_else(|| self.query.text(name))
    }

    /// A cookie's value.
    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        let cookies = self.headers.get(http::header::COOKIE)?.to_str().ok()?;
        cookies
            .split(';')
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, v)| v)
    }

    /// What the caller sent as header `x-correlation-id`.
    pub(crate) fn correlation_id(&self) -> Option<String> {
        let id = self.headers.get("x-correlation-id")?;
        Some(id.to_str().ok()?.to_owned())
    }

    /// Whether the body is JSON.
    pub(crate) fn is_json(&self) -> bool {
        let content_type = self
            .headers
            .get(http::header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        content_type.is_some_and(|value| value.to_ascii_lowercase().starts_with("application/json"))
    }
}

fn form_of(content_type: &str, body: &[u8]) -> Params {
    let lower = content_type.to_ascii_lowercase();
    if lower.starts_with("application/x-www-form-urlencoded") {
        Params::from_urlencoded(body)
    } else if lower.starts_with("multipart/form-data") {
        let boundary = content_type.split("boundary=").nth(1).unwrap_or_default();
        Params::from_multipart(
            body,
            boundary
                .split(';')
                .next()
                .unwrap_or_default()
                .trim_matches('"'),
        )
    } else {
        Params::default()
    }
}

/// How much of a reply really reaches the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// All of it.
    Whole,
    /// The head, which promises the whole body, and half of the body.
    HalfBody,
    /// Nothing: the connection is cut.
    Nothing,
    /// Nothing, after the call was held this long, or until the client gave up.
    Held(std::time::Duration),
}

/// An answer to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// HTTP reason phrase, where it is not the standard one.
    pub(crate) reason: Option<String>,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
    pub(crate) delivery: Delivery,
}

/// Content type of PHP when nothing says otherwise.
pub(crate) const PHP_HTML: &str = "text/html; charset=UTF-8";

impl Reply {
    pub(crate) fn new(status: u16, content_type: &'static str, body: String) -> Self {
        Self {
            status,
            reason: None,
            content_type,
            headers: Vec::new(),
            body,
            delivery: Delivery::Whole,
        }
    }

    /// A PHP program that died: HTTP 500, no body.
    pub(crate) fn fatal() -> Self {
        Self::new(500, PHP_HTML, String::new())
    }

    /// The web server's own error page.
    pub(crate) fn web_server_page(status: u16) -> Self {
        let reason = http::StatusCode::from_u16(status)
            .ok()
            .and_then(|code| code.canonical_reason())
            .unwrap_or("Error");
        let body = format!(
            "<html>\r\n<head><title>{status} {reason}</title></head>\r\n<body>\r\n<center><h1>{status} {reason}</h1>\
             </center>\r\n<hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>\r\n"
        );
        Self::new(status, "text/html", body)
    }

    pub(crate) fn nothing() -> Self {
        Self {
            delivery: Delivery::Nothing,
            ..Self::new(0, "", String::new())
        }
    }
}

/// JSON as PHP's `json_encode` writes it: ASCII only, slashes escaped.
pub(crate) fn php_json(value: &Value) -> String {
    let mut out = String::new();
    write_json(value, &mut out);
    out
}

fn write_json(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push('[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                write_json(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (position, (key, item)) in map.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                write_string(key, out);
                out.push(':');
                write_json(item, out);
            }
            out.push('}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
    }
}

fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '/' => out.push_str("\\/"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(character),
            other => {
                let mut units = [0; 2];
                for unit in other.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out.push('"');
}
