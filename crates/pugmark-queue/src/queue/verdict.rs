//! What a failed or given-back attempt leads to. Pure: everything it depends on comes in.

use std::time::Duration;

use rand::Rng;

use super::codes;
use crate::db::Ts;
use crate::policy::KindPolicy;
use crate::{NotBefore, OperationRecord, Status};

/// Why a worker gives an operation back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// It failed in a way that may pass and that counts against `max_retries`.
    Counted {
        /// Stable code.
        code: String,
        /// For people.
        message: String,
    },
    /// The other side refused it for good: a dead letter at once.
    Refused {
        /// Stable code.
        code: String,
        /// For people.
        message: String,
    },
    /// The other side cannot be reached; nothing was done.
    Unavailable {
        /// Stable code.
        code: String,
        /// For people.
        message: String,
    },
    /// The other side wants less traffic.
    Throttled {
        /// What the other side asked for.
        retry_after: Option<Duration>,
        /// Stable code.
        code: String,
        /// For people.
        message: String,
    },
    /// The session was lost and could not be renewed at once.
    SessionLost {
        /// Stable code.
        code: String,
        /// For people.
        message: String,
    },
    /// It may or may not have been done.
    Unknown {
        /// The next attempt's earliest start; `None`: after the policy's settle time.
        not_before: Option<NotBefore>,
        /// Stable code.
        code: String,
        /// For people.
        message: String,
    },
    /// It needs something that is not there yet, and [`Queue::unblock`](crate::Queue::unblock) will be called with this key.
    Blocked {
        /// What it waits for.
        by: String,
        /// Looked at again after this time in any case.
        recheck_after: Duration,
    },
    /// It was not begun (shutdown): as if it had not been claimed.
    HandBack,
    /// It has to wait, through nobody's fault, for instance for an unknown outcome to settle.
    Later {
        /// The next attempt's earliest start.
        not_before: NotBefore,
        /// Stable code.
        code: String,
        /// For people.
        message: String,
    },
}

impl Release {
    /// The word under which the attempt is filed unless the report has a better one.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Counted { .. } => "failed",
            Self::Refused { .. } => "refused",
            Self::Unavailable { .. } => "unavailable",
            Self::Throttled { .. } => "throttled",
            Self::SessionLost { .. } => "session_lost",
            Self::Unknown { .. } => "unknown",
            Self::Blocked { .. } => "blocked",
            Self::HandBack => "handed_back",
            Self::Later { .. } => "later",
        }
    }

    /// The attempt cannot have had any effect.
    fn never_sent(&self, crm_calls: u32) -> bool {
        match self {
            Self::HandBack => true,
            Self::Blocked { .. } | Self::Later { .. } => crm_calls == 0,
            _ => false,
        }
    }
}

/// The fields of the operation after the attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) next: Next,
    pub(super) retry_count: i32,
    pub(super) deferrals: i32,
    pub(super) troubled_since: Option<Ts>,
    pub(super) unknown_at: Option<Ts>,
    pub(super) attempts: i32,
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
    pub(super) blocked_by: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Wait { until: Ts, status: Status },
    Dead,
}

/// What `why` makes of `row`, whose attempt made `crm_calls` calls and ends `now`.
pub(super) fn judge(
    row: &OperationRecord,
    why: Release,
    crm_calls: u32,
    policy: &KindPolicy,
    now: Ts,
    rng: &mut impl Rng,
) -> Verdict {
    let attempts = if why.never_sent(crm_calls) {
        (row.attempts - 1).max(0)
    } else {
        row.attempts
    };
    let as_it_is = Verdict {
        next: Next::Dead,
        retry_count: row.retry_count,
        deferrals: row.deferrals,
        troubled_since: row.troubled_since,
        unknown_at: row.unknown_at,
        attempts,
        code: row.error_code.clone(),
        message: row.error_message.clone(),
        blocked_by: None,
    };
    let with = |code: String, message: String| Verdict {
        code: Some(code),
        message: Some(message),
        ..as_it_is.clone()
    };
    let mut trouble = Trouble {
        row,
        policy,
        now,
        rng,
    };
    let verdict = match why {
        Release::Counted { code, message } => trouble.counted(with(code, message)),
        Release::Refused { code, message } => with(code, message),
        Release::Unavailable { code, message } => {
            trouble.uncounted(with(code, message), None, codes::GAVE_UP_UNAVAILABLE)
        }
        Release::Throttled {
            retry_after,
            code,
            message,
        } => {
            let earliest = retry_after.map(|wait| now.after(wait));
            trouble.uncounted(with(code, message), earliest, codes::GAVE_UP_THROTTLED)
        }
        Release::SessionLost { code, message } => {
            trouble.uncounted(with(code, message), None, codes::GAVE_UP_SESSION_LOST)
        }
        Release::Unknown {
            not_before,
            code,
            message,
        } => {
            let settled = not_before
                .unwrap_or(NotBefore::After(policy.settle))
                .earliest(now);
            let unknown = Verdict {
                // The latest one: until its time to settle is over, what it did may still come to light.
                unknown_at: Some(now),
                ..with(code, message)
            };
            trouble.uncounted(unknown, Some(settled), codes::GAVE_UP_UNKNOWN)
        }
        Release::Blocked { by, recheck_after } => Verdict {
            next: waits(now.after(recheck_after)),
            blocked_by: Some(by),
            ..as_it_is
        },
        Release::HandBack => Verdict {
            next: waits(now),
            ..as_it_is
        },
        Release::Later {
            not_before,
            code,
            message,
        } => Verdict {
            next: waits(not_before.earliest(now)),
            ..with(code, message)
        },
    };
    without_secret(verdict, row, now)
}

fn waits(until: Ts) -> Next {
    Next::Wait {
        until,
        status: Status::Pending,
    }
}

/// An operation whose secret has outlived its time cannot be carried out any more.
fn without_secret(verdict: Verdict, row: &OperationRecord, now: Ts) -> Verdict {
    let expired = row.secret_expires_at.is_some_and(|expires| expires <= now);
    if !expired || verdict.next == Next::Dead {
        return verdict;
    }
    let last = verdict
        .message
        .map(|message| format!("; before that: {message}"))
        .unwrap_or_default();
    Verdict {
        next: Next::Dead,
        code: Some(codes::SECRET_EXPIRED.to_owned()),
        message: Some(format!(
            "the secret was kept as long as it may be and is erased; enter a new one{last}"
        )),
        // What it waited for is of no matter any more; a replay begins anew.
        blocked_by: None,
        ..verdict
    }
}

struct Trouble<'a, R> {
    row: &'a OperationRecord,
    policy: &'a KindPolicy,
    now: Ts,
    rng: &'a mut R,
}

impl<R: Rng> Trouble<'_, R> {
    fn counted(&mut self, verdict: Verdict) -> Verdict {
        if self.row.retry_count >= self.row.max_retries {
            return verdict;
        }
        let wait = self
            .policy
            .backoff(self.row.retry_count.unsigned_abs(), self.rng);
        Verdict {
            next: self.failed(wait),
            retry_count: self.row.retry_count + 1,
            deferrals: 0,
            troubled_since: None,
            ..verdict
        }
    }

    /// A failure that does not count. The jitter is added to `earliest`, so that what was asked for is obeyed and operations
    /// that were told the same time still do not come back together.
    fn uncounted(&mut self, verdict: Verdict, earliest: Option<Ts>, gave_up: &str) -> Verdict {
        let since = self.row.troubled_since.unwrap_or(self.now);
        if self.now.since(since) >= self.policy.max_age {
            let message = verdict.message.unwrap_or_default();
            let code = verdict.code.unwrap_or_default();
            return Verdict {
                code: Some(gave_up.to_owned()),
                message: Some(format!("since {since}: {code}: {message}")),
                ..verdict
            };
        }
        let wait = match earliest {
            Some(earliest) => earliest.since(self.now) + self.policy.backoff(0, self.rng),
            None => self
                .policy
                .backoff(self.row.deferrals.unsigned_abs(), self.rng),
        };
        Verdict {
            next: self.failed(wait),
            deferrals: self.row.deferrals.saturating_add(1),
            troubled_since: Some(since),
            ..verdict
        }
    }

    fn failed(&self, wait: Duration) -> Next {
        Next::Wait {
            until: self.now.after(wait),
            status: Status::Failed,
        }
    }
}
