//! Contacts that were leads.

use vtiger::{CallError, Client, Condition, Filter, Module, Query, Record};

use super::{CONTACTS, EMAIL, FROM_LEAD};

/// At most two contacts with this address that came out of leads, in the order of their ids: with two of them nobody knows which
/// one is meant. None where the module does not show what it came from.
///
/// # Errors
/// Whatever comes of asking the CRM.
pub async fn with_email(
    client: &Client,
    contacts: &Module,
    email: &str,
) -> Result<Vec<Record>, CallError> {
    if contacts.field(FROM_LEAD).is_none() || contacts.field(EMAIL).is_none() {
        return Ok(Vec::new());
    }
    let filter = Filter::all([Condition::eq(EMAIL, email), Condition::eq(FROM_LEAD, "1")]);
    let query = Query::select(CONTACTS)
        .filter(filter)
        .order_by(["id"])
        .limit(2);
    client.query_with(contacts, &query).await
}
