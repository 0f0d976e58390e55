//! What callers send of a payment.

use std::collections::BTreeMap;

use garde::Validate;
use pugmark_queue::db::Ts;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::http::api::amounts::{AmountText, is_amount};
use crate::http::api::edit::{Overlay, blank_is_none, broken_rules, check, given, present};
use crate::http::api::fields::{is_text, is_time, is_uuid, one_of, time};
use crate::http::envelope::ApiError;
use crate::microbima::payment::{Standing, is_placeholder, is_receipt, placeholder};
use crate::store::policy_payments::PaymentEntry;

const TYPES: [&str; 4] = ["MPESA", "SASAPAY", "BANK_TRANSFER", "CHEQUE"];
/// `DETACHED` has a route of its own.
const STATUSES: [&str; 4] = [
    "PENDING_STK_CALLBACK",
    "COMPLETED_PENDING_RECEIPT",
    "COMPLETED",
    "OUTSTANDING",
];

/// A new payment. What is required and left out is reported with everything else that is wrong, not by itself.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewPaymentBody {
    /// `MPESA`, `SASAPAY`, `BANK_TRANSFER` or `CHEQUE`; MPESA when left out.
    #[schema(example = "MPESA")]
    payment_type: Option<String>,
    /// Receipt or other reference, up to 50 characters, unique. Required for `COMPLETED`; otherwise left out, and a placeholder
    /// is made.
    #[schema(example = "SGL31HA2Q1")]
    transaction_reference: Option<String>,
    /// Kenyan shillings, text or number with at most two decimals.
    #[serde(default)]
    #[schema(required = true, value_type = String, example = "200.00")]
    amount: AmountText,
    /// Payer's phone or the customer's id number, up to 50 characters.
    account_number: Option<String>,
    /// Text for people, up to 500 characters.
    details: Option<String>,
    /// When it is expected. Left out: when it was paid, or now.
    expected_payment_date: Option<String>,
    /// When it was paid. Digits without an offset are stored as they are, as MicroBima stores M-Pesa's time of day in Nairobi.
    #[schema(example = "2026-11-21T10:30:00")]
    actual_payment_date: Option<String>,
    /// `PENDING_STK_CALLBACK` (when left out), `COMPLETED_PENDING_RECEIPT`, `COMPLETED` or `OUTSTANDING`.
    #[schema(example = "COMPLETED")]
    payment_status: Option<String>,
}

/// Changes to a payment that is not detached: what is left out stays, `null` clears.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct PaymentPatchBody {
    /// Another policy of the same customer.
    #[serde(deserialize_with = "given")]
    policy_id: Option<String>,
    /// Kind of payment.
    #[serde(deserialize_with = "given")]
    payment_type: Option<String>,
    /// Receipt or other reference.
    #[serde(deserialize_with = "given")]
    transaction_reference: Option<String>,
    /// Kenyan shillings, text or number with at most two decimals.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    amount: Option<AmountText>,
    /// Account; `null` clears.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    account_number: Option<Option<String>>,
    /// Text for people; `null` clears.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    details: Option<Option<String>>,
    /// When it is expected.
    #[serde(deserialize_with = "given")]
    expected_payment_date: Option<String>,
    /// When it was paid; `null` clears.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    actual_payment_date: Option<Option<String>>,
    /// Label of `PaymentStatus`, but `DETACHED`.
    #[serde(deserialize_with = "given")]
    payment_status: Option<String>,
}

/// Why a payment is taken off, and where it belongs.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DetachBody {
    /// Why, up to 500 characters; kept with the row.
    #[serde(default)]
    #[schema(required = true, example = "Paid into the account of a neighbour")]
    #[garde(custom(is_details))]
    pub(super) reason: String,
    /// UUID of the policy that the same receipt is booked on.
    #[garde(inner(custom(is_uuid)))]
    pub(super) rebook_on_policy_id: Option<String>,
    /// UUID of the login of whoever takes it off.
    #[garde(inner(custom(is_uuid)))]
    pub(super) detached_by: Option<String>,
}

impl DetachBody {
    /// # Errors
    /// 422 with every field that breaks a rule.
    pub(super) fn checked(self) -> Result<Self, ApiError> {
        let lower = |id: Option<String>| id.map(|id| id.to_lowercase());
        let body = DetachBody {
            reason: self.reason.trim().to_owned(),
            rebook_on_policy_id: lower(self.rebook_on_policy_id),
            detached_by: lower(self.detached_by),
        };
        check(&body, None)?;
        Ok(body)
    }
}

/// The editable columns as they would be after the request.
#[derive(Debug, Validate)]
pub(super) struct Edited {
    #[garde(custom(is_uuid))]
    policy_id: String,
    #[garde(custom(is_type))]
    payment_type: String,
    #[garde(custom(is_reference(&self.payment_status)))]
    transaction_reference: String,
    #[garde(custom(is_amount))]
    amount: AmountText,
    #[garde(inner(custom(is_account)))]
    account_number: Option<String>,
    #[garde(inner(custom(is_details)))]
    details: Option<String>,
    #[garde(custom(is_time))]
    expected_payment_date: String,
    #[garde(inner(custom(is_time)))]
    actual_payment_date: Option<String>,
    #[garde(custom(is_status))]
    payment_status: String,
}

impl NewPaymentBody {
    pub(super) fn edited(self, policy_id: String, now: Ts) -> Edited {
        let status =
            blank_is_none(self.payment_status).unwrap_or_else(|| "PENDING_STK_CALLBACK".to_owned());
        let actual = blank_is_none(self.actual_payment_date);
        Edited {
            policy_id,
            payment_type: blank_is_none(self.payment_type).unwrap_or_else(|| "MPESA".to_owned()),
            transaction_reference: blank_is_none(self.transaction_reference)
                .or_else(|| placeholder(&status))
                .unwrap_or_default(),
            amount: self.amount,
            account_number: blank_is_none(self.account_number),
            details: blank_is_none(self.details),
            expected_payment_date: blank_is_none(self.expected_payment_date)
                .or_else(|| actual.clone())
                .unwrap_or_else(|| now.to_string()),
            actual_payment_date: actual,
            payment_status: status,
        }
    }
}

impl PaymentPatchBody {
    /// The payment with the changes laid over, and which fields the request speaks of.
    pub(super) fn edited(self, row: &PaymentEntry) -> (Edited, Overlay) {
        let mut over = Overlay::default();
        let old_actual = row.actual_payment_date.map(|at| at.to_string());
        let status = over.text("paymentStatus", self.payment_status, &row.payment_status);
        let actual = over.optional("actualPaymentDate", self.actual_payment_date, &old_actual);
        let is_completed = Standing::of(&row.payment_status, false) == Standing::Unpaid
            && Standing::of(&status, false) == Standing::Paid;
        // On completion MicroBima overwrites the expected date with that of the payment.
        let expected = self
            .expected_payment_date
            .or_else(|| actual.clone().filter(|_| is_completed));
        // M-Pesa says that the money came before it says by which receipt.
        let reference = self.transaction_reference.or_else(|| {
            let pending = is_completed && status == "COMPLETED_PENDING_RECEIPT";
            placeholder(&status).filter(|_| pending)
        });
        let edited = Edited {
            policy_id: over
                .text("policyId", self.policy_id, &row.policy_id)
                .to_lowercase(),
            payment_type: over.text("paymentType", self.payment_type, &row.payment_type),
            transaction_reference: over.text(
                "transactionReference",
                reference,
                &row.transaction_reference,
            ),
            amount: over.lay("amount", self.amount, AmountText::of(row.amount)),
            account_number: over.optional(
                "accountNumber",
                self.account_number,
                &row.account_number,
            ),
            details: over.optional("details", self.details, &row.details),
            expected_payment_date: over.text(
                "expectedPaymentDate",
                expected,
                &row.expected_payment_date.to_string(),
            ),
            actual_payment_date: actual,
            payment_status: status,
        };
        (edited, over)
    }
}

impl Edited {
    /// What is wrong with a change. Of a payment that is to be completed the reference counts although nobody speaks of it.
    pub(super) fn broken_rules(&self, over: &Overlay) -> BTreeMap<String, String> {
        let mut broken = broken_rules(self, Some(over));
        if over.touches("paymentStatus")
            && let Err(error) = is_reference_of(&self.payment_status, &self.transaction_reference)
        {
            broken.insert("transactionReference".to_owned(), error.to_string());
        }
        broken
    }

    /// The columns, once the rules have been asked.
    ///
    /// # Errors
    /// 422 for an old row whose amount or date no rule would let through.
    pub(super) fn into_entry(self) -> Result<PaymentEntry, ApiError> {
        let unreadable = |field: &str| {
            let what = "must be given: the stored one is none".to_owned();
            ApiError::validation([(field.to_owned(), what)].into())
        };
        let at = |text: &str| time(text).map(Ts::from);
        Ok(PaymentEntry {
            policy_id: self.policy_id,
            payment_type: self.payment_type,
            transaction_reference: self.transaction_reference,
            amount: self.amount.parsed().ok_or_else(|| unreadable("amount"))?,
            account_number: self.account_number,
            details: self.details,
            expected_payment_date: at(&self.expected_payment_date)
                .ok_or_else(|| unreadable("expectedPaymentDate"))?,
            actual_payment_date: self.actual_payment_date.as_deref().and_then(at),
            payment_status: self.payment_status,
        })
    }
}

fn is_type(value: &str, (): &()) -> garde::Result {
    one_of(&TYPES, value)
}

fn is_status(value: &str, (): &()) -> garde::Result {
    if value == "DETACHED" {
        return Err(garde::Error::new(
            "is set by POST /api/internal/payments/{id}/detach, with a reason",
        ));
    }
    one_of(&STATUSES, value)
}

fn is_account(value: &str, (): &()) -> garde::Result {
    is_text(value, 1, 50)
}

fn is_details(value: &str, (): &()) -> garde::Result {
    is_text(value, 1, 500)
}

fn is_reference(status: &str) -> impl FnOnce(&str, &()) -> garde::Result + '_ {
    move |value, ()| is_reference_of(status, value)
}

/// A receipt where the money came, a placeholder where it did not: whoever reads the rows tells them apart by that.
fn is_reference_of(status: &str, value: &str) -> garde::Result {
    is_text(value, 1, 50)?;
    match status {
        "COMPLETED" if !is_receipt(value) => Err(garde::Error::new(
            "must be the receipt or other reference of the payment: this one stands for a payment without",
        )),
        "PENDING_STK_CALLBACK" | "OUTSTANDING" if !is_placeholder(value) => Err(garde::Error::new(
            "must be left out: a payment that has not come has no receipt",
        )),
        _ if value.starts_with("[d]") => Err(garde::Error::new(
            "must not begin with [d], the mark of detached payments",
        )),
        _ => Ok(()),
    }
}
