//! Which modules there are and what their fields are.

use std::sync::Arc;

use crate::classify::unexpected_result;
use crate::client::Client;
use crate::error::CallError;
use crate::module::{ListTypes, Module};
use crate::operation::Operation;

impl Client {
    /// The modules the calling user can reach.
    ///
    /// # Errors
    /// As every read.
    pub async fn list_types(&self) -> Result<ListTypes, CallError> {
        let operation = Operation::read("listtypes");
        let result = self.call_operation(&operation).await?;
        ListTypes::from_json(&result)
            .ok_or_else(|| unexpected_result(&operation, "the answer lists no modules"))
    }

    /// A module's description, kept for the configured time; callers that ask at once share one call.
    ///
    /// # Errors
    /// [`CallError::Refused`] with `UnknownModule` when there is no such module or no right to it. Errors are not kept.
    pub async fn describe(&self, module: &str) -> Result<Arc<Module>, CallError> {
        let shared = self
            .descriptions()
            .try_get_with_by_ref(module, self.fetch_description(module))
            .await;
        match shared {
            Ok(description) => Ok(description),
            Err(error) => match error.as_ref() {
                // Whoever asked first had less time left than this caller has.
                CallError::NotSent(_) if self.can_still_start() => {
                    let description = self.fetch_description(module).await?;
                    self.descriptions()
                        .insert(module.to_owned(), Arc::clone(&description))
                        .await;
                    Ok(description)
                }
                error => Err(error.clone()),
            },
        }
    }

    /// Forgets all module descriptions, so that the next calls ask anew.
    pub fn forget_descriptions(&self) {
        self.descriptions().invalidate_all();
    }

    async fn fetch_description(&self, module: &str) -> Result<Arc<Module>, CallError> {
        let operation = Operation::read("describe").param("elementType", module);
        let result = self.call_operation(&operation).await?;
        let config = self.config();
        let limits = |module: &str, field: &str| {
            config
                .field_limits
                .get(&(module.to_owned(), field.to_owned()))
        };
        Module::from_json(config.edition, &result, limits)
            .map(Arc::new)
            .ok_or_else(|| unexpected_result(&operation, "the answer describes no module"))
    }
}
