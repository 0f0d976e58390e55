//! Faults on demand: what goes wrong, when, and reproducibly.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

/// One way in which a call goes wrong.
///
/// "Effect" means that the write is stored. Every fault says on which side of the effect it strikes, because that
/// is all the difference to a client that must neither lose nor double a write.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fault {
    /// The connection is reset without an answer; nothing is done. (A listener that refuses the TCP connection
    /// itself is `go_down`.)
    RefuseConnection,
    /// This HTTP status with a web server's HTML page (of Supabase Auth 429 and 500, of Maxio 401, 404, 422 and 429: as
    /// the service itself answers them); nothing is done.
    Http(u16),
    /// The effect is done, then this HTTP status is answered as with [`Fault::Http`].
    HttpAfterEffect(u16),
    /// Nothing is ever done; the call is held for this long, or until the client gives up, then cut.
    HangBeforeEffect(Duration),
    /// The effect is done at once, but no answer comes until the client gives up (or the sandbox's own limit
    /// passes).
    HangAfterEffect,
    /// The effect is done at once, then the connection is cut without a byte of an answer.
    CutAfterEffect,
    /// The connection is cut at once, and the effect happens `delay` later: a zombie.
    LateCommit {
        /// How long after the cut the effect happens.
        delay: Duration,
    },
    /// The answer's body breaks off in the middle.
    CutBody {
        /// Whether the effect was done.
        after_effect: bool,
    },
    /// The effect is done, then HTTP 200 with an HTML page without any JSON is answered.
    HtmlAfterEffect,
    /// The effect is done, then `success:false` with `INTERNAL_SERVER_ERROR` is answered. Strikes vTiger only.
    SuccessFalseAfterEffect,
    /// The effect is done, then `success:true` with a null result is answered; by Supabase Auth and Maxio the text `null`.
    NullResultAfterEffect,
    /// A query answers `success:true` with an empty page, as if it had swallowed a database error. Strikes queries and
    /// lists only.
    EmptyPage,
    /// The session is gone before the call is executed. Strikes calls in a session only.
    DropSession,
    /// HTTP 429; nothing is done.
    TooMany {
        /// Seconds to be sent in a `Retry-After` header, if any.
        retry_after: Option<u32>,
    },
    /// The call is executed, and PHP warnings are printed in front of its JSON. Strikes vTiger only.
    DisplayErrorsNoise,
    /// The call is executed this much later, whether or not the client still waits.
    Slow(Duration),
}

impl Fault {
    /// Whether a write is still stored although this fault strikes (for [`Fault::LateCommit`]: later).
    pub fn keeps_effect(&self) -> bool {
        match self {
            Fault::HttpAfterEffect(_)
            | Fault::HangAfterEffect
            | Fault::CutAfterEffect
            | Fault::LateCommit { .. }
            | Fault::HtmlAfterEffect
            | Fault::SuccessFalseAfterEffect
            | Fault::NullResultAfterEffect
            | Fault::DisplayErrorsNoise
            | Fault::Slow(_) => true,
            Fault::CutBody { after_effect } => *after_effect,
            Fault::RefuseConnection
            | Fault::Http(_)
            | Fault::HangBeforeEffect(_)
            | Fault::EmptyPage
            | Fault::DropSession
            | Fault::TooMany { .. } => false,
        }
    }
}

/// Which of the calls that a rule looks at are struck.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Occurrence {
    /// Every one.
    Always,
    /// Only the n-th, counted from 1.
    Nth(u64),
    /// The first n.
    First(u64),
    /// Every n-th (n, 2n, 3n, ...).
    EveryNth(u64),
    /// Each with this probability (0 to 1), decided by the plan's seed and the running number of the call.
    Rate(f64),
}

/// What a rule looks at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Match {
    /// Operation names in lower case (`create`, `revise`, `query`, ...); empty means every operation.
    pub operations: Vec<String>,
    /// Which of those calls are struck.
    pub occurrence: Occurrence,
}

impl Match {
    /// Calls of one operation.
    pub fn operation(name: &str, occurrence: Occurrence) -> Self {
        Self {
            operations: vec![name.to_ascii_lowercase()],
            occurrence,
        }
    }

    /// Calls of any of these operations.
    pub fn operations(names: &[&str], occurrence: Occurrence) -> Self {
        Self {
            operations: names.iter().map(|name| name.to_ascii_lowercase()).collect(),
            occurrence,
        }
    }

    /// Calls of every operation.
    pub fn any(occurrence: Occurrence) -> Self {
        Self {
            operations: Vec::new(),
            occurrence,
        }
    }

    fn looks_at(&self, operation: &str) -> bool {
        self.operations.is_empty() || self.operations.iter().any(|name| name == operation)
    }
}

/// A fault and the calls it strikes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rule {
    /// The calls it strikes.
    pub when: Match,
    /// What happens to them.
    pub fault: Fault,
}

/// Rules in order: the first one that strikes a call wins. The same seed and the same sequence of calls give the same
/// faults.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FaultPlan {
    /// Decides every [`Occurrence::Rate`].
    pub seed: u64,
    /// The rules, in order.
    pub rules: Vec<Rule>,
    /// After so many faults the plan does nothing more.
    pub budget: Option<u64>,
}

/// Operations that store something.
const WRITES: [&str; 10] = [
    "create",
    "revise",
    "update",
    "delete",
    "pugmark.upsert",
    "customer.create",
    "customer.update",
    "payment_profile.create",
    "subscription.create",
    "subscription.update",
];

impl FaultPlan {
    /// A plan without rules.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            rules: Vec::new(),
            budget: None,
        }
    }

    /// Adds a rule.
    #[must_use]
    pub fn rule(mut self, when: Match, fault: Fault) -> Self {
        self.rules.push(Rule { when, fault });
        self
    }

    /// Adds: the n-th call (from 1) of this operation meets this fault.
    #[must_use]
    pub fn nth(self, operation: &str, n: u64, fault: Fault) -> Self {
        self.rule(Match::operation(operation, Occurrence::Nth(n)), fault)
    }

    /// Adds: every call of this operation meets this fault.
    #[must_use]
    pub fn always(self, operation: &str, fault: Fault) -> Self {
        self.rule(Match::operation(operation, Occurrence::Always), fault)
    }

    /// Limits how many faults are injected altogether.
    #[must_use]
    pub fn budget(mut self, faults: u64) -> Self {
        self.budget = Some(faults);
        self
    }

    /// What a bad day looks like: errors of a proxy before and after the effect, hanging calls whose write was done,
    /// lost sessions, throttling, answers that break off, HTML in place of JSON. `rate` (0 to 1) is about the
    /// share of writes struck; of other calls about half as many are.
    pub fn typical(seed: u64, rate: f64) -> Self {
        let share = |part: f64| Occurrence::Rate((rate * part).clamp(0.0, 1.0));
        Self::new(seed)
            .rule(Match::any(share(0.15)), Fault::Http(503))
            .rule(Match::any(share(0.10)), Fault::Http(500))
            .rule(Match::any(share(0.15)), Fault::DropSession)
            .rule(
                Match::any(share(0.10)),
                Fault::TooMany {
                    retry_after: Some(1),
                },
            )
            .rule(
                Match::operations(&WRITES, share(0.15)),
                Fault::HttpAfterEffect(504),
            )
            .rule(
                Match::operations(&WRITES, share(0.10)),
                Fault::HangAfterEffect,
            )
            .rule(
                Match::operations(&WRITES, share(0.10)),
                Fault::CutBody { after_effect: true },
            )
            .rule(
                Match::operations(&WRITES, share(0.05)),
                Fault::CutBody {
                    after_effect: false,
                },
            )
            .rule(
                Match::operations(&WRITES, share(0.10)),
                Fault::HtmlAfterEffect,
            )
    }
}

#[derive(Debug, Default)]
struct Running {
    plan: FaultPlan,
    /// Per rule: how many calls it has looked at.
    looked_at: Vec<u64>,
    injected: u64,
}

/// The fault plan of a running sandbox; may be changed at any time, clones share it.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    running: Arc<Mutex<Running>>,
}

impl Faults {
    /// Replaces the plan; all counts begin anew.
    pub fn set(&self, plan: FaultPlan) {
        let looked_at = vec![0; plan.rules.len()];
        *self.lock() = Running {
            plan,
            looked_at,
            injected: 0,
        };
    }

    /// No more faults.
    pub fn clear(&self) {
        self.set(FaultPlan::default());
    }

    /// The plan in force.
    pub fn plan(&self) -> FaultPlan {
        self.lock().plan.clone()
    }

    /// How many faults the plan has injected since it was set.
    pub fn injected(&self) -> u64 {
        self.lock().injected
    }

    /// Decides what happens to the next call of `operation` (lower case).
    pub(crate) fn decide(&self, operation: &str) -> Option<Fault> {
        let running = &mut *self.lock();
        if running
            .plan
            .budget
            .is_some_and(|budget| running.injected >= budget)
        {
            return None;
        }
        let mut struck = None;
        // Every rule counts every call it looks at, also when an earlier rule strikes: so adding a rule in front does
        // not shift the calls that the others strike.
        for (index, rule) in running.plan.rules.iter().enumerate() {
            if !rule.when.looks_at(operation) {
                continue;
            }
            running.looked_at[index] += 1;
            let number = running.looked_at[index];
            if struck.is_none() && strikes(running.plan.seed, index, number, rule.when.occurrence) {
                struck = Some(rule.fault.clone());
            }
        }
        if struck.is_some() {
            running.injected += 1;
        }
        struck
    }

    /// A fault that turned out not to apply (an [`Fault::EmptyPage`] on a write, say) costs no budget.
    pub(crate) fn give_back(&self) {
        let running = &mut *self.lock();
        running.injected = running.injected.saturating_sub(1);
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn strikes(seed: u64, rule: usize, number: u64, occurrence: Occurrence) -> bool {
    match occurrence {
        Occurrence::Always => true,
        Occurrence::Nth(n) => number == n,
        Occurrence::First(n) => number <= n,
        Occurrence::EveryNth(n) => n > 0 && number.is_multiple_of(n),
        Occurrence::Rate(rate) => unit(mix(seed, rule as u64, number)) < rate,
    }
}

/// A well-spread number from three (SplitMix64 steps): the decision depends on nothing but its inputs, so the
/// thread that happens to arrive first does not change it.
pub(crate) fn mix(a: u64, b: u64, c: u64) -> u64 {
    [b, c].into_iter().fold(split_mix(a), |state, next| {
        split_mix(state ^ split_mix(next))
    })
}

fn split_mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn unit(value: u64) -> f64 {
    (value >> 11) as f64 / (1_u64 << 53) as f64
}
