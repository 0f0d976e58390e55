//! What a request chooses for a subscription, at signup and later.

use jiff::Timestamp;
use serde_json::Value;

use super::super::fields::Fields;
use super::super::products::{PricePoint, Product};
use super::super::refusal::Refusal;
use super::super::state::Stage;
use super::super::times;
use super::row::Subscription;

/// What is said of a product that cannot be sold.
pub(super) const NO_PRODUCT: &str =
    "Product must be specified and be a valid product provided by the seller.";

/// What is said of a price point of another product.
pub(super) const NO_PRICE_POINT: &str = "Product price point must belong to product.";

/// The product named by handle or id; none when no such product is sold.
pub(super) fn product<'a>(stage: &'a Stage<'_>, fields: &Fields) -> Option<&'a Product> {
    let found = match fields.text("product_handle") {
        Some(handle) => stage.state.product_by_handle(&handle),
        None => stage.state.product(fields.id("product_id")?),
    };
    found.filter(|product| !product.seed.archived)
}

/// The product to sign up for.
pub(super) fn product_to_sell(stage: &Stage<'_>, fields: &Fields) -> Result<Product, Refusal> {
    let refused = || match fields.text("product_handle") {
        Some(handle) if stage.state.product_by_handle(&handle).is_none() => Refusal::invalid(
            format!("Product with API Handle '{handle}' does not exist for this site."),
        ),
        _ => Refusal::invalid(NO_PRODUCT),
    };
    product(stage, fields).cloned().ok_or_else(refused)
}

pub(super) fn price_point<'a>(
    product: &'a Product,
    fields: &Fields,
) -> Result<&'a PricePoint, Refusal> {
    let point = product.chosen_price_point(fields);
    point.ok_or_else(|| Refusal::invalid(NO_PRICE_POINT))
}

/// Another subscription may have the reference already.
pub(super) fn refuse_taken_reference(
    stage: &Stage<'_>,
    subscription: &Subscription,
) -> Result<(), Refusal> {
    let subscriptions = &stage.state.subscriptions;
    let reference = subscription.reference.as_deref();
    let taken =
        reference.is_some_and(|reference| subscriptions.is_taken(reference, subscription.id));
    if taken && stage.config.unique_subscription_references {
        return Err(Refusal::invalid(
            "Reference: must be unique - that value has been taken.",
        ));
    }
    Ok(())
}

/// How payments are collected; none when the request does not say. A site with invoices by relationship takes the older
/// `invoice` for `remittance`.
pub(super) fn collection_method(
    stage: &Stage<'_>,
    fields: &Fields,
) -> Result<Option<&'static str>, Refusal> {
    let Some(method) = fields.text("payment_collection_method") else {
        return Ok(None);
    };
    let modern = stage.config.relationship_invoicing;
    let method = match method.as_str() {
        "automatic" => "automatic",
        "remittance" if modern => "remittance",
        "prepaid" if modern => "prepaid",
        "invoice" => {
            if modern {
                "remittance"
            } else {
                "invoice"
            }
        }
        _ => {
            return Err(Refusal::invalid(
                "Payment collection method: is not included in the list.",
            ));
        }
    };
    Ok(Some(method))
}

/// Coupons and components are not modelled: every one is unknown.
pub(super) fn refuse_extras(fields: &Fields) -> Result<(), Refusal> {
    let components = fields.get("components").and_then(Value::as_array);
    if components.is_some_and(|components| !components.is_empty()) {
        return Err(Refusal::invalid("Component could not be found."));
    }
    let mut codes = fields.texts("coupon_codes");
    codes.extend(fields.texts("coupon_code"));
    match codes.first() {
        Some(code) => Err(Refusal::invalid(format!(
            "Coupon Code: '{code}' - Coupon code could not be found."
        ))),
        None => Ok(()),
    }
}

/// A moment; none when it is not given.
pub(super) fn moment(
    stage: &Stage<'_>,
    fields: &Fields,
    name: &str,
    label: &str,
) -> Result<Option<Timestamp>, Refusal> {
    let Some(text) = fields.text(name) else {
        return Ok(None);
    };
    let read = times::read(&text, stage.zone);
    let read = read.ok_or_else(|| Refusal::invalid(format!("{label}: is not a valid date.")))?;
    Ok(Some(times::whole_second(read)))
}
