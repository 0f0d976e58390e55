//! What a look-alike of vTiger is made of: users, custom fields, variant, edition, latency.

use std::fmt;
use std::time::Duration;

use super::latency::Latency;
use super::release::Release;
use crate::clock::Clock;

/// Which state of repair the installation is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Variant {
    /// A fresh installation on PHP 8, with its broken operations.
    #[default]
    Stock,
    /// An administrator repaired the operation registry: `logout`, `convertlead`, `sync`, `wsapp_register`, `changePassword`
    /// and `deleteUser` work.
    Repaired,
    /// Stock, but the row that makes `roleid` a reference is gone, so users can be created.
    RoleidDbFix,
    /// Stock with PHP's `display_errors` on: warnings are printed in front of every answer.
    DisplayErrors,
}

/// Which of the two products answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Edition {
    /// `webservice.php` of the open-source edition.
    #[default]
    OpenSource,
    /// `restapi/v1/vtiger/default` of the hosted edition.
    Cloud,
    /// Both over the same records; ids carry each edition's own prefixes.
    Both,
}

/// A login of the CRM.
#[derive(Clone)]
pub struct UserSpec {
    /// Login name.
    pub name: String,
    /// Access key (not the password).
    pub access_key: String,
    /// Whether an administrator.
    pub admin: bool,
    /// Whether the user may log in.
    pub active: bool,
    /// `first_name`.
    pub first_name: String,
    /// `last_name`.
    pub last_name: String,
    /// `email1`.
    pub email: String,
    /// `date_format`: `yyyy-mm-dd`, `dd-mm-yyyy` or `mm-dd-yyyy`.
    pub date_format: String,
    /// Values of other fields of the module `Users`, by name.
    pub fields: Vec<(String, String)>,
}

impl UserSpec {
    /// An active administrator.
    pub fn admin(name: &str, access_key: &str) -> Self {
        Self {
            name: name.to_owned(),
            access_key: access_key.to_owned(),
            admin: true,
            active: true,
            first_name: String::new(),
            last_name: "Administrator".to_owned(),
            email: format!("{name}@example.com"),
            date_format: "yyyy-mm-dd".to_owned(),
            fields: Vec::new(),
        }
    }

    /// An active user without administrator's rights.
    pub fn standard(name: &str, access_key: &str) -> Self {
        Self {
            admin: false,
            last_name: name.to_owned(),
            ..Self::admin(name, access_key)
        }
    }

    /// With this value in a field of the module `Users`, over what the rest says. Passwords are not taken: they are set
    /// while running, so that only their hashes are ever kept.
    #[must_use]
    pub fn with(mut self, field: &str, value: &str) -> Self {
        if !matches!(field, "user_password" | "confirm_password") {
            self.fields.push((field.to_owned(), value.to_owned()));
        }
        self
    }

    /// Inactive from the start.
    #[must_use]
    pub fn inactive(mut self) -> Self {
        self.active = false;
        self
    }
}

impl fmt::Debug for UserSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserSpec")
            .field("name", &self.name)
            .field("access_key", &"***")
            .field("admin", &self.admin)
            .field("active", &self.active)
            .finish_non_exhaustive()
    }
}

/// The type of a custom field, as the layout editor offers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CustomFieldKind {
    /// One line of text; `length` 1 to 255, 100 unless said.
    Text,
    /// Text without a limit.
    TextArea,
    /// Whole number.
    Integer,
    /// Decimal number: `digits` in front of the point, `scale` behind.
    Decimal {
        /// Digits in front of the point.
        digits: u8,
        /// Digits behind the point.
        scale: u8,
    },
    /// Amount of money: `digits` in front of the point, `scale` behind.
    Currency {
        /// Digits in front of the point.
        digits: u8,
        /// Digits behind the point.
        scale: u8,
    },
    /// Date.
    Date,
    /// Time of day.
    Time,
    /// Checkbox.
    Checkbox,
    /// One of these values (not enforced by vTiger).
    Picklist(Vec<String>),
    /// Some of these values (not enforced by vTiger).
    MultiPicklist(Vec<String>),
    /// Telephone number.
    Phone,
    /// E-mail address.
    Email,
    /// Web address.
    Url,
}

/// A field that an administrator added to a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomField {
    /// Module name, such as `Contacts`.
    pub module: String,
    /// Label, by which integrations find it.
    pub label: String,
    /// Field name; unless said `cf_<n>`, counted as vTiger counts (`cf_<module>_<label>` on the hosted edition alone).
    pub name: Option<String>,
    /// Type.
    pub kind: CustomFieldKind,
    /// Longest text in characters, for kinds that hold text.
    pub length: Option<usize>,
    /// Whether duplicates are refused.
    pub unique: bool,
    /// Whether create and update demand a value.
    pub mandatory: bool,
    /// The default that `describe` shows (creates do not apply it).
    pub default: String,
}

impl CustomField {
    /// A field that is not unique, of the kind's own length.
    pub fn new(module: &str, label: &str, kind: CustomFieldKind) -> Self {
        Self {
            module: module.to_owned(),
            label: label.to_owned(),
            name: None,
            kind,
            length: None,
            unique: false,
            mandatory: false,
            default: String::new(),
        }
    }

    /// Gives it a name of its own, as a vtlib script does.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Limits its length in characters.
    #[must_use]
    pub fn length(mut self, characters: usize) -> Self {
        self.length = Some(characters);
        self
    }

    /// Refuses duplicates.
    #[must_use]
    pub fn unique(mut self) -> Self {
        self.unique = true;
        self
    }

    /// Refuses records without a value.
    #[must_use]
    pub fn mandatory(mut self) -> Self {
        self.mandatory = true;
        self
    }
}

/// Call limits of the hosted edition. Over a limit, a call is answered with HTTP 429.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloudQuota {
    /// Calls in a minute.
    pub per_minute: u32,
    /// Calls in 24 hours.
    pub per_day: u32,
}

impl Default for CloudQuota {
    /// The edition "One Professional" with two users: 60 a minute, 7,200 a day.
    fn default() -> Self {
        Self {
            per_minute: 60,
            per_day: 7_200,
        }
    }
}

/// Everything a sandbox is started with.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) seed: u64,
    pub(crate) variant: Variant,
    pub(crate) release: Release,
    pub(crate) edition: Edition,
    pub(crate) port: u16,
    pub(crate) time_zone_offset_seconds: i64,
    pub(crate) users: Vec<UserSpec>,
    pub(crate) custom_fields: Vec<CustomField>,
    /// Custom POST operations that an administrator registered; each creates a user from its `element`.
    pub(crate) user_operations: Vec<String>,
    /// Whether Pugmark's extension is installed.
    pub(crate) extension: bool,
    /// Fewest characters of a password that the extension sets.
    pub(crate) shortest_password: usize,
    /// Login names of those who may set passwords through the extension; none for every administrator.
    pub(crate) password_callers: Option<Vec<String>>,
    /// Built-in fields that an administrator marked unique.
    pub(crate) unique_fields: Vec<(String, String)>,
    pub(crate) latency: Latency,
    pub(crate) clock: Clock,
    pub(crate) session_idle: Duration,
    pub(crate) hang_limit: Duration,
    pub(crate) max_body: usize,
    pub(crate) quota: CloudQuota,
    pub(crate) cloud_leads: bool,
}

impl Config {
    /// Whether this caller, an administrator, may set passwords through the extension.
    pub(crate) fn may_set_passwords(&self, caller: &str) -> bool {
        let names = self.password_callers.as_ref();
        names.is_none_or(|names| names.iter().any(|name| name.eq_ignore_ascii_case(caller)))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 0,
            variant: Variant::default(),
            release: Release::default(),
            edition: Edition::default(),
            port: 0,
            time_zone_offset_seconds: 0,
            users: Vec::new(),
            custom_fields: Vec::new(),
            user_operations: Vec::new(),
            extension: false,
            // As many as Supabase Auth asks for.
            shortest_password: 6,
            password_callers: None,
            unique_fields: Vec::new(),
            latency: Latency::default(),
            clock: Clock::default(),
            // PHP's session.gc_maxlifetime.
            session_idle: Duration::from_secs(1440),
            hang_limit: Duration::from_secs(60),
            // PHP's post_max_size.
            max_body: 8 * 1024 * 1024,
            quota: CloudQuota::default(),
            cloud_leads: true,
        }
    }
}
