//! Widths of the text columns of a fresh database, in characters. `describe` of the open-source edition does not show
//! them, and longer values are cut without a word.

/// Width of a column; none where nothing is cut.
pub(super) fn built_in(module: &str, field: &str, type_name: &str) -> Option<usize> {
    if let Some(width) = known(module, field) {
        return Some(width);
    }
    match type_name {
        // `text` columns: far beyond what is ever sent.
        "text" => None,
        // A picklist's value and anything not listed above.
        _ => Some(255),
    }
}

fn known(module: &str, field: &str) -> Option<usize> {
    let width = match (module, field) {
        ("Contacts", "firstname") => 40,
        ("Contacts", "lastname") => 80,
        ("Contacts", "email" | "secondaryemail") => 100,
        (
            "Contacts",
            "phone" | "mobile" | "title" | "homephone" | "otherphone" | "fax" | "assistantphone",
        ) => 50,
        ("Contacts", "department" | "assistant") => 30,
        ("Contacts", "mailingstreet" | "otherstreet") => 250,
        ("Contacts", "mailingcity" | "mailingcountry" | "othercity" | "othercountry") => 40,
        (
            "Contacts",
            "mailingstate" | "mailingzip" | "mailingpobox" | "otherstate" | "otherzip"
            | "otherpobox",
        ) => 30,
        ("Leads", "firstname") => 40,
        ("Leads", "lastname") => 80,
        ("Leads", "company" | "email" | "secondaryemail") => 100,
        ("Leads", "phone" | "mobile" | "fax" | "designation") => 50,
        ("Leads", "lane") => 250,
        ("Leads", "city" | "country" | "state" | "code" | "pobox") => 30,
        ("Accounts", "accountname" | "email1" | "email2" | "website") => 100,
        ("Calendar" | "Events", "subject") => 255,
        ("Calendar" | "Events", "location") => 150,
        ("Users", "first_name" | "last_name") => 30,
        ("Users", "title") => 50,
        _ => return None,
    };
    Some(width)
}
