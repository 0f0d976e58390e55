//! What callers send of a customer: bodies, the rules of their fields, and the words that stand for the database's labels.

use garde::Validate;
use pugmark_queue::db::Ts;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::http::api::edit::{Overlay, blank_is_none, given, present};
use crate::http::api::fields::{
    GENDERS, ID_TYPES, is_birth_date, is_email, is_gender, is_id_number, is_id_type, is_name,
    is_phone, label_or_same, one_of,
};
use crate::store::customers::Customer;

const STATUSES: [&str; 8] = [
    "PENDING_KYC",
    "KYC_VERIFIED",
    "ACTIVE",
    "SUSPENDED",
    "TERMINATED",
    "PENDING_ACTIVATION",
    "DELETED",
    "DEACTIVATED",
];

/// A new customer. What is required and left out is reported with everything else that is wrong, not by itself.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewCustomerBody {
    /// First name, 1 to 50 characters.
    #[serde(default)]
    #[schema(required = true)]
    first_name: String,
    /// Middle name, up to 50 characters.
    middle_name: Option<String>,
    /// Last name, 1 to 50 characters.
    #[serde(default)]
    #[schema(required = true)]
    last_name: String,
    /// E-mail.
    email: Option<String>,
    /// 9 to 15 digits, with `+`, spaces, dashes and brackets as people write them.
    #[serde(default)]
    #[schema(required = true)]
    phone_number: String,
    /// `YYYY-MM-DD`, not in the future.
    date_of_birth: Option<String>,
    /// `male`, `female` or `prefer_not_to_say`.
    gender: Option<String>,
    /// `national`, `alien`, `passport`, `birth_certificate` or `military`.
    #[serde(default)]
    #[schema(required = true)]
    id_type: String,
    /// 5 to 9 characters.
    #[serde(default)]
    #[schema(required = true)]
    id_number: String,
    /// Partner the customer belongs to; 1 when left out.
    #[serde(default = "first_partner")]
    pub(super) partner_id: i32,
    /// Test customers never reach the CRM.
    #[serde(default)]
    is_test_user: bool,
}

/// Changes to a customer: what is left out stays, `null` clears.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct CustomerPatchBody {
    /// First name.
    #[serde(deserialize_with = "given")]
    first_name: Option<String>,
    /// Middle name; `null` clears.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    middle_name: Option<Option<String>>,
    /// Last name.
    #[serde(deserialize_with = "given")]
    last_name: Option<String>,
    /// E-mail; `null` clears.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    email: Option<Option<String>>,
    /// Phone number.
    #[serde(deserialize_with = "given")]
    phone_number: Option<String>,
    /// Birth date; `null` clears.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    date_of_birth: Option<Option<String>>,
    /// Gender; `null` clears.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    gender: Option<Option<String>>,
    /// Kind of document.
    #[serde(deserialize_with = "given")]
    id_type: Option<String>,
    /// Number of the document.
    #[serde(deserialize_with = "given")]
    id_number: Option<String>,
    /// Label of MicroBima's `CustomerStatus`.
    #[serde(deserialize_with = "given")]
    status: Option<String>,
    /// Whether this is a test customer.
    #[serde(deserialize_with = "given")]
    is_test_user: Option<bool>,
}

/// The editable columns of a customer as they would be after the request: the same rules for a new and a changed one.
#[derive(Debug, Validate)]
pub(super) struct Edited {
    #[garde(custom(is_name))]
    pub(super) first_name: String,
    #[garde(inner(custom(is_name)))]
    pub(super) middle_name: Option<String>,
    #[garde(custom(is_name))]
    pub(super) last_name: String,
    #[garde(inner(custom(is_email)))]
    pub(super) email: Option<String>,
    #[garde(custom(is_phone))]
    pub(super) phone_number: String,
    #[garde(inner(custom(is_birth_date)))]
    pub(super) date_of_birth: Option<String>,
    #[garde(inner(custom(is_gender)))]
    pub(super) gender: Option<String>,
    #[garde(custom(is_id_type))]
    pub(super) id_type: String,
    #[garde(custom(is_id_number))]
    pub(super) id_number: String,
    #[garde(custom(is_status))]
    pub(super) status: String,
    #[garde(skip)]
    pub(super) is_test_user: bool,
}

impl NewCustomerBody {
    pub(super) fn edited(&self) -> Edited {
        Edited {
            first_name: self.first_name.trim().to_owned(),
            middle_name: blank_is_none(self.middle_name.clone()),
            last_name: self.last_name.trim().to_owned(),
            email: blank_is_none(self.email.clone()),
            phone_number: self.phone_number.trim().to_owned(),
            date_of_birth: blank_is_none(self.date_of_birth.clone()),
            gender: blank_is_none(self.gender.clone()),
            id_type: self.id_type.trim().to_owned(),
            id_number: self.id_number.trim().to_owned(),
            // What MicroBima's application writes; the column's default is never used there.
            status: "PENDING_ACTIVATION".to_owned(),
            is_test_user: self.is_test_user,
        }
    }
}

impl CustomerPatchBody {
    /// The customer with the changes laid over it, and which fields the request speaks of.
    pub(super) fn edited(self, row: &Customer) -> (Edited, Overlay) {
        let mut over = Overlay::default();
        let edited = Edited {
            first_name: over.text("firstName", self.first_name, &row.first_name),
            middle_name: over.optional("middleName", self.middle_name, &row.middle_name),
            last_name: over.text("lastName", self.last_name, &row.last_name),
            email: over.optional("email", self.email, &row.email),
            phone_number: over.text("phoneNumber", self.phone_number, &row.phone_number),
            date_of_birth: over.optional("dateOfBirth", self.date_of_birth, &row.date_of_birth),
            gender: over.optional("gender", self.gender, &row.gender),
            id_type: over.text("idType", self.id_type, &row.id_type),
            id_number: over.text("idNumber", self.id_number, &row.id_number),
            status: over.text("status", self.status, &row.status),
            is_test_user: over.lay("isTestUser", self.is_test_user, row.is_test_user),
        };
        (edited, over)
    }
}

impl Edited {
    /// The row, with the database's labels for the API's words; a label that is none of ours stays as it is.
    pub(super) fn into_row(self, id: String, created_at: Ts, updated_at: Ts) -> Customer {
        Customer {
            id,
            first_name: self.first_name,
            middle_name: self.middle_name,
            last_name: self.last_name,
            email: self.email,
            phone_number: self.phone_number,
            date_of_birth: self.date_of_birth,
            gender: self.gender.map(|word| label_or_same(&GENDERS, word)),
            id_type: label_or_same(&ID_TYPES, self.id_type),
            id_number: self.id_number,
            status: self.status,
            is_test_user: self.is_test_user,
            created_at,
            updated_at,
        }
    }
}

fn is_status(value: &str, (): &()) -> garde::Result {
    one_of(&STATUSES, value)
}

fn first_partner() -> i32 {
    1
}
