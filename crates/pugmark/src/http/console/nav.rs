//! The navigation: one list of all screens that there are.

use super::person::Person;
use crate::people::May;

/// Screens that belong together, as one person sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Their heading; empty for those that need none.
    pub label: &'static str,
    /// The screens.
    pub entries: Vec<Entry>,
}

/// A screen in the navigation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its address.
    pub path: &'static str,
    /// Its name.
    pub label: &'static str,
    /// Whether the page that is shown is this one or belongs to it.
    pub current: bool,
}

type Listed = (&'static str, &'static str, May);

const GROUPS: [(&str, &[Listed]); 4] = [
    (
        "",
        &[
            ("/", "Home", May::Look),
            ("/problems", "Problems", May::Look),
            ("/alerts", "Alerts", May::Look),
            ("/customers", "Customers", May::Look),
            ("/agents", "Manage Agents", May::Look),
            ("/operations", "Operations", May::Look),
        ],
    ),
    (
        "Desks",
        &[
            ("/jobs", "Onboarding", May::Look),
            ("/forms", "Forms and links", May::Look),
            ("/conflicts", "Conflicts", May::Look),
            ("/conversions", "Lead conversions", May::Look),
            ("/inbox", "Webhook inbox", May::Look),
        ],
    ),
    (
        "Behind the scenes",
        &[
            ("/logs", "Logs", May::Look),
            ("/audit", "Audit", May::SeePersonal),
            ("/mapping", "Field mapping", May::Look),
            ("/settings", "Schedules and settings", May::Look),
            ("/system", "System", May::Look),
        ],
    ),
    (
        "Administration",
        &[("/people", "People and tokens", May::Govern)],
    ),
];

/// What this person sees on the page at `path`.
pub(super) fn groups(person: &Person, path: &str) -> Vec<Group> {
    let seen = |entries: &[Listed]| -> Vec<Entry> {
        let allowed = entries.iter().filter(|(_, _, may)| person.may(*may));
        let entries = allowed.map(|(address, label, _)| Entry {
            path: address,
            label,
            current: belongs(path, address),
        });
        entries.collect()
    };
    let groups = GROUPS.iter().map(|(label, entries)| Group {
        label,
        entries: seen(entries),
    });
    groups.filter(|group| !group.entries.is_empty()).collect()
}

fn belongs(path: &str, address: &str) -> bool {
    let below = path.strip_prefix(address);
    match address {
        "/" => path == "/",
        _ => below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_below_a_screen_belongs_to_it_and_one_with_a_longer_name_does_not() {
        assert!(belongs("/people", "/people"));
        assert!(belongs("/people/1/role", "/people"));
        assert!(!belongs("/people-of-elsewhere", "/people"));
        assert!(belongs("/", "/") && !belongs("/people", "/"));
    }
}
