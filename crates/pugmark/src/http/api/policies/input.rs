//! What callers send of a policy.

use garde::Validate;
use pugmark_queue::db::Ts;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::http::api::amounts::{AmountText, is_amount};
use crate::http::api::edit::{Overlay, blank_is_none, given, present};
use crate::http::api::fields::{is_text, is_time, one_of, time};
use crate::http::envelope::ApiError;
use crate::store::policies::{Policy, PolicyTerms};

const STATUSES: [&str; 7] = [
    "ACTIVE",
    "SUSPENDED",
    "TERMINATED",
    "EXPIRED",
    "PENDING_ACTIVATION",
    "DEACTIVATED",
    "INACTIVE",
];
/// Frequencies and the days between two instalments; a CUSTOM one says so itself.
const FREQUENCIES: [(&str, Option<i32>); 6] = [
    ("DAILY", Some(1)),
    ("WEEKLY", Some(7)),
    ("MONTHLY", Some(30)),
    ("QUARTERLY", Some(90)),
    ("ANNUALLY", Some(365)),
    ("CUSTOM", None),
];

/// A new policy. What is required and left out is reported with everything else that is wrong, not by itself.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewPolicyBody {
    /// Up to 100 characters, unique; none when left out.
    #[schema(example = "MP/MFG/001")]
    policy_number: Option<String>,
    /// Name of the product, up to 200 characters.
    #[serde(default)]
    #[schema(required = true, example = "MfanisiGo Gold")]
    product_name: String,
    /// Label of MicroBima's `PolicyStatus`; PENDING_ACTIVATION when left out.
    status: Option<String>,
    /// An instalment in Kenyan shillings, text or number with at most two decimals.
    #[serde(default)]
    #[schema(required = true, value_type = String, example = "200.00")]
    premium: AmountText,
    /// A year's premium.
    #[schema(value_type = Option<String>)]
    annual_premium: Option<AmountText>,
    /// `DAILY`, `WEEKLY`, `MONTHLY`, `QUARTERLY`, `ANNUALLY` or `CUSTOM`.
    #[serde(default)]
    #[schema(required = true, example = "WEEKLY")]
    frequency: String,
    /// Days between instalments, 1 to 366; that of the frequency when left out, required for `CUSTOM`.
    payment_cadence: Option<i32>,
    /// Id of the package; 1 when left out.
    #[serde(default = "first_package")]
    #[schema(example = 1)]
    package_id: i32,
    /// Id of a plan of that package.
    package_plan_id: Option<i32>,
    /// Account number for payments by pay bill, up to 50 characters, unique: the customer's id number, with a letter behind it
    /// for further policies. None when left out.
    #[schema(example = "12345678")]
    payment_ac_number: Option<String>,
    /// Number of the member at the employer, up to 50 characters.
    staff_number: Option<String>,
    /// Begin of the cover; MicroBima sets it with the first payment.
    start_date: Option<String>,
    /// End of the cover.
    end_date: Option<String>,
}

/// Changes to a policy: what is left out stays, `null` clears.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct PolicyPatchBody {
    /// Number; `null` clears.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    policy_number: Option<Option<String>>,
    /// Name of the product.
    #[serde(deserialize_with = "given")]
    product_name: Option<String>,
    /// Label of MicroBima's `PolicyStatus`.
    #[serde(deserialize_with = "given")]
    #[schema(example = "SUSPENDED")]
    status: Option<String>,
    /// An instalment.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    premium: Option<AmountText>,
    /// A year's premium; `null` clears.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    annual_premium: Option<Option<AmountText>>,
    /// Frequency of the instalments.
    #[serde(deserialize_with = "given")]
    frequency: Option<String>,
    /// Days between instalments.
    #[serde(deserialize_with = "given")]
    payment_cadence: Option<i32>,
    /// Id of the package.
    #[serde(deserialize_with = "given")]
    package_id: Option<i32>,
    /// Id of a plan of the package; `null` clears.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<i32>)]
    package_plan_id: Option<Option<i32>>,
    /// Account number; `null` clears.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    payment_ac_number: Option<Option<String>>,
    /// Number at the employer; `null` clears.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    staff_number: Option<Option<String>>,
    /// Begin of the cover; `null` clears.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    start_date: Option<Option<String>>,
    /// End of the cover; `null` clears.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    end_date: Option<Option<String>>,
    /// Why the status changes, for MicroBima's own record; up to 1000 characters.
    #[serde(deserialize_with = "given")]
    #[schema(example = "Premiums overdue")]
    reason: Option<String>,
}

/// The editable columns as they would be after the request.
#[derive(Debug, Validate)]
pub(super) struct Edited {
    #[garde(custom(is_status))]
    status: String,
    #[garde(inner(custom(is_policy_number)))]
    policy_number: Option<String>,
    #[garde(custom(is_product_name))]
    product_name: String,
    #[garde(custom(is_amount))]
    premium: AmountText,
    #[garde(inner(custom(is_amount)))]
    annual_premium: Option<AmountText>,
    #[garde(custom(is_frequency))]
    frequency: String,
    #[garde(custom(is_cadence))]
    payment_cadence: Option<i32>,
    #[garde(skip)]
    package_id: i32,
    #[garde(skip)]
    package_plan_id: Option<i32>,
    #[garde(inner(custom(is_number)))]
    payment_ac_number: Option<String>,
    #[garde(inner(custom(is_number)))]
    staff_number: Option<String>,
    #[garde(inner(custom(is_time)))]
    start_date: Option<String>,
    #[garde(inner(custom(is_time)))]
    end_date: Option<String>,
    #[garde(inner(custom(is_reason)))]
    reason: Option<String>,
}

impl NewPolicyBody {
    pub(super) fn edited(self) -> Edited {
        let frequency = self.frequency.trim().to_owned();
        Edited {
            status: blank_is_none(self.status).unwrap_or_else(|| "PENDING_ACTIVATION".to_owned()),
            policy_number: blank_is_none(self.policy_number),
            product_name: self.product_name.trim().to_owned(),
            premium: self.premium,
            annual_premium: self.annual_premium,
            payment_cadence: self.payment_cadence.or_else(|| days_of(&frequency)),
            frequency,
            package_id: self.package_id,
            package_plan_id: self.package_plan_id,
            payment_ac_number: blank_is_none(self.payment_ac_number),
            staff_number: blank_is_none(self.staff_number),
            start_date: blank_is_none(self.start_date),
            end_date: blank_is_none(self.end_date),
            reason: None,
        }
    }
}

impl PolicyPatchBody {
    /// Why the status changes, in words.
    pub(super) fn reason(&self) -> String {
        blank_is_none(self.reason.clone()).unwrap_or_else(|| "Changed through the API".to_owned())
    }

    /// The policy with the changes laid over, and which fields the request speaks of.
    pub(super) fn edited(self, row: &Policy) -> (Edited, Overlay) {
        let old = &row.terms;
        let text = |at: Option<Ts>| at.map(|at| at.to_string());
        let mut over = Overlay::default();
        // A frequency given without its days brings its own.
        let cadence = self
            .payment_cadence
            .or_else(|| self.frequency.as_deref().and_then(days_of));
        let edited = Edited {
            status: over.text("status", self.status, &row.status),
            policy_number: over.optional("policyNumber", self.policy_number, &old.policy_number),
            product_name: over.text("productName", self.product_name, &old.product_name),
            premium: over.lay("premium", self.premium, AmountText::of(old.premium)),
            annual_premium: over.lay(
                "annualPremium",
                self.annual_premium,
                old.annual_premium.map(AmountText::of),
            ),
            frequency: over.text("frequency", self.frequency, &old.frequency),
            payment_cadence: over.lay(
                "paymentCadence",
                cadence.map(Some),
                Some(old.payment_cadence),
            ),
            package_id: over.lay("packageId", self.package_id, old.package_id),
            package_plan_id: over.lay("packagePlanId", self.package_plan_id, old.package_plan_id),
            payment_ac_number: over.optional(
                "paymentAcNumber",
                self.payment_ac_number,
                &old.payment_ac_number,
            ),
            staff_number: over.optional("staffNumber", self.staff_number, &old.staff_number),
            start_date: over.optional("startDate", self.start_date, &text(old.start_date)),
            end_date: over.optional("endDate", self.end_date, &text(old.end_date)),
            reason: over.lay("reason", self.reason.map(Some), None),
        };
        (edited, over)
    }
}

impl Edited {
    /// The status and the other columns, once the rules have been asked.
    ///
    /// # Errors
    /// 422 for an old row whose amount no rule would let through.
    pub(super) fn into_terms(self) -> Result<(String, PolicyTerms), ApiError> {
        let at = |text: Option<String>| text.as_deref().and_then(time).map(Ts::from);
        let unreadable = || {
            let what = "must be given: the stored amount is none".to_owned();
            ApiError::validation([("premium".to_owned(), what)].into())
        };
        let terms = PolicyTerms {
            policy_number: self.policy_number,
            product_name: self.product_name,
            premium: self.premium.parsed().ok_or_else(unreadable)?,
            annual_premium: self.annual_premium.and_then(|amount| amount.parsed()),
            frequency: self.frequency,
            payment_cadence: self.payment_cadence.unwrap_or(1),
            package_id: self.package_id,
            package_plan_id: self.package_plan_id,
            payment_ac_number: self.payment_ac_number,
            staff_number: self.staff_number,
            start_date: at(self.start_date),
            end_date: at(self.end_date),
        };
        Ok((self.status, terms))
    }
}

fn days_of(frequency: &str) -> Option<i32> {
    FREQUENCIES
        .iter()
        .find(|(known, _)| *known == frequency)
        .and_then(|(_, days)| *days)
}

fn first_package() -> i32 {
    1
}

fn is_status(value: &str, (): &()) -> garde::Result {
    one_of(&STATUSES, value)
}

fn is_frequency(value: &str, (): &()) -> garde::Result {
    one_of(&FREQUENCIES.map(|(known, _)| known), value)
}

fn is_cadence(value: &Option<i32>, (): &()) -> garde::Result {
    match value {
        Some(1..=366) => Ok(()),
        Some(_) => Err(garde::Error::new("must be 1 to 366 days")),
        None => Err(garde::Error::new("is required for this frequency")),
    }
}

fn is_policy_number(value: &str, (): &()) -> garde::Result {
    is_text(value, 1, 100)
}

fn is_product_name(value: &str, (): &()) -> garde::Result {
    is_text(value, 1, 200)
}

fn is_number(value: &str, (): &()) -> garde::Result {
    is_text(value, 1, 50)
}

fn is_reason(value: &str, (): &()) -> garde::Result {
    is_text(value, 1, 1000)
}
