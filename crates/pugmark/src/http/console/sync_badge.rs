//! Whether something is in step with vTiger, as a badge that tells more when it is pointed at or focused.

use pugmark_queue::db::Ts;

use super::masking;
use super::moment::Moment;
use crate::store::links::SyncStatus;

/// A badge with what its tooltip says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyncBadge {
    pub(super) class: &'static str,
    pub(super) word: &'static str,
    /// Sentences.
    pub(super) tip: Vec<String>,
    /// The code of what is in the way; it has a page of its own.
    pub(super) code: Option<String>,
}

/// What is known of a link.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) status: Option<SyncStatus>,
    /// Test customers never reach the CRM.
    pub(super) is_test: bool,
    pub(super) last_synced_at: Option<Ts>,
    pub(super) error: Option<&'a str>,
    pub(super) code: Option<&'a str>,
}

impl SyncBadge {
    /// `personal`: whoever looks may see personal data.
    pub(super) fn of(known: Known<'_>, personal: bool, now: Ts) -> Self {
        let (class, word) = match known.status {
            Some(SyncStatus::Synced) => ("good", "Synced"),
            Some(SyncStatus::Syncing) => ("brand", "Syncing"),
            Some(SyncStatus::Pending) => ("wait", "Waiting"),
            Some(SyncStatus::Failed) => ("bad", "Failed"),
            None if known.is_test => ("", "Test"),
            None => ("", "Not synced"),
        };
        let mut tip = vec![match known.last_synced_at {
            Some(at) => {
                let moment = Moment::of(at, now);
                format!(
                    "Both sides last agreed {} ({}).",
                    moment.words, moment.exact
                )
            }
            None if known.is_test => "A test customer: never sent to vTiger.".to_owned(),
            None => "Both sides have not agreed yet.".to_owned(),
        }];
        tip.extend(known.error.map(|error| match personal {
            true => error.to_owned(),
            false => masking::sentence(error),
        }));
        SyncBadge {
            class,
            word,
            tip,
            code: known.code.map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tooltip_says_when_both_sides_agreed_and_what_is_in_the_way() {
        let now = Ts::from_micros(1_700_000_000_000_000);
        let known = Known {
            status: Some(SyncStatus::Failed),
            is_test: false,
            last_synced_at: Some(Ts::from_micros(1_699_999_400_000_000)),
            error: Some("the value \"Otieno\" is refused"),
            code: Some("PUG-2006"),
        };
        let badge = SyncBadge::of(known, true, now);
        assert_eq!((badge.class, badge.word), ("bad", "Failed"));
        assert_eq!(
            badge.tip,
            [
                "Both sides last agreed 10 minutes ago (2023-11-14T22:03:20Z).",
                "the value \"Otieno\" is refused"
            ]
        );
        let masked = SyncBadge::of(known, false, now);
        assert_eq!(masked.tip[1], "the value \"O•••\" is refused");
    }
}
