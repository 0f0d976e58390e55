//! MicroBima's partner API, as far as a customer is made with it: `POST /api/v1/customers`.

use std::time::Duration;

use reqwest::header::{HeaderValue, RETRY_AFTER};
use reqwest::{Client, StatusCode, Url, redirect};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use crate::config::{Conversion, PartnerApi};
use crate::store::customers::Customer;

/// Longest message of MicroBima's that is kept.
const LONGEST_MESSAGE: usize = 500;

/// The API of one partner.
pub struct Partner {
    http: Client,
    settings: PartnerApi,
    address: Url,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The customer was made, with this id.
    Created(String),
    /// It was refused as it is: what is wrong with which field, and the words of the answer.
    Refused {
        /// Field of the request (`idNumber`) and reason.
        fields: Vec<(String, String)>,
        /// For people.
        message: String,
    },
    /// The key, the partner or the address is not right.
    NotUsable(String),
    /// Too many calls.
    Throttled(Option<Duration>),
    /// Nothing was sent.
    Unavailable(String),
    /// It may have been made.
    Unknown(String),
}

impl Partner {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// Why no client can be made.
    pub fn new(settings: PartnerApi) -> Result<Self, reqwest::Error> {
        let http = Client::builder()
            .timeout(settings.call_timeout)
            .connect_timeout(settings.call_timeout)
            // A redirected POST would be repeated as another request.
            .redirect(redirect::Policy::none())
            .build()?;
        let mut address = settings.url.clone();
        let base = address.path().trim_end_matches('/').to_owned();
        address.set_path(&format!("{base}/api/v1/customers"));
        Ok(Partner {
            http,
            settings,
            address,
        })
    }

    /// How long a call may take.
    pub fn call_timeout(&self) -> Duration {
        self.settings.call_timeout
    }

    /// Makes a customer.
    pub async fn create(
        &self,
        draft: &Customer,
        reference: &str,
        conversion: &Conversion,
        correlation_id: &str,
    ) -> Answer {
        let Ok(mut key) = HeaderValue::from_str(self.settings.key.expose_secret()) else {
            return Answer::NotUsable("MICROBIMA_API_KEY cannot stand in a header".to_owned());
        };
        key.set_sensitive(true);
        let sent = self
            .http
            .post(self.address.clone())
            .header("x-api-key", key)
            .header("x-correlation-id", correlation_id)
            .json(&body_of(draft, reference, conversion, correlation_id))
            .send()
            .await;
        let response = match sent {
            Ok(response) => response,
            Err(error) if error.is_connect() => {
                return Answer::Unavailable(without_address(error));
            }
            Err(error) => return Answer::Unknown(without_address(error)),
        };
        let status = response.status();
        let wait = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        let text = match response.text().await {
            Ok(text) => text,
            Err(error) => return Answer::Unknown(without_address(error)),
        };
        let body = serde_json::from_str(&text).unwrap_or_default();
        judged(status, wait, &body)
    }
}

fn judged(status: StatusCode, wait: Option<Duration>, body: &Value) -> Answer {
    let said = |status: StatusCode| format!("MicroBima answered {status}: {}", message_of(body));
    match status.as_u16() {
        200..=299 => match body["data"]["principalId"].as_str() {
            Some(id) => Answer::Created(id.to_ascii_lowercase()),
            None => Answer::Unknown("MicroBima's answer names no customer".to_owned()),
        },
        400 | 409 | 422 => Answer::Refused {
            fields: fields_of(&body["error"]["details"]),
            message: said(status),
        },
        429 => Answer::Throttled(wait),
        300..=499 => Answer::NotUsable(said(status)),
        _ => Answer::Unknown(said(status)),
    }
}

/// Field and reason; MicroBima puts the place before the field: `principalMember.idNumber`.
fn fields_of(details: &Value) -> Vec<(String, String)> {
    let Some(details) = details.as_object() else {
        return Vec::new();
    };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), shortened);
    details
        .iter()
        .map(|(field, what)| {
            let field = field.rsplit('.').next().unwrap_or(field);
            (shortened(field), text(what))
        })
        .collect()
}

fn message_of(body: &Value) -> String {
    let message = &body["error"]["message"];
    match message {
        Value::String(text) => shortened(text),
        Value::Null => "no reason given".to_owned(),
        other => shortened(&other.to_string()),
    }
}

fn shortened(text: &str) -> String {
    text.chars()
        .filter(|letter| *letter != '\0')
        .take(LONGEST_MESSAGE)
        .collect()
}

/// The address is the operator's own setting and need not stand in every message.
fn without_address(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn body_of(
    draft: &Customer,
    reference: &str,
    conversion: &Conversion,
    correlation_id: &str,
) -> Value {
    let mut member = Map::new();
    let mut put = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            member.insert(name.to_owned(), json!(value));
        }
    };
    let gender = draft.gender.as_deref().map(str::to_ascii_lowercase);
    put("firstName", Some(&draft.first_name));
    put("middleName", draft.middle_name.as_deref());
    put("lastName", Some(&draft.last_name));
    put("dateOfBirth", draft.date_of_birth.as_deref());
    put("gender", gender.as_deref());
    put("email", draft.email.as_deref());
    put("phoneNumber", Some(&draft.phone_number));
    put("idType", Some(id_type_word(&draft.id_type)));
    put("idNumber", Some(&draft.id_number));
    put("partnerCustomerId", Some(reference));
    let mut body = json!({
        "correlationId": correlation_id,
        "product": { "productId": conversion.product_id, "planId": conversion.plan_id },
        "principalMember": member,
    });
    if conversion.package_scheme_id > 0 {
        body["packageSchemeId"] = json!(conversion.package_scheme_id);
    }
    body
}

/// The word of MicroBima's API for a label of its database.
fn id_type_word(label: &str) -> &str {
    match label {
        "NATIONAL_ID" => "national",
        "ALIEN" => "alien",
        "PASSPORT" => "passport",
        "BIRTH_CERTIFICATE" => "birth_certificate",
        "MILITARY" => "military",
        other => other,
    }
}
