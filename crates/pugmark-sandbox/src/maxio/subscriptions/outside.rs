//! What happens to a subscription without a call: the bank answers, time passes, somebody works in the admin screens.

use super::super::refusal::Refusal;
use super::super::state::Stage;
use super::super::webhooks::Event;
use super::life::{move_to, period_end};
use super::status::SubscriptionState as State;
use super::{find, replace};

/// Puts it into a state as if the service had found a reason. A payment that fails goes in front of the trouble it makes.
pub(in super::super) fn set_state(
    stage: &mut Stage<'_>,
    id: u64,
    state: State,
) -> Result<(), Refusal> {
    let subscription = find(stage, id)?;
    let amount = subscription.price_in_cents;
    if subscription.state == state {
        return Ok(());
    }
    if matches!(state, State::PastDue | State::Unpaid) && subscription.state == State::Active {
        stage.raise_for_payment(Event::RenewalFailure, id, amount);
        stage.raise_for_payment(Event::PaymentFailure, id, amount);
    }
    let now = stage.now;
    move_to(stage, id, state, |subscription| {
        if state == State::Canceled {
            subscription.canceled_at = Some(now);
            subscription.cancellation_method = Some("merchant_ui");
        }
        if state == State::Expired {
            subscription.expires_at = Some(now);
        }
    })?;
    Ok(())
}

/// The bank paid: what was in trouble because of it is active again.
pub(in super::super) fn debit_paid(stage: &mut Stage<'_>, id: u64) -> Result<(), Refusal> {
    let subscription = find(stage, id)?;
    let (amount, state) = (subscription.price_in_cents, subscription.state);
    stage.raise_for_payment(Event::DirectDebitPaymentPaidOut, id, amount);
    if matches!(state, State::PastDue | State::Unpaid) {
        move_to(stage, id, State::Active, |subscription| {
            subscription.balance_in_cents = 0;
            subscription.total_revenue_in_cents += amount;
        })?;
    }
    Ok(())
}

/// The bank sent the debit back: the amount is due again.
pub(in super::super) fn debit_rejected(stage: &mut Stage<'_>, id: u64) -> Result<(), Refusal> {
    let amount = find(stage, id)?.price_in_cents;
    stage.raise_for_payment(Event::DirectDebitPaymentRejected, id, amount);
    move_to(stage, id, State::PastDue, |subscription| {
        subscription.balance_in_cents += amount;
        subscription.total_revenue_in_cents -= amount;
    })?;
    Ok(())
}

/// The period ends and the next one is billed.
pub(in super::super) fn renew(stage: &mut Stage<'_>, id: u64) -> Result<(), Refusal> {
    let subscription = find(stage, id)?;
    let (amount, starts) = (subscription.price_in_cents, subscription.period_ends_at);
    let automatic = subscription.collection_method == "automatic";
    let ends = period_end(stage, id, starts)?;
    replace(stage, id, |subscription| {
        subscription.period_started_at = starts;
        subscription.period_ends_at = ends;
        if automatic {
            subscription.total_revenue_in_cents += amount;
        } else {
            subscription.balance_in_cents += amount;
        }
    })?;
    stage.raise_for_payment(Event::RenewalSuccess, id, amount);
    if automatic {
        stage.raise_for_payment(Event::PaymentSuccess, id, amount);
    }
    Ok(())
}
