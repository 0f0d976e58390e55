//! What people may do. Names are MicroBima's own.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use axum::http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::envelope::ApiError;

/// A right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// Everything that changes something: staff accounts, retries, the field mapping, customers.
    RegistrationAdmin,
    /// Looking.
    CustomerCare,
    /// Looking.
    SetupAdmin,
}

impl Right {
    /// All of them.
    pub const ALL: [Right; 3] = [
        Right::RegistrationAdmin,
        Right::CustomerCare,
        Right::SetupAdmin,
    ];

    /// The word stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Right::RegistrationAdmin => "registration_admin",
            Right::CustomerCare => "customer_care",
            Right::SetupAdmin => "setup_admin",
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Right {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Right::ALL
            .into_iter()
            .find(|right| right.as_str() == word)
            .ok_or_else(|| {
                let known = Right::ALL.map(Right::as_str).join(", ");
                format!("`{word}` is no right; use one of {known}")
            })
    }
}

/// The rights of somebody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights(BTreeSet<Right>);

impl Rights {
    /// Every right.
    pub fn all() -> Self {
        Rights(Right::ALL.into())
    }

    /// Those of Supabase's `app_metadata`, which only an administrator of the project can write: its `roles` and
    /// `pugmark_rights`. Words that are no rights are left out.
    pub fn of_app_metadata(metadata: &Map<String, Value>) -> Self {
        let lists = ["roles", "pugmark_rights"]
            .into_iter()
            .filter_map(|key| metadata.get(key)?.as_array());
        Rights::named(lists.flatten().filter_map(Value::as_str))
    }

    /// Those with these names.
    pub fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Rights(
            names
                .into_iter()
                .filter_map(|name| name.parse().ok())
                .collect(),
        )
    }

    /// These and those.
    #[must_use]
    pub fn and(mut self, others: Rights) -> Self {
        self.0.extend(others.0);
        self
    }

    /// Whether this right is among them.
    pub fn has(&self, right: Right) -> bool {
        self.0.contains(&right)
    }

    /// Whether a request of this method is allowed: with any right one may look, only with one may anything be changed.
    ///
    /// # Errors
    /// 403 that names the right that is missing and how it is given.
    pub fn allow(&self, method: &Method) -> Result<(), ApiError> {
        if self.0.contains(&Right::RegistrationAdmin) {
            return Ok(());
        }
        let looks = matches!(*method, Method::GET | Method::HEAD);
        if looks && !self.0.is_empty() {
            return Ok(());
        }
        let needed = if looks {
            "one of the rights registration_admin, customer_care and setup_admin"
        } else {
            "the right registration_admin"
        };
        Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "FORBIDDEN",
            format!(
                "Your account may not do this: it needs {needed}. `pugmark grant add` gives it, or app_metadata.roles in \
                 Supabase; roles in user_metadata do not count"
            ),
        ))
    }
}
