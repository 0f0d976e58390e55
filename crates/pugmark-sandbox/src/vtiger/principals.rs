//! Users, groups and the currency of a fresh installation.

use serde_json::{Map, Value};

use super::config::UserSpec;
use super::state::State;
use super::store::{Cell, Row, unset};
use super::values::{self, Input};

/// The groups of a fresh installation.
const GROUPS: [(u64, &str, &str); 3] = [
    (2, "Team Selling", "Group Related to Sales"),
    (
        3,
        "Marketing Group",
        "Group Related to Marketing Activities",
    ),
    (
        4,
        "Support Group",
        "Group Related to providing Support to Customers",
    ),
];

/// What a new user gets when nothing is said.
const USER_DEFAULTS: [(&str, &str); 26] = [
    ("status", "Active"),
    ("activity_view", "Today"),
    ("hour_format", "12"),
    ("start_hour", "08:00"),
    ("date_format", "yyyy-mm-dd"),
    ("time_zone", "UTC"),
    ("currency_id", "1"),
    ("currency_grouping_pattern", "123,456,789"),
    ("currency_decimal_separator", "."),
    ("currency_grouping_separator", ","),
    ("currency_symbol_placement", "$1.0"),
    ("theme", "softed"),
    ("language", "en_us"),
    ("no_of_currency_decimals", "2"),
    ("dayoftheweek", "Sunday"),
    ("callduration", "5"),
    ("othereventduration", "5"),
    ("calendarsharedtype", "public"),
    ("default_record_view", "Summary"),
    ("defaulteventstatus", "Planned"),
    ("defaultactivitytype", "Call"),
    ("defaultcalendarview", "MyCalendar"),
    ("defaultlandingpage", "Home"),
    ("truncate_trailing_zeros", "0"),
    ("leftpanelhide", "0"),
    ("hidecompletedevents", "0"),
];

/// Who makes a call.
#[derive(Clone, Debug)]
pub(super) struct Actor {
    pub(super) number: u64,
    pub(super) name: String,
    pub(super) admin: bool,
    pub(super) date_format: String,
}

/// Fills users, groups and currencies.
pub(super) fn seed(state: &mut State, users: &[UserSpec]) {
    for (position, user) in users.iter().enumerate() {
        let number = state.store.next_principal();
        insert_user(state, number, &fields_of(user));
        if position == 0 {
            // The first user is number 1, and the groups follow.
            seed_groups(state);
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
    .collect()
}

fn seed_groups(state: &mut State) {
    let Some(module) = state.catalogue.find("Groups") else {
        return;
    };
    for (_, name, description) in GROUPS {
        let number = state.store.next_principal();
        insert_plain(
            state,
            module,
            number,
            &[("groupname", name), ("description", description)],
        );
    }
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

fn insert_plain(state: &mut State, module: usize, number: u64, fields: &[(&str, &str)]) {
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
    let hashes = [password_hash(state), password_hash(state)];
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
    // A password is never kept, not even here; what is shown looks like the hash that the real system shows.
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
    letters(state, 16)
}

fn password_hash(state: &mut State) -> String {
    format!("$2y$10${}", letters(state, 53))
}

fn letters(state: &mut State, count: usize) -> String {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    (0..count)
        .map(|_| char::from(ALPHABET[(state.chance() % 62) as usize]))
        .collect()
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
        })
    }

    /// The user with this login name, whatever its case; the first of several.
    pub(super) fn by_name(state: &mut State, name: &str) -> Option<Self> {
        let module = state.catalogue.find("Users")?;
        let field = state.catalogue.module(module).field("user_name")?;
        let number = *state.store.equal_text(module, field, name).first()?;
        Self::find(state, number)
    }

    pub(super) fn is_active(&self, state: &State) -> bool {
        state
            .catalogue
            .find("Users")
            .is_some_and(|module| state.cell(module, self.number, "status") == "Active")
    }
}
