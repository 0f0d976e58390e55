//! What the server (or somebody in front of it) said is wrong, from any of the forms it says it in.

use serde_json::{Map, Value as Json};

use crate::error::{Refusal, RefusalReason, WeakPasswordReason};
use crate::mask::Secrets;
use crate::transport::Answer;

/// An error answer, read.
pub(crate) struct Said {
    /// The code text.
    code: Option<String>,
    message: Option<String>,
    weak_password: Vec<WeakPasswordReason>,
    /// Whether these are the words of Auth itself, not of a gateway.
    pub(crate) by_server: bool,
    status: u16,
}

/// The longest message that is repeated, in characters.
const LONGEST_MESSAGE: usize = 500;

impl Said {
    /// Reads an error answer:
    ///
    /// - `{"code":"email_exists","message":"…"}`, the form of the version this client asks for;
    /// - `{"code":422,"error_code":"email_exists","msg":"…"}`, the older form;
    /// - `{"error":"invalid_grant","error_description":"…"}`, as in OAuth;
    /// - `{"code":"23505","message":"…","detail":"…"}`, straight from the database;
    /// - `{"message":"…"}` of the gateway, and HTML or plain text of a proxy, which are not repeated.
    ///
    /// The header `x-sb-error-code` stands in for a code the body lacks.
    pub(crate) fn read(answer: &Answer, secrets: &Secrets) -> Self {
        let body: Map<String, Json> = serde_json::from_slice(&answer.body).unwrap_or_default();
        let text = |name: &str| body.get(name).and_then(Json::as_str);
        let oauth_code = text("error_description").and(text("error"));
        let code = [
            text("error_code"),
            text("code"),
            answer.header("x-sb-error-code"),
            oauth_code,
        ]
        .into_iter()
        .flatten()
        .find(|code| is_code(code))
        .map(str::to_owned);
        let message = ["msg", "message", "error_description", "error"]
            .into_iter()
            .find_map(text)
            .map(|message| beginning(&secrets.scrub(message.to_owned())));
        let old_form = body.get("code").is_some_and(Json::is_number) && body.contains_key("msg");
        Self {
            by_server: code.is_some() || old_form,
            code,
            message,
            weak_password: weak_password_reasons(&body),
            status: answer.status,
        }
    }

    /// The code text, where there is one.
    pub(crate) fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// The code text, else `HTTP_<status>`.
    pub(crate) fn any_code(&self) -> String {
        self.code
            .clone()
            .unwrap_or_else(|| format!("HTTP_{}", self.status))
    }

    /// The message, else the name of the status.
    pub(crate) fn any_message(&self) -> String {
        self.message
            .clone()
            .unwrap_or_else(|| status_text(self.status))
    }

    pub(crate) fn into_refusal(self) -> Refusal {
        Refusal {
            reason: reason(self.code(), self.status),
            status: self.status,
            code: self.any_code(),
            message: self.any_message(),
            weak_password: self.weak_password,
        }
    }
}

fn reason(code: Option<&str>, status: u16) -> RefusalReason {
    match code.unwrap_or_default() {
        "email_exists" => RefusalReason::EmailExists,
        "phone_exists" => RefusalReason::PhoneExists,
        "user_not_found" => RefusalReason::NotFound,
        "validation_failed" | "bad_json" => RefusalReason::Malformed,
        "weak_password" => RefusalReason::WeakPassword,
        "same_password" => RefusalReason::SamePassword,
        "invalid_credentials" => RefusalReason::WrongCredentials,
        "user_banned" => RefusalReason::Banned,
        "email_not_confirmed" => RefusalReason::EmailNotConfirmed,
        "email_provider_disabled" => RefusalReason::SignInDisabled,
        "session_not_found" | "session_expired" => RefusalReason::SessionGone,
        "refresh_token_not_found" | "refresh_token_already_used" => RefusalReason::RefreshTokenGone,
        "bad_jwt" | "no_authorization" => RefusalReason::BadToken,
        "request_entity_too_large" => RefusalReason::TooLarge,
        _ if matches!(status, 413 | 414 | 431) => RefusalReason::TooLarge,
        _ => RefusalReason::Other,
    }
}

fn weak_password_reasons(body: &Map<String, Json>) -> Vec<WeakPasswordReason> {
    let reasons = body
        .get("weak_password")
        .and_then(|weak| weak.get("reasons"))
        .and_then(Json::as_array);
    reasons
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .map(WeakPasswordReason::from)
        .collect()
}

/// Codes end up in metrics and logs: a word, not whatever somebody put there.
fn is_code(text: &str) -> bool {
    (1..=80).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

fn beginning(text: &str) -> String {
    text.chars().take(LONGEST_MESSAGE).collect()
}

fn status_text(status: u16) -> String {
    let name = http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("without a reason");
    format!("HTTP {status} {name}")
}
