//! What a CRM lacks for accounts, and how an administrator gets it: in words, not as a cryptic refusal.

use std::fmt;

use crate::problem::Code;

/// Something that can be done to users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ability {
    /// Making one.
    Create,
    /// Setting a password.
    Password,
    /// Enabling a disabled one.
    Enable,
    /// Disabling an active one.
    Disable,
}

/// An ability that is missing, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lack {
    /// What is missing.
    pub ability: Ability,
    why: Why,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// It is an open-source vTiger as it comes.
    Stock,
    /// The user Pugmark works as is no administrator.
    Rights,
    /// vTiger Cloud documents no such thing.
    Cloud,
}

impl Ability {
    /// The key under which operations wait for it.
    pub fn key(self) -> &'static str {
        match self {
            Ability::Create => "crm-users:create",
            Ability::Password => "crm-users:password",
            Ability::Enable => "crm-users:enable",
            Ability::Disable => "crm-users:disable",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Ability::Create => "create users",
            Ability::Password => "set passwords",
            Ability::Enable => "enable a disabled user",
            Ability::Disable => "disable users",
        }
    }
}

impl Lack {
    pub(super) fn stock(ability: Ability) -> Self {
        let why = Why::Stock;
        Lack { ability, why }
    }

    pub(super) fn rights(ability: Ability) -> Self {
        let why = Why::Rights;
        Lack { ability, why }
    }

    pub(super) fn cloud(ability: Ability) -> Self {
        let why = Why::Cloud;
        Lack { ability, why }
    }

    /// Whether the users that are there can be looked for at least: by everybody but Cloud's clients and those without rights.
    pub fn may_look(self) -> bool {
        self.why == Why::Stock
    }

    /// The code people see.
    pub fn code(self) -> Code {
        match (self.ability, self.why) {
            (_, Why::Rights) => Code::CrmRights,
            (Ability::Create, _) => Code::CannotCreateUsers,
            (Ability::Password, _) => Code::CannotSetPasswords,
            (Ability::Enable | Ability::Disable, _) => Code::CannotEnableUsers,
        }
    }

    /// How to get it, as an order to an administrator.
    pub fn fix(self) -> &'static str {
        match (self.why, self.ability) {
            (Why::Rights, _) => {
                "Make the user that Pugmark works as (VTIGER_USERNAME) an administrator of vTiger"
            }
            (Why::Cloud, Ability::Create) => {
                "Make users by hand in vTiger's settings (each costs a licence)"
            }
            (Why::Cloud, _) => "Do it by hand in vTiger's settings",
            (Why::Stock, Ability::Create) => {
                "Install Pugmark's vTiger extension; or delete the row with uitype 98 from the table vtiger_ws_fieldtype of \
                 vTiger's database; or make the user by hand (Settings, Users) with the e-mail address as user name and \
                 primary e-mail: it is found and taken up"
            }
            (Why::Stock, Ability::Password) => {
                "Install Pugmark's vTiger extension; or correct the path of changePassword in the table vtiger_ws_operation \
                 of vTiger's database (docs/staff-accounts.md has the statement); or set the same password by hand \
                 (Settings, Users) and discard the operation"
            }
            (Why::Stock, Ability::Enable | Ability::Disable) => {
                "Install Pugmark's vTiger extension; or set the user's status by hand (Settings, Users): it is noticed"
            }
        }
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = self.ability.words();
        match (self.why, self.ability) {
            (Why::Rights, _) => write!(
                formatter,
                "the user that Pugmark works as may not {what} in vTiger"
            ),
            (Why::Cloud, _) => write!(formatter, "vTiger Cloud offers no way to {what}"),
            (Why::Stock, Ability::Create) => formatter.write_str(
                "this vTiger cannot create users through its API, because it accepts no value for the mandatory role \
                 (a defect of every open-source vTiger since 7.0)",
            ),
            (Why::Stock, Ability::Password) => formatter.write_str(
                "this vTiger cannot set passwords through its API, because its operation changePassword is registered with \
                 the path of a file that does not exist (a defect of every open-source vTiger)",
            ),
            (Why::Stock, Ability::Enable | Ability::Disable) => formatter.write_str(
                "this vTiger cannot enable a disabled user through its API, which does not see inactive users at all",
            ),
        }
    }
}
