//! What callers send about accounts, and the rules of it.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::flows::insurance::phone;
use crate::flows::insurance::user::NewStaff;
use crate::http::envelope::ApiError;
use crate::passwords;

/// Roles of MicroBima that can be given with a new account. `setup_admin` is for its own administrators to give.
const ROLES: [&str; 3] = ["brand_ambassador", "customer_care", "registration_admin"];

/// Members of the insurance have logins with addresses of this domain.
const MEMBERS: &str = "@maishapoa.customer";

/// A new member of the staff.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewUserBody {
    /// First name, 1 to 50 characters.
    #[serde(default)]
    #[schema(required = true)]
    pub(crate) first_name: String,
    /// Last name, 1 to 50 characters.
    #[serde(default)]
    #[schema(required = true)]
    pub(crate) last_name: String,
    /// E-mail: the login name in both systems.
    #[serde(default)]
    #[schema(required = true)]
    pub(crate) email: String,
    /// The password in both systems; made and answered once when left out.
    #[schema(value_type = Option<String>)]
    pub(crate) password: Option<SecretString>,
    /// A Kenyan mobile number, however it is typed.
    #[serde(default)]
    #[schema(required = true)]
    pub(crate) phone_number: String,
    /// The partner worked for; 1 when left out.
    #[serde(default = "first_partner")]
    pub(crate) partner_id: i32,
    /// Pay per registration in cents of a Kenyan shilling; 0 when left out.
    #[serde(default)]
    pub(crate) per_registration_rate_cents: i32,
    /// `brand_ambassador` when left out; also `customer_care` and `registration_admin`.
    pub(crate) roles: Option<Vec<String>>,
    /// Whether a user of the CRM is made, too; `true` when left out.
    #[serde(default = "yes")]
    pub(crate) create_vtiger_user: bool,
}

/// A password for an account that gets a user of the CRM.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SyncBody {
    /// Set in both systems; made and answered once when left out.
    #[schema(value_type = Option<String>)]
    pub(super) password: Option<SecretString>,
}

/// A new password.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ResetBody {
    /// Set in both systems; made and answered once when left out.
    #[schema(value_type = Option<String>)]
    pub(super) new_password: Option<SecretString>,
}

/// Whether an account is enabled.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct StatusBody {
    /// `false` disables it.
    pub(super) is_active: bool,
}

/// Which operation is tried again, and with what.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RetryBody {
    /// The newest one that is not over when left out.
    pub(crate) operation_id: Option<String>,
    /// In place of the one the operation has. When that was erased, one is made and answered once if none is given.
    #[schema(value_type = Option<String>)]
    pub(crate) password: Option<SecretString>,
    /// Kept in the audit log.
    pub(crate) reason: Option<String>,
}

impl NewUserBody {
    /// # Errors
    /// 422 with every field that breaks a rule.
    pub(super) fn check(
        self,
        created_by: &str,
    ) -> Result<(NewStaff, Option<SecretString>), ApiError> {
        let mut wrong: BTreeMap<String, String> = BTreeMap::new();
        let mut refuse = |field: &str, what: String| {
            wrong.entry(field.to_owned()).or_insert(what);
        };
        let first_name = one_line(&self.first_name);
        let last_name = one_line(&self.last_name);
        for (field, name) in [("firstName", &first_name), ("lastName", &last_name)] {
            if let Some(what) = wrong_name(name) {
                refuse(field, what.to_owned());
            }
        }
        let email = self.email.trim().to_lowercase();
        if let Some(what) = wrong_email(&email) {
            refuse("email", what.to_owned());
        }
        let phone_number = phone::canonical(&self.phone_number).unwrap_or_else(|| {
            let what = "must be a Kenyan mobile number such as 0712345678 or +254712345678";
            refuse("phoneNumber", what.to_owned());
            String::new()
        });
        if self.per_registration_rate_cents < 0 {
            refuse("perRegistrationRateCents", "must not be below 0".to_owned());
        }
        let roles = self
            .roles
            .unwrap_or_else(|| vec!["brand_ambassador".to_owned()]);
        if roles.is_empty() || !roles.iter().all(|role| ROLES.contains(&role.as_str())) {
            refuse(
                "roles",
                format!("must be one or several of {}", ROLES.join(", ")),
            );
        }
        if let Some(what) = self.password.as_ref().and_then(wrong_password) {
            refuse("password", what);
        }
        if !wrong.is_empty() {
            return Err(ApiError::validation(wrong));
        }
        let new = NewStaff {
            first_name,
            last_name,
            email,
            phone_number,
            partner_id: self.partner_id,
            per_registration_rate_cents: self.per_registration_rate_cents,
            roles,
            create_vtiger_user: self.create_vtiger_user,
            created_by: created_by.to_owned(),
        };
        Ok((new, self.password))
    }
}

/// Refuses a password that one of the systems would not take, before either is touched.
///
/// # Errors
/// 422 naming the field and every reason.
pub(super) fn check_password(
    field: &str,
    password: Option<SecretString>,
) -> Result<Option<SecretString>, ApiError> {
    match password.as_ref().and_then(wrong_password) {
        Some(what) => Err(ApiError::validation([(field.to_owned(), what)].into())),
        None => Ok(password),
    }
}

fn wrong_password(password: &SecretString) -> Option<String> {
    let problems = passwords::problems(password);
    (!problems.is_empty()).then(|| format!("is too weak: {}", problems.join("; ")))
}

fn one_line(text: &str) -> String {
    text.split(' ')
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn wrong_name(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("is required")
    } else if name.chars().count() > 50 {
        Some("must have 1 to 50 characters")
    } else if name.chars().any(char::is_control) {
        Some("must not contain control characters such as line breaks")
    } else {
        None
    }
}

fn wrong_email(email: &str) -> Option<&'static str> {
    if email.is_empty() {
        Some("is required")
    } else if email.ends_with(MEMBERS) {
        Some("is the address of a member's login; staff need one of their own")
    } else if email.len() > 254 || !email_address::EmailAddress::is_valid(email) {
        Some("must be an e-mail address such as achieng@example.co.ke")
    } else {
        None
    }
}

/// What keeps requests with this key apart from others.
///
/// # Errors
/// 422 when it is none.
pub(super) fn idempotency_key(given: &str) -> Result<String, ApiError> {
    let given = given.trim();
    if given.is_empty() || given.len() > 200 || !given.bytes().all(|byte| byte.is_ascii_graphic()) {
        let what = "must have 1 to 200 visible ASCII characters".to_owned();
        return Err(ApiError::validation(
            [("Idempotency-Key".to_owned(), what)].into(),
        ));
    }
    Ok(given.to_owned())
}

/// The password's text, for the one answer that shows it.
pub(super) fn shown(password: &SecretString) -> String {
    password.expose_secret().to_owned()
}

fn first_partner() -> i32 {
    1
}

fn yes() -> bool {
    true
}
