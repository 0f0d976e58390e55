//! What differs between the two editions at their border: id prefixes.

/// Which edition a call speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `webservice.php` of the open-source edition.
    OpenSource,
    /// REST API of the hosted edition.
    Cloud,
}

/// Prefixes of a fresh open-source installation.
const OPEN_SOURCE: [(&str, u32); 35] = [
    ("Campaigns", 1),
    ("Vendors", 2),
    ("Faq", 3),
    ("Quotes", 4),
    ("PurchaseOrder", 5),
    ("SalesOrder", 6),
    ("Invoice", 7),
    ("PriceBooks", 8),
    ("Calendar", 9),
    ("Leads", 10),
    ("Accounts", 11),
    ("Contacts", 12),
    ("Potentials", 13),
    ("Products", 14),
    ("Documents", 15),
    ("Emails", 16),
    ("HelpDesk", 17),
    ("Events", 18),
    ("Users", 19),
    ("Groups", 20),
    ("Currency", 21),
    ("DocumentFolders", 22),
    ("CompanyDetails", 23),
    ("PBXManager", 24),
    ("ServiceContracts", 25),
    ("Services", 26),
    ("ProjectMilestone", 27),
    ("ProjectTask", 28),
    ("Project", 29),
    ("ModComments", 30),
    ("SMSNotifier", 31),
    ("Assets", 32),
    ("LineItem", 33),
    ("Tax", 34),
    ("ProductTaxes", 35),
];

/// Prefixes seen on hosted instances; the rest are made up here, well away from the open-source ones, so that a
/// client that hard-codes a prefix fails.
const CLOUD: [(&str, u32); 12] = [
    ("Leads", 2),
    ("Accounts", 3),
    ("Contacts", 4),
    ("Potentials", 5),
    ("Invoice", 7),
    ("Events", 18),
    ("Users", 19),
    ("Groups", 20),
    ("Currency", 21),
    ("ModComments", 28),
    ("Calendar", 9),
    ("Roles", 136),
];

/// Added to the open-source prefix of a module whose hosted prefix nobody published.
const CLOUD_UNKNOWN: u32 = 100;

impl Dialect {
    /// A module's id prefix; 0 for a name that no installation of this edition has.
    pub(super) fn prefix(self, module: &str) -> u32 {
        let own = find(&OPEN_SOURCE, module);
        match self {
            Dialect::OpenSource => own.unwrap_or(0),
            Dialect::Cloud => find(&CLOUD, module)
                .or(own.map(|own| own + CLOUD_UNKNOWN))
                .unwrap_or(0),
        }
    }

    /// The module that a prefix stands for.
    pub(super) fn module(self, prefix: u32) -> Option<&'static str> {
        let mut names = OPEN_SOURCE.iter().chain(&CLOUD).map(|(name, _)| *name);
        names.find(|name| prefix != 0 && self.prefix(name) == prefix)
    }

    /// Whether this edition has a module of this name at all.
    pub(super) fn has(self, module: &str) -> bool {
        self.prefix(module) != 0
    }

    /// A complete id.
    pub(super) fn id(self, module: &str, number: u64) -> String {
        format!("{}x{number}", self.prefix(module))
    }
}

fn find(prefixes: &[(&str, u32)], module: &str) -> Option<u32> {
    let found = prefixes.iter().find(|(name, _)| *name == module);
    found.map(|(_, prefix)| *prefix)
}
