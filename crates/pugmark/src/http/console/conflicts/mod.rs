//! Conflicts: fields that both sides changed, or whose value MicroBima cannot take, and what a person decides about them.

mod deciding;
mod detail;
mod list;

pub(super) use deciding::decide;
pub(super) use detail::{fragment as detail_fragment, page as detail};
pub(super) use list::{fragment, page};

use pugmark_queue::db::Ts;

use super::masking;
use super::moment::Moment;
use crate::store::conflicts::{Choice, Conflict, Kind};

/// A conflict as people look at it.
struct Shown {
    id: String,
    customer: String,
    label: String,
    field: String,
    source: String,
    class: &'static str,
    word: &'static str,
    /// Why a person is asked, in one sentence.
    why: String,
    agreed: Option<String>,
    ours: String,
    theirs: String,
    found: Moment,
    open: bool,
    /// MicroBima can take the CRM's value.
    acceptable: bool,
    decision: Option<Decided>,
}

/// What was decided, and how it ended.
struct Decided {
    choice: &'static str,
    value: Option<String>,
    by: String,
    why: Option<String>,
    at: Option<Moment>,
}

impl Shown {
    /// `personal`: whoever looks may see personal data.
    fn of(conflict: Conflict, personal: bool, now: Ts) -> Self {
        let value = |text: String| match personal {
            true => text,
            false => masking::word(&text),
        };
        let (class, word) = badge(&conflict);
        let acceptable = conflict.kind != Kind::NotAccepted.as_str();
        let reason = conflict.reason.as_deref();
        let why = match acceptable {
            true => "Both sides changed it since they last agreed.".to_owned(),
            false => {
                let reason = reason.map_or("it does not fit", |reason| reason);
                let told = masking::told(reason, personal);
                format!("MicroBima cannot take what stands in vTiger: {told}.")
            }
        };
        Shown {
            class,
            word,
            why,
            acceptable,
            open: conflict.status == "OPEN",
            agreed: conflict.base.map(value),
            ours: value(conflict.ours),
            theirs: value(conflict.theirs),
            found: Moment::of(conflict.found_at, now),
            decision: conflict.choice.map(|choice| Decided {
                choice: chosen(choice),
                value: conflict.chosen_value.map(value),
                by: conflict.decided_by.unwrap_or_default(),
                why: conflict
                    .decided_why
                    .map(|why| masking::told(&why, personal)),
                at: conflict.decided_at.map(|at| Moment::of(at, now)),
            }),
            id: conflict.id,
            customer: conflict.customer_id,
            label: conflict.label,
            field: conflict.field,
            source: conflict.source,
        }
    }
}

fn badge(conflict: &Conflict) -> (&'static str, &'static str) {
    match (conflict.status.as_str(), conflict.resolution.as_deref()) {
        ("OPEN", _) => ("wait", "Waits for a person"),
        ("DECIDED", _) => ("brand", "Decided, being carried out"),
        (_, Some("decided")) => ("good", "Decided"),
        _ => ("good", "Settled by itself"),
    }
}

fn chosen(choice: Choice) -> &'static str {
    match choice {
        Choice::Microbima => "MicroBima's value",
        Choice::Vtiger => "vTiger's value",
        Choice::Value => "another value",
    }
}
