//! A payment profile, as the service shows it.

use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::bank::BankDetails;
use crate::id::{CustomerId, PaymentProfileId};
use crate::reading::{moment, or_default, text};

/// A bank account or a card. Numbers are shown masked or not at all. What the service leaves out, empty or null is `None`
/// here; what this client does not know is ignored. The vault token is not read: on a test site it is the account number.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PaymentProfile {
    /// The id, for good.
    pub id: PaymentProfileId,
    /// Whose it is. Inside of a subscription it may be left out.
    #[serde(default)]
    pub customer_id: Option<CustomerId>,
    /// `bank_account`, `credit_card` and the like.
    #[serde(default, deserialize_with = "text")]
    pub payment_type: Option<String>,
    /// The holder's first name.
    #[serde(default, deserialize_with = "text")]
    pub first_name: Option<String>,
    /// The holder's last name.
    #[serde(default, deserialize_with = "text")]
    pub last_name: Option<String>,
    /// The bank's name.
    #[serde(default, deserialize_with = "text")]
    pub bank_name: Option<String>,
    /// `XXXX` and the last four of the account number or IBAN. Profiles made from a vault token may have none.
    #[serde(default, deserialize_with = "text")]
    pub masked_bank_account_number: Option<String>,
    /// `XXXX` and the last four of the routing number.
    #[serde(default, deserialize_with = "text")]
    pub masked_bank_routing_number: Option<String>,
    /// `checking` or `savings`.
    #[serde(default, deserialize_with = "text")]
    pub bank_account_type: Option<String>,
    /// `personal` or `business`.
    #[serde(default, deserialize_with = "text")]
    pub bank_account_holder_type: Option<String>,
    /// `XXXX` groups and the last four of a card.
    #[serde(default, deserialize_with = "text")]
    pub masked_card_number: Option<String>,
    /// Which gateway keeps it: `bogus` on test sites, `gocardless`, `stripe_connect` and so on.
    #[serde(default, deserialize_with = "text")]
    pub current_vault: Option<String>,
    /// Which of several gateways of the site.
    #[serde(default, deserialize_with = "text")]
    pub gateway_handle: Option<String>,
    /// Whether the account was verified.
    #[serde(default, deserialize_with = "or_default")]
    pub verified: bool,
    /// Street and number of the billing address.
    #[serde(default, deserialize_with = "text")]
    pub billing_address: Option<String>,
    /// Its second line.
    #[serde(default, deserialize_with = "text")]
    pub billing_address_2: Option<String>,
    /// Its city.
    #[serde(default, deserialize_with = "text")]
    pub billing_city: Option<String>,
    /// Its part of the country.
    #[serde(default, deserialize_with = "text")]
    pub billing_state: Option<String>,
    /// Its postal code.
    #[serde(default, deserialize_with = "text")]
    pub billing_zip: Option<String>,
    /// Its country.
    #[serde(default, deserialize_with = "text")]
    pub billing_country: Option<String>,
    /// When the profile was made.
    #[serde(default, deserialize_with = "moment")]
    pub created_at: Option<Timestamp>,
    /// When the profile was last changed.
    #[serde(default, deserialize_with = "moment")]
    pub updated_at: Option<Timestamp>,
}

/// How much of a number its masked form shows.
const SHOWN: usize = 4;

impl PaymentProfile {
    /// Whether this is a bank account.
    #[must_use]
    pub fn is_bank_account(&self) -> bool {
        self.payment_type.as_deref() == Some("bank_account")
    }

    /// Whether this bank account ends like the number in `bank`: the IBAN, or else the account number. `None` when
    /// either side does not show enough to tell. Four characters are evidence, no proof.
    #[must_use]
    pub fn shows(&self, bank: &BankDetails) -> Option<bool> {
        if !self.is_bank_account() {
            return Some(false);
        }
        let number = bank
            .compact_iban()
            .or_else(|| bank.bank_account_number.clone())?;
        let shown = last(self.masked_bank_account_number.as_deref()?)?;
        Some(shown == last(number.expose_secret())?)
    }
}

/// The last letters and digits; `None` when there are too few.
fn last(number: &str) -> Option<Vec<char>> {
    let characters: Vec<char> = number
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|character| character.to_ascii_uppercase())
        .collect();
    let start = characters.len().checked_sub(SHOWN)?;
    characters.get(start..).map(<[char]>::to_vec)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn profile(kind: &str, masked: Option<&str>) -> PaymentProfile {
        let json = json!({"id": 1, "payment_type": kind, "masked_bank_account_number": masked});
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn an_account_is_recognised_by_its_last_four() {
        let bank = BankDetails::iban("IE29 AIBK 9311 5212 3456 78".into());
        let cases = [
            (profile("bank_account", Some("XXXX5678")), Some(true)),
            (profile("bank_account", Some("XXXX5679")), Some(false)),
            (profile("bank_account", None), None),
            (profile("bank_account", Some("78")), None),
            (profile("credit_card", Some("XXXX5678")), Some(false)),
        ];
        for (profile, expected) in cases {
            assert_eq!(profile.shows(&bank), expected, "{profile:?}");
        }
    }

    #[test]
    fn an_account_without_iban_is_recognised_by_its_number() {
        let bank = BankDetails {
            bank_account_number: Some("0055779911".into()),
            ..BankDetails::default()
        };
        let shown = profile("bank_account", Some("XXXX9911"));
        assert_eq!(shown.shows(&bank), Some(true));
        assert_eq!(shown.shows(&BankDetails::default()), None);
    }
}
