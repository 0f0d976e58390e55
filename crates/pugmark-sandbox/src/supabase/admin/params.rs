//! What create and update accept.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::call::null_is_absent;
use super::super::duration;
use super::super::refusal::Refusal;

/// Parameters of create and update.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct UserParams {
    #[serde(deserialize_with = "null_is_absent")]
    pub(super) id: String,
    #[serde(deserialize_with = "null_is_absent")]
    pub(super) aud: String,
    #[serde(deserialize_with = "null_is_absent")]
    pub(super) role: String,
    #[serde(deserialize_with = "null_is_absent")]
    pub(super) email: String,
    #[serde(deserialize_with = "null_is_absent")]
    pub(super) phone: String,
    pub(super) password: Option<String>,
    #[serde(deserialize_with = "null_is_absent")]
    pub(super) password_hash: String,
    #[serde(deserialize_with = "null_is_absent")]
    pub(super) email_confirm: bool,
    #[serde(deserialize_with = "null_is_absent")]
    pub(super) phone_confirm: bool,
    pub(super) user_metadata: Option<Map<String, Value>>,
    pub(super) app_metadata: Option<Map<String, Value>>,
    #[serde(deserialize_with = "null_is_absent")]
    pub(super) ban_duration: String,
}

impl UserParams {
    /// Nanoseconds to ban for; 0 lifts a ban, none leaves it as it is.
    pub(super) fn ban(&self) -> Result<Option<i64>, Refusal> {
        match self.ban_duration.as_str() {
            "" => Ok(None),
            "none" => Ok(Some(0)),
            text => duration::parse(text)
                .map(Some)
                .map_err(|why| Refusal::invalid(format!("invalid format for ban duration: {why}"))),
        }
    }
}

/// The address in lower case; none stays none.
pub(in super::super) fn valid_email(text: &str) -> Result<String, Refusal> {
    if text.is_empty() {
        return Ok(String::new());
    }
    if text.len() > 255 {
        return Err(Refusal::invalid("An email address is too long"));
    }
    let well_formed = text
        .split_once('@')
        .is_some_and(|(local, domain)| is_local_part(local) && domain.split('.').all(is_label));
    if well_formed {
        Ok(text.to_lowercase())
    } else {
        Err(Refusal::invalid(
            "Unable to validate email address: invalid format",
        ))
    }
}

fn is_local_part(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(c);
    !text.is_empty() && text.chars().all(allowed)
}

fn is_label(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    (1..=63).contains(&text.len())
        && text.chars().all(allowed)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// The number's digits; none stays none.
pub(in super::super) fn valid_phone(text: &str) -> Result<String, Refusal> {
    let digits = text.strip_prefix('+').unwrap_or(text).replace(' ', "");
    let well_formed = (2..=15).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0');
    if text.is_empty() || well_formed {
        Ok(digits)
    } else {
        Err(Refusal::invalid(
            "Invalid phone number format (E.164 required)",
        ))
    }
}
