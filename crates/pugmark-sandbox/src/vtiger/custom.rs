//! Custom fields: their names, column types and what `describe` shows of them.

use serde_json::{Value, json};

use super::catalogue::Kind;
use super::config::{CustomField, CustomFieldKind, Edition};

/// The open-source edition counts, the hosted one squeezes module and label.
pub(super) fn name(custom: &CustomField, edition: Edition, number: u32) -> String {
    let squeezed = |text: &str| {
        text.chars()
            .filter(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_lowercase()
    };
    match edition {
        Edition::OpenSource | Edition::Both => format!("cf_{number}"),
        Edition::Cloud => format!(
            "cf_{}_{}",
            squeezed(&custom.module),
            squeezed(&custom.label)
        ),
    }
}

pub(super) fn kind(custom: &CustomField) -> Kind {
    match &custom.kind {
        CustomFieldKind::Text => Kind::Text(Some(custom.length.unwrap_or(100))),
        CustomFieldKind::TextArea => Kind::Text(custom.length),
        CustomFieldKind::Integer => Kind::Integer,
        CustomFieldKind::Decimal { digits, scale } => Kind::Decimal {
            digits: *digits,
            scale: *scale,
            lenient: false,
        },
        CustomFieldKind::Currency { digits, scale } => Kind::Decimal {
            digits: *digits,
            scale: *scale,
            lenient: true,
        },
        CustomFieldKind::Date => Kind::Date,
        CustomFieldKind::Time => Kind::Time,
        CustomFieldKind::Checkbox => Kind::Boolean,
        CustomFieldKind::Picklist(_) => Kind::Text(Some(custom.length.unwrap_or(255))),
        CustomFieldKind::MultiPicklist(_) => Kind::MultiPicklist,
        CustomFieldKind::Phone => Kind::Text(Some(custom.length.unwrap_or(30))),
        CustomFieldKind::Email => Kind::Text(Some(custom.length.unwrap_or(50))),
        CustomFieldKind::Url => Kind::Text(Some(custom.length.unwrap_or(255))),
    }
}

pub(super) fn type_name(kind: &CustomFieldKind) -> &'static str {
    match kind {
        CustomFieldKind::Text => "string",
        CustomFieldKind::TextArea => "text",
        CustomFieldKind::Integer => "integer",
        CustomFieldKind::Decimal { .. } => "double",
        CustomFieldKind::Currency { .. } => "currency",
        CustomFieldKind::Date => "date",
        CustomFieldKind::Time => "time",
        CustomFieldKind::Checkbox => "boolean",
        CustomFieldKind::Picklist(_) => "picklist",
        CustomFieldKind::MultiPicklist(_) => "multipicklist",
        CustomFieldKind::Phone => "phone",
        CustomFieldKind::Email => "email",
        CustomFieldKind::Url => "url",
    }
}

pub(super) fn type_of(custom: &CustomField) -> Value {
    let name = type_name(&custom.kind);
    match &custom.kind {
        CustomFieldKind::Picklist(values) | CustomFieldKind::MultiPicklist(values) => {
            let options: Vec<Value> = values
                .iter()
                .map(|value| json!({ "label": value, "value": value }))
                .collect();
            json!({ "picklistValues": options, "defaultValue": values.first().cloned().unwrap_or_default(), "name": name })
        }
        CustomFieldKind::Date => json!({ "format": "yyyy-mm-dd", "name": name }),
        _ => json!({ "name": name }),
    }
}
