//! Where vTiger is and how to talk to it.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use crate::limits::FieldLimits;

/// Which of the two web services an installation speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Edition {
    /// Self-hosted vTiger: `webservice.php` with sessions.
    OpenSource,
    /// Hosted vTiger: `restapi/v1/vtiger/default` with HTTP Basic.
    Cloud,
}

/// Everything a [`Client`](crate::Client) needs to know. `Debug` does not show the access key.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// The complete endpoint: `…/webservice.php`, or `…/restapi/v1/vtiger/default/` with its slash.
    pub base_url: Url,
    /// Which web service answers there.
    pub edition: Edition,
    /// The user's login name.
    pub username: String,
    /// The user's access key (My Preferences), not the password.
    pub access_key: SecretString,
    /// The longest a single HTTP call may take, from connecting to the last byte.
    pub call_timeout: Duration,
    /// The longest that connecting may take; never more than half of `call_timeout`.
    pub connect_timeout: Duration,
    /// Open source: how many sessions, hence parallel calls, are used, since vTiger serialises the calls of one session.
    /// Cloud: how many calls may run in parallel. At least 1.
    pub sessions: usize,
    /// How long a module description is kept.
    pub describe_ttl: Duration,
    /// The `User-Agent` header.
    pub user_agent: String,
    /// The largest answer that is read, in bytes.
    pub max_answer_bytes: usize,
    /// What this installation's columns hold where it differs from the defaults, by module and field name.
    /// The open-source web service does not tell.
    pub field_limits: BTreeMap<(String, String), FieldLimits>,
}

impl ClientConfig {
    /// A self-hosted vTiger.
    ///
    /// `url` is the site's root with or without scheme (https is assumed), trailing slash and `webservice.php`:
    /// `crm.example.com/vcrm`.
    ///
    /// # Errors
    /// [`ConfigError`] naming what is wrong with the URL or the credentials.
    pub fn open_source(
        url: &str,
        username: impl Into<String>,
        access_key: SecretString,
    ) -> Result<Self, ConfigError> {
        Self::with_endpoint(
            open_source_endpoint(url)?,
            Edition::OpenSource,
            username.into(),
            access_key,
        )
    }

    /// A hosted vTiger.
    ///
    /// `url` is the instance's root or any part of its REST path, with or without scheme (https is assumed):
    /// `https://example.vtiger.com/restapi/v1`.
    ///
    /// # Errors
    /// [`ConfigError`] naming what is wrong with the URL or the credentials.
    pub fn cloud(
        url: &str,
        username: impl Into<String>,
        access_key: SecretString,
    ) -> Result<Self, ConfigError> {
        Self::with_endpoint(
            cloud_endpoint(url)?,
            Edition::Cloud,
            username.into(),
            access_key,
        )
    }

    fn with_endpoint(
        base_url: Url,
        edition: Edition,
        username: String,
        access_key: SecretString,
    ) -> Result<Self, ConfigError> {
        let config = Self {
            base_url,
            edition,
            username,
            access_key,
            call_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            sessions: 4,
            describe_ttl: Duration::from_secs(600),
            user_agent: concat!("pugmark-vtiger/", env!("CARGO_PKG_VERSION")).to_owned(),
            max_answer_bytes: 64 * 1024 * 1024,
            field_limits: BTreeMap::new(),
        };
        config.check()?;
        Ok(config)
    }

    /// Checks what [`Client::new`](crate::Client::new) relies on.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        use secrecy::ExposeSecret;
        if self.username.trim().is_empty() {
            return Err(ConfigError::NoUsername);
        }
        if self.access_key.expose_secret().trim().is_empty() {
            return Err(ConfigError::NoAccessKey);
        }
        if self.sessions == 0 {
            return Err(ConfigError::NoSessions);
        }
        if self.call_timeout.is_zero() || self.connect_timeout.is_zero() {
            return Err(ConfigError::NoTimeout);
        }
        Ok(())
    }
}

/// What is wrong with a [`ClientConfig`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No URL at all.
    #[error(
        "the vTiger URL is empty; give the address of the site, for example https://crm.example.com/vcrm"
    )]
    EmptyUrl,
    /// Not a URL.
    #[error("the vTiger URL `{url}` cannot be read: {problem}")]
    UnreadableUrl {
        /// What was given.
        url: String,
        /// What the parser says.
        problem: url::ParseError,
    },
    /// Neither http nor https.
    #[error(
        "the vTiger URL `{url}` starts with `{scheme}://`; only https:// (or http:// inside a network) works"
    )]
    Scheme {
        /// What was given.
        url: String,
        /// Its scheme.
        scheme: String,
    },
    /// A part that does not belong into the site's address. The URL is not repeated, since it may hold a password.
    #[error(
        "the vTiger URL contains {part}; give only the address of the site, for example https://crm.example.com/vcrm"
    )]
    Superfluous {
        /// Which part: a user name or password, a query (`?…`), or a fragment (`#…`).
        part: &'static str,
    },
    /// A page of vTiger instead of its root.
    #[error("the vTiger URL `{url}` ends in `{page}`; give the address of the site without it")]
    Page {
        /// What was given.
        url: String,
        /// The page.
        page: String,
    },
    /// The address of the other edition.
    #[error("the vTiger URL `{url}` belongs to {other}; configure it as such, or correct it")]
    OtherEdition {
        /// What was given.
        url: String,
        /// The edition the URL looks like.
        other: &'static str,
    },
    /// No user name.
    #[error("the vTiger user name is empty")]
    NoUsername,
    /// No access key.
    #[error("the vTiger access key is empty; it stands in the user's My Preferences page")]
    NoAccessKey,
    /// No session allowed.
    #[error("the number of vTiger sessions must be at least 1")]
    NoSessions,
    /// A timeout of zero.
    #[error("the vTiger call timeout and connect timeout must be longer than zero")]
    NoTimeout,
    /// The HTTP client could not be built.
    #[error("the HTTP client cannot be built: {0}")]
    HttpClient(#[source] reqwest::Error),
}

fn open_source_endpoint(given: &str) -> Result<Url, ConfigError> {
    let mut url = parse_site(given)?;
    let mut segments = path_segments(&url);
    if segments.iter().any(|segment| segment == "restapi") {
        return Err(ConfigError::OtherEdition {
            url: given.trim().to_owned(),
            other: "vTiger Cloud",
        });
    }
    if segments.last().is_some_and(|last| last == "webservice.php") {
        segments.pop();
    }
    refuse_page(given, &segments)?;
    segments.push("webservice.php".to_owned());
    url.set_path(&segments.join("/"));
    Ok(url)
}

fn cloud_endpoint(given: &str) -> Result<Url, ConfigError> {
    const REST_PATH: [&str; 4] = ["restapi", "v1", "vtiger", "default"];
    let mut url = parse_site(given)?;
    let mut segments = path_segments(&url);
    if segments.iter().any(|segment| segment == "webservice.php") {
        return Err(ConfigError::OtherEdition {
            url: given.trim().to_owned(),
            other: "open-source vTiger",
        });
    }
    let start = segments
        .iter()
        .position(|segment| segment == REST_PATH[0])
        .unwrap_or(segments.len());
    let tail = segments.split_off(start);
    if !tail
        .iter()
        .map(String::as_str)
        .eq(REST_PATH.iter().copied().take(tail.len()))
    {
        return Err(ConfigError::Page {
            url: given.trim().to_owned(),
            page: tail.join("/"),
        });
    }
    refuse_page(given, &segments)?;
    segments.extend(REST_PATH.map(str::to_owned));
    url.set_path(&format!("{}/", segments.join("/")));
    Ok(url)
}

fn parse_site(given: &str) -> Result<Url, ConfigError> {
    let trimmed = given.trim();
    if trimmed.is_empty() {
        return Err(ConfigError::EmptyUrl);
    }
    let complete = if trimmed.contains("://") {
        trimmed.to_owned()
    } else {
        format!("https://{trimmed}")
    };
    let url = Url::parse(&complete).map_err(|problem| ConfigError::UnreadableUrl {
        url: without_userinfo(trimmed),
        problem,
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(ConfigError::Scheme {
            url: without_userinfo(trimmed),
            scheme: url.scheme().to_owned(),
        });
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(ConfigError::Superfluous {
            part: "a user name or password before `@`",
        });
    }
    if url.query().is_some() {
        return Err(ConfigError::Superfluous {
            part: "a query (`?…`)",
        });
    }
    if url.fragment().is_some() {
        return Err(ConfigError::Superfluous {
            part: "a fragment (`#…`)",
        });
    }
    Ok(url)
}

/// What stands before an `@` may be a password and must not be repeated in an error.
fn without_userinfo(text: &str) -> String {
    text.rsplit_once('@')
        .map_or_else(|| text.to_owned(), |(_, rest)| format!("…@{rest}"))
}

fn path_segments(url: &Url) -> Vec<String> {
    url.path()
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(str::to_owned)
        .collect()
}

fn refuse_page(given: &str, segments: &[String]) -> Result<(), ConfigError> {
    match segments.last() {
        Some(page) if page.ends_with(".php") => Err(ConfigError::Page {
            url: given.trim().to_owned(),
            page: page.clone(),
        }),
        _ => Ok(()),
    }
}
