//! Whether every mapping can work in this CRM.

use pugmark_queue::db::{Db, DbError};
use vtiger::Module;

use super::Findings;
use crate::flows::insurance::mapping_check;
use crate::problem::Code;
use crate::store::field_mapping::{self, Mapping};

/// Names every mapping that is used and cannot work as it is. Fields that are missing are found with the fields.
pub(super) async fn check(module: &Module, db: &Db, findings: &mut Findings) {
    let mappings = match read(db).await {
        Ok(mappings) => mappings,
        Err(error) => {
            findings.problem("field mapping", error.to_string(), "Run `pugmark migrate`");
            return;
        }
    };
    for mapping in mappings.iter().filter(|mapping| mapping.is_active) {
        let judged = mapping_check::check_alone(mapping)
            .map(drop)
            .and_then(|()| mapping_check::check_others(Some(module), mapping, &mappings))
            .and_then(|()| mapping_check::check_field(module, mapping).map(drop));
        match judged {
            Err(wrong) if wrong.code != Code::MappingFieldMissing => findings.warning(
                &format!("mapping {}", mapping.id),
                format!(
                    "{}: {} -> {}: {}",
                    wrong.code,
                    mapping.field.microbima_field,
                    mapping.field.vtiger_field_name,
                    wrong.what
                ),
                format!(
                    "Correct it, or remove it with `pugmark mapping remove {}`; the other values are sent all the same",
                    mapping.id
                ),
            ),
            _ => {}
        }
    }
}

async fn read(db: &Db) -> Result<Vec<Mapping>, DbError> {
    field_mapping::list(&mut db.read().await?).await
}
