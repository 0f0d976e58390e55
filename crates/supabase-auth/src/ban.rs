//! Bans, as the server wants them written.

use std::time::Duration;

use crate::error::Invalid;

/// What to do about a user's ban. A banned user can neither sign in nor refresh; sessions are kept, and work again once
/// the ban is lifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ban {
    /// No ban, from now on.
    Lifted,
    /// A ban of this length from now on, at most that of [`Ban::FOREVER`]. Banning again restarts the clock.
    For(Duration),
}

const HUNDRED_YEARS: Duration = Duration::from_hours(876_000);

impl Ban {
    /// A hundred years, the vendor's own way to say for good.
    pub const FOREVER: Self = Self::For(HUNDRED_YEARS);

    /// The text of `ban_duration`: a Go duration, which knows hours but no days, or `none`.
    pub(crate) fn text(self) -> Result<String, Invalid> {
        match self {
            Self::Lifted => Ok("none".to_owned()),
            // Nothing at all would lift the ban.
            Self::For(length) if length.is_zero() || length > HUNDRED_YEARS => {
                Err(Invalid::BanDuration {
                    longest: HUNDRED_YEARS,
                })
            }
            Self::For(length) => Ok(go_duration(length)),
        }
    }
}

fn go_duration(length: Duration) -> String {
    match (length.as_secs(), length.subsec_nanos()) {
        (seconds, 0) if seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        (seconds, 0) => format!("{seconds}s"),
        (seconds, nanos) => format!("{seconds}s{nanos}ns"),
    }
}
