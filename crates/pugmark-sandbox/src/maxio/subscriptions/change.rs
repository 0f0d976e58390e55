//! `PUT /subscriptions/{id}.json`, and another payment profile.

use serde_json::json;

use super::super::call::{Answer, Call, Success};
use super::super::customers;
use super::super::fields::Fields;
use super::super::profiles;
use super::super::refusal::Refusal;
use super::super::state::Stage;
use super::super::webhooks::Event;
use super::row::Subscription;
use super::{choices, find, replace, wrapped};

/// What is asked for, checked: the row as it shall be, and what the world is told.
pub(in super::super) fn update(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let id = call.id(0)?;
    let mut after = find(stage, id)?.clone();
    let fields = call.wrapped("subscription")?;
    let mut events = Vec::new();
    let profile = apply(stage, &fields, &mut after, &mut events)?;
    choices::refuse_taken_reference(stage, &after)?;
    if let Some(profile) = profile {
        after.profile = Some(profile.id);
        profiles::store(stage, profile);
    }
    replace(stage, id, |subscription| *subscription = after)?;
    for event in events {
        stage.raise_for_subscription(event, id);
    }
    Ok(Success::ok(wrapped(stage, id)?))
}

fn apply(
    stage: &mut Stage<'_>,
    fields: &Fields,
    after: &mut Subscription,
    events: &mut Vec<Event>,
) -> Result<Option<profiles::Profile>, Refusal> {
    if fields.has("product_handle") || fields.has("product_id") {
        change_product(stage, fields, after)?;
        events.push(Event::SubscriptionProductChange);
    }
    if let Some(at) = choices::moment(stage, fields, "next_billing_at", "Next billing at")? {
        after.period_ends_at = at;
        events.push(Event::BillingDateChange);
    }
    if let Some(method) = choices::collection_method(stage, fields)? {
        after.collection_method = method;
    }
    if fields.has("reference") {
        after.reference = fields.text("reference");
    }
    if fields.has("net_terms") {
        after.net_terms = fields.text("net_terms");
    }
    if fields.has("receives_invoice_emails") {
        after.receives_invoice_emails = fields.flag("receives_invoice_emails").unwrap_or(false);
    }
    let Some(card) = fields.object("credit_card_attributes") else {
        return Ok(None);
    };
    let customer = customers::find(stage, after.customer)?.clone();
    events.push(Event::SubscriptionCardUpdate);
    profiles::draft(stage, &card, &customer, false).map(Some)
}

fn change_product(
    stage: &Stage<'_>,
    fields: &Fields,
    after: &mut Subscription,
) -> Result<(), Refusal> {
    let refused = || {
        let messages = [choices::NO_PRODUCT, choices::NO_PRICE_POINT];
        Refusal::Invalid(messages.map(str::to_owned).to_vec())
    };
    let product = choices::product(stage, fields).ok_or_else(refused)?;
    let point = choices::price_point(product, fields)?;
    if fields.flag("product_change_delayed") == Some(true) {
        after.next_product = Some(product.id);
    } else {
        after.product = product.id;
        after.price_point = point.id;
        after.price_in_cents = point.price_in_cents;
        after.next_product = None;
    }
    Ok(())
}

/// `POST /subscriptions/{id}/payment_profiles/{pid}/change_payment_profile.json`.
pub(in super::super) fn change_payment_profile(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let (id, profile) = (call.id(0)?, call.id(1)?);
    let subscription = find(stage, id)?;
    let wanted = profiles::find(stage, profile)?;
    if wanted.customer != subscription.customer {
        return Err(Refusal::NotFound);
    }
    if subscription.profile == Some(profile) {
        return Err(Refusal::invalid(
            "This is already the current payment profile",
        ));
    }
    let shown = json!({ "payment_profile": wanted.shown(&stage.times()) });
    replace(stage, id, |subscription| {
        subscription.profile = Some(profile)
    })?;
    stage.raise_for_subscription(Event::SubscriptionCardUpdate, id);
    Ok(Success::ok(shown))
}
