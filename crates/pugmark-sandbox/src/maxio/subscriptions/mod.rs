//! Subscriptions: sign up, look up, read, change, end.

mod change;
mod choices;
mod life;
mod outside;
mod row;
mod signup;
mod status;

use serde_json::{Value, json};

pub(super) use change::{change_payment_profile, update};
pub(super) use life::{activate, cancel, cancel_later, hold, keep, purge, reactivate, resume};
pub(super) use outside::{debit_paid, debit_rejected, renew, set_state};
pub(super) use row::Subscription;
pub(super) use signup::create;
pub use status::SubscriptionState;

use super::call::{Answer, Call, Success};
use super::customers;
use super::paging;
use super::refusal::Refusal;
use super::state::Stage;

/// Module name under which the journal notes subscriptions.
pub(super) const MODULE: &str = "subscriptions";

pub(super) fn find<'a>(stage: &'a Stage<'_>, id: u64) -> Result<&'a Subscription, Refusal> {
    stage.state.subscriptions.get(id).ok_or(Refusal::NotFound)
}

/// As an answer shows it: both states are the same there.
pub(super) fn wrapped(stage: &Stage<'_>, id: u64) -> Result<Value, Refusal> {
    Ok(wrap(stage, find(stage, id)?))
}

fn wrap(stage: &Stage<'_>, subscription: &Subscription) -> Value {
    let shown = subscription.shown(stage, &stage.times(), subscription.state);
    json!({ "subscription": shown })
}

pub(super) fn look_up(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let reference = call.query("reference").ok_or(Refusal::NotFound)?;
    let subscription = stage.state.subscriptions.by_reference(reference);
    let subscription = subscription.ok_or(Refusal::NotFound)?;
    Ok(Success::ok(wrap(stage, subscription)))
}

/// Only here the amount of the next bill is shown.
pub(super) fn read(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let subscription = find(stage, call.id(0)?)?;
    let mut shown = wrap(stage, subscription);
    shown["subscription"]["current_billing_amount_in_cents"] = json!(subscription.price_in_cents);
    Ok(Success::ok(shown))
}

pub(super) fn list(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let state = call.query("state");
    let product = call.query("product");
    let (from, to) = customers::search::bounds(stage, call);
    let wanted = |subscription: &&Subscription| {
        state.is_none_or(|state| subscription.state.name() == state)
            && product.is_none_or(|id| subscription.product.to_string() == id)
            && from.is_none_or(|from| subscription.created_at >= from)
            && to.is_none_or(|to| subscription.created_at < to)
    };
    let mut found: Vec<_> = stage.state.subscriptions.all().filter(wanted).collect();
    match call.query("sort") {
        Some("updated_at") => found.sort_by_key(|subscription| subscription.updated_at),
        Some("period_end" | "next_assessment") => {
            found.sort_by_key(|subscription| subscription.period_ends_at);
        }
        _ => {}
    }
    let page = paging::page(paging::directed(found, call), call, 20);
    let shown = page
        .into_iter()
        .map(|subscription| wrap(stage, subscription));
    Ok(Success::ok(shown.collect()))
}

pub(super) fn list_of_customer(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let id = customers::find(stage, call.id(0)?)?.id;
    let of_customer = |subscription: &&Subscription| subscription.customer == id;
    let found = stage.state.subscriptions.all().filter(of_customer);
    Ok(Success::ok(found.map(|one| wrap(stage, one)).collect()))
}

/// Stores what a subscription has become, and gives it as it was.
fn replace(
    stage: &mut Stage<'_>,
    id: u64,
    change: impl FnOnce(&mut Subscription),
) -> Result<Subscription, Refusal> {
    let before = find(stage, id)?.clone();
    let mut after = before.clone();
    change(&mut after);
    after.updated_at = stage.now;
    stage.note_updated(MODULE, id, before.facts(stage), after.facts(stage));
    stage.state.subscriptions.put(after);
    Ok(before)
}
