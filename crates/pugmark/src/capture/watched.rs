//! Which tables of MicroBima are watched, and which of their columns matter.

use crate::flows::insurance::events::WATCHED_CUSTOMER_COLUMNS;

/// A table that is watched.
#[derive(Debug, Clone, Copy)]
pub struct Watched {
    /// Name of the table, in MicroBima's schema.
    pub table: &'static str,
    /// Its primary key.
    pub key: &'static str,
    /// Columns whose change counts as a change of the row. `updatedAt` is never one of them.
    pub columns: &'static [&'static str],
    /// Columns that a change tells besides.
    pub told: &'static [&'static str],
    /// A value of another table that a change tells besides, because it may be gone when the change is read.
    pub looked_up: Option<LookedUp>,
}

/// A value that belongs to the row by a reference.
#[derive(Debug, Clone, Copy)]
pub struct LookedUp {
    /// Name under which the change tells it.
    pub name: &'static str,
    /// Column of the other table.
    pub column: &'static str,
    /// The other table, whose primary key is `id`.
    pub table: &'static str,
    /// Column of the watched table that refers to it.
    pub by: &'static str,
}

/// Columns that hold `numeric` amounts; they are told as text, digit for digit.
pub const AMOUNTS: [&str; 1] = ["amount"];

/// Columns that hold instants with a time zone, unlike all others; they are told in UTC.
pub const INSTANTS: [&str; 2] = ["deletedAt", "detachedAt"];

/// Payments.
pub const PAYMENTS: Watched = Watched {
    table: "policy_payments",
    key: "id",
    columns: &[
        "policyId",
        "paymentStatus",
        "detachedAt",
        "amount",
        "actualPaymentDate",
        "expectedPaymentDate",
    ],
    told: &["transactionReference"],
    looked_up: Some(LookedUp {
        name: "customerId",
        column: "customerId",
        table: "policies",
        by: "policyId",
    }),
};

/// Tables of which [`captured_rows`](crate::store::captured_rows) keeps what was last planned. Customers have the hash of
/// what was last delivered at their link, and payments are too many: they are kept as sums per customer.
pub fn kept() -> impl Iterator<Item = &'static Watched> {
    WATCHED
        .iter()
        .filter(|watched| !matches!(watched.table, "customers" | "policy_payments"))
}

/// Columns that are read besides those that are watched or told.
pub const READ: [(&str, &[&str]); 2] = [
    ("customers", &["createdAt", "updatedAt"]),
    ("policy_payments", &["createdAt"]),
];

/// Tables of the slice that are not watched; only single features need them.
pub const BESIDES: [&str; 9] = [
    "partners",
    "partner_customers",
    "packages",
    "package_plans",
    "package_schemes",
    "package_scheme_customers",
    "agent_registrations",
    "entity_status_changes",
    "test_customers",
];

/// Every watched table.
pub const WATCHED: [Watched; 7] = [
    Watched {
        table: "customers",
        key: "id",
        columns: &WATCHED_CUSTOMER_COLUMNS,
        told: &[],
        looked_up: None,
    },
    Watched {
        table: "dependants",
        key: "id",
        columns: &["customerId", "deletedAt"],
        told: &[
            "firstName",
            "middleName",
            "lastName",
            "relationship",
            "createdAt",
        ],
        looked_up: None,
    },
    Watched {
        table: "beneficiaries",
        key: "id",
        columns: &["customerId", "deletedAt"],
        told: &[
            "firstName",
            "middleName",
            "lastName",
            "relationship",
            "createdAt",
        ],
        looked_up: None,
    },
    Watched {
        table: "policies",
        key: "id",
        columns: &["customerId", "status"],
        told: &["policyNumber", "productName"],
        looked_up: None,
    },
    PAYMENTS,
    Watched {
        table: "missing_requirements",
        key: "id",
        columns: &["customerId", "entityId", "status"],
        told: &["entityKind", "fieldPath", "createdAt"],
        looked_up: None,
    },
    Watched {
        table: "brand_ambassadors",
        key: "id",
        columns: &["userId", "isActive", "phoneNumber"],
        told: &["displayName"],
        looked_up: None,
    },
];

impl Watched {
    /// Every column of the table that is read.
    pub fn needs(&self) -> impl Iterator<Item = &'static str> {
        let read = READ
            .into_iter()
            .filter(|(table, _)| *table == self.table)
            .flat_map(|(_, columns)| columns.iter().copied());
        std::iter::once(self.key)
            .chain(self.columns.iter().copied())
            .chain(self.told.iter().copied())
            .chain(read)
    }
}
