//! What somebody has typed and not sent yet, and what is remembered of what was sent.

use std::collections::{BTreeMap, BTreeSet};

use pugmark_queue::{OperationId, SealError, Sealer};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::answers::Answers;
use crate::config::{FieldKind, Form};

/// Bank data may be among it, so it has no `Debug`, and is sealed wherever it is stored.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// As typed, right or not, by the name of the question.
    #[serde(default)]
    pub typed: BTreeMap<String, String>,
    /// Bank accounts that were sent: their last four characters. More of them is not shown again to whoever has the link.
    #[serde(default)]
    pub sent: BTreeMap<String, String>,
}

impl Draft {
    /// What is remembered after these answers were sent.
    #[must_use]
    pub fn after(self, form: &Form, answers: &Answers) -> Self {
        let mut after = Draft {
            typed: answers.clone(),
            sent: self.sent,
        };
        for question in form
            .fields
            .iter()
            .filter(|field| field.kind == FieldKind::Iban)
        {
            if let Some(account) = after.typed.remove(&question.name) {
                let from = account.len().saturating_sub(4);
                let last = account.get(from..).unwrap_or_default().to_owned();
                after.sent.insert(question.name.clone(), last);
            }
        }
        after
    }

    /// Names of answers that need not be given again.
    pub fn sent_names(&self) -> BTreeSet<String> {
        self.sent.keys().cloned().collect()
    }

    /// Seals it under its id.
    ///
    /// # Errors
    /// [`SealError`], which never says what was sealed.
    pub fn seal(&self, sealer: &Sealer, id: Uuid) -> Result<Vec<u8>, SealError> {
        seal(self, sealer, id)
    }

    /// Opens what was sealed under this id.
    ///
    /// # Errors
    /// [`SealError`]: another key, or tampered with.
    pub fn open(sealer: &Sealer, id: Uuid, sealed: &[u8]) -> Result<Self, SealError> {
        let text = sealer.open(OperationId(id), sealed)?;
        serde_json::from_slice(&text).map_err(|_| SealError::DoesNotOpen)
    }
}

/// Seals something under an id.
pub(super) fn seal<T: Serialize>(
    value: &T,
    sealer: &Sealer,
    id: Uuid,
) -> Result<Vec<u8>, SealError> {
    let text = serde_json::to_vec(value).map_err(|_| SealError::CannotSeal)?;
    sealer.seal(OperationId(id), &Zeroizing::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Onboarding;

    #[test]
    fn of_an_account_that_was_sent_four_characters_are_remembered() {
        let form = Onboarding::default().form;
        let answers: Answers = [("iban", "IE29AIBK93115212345678"), ("bankName", "AIB")]
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .into();
        let after = Draft::default().after(&form, &answers);
        assert_eq!(after.sent["iban"], "5678");
        assert_eq!(after.typed.get("iban"), None);
        assert_eq!(after.typed["bankName"], "AIB");
        let corrected: Answers = [("bankName".to_owned(), "Allied".to_owned())].into();
        let after = after.after(&form, &corrected);
        assert_eq!(after.sent["iban"], "5678", "it need not be sent again");
    }

    #[test]
    fn a_draft_opens_under_its_own_id_alone() {
        let sealer = Sealer::new(1, &[7; 32]).unwrap();
        let draft = Draft {
            typed: [("iban".to_owned(), "IE29".to_owned())].into(),
            sent: BTreeMap::new(),
        };
        let (id, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let sealed = draft.seal(&sealer, id).unwrap();
        assert!(Draft::open(&sealer, id, &sealed).unwrap() == draft);
        assert!(Draft::open(&sealer, other, &sealed).is_err());
    }
}
