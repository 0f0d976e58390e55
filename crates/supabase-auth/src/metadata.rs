//! The two free-form objects of a user, and the roles kept in them.

use serde_json::{Map, Value as Json};

/// `user_metadata` or `app_metadata`.
///
/// On update both are merged on the top level only: a key with a value is replaced as a whole (arrays and nested objects
/// included), a key with `null` is removed, an absent key is kept.
pub type Metadata = Map<String, Json>;

/// The key both objects keep roles under.
pub(crate) const ROLES: &str = "roles";

/// The role names of a metadata object: the texts of its `roles`, or the one text that stands there.
pub(crate) fn roles_in(metadata: &Metadata) -> Vec<&str> {
    match metadata.get(ROLES) {
        Some(Json::Array(entries)) => entries.iter().filter_map(Json::as_str).collect(),
        Some(Json::String(role)) => vec![role],
        _ => Vec::new(),
    }
}

/// The complete new array of roles with one role granted or withdrawn.
///
/// Other entries keep their order and are never dropped, whatever they are; repetitions are. A `current` that is no
/// array counts as its only entry, `null` as none.
///
/// ```
/// use serde_json::json;
/// use supabase_auth::with_role;
///
/// let current = json!(["brand_ambassador", {"legacy": 1}]);
/// let granted = with_role(&current, "customer_care", true);
/// assert_eq!(granted, [json!("brand_ambassador"), json!({"legacy": 1}), json!("customer_care")]);
/// assert_eq!(with_role(&current, "brand_ambassador", false), [json!({"legacy": 1})]);
/// ```
#[must_use]
pub fn with_role(current: &Json, role: &str, granted: bool) -> Vec<Json> {
    let entries = match current {
        Json::Null => &[],
        Json::Array(entries) => entries.as_slice(),
        single => std::slice::from_ref(single),
    };
    let mut roles: Vec<Json> = Vec::with_capacity(entries.len() + 1);
    for entry in entries {
        let withdrawn = !granted && entry.as_str() == Some(role);
        if !withdrawn && !roles.contains(entry) {
            roles.push(entry.clone());
        }
    }
    if granted && !roles.iter().any(|entry| entry.as_str() == Some(role)) {
        roles.push(Json::from(role));
    }
    roles
}
