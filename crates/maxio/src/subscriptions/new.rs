//! A subscription to be made.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::state::CollectionMethod;
use crate::error::Invalid;
use crate::id::{CustomerId, PaymentProfileId};
use crate::payments::BankDetails;
use crate::wire::Fields;

/// A subscription to be made. `Debug` shows no bank data.
#[derive(Debug, Clone)]
pub struct NewSubscription {
    /// Who pays.
    pub customer: CustomerKey,
    /// The handle of the product.
    pub product_handle: String,
    /// The handle of one of its price points; otherwise its default.
    pub product_price_point_handle: Option<String>,
    /// What money is taken from.
    pub payment: Payment,
    /// How money is collected; otherwise `automatic`, which needs a payment unless nothing is due yet.
    pub payment_collection_method: Option<CollectionMethod>,
    /// The caller's own key, to find the subscription by. Whether the service refuses a second one is not documented.
    pub reference: Option<String>,
    /// When money is first asked for. In the future: nothing is charged now, and there is neither trial nor setup fee.
    pub next_billing_at: Option<Timestamp>,
    /// Days until an invoice is due, 0 to 180.
    pub net_terms: Option<u16>,
    /// Coupons.
    pub coupon_codes: Vec<String>,
    /// Fields of the site's own, by name; a name that is new is made.
    pub metafields: BTreeMap<String, String>,
}

/// An existing customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CustomerKey {
    /// By id.
    Id(CustomerId),
    /// By the caller's own key.
    Reference(String),
}

/// What money is taken from.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Payment {
    /// Nothing.
    #[default]
    None,
    /// A payment profile of the customer.
    Profile(PaymentProfileId),
    /// A new bank account, made together with the subscription or not at all: that way a repeated attempt makes no second
    /// account. The payer's mandate for direct debit must have been collected elsewhere.
    BankAccount(Box<BankDetails>),
}

impl From<BankDetails> for Payment {
    fn from(bank: BankDetails) -> Self {
        Self::BankAccount(Box::new(bank))
    }
}

/// The most days the service takes.
const LONGEST_NET_TERMS: u16 = 180;

impl NewSubscription {
    /// A subscription of a customer to a product, and nothing else.
    #[must_use]
    pub fn new(customer: CustomerKey, product_handle: impl Into<String>) -> Self {
        Self {
            customer,
            product_handle: product_handle.into(),
            product_price_point_handle: None,
            payment: Payment::None,
            payment_collection_method: None,
            reference: None,
            next_billing_at: None,
            net_terms: None,
            coupon_codes: Vec::new(),
            metafields: BTreeMap::new(),
        }
    }

    pub(crate) fn fields(&self) -> Result<Fields, Invalid> {
        let product = Invalid::filled("product_handle", &self.product_handle)?;
        let fields = self
            .customer_field()?
            .put("product_handle", Some(product))
            .put(
                "product_price_point_handle",
                self.product_price_point_handle.as_ref(),
            )
            .put(
                "payment_collection_method",
                self.payment_collection_method.as_ref(),
            )
            .put("reference", self.reference.as_ref())
            .put("next_billing_at", self.next_billing_at)
            .put("net_terms", self.net_terms_text()?)
            .put("coupon_codes", filled(&self.coupon_codes, Vec::is_empty))
            .put("metafields", filled(&self.metafields, BTreeMap::is_empty));
        Ok(match &self.payment {
            Payment::None => fields,
            Payment::Profile(id) => fields.put("payment_profile_id", Some(id)),
            Payment::BankAccount(bank) => fields.nested("bank_account_attributes", bank.fields()?),
        })
    }

    fn customer_field(&self) -> Result<Fields, Invalid> {
        let fields = Fields::default();
        Ok(match &self.customer {
            CustomerKey::Id(id) => fields.put("customer_id", Some(id)),
            CustomerKey::Reference(reference) => {
                let reference = Invalid::filled("customer_reference", reference)?;
                fields.put("customer_reference", Some(reference))
            }
        })
    }

    /// The service takes a text.
    fn net_terms_text(&self) -> Result<Option<String>, Invalid> {
        match self.net_terms {
            Some(days) if days > LONGEST_NET_TERMS => Err(Invalid::NetTerms { days }),
            days => Ok(days.map(|days| days.to_string())),
        }
    }
}

fn filled<T>(collection: &T, is_empty: impl Fn(&T) -> bool) -> Option<&T> {
    (!is_empty(collection)).then_some(collection)
}
