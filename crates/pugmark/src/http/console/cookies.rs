//! The console's cookies: the session, the chosen theme, and what is to be said on the next page.

use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::frame::Theme;
use crate::people::token::Token;

/// Over https. The prefix makes browsers refuse it from any other host and without `Secure`.
const SECURE: &str = "__Host-pugmark";
/// Over http, as on loopback, where browsers would refuse the other one.
const PLAIN: &str = "pugmark";
const THEME: &str = "pugmark-theme";
const NOTE: &str = "pugmark-note";
/// More would not fit into a cookie.
const LONGEST_NOTE: usize = 600;

/// Whether the person's browser came over https, as far as can be known behind a proxy: its own header, the address this server is
/// known by, or what the browser says it came from. Saying so falsely only makes a cookie that does not come back.
pub(super) fn is_secure(headers: &HeaderMap, public_url: Option<&str>) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if text("x-forwarded-proto").is_some_and(|proto| proto.eq_ignore_ascii_case("https")) {
        return true;
    }
    let origin = text("origin").and_then(|origin| origin.strip_prefix("https://"));
    if origin.is_some() && origin == text("host") {
        return true;
    }
    let public = public_url.and_then(|url| url.strip_prefix("https://"));
    let host = public.map(|rest| rest.split('/').next().unwrap_or(rest));
    host.is_some() && host == text("host")
}

/// The session's token. A cookie of the plain name could have been planted over http, so it counts for nothing over https.
pub(super) fn session(headers: &HeaderMap, secure: bool) -> Option<Token> {
    let name = if secure { SECURE } else { PLAIN };
    Token::read(value(headers, name)?)
}

/// Gives the session to the browser.
pub(super) fn set_session(token: &Token, secure: bool) -> HeaderValue {
    cookie(secure, &token.reveal(), "")
}

/// Takes it away.
pub(super) fn clear_session(secure: bool) -> HeaderValue {
    cookie(secure, "", "; Max-Age=0")
}

fn cookie(secure: bool, value: &str, more: &str) -> HeaderValue {
    let (name, flag) = match secure {
        true => (SECURE, "; Secure"),
        false => (PLAIN, ""),
    };
    made(format!(
        "{name}={value}; Path=/; HttpOnly; SameSite=Lax{flag}{more}"
    ))
}

/// The theme that was chosen.
pub(super) fn theme(headers: &HeaderMap) -> Theme {
    Theme::of(value(headers, THEME).unwrap_or_default())
}

/// Keeps the chosen theme for a year; following the system needs no cookie.
pub(super) fn set_theme(theme: Theme) -> HeaderValue {
    match theme.chosen() {
        Some(word) => made(format!(
            "{THEME}={word}; Path=/; SameSite=Lax; Max-Age=31536000"
        )),
        None => made(format!("{THEME}=; Path=/; SameSite=Lax; Max-Age=0")),
    }
}

/// What is to be said on this page.
pub(super) fn note(headers: &HeaderMap) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(value(headers, NOTE)?).ok()?;
    String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.is_empty())
}

/// Has this said on the next page.
pub(super) fn set_note(text: &str) -> HeaderValue {
    let mut end = text.len().min(LONGEST_NOTE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = URL_SAFE_NO_PAD.encode(&text[..end]);
    made(format!(
        "{NOTE}={text}; Path=/; HttpOnly; SameSite=Lax; Max-Age=60"
    ))
}

/// It was said.
pub(super) fn clear_note() -> HeaderValue {
    HeaderValue::from_static("pugmark-note=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0")
}

fn made(text: String) -> HeaderValue {
    // Names and values are of characters that headers take.
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .into_iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            (
                axum::http::HeaderName::from_static(name),
                value.parse().unwrap(),
            )
        });
        pairs.collect()
    }

    #[test]
    fn over_https_a_cookie_that_was_planted_over_http_counts_for_nothing() {
        let token = Token::random();
        let planted = headers(&[("cookie", &format!("a=b; pugmark={}", token.reveal()))]);
        assert_eq!(session(&planted, false), Some(token.clone()));
        assert_eq!(session(&planted, true), None);
        let given = set_session(&token, true);
        let given = given.to_str().unwrap();
        assert!(given.starts_with("__Host-pugmark="));
        for part in ["; Path=/", "; HttpOnly", "; SameSite=Lax", "; Secure"] {
            assert!(given.contains(part), "{part}");
        }
        assert!(!given.contains("Domain"));
        assert!(
            !set_session(&token, false)
                .to_str()
                .unwrap()
                .contains("Secure")
        );
    }

    #[test]
    fn https_is_known_by_the_proxy_the_public_address_or_the_browser() {
        let public = Some("https://sync.example.org");
        assert!(is_secure(&headers(&[("x-forwarded-proto", "https")]), None));
        assert!(is_secure(&headers(&[("host", "sync.example.org")]), public));
        assert!(is_secure(
            &headers(&[
                ("origin", "https://sync.example.org"),
                ("host", "sync.example.org")
            ]),
            None
        ));
        // Another site does not decide how this one is reached.
        let foreign = headers(&[
            ("origin", "https://evil.example"),
            ("host", "sync.example.org"),
        ]);
        assert!(!is_secure(&foreign, None));
        assert!(!is_secure(&headers(&[("host", "127.0.0.1:3000")]), public));
        assert!(!is_secure(&headers(&[("host", "sync.example.org")]), None));
    }

    #[test]
    fn a_note_comes_back_whole_and_a_long_one_is_cut_between_letters() {
        let said = |text: &str| {
            let set = set_note(text);
            let pair = set.to_str().unwrap().split(';').next().unwrap().to_owned();
            note(&headers(&[("cookie", &pair)]))
        };
        assert_eq!(
            said("“Asha” is disabled").as_deref(),
            Some("“Asha” is disabled")
        );
        assert!(
            said(&"é".repeat(400))
                .unwrap()
                .chars()
                .all(|letter| letter == 'é')
        );
        assert_eq!(said(""), None);
    }
}
