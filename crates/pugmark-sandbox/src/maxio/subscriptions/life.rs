//! Ends, pauses and beginnings anew.

use jiff::Timestamp;
use serde_json::json;

use super::super::call::{Answer, Call, Success};
use super::super::refusal::Refusal;
use super::super::state::Stage;
use super::super::times;
use super::super::webhooks::Event;
use super::row::Subscription;
use super::status::SubscriptionState as State;
use super::{MODULE, find, replace, wrapped};

/// What is shown as the reason of an end that names none.
const NO_REASON: &str = "CH:Unknown";

/// Moves a subscription to another state, with whatever goes along, and says so to the world.
pub(super) fn move_to(
    stage: &mut Stage<'_>,
    id: u64,
    state: State,
    change: impl FnOnce(&mut Subscription),
) -> Answer {
    let before = replace(stage, id, |subscription| {
        subscription.state = state;
        change(subscription);
    })?;
    if before.state != state {
        stage.raise_state_change(id, before.state);
    }
    Ok(Success::ok(wrapped(stage, id)?))
}

pub(in super::super) fn cancel(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let id = call.id(0)?;
    if find(stage, id)?.state == State::Canceled {
        return Err(Refusal::One(
            "The subscription is already canceled".to_owned(),
        ));
    }
    let fields = call.wrapped_or_nothing("subscription");
    let now = stage.now;
    move_to(stage, id, State::Canceled, |subscription| {
        subscription.canceled_at = Some(now);
        subscription.delayed_cancel_at = None;
        subscription.cancellation_method = Some("merchant_api");
        subscription.cancellation_message = fields.text("cancellation_message");
        let reason = fields.text("reason_code");
        subscription.reason_code = Some(reason.unwrap_or_else(|| NO_REASON.to_owned()));
    })
}

/// At the end of the period.
pub(in super::super) fn cancel_later(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let id = call.id(0)?;
    if find(stage, id)?.state.is_ended() {
        return Err(Refusal::One(
            "The subscription is already canceled".to_owned(),
        ));
    }
    let fields = call.wrapped_or_nothing("subscription");
    replace(stage, id, |subscription| {
        subscription.delayed_cancel_at = Some(subscription.period_ends_at);
        subscription.cancellation_message = fields.text("cancellation_message");
        subscription.reason_code = fields.text("reason_code");
    })?;
    stage.raise_for_subscription(Event::PendingCancellationChange, id);
    Ok(Success::ok(json!({
        "message": "This subscription will be canceled at the end of the current billing period."
    })))
}

/// Takes the end of the period back.
pub(in super::super) fn keep(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let id = call.id(0)?;
    let before = replace(stage, id, |subscription| {
        subscription.delayed_cancel_at = None;
        subscription.cancellation_message = None;
        subscription.reason_code = None;
    })?;
    if before.delayed_cancel_at.is_some() {
        stage.raise_for_subscription(Event::PendingCancellationChange, id);
    }
    Ok(Success::ok(json!({
        "message": "This subscription will no longer be canceled at the end of the current billing period."
    })))
}

pub(in super::super) fn hold(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let id = call.id(0)?;
    if find(stage, id)?.state != State::Active {
        return Err(Refusal::invalid(
            "This subscription is not eligible to be put on hold.",
        ));
    }
    move_to(stage, id, State::OnHold, |_| {})
}

pub(in super::super) fn resume(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let id = call.id(0)?;
    if find(stage, id)?.state != State::OnHold {
        return Err(Refusal::invalid(
            "This subscription is not eligible to be resumed.",
        ));
    }
    move_to(stage, id, State::Active, |_| {})
}

pub(in super::super) fn reactivate(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let id = call.id(0)?;
    let state = find(stage, id)?.state;
    if !matches!(state, State::Canceled | State::Unpaid | State::TrialEnded) {
        return Err(Refusal::invalid(
            "Cannot reactivate a subscription that is not marked \"Canceled\", \"Unpaid\", or \"Trial Ended\".",
        ));
    }
    let starts = stage.now;
    let ends = period_end(stage, id, starts)?;
    move_to(stage, id, State::Active, |subscription| {
        subscription.canceled_at = None;
        subscription.cancellation_method = None;
        subscription.cancellation_message = None;
        subscription.reason_code = None;
        subscription.period_started_at = starts;
        subscription.period_ends_at = ends;
        subscription.activated_at = Some(starts);
    })
}

/// The end of a period that begins at this moment.
pub(super) fn period_end(
    stage: &Stage<'_>,
    id: u64,
    starts: Timestamp,
) -> Result<Timestamp, Refusal> {
    let product = stage.state.product(find(stage, id)?.product);
    let seed = &product.ok_or(Refusal::NotFound)?.seed;
    Ok(times::later(
        starts,
        seed.interval,
        seed.by_days,
        stage.zone,
    ))
}

pub(in super::super) fn activate(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let id = call.id(0)?;
    let state = find(stage, id)?.state;
    if !matches!(state, State::AwaitingSignup | State::Trialing) {
        let message = "This subscription cannot be activated in its current state.";
        return Err(Refusal::Base(message.to_owned()));
    }
    let now = stage.now;
    move_to(stage, id, State::Active, |subscription| {
        subscription.activated_at = Some(now);
    })
}

/// Removes a subscription for good; on test sites only, and the customer's id is asked for to be sure.
pub(in super::super) fn purge(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let id = call.id(0)?;
    let customer = find(stage, id)?.customer;
    let shown = wrapped(stage, id)?;
    if !stage.config.test_site || call.query("ack") != Some(customer.to_string().as_str()) {
        return Err(Refusal::Unpurged(shown));
    }
    stage.state.subscriptions.remove(id);
    stage.note_deleted(MODULE, id);
    Ok(Success::ok(shown))
}
