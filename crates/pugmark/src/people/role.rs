//! What people may do in the console.

use std::fmt;
use std::str::FromStr;

use crate::http::rights::{Right, Rights};

/// What somebody is allowed to be doing. Each role may do what the one before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Sees how things stand. Names, phones and addresses of customers are masked.
    Viewer,
    /// Sees customers as they are, works on problems, has single operations tried again.
    CustomerCare,
    /// Changes: edits and discards operations, many at once, staff accounts, the field mapping.
    RegistrationAdmin,
    /// Everything, people and tokens among it.
    Admin,
}

/// What a screen or an action asks for. It is declared where the route is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum May {
    /// Look, with personal data masked.
    Look,
    /// See customers' names, phones, e-mail addresses and documents as they are.
    SeePersonal,
    /// Care for what is stuck: acknowledge a problem, retry an operation, sync or compare a customer now.
    Care,
    /// Change what is delivered, and how: edit, discard, bulk, staff accounts, mapping, conflicts.
    Change,
    /// Say who may do what: people, sessions, tokens.
    Govern,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Role; 4] = [
        Role::Viewer,
        Role::CustomerCare,
        Role::RegistrationAdmin,
        Role::Admin,
    ];

    /// Whether this role may do that.
    pub fn may(self, what: May) -> bool {
        self >= what.least()
    }

    /// The word stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::CustomerCare => "customer_care",
            Role::RegistrationAdmin => "registration_admin",
            Role::Admin => "admin",
        }
    }

    /// The role of somebody with these rights of the API, which come from the grants and from Supabase's `app_metadata`. Nobody
    /// becomes an administrator of Pugmark this way: who else may come in is not for another system to say.
    pub fn of_rights(rights: &Rights) -> Option<Role> {
        [
            (Right::RegistrationAdmin, Role::RegistrationAdmin),
            (Right::CustomerCare, Role::CustomerCare),
            (Right::SetupAdmin, Role::Viewer),
        ]
        .into_iter()
        .find(|(right, _)| rights.has(*right))
        .map(|(_, role)| role)
    }
}

impl May {
    /// All of them.
    pub const ALL: [May; 5] = [
        May::Look,
        May::SeePersonal,
        May::Care,
        May::Change,
        May::Govern,
    ];

    /// The least role that may do it.
    pub fn least(self) -> Role {
        match self {
            May::Look => Role::Viewer,
            May::SeePersonal | May::Care => Role::CustomerCare,
            May::Change => Role::RegistrationAdmin,
            May::Govern => Role::Admin,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = Role::ALL.into_iter().find(|role| role.as_str() == word);
        found.ok_or_else(|| {
            let known = Role::ALL.map(Role::as_str).join(", ");
            format!("`{word}` is no role; use one of {known}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_do_what_the_one_before_it_may_and_only_an_administrator_governs() {
        for what in May::ALL {
            let allowed: Vec<Role> = Role::ALL.into_iter().filter(|r| r.may(what)).collect();
            let least = Role::ALL.iter().position(|role| *role == what.least());
            assert_eq!(allowed, Role::ALL[least.unwrap()..], "{what:?}");
        }
        assert!(!Role::RegistrationAdmin.may(May::Govern));
        assert!(!Role::Viewer.may(May::SeePersonal));
    }

    #[test]
    fn rights_from_elsewhere_make_nobody_an_administrator() {
        assert_eq!(
            Role::of_rights(&Rights::all()),
            Some(Role::RegistrationAdmin)
        );
        let of = |names: &[&str]| Role::of_rights(&Rights::named(names.iter().copied()));
        assert_eq!(of(&["customer_care"]), Some(Role::CustomerCare));
        assert_eq!(of(&["setup_admin"]), Some(Role::Viewer));
        assert_eq!(of(&["admin"]), None);
        assert_eq!(of(&[]), None);
    }
}
