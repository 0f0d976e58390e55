//! The CRM: which one, as whom, and how it is treated.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::tz::TimeZone;
use secrecy::SecretString;

use super::values::{at_least, duration, time_zone};
use super::{ConfigProblem, mask_url, sources};

/// Which vTiger is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrmEdition {
    /// `webservice.php` of an open-source vTiger.
    OpenSource,
    /// `restapi/v1` of vTiger Cloud.
    Cloud,
}

/// Settings of the CRM.
#[derive(Debug, Clone)]
pub struct Crm {
    /// Open source or Cloud.
    pub edition: CrmEdition,
    /// The address as configured.
    pub url: String,
    /// The CRM user.
    pub username: String,
    /// That user's access key, not the password.
    pub access_key: SecretString,
    /// Whether anything is sent.
    pub enabled: bool,
    /// Time after which an unanswered call counts as unknown.
    pub call_timeout: Duration,
    /// The longest the CRM's web server lets a request run.
    pub longest_execution: Duration,
    /// Parallel sessions and deliveries.
    pub sessions: usize,
    /// How long a module's description is trusted.
    pub describe_for: Duration,
    /// Look for a contact before every create, whatever is known of earlier attempts.
    pub look_first: bool,
    /// Owner of new contacts, or the API user.
    pub default_owner: Option<String>,
    /// The zone of vTiger's server, in which it takes times of day.
    pub time_zone: TimeZone,
    /// Values every new contact gets.
    pub contact_defaults: BTreeMap<String, String>,
    /// Asking it what changed.
    pub poll: Poll,
}

/// Settings of asking the CRM what changed.
#[derive(Debug, Clone)]
pub struct Poll {
    /// Whether it is asked.
    pub enabled: bool,
    /// How often.
    pub interval: Duration,
    /// So far before the last change it knows a poll begins.
    pub overlap: Duration,
    /// All linked contacts are looked for within this time, to find those that were deleted.
    pub deletions_within: Duration,
}

impl Crm {
    /// How long after an unknown create an empty answer must still be doubted.
    pub fn settle_window(&self) -> Duration {
        self.call_timeout + self.longest_execution
    }
}

pub(super) fn check(raw: &sources::Raw, problems: &mut Vec<ConfigProblem>) -> Option<Crm> {
    let file = &raw.file.vtiger;
    let (edition, url) = match (file.url.trim(), file.api_url.trim()) {
        ("", "") => return None,
        (url, "") => (CrmEdition::OpenSource, url),
        ("", url) => (CrmEdition::Cloud, url),
        (url, _) => {
            problems.push(ConfigProblem::new(
                "VTIGER_URL, VTIGER_API_URL",
                "both are set",
                "One Pugmark serves one CRM: keep VTIGER_URL for an open-source vTiger or VTIGER_API_URL for vTiger Cloud",
            ));
            // The rest is checked all the same, so that everything is listed at once.
            (CrmEdition::OpenSource, url)
        }
    };
    let name = if edition == CrmEdition::Cloud {
        "VTIGER_API_URL"
    } else {
        "VTIGER_URL"
    };
    check_crm_url(name, url, file.allow_plain_http, problems);
    if file.username.trim().is_empty() {
        problems.push(ConfigProblem::new(
            "VTIGER_USERNAME",
            "is missing",
            "Set it to the login name of the CRM user that Pugmark works as",
        ));
    }
    let access_key = raw.secrets.vtiger_access_key.clone().or_else(|| {
        problems.push(ConfigProblem::new(
            "VTIGER_ACCESS_KEY",
            "is missing",
            "Copy it from the user's preferences in vTiger (My Preferences, Access Key); it is not the password",
        ));
        None
    });
    let default_owner =
        Some(file.default_owner.trim().to_owned()).filter(|owner| !owner.is_empty());
    if let Some(owner) = &default_owner
        && owner.parse::<vtiger::RecordId>().is_err()
    {
        problems.push(ConfigProblem::new(
            "VTIGER_DEFAULT_OWNER",
            format!("`{owner}` is not a vTiger id"),
            "Use the form 19x5 (a user) or 20x3 (a group); `pugmark doctor` lists them",
        ));
    }
    let call_timeout = at_least(
        "vtiger.call_timeout",
        &file.call_timeout,
        Duration::from_millis(100),
        problems,
    );
    let longest_execution = duration(
        "vtiger.longest_execution",
        &file.longest_execution,
        problems,
    );
    let describe_for = duration("vtiger.describe_for", &file.describe_for, problems);
    let poll = Poll {
        enabled: file.poll.enabled,
        interval: at_least(
            "vtiger.poll.interval",
            &file.poll.interval,
            Duration::from_secs(1),
            problems,
        ),
        overlap: duration("vtiger.poll.overlap", &file.poll.overlap, problems),
        deletions_within: duration(
            "vtiger.poll.deletions_within",
            &file.poll.deletions_within,
            problems,
        ),
    };
    let time_zone = time_zone("vtiger.time_zone", &file.time_zone, problems)?;
    Some(Crm {
        edition,
        url: url.to_owned(),
        username: file.username.trim().to_owned(),
        access_key: access_key?,
        enabled: file.enabled,
        call_timeout,
        longest_execution,
        sessions: file.sessions.clamp(1, 64),
        describe_for,
        look_first: file.look_first,
        default_owner,
        time_zone,
        contact_defaults: file.contact_defaults.clone(),
        poll,
    })
}

fn check_crm_url(name: &str, url: &str, allow_plain_http: bool, problems: &mut Vec<ConfigProblem>) {
    let with_scheme = if url.contains("://") {
        url.to_owned()
    } else {
        format!("https://{url}")
    };
    let parsed = match url::Url::parse(&with_scheme) {
        Ok(parsed) if parsed.has_host() => parsed,
        Ok(_) | Err(_) => {
            problems.push(ConfigProblem::new(
                name,
                format!("`{}` is not a web address", mask_url(url)),
                "Write it as in the browser, for example https://crm.example.org/vcrm",
            ));
            return;
        }
    };
    if !parsed.username().is_empty() || parsed.password().is_some() {
        problems.push(ConfigProblem::new(
            name,
            "holds a user name or a password",
            "Leave them out of the address: they belong into VTIGER_USERNAME and VTIGER_ACCESS_KEY",
        ));
    }
    let loopback = match parsed.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(domain)) => domain == "localhost",
        None => false,
    };
    match parsed.scheme() {
        "https" => {}
        "http" if loopback || allow_plain_http => {}
        "http" => problems.push(ConfigProblem::new(
            name,
            "uses http, which sends the access key's proof and all personal data in clear",
            "Use https, or set vtiger.allow_plain_http = true for a test system",
        )),
        other => problems.push(ConfigProblem::new(
            name,
            format!("the scheme `{other}` is not spoken here"),
            "Use https://",
        )),
    }
}
