//! Names of the database columns behind fields. They show only in the order in which a caller without administrator's
//! rights gets the fields.

/// The column of a field, which mostly has the same name.
pub(super) fn of<'a>(module: &str, field: &'a str) -> &'a str {
    match (module, field) {
        (_, "assigned_user_id") => "smownerid",
        (_, "creator") => "smcreatorid",
        (_, "salutationtype") => "salutation",
        ("Calendar" | "Events", "contact_id") => "contactid",
        ("Calendar" | "Events", "parent_id") => "crmid",
        ("Calendar" | "Events", "taskpriority") => "priority",
        ("Calendar", "taskstatus") => "status",
        ("Contacts", "account_id") => "accountid",
        ("Contacts", "contact_id") => "reportsto",
        ("Accounts", "account_id") => "parentid",
        ("Accounts", "accounttype") => "account_type",
        ("Accounts", "annual_revenue") => "annualrevenue",
        ("HelpDesk", "ticketpriorities") => "priority",
        ("HelpDesk", "ticketseverities") => "severity",
        ("HelpDesk", "ticketstatus") => "status",
        ("HelpDesk", "ticketcategories") => "category",
        ("HelpDesk", "ticket_title") | ("Documents", "notes_title") => "title",
        (_, same) => same,
    }
}
