//! Users, groups and the currency of a fresh installation.

use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::config::UserSpec;
use super::passwords;
use super::state::State;
use super::store::{Cell, Row, unset};
use super::values::{self, Input};

/// The groups of a fresh installation.
const GROUPS: [(&str, &str); 3] = [
    ("Team Selling", "Group Related to Sales"),
    ("Marketing Group", "Group Related to Marketing Activities"),
    (
        "Support Group",
        "Group Related to providing Support to Customers",
    ),
];

/// What a new user gets when nothing is said.
const USER_DEFAULTS: [(&str, &str); 18] = [
    ("status", "Active"),
    ("is_admin", "off"),
    ("activity_view", "Today"),
    ("hour_format", "12"),
    ("start_hour", "09:00"),
    ("date_format", "yyyy-mm-dd"),
    ("time_zone", "UTC"),
    ("currency_id", "1"),
    ("currency_decimal_separator", "."),
    ("currency_grouping_separator", ","),
    ("theme", "softed"),
    ("language", "en_us"),
    ("dayoftheweek", "Sunday"),
    ("callduration", "5"),
    ("othereventduration", "5"),
    ("calendarsharedtype", "public"),
    ("default_record_view", "Summary"),
    ("leftpanelhide", "0"),
];

/// How numbers are written, of a user about whom nothing else was ever saved.
const NUMBER_FORMAT: [(&str, &str); 3] = [
    ("currency_grouping_pattern", "123,456,789"),
    ("currency_symbol_placement", "$1.0"),
    ("no_of_currency_decimals", "2"),
];

/// Who makes a call.
#[derive(Clone, Debug)]
pub(super) struct Actor {
    pub(super) number: u64,
    pub(super) name: String,
    pub(super) admin: bool,
    pub(super) date_format: String,
    /// Such as `Africa/Nairobi`.
    pub(super) time_zone: String,
}

/// Fills users, groups and currencies.
pub(super) fn seed(state: &mut State, users: &[UserSpec]) {
    for (position, user) in users.iter().enumerate() {
        let number = state.store.next_principal();
        insert_user(state, number, &fields_of(user));
        if position == 0 {
            // The first user is number 1, and the groups follow.
            for (name, description) in GROUPS {
                add_group(state, name, description);
            }
        }
    }
    seed_currency(state);
}

fn fields_of(user: &UserSpec) -> Vec<(String, String)> {
    let status = if user.active { "Active" } else { "Inactive" };
    let admin = if user.admin { "on" } else { "off" };
    let role = if user.admin { "H2" } else { "H5" };
    [
        ("user_name", user.name.as_str()),
        ("accesskey", &user.access_key),
        ("is_admin", admin),
        ("first_name", &user.first_name),
        ("last_name", &user.last_name),
        ("email1", &user.email),
        ("date_format", &user.date_format),
        ("status", status),
        ("roleid", role),
    ]
    .iter()
    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
    .chain(user.fields.iter().cloned())
    .collect()
}

/// Adds a group; gives its id.
pub(super) fn add_group(state: &mut State, name: &str, description: &str) -> String {
    let number = state.store.next_principal();
    if let Some(module) = state.catalogue.find("Groups") {
        let fields = [("groupname", name), ("description", description)];
        insert_plain(state, module, number, &fields);
    }
    state.canonical.id("Groups", number)
}

fn seed_currency(state: &mut State) {
    let Some(module) = state.catalogue.find("Currency") else {
        return;
    };
    let fields = [
        ("currency_name", "USA, Dollars"),
        ("currency_code", "USD"),
        ("currency_symbol", "$"),
        ("conversion_rate", "1.00000"),
        ("currency_status", "Active"),
        ("defaultid", "-11"),
        ("deleted", "0"),
    ];
    insert_plain(state, module, 1, &fields);
}

pub(super) fn insert_plain(state: &mut State, module: usize, number: u64, fields: &[(&str, &str)]) {
    let about = state.catalogue.module(module);
    let mut row: Row = about
        .fields
        .iter()
        .map(|field| unset(&field.kind))
        .collect();
    for (name, value) in fields {
        if let Some(at) = about.field(name) {
            row[at] = Some((*value).to_owned());
        }
    }
    state.store.insert(&state.catalogue, module, number, row);
}

/// Stores a user; nothing is checked.
pub(super) fn insert_user(state: &mut State, number: u64, fields: &[(String, String)]) {
    let Some(module) = state.catalogue.find("Users") else {
        return;
    };
    let password = fields.iter().find(|(name, _)| name == "user_password");
    let hash = |state: &mut State| match password {
        Some((_, password)) => passwords::hash(password, || state.chance()),
        None => passwords::unknown(|| state.chance()),
    };
    let hashes = [hash(state), hash(state)];
    let about = state.catalogue.module(module);
    let mut row: Row = about
        .fields
        .iter()
        .map(|field| unset(&field.kind))
        .collect();
    let mut put = |name: &str, value: Cell| {
        if let Some(at) = about.field(name) {
            row[at] = value;
        }
    };
    for (name, value) in USER_DEFAULTS {
        put(name, Some(value.to_owned()));
    }
    let [password, confirmation] = hashes;
    for (name, value) in fields {
        match name.as_str() {
            "user_password" | "confirm_password" | "id" => {}
            _ => put(name, Some(value.clone())),
        }
    }
    put("user_password", Some(password));
    put("confirm_password", Some(confirmation));
    state.store.insert(&state.catalogue, module, number, row);
    set_label(state, module, number);
}

/// What every saving of a user fills in: the name as a whole, and how numbers are written where nothing says it.
pub(super) fn complete_user(state: &mut State, module: usize, number: u64) {
    set_label(state, module, number);
    for (field, value) in NUMBER_FORMAT {
        if state.cell(module, number, field).is_empty() {
            set(state, module, number, field, value);
        }
    }
}

fn set_label(state: &mut State, module: usize, number: u64) {
    let first = state.cell(module, number, "first_name");
    let last = state.cell(module, number, "last_name");
    let label = format!("{first} {last}");
    set(state, module, number, "userlabel", label.trim());
}

fn set(state: &mut State, module: usize, number: u64, field: &str, value: &str) {
    if let Some(at) = state.catalogue.module(module).field(field) {
        state.store.set(module, number, at, Some(value.to_owned()));
    }
}

/// The fields of an element that creates a user, as text.
pub(super) fn user_fields(state: &State, element: &Map<String, Value>) -> Vec<(String, String)> {
    let Some(module) = state.catalogue.find("Users") else {
        return Vec::new();
    };
    let about = state.catalogue.module(module);
    let known = element
        .iter()
        .filter(|(name, _)| about.field(name).is_some() && name.as_str() != "accesskey");
    known
        .map(|(name, value)| {
            let text = Input::read(value).text().to_owned();
            // References are kept as bare numbers.
            let text = match name.as_str() {
                "currency_id" | "reports_to_id" => text
                    .split_once('x')
                    .map_or("0", |(_, number)| number)
                    .to_owned(),
                _ => values::three_byte(&text),
            };
            (name.clone(), text)
        })
        .collect()
}

/// A new user's access key: sixteen letters and digits.
pub(super) fn new_access_key(state: &mut State) -> String {
    passwords::letters(|| state.chance(), 16)
}

impl Actor {
    /// The user with this number.
    pub(super) fn find(state: &State, number: u64) -> Option<Self> {
        let module = state.catalogue.find("Users")?;
        state.store.row(module, number)?;
        let text = |field: &str| state.cell(module, number, field).to_owned();
        Some(Self {
            number,
            name: text("user_name"),
            admin: text("is_admin") == "on",
            date_format: text("date_format"),
            time_zone: text("time_zone"),
        })
    }

    /// The user with this login name, whatever its case; the first of several.
    pub(super) fn by_name(state: &mut State, name: &str) -> Option<Self> {
        let module = state.catalogue.find("Users")?;
        let field = state.catalogue.module(module).field("user_name")?;
        let number = *state.store.equal_text(module, field, name).first()?;
        Self::find(state, number)
    }

    /// The time zone; UTC where it is none.
    pub(super) fn zone(&self) -> TimeZone {
        TimeZone::get(&self.time_zone).unwrap_or(TimeZone::UTC)
    }

    pub(super) fn is_active(&self, state: &State) -> bool {
        state
            .catalogue
            .find("Users")
            .is_some_and(|module| state.cell(module, self.number, "status") == "Active")
    }
}
