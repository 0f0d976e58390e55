//! The address of the Auth API, from whatever form of the project's address was given.

use url::Url;

use crate::config::ConfigError;

/// Where the gateway keeps Auth, below the project's own address.
const AUTH_PATH: [&str; 2] = ["auth", "v1"];

/// `project.supabase.co`, `https://project.supabase.co/`, `https://project.supabase.co/auth/v1/` and the like, as
/// `https://project.supabase.co/auth/v1`, without a slash at the end.
pub(crate) fn auth_url(given: &str) -> Result<Url, ConfigError> {
    let mut url = parse(given)?;
    let mut segments = path_segments(&url);
    let start = segments
        .windows(2)
        .position(|pair| pair == AUTH_PATH)
        .unwrap_or(segments.len());
    let tail = segments.split_off(start);
    if tail.len() > AUTH_PATH.len() {
        return Err(ConfigError::Superfluous {
            part: "a path below `/auth/v1`",
        });
    }
    segments.extend(AUTH_PATH.map(str::to_owned));
    url.set_path(&segments.join("/"));
    Ok(url)
}

/// The address of one route below [`auth_url`].
pub(crate) fn route(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    let path = format!("{}/{path}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}

/// Refuses to send keys and passwords unencrypted, except inside this very machine.
pub(crate) fn check_transport(url: &Url, allow_plain_http: bool) -> Result<(), ConfigError> {
    if url.scheme() == "https" || allow_plain_http || is_loopback(url) {
        return Ok(());
    }
    Err(ConfigError::PlainHttp {
        url: url.to_string(),
    })
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn parse(given: &str) -> Result<Url, ConfigError> {
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
    match superfluous_part(&url) {
        Some(part) => Err(ConfigError::Superfluous { part }),
        None => Ok(url),
    }
}

fn superfluous_part(url: &Url) -> Option<&'static str> {
    if !url.username().is_empty() || url.password().is_some() {
        Some("a user name or password before `@`")
    } else if url.query().is_some() {
        Some("a query (`?…`)")
    } else if url.fragment().is_some() {
        Some("a fragment (`#…`)")
    } else {
        None
    }
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
