//! Payment profiles: where bank accounts and cards live.

mod draft;
mod iban;
mod row;

use serde_json::{Value, json};

pub(super) use draft::draft;
pub(super) use row::{Means, Profile};

use super::call::{Answer, Call, Success};
use super::customers;
use super::paging;
use super::refusal::Refusal;
use super::state::Stage;

/// Module name under which the journal notes payment profiles.
pub(super) const MODULE: &str = "payment_profiles";

fn wrapped(stage: &Stage<'_>, profile: &Profile) -> Value {
    json!({ "payment_profile": profile.shown(&stage.times()) })
}

/// Stores a new profile.
pub(super) fn store(stage: &mut Stage<'_>, profile: Profile) {
    stage.note_created(MODULE, profile.id, profile.facts());
    stage.state.profiles.insert(profile.id, profile);
}

pub(super) fn create(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let fields = call.wrapped("payment_profile")?;
    let customer = fields.id("customer_id").ok_or(Refusal::NotFound)?;
    let customer = customers::find(stage, customer)?.clone();
    let profile = draft(stage, &fields, &customer, false)?;
    let shown = wrapped(stage, &profile);
    store(stage, profile);
    Ok(Success::created(shown))
}

pub(super) fn list(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let customer = call.query("customer_id");
    let of_customer = |profile: &&Profile| {
        customer.is_none_or(|customer| profile.customer.to_string() == customer)
    };
    let found = stage.state.profiles.values().filter(of_customer).collect();
    let page = paging::page::<&Profile>(found, call, 20);
    let shown = page.into_iter().map(|profile| wrapped(stage, profile));
    Ok(Success::ok(shown.collect()))
}

pub(super) fn read(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let profile = find(stage, call.id(0)?)?;
    Ok(Success::ok(wrapped(stage, profile)))
}

/// Names and the billing address; a number cannot be changed.
pub(super) fn update(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let before = find(stage, call.id(0)?)?.clone();
    let fields = call.wrapped("payment_profile")?;
    let kind = fields.text("payment_type");
    if kind.is_some_and(|kind| kind != before.payment_type()) {
        return Err(Refusal::invalid("Payment type: cannot be changed."));
    }
    let mut after = before.clone();
    after.apply(&fields);
    after.updated_at = stage.now;
    stage.note_updated(MODULE, after.id, before.facts(), after.facts());
    let shown = wrapped(stage, &after);
    stage.state.profiles.insert(after.id, after);
    Ok(Success::ok(shown))
}

pub(super) fn delete(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let id = find(stage, call.id(0)?)?.id;
    let mut subscriptions = stage.state.subscriptions.all();
    let in_use = subscriptions
        .any(|subscription| subscription.profile == Some(id) && !subscription.state.is_ended());
    if in_use {
        return Err(Refusal::invalid(
            "The payment profile is in use by one or more subscriptions and cannot be deleted",
        ));
    }
    stage.state.profiles.remove(&id);
    stage.note_deleted(MODULE, id);
    Ok(Success::no_content())
}

pub(super) fn find<'a>(stage: &'a Stage<'_>, id: u64) -> Result<&'a Profile, Refusal> {
    stage.state.profiles.get(&id).ok_or(Refusal::NotFound)
}
