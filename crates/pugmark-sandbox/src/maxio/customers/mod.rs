//! Customers: create, look up, search, read, change, delete.

mod row;
pub(super) mod search;

use serde_json::{Value, json};

pub(super) use row::Customer;

use super::call::{Answer, Call, Success};
use super::fields::Fields;
use super::paging;
use super::refusal::Refusal;
use super::state::Stage;
use super::webhooks::Event;

/// Module name under which the journal notes customers.
pub(super) const MODULE: &str = "customers";

fn wrapped(stage: &Stage<'_>, customer: &Customer) -> Value {
    json!({ "customer": customer.shown(&stage.times()) })
}

/// A new customer of these fields that is not stored yet.
pub(super) fn draft(stage: &mut Stage<'_>, fields: &Fields) -> Result<Customer, Refusal> {
    refuse_unknown(stage, fields)?;
    let mut customer = Customer::new(stage.state.next_id(), stage.now);
    customer.apply(fields);
    check(stage, &customer)?;
    Ok(customer)
}

/// Stores a new customer.
pub(super) fn store(stage: &mut Stage<'_>, customer: Customer) {
    stage.note_created(MODULE, customer.id, customer.facts());
    let id = customer.id;
    stage.state.customers.put(customer);
    stage.raise_for_customer(Event::CustomerCreate, id);
}

pub(super) fn create(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let fields = call.wrapped("customer")?;
    let customer = draft(stage, &fields)?;
    let shown = wrapped(stage, &customer);
    store(stage, customer);
    Ok(Success::created(shown))
}

/// The exact look-up by reference.
pub(super) fn look_up(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let reference = call.query("reference").ok_or(Refusal::NotFound)?;
    let customer = stage.state.customers.by_reference(reference);
    let customer = customer.ok_or(Refusal::NotFound)?;
    Ok(Success::ok(wrapped(stage, customer)))
}

pub(super) fn list(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let found = search::found(stage, call);
    let page = paging::page(paging::directed(found, call), call, 50);
    let shown = page.into_iter().map(|customer| wrapped(stage, customer));
    Ok(Success::ok(shown.collect()))
}

pub(super) fn read(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let customer = find(stage, call.id(0)?)?;
    Ok(Success::ok(wrapped(stage, customer)))
}

pub(super) fn update(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    // An unknown id is told before the body is looked at.
    let before = find(stage, call.id(0)?)?.clone();
    let fields = call.wrapped("customer")?;
    refuse_unknown(stage, &fields)?;
    let mut after = before.clone();
    after.apply(&fields);
    check(stage, &after)?;
    after.updated_at = stage.now;
    let shown = wrapped(stage, &after);
    replace(stage, &before, after);
    Ok(Success::ok(shown))
}

/// Stores what a customer has become.
pub(super) fn replace(stage: &mut Stage<'_>, before: &Customer, after: Customer) {
    stage.note_updated(MODULE, after.id, before.facts(), after.facts());
    let id = after.id;
    stage.state.customers.put(after);
    stage.raise_for_customer(Event::CustomerUpdate, id);
}

pub(super) fn delete(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let id = find(stage, call.id(0)?)?.id;
    let mut subscriptions = stage.state.subscriptions.all();
    if subscriptions.any(|subscription| subscription.customer == id) {
        return Err(Refusal::invalid(
            "This customer has subscriptions and cannot be deleted",
        ));
    }
    stage.state.customers.remove(id);
    stage
        .state
        .profiles
        .retain(|_, profile| profile.customer != id);
    stage.note_deleted(MODULE, id);
    Ok(Success::no_content())
}

pub(super) fn find<'a>(stage: &'a Stage<'_>, id: u64) -> Result<&'a Customer, Refusal> {
    stage.state.customers.get(id).ok_or(Refusal::NotFound)
}

fn refuse_unknown(stage: &Stage<'_>, fields: &Fields) -> Result<(), Refusal> {
    let unknown = Customer::unknown(fields);
    if stage.config.refuse_unknown_attributes && !unknown.is_empty() {
        return Err(Refusal::Invalid(unknown));
    }
    Ok(())
}

fn check(stage: &Stage<'_>, customer: &Customer) -> Result<(), Refusal> {
    let customers = &stage.state.customers;
    let reference = customer.text("reference");
    let taken = reference.is_some_and(|reference| customers.is_taken(reference, customer.id));
    let violations = customer.violations(taken);
    if violations.is_empty() {
        Ok(())
    } else {
        Err(Refusal::Invalid(violations))
    }
}
