//! `POST /subscriptions.json`: who signs up for what, what pays, and what is due at once.

use jiff::Timestamp;

use super::super::call::{Answer, Call, Success};
use super::super::customers::{self, Customer};
use super::super::fields::Fields;
use super::super::money;
use super::super::products::Product;
use super::super::profiles::{self, Means, Profile};
use super::super::refusal::Refusal;
use super::super::state::Stage;
use super::super::times;
use super::super::webhooks::Event;
use super::row::Subscription;
use super::status::SubscriptionState;
use super::{MODULE, choices, wrapped};

/// Names under which a payment profile can stand inline; whether it is a bank account for certain.
const INLINE: [(&str, bool); 3] = [
    ("bank_account_attributes", true),
    ("credit_card_attributes", false),
    ("payment_profile_attributes", false),
];

/// Everything a signup brings about, before any of it is stored: a refusal leaves nothing behind.
struct Signup {
    customer: Customer,
    customer_is_new: bool,
    new_profile: Option<Profile>,
    subscription: Subscription,
    /// What is due now.
    due_in_cents: i64,
    /// The first charge was put off by `next_billing_at`.
    put_off: bool,
}

pub(in super::super) fn create(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let fields = call.wrapped("subscription")?;
    let mut signup = draft(stage, &fields)?;
    charge(stage, &mut signup)?;
    let id = signup.subscription.id;
    store(stage, signup);
    Ok(Success::created(wrapped(stage, id)?))
}

fn draft(stage: &mut Stage<'_>, fields: &Fields) -> Result<Signup, Refusal> {
    let product = choices::product_to_sell(stage, fields)?;
    let (customer, customer_is_new) = who(stage, fields)?;
    let (profile, new_profile) = what_pays(stage, fields, &customer)?;
    let mut subscription = blank(stage, fields, &customer, &product)?;
    subscription.profile = profile;
    choices::refuse_taken_reference(stage, &subscription)?;
    let put_off = next_billing(stage, fields, &mut subscription)?;
    let due_in_cents = if put_off {
        0
    } else if product.seed.trial_days > 0 {
        begin_trial(stage, &product, &mut subscription);
        0
    } else {
        subscription.price_in_cents + product.seed.initial_charge_in_cents
    };
    Ok(Signup {
        customer,
        customer_is_new,
        new_profile,
        subscription,
        due_in_cents,
        put_off,
    })
}

fn who(stage: &mut Stage<'_>, fields: &Fields) -> Result<(Customer, bool), Refusal> {
    let customers = &stage.state.customers;
    let found = if fields.get("customer_id").is_some() {
        fields.id("customer_id").and_then(|id| customers.get(id))
    } else if let Some(reference) = fields.text("customer_reference") {
        customers.by_reference(&reference)
    } else {
        None
    };
    if let Some(customer) = found {
        return Ok((customer.clone(), false));
    }
    match fields.object("customer_attributes") {
        Some(attributes) => Ok((customers::draft(stage, &attributes)?, true)),
        None => Err(Refusal::invalid(
            "A Customer must be specified for the subscription to be valid.",
        )),
    }
}

/// The id of the profile that pays, and the profile where it is new.
fn what_pays(
    stage: &mut Stage<'_>,
    fields: &Fields,
    customer: &Customer,
) -> Result<(Option<u64>, Option<Profile>), Refusal> {
    if fields.get("payment_profile_id").is_some() {
        let id = fields.id("payment_profile_id");
        let profile = id.and_then(|id| stage.state.profiles.get(&id));
        let own = profile.filter(|profile| profile.customer == customer.id);
        let own =
            own.ok_or_else(|| Refusal::invalid("Payment profile: must belong to the customer."))?;
        return Ok((Some(own.id), None));
    }
    for (name, bank) in INLINE {
        let Some(attributes) = fields.object(name) else {
            continue;
        };
        if attributes.is_empty() {
            return Err(Refusal::invalid("Payment profile: cannot be blank."));
        }
        let profile = profiles::draft(stage, &attributes, customer, bank)?;
        return Ok((Some(profile.id), Some(profile)));
    }
    Ok((None, None))
}

fn blank(
    stage: &mut Stage<'_>,
    fields: &Fields,
    customer: &Customer,
    product: &Product,
) -> Result<Subscription, Refusal> {
    choices::refuse_extras(fields)?;
    let point = choices::price_point(product, fields)?;
    let custom = fields
        .object("custom_price")
        .and_then(|price| price.number("price_in_cents"));
    let now = stage.now;
    let ends = times::later(now, product.seed.interval, product.seed.by_days, stage.zone);
    Ok(Subscription {
        id: stage.state.next_id(),
        customer: customer.id,
        product: product.id,
        price_point: point.id,
        price_in_cents: custom.unwrap_or(point.price_in_cents),
        profile: None,
        state: SubscriptionState::Active,
        reference: fields.text("reference"),
        collection_method: choices::collection_method(stage, fields)?.unwrap_or("automatic"),
        balance_in_cents: 0,
        total_revenue_in_cents: 0,
        signup_payment_id: None,
        signup_revenue_in_cents: 0,
        period_started_at: now,
        period_ends_at: ends,
        trial_started_at: None,
        trial_ended_at: None,
        activated_at: Some(now),
        expires_at: choices::moment(stage, fields, "expires_at", "Expires at")?,
        created_at: now,
        updated_at: now,
        canceled_at: None,
        cancellation_message: None,
        cancellation_method: None,
        reason_code: None,
        delayed_cancel_at: None,
        next_product: None,
        net_terms: fields.text("net_terms"),
        receives_invoice_emails: fields.flag("receives_invoice_emails").unwrap_or(false),
        referral_code: stage.state.chance_text().split_off(10),
        currency: fields
            .text("currency")
            .unwrap_or_else(|| stage.config.currency.clone()),
    })
}

/// With a first bill in the future nothing is charged now, and there is neither trial nor first charge. Where the whole
/// subscription is to begin then, it waits for that.
fn next_billing(
    stage: &Stage<'_>,
    fields: &Fields,
    subscription: &mut Subscription,
) -> Result<bool, Refusal> {
    let future = |name, label| -> Result<Option<Timestamp>, Refusal> {
        let at = choices::moment(stage, fields, name, label)?;
        Ok(at.filter(|&at| at > stage.now))
    };
    if let Some(at) = future("initial_billing_at", "Initial billing at")? {
        subscription.state = SubscriptionState::AwaitingSignup;
        subscription.activated_at = None;
        subscription.period_ends_at = at;
        return Ok(true);
    }
    let at = future("next_billing_at", "Next billing at")?;
    subscription.period_ends_at = at.unwrap_or(subscription.period_ends_at);
    Ok(at.is_some())
}

fn begin_trial(stage: &Stage<'_>, product: &Product, subscription: &mut Subscription) {
    let ends = times::later(stage.now, product.seed.trial_days, true, stage.zone);
    subscription.state = SubscriptionState::Trialing;
    subscription.trial_started_at = Some(stage.now);
    subscription.trial_ended_at = Some(ends);
    subscription.period_ends_at = ends;
    subscription.activated_at = None;
}

/// Collects what is due, by payment or by invoice. Only a payment that was tried and declined is a failed signup.
fn charge(stage: &mut Stage<'_>, signup: &mut Signup) -> Result<(), Refusal> {
    let due = signup.due_in_cents;
    if due <= 0 {
        return Ok(());
    }
    let subscription = &mut signup.subscription;
    if subscription.collection_method != "automatic" {
        subscription.balance_in_cents = due;
        return Ok(());
    }
    if subscription.profile.is_none() {
        let amount = money::with_sign(due, &subscription.currency);
        return Err(Refusal::invalid(format!(
            "No payment method was on file for the {amount} balance"
        )));
    }
    if stage.state.declines || is_declined_card(stage, signup) {
        stage.raise_signup_failure(signup.customer.id, signup.subscription.product);
        return Err(Refusal::invalid("Bogus Gateway: Forced failure"));
    }
    let payment = stage.state.next_id();
    let subscription = &mut signup.subscription;
    subscription.total_revenue_in_cents = due;
    subscription.signup_revenue_in_cents = due;
    subscription.signup_payment_id = Some(payment);
    Ok(())
}

/// The profile that pays, stored or to be stored.
fn paying<'a>(stage: &'a Stage<'_>, signup: &'a Signup) -> Option<&'a Profile> {
    let stored = |id| stage.state.profiles.get(&id);
    let profile = signup.new_profile.as_ref();
    profile.or_else(|| signup.subscription.profile.and_then(stored))
}

/// The bogus gateway declines the card number 2.
fn is_declined_card(stage: &Stage<'_>, signup: &Signup) -> bool {
    paying(stage, signup).is_some_and(
        |profile| matches!(&profile.means, Means::Card { number, .. } if number == "2"),
    )
}

fn pays_by_bank(stage: &Stage<'_>, signup: &Signup) -> bool {
    paying(stage, signup).is_some_and(|profile| matches!(profile.means, Means::Bank { .. }))
}

fn store(stage: &mut Stage<'_>, signup: Signup) {
    let verified = signup
        .new_profile
        .as_ref()
        .is_some_and(|profile| matches!(profile.means, Means::Bank { .. }));
    let pays_by_bank = pays_by_bank(stage, &signup);
    settle_customer(stage, signup.customer, signup.customer_is_new, verified);
    if let Some(profile) = signup.new_profile {
        profiles::store(stage, profile);
    }
    let id = signup.subscription.id;
    let paid = signup.subscription.signup_revenue_in_cents;
    stage.note_created(MODULE, id, signup.subscription.facts(stage));
    stage.state.subscriptions.put(signup.subscription);
    stage.raise_for_subscription(Event::SignupSuccess, id);
    if signup.put_off {
        stage.raise_for_subscription(Event::BillingDateChange, id);
    }
    if paid > 0 {
        stage.raise_for_payment(Event::PaymentSuccess, id, paid);
    }
    if paid > 0 && pays_by_bank {
        stage.raise_for_payment(Event::DirectDebitPaymentPending, id, paid);
    }
}

/// A bank account given inline makes its customer a verified one.
fn settle_customer(stage: &mut Stage<'_>, mut customer: Customer, is_new: bool, verified: bool) {
    let before = customer.clone();
    customer.verified |= verified;
    if is_new {
        customers::store(stage, customer);
    } else if customer.verified != before.verified {
        customers::replace(stage, &before, customer);
    }
}
