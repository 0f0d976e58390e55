//! Times and browsers, as people say them.

use std::time::Duration;

use pugmark_queue::db::Ts;

/// How long ago something was.
pub fn ago(then: Ts, now: Ts) -> String {
    let seconds = now.since(then).as_secs();
    match seconds {
        0..60 => "just now".to_owned(),
        _ => format!("{} ago", span(Duration::from_secs(seconds))),
    }
}

/// How long something lasts, in its largest unit.
pub fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7_200 => (seconds / 60, "minute"),
        7_200..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

/// What a browser calls itself, in two words.
pub(super) fn browser(agent: &str) -> String {
    let has = |word: &str| agent.contains(word);
    let name = [
        ("Edg/", "Edge"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    let system = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    ];
    let known = |list: &[(&str, &'static str)]| {
        let found = list.iter().find(|(word, _)| has(word));
        found.map(|(_, known)| *known)
    };
    match (known(&name), known(&system)) {
        (Some(name), Some(system)) => format!("{name} on {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) if agent.is_empty() => "an unknown browser".to_owned(),
        (None, None) => agent.chars().take(40).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_their_largest_unit() {
        let now = Ts::from_micros(1_800_000_000_000_000);
        let said = |seconds| ago(now.before(Duration::from_secs(seconds)), now);
        assert_eq!(said(5), "just now");
        assert_eq!(said(61), "61 seconds ago");
        assert_eq!(said(600), "10 minutes ago");
        assert_eq!(said(7_300), "2 hours ago");
        assert_eq!(said(200_000), "2 days ago");
        assert_eq!(span(Duration::from_secs(86_400)), "24 hours");
    }

    #[test]
    fn a_browser_is_named_by_what_it_is_and_where() {
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
        assert_eq!(browser(chrome), "Chrome on Linux");
        assert_eq!(browser("curl/8"), "curl/8");
        assert_eq!(browser(""), "an unknown browser");
    }
}
