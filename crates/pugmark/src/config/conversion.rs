//! What the operator chooses for leads that become customers.

use std::fmt;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::values::at_least;
use super::{ConfigProblem, sources};

/// Settings of the conversion of leads.
#[derive(Debug, Clone)]
pub struct Conversion {
    /// Whether customers are made of converted leads.
    pub enabled: bool,
    /// MicroBima's number of the partner whose customers they become.
    pub partner_id: i32,
    /// MicroBima's number of the package scheme; 0 is none.
    pub package_scheme_id: i32,
    /// `product.productId` of MicroBima's partner API.
    pub product_id: String,
    /// `product.planId` of MicroBima's partner API.
    pub plan_id: String,
    /// What stands before the contact's id in the partner's reference of a customer.
    pub reference_prefix: String,
    /// MicroBima's partner API; `None`: the rows are written directly.
    pub api: Option<PartnerApi>,
}

/// MicroBima's partner API.
#[derive(Clone)]
pub struct PartnerApi {
    /// Its address, without `/api/v1`.
    pub url: Url,
    /// The partner's key.
    pub key: SecretString,
    /// Time after which an unanswered call counts as unknown.
    pub call_timeout: Duration,
}

impl fmt::Debug for PartnerApi {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PartnerApi")
            .field("url", &self.url.as_str())
            .field("call_timeout", &self.call_timeout)
            .finish_non_exhaustive()
    }
}

/// Checks these settings, without the API, whose key is a secret.
pub(super) fn check(
    file: &sources::ConversionFile,
    problems: &mut Vec<ConfigProblem>,
) -> Conversion {
    let prefix = file.reference_prefix.trim();
    if prefix.len() > 40 || !prefix.bytes().all(|byte| byte.is_ascii_graphic()) {
        problems.push(ConfigProblem::new(
            "conversion.reference_prefix",
            "holds spaces or letters that a reference should not have, or is too long",
            "Use up to 40 plain letters, digits and marks, for example vtiger-",
        ));
    }
    Conversion {
        enabled: file.enabled,
        partner_id: file.partner_id,
        package_scheme_id: file.package_scheme_id,
        product_id: file.product_id.trim().to_owned(),
        plan_id: file.plan_id.trim().to_owned(),
        reference_prefix: prefix.to_owned(),
        api: None,
    }
}

/// Checks the settings of MicroBima's partner API.
pub(super) fn check_api(
    raw: &sources::Raw,
    problems: &mut Vec<ConfigProblem>,
) -> Option<PartnerApi> {
    let file = &raw.file.conversion;
    let text = file.api_url.trim();
    if text.is_empty() {
        return None;
    }
    let least = Duration::from_millis(100);
    let call_timeout = at_least(
        "conversion.call_timeout",
        &file.call_timeout,
        least,
        problems,
    );
    let url = Url::parse(text).ok().filter(|url| {
        let loopback = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
        url.scheme() == "https" || (url.scheme() == "http" && loopback)
    });
    if url.is_none() {
        problems.push(ConfigProblem::new(
            "MICROBIMA_URL",
            "is no web address with https",
            "Write it like https://api.microbima.example.org, without /api/v1",
        ));
    }
    let key = raw.secrets.microbima_key.clone();
    if key.is_none() {
        problems.push(ConfigProblem::new(
            "MICROBIMA_API_KEY",
            "is missing",
            "Set it to the API key of the partner in MicroBima",
        ));
    }
    Some(PartnerApi {
        url: url?,
        key: key?,
        call_timeout,
    })
}
