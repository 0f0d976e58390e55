//! What callers send of a brand ambassador.

use garde::Validate;
use pugmark_queue::db::Ts;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::flows::insurance::phone;
use crate::http::api::edit::{Overlay, blank_is_none, given, present};
use crate::http::api::fields::{is_text, is_uuid};
use crate::store::ambassadors::Ambassador;

/// A new brand ambassador. What is required and left out is reported with everything else that is wrong, not by itself.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewAmbassadorBody {
    /// UUID of the login, which exists already.
    #[serde(default)]
    #[schema(required = true, example = "1d2c3b4a-5f6e-4a7b-8c9d-0e1f2a3b4c5d")]
    user_id: String,
    /// First and last name, up to 101 characters.
    #[serde(default)]
    #[schema(required = true, example = "Wanjiku Kamau")]
    display_name: String,
    /// A Kenyan mobile number, however it is typed.
    #[schema(example = "0712 345 678")]
    phone_number: Option<String>,
    /// The partner worked for; 1 when left out.
    #[serde(default = "first_partner")]
    partner_id: i32,
    /// Pay per registration in cents of a Kenyan shilling; 0 when left out.
    #[serde(default)]
    #[schema(example = 5000)]
    per_registration_rate_cents: i32,
    /// `false` makes it disabled; enabled when left out.
    #[serde(default = "yes")]
    is_active: bool,
}

/// Changes to a brand ambassador: what is left out stays, `null` clears.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct AmbassadorPatchBody {
    /// A Kenyan mobile number, stored as it is typed; `null` clears.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>, example = "0712345678")]
    pub(crate) phone_number: Option<Option<String>>,
    /// The partner worked for.
    #[serde(deserialize_with = "given")]
    pub(crate) partner_id: Option<i32>,
    /// Pay per registration in cents of a Kenyan shilling.
    #[serde(deserialize_with = "given")]
    pub(crate) per_registration_rate_cents: Option<i32>,
    /// `false` disables, `true` enables.
    #[serde(deserialize_with = "given")]
    pub(crate) is_active: Option<bool>,
}

/// The columns as they would be after the request.
#[derive(Debug, Validate)]
pub(super) struct Edited {
    #[garde(custom(is_uuid))]
    user_id: String,
    #[garde(custom(is_display_name))]
    display_name: String,
    #[garde(inner(custom(is_mobile)))]
    phone_number: Option<String>,
    #[garde(skip)]
    partner_id: i32,
    #[garde(custom(is_rate))]
    per_registration_rate_cents: i32,
    #[garde(skip)]
    is_active: bool,
}

impl NewAmbassadorBody {
    pub(super) fn edited(self) -> Edited {
        Edited {
            user_id: self.user_id.trim().to_lowercase(),
            display_name: self.display_name.trim().to_owned(),
            phone_number: blank_is_none(self.phone_number),
            partner_id: self.partner_id,
            per_registration_rate_cents: self.per_registration_rate_cents,
            is_active: self.is_active,
        }
    }
}

impl AmbassadorPatchBody {
    /// The ambassador with the changes laid over, and which fields the request speaks of.
    pub(super) fn edited(self, row: &Ambassador) -> (Edited, Overlay) {
        let mut over = Overlay::default();
        let edited = Edited {
            user_id: row.user_id.clone(),
            display_name: row.display_name.clone(),
            phone_number: over.optional("phoneNumber", self.phone_number, &row.phone_number),
            partner_id: over.lay("partnerId", self.partner_id, row.partner_id),
            per_registration_rate_cents: over.lay(
                "perRegistrationRateCents",
                self.per_registration_rate_cents,
                row.rate_cents,
            ),
            is_active: over.lay("isActive", self.is_active, row.is_active),
        };
        (edited, over)
    }
}

impl Edited {
    /// A new row, with the phone in the one spelling that MicroBima gives new ambassadors.
    pub(super) fn into_row(self, id: String, now: Ts) -> Ambassador {
        Ambassador {
            id,
            user_id: self.user_id,
            partner_id: self.partner_id,
            display_name: self.display_name,
            phone_number: self.phone_number.as_deref().and_then(phone::canonical),
            rate_cents: self.per_registration_rate_cents,
            is_active: self.is_active,
            created_at: now,
            updated_at: now,
        }
    }

    /// The row with the changes, the phone as it was typed.
    pub(super) fn over_row(self, row: Ambassador) -> Ambassador {
        Ambassador {
            partner_id: self.partner_id,
            phone_number: self.phone_number,
            rate_cents: self.per_registration_rate_cents,
            is_active: self.is_active,
            ..row
        }
    }
}

fn first_partner() -> i32 {
    1
}

fn yes() -> bool {
    true
}

/// First name, a space, last name.
fn is_display_name(value: &str, (): &()) -> garde::Result {
    is_text(value, 1, 101)
}

fn is_mobile(value: &str, (): &()) -> garde::Result {
    let fits = value.chars().count() <= 20 && phone::canonical(value).is_some();
    fits.then_some(()).ok_or_else(|| {
        garde::Error::new(
            "must be a Kenyan mobile number such as 0712345678, at most 20 characters",
        )
    })
}

fn is_rate(value: &i32, (): &()) -> garde::Result {
    (*value >= 0)
        .then_some(())
        .ok_or_else(|| garde::Error::new("must not be less than 0 cents"))
}
