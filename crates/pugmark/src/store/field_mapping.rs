//! `vtiger_custom_field_mapping`: which column goes to which field.

use pugmark_queue::db::{Conn, DbError};
use pugmark_queue::on;

/// Kind of value a mapped field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// Text, or a picklist.
    Text,
    /// A number.
    Number,
    /// A calendar date.
    Date,
    /// Yes or no.
    Boolean,
}

/// One mapping, as the operator keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldMapping {
    /// Column in MicroBima, or `link` for the address of the customer.
    pub microbima_field: String,
    /// API name or label of the field in vTiger, resolved through describe.
    pub vtiger_field_name: String,
    /// Kind of value.
    pub kind: FieldKind,
}

/// The active mappings of a module that carry values to the CRM, in the order in which they were made.
///
/// # Errors
/// Whatever the database says.
pub async fn to_crm(conn: &mut Conn, module: &str) -> Result<Vec<FieldMapping>, DbError> {
    let rows: Vec<(String, String, String)> = on!(conn, |c| {
        sqlx::query_as(
        "SELECT microbima_field, vtiger_field_name, field_type FROM vtiger_custom_field_mapping \
         WHERE vtiger_module = $1 AND is_active AND direction <> 'from_crm' ORDER BY id"
    )
    .bind(module)
    .fetch_all(c)
    .await
    })?;
    Ok(rows
        .into_iter()
        .map(|(microbima_field, vtiger_field_name, kind)| FieldMapping {
            microbima_field,
            vtiger_field_name,
            kind: match kind.as_str() {
                "NUMBER" => FieldKind::Number,
                "DATE" => FieldKind::Date,
                "BOOLEAN" => FieldKind::Boolean,
                _ => FieldKind::Text,
            },
        })
        .collect())
}
