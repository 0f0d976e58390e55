//! Products and the site itself, as their reads show them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::call::{Answer, Call, Success};
use super::config::{Config, ProductSeed};
use super::fields::Fields;
use super::paging;
use super::refusal::Refusal;
use super::state::{SITE_ID, Stage};
use super::times::Times;

/// The one family in which all products are.
const FAMILY: (u64, &str, &str) = (1, "Packages", "packages");

/// A product of the catalogue.
#[derive(Clone, Debug)]
pub(super) struct Product {
    pub(super) id: u64,
    pub(super) seed: ProductSeed,
    /// The first is the default one.
    pub(super) price_points: Vec<PricePoint>,
    pub(super) created_at: Timestamp,
}

/// What a product costs.
#[derive(Clone, Debug)]
pub(super) struct PricePoint {
    pub(super) id: u64,
    pub(super) handle: String,
    pub(super) price_in_cents: i64,
}

impl Product {
    /// `next_id` gives the ids.
    pub(super) fn new(seed: ProductSeed, mut next_id: impl FnMut() -> u64, now: Timestamp) -> Self {
        let id = next_id();
        let original = PricePoint {
            id: next_id(),
            handle: "uuid:original".to_owned(),
            price_in_cents: seed.price_in_cents,
        };
        let others = seed.price_points.iter().map(|point| PricePoint {
            id: next_id(),
            handle: point.handle.clone(),
            price_in_cents: point.price_in_cents,
        });
        let price_points = std::iter::once(original).chain(others).collect();
        Self {
            id,
            seed,
            price_points,
            created_at: now,
        }
    }

    /// The price point with this id; the default one stands in for one that is gone.
    pub(super) fn price_point(&self, id: u64) -> &PricePoint {
        let found = self.price_points.iter().find(|point| point.id == id);
        found.unwrap_or(&self.price_points[0])
    }

    /// The price point that a request names; the default one when it names none.
    pub(super) fn chosen_price_point(&self, fields: &Fields) -> Option<&PricePoint> {
        let (id, handle) = (
            fields.id("product_price_point_id"),
            fields.text("product_price_point_handle"),
        );
        let mut points = self.price_points.iter();
        match (id, handle) {
            (Some(id), _) => points.find(|point| point.id == id),
            (None, Some(handle)) => points.find(|point| point.handle == handle),
            (None, None) => points.next(),
        }
    }

    pub(super) fn shown(&self, times: &Times, point: &PricePoint) -> Value {
        let unit = if self.seed.by_days { "day" } else { "month" };
        let trial = (self.seed.trial_days > 0).then_some(self.seed.trial_days);
        let (family, family_name, family_handle) = FAMILY;
        json!({
            "id": self.id,
            "name": self.seed.name,
            "handle": self.seed.handle,
            "description": null,
            "accounting_code": null,
            "request_credit_card": true,
            "expiration_interval": null,
            "expiration_interval_unit": "never",
            "created_at": times.of(self.created_at),
            "updated_at": times.of(self.created_at),
            "price_in_cents": point.price_in_cents,
            "interval": self.seed.interval,
            "interval_unit": unit,
            "initial_charge_in_cents": self.seed.initial_charge_in_cents,
            "trial_price_in_cents": trial.map(|_| 0),
            "trial_interval": trial,
            "trial_interval_unit": "day",
            "archived_at": self.seed.archived.then(|| times.of(self.created_at)),
            "require_credit_card": false,
            "return_params": null,
            "taxable": false,
            "update_return_url": null,
            "tax_code": null,
            "initial_charge_after_trial": false,
            "version_number": 1,
            "update_return_params": null,
            "default_product_price_point_id": self.price_points[0].id,
            "request_billing_address": false,
            "require_billing_address": false,
            "require_shipping_address": false,
            "product_price_point_id": point.id,
            "product_price_point_name": if point.id == self.price_points[0].id { "Original" } else { point.handle.as_str() },
            "product_price_point_handle": point.handle,
            "product_family": {
                "id": family, "name": family_name, "description": null, "handle": family_handle, "accounting_code": null,
                "created_at": times.of(self.created_at), "updated_at": times.of(self.created_at),
            },
            "public_signup_pages": [],
        })
    }
}

fn wrapped(stage: &Stage<'_>, product: &Product) -> Value {
    json!({ "product": product.shown(&stage.times(), &product.price_points[0]) })
}

pub(super) fn list(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let archived_too = call.query("include_archived") == Some("true");
    let all = stage.state.products.iter();
    let shown = all
        .filter(|product| archived_too || !product.seed.archived)
        .map(|product| wrapped(stage, product))
        .collect();
    Ok(Success::ok(paging::page::<Value>(shown, call, 20).into()))
}

/// Of a family: by its id, or by `handle:` and its handle.
pub(super) fn list_family(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let (id, _, handle) = FAMILY;
    let asked = call.ids.first().map(String::as_str).unwrap_or_default();
    if asked != id.to_string() && asked.strip_prefix("handle:") != Some(handle) {
        return Err(Refusal::NotFound);
    }
    list(stage, call)
}

pub(super) fn read(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let id = call.id(0)?;
    let product = stage.state.product(id).ok_or(Refusal::NotFound)?;
    Ok(Success::ok(wrapped(stage, product)))
}

pub(super) fn read_by_handle(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let handle = call.ids.first().ok_or(Refusal::NotFound)?;
    let product = stage.state.product_by_handle(handle);
    Ok(Success::ok(wrapped(
        stage,
        product.ok_or(Refusal::NotFound)?,
    )))
}

pub(super) fn site(stage: &mut Stage<'_>, _: &Call<'_>) -> Answer {
    let Config {
        subdomain,
        currency,
        relationship_invoicing,
        test_site,
        ..
    } = stage.config;
    Ok(Success::ok(json!({ "site": {
        "id": SITE_ID,
        "name": subdomain,
        "subdomain": subdomain,
        "currency": currency,
        "seller_id": 1,
        "non_primary_currencies": [],
        "relationship_invoicing_enabled": relationship_invoicing,
        "schedule_subscription_cancellation_enabled": false,
        "customer_hierarchy_enabled": false,
        "whopays_enabled": false,
        "whopays_default_payer": "self",
        "allocation_settings": {
            "upgrade_charge": "prorated", "downgrade_credit": "none", "accrue_charge": "true",
        },
        "default_payment_collection_method": "automatic",
        "organization_address": {
            "street": null, "line2": null, "city": null, "state": null, "zip": null, "country": null, "name": null,
            "phone": null,
        },
        "tax_configuration": {
            "kind": "custom", "destination_address": "shipping_then_billing", "fully_configured": false,
        },
        "net_terms": {
            "default_net_terms": 0, "automatic_net_terms": 0, "remittance_net_terms": 0,
            "net_terms_on_remittance_signups_enabled": false, "custom_net_terms_enabled": false,
        },
        "test": test_site,
    } })))
}
